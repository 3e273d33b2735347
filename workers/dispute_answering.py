"""Hands a dispute's evidence in: on a person's word only, written down and audited before Stripe is called.

What goes out is frozen in its row, under a key that is derived from it; a call whose answer was lost is made again with
the same words, or found to have arrived. Source: https://docs.stripe.com/api/disputes/update (2026-10-28.endive).
"""

from typing import Final, Protocol

from ledger.dispute_submissions import (
    Submission,
    settle_submission,
    submission_of,
)
from ledger.engine import Store
from ledger.states import SubmissionState
from runtime.clock import Clock
from workers.gateway import Rendered
from workers.gateway_errors import Rejected, Throttled, Unknown
from workers.rendered_fields import RenderedFields

#: The states in which a bank waits for an answer.
ANSWERABLE: Final = frozenset({"needs_response", "warning_needs_response", "appeal_needs_response"})


class DisputeGateway(Protocol):
    """What is asked of Stripe. Each raises a GatewayError."""

    def stripe_object(self, object_type: str, object_id: str) -> Rendered:
        """One object of a type named as in its `object` field."""

    def submit_evidence(self, dispute_id: str, params: str, idempotency_key: str) -> Rendered:
        """Answer a dispute by these exact parameters (a JSON text) under this key."""


class AnswerRefused(Exception):
    """The dispute cannot be answered; nothing was sent. The text says why, and what to do."""


class AnswerNotKnown(Exception):
    """The answer left, or may have, and nothing came back. The same call finds out and is safe."""


def require_answerable(gateway: DisputeGateway, dispute_id: str) -> str:
    """The state that a dispute has at Stripe right now, which is to be answered. Raises AnswerRefused."""
    try:
        told = RenderedFields(gateway.stripe_object("dispute", dispute_id), "dispute")
    except Rejected as error:
        raise AnswerRefused(f"Stripe does not know {dispute_id} ({error.code})") from None
    except (Throttled, Unknown) as error:
        raise AnswerRefused(f"Stripe could not be read ({error.code}); try again later") from None
    status = told.text("status")
    if status not in ANSWERABLE:
        raise AnswerRefused(f"{dispute_id} is {status} at Stripe: nobody waits for an answer")
    if told.part("evidence_details").raw("past_due") is True:
        raise AnswerRefused(f"the time to answer {dispute_id} is over")
    return status


def hand_in(
    store: Store, clock: Clock, gateway: DisputeGateway, submission: Submission
) -> Submission:
    """Make the call that a committed row stands for; the row as it then reads.

    Raises AnswerNotKnown. Handing in what Stripe has already does nothing.
    """
    if submission.state is not SubmissionState.SENDING:
        return submission
    try:
        gateway.submit_evidence(
            submission.dispute_id, submission.params, submission.idempotency_key
        )
    except Rejected as error:
        return _settle(store, clock, submission, SubmissionState.REFUSED, error.code)
    except (Throttled, Unknown) as error:
        raise AnswerNotKnown(f"Stripe gave no answer ({error.code})") from None
    return _settle(store, clock, submission, SubmissionState.ACCEPTED, None)


def arrived_before(store: Store, clock: Clock, gateway: DisputeGateway, dispute_id: str) -> bool:
    """Settle an answer whose call got lost and that Stripe has: nobody waits for it any more, and evidence is there.

    Raises AnswerNotKnown when Stripe cannot be read, AnswerRefused when it never arrived and is too late by now.
    """
    waiting = _sending(store, dispute_id)
    if not waiting:
        return False
    try:
        told = RenderedFields(gateway.stripe_object("dispute", dispute_id), "dispute")
    except (Rejected, Throttled, Unknown) as error:
        raise AnswerNotKnown(f"Stripe could not be read ({error.code})") from None
    status = told.text("status")
    if status in ANSWERABLE:
        return False
    if not told.part("evidence_details").amount_or("submission_count", 0):
        for one in waiting:
            _settle(store, clock, one, SubmissionState.REFUSED, "it never arrived")
        raise AnswerRefused(f"the answer never arrived, and {dispute_id} is {status} by now")
    for one in waiting:
        _settle(store, clock, one, SubmissionState.ACCEPTED, f"found {status} at Stripe")
    return True


def _sending(store: Store, dispute_id: str) -> list[Submission]:
    with store.read() as connection:
        found = [submission_of(connection, dispute_id, status) for status in sorted(ANSWERABLE)]
    return [one for one in found if one is not None and one.state is SubmissionState.SENDING]


def _settle(
    store: Store, clock: Clock, submission: Submission, state: SubmissionState, note: str | None
) -> Submission:
    with store.write() as connection:
        settle_submission(connection, submission.submission_id, state, note, clock.now_ms())
        settled = submission_of(connection, submission.dispute_id, submission.answers)
    return settled or submission
