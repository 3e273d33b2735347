"""One grant of credits and what became of it: a record of sums. Times are unix seconds."""

from dataclasses import dataclass
from typing import Protocol


class Drawable(Protocol):
    """What decides whether and when a usage draws on a grant."""

    @property
    def grant_id(self) -> int:
        """The id of the grant's entry."""

    @property
    def at(self) -> int:
        """From when on it can be drawn."""

    @property
    def expires_at(self) -> int | None:
        """From when on it cannot any more; None: it does not expire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One grant and what became of it; `left` is the sum. Credits are whole numbers, none negative.

    `used` includes what was used before the grant was told. `draws` counts the entries on it.
    """

    grant_id: int
    customer_id: str
    source: str
    at: int
    expires_at: int | None
    issued: int
    used: int
    expired: int
    revoked: int
    restored: int
    draws: int

    @property
    def left(self) -> int:
        """What can still be drawn."""
        return self.issued + self.restored - self.used - self.expired - self.revoked


def is_valid(grant: Drawable, at: int) -> bool:
    """Whether a usage at that moment may draw from it."""
    return grant.at <= at and (grant.expires_at is None or at < grant.expires_at)


def drawing_order(grant: Drawable) -> tuple[bool, int, int, int]:
    """The key that sorts grants into the order of drawing: oldest expiry first, no expiry last."""
    return grant.expires_at is None, grant.expires_at or 0, grant.at, grant.grant_id
