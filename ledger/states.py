"""The states of the ledger's rows and the moves between them: one enum each, one table of permitted moves.

The tables' CHECK constraints are built from these enums, so that code, SQL and documentation share
one source.
"""

from collections.abc import Mapping
from enum import StrEnum


class EventState(StrEnum):
    """Where a stored event stands on its way to a decision."""

    NEW = "new"  # committed and waiting for a worker (or for its next try)
    CLAIMED = "claimed"  # under a worker's lease
    DECIDED = "decided"  # projected, judged, and everything that follows from it is written
    IGNORED = "ignored"  # of a type that nothing here needs; kept
    PARKED = "parked"  # set aside for a person, with the reason; kept


class IntentState(StrEnum):
    """Where a refund stands between the decision and the customer's money."""

    OBSERVED = "observed"  # decided in observe mode: nothing will be sent
    RESERVED = "reserved"  # to be sent; nothing has left, or Stripe surely did not act on it
    SUBMITTED = "submitted"  # handed to Stripe, or about to be: the outcome is not recorded yet
    UNKNOWN = "unknown"  # the answer was lost or unclear: Stripe is asked before anything else
    PENDING = "pending"  # Stripe has accepted it; the money is on its way
    SUCCEEDED = "succeeded"  # Stripe confirmed it
    REJECTED = "rejected"  # Stripe refused it for good
    WITHDRAWN = "withdrawn"  # the last check before the call no longer agreed; nothing was sent
    FAILED = "failed"  # Stripe accepted it and it failed later; a person must act


class CaseState(StrEnum):
    """Where one possible refund stands, from first suspicion to last cent."""

    REVIEW = "review"  # waits for a person
    REFUNDING = "refunding"  # approved; its intent is under way
    REFUNDED = "refunded"  # Stripe confirmed the refund
    CLOSED = "closed"  # ended without a refund by us


class LookUpState(StrEnum):
    """Where a question to Stripe about one object stands."""

    WANTED = "wanted"  # to be asked
    ANSWERED = "answered"  # asked, and the answer is in the ledger
    GIVEN_UP = "given_up"  # Stripe could not answer after every try


class ReplayState(StrEnum):
    """Where a replay stands that was started."""

    RUNNING = "running"  # somebody is at it, or was when it broke off: it can be resumed
    DONE = "done"  # everything that was meant has been put back


class CreditKind(StrEnum):
    """What an entry does to a customer's credits."""

    GRANT = "grant"  # a purchase, or the merchant, brought credits
    USAGE = "usage"  # the product spent them
    COVER = "cover"  # a usage that was told before the grant that pays for it
    EXPIRY = "expiry"  # what was left of a grant ran out of its validity
    REVOCATION = "revocation"  # what was left of a refunded purchase was taken
    RESTORATION = "restoration"  # credits came back, to a grant or as one of their own


class IssueState(StrEnum):
    """Where the credits of one paid purchase stand."""

    WAITING = "waiting"  # Stripe has not told yet what the price is
    ISSUING = "issuing"  # more months of an annual plan are to come
    DONE = "done"  # everything was issued
    STOPPED = "stopped"  # the subscription ended or was refunded: nothing more is issued


class NoticeState(StrEnum):
    """Where an e-mail, or a webhook to the product, stands on its way out."""

    WAITING = "waiting"  # to be sent; nothing is on its way
    SENDING = "sending"  # being handed over, or about to be: it may have arrived
    SENT = "sent"  # the other side said that it has it
    FAILED = "failed"  # given up; a person must act


class SubmissionState(StrEnum):
    """Where the answer to a dispute stands that a person handed in."""

    SENDING = "sending"  # written down, and perhaps at Stripe: the same call is safe to make again
    ACCEPTED = "accepted"  # Stripe has it, and hands it to the bank
    REFUSED = "refused"  # Stripe did not take it, for good


class RequestState(StrEnum):
    """Where a customer's request for a refund stands on its way to a decision."""

    WAITING = "waiting"  # to be matched to its purchase and judged
    UNMATCHED = "unmatched"  # no purchase fits it, or several: a person names the one
    JUDGED = "judged"  # its case has the decision


class ClaimState(StrEnum):
    """Where credits that are asked back stand."""

    WAITING = "waiting"  # to be judged
    REVIEW = "review"  # a person states what nobody knows
    OBSERVED = "observed"  # approved in observe mode: nothing came back
    RESTORED = "restored"  # back, as far as they are shown to have gone
    DENIED = "denied"  # none come back


class EndState(StrEnum):
    """Where the end of a refunded subscription stands."""

    WANTED = "wanted"  # to be ended at Stripe
    ENDED = "ended"  # Stripe says that it is over
    FAILED = "failed"  # given up after every try; a person must act


class PlanChangeState(StrEnum):
    """Where a change of plan that was asked for stands."""

    WAITING = "waiting"  # to be decided, and to be carried out at Stripe
    SCHEDULED = "scheduled"  # Stripe will switch at the period's end
    APPLIED = "applied"  # the subscription is what was asked for
    OBSERVED = "observed"  # decided in observe mode: nothing will be sent
    REFUSED = "refused"  # it cannot be carried out; the note says why and what to do
    REPLACED = "replaced"  # a later one for the subscription took its place
    WITHDRAWING = "withdrawing"  # being taken back at Stripe
    WITHDRAWN = "withdrawn"  # taken back; nothing is pending
    FAILED = "failed"  # a person must look at the subscription


class PlanEffect(StrEnum):
    """When a change of plan takes effect."""

    NOW = "now"
    PERIOD_END = "period_end"
    STAY = "stay"  # the plan that it has already: what is pending is taken back


class PlanStep(StrEnum):
    """A call at Stripe that a change of plan has under way."""

    SCHEDULE = "schedule"  # a schedule is made from the subscription
    PHASES = "phases"  # the schedule is told when the new price begins
    RELEASE = "release"  # the schedule lets the subscription go
    SWITCH = "switch"  # the subscription moves to the new price, charged at once


class PlanMaker(StrEnum):
    """Who made a change of plan, as far as an event tells."""

    US = "us"  # the idempotency key is ours
    STRIPE = "stripe"  # no request: a schedule's phase, or an update whose payment came
    PORTAL = "portal"  # the customer had opened the portal shortly before
    DASHBOARD = "dashboard"  # a request without a key: a person, in Stripe's dashboard
    API = "api"  # a request with a key of somebody else's


class SeenPlanState(StrEnum):
    """Where a change of plan stands that Stripe's events told of."""

    OWN = "own"  # our own call: nothing to look at
    WAITING = "waiting"  # to be held against the table
    IN_LINE = "in_line"  # as the table wants it
    OBSERVED = "observed"  # against the table; in observe mode it is only reported
    RESTORING = "restoring"  # being put right at Stripe
    CREDITING = "crediting"  # put right, but for money that is on its way back
    RESTORED = "restored"  # the old price runs until the period's end, the new one comes then
    REVIEW = "review"  # a person decides: accept it, or have it restored
    ACCEPTED = "accepted"  # a person lets it stand
    MERGED = "merged"  # one of several in a row: the last of them is looked at
    OVERTAKEN = "overtaken"  # the subscription has ended or moved on since


class Standing(StrEnum):
    """Whether a customer may use the product."""

    ACTIVE = "active"  # nothing is wrong
    SUSPENDED = "suspended"  # access rests
    CLOSED = "closed"  # access ended


class StandingCause(StrEnum):
    """Why an account does not stand as active."""

    TERMS = "terms"  # the rules of use were broken
    ABUSE = "abuse"  # malicious use, or filters evaded
    FLAG = "flag"  # an automatic check flagged it; nobody has looked yet
    MISTAKE = "mistake"  # an automatic check flagged it, and a person found it wrong


class ListName(StrEnum):
    """What a list says about those who stand on it."""

    ALLOW = "allow"  # somebody vouches for it: no score leads to anything
    BLOCK = "block"  # fraud was found with it: it weighs as the terms say
    SNOOZE = "snooze"  # left alone until the entry expires


class ListSubject(StrEnum):
    """What an entry of a list is about."""

    CARD = "card"  # Stripe's fingerprint
    CUSTOMER = "customer"  # Stripe's id
    EMAIL = "email"  # the address's digest
    IP = "ip"  # the digest of the product's `ip_address`
    DEVICE = "device"  # the digest of the product's `device_id`


EVENT_MOVES: Mapping[EventState, frozenset[EventState]] = {
    EventState.NEW: frozenset({EventState.CLAIMED}),
    EventState.CLAIMED: frozenset(
        {EventState.NEW, EventState.DECIDED, EventState.IGNORED, EventState.PARKED}
    ),
    EventState.DECIDED: frozenset({EventState.NEW}),  # replayed by an operator
    EventState.IGNORED: frozenset({EventState.NEW}),  # replayed by an operator
    EventState.PARKED: frozenset({EventState.NEW}),  # replayed by an operator
}

INTENT_MOVES: Mapping[IntentState, frozenset[IntentState]] = {
    IntentState.OBSERVED: frozenset({IntentState.RESERVED, IntentState.WITHDRAWN}),
    IntentState.RESERVED: frozenset(
        {IntentState.SUBMITTED, IntentState.WITHDRAWN, IntentState.PENDING, IntentState.SUCCEEDED}
    ),
    IntentState.SUBMITTED: frozenset(
        {
            IntentState.RESERVED,
            IntentState.UNKNOWN,
            IntentState.PENDING,
            IntentState.SUCCEEDED,
            IntentState.REJECTED,
            IntentState.FAILED,
        }
    ),
    IntentState.UNKNOWN: frozenset(
        {
            IntentState.SUBMITTED,
            IntentState.PENDING,
            IntentState.SUCCEEDED,
            IntentState.REJECTED,
            IntentState.FAILED,
        }
    ),
    IntentState.PENDING: frozenset({IntentState.SUCCEEDED, IntentState.FAILED}),
    IntentState.SUCCEEDED: frozenset(
        {IntentState.FAILED}
    ),  # up to 30 days later (Stripe: /refunds)
    # Only by Stripe's own word: a call that was given up may still have been carried out.
    IntentState.REJECTED: frozenset(
        {IntentState.PENDING, IntentState.SUCCEEDED, IntentState.FAILED}
    ),
    IntentState.WITHDRAWN: frozenset({IntentState.RESERVED, IntentState.OBSERVED}),
    IntentState.FAILED: frozenset(),
}

NOTICE_MOVES: Mapping[NoticeState, frozenset[NoticeState]] = {
    # To SENT at once where nothing can be lost on the way: a file in the outbox.
    NoticeState.WAITING: frozenset({NoticeState.SENDING, NoticeState.SENT, NoticeState.FAILED}),
    NoticeState.SENDING: frozenset({NoticeState.WAITING, NoticeState.SENT, NoticeState.FAILED}),
    NoticeState.SENT: frozenset({NoticeState.WAITING}),  # a webhook, sent anew by an operator
    NoticeState.FAILED: frozenset({NoticeState.WAITING}),  # by an operator
}

#: The states in which an intent holds a claim on the charge's money (invariant I4).
MONEY_HELD = frozenset(
    {
        IntentState.RESERVED,
        IntentState.SUBMITTED,
        IntentState.UNKNOWN,
        IntentState.PENDING,
        IntentState.SUCCEEDED,
    }
)


class MoveRefused(Exception):
    """A row was asked to make a move that its table of moves does not permit."""


def require_intent_move(before: IntentState, after: IntentState) -> None:
    """Raise MoveRefused unless an intent may go from `before` to `after`."""
    if after not in INTENT_MOVES[before]:
        raise MoveRefused(f"a refund intent cannot go from {before} to {after}")


def require_notice_move(before: NoticeState, after: NoticeState) -> None:
    """Raise MoveRefused unless a notice may go from `before` to `after`."""
    if after not in NOTICE_MOVES[before]:
        raise MoveRefused(f"a notice cannot go from {before} to {after}")
