"""E-mail addresses: which texts are one, how one is shown to people, and who sends.

Stricter than RFC 5322, which allows comments, quoted blanks and lists: none of them is an account's
address, and each could be read as something else by a server on the way.
"""

import re
from dataclasses import dataclass

from runtime.limits import EMAIL_ADDRESS_CHARS_MAX

_ATOM = r"[^\s@<>(),:;\"\\\[\]]+"
_ADDRESS = re.compile(f"{_ATOM}@{_ATOM}")
_NAMED = re.compile(r"([^<>\"@,;\\]{1,100}?)\s*<([^<>]+)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Whom an e-mail is from: an address, and the name that is shown beside it ("" for none)."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """What follows the @."""
        return self.address.rpartition("@")[2]


def is_address(text: str) -> bool:
    """Whether a text is one plain e-mail address, of printable characters and bounded length."""
    return (
        len(text) <= EMAIL_ADDRESS_CHARS_MAX
        and text.isprintable()
        and _ADDRESS.fullmatch(text) is not None
    )


def parse_mailbox(text: str) -> Mailbox:
    """`refunds@shop.example` or `Shop <refunds@shop.example>`; ValueError for anything else."""
    named = _NAMED.fullmatch(text)
    name, address = (named[1].strip(), named[2]) if named else ("", text)
    if not name.isprintable() or not address.isascii() or not is_address(address):
        raise ValueError(
            "must be an address, or a name and an address: Shop <refunds@shop.example>"
        )
    return Mailbox(name=name, address=address)


def masked_address(address: str) -> str:
    """An address as lists show it: `j…@example.org`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
