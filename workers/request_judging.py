"""Judges one refund request: find the purchase → gather its facts → decide → write what follows.

Stripe is read with no transaction open. The case, the decision, the refund's intent and the notices
are then committed together, unless the request was taken by somebody else meanwhile. All requests
about one purchase share one case, and are judged together.
"""

import logging
from collections.abc import Sequence

from rq.timeouts import BaseTimeoutException
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ledger.cases import REFUND_REQUEST, Case, cases_about, move_case, open_case
from ledger.engine import lock_names
from ledger.refund_intents import (
    intents_of_cases,
    refund_left_to_people,
    refund_under_way,
)
from ledger.refund_requests import (
    GIVEN_UP,
    Request,
    lease_request,
    request_by_id,
    requests_of_case,
    settle_request,
)
from ledger.states import CaseState, RequestState
from policy.canonical_json import dump_canonical
from policy.checks import MalformedFactError
from policy.decision import Verdict
from policy.request_decisions import decide_request
from policy.request_facts import RequestFacts
from runtime.call_limits import REQUEST_LEASE_MS, REQUEST_WAIT_MS
from runtime.probes import probe
from workers import crash_points
from workers.business_days import business_days_after
from workers.case_following import (
    BEYOND_JUDGEMENT,
    CaseAtHand,
    Desk,
    Followed,
    Telling,
    Verdicts,
    follow_decision,
    ruled_on,
    tell_decision,
)
from workers.context import WorkerContext, ring_for
from workers.gateway_errors import GatewayError, Rejected
from workers.purchase_finder import Found, find_purchase
from workers.rendered_fields import UnreadableRendering
from workers.request_gathering import gather_request
from workers.retries import Trouble, exhausted, next_try_ms

_log = logging.getLogger(__name__)

#: A minute and a half by the schedule of questions.
_LOOKS_MAX = 5

NOT_FOUND = "no purchase of this e-mail address fits the day: name the charge"
AMBIGUOUS = "it is not clear which purchase is meant: name the charge"
NOT_KNOWN = "the ledger does not know this charge: check its id, or wait for its events"
UNDER_WAY = "another refund of this payment is under way; judged when that has ended"
UNKNOWN_OTHER = "nobody knows what became of another refund of this payment: look at Stripe, then have it judged"
APPEALED = "appealed, and the rules still say no: a person decides"
ASKED_AGAIN = "asked again after a person denied it: a person decides"
VERDICTS = Verdicts(
    stripe_reason="requested_by_customer",
    denied="no refund: the terms give none for what was asked",
)


def judge_request(context: WorkerContext, request_id: int) -> None:
    """Judge one request, if it is due and nobody else is on it."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        request = lease_request(connection, request_id, now_ms, now_ms + REQUEST_LEASE_MS)
    if request is None:
        probe("request.not_due")
        return
    context.crash.reach(crash_points.REQUEST_LEASED)
    try:
        followed = _judge(context, request)
    except Rejected as error:
        _leave_to_a_person(context, request, f"Stripe does not know this purchase: {error.code}")
    except (GatewayError, UnreadableRendering):
        probe("request.unread")
        _try_later(context, request, "Stripe could not be read")
    except MalformedFactError as error:
        # What a person stated and the ledger contradicts, in the policy's own words.
        _leave_to_a_person(context, request, f"the facts contradict each other: {error}")
    except (DBAPIError, BaseTimeoutException):
        raise  # the lease runs out, and what the row says then holds
    except Exception as error:  # noqa: BLE001 - a defect must not ring for ever
        _log.exception("a request failed", extra={"request_id": request_id})
        _try_later(context, request, f"failed on a defect: {type(error).__name__}")
    else:
        context.crash.reach(crash_points.REQUEST_JUDGED)
        ring_for(context.wakeups, followed.intents, (), notices=followed.notices)


def _judge(context: WorkerContext, request: Request) -> Followed:
    charge_id = request.charge_id or _matched(context, request)
    if charge_id is None:
        return Followed()
    with context.store.read() as connection:
        about = _all_about(connection, request, _case_about(connection, charge_id))
    facts = gather_request(context, about, charge_id)
    context.crash.reach(crash_points.REQUEST_GATHERED)
    if facts is None:
        _wait_or_leave(context, request, NOT_KNOWN)
        return Followed()
    with context.store.write() as connection:
        # Whoever judges another request about this purchase comes before or after, never between.
        lock_names(connection, [f"refund_request:{charge_id}"])
        return _write(context, connection, request, about, facts)


def _matched(context: WorkerContext, request: Request) -> str | None:
    """The purchase that e-mail, day and product name; None when a person has to name it."""
    with context.store.read() as connection:
        found = find_purchase(
            connection,
            context.catalogue,
            email_digest=request.email_digest,
            purchase_date=request.purchase_date,
            product=request.product,
            livemode=context.settings.livemode,
        )
    if isinstance(found, Found):
        return found.purchase.charge_id
    probe("request.ambiguous" if found.candidates else "request.not_found")
    candidates = [one.charge_id for one in found.candidates]
    if candidates:
        _leave_to_a_person(context, request, AMBIGUOUS, candidates)
    else:
        _wait_or_leave(context, request, NOT_FOUND)
    return None


def _case_about(connection: Connection, charge_id: str) -> Case | None:
    return cases_about(connection, REFUND_REQUEST, [charge_id]).get(charge_id)


def _all_about(connection: Connection, request: Request, case: Case | None) -> list[Request]:
    """The request with those that its purchase's case has already, oldest first."""
    before = [] if case is None else requests_of_case(connection, case.case_id)
    others = [one for one in before if one.request_id != request.request_id]
    return sorted([*others, request], key=lambda one: one.request_id)


def _write(
    context: WorkerContext,
    connection: Connection,
    request: Request,
    about: Sequence[Request],
    facts: RequestFacts,
) -> Followed:
    payment, now_ms = facts.payment, context.clock.now_ms()
    current = request_by_id(connection, request.request_id, lock=True)
    if current is None or current.fence != request.fence:
        return Followed()
    case = _case_about(connection, payment.charge_id)
    if _all_about(connection, current, case) != [
        current if one.request_id == current.request_id else one for one in about
    ]:
        probe("request.joined_meanwhile")
        settle_request(connection, request, RequestState.WAITING, now_ms, next_attempt_ms=now_ms)
        return Followed()
    case_id = None if case is None else case.case_id
    if refund_under_way(connection, payment.charge_id, case_id):
        if refund_left_to_people(connection, payment.charge_id, case_id):
            _leave_beside_another(
                connection, current, case or _open(context, connection, request, facts), now_ms
            )
        else:
            probe("request.waits_for_another_refund")
            due_ms = now_ms + REQUEST_WAIT_MS
            later: dict[str, object] = {"next_attempt_ms": due_ms, "attempts": 0}
            settle_request(
                connection, request, RequestState.WAITING, now_ms, note=UNDER_WAY, **later
            )
        return Followed()
    case = case or _open(context, connection, request, facts)
    followed, note = _decide(context, connection, case, current, facts)
    _join(connection, request, case, now_ms, note)
    return followed


def _join(
    connection: Connection, request: Request, case: Case, now_ms: int, note: str | None
) -> None:
    settle_request(
        connection,
        request,
        RequestState.JUDGED,
        now_ms,
        note=note,
        case_id=case.case_id,
        charge_id=case.charge_id,
    )


def _leave_beside_another(
    connection: Connection, request: Request, case: Case, now_ms: int
) -> None:
    """Have a person look: waiting for a refund that nothing tries any more would go on for ever."""
    _join(connection, request, case, now_ms, UNKNOWN_OTHER)
    if case.state in (CaseState.REVIEW, CaseState.CLOSED):
        move_case(connection, case.case_id, CaseState.REVIEW, note=UNKNOWN_OTHER, now_ms=now_ms)


def _decide(
    context: WorkerContext,
    connection: Connection,
    case: Case,
    request: Request,
    facts: RequestFacts,
) -> tuple[Followed, str | None]:
    intent = intents_of_cases(connection, [case.case_id]).get(case.case_id)
    if intent is not None and intent.state in BEYOND_JUDGEMENT:
        probe("request.joined_a_paid_case")
        return Followed(), f"joins case {case.case_id}, whose refund is {intent.state}"
    if request.case_id is None and ruled_on(connection, case.case_id):
        probe("request.joined_a_ruled_case")
        if case.state is CaseState.CLOSED:
            now_ms = context.clock.now_ms()
            move_case(connection, case.case_id, CaseState.REVIEW, note=ASKED_AGAIN, now_ms=now_ms)
        return Followed(), f"joins case {case.case_id}, on which a person ruled"
    terms = context.terms.in_force(facts.payment.created)
    decision = decide_request(facts, terms)
    desk = Desk(connection=connection, settings=context.settings, now_ms=context.clock.now_ms())
    at_hand = CaseAtHand(case=case, intent=intent, payment=facts.payment)
    followed = follow_decision(desk, at_hand, decision, VERDICTS)
    if case.appeals and decision.verdict is Verdict.DENY:
        probe("appeal.in_vain")
        move_case(connection, case.case_id, CaseState.REVIEW, note=APPEALED, now_ms=desk.now_ms)
        return followed, None
    told = Telling(decision=decision, terms=terms, email=request.email)
    tell_decision(desk, case, followed, told)
    return followed, None


def _open(
    context: WorkerContext, connection: Connection, request: Request, facts: RequestFacts
) -> Case:
    requests = context.terms.in_force(facts.payment.created).requests
    return open_case(
        connection,
        kind=REFUND_REQUEST,
        charge_id=facts.payment.charge_id,
        kept_charge_id=None,
        customer_id=facts.payment.customer_id,
        now_ms=context.clock.now_ms(),
        due_ms=business_days_after(request.received_ms, requests.review_business_days),
    )


def _try_later(context: WorkerContext, request: Request, note: str) -> None:
    if exhausted(request.attempts):
        _leave_to_a_person(context, request, GIVEN_UP)
        return
    now_ms = context.clock.now_ms()
    due_ms = next_try_ms(Trouble.UNREACHABLE, str(request.request_id), request.attempts, now_ms)
    with context.store.write() as connection:
        settle_request(
            connection, request, RequestState.WAITING, now_ms, note=note, next_attempt_ms=due_ms
        )


def _wait_or_leave(context: WorkerContext, request: Request, note: str) -> None:
    """The purchase's events may be minutes behind the request; after a few looks a person takes over."""
    if request.attempts < _LOOKS_MAX:
        _try_later(context, request, note)
    else:
        _leave_to_a_person(context, request, note)


def _leave_to_a_person(
    context: WorkerContext, request: Request, note: str, candidates: Sequence[str] = ()
) -> None:
    with context.store.write() as connection:
        settle_request(
            connection,
            request,
            RequestState.UNMATCHED,
            context.clock.now_ms(),
            note=note,
            candidates=dump_canonical(list(candidates)),
        )
