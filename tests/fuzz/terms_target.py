"""The loader of refund terms, under any file whatever: understood, or refused by file and key."""

from collections import Counter
from dataclasses import astuple
from importlib.resources import files
from pathlib import Path

from policy.clauses import Clause
from policy.terms_file import Terms, TermsError, load_terms
from tests.fuzz.byte_mutations import mutated
from tests.fuzz.choices import Choices

_NAME = "2025-09-14"
_SHIPPED = (files("policy") / "terms" / f"{_NAME}.toml").read_text(encoding="utf-8")
_LINES = tuple(line for line in _SHIPPED.splitlines() if line and not line.startswith("#"))

_VALUES = (
    *("0", "1", "49", "50", "89", "90", "100", "101", "-1", "1_0", "0x5A", "0b1", "+90", "90.0"),
    *("9" * 5000, "0x" + "F" * 5000, "1e3", "nan", "inf", "true", '""', "''", '"90"', '"\\u0000"'),
    *("[]", "[1]", '["a"]', '["a", 1]', '["", "a"]', "[[]]", "{}", "{a = 1}", '["order_id",]'),
    *("2025-09-14", "2025-02-30", "0001-01-01", "9999-12-31", "2025-09-14T00:00:00", "07:32:00"),
    *('"2025-09-14"', '"\U0001f4b8"', '"\\ud800"', '"""\nlong\n"""', "[" * 3000 + "]" * 3000, ""),
    *("{a=" * 2000 + "1" + "}" * 2000, '"x" # y', '"' + "a" * 20_000 + '"', "\x00", "=", "\ufeff"),
)
_KEYS = (
    "refund_at",
    "version",
    "effective",
    "x",
    '""',
    "a.b",
    '"\\u001b"',
    "duplicates",
    "clauses",
)


class TermsTarget:
    """The loader over one file in a folder of its own."""

    packages = ("policy",)

    def __init__(self, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._file = folder / f"{_NAME}.toml"

    def close(self) -> None:
        """Nothing is open."""

    def missing(self) -> list[str]:
        """Both answers must occur."""
        return [name for name in ("loaded", "refused by its key") if not self.counts[name]]

    def seeds(self) -> list[bytes]:
        """The shipped file as it is, and the grammar's first ways."""
        return [b"\x03" + _SHIPPED.encode(), *(bytes([kind]) + bytes(40) for kind in range(4))]

    def describe(self, data: bytes) -> str:
        """The file that an input stands for."""
        return terms_text(data).decode("utf-8", "replace")

    def check(self, data: bytes) -> None:
        """Raise AssertionError unless the file is understood whole or refused by name and key."""
        text = terms_text(data)
        self._file.write_bytes(text)
        try:
            terms = load_terms(folder=self._folder)
        except TermsError as refused:
            self.counts[_refusal(str(refused))] += 1
            return
        _require_sense(terms)
        assert terms == load_terms(_NAME, self._folder)
        self.counts["loaded"] += 1


def terms_text(data: bytes) -> bytes:
    """The file that `data` stands for: the shipped one with changed lines, changed bytes, or any."""
    choices = Choices(data)
    kind = choices.below(4)
    if kind == 3:
        return choices.rest()
    lines = list(_LINES)
    for _ in range(1 + choices.below(4) if kind < 2 else 0):
        _change_line(choices, lines)
    text = "\n".join(lines).encode()
    return mutated(choices, text, 1 + choices.below(3)) if kind else text


def _change_line(choices: Choices, lines: list[str]) -> None:
    place = choices.below(len(lines))
    key, equals, value = lines[place].partition(" = ")
    changed = choices.below(6)
    if changed in (0, 1) and equals:
        lines[place] = f"{key} = {choices.pick(_VALUES)}"
    elif changed == 2:
        lines.insert(place, f"{choices.pick(_KEYS)} = {choices.pick(_VALUES)}")
    elif changed == 3 and equals:
        lines[place] = f"{choices.pick(_KEYS)} = {value}"
    elif changed == 4:
        lines.insert(choices.below(len(lines)), lines[place])
    else:
        del lines[place]


def _refusal(sentence: str) -> str:
    """Which kind of refusal it is; it must begin with the file's name and say more."""
    start, _, more = sentence.partition(": ")
    assert f"{_NAME}.toml" == start, sentence[:200]
    assert more.strip()
    key, colon, reason = more.partition(": ")
    if colon and reason and " " not in key:
        return "refused by its key"
    return "refused as no TOML"


def _require_sense(terms: Terms) -> None:
    """What the rules rely on, whatever the file says."""
    found, day = terms.duplicates, 86_400
    assert (_NAME, 0) == (terms.version, terms.effective % day)
    assert 1 <= found.review_at < found.refund_at <= 100
    assert 60 <= found.same_purchase_window_seconds <= day
    assert 3600 <= found.second_subscription_window_seconds <= 31 * day
    for keys in (found.order_reference_keys, found.product_keys):
        assert keys
        assert all(isinstance(key, str) and key for key in keys)
    assert all(type(level) is int and 0 <= level <= 100 for level in astuple(found.confidence))
    assert max(found.confidence.doubtful, found.confidence.product_unknown) < found.refund_at
    assert set(Clause) == set(terms.clause_titles)
    assert all(terms.title(clause).strip() for clause in Clause)
