"""Usage that is told after a decision and happened before it is noted on the case; the decision stands."""

import pytest
from sqlalchemy import event, select

from ledger.audit_log import entries_about
from ledger.cases import REFUND_REQUEST, open_case
from ledger.claim_tables import late_usage
from ledger.credit_usage import UsageReport, record_usage
from ledger.credits import grant_credits
from ledger.decisions import append_decision, last_decision
from ledger.late_usage import late_credits
from ledger.stripe_tables import invoice_payments
from policy.decision import Verdict
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import NOON, decision, put, put_case, put_charge

CUSTOMER = "cus_1"
BEFORE, SAME, AFTER = NOON - 1, NOON, NOON + 1


@pytest.fixture
def connection(store):
    with store.write() as opened:
        yield opened


def case_about(connection, charge_id, verdict=Verdict.DENY, made_ms=NOON_MS):
    """A case about a charge, decided at that moment; returns its id."""
    case_id = open_case(
        connection,
        kind=REFUND_REQUEST,
        charge_id=charge_id,
        kept_charge_id=None,
        customer_id=CUSTOMER,
        now_ms=NOON_MS,
    ).case_id
    decide(connection, case_id, verdict, made_ms)
    return case_id


def decide(connection, case_id, verdict, made_ms=NOON_MS):
    append_decision(
        connection,
        case_id=case_id,
        event_row_id=None,
        decision=decision(verdict),
        mode="enforce",
        now_ms=made_ms,
    )


def grant(connection, source, number=100, *, key=None, customer=CUSTOMER):
    grant_credits(
        connection,
        key=key or source,
        customer_id=customer,
        credits=number,
        at=0,
        expires_at=None,
        source=source,
        now_ms=NOON_MS,
    )


def tell(connection, number, at=BEFORE, key="u-1", *, customer=CUSTOMER):
    report = UsageReport(
        key=key,
        customer_id=customer,
        credits=number,
        at=at,
        successful=True,
        reference=None,
    )
    return record_usage(connection, [report], NOON_MS + 60_000)


def pay_invoice(connection, invoice_id, charge_id):
    """A charge that paid an invoice, as their projections say."""
    put_charge(connection, charge_id, payment_intent_id=f"pi_{charge_id}", customer_id=CUSTOMER)
    put(
        connection,
        invoice_payments,
        invoice_payment_id=f"inpay_{charge_id}",
        invoice_id=invoice_id,
        payment_intent_id=f"pi_{charge_id}",
        status="paid",
    )


def test_pack(connection):
    """What was used of a pack before its decision and told after it is noted, and audited with the sum."""
    case_id = case_about(connection, "ch_1")
    grant(connection, "ch_1")
    tell(connection, 12)
    tell(connection, 3, key="u-2")
    before = last_decision(connection, case_id)

    assert 15 == late_credits(connection, case_id)
    entries = entries_about(connection, f"case:{case_id}")
    assert [
        ("credits.told_late", "redress", "12 credits"),
        ("credits.told_late", "redress", "3 credits"),
    ] == [(entry.action, entry.actor, entry.result) for entry in entries]
    assert (before.id, "deny") == (last_decision(connection, case_id).id, before.verdict)
    (first, _) = connection.execute(select(late_usage)).all()
    assert (before.id, NOON_MS + 60_000) == (first.decision_id, first.told_ms)


def test_plan(connection):
    """The credits of a plan name its invoice; the case is about the charge that paid it."""
    pay_invoice(connection, "in_1", "ch_1")
    case_id = case_about(connection, "ch_1", Verdict.APPROVE)
    grant(connection, "in_1")
    tell(connection, 12)

    assert 12 == late_credits(connection, case_id)


@pytest.mark.parametrize(
    ("at", "noted"),
    [
        pytest.param(BEFORE, 12, id="before the decision"),
        pytest.param(SAME, 0, id="in its second"),
        pytest.param(AFTER, 0, id="after it"),
    ],
)
def test_moment(connection, at, noted):
    """Only what was used before the decision counts; who uses credits after it changes nothing."""
    case_id = case_about(connection, "ch_1")
    grant(connection, "ch_1")
    tell(connection, 12, at)

    assert noted == late_credits(connection, case_id)


def test_told_again(connection):
    """A repeated report is not noted twice, one that contradicts it not at all."""
    case_id = case_about(connection, "ch_1")
    grant(connection, "ch_1")
    for number in (12, 12, 13):
        tell(connection, number)

    assert 12 == late_credits(connection, case_id)


def test_in_review(connection):
    """A case that waits for a person is not decided, and one that was decided again counts by its last."""
    in_review = case_about(connection, "ch_1", Verdict.REVIEW)
    again = case_about(connection, "ch_2", made_ms=NOON_MS - 5_000)
    decide(connection, again, Verdict.DENY, NOON_MS + 5_000)
    for source in ("ch_1", "ch_2"):
        grant(connection, source, 10)
    tell(connection, 20, NOON + 2)

    assert (0, 10) == (late_credits(connection, in_review), late_credits(connection, again))


def test_others_are_left_alone(connection):
    """Nothing is noted about other purchases, nor what no grant covers."""
    case_id = case_about(connection, "ch_1")
    grant(connection, "ch_1", 5)
    grant(connection, "ch_2", 50, customer="cus_2")
    tell(connection, 9)
    tell(connection, 9, key="u-2", customer="cus_2")

    assert 5 == late_credits(connection, case_id)
    assert 1 == len(connection.execute(select(late_usage)).all())


def test_second_payment_of_an_invoice(connection):
    """A case about a second payment of an invoice has no credits: they are those of the first."""
    for charge_id in ("ch_1", "ch_2"):
        pay_invoice(connection, "in_1", charge_id)
    duplicate = put_case(connection, "ch_2")
    decide(connection, duplicate, Verdict.APPROVE)
    grant(connection, "in_1")
    tell(connection, 12)

    assert 0 == late_credits(connection, duplicate)


def test_large_batch(sqlite_store):
    """A batch of a thousand customers asks about their cases once, and each case is noted by itself."""
    with sqlite_store.write() as connection:
        for number in range(1_000):
            grant(connection, f"ch_{number}", customer=f"cus_{number}")
        noted = [case_about(connection, f"ch_{number}") for number in range(3)]
    run = []

    def keep(_connection, _cursor, statement, *_):
        run.append(statement)

    reports = [
        UsageReport(
            key=f"u-{number}",
            customer_id=f"cus_{number % 1_000}",
            credits=1,
            at=BEFORE,
            successful=True,
            reference=None,
        )
        for number in range(5_000)
    ]
    event.listen(sqlite_store.engine, "before_cursor_execute", keep)
    with sqlite_store.write() as connection:
        record_usage(connection, reports, NOON_MS + 1)
        told = [late_credits(connection, case_id) for case_id in noted]
    event.remove(sqlite_store.engine, "before_cursor_execute", keep)

    assert [5, 5, 5] == told
    assert 1 == sum("UNION" in statement for statement in run)
