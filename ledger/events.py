"""The records of the inbox: what a door hands in, and what it gets back."""

from dataclasses import dataclass

from ledger.states import EventState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """One verified event, ready to be stored. `created` is Stripe's unix seconds, UTC."""

    event_id: str  # evt_…, or "unreadable:<sha256>" for a verified body that is no event
    account: str  # "" for our own account
    livemode: bool
    type: str  # "" when unreadable
    kind: str  # snapshot | thin | unreadable
    api_version: str | None
    object_id: str | None
    lane: str  # one customer's events are worked one at a time: the customer, else what is nearest
    created: int
    payload: bytes
    sha256: str  # hex digest of `payload`
    source: str  # delivery | poll | import
    state: EventState  # NEW, IGNORED or PARKED
    note: str | None  # why it is ignored or parked


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of one event handed to the inbox."""

    row_id: int
    outcome: (
        str  # stored | known (same id, same bytes) | conflict (same id, other bytes: first kept)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedEvent:
    """An event under a worker's lease. `fence` must still match when its outcome is written."""

    row_id: int
    event_id: str
    account: str
    livemode: bool
    type: str
    kind: str
    api_version: str | None
    lane: str
    created: int
    payload: bytes
    fence: int
    attempts: int

    @property
    def replayed(self) -> bool:
        """Whether an operator had it put back: a replay raises the fence and forgets the attempts."""
        return self.fence > self.attempts
