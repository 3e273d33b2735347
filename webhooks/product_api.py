"""The product API: what the merchant's product tells, and asks (docs/api.md).

Each method does one call; `product_routes.py` says where it is and what it takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from ledger.accounts import account_of
from ledger.credit_grants import is_valid
from ledger.credit_usage import UsageRecorded, UsageReport, record_usage
from ledger.credits import grants_of_customer, overdrawn
from ledger.decisions import last_decision
from ledger.engine import Store
from ledger.refund_requests import NewRequest, RequestConflict, request_by_id, write_request
from policy.decision import Decision
from runtime.call_limits import USAGE_ENTRIES_AT_ONCE, USAGE_PAUSE_SECONDS
from runtime.clock import Clock
from runtime.queues import JUDGE_REQUEST_JOB, Wakeups
from webhooks import api_models as models

#: Clocks of other machines may be ahead of ours by so much.
AHEAD_SECONDS: Final = 300
#: What JSON numbers hold exactly.
ID_MAX: Final = 2**53


class Refused(Exception):
    """A call that cannot be done, as its answer."""

    def __init__(
        self, status: int, code: str, message: str, problem: tuple[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.problem = status, code, message, problem


def wrong_field(name: str, problem: str) -> Refused:
    """The answer to a field that no model can refuse by itself."""
    return Refused(422, "invalid", "The call has wrong fields.", (name, problem))


def key_used(noun: str) -> Refused:
    """The answer to a second call under a key that says something else."""
    return Refused(409, "key_used", f"The key was used before for another {noun}; take a new one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductApi:
    """What the calls work with."""

    store: Store
    clock: Clock
    wakeups: Wakeups
    livemode: bool = False

    def report_usage(self, told: models.UsageReportIn) -> tuple[int, models.UsageReportOut]:
        """Write a batch of usage, some hundred entries at a time: deliveries wait for the same lock.

        A batch that breaks off is sent again whole; its keys keep what was written from counting twice.
        """
        reports = [
            UsageReport(
                key=one.key,
                customer_id=one.customer_id,
                credits=one.credits,
                at=one.at,
                successful=one.successful,
                reference=one.reference,
            )
            for one in told.entries
        ]
        reports.sort(key=lambda one: (one.at, one.key))  # as they draw
        slices = range(0, len(reports), USAGE_ENTRIES_AT_ONCE)
        parts = [self._record(reports[at : at + USAGE_ENTRIES_AT_ONCE]) for at in slices]
        return 200, models.UsageReportOut(
            recorded=sum(part.recorded for part in parts),
            known=sum(part.known for part in parts),
            conflicting=[key for part in parts for key in part.conflicting],
            overdrawn=sum(part.overdrawn for part in parts),
        )

    def _record(self, reports: Sequence[UsageReport]) -> UsageRecorded:
        with self.store.write() as connection:
            recorded = record_usage(connection, reports, self.clock.now_ms())
        self.clock.sleep(USAGE_PAUSE_SECONDS)
        return recorded

    def show_customer(self, *, customer_id: str) -> tuple[int, models.CustomerOut]:
        """How a customer stands; one that nobody has heard of stands like a new one."""
        now = self.clock.now_ms() // 1000
        with self.store.read() as connection:
            account = account_of(connection, customer_id)
            grants = grants_of_customer(connection, customer_id)
            short = overdrawn(connection, customer_id)
        return 200, models.CustomerOut(
            customer_id=customer_id,
            standing=account.standing,
            cause=account.cause,
            credits_left=sum(grant.left for grant in grants if is_valid(grant, now)),
            overdrawn=short,
            grants=[
                models.GrantOut(
                    grant_id=grant.grant_id,
                    source=grant.source,
                    at=grant.at,
                    expires_at=grant.expires_at,
                    issued=grant.issued,
                    used=grant.used - grant.restored,
                    left=grant.left,
                )
                for grant in grants
            ],
        )

    def ask_for_refund(self, asked: models.RefundRequestIn) -> tuple[int, models.RefundRequestOut]:
        """Take a refund request in; it is judged at once, and its state can be asked for."""
        now_ms = self.clock.now_ms()
        now = now_ms // 1000
        if asked.asked_at is not None and asked.asked_at > now + AHEAD_SECONDS:
            raise wrong_field("asked_at", "must not lie in the future")
        if len(set(asked.reasons)) != len(asked.reasons):
            raise wrong_field("reasons", "must not name a reason twice")
        request = NewRequest(
            key=f"{models.REQUEST_KEY_PREFIX}{asked.key}",
            email=asked.account_email,
            purchase_date=asked.purchase_date,
            product=asked.product,
            reasons=tuple(asked.reasons),
            asked_at=now if asked.asked_at is None else asked.asked_at,
            evidence=asked.evidence,
            charge_id=asked.charge_id,
        )
        try:
            with self.store.write() as connection:
                request_id, fresh = write_request(connection, request, now_ms)
                shown = _request_shown(connection, request_id)
        except RequestConflict:
            raise key_used("request") from None
        if fresh:
            self.wakeups.wake_effect(JUDGE_REQUEST_JOB, request_id)
        return 202, shown

    def show_request(self, *, request_id: int) -> tuple[int, models.RefundRequestOut]:
        """One request as it stands."""
        with self.store.read() as connection:
            return 200, _request_shown(connection, request_id)


def _request_shown(connection: Connection, request_id: int) -> models.RefundRequestOut:
    known = request_id <= ID_MAX
    request = request_by_id(connection, request_id) if known else None
    if request is None:
        raise Refused(404, "not_found", "There is no request of this id.")
    row = None if request.case_id is None else last_decision(connection, request.case_id)
    return models.RefundRequestOut(
        request_id=request.request_id,
        state=request.state,
        case_id=request.case_id,
        decision=None if row is None else _decision_shown(Decision.from_json(row.body)),
    )


def _decision_shown(decision: Decision) -> models.DecisionOut:
    amount = decision.amount
    return models.DecisionOut(
        verdict=decision.verdict,
        amount=None
        if amount is None
        else models.AmountOut(minor=amount.amount_minor, currency=amount.currency),
        clauses=[result.clause.value for result in decision.clauses],
        terms_version=decision.terms_version,
    )
