"""Values that stand where a number, a text or an object was expected."""

from tests.fuzz.choices import Choices

#: A text like this is replaced by the bytes themselves once the JSON is written.
RAW = {
    "@raw-nan@": b"NaN",
    "@raw-infinite@": b"-Infinity",
    "@raw-beyond-a-double@": b"1e400",
    "@raw-long-number@": b"9" * 5000,
    "@raw-2^64@": b"18446744073709551616",
    "@raw-minus-zero@": b"-0",
    "@raw-exponent@": b"1E3",
    "@raw-deep@": b"[" * 70 + b"]" * 70,
    "@raw-very-deep@": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "@raw-nothing@": b"",
    "@raw-word@": b"undefined",
}

NUMBERS = (
    *(0, 1, -1, 7, 99, 50_000, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1),
    *(0.0, 1.5, -0.5, 1000.0, 1e300, 5e-324, True, False, "1000", "0x10", "١٢", "-1", "1e3", ""),
)
CURRENCIES = (
    "usd",
    "USD",
    "eur",
    "jpy",
    "JPY",
    "kwd",
    "ugx",
    "xxx",
    "us",
    "usd ",
    "💶",
    "",
    None,
    7,
)
TEXTS = (
    *("", " ", "x", "0", "null", "a\x00b", "\x00", "\ud800", "a\udfffb", "💸" * 40, "İ", "ß", "ﬁ"),
    *("a\nb", "\x1b[31mred", "\u202egnp.exe", "../../v1/refunds", "%00", "a" * 255, "a" * 256),
    *("a" * 500, "a" * 501, "💸" * 500, "'; DROP TABLE events; --", "{{7*7}}", "=cmd()", "\\", '"'),
    *("evt_", "ch_1", "cus_1", "ri_1", "acct_other", "v2.core.event", "buyer@shop.example"),
)
SHAPES = (
    *([], {}, [[]], [None], {"id": None}, {"id": 7}, {"id": "x"}, {"id": "x" * 300}, {"": ""}),
    *({"data": [7]}, {"data": [{}]}, {"data": {"data": []}}, ["a"], [{"id": "si_1"}] * 3),
)


def hostile(choices: Choices) -> object:
    """Any of them; null first."""
    return choices.pick(_KINDS)(choices)


def _null(_choices: Choices) -> object:
    return None


def _number(choices: Choices) -> object:
    return choices.pick(NUMBERS)


def _text(choices: Choices) -> object:
    return choices.pick(TEXTS)


def _shape(choices: Choices) -> object:
    return choices.pick(SHAPES)


def _raw(choices: Choices) -> object:
    return choices.pick(tuple(RAW))


def _incompressible(_choices: Choices) -> object:
    """A text that no compression makes fit into an index."""
    return "".join(chr(97 + (place * place * 7919 + place // 7) % 26) for place in range(9000))


def _large(choices: Choices) -> object:
    members = {f"key_{number}": number for number in range(10_000)}
    return choices.pick((members, list(range(2_000)), {"data": [{"id": "x"}] * 500}))


_KINDS = (_null, _number, _text, _text, _shape, _raw, _incompressible, _large)
