"""Credits that are asked back: how they went and what is known of it. The rule is in credit_restoration.py."""

from dataclasses import dataclass
from enum import StrEnum

from policy.checks import require_count, require_flag, require_member


class CreditLoss(StrEnum):
    """How the credits went."""

    FAILED = "failed"  # spent on generations that failed
    LOST = "lost"  # gone without being spent


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditClaim:
    """Credits that are asked back.

    `documented` is how many of them the usage reports, or a record of the incident, show to have gone
    that way; `our_fault` whether a system error or a platform problem was the cause; `restored` what
    came back for it before. None: not known. Raises MalformedFactError at birth.
    """

    loss: CreditLoss
    claimed: int
    documented: int | None
    our_fault: bool | None
    restored: int

    def __post_init__(self) -> None:
        """Refuse wrong types."""
        require_member("loss", self.loss, CreditLoss)
        require_count("claimed", self.claimed)
        require_count("documented", self.documented, optional=True)
        require_count("restored", self.restored)
        if self.our_fault is not None:
            require_flag("our_fault", self.our_fault)
