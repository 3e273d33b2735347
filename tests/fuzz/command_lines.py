"""Command lines as a tired operator, a script with a bug or somebody hostile would type them."""

from dataclasses import dataclass

from tests.fuzz.choices import Choices

_REASONS = (
    "looking into it",
    "",
    "  ",
    "a\nb",
    "\x1b[2Jx",
    "a" * 501,
    "💸 why",
    "\udcff",
    "x\u2028y",
)
_MOMENTS = (
    *("2h", "2026-01-31", "2026-01-31T12:00:00Z", "999999d", "9999999d", "-5h", "0s", "yesterday"),
    *("0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-01", "٣h"),
    *("2026-01-31T12:00:00+99:99", "2026-W05", "20260131", "1767268800", ""),
)
_NUMBERS = (
    *("1", "50", "500", "501", "0", "-1", "9" * 18, "9" * 19, "9" * 20, "9" * 5000, "1e3", "1.5"),
    *("0x10", "٣", "+1", "1_0", " 1", "", "nan", "9223372036854775807", "9223372036854775808"),
)
_IDS = ("evt_1", "ch_0", "cus_1", "1", "2", "ri_1", "evt_hostile", "9" * 18, "9" * 19, "0", "-1")
_HOSTILE = (
    *(
        "",
        " ",
        "-",
        "--",
        "--json",
        "--help",
        "--limit",
        "*",
        "%",
        "_",
        "\\",
        "'",
        '"',
        "`",
        "$(x)",
    ),
    *("\x1b[31mred\x1b[0m", "\x9b31m", "\x7f", "a\rb", "a\tb", "a\nb", "\u202egnp", "\u2028", "💸"),
    *("\udcff", "é", "İ", "'; DROP TABLE events; --", "a" * 10_000, "{0}", "%s", "[bold]x[/bold]"),
)
_STATES = ("new", "parked", "decided", "reserved", "observed", "lost", "NEW", "new ")
_TYPES = ("charge.*", "charge.succeeded", "*", "**", "%", "", " ", "c*e", "charge.[a]*")

_FILTERS = {
    "--type": _TYPES,
    "--state": _STATES,
    "--object": _IDS,
    "--customer": _IDS,
    "--since": _MOMENTS,
    "--until": _MOMENTS,
}
#: command → its options with the values that suit them (none: a flag), and how many arguments it takes.
_OPTIONS: dict[tuple[str, ...], tuple[dict[str, tuple[str, ...]], int]] = {
    ("events", "list"): ({**_FILTERS, "--limit": _NUMBERS, "--before": _NUMBERS, "--json": ()}, 0),
    ("events", "show"): ({"--payload": (), "--json": ()}, 1),
    ("events", "replay"): (
        {
            **_FILTERS,
            "--limit": _NUMBERS,
            "--after": _NUMBERS,
            "--run": (),
            "--reason": _REASONS,
            "--json": (),
        },
        2,
    ),
    ("replay",): ({**_FILTERS, "--run": (), "--reason": _REASONS, "--after": _NUMBERS}, 2),
    ("refunds", "list"): (
        {
            "--state": _STATES,
            "--charge": _IDS,
            "--customer": _IDS,
            "--since": _MOMENTS,
            "--limit": _NUMBERS,
            "--before": _IDS,
            "--json": (),
        },
        0,
    ),
    ("refunds", "show"): ({"--json": ()}, 1),
    ("queue", "status"): ({"--json": ()}, 0),
    ("brake", "status"): ({"--json": ()}, 0),
    ("brake", "on"): ({"--reason": _REASONS}, 0),
    ("brake", "off"): ({"--reason": _REASONS}, 0),
    ("doctor",): ({"--json": ()}, 0),
    ("events",): ({}, 0),
    (): ({"--version": (), "--debug": ()}, 0),
}
#: Commands that would run until they are stopped; only what they refuse is typed.
_PROCESSES = ("up", "web", "worker", "effects", "notifier", "sandbox", "migrate", "sweeper")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One command line, and which options (by name) have which values."""

    args: tuple[str, ...]
    command: tuple[str, ...]
    options: tuple[tuple[str, str | None], ...]

    @property
    def reads_only(self) -> bool:
        """Whether nothing may be written by it."""
        names = {name for name, _ in self.options}
        writes = (
            self.command in {("brake", "on"), ("brake", "off")}
            or ("--run" in self.args and self.command[-1:] == ("replay",))
            or ("--payload" in names | set(self.args))
        )
        return not writes

    @property
    def blames_one_option(self) -> bool:
        """Whether nothing but one option and its value can be wrong."""
        if len(self.options) != 1 or self.command[-1:] == ("replay",):  # replaying needs a filter
            return False
        name, value = self.options[0]
        return value is not None and self.args == (*self.command, name, value)


def command_line(data: bytes) -> Line:
    """The line that `data` stands for."""
    choices = Choices(data)
    if not choices.below(12) and data:
        name = choices.pick(_PROCESSES)
        bad = choices.pick(
            ("--unheard-of", "extra", "--seconds=x", "--repeats=x", "\x1b[31m", "--help")
        )
        return Line(args=(name, bad), command=(name,), options=())
    command = choices.pick(tuple(_OPTIONS))
    offered, arguments = _OPTIONS[command]
    options = [_option(choices, offered) for _ in range(choices.below(5))]
    words = [choices.pick((_IDS, _HOSTILE)) for _ in range(choices.below(arguments + 2))]
    args = [*command, *(part for option in options for part in option if part is not None)]
    args += [choices.pick(word) for word in words]
    if not choices.below(16):
        args.insert(choices.below(len(args) + 1), choices.pick(_HOSTILE))
    return Line(args=tuple(args), command=command, options=tuple(options))


def _option(choices: Choices, offered: dict[str, tuple[str, ...]]) -> tuple[str, str | None]:
    if not offered or not choices.below(16):
        return choices.pick(("--unheard-of", "-x", "--\x1b[31m", "--\udcff", "--")), None
    name = choices.pick(tuple(offered))
    if not offered[name]:
        return name, None
    return name, choices.pick(choices.pick((offered[name], offered[name], offered[name], _HOSTILE)))
