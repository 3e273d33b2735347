"""Who takes a notice out, as the workers see it: one carrier for each channel."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ledger.notices import Notice


class Carrier(Protocol):
    """Takes one kind of notice out."""

    def carry(self, notice: Notice, leaving: Callable[[], None]) -> str:
        """Hand a notice over; returns what the other side said, in words for the ledger.

        `leaving()` is called just before the first byte after which it may arrive; a carrier that can lose
        nothing on the way need not. Raises CarrierError.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """One carrier for each channel."""

    email: Carrier
    webhook: Carrier
