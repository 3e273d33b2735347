"""The targets by the names that the command line gives them."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from tests.fuzz.command_line_target import CommandLineTarget
from tests.fuzz.receiver_target import ReceiverTarget
from tests.fuzz.signature_target import SignatureTarget
from tests.fuzz.terms_target import TermsTarget


class Target(Protocol):
    """Something that takes any bytes and must keep its promises."""

    counts: Counter[str]
    packages: tuple[str, ...]

    def check(self, data: bytes) -> None:
        """Raise unless everything that is promised of this input holds."""

    def seeds(self) -> list[bytes]:
        """Inputs to begin with."""

    def describe(self, data: bytes) -> str:
        """What an input stands for, for people."""

    def missing(self) -> list[str]:
        """What every long run must have seen and this one has not."""

    def close(self) -> None:
        """Let go of what is open."""


TARGETS: Mapping[str, Callable[[Path], Target]] = {
    "receiver": ReceiverTarget,
    "signatures": SignatureTarget,
    "command-line": CommandLineTarget,
    "terms": TermsTarget,
}

#: Where coverage tells more than chance; the others are faster, or wider, without it.
GUIDED = frozenset({"receiver", "terms"})
