"""What the database itself refuses: one row per constraint, and no constraint without its row."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from sqlalchemy import CheckConstraint, UniqueConstraint, delete, insert, select, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from ledger.api_token_tables import api_tokens
from ledger.audit_log import record
from ledger.claim_tables import credit_claims, credit_decisions, late_usage
from ledger.credit_tables import credit_entries
from ledger.decisions import seal_decisions
from ledger.ending_tables import subscription_ends
from ledger.fraud_tables import dispute_submissions, list_entries, shadow_verdicts
from ledger.inbox import store_events
from ledger.issue_tables import credit_issues
from ledger.notice_tables import notices
from ledger.notices import write_notice
from ledger.plan_change_tables import plan_changes
from ledger.refund_intents import KEY_PREFIX, intent_id_for
from ledger.request_tables import accounts, outages, refund_requests
from ledger.seen_plan_tables import seen_plan_changes
from ledger.states import EventState
from ledger.stripe_tables import charges
from ledger.tables import (
    audit,
    brakes,
    cases,
    decisions,
    events,
    look_ups,
    metadata,
    refund_intents,
    seals,
)
from ledger.triggers import APPEND_ONLY, trigger_statements
from tests.databases import ENGINES, Databases
from tests.fakes.fraud_rows import fill_fraud
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import new_event, put, put_charge, put_decision, reserve_refund
from tests.fakes.notice_rows import email
from tests.fakes.operator_rows import OPERATOR_BREACHES, OPERATOR_SQLITE, fill_operators


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A statement that a constraint must refuse, and SQLite's words where it does not name it."""

    name: str
    make: Callable
    sqlite: str = ""


def write_again(table, **changes):
    """Insert a second row that differs from the first one only in `changes`."""

    def again(connection):
        row = connection.execute(select(table)).mappings().first()
        key = next(iter(table.primary_key.columns)).name
        copied = {name: value for name, value in row.items() if name != key}
        if not isinstance(row[key], int):
            copied[key] = f"{row[key]} again"
        connection.execute(insert(table).values(copied | changes))

    return again


def _execute(statement, connection):
    connection.execute(statement)


def another_intent(**changes):
    """Insert a second intent for the charge, of one cent, that differs in all that must be unique."""
    usual = {"cause": "other", "idempotency_key": "other", "refund_id": None, "amount_minor": 1}
    return write_again(refund_intents, **usual | changes)


def another_entry(**changes):
    """Insert a second grant of credits that differs in its key."""
    return write_again(credit_entries, key="other", **changes)


#: An entry that draws on the one grant, which is of 10 credits.
DRAWN = {"grant_id": 1, "draw": 1, "left_after": 9}
OVERDRAWN = {"grant_id": 1, "draw": 1, "kind": "usage", "credits": -11, "left_after": -1}


def draw_twice(connection):
    """Insert two entries that both are the first to draw on the grant."""
    for key in ("first", "again"):
        put(connection, credit_entries, key=key, kind="usage", credits=-1, **DRAWN)


def grant_on_a_grant(connection):
    """Insert a grant that draws on another, after a usage that leaves room for it."""
    put(connection, credit_entries, key="used", kind="usage", credits=-1, **DRAWN)
    drawn = {"grant_id": 1, "draw": 2, "left_after": 10}
    put(connection, credit_entries, key="granted", kind="grant", credits=1, **drawn)


def grant_that_covers(connection):
    """Insert a grant that says it covers a usage that is there."""
    put(connection, credit_entries, key="open", kind="usage", credits=-1)
    query = select(credit_entries.c.id).where(credit_entries.c.key == "open")
    usage_id = connection.execute(query).scalar_one()
    put(connection, credit_entries, key="covers", kind="grant", credits=1, covers=usage_id)


def change(table, **changes):
    """Update the table's row."""
    return lambda connection: connection.execute(update(table).values(changes))


def put_one(table, **values):
    """Insert a row of the table."""
    return lambda connection: put(connection, table, **values)


#: A change of plan with a call at Stripe under way.
UNDER_WAY = {
    "subscription_id": "sub_2",
    "state": "waiting",
    "step": "switch",
    "step_params": "{}",
    "step_ms": 1,
    "next_attempt_ms": 1,
}


def another_change(**changes):
    """Insert a further change of plan, of another subscription and with a key of its own."""
    usual = {"key": "other", "subscription_id": "sub_3", "state": "waiting", "next_attempt_ms": 1}
    return put_one(plan_changes, **usual | changes)


#: A change of plan that an event told of, and that is not looked at yet.
TOLD = {
    "made_by": "dashboard",
    "before_items": "[]",
    "after_items": "[]",
    "base_items": "[]",
    "state": "waiting",
    "next_attempt_ms": 1,
}


def another_seen(**changes):
    """Insert a further change that an event told of, of another subscription."""
    usual = TOLD | {"event_id": "evt_9", "subscription_id": "sub_9"}
    return put_one(seen_plan_changes, **usual | changes)


def put_verdict(connection, **changes):
    case_id = connection.execute(select(cases.c.id)).scalar_one()
    usual = {"case_id": case_id, "verdict": "deny", "amount_minor": None}
    put(connection, decisions, **usual | changes)


CHARGE_INTENT_ID = intent_id_for(livemode=False, charge_id="ch_1", cause="duplicate_charge")

REFUSED = [
    Refused(
        name="inv_i1_event_once",
        make=write_again(events),
        sqlite="events.account, events.livemode, events.event_id",
    ),
    Refused(name="inv_i2_event_state", make=change(events, state="forgotten")),
    Refused(name="inv_i2_claimed_has_lease", make=change(events, state="claimed")),
    Refused(name="inv_i2_claimed_has_lease", make=change(events, lease_until_ms=1)),
    Refused(
        name="inv_i3_one_case_per_charge_and_kind",
        make=write_again(cases),
        sqlite="cases.kind, cases.charge_id",
    ),
    Refused(name="inv_i2_case_state", make=change(cases, state="forgotten")),
    Refused(
        name="inv_i6_decision_verdict",
        make=lambda connection: put_verdict(connection, verdict="perhaps"),
    ),
    Refused(
        name="inv_i6_approval_names_amount",
        make=lambda connection: put_verdict(connection, verdict="approve"),
    ),
    Refused(
        name="inv_i6_approval_names_amount",
        make=lambda connection: put_verdict(connection, amount_minor=1),
    ),
    Refused(
        name="inv_i14_decision_amount",
        make=lambda connection: put_verdict(connection, verdict="approve", amount_minor=0),
    ),
    Refused(name="inv_i12_sealed_once", make=write_again(seals), sqlite="seals.decision_id"),
    Refused(
        name="inv_i3_one_refund_per_charge_and_cause",
        make=another_intent(cause="duplicate_charge"),
        sqlite="refund_intents.charge_id, refund_intents.cause",
    ),
    Refused(
        name="inv_i9_key_once",
        make=another_intent(idempotency_key=f"{KEY_PREFIX}refund:{CHARGE_INTENT_ID}"),
        sqlite="refund_intents.idempotency_key",
    ),
    Refused(
        name="inv_i3_refund_adopted_once",
        make=another_intent(refund_id="re_1"),
        sqlite="refund_intents.refund_id",
    ),
    Refused(name="inv_i14_intent_amount", make=change(refund_intents, amount_minor=0)),
    Refused(name="inv_i14_intent_amount", make=change(refund_intents, amount_minor=-1)),
    Refused(name="inv_i2_intent_state", make=change(refund_intents, state="forgotten")),
    *(
        Refused(
            name="inv_i6_sent_has_time",
            make=change(refund_intents, state=state, first_sent_ms=None),
        )
        for state in ("submitted", "unknown", "pending", "succeeded", "rejected", "failed")
    ),
    Refused(
        name="inv_plan_change_once",
        make=another_change(key="k-1"),
        sqlite="plan_changes.key",
    ),
    Refused(name="inv_plan_change_state", make=another_change(state="lost", next_attempt_ms=None)),
    Refused(name="inv_plan_change_effect", make=another_change(effect="soon")),
    Refused(
        name="inv_plan_change_step", make=another_change(step="pay", step_params="{}", step_ms=1)
    ),
    Refused(name="inv_plan_step_is_whole", make=another_change(step="switch", step_ms=1)),
    Refused(name="inv_plan_step_is_whole", make=another_change(step="switch", step_params="{}")),
    Refused(
        name="inv_plan_step_is_open",
        make=another_change(**UNDER_WAY | {"state": "failed", "next_attempt_ms": None}),
    ),
    Refused(name="inv_plan_has_time", make=another_change(next_attempt_ms=None)),
    Refused(name="inv_plan_has_time", make=another_change(state="refused")),
    Refused(
        name="inv_scheduled_has_schedule", make=another_change(state="scheduled", effective_at=1)
    ),
    Refused(
        name="inv_scheduled_has_schedule",
        make=another_change(state="scheduled", schedule_id="sub_sched_2"),
    ),
    Refused(
        name="inv_one_plan_step",
        make=another_change(**UNDER_WAY),
        sqlite="plan_changes.subscription_id",
    ),
    Refused(
        name="inv_one_plan_scheduled",
        make=another_change(
            subscription_id="sub_1", state="scheduled", schedule_id="s", effective_at=1
        ),
        sqlite="plan_changes.subscription_id",
    ),
    Refused(
        name="inv_seen_plan_once",
        make=another_seen(event_id="evt_8"),
        sqlite="seen_plan_changes.event_id",
    ),
    Refused(name="inv_seen_plan_state", make=another_seen(state="lost", next_attempt_ms=None)),
    Refused(name="inv_seen_plan_maker", make=another_seen(made_by="nobody")),
    Refused(name="inv_seen_plan_has_time", make=another_seen(next_attempt_ms=None)),
    Refused(name="inv_seen_plan_has_time", make=another_seen(state="own")),
    Refused(name="inv_restored_has_clause", make=another_seen(state="restoring", restored_ms=1)),
    Refused(
        name="inv_restored_has_clause", make=another_seen(state="crediting", clause="CHANGE-UP")
    ),
    Refused(
        name="inv_one_restoration",
        make=another_seen(
            subscription_id="sub_8", state="restoring", clause="CHANGE-UP", restored_ms=1
        ),
        sqlite="seen_plan_changes.subscription_id",
    ),
    Refused(name="inv_one_brake", make=put_one(brakes, id=2)),
    Refused(
        name="inv_one_look_up_per_object",
        make=write_again(look_ups),
        sqlite="look_ups.object_type, look_ups.object_id",
    ),
    Refused(name="inv_look_up_state", make=change(look_ups, state="forgotten")),
    Refused(name="inv_one_notice_per_key", make=write_again(notices), sqlite="notices.key"),
    Refused(name="inv_notice_channel", make=change(notices, channel="pigeon", recipient=None)),
    Refused(name="inv_notice_state", make=change(notices, state="lost", next_attempt_ms=None)),
    Refused(name="inv_notice_email_has_recipient", make=change(notices, recipient=None)),
    Refused(name="inv_notice_email_has_recipient", make=change(notices, channel="webhook")),
    Refused(name="inv_notice_sending_has_lease", make=change(notices, state="sending")),
    Refused(name="inv_notice_open_is_due", make=change(notices, next_attempt_ms=None)),
    Refused(name="inv_notice_open_is_due", make=change(notices, state="failed")),
    Refused(
        name="inv_notice_sent_has_time",
        make=change(notices, state="sent", next_attempt_ms=None),
    ),
    Refused(
        name="inv_credit_entry_once",
        make=write_again(credit_entries),
        sqlite="credit_entries.key, credit_entries.part",
    ),
    Refused(name="inv_credit_kind", make=another_entry(kind="gift", credits=-1)),
    Refused(name="inv_credit_sign", make=another_entry(credits=-1)),
    Refused(name="inv_credit_sign", make=another_entry(kind="usage", credits=1)),
    Refused(name="inv_credit_sign", make=another_entry(kind="usage", credits=0)),
    Refused(name="inv_credit_grant", make=grant_on_a_grant),
    Refused(name="inv_credit_grant", make=another_entry(kind="expiry", credits=-1)),
    Refused(name="inv_credit_grant", make=another_entry(kind="revocation", credits=-1)),
    Refused(name="inv_credit_left", make=another_entry(draw=1)),
    Refused(name="inv_credit_left", make=another_entry(left_after=1)),
    Refused(name="inv_credit_left", make=another_entry(**OVERDRAWN)),
    Refused(name="inv_credit_cover", make=grant_that_covers),
    Refused(name="inv_credit_cover", make=another_entry(**DRAWN, kind="cover", credits=-1)),
    Refused(
        name="inv_credit_drawn_in_turn",
        make=draw_twice,
        sqlite="credit_entries.grant_id, credit_entries.draw",
    ),
    Refused(
        name="inv_one_issue_per_purchase",
        make=write_again(credit_issues),
        sqlite="credit_issues.source, credit_issues.ref",
    ),
    Refused(name="inv_issue_state", make=change(credit_issues, state="forgotten")),
    Refused(name="inv_issue_quantity", make=change(credit_issues, quantity=0)),
    Refused(name="inv_issuing_has_time", make=change(credit_issues, state="issuing")),
    Refused(name="inv_issuing_has_time", make=change(credit_issues, next_at=1)),
    Refused(name="inv_i14_charge_amounts", make=change(charges, amount_minor=-1)),
    Refused(name="inv_i14_charge_amounts", make=change(charges, captured_minor=-1)),
    Refused(name="inv_i14_charge_amounts", make=change(charges, refunded_minor=-1)),
    Refused(
        name="inv_request_once", make=write_again(refund_requests), sqlite="refund_requests.key"
    ),
    Refused(name="inv_request_state", make=change(refund_requests, state="forgotten")),
    Refused(name="inv_judged_has_case", make=change(refund_requests, state="judged")),
    Refused(name="inv_account_standing", make=change(accounts, standing="gone")),
    Refused(name="inv_account_cause", make=change(accounts, cause="spite")),
    Refused(name="inv_account_standing_has_cause", make=change(accounts, standing="closed")),
    Refused(
        name="inv_listed_once",
        make=write_again(list_entries),
        sqlite="list_entries.list, list_entries.subject, list_entries.value, list_entries.origin",
    ),
    Refused(name="inv_list_name", make=change(list_entries, list="grey")),
    Refused(name="inv_list_subject", make=change(list_entries, subject="shoe")),
    Refused(name="inv_snooze_ends", make=change(list_entries, list="snooze")),
    Refused(
        name="inv_one_answer_per_state",
        make=write_again(dispute_submissions, idempotency_key="other"),
        sqlite="dispute_submissions.dispute_id, dispute_submissions.answers",
    ),
    Refused(
        name="inv_i4_submission_key",
        make=write_again(dispute_submissions, dispute_id="du_other"),
        sqlite="dispute_submissions.idempotency_key",
    ),
    Refused(name="inv_submission_state", make=change(dispute_submissions, state="odd")),
    Refused(
        name="inv_one_shadow_verdict",
        make=write_again(shadow_verdicts),
        sqlite="shadow_verdicts.terms_digest, shadow_verdicts.subject",
    ),
    Refused(
        name="inv_outage_once",
        make=write_again(outages),
        sqlite="outages.began_at, outages.ended_at, outages.affects",
    ),
    Refused(
        name="inv_one_end_per_subscription",
        make=write_again(subscription_ends),
        sqlite="subscription_ends.subscription_id",
    ),
    Refused(
        name="inv_api_token_once",
        make=write_again(api_tokens, name="other"),
        sqlite="api_tokens.digest",
    ),
    Refused(
        name="inv_end_state",
        make=change(subscription_ends, state="forgotten", next_attempt_ms=None),
    ),
    Refused(name="inv_end_has_time", make=change(subscription_ends, next_attempt_ms=None)),
    Refused(name="inv_outage_lasts", make=change(outages, ended_at=1)),
    Refused(name="inv_claim_once", make=write_again(credit_claims), sqlite="credit_claims.key"),
    Refused(name="inv_claim_state", make=change(credit_claims, state="gone", next_attempt_ms=None)),
    Refused(name="inv_claim_loss", make=change(credit_claims, loss="stolen")),
    Refused(name="inv_claim_credits", make=change(credit_claims, credits=0)),
    Refused(name="inv_claim_credits", make=change(credit_claims, documented=-1)),
    Refused(name="inv_claim_waiting_has_time", make=change(credit_claims, next_attempt_ms=None)),
    Refused(name="inv_claim_waiting_has_time", make=change(credit_claims, state="denied")),
    Refused(
        name="inv_i6_credit_decision_verdict",
        make=write_again(credit_decisions, verdict="perhaps", credits=None),
    ),
    Refused(name="inv_i6_approval_names_credits", make=write_again(credit_decisions, credits=None)),
    Refused(
        name="inv_i6_approval_names_credits", make=write_again(credit_decisions, verdict="deny")
    ),
    Refused(name="inv_credit_decision_credits", make=write_again(credit_decisions, credits=0)),
    Refused(name="inv_late_usage_credits", make=change(late_usage, credits=0)),
    *(
        Refused(name=name, make=partial(_execute, statement), sqlite=OPERATOR_SQLITE.get(name, ""))
        for name, statement in OPERATOR_BREACHES.items()
    ),
]

OVERDRAWN = [
    pytest.param(
        another_intent(amount_minor=401),
        id="one cent too much",
    ),
    pytest.param(change(refund_intents, amount_minor=1001), id="an amount raised"),
    pytest.param(
        put_one(
            refund_intents, id="ri_x", charge_id="ch_unknown", state="reserved", amount_minor=1
        ),
        id="a charge that is not known",
    ),
]


@pytest.fixture(scope="module", params=ENGINES)
def filled_store(request, database_templates, tmp_path_factory):
    """A store in which every table with a constraint has one row, 6.00 of 10.00 USD reserved.

    One for all tests of this file: what they try is refused, so it stays as it is.
    """
    databases = Databases(database_templates, tmp_path_factory.mktemp("filled"))
    store = databases.store(databases.url(request.param))
    fill(store)
    yield store
    databases.close()


def fill(store):
    with store.write() as connection:
        store_events(connection, [new_event(state=EventState.IGNORED)], NOON_MS)
        put_charge(connection, "ch_1")
        reserve_refund(connection, amount_minor=600)
        connection.execute(update(refund_intents).values(refund_id="re_1"))
        seal_decisions(connection, 10)
        put(connection, look_ups, state="wanted", object_type="charge", object_id="ch_1")
        put(connection, brakes, id=1)
        put(connection, credit_entries, key="g-1", kind="grant", credits=10)
        put(connection, credit_issues, source="in_1", ref="price_1", state="waiting", quantity=1)
        put(connection, refund_requests, key="k-1", state="waiting")
        put(connection, accounts, customer_id="cus_1", standing="active")
        fill_fraud(connection)
        fill_operators(connection)
        claim = {"key": "c-1", "loss": "lost", "credits": 5}
        put(connection, credit_claims, **claim, state="waiting", next_attempt_ms=1)
        put(connection, credit_decisions, claim_id=1, verdict="approve", credits=5)
        put(connection, outages, began_at=1, ended_at=2)
        made = {
            "case_id": connection.execute(select(cases.c.id)).scalar_one(),
            "decision_id": connection.execute(select(decisions.c.id)).scalar_one(),
        }
        put(connection, late_usage, **made, credits=5)
        put(connection, api_tokens, name="product", digest="d")
        put(
            connection,
            subscription_ends,
            **made,
            state="wanted",
            next_attempt_ms=1,
        )
        put(
            connection,
            plan_changes,
            key="k-1",
            subscription_id="sub_1",
            state="scheduled",
            schedule_id="sub_sched_1",
            effective_at=1,
            next_attempt_ms=1,
        )
        put(connection, plan_changes, key="k-2", **UNDER_WAY)
        put(
            connection,
            seen_plan_changes,
            **TOLD
            | {
                "event_id": "evt_8",
                "subscription_id": "sub_8",
                "state": "restoring",
                "clause": "CHANGE-UP",
                "restored_ms": 1,
            },
        )
        write_notice(connection, email(), NOON_MS)
        record(
            connection,
            at_ms=NOON_MS,
            actor="ada",
            action="brake.on",
            object_id="brake",
            result="done",
            origin="cli",
        )


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.name)
def test_refused(filled_store, refused):
    """The database refuses what its constraint forbids, whatever the code above it does."""
    with pytest.raises(IntegrityError) as error, filled_store.write() as connection:
        refused.make(connection)

    if filled_store.dialect == "postgresql":
        assert refused.name == error.value.orig.diag.constraint_name
    else:
        assert str(error.value.orig).endswith(f": {refused.sqlite or refused.name}")


def test_every_constraint_has_its_row():
    """Each constraint that is named after an invariant is tried above, and each row above names one."""
    named = {
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint | UniqueConstraint)
    } | {
        str(index.name)
        for table in metadata.tables.values()
        for index in table.indexes
        if index.unique and str(index.name).startswith("inv_")
    }

    assert {refused.name for refused in REFUSED} == named
    assert all(name.startswith("inv_") for name in named)


def test_every_trigger_is_tried():
    """The triggers are those of I4, of credits and of the append-only tables, in both dialects; all are tried."""
    append_only = {table.name for table in APPEND_ONLY}

    assert {"decisions", "seals", "audit", "credit_entries", "credit_decisions"} == append_only
    for dialect, count in (
        ("sqlite", 2 * len(append_only) + 4),
        ("postgresql", 5 + len(append_only)),
    ):
        statements = trigger_statements(dialect)
        assert count == len(statements)
        assert all(
            re.search("inv_(i4|i12|credit_balance|credit_covered)", one) for one in statements
        )


@pytest.mark.parametrize("table", APPEND_ONLY, ids=lambda table: table.name)
@pytest.mark.parametrize("verb", [update, delete], ids=["update", "delete"])
def test_append_only(filled_store, table, verb):
    """No row of the decisions, their seals, the audit log or the credits is changed or deleted (I12)."""
    statement = verb(table)
    if verb is update:
        column = [column for column in table.columns if not column.primary_key][-1]
        statement = statement.values({column.name: column})

    with (
        pytest.raises(DatabaseError, match=f"inv_i12: {table.name} is append-only"),
        filled_store.write() as connection,
    ):
        connection.execute(statement)


@pytest.mark.parametrize("overdraw", OVERDRAWN)
def test_overdrawn(filled_store, overdraw):
    """Intents that hold money never add up to more than was captured (I4)."""
    with (
        pytest.raises(DatabaseError, match="inv_i4: refunds would exceed what was captured"),
        filled_store.write() as connection,
    ):
        overdraw(connection)


def test_orphans(filled_store):
    """An intent without a case or decision, and a decision without a case, are refused (I6)."""
    for orphan in (
        another_intent(decision_id=99),
        another_intent(case_id=99),
        lambda connection: put_verdict(connection, case_id=99),
        lambda connection: put_decision(connection, 99),
    ):
        with (
            pytest.raises(IntegrityError, match=r"(?i)foreign key"),
            filled_store.write() as connection,
        ):
            orphan(connection)


def test_needed_columns(filled_store):
    """Decisions name terms, facts and mode; intents a decision; events their bytes and digest (I6, I1)."""
    for table, names in (
        (decisions, ("case_id", "terms_version", "mode", "body", "made_ms")),
        (refund_intents, ("case_id", "decision_id", "params", "idempotency_key")),
        (events, ("payload", "sha256", "lane")),
        (audit, ("at_ms", "actor", "action", "object", "result", "origin")),
    ):
        again = another_intent if table is refund_intents else partial(write_again, table)
        for name in names:
            with (
                pytest.raises(
                    IntegrityError, match=rf"(?i)not.null.*\b{name}\b|\b{name}\b.*not.null"
                ),
                filled_store.write() as connection,
            ):
                again(**{name: None})(connection)


def test_errors_hide_values(filled_store):
    """A failed statement's error does not repeat the values that were sent with it (I11)."""
    with pytest.raises(DatabaseError) as error, filled_store.read() as connection:
        connection.execute(text("SELECT :name FROM nowhere"), {"name": "jane@example.org"})

    assert "nowhere" in str(error.value)
    assert "jane@example.org" not in str(error.value)
