"""Changes to raw bytes that no grammar would make: what a broken cable or an attacker does."""

from tests.fuzz.choices import Choices

_PIECES = (
    *(b"\x00", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\u0000", b"\\ud800"),
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"=", b"\r\n", b"NaN", b"1e999", b"-0"),
    *(b"9" * 400, b"[" * 1100, b'{"a":' * 70, b'"id":"evt_2",', b'"amount":1,'),
)


def mutated(choices: Choices, text: bytes, count: int) -> bytes:
    """`text` with `count` small changes at places that `choices` names."""
    for _ in range(count):
        text = _changed(choices, text)
    return text


def _changed(choices: Choices, text: bytes) -> bytes:
    kind = choices.below(6)
    place = choices.below(max(len(text), 1))
    before, after = text[:place], text[place:]
    if kind == 0:
        return before + bytes([(after or b"\x00")[0] ^ 1 << choices.below(8)]) + after[1:]
    if kind == 1:
        return before + after[1 + choices.below(32) :]
    if kind == 2:
        return before + choices.pick(_PIECES) + after
    if kind == 3:
        return before + after[: 1 + choices.below(64)] + after
    if kind == 4:
        return before + bytes([choices.below(256)]) + after[1:]
    return before
