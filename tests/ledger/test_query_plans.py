"""What is run all the time costs the same however large the ledger has grown: no statement reads a table through."""

import re

import pytest
from sqlalchemy import event

from ledger.api_tokens import token_name
from ledger.asked_plan_changes import (
    NewPlanChange,
    asked_since,
    change_by_id,
    own_schedules,
    scheduled_change,
    switched_by_us,
    write_change,
)
from ledger.brake import spend_since
from ledger.cases import cases_about, cases_keeping
from ledger.credit_claims import due_claims, take_claim
from ledger.credit_decisions import last_credit_decision
from ledger.credit_issues import Purchase, superseded
from ledger.credit_returns import credits_gone
from ledger.decisions import last_decision, seal_decisions
from ledger.dispute_rows import disputes_of
from ledger.fraud_facts import good_payments, later_payments, own_try, payments_of_card, suspect
from ledger.fraud_ratios import near_a_programme
from ledger.fraud_reports import reports
from ledger.inbox import claim_events, release_expired, waiting_count
from ledger.late_usage import DrawnUsage, note_late_usage
from ledger.list_entries import remove_entries_of_case
from ledger.look_ups import due_look_ups, take_look_up, was_answered
from ledger.notice_tables import NoticeChannel
from ledger.notices import due_notices, lease_notice, put_off_channel
from ledger.outages import outages_within
from ledger.plan_change_leases import due_changes, lease_change, replace_earlier, wake_scheduled
from ledger.purchase_matching import purchases_of
from ledger.refund_intents import (
    due_intents,
    intents_of_cases,
    refund_left_to_people,
    refund_under_way,
)
from ledger.refund_requests import due_requests, lease_request, requests_of_case
from ledger.seen_plan_changes import (
    NewSeenPlan,
    is_unsettled,
    portal_opened,
    seen_of_subscription,
    write_seen,
)
from ledger.seen_plan_leases import due_seen, lease_seen
from ledger.shadow_verdicts import not_yet_compared
from ledger.states import PlanMaker
from ledger.subscription_ends import due_ends, note_ended, take_end
from ledger.suspensions import end_suspension, others_hold, suspension_of
from ledger.warning_history import warning_outcomes
from policy.fraud_signals import Try
from policy.plan_changes import SubscriptionItem
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put_charge

#: A plan's step that visits every row of a table, unless it walks a partial index of open work.
_READS_ALL = re.compile(r"SCAN (?!events USING (COVERING )?INDEX ix_events_(waiting|claimed_lane))")
#: Not tables that grow: a list of values, the one row of a subquery.
_SMALL = re.compile(r"SCAN (CONSTANT ROW|\(subquery|anon_|json_each)")


def put_change(connection):
    """A change of plan, which a statement is about; its id."""
    asked = NewPlanChange(
        key="k1", subscription_id="sub_1", price_id="price_1", livemode=False, reason="a test"
    )
    return write_change(connection, asked, NOON_MS)[0]


def put_seen(connection):
    """A change of plan that an event told of; its id."""
    item = SubscriptionItem(
        item_id="si_1", price_id="price_1", quantity=1, period_start=0, period_end=NOON_MS // 1000
    )
    told = NewSeenPlan(
        event_id="evt_1",
        subscription_id="sub_1",
        customer_id="cus_1",
        livemode=False,
        made_by=PlanMaker.DASHBOARD,
        seen_at=0,
        base_at=0,
        before=(item,),
        after=(item,),
    )
    return write_seen(connection, told, NOON_MS, NOON_MS)


#: A try to pay that shares all there is to share, and its charge's columns.
ALL_SHARED = {
    "customer_id": "cus_1",
    "card_fingerprint": "fp_1",
    "email_digest": "email",
    "ip_digest": "ip",
    "device_digest": "device",
}
OWN = Try(
    charge_id="ch_1",
    created=NOON_MS // 1000,
    succeeded=True,
    amount_minor=1000,
    currency="usd",
    customer="cus_1",
    card="fp_1",
    email="email",
    ip="ip",
    device="device",
)

_OFTEN = {
    "token_name": lambda connection: token_name(connection, "rdk_x"),
    "release_expired": lambda connection: release_expired(connection, NOON_MS, 100),
    "claim_events": lambda connection: claim_events(connection, NOON_MS, 100),
    "waiting_count": lambda connection: waiting_count(connection, NOON_MS),
    "due_intents": lambda connection: due_intents(connection, NOON_MS, 100),
    "due_look_ups": lambda connection: due_look_ups(connection, NOON_MS, 100),
    "due_notices": lambda connection: due_notices(connection, NOON_MS, 100),
    "lease_notice": lambda connection: lease_notice(connection, 1, NOON_MS, NOON_MS),
    "put_off_channel": lambda connection: put_off_channel(connection, NoticeChannel.EMAIL, NOON_MS),
    "take_look_up": lambda connection: take_look_up(connection, 1, NOON_MS, NOON_MS),
    "was_answered": lambda connection: was_answered(connection, "charge", ["ch_1"]),
    "seal_decisions": lambda connection: seal_decisions(connection, 100),
    "last_decision": lambda connection: last_decision(connection, 1),
    "cases_about": lambda connection: cases_about(connection, "duplicate_charge", ["ch_1"]),
    "cases_keeping": lambda connection: cases_keeping(connection, "duplicate_charge", ["ch_1"]),
    "due_requests": lambda connection: due_requests(connection, NOON_MS, 100),
    "lease_request": lambda connection: lease_request(connection, 1, NOON_MS, NOON_MS),
    "requests_of_case": lambda connection: requests_of_case(connection, 1),
    "due_ends": lambda connection: due_ends(connection, NOON_MS, 100),
    "due_claims": lambda connection: due_claims(connection, NOON_MS, 100),
    "take_claim": lambda connection: take_claim(connection, 1, NOON_MS, NOON_MS),
    "last_credit_decision": lambda connection: last_credit_decision(connection, 1),
    "credits_gone": lambda connection: credits_gone(connection, "cus_1", "gen_1"),
    "note_late_usage": lambda connection: note_late_usage(
        connection, [DrawnUsage(grant_id=1, credits=1, at=0)], NOON_MS
    ),
    "take_end": lambda connection: take_end(connection, 1, NOON_MS, NOON_MS),
    "note_ended": lambda connection: note_ended(connection, "sub_1", NOON_MS),
    "due_changes": lambda connection: due_changes(connection, NOON_MS, 100),
    "lease_change": lambda connection: lease_change(
        connection, put_change(connection), NOON_MS, NOON_MS
    ),
    "replace_earlier": lambda connection: replace_earlier(
        connection, change_by_id(connection, put_change(connection)), NOON_MS
    ),
    "own_schedules": lambda connection: own_schedules(connection, "sub_1"),
    "scheduled_change": lambda connection: scheduled_change(connection, "sub_1"),
    "switched_by_us": lambda connection: switched_by_us(connection, "sub_1", ["price_1"]),
    "asked_since": lambda connection: asked_since(connection, "sub_1", "price_1", NOON_MS),
    "due_seen": lambda connection: due_seen(connection, NOON_MS, 100),
    "lease_seen": lambda connection: lease_seen(connection, put_seen(connection), NOON_MS, NOON_MS),
    "seen_of_subscription": lambda connection: seen_of_subscription(connection, "sub_1"),
    "is_unsettled": lambda connection: is_unsettled(connection, "sub_1"),
    "superseded": lambda connection: superseded(
        connection,
        Purchase(
            source="in_1",
            ref="price_1",
            customer_id="cus_1",
            subscription_id="sub_1",
            quantity=1,
            paid_at=0,
        ),
        NOON_MS // 1000,
    ),
    "portal_opened": lambda connection: portal_opened(connection, "cus_1", 0, NOON_MS // 1000),
    "wake_scheduled": lambda connection: wake_scheduled(connection, "sub_1", NOON_MS),
    "refund_under_way": lambda connection: refund_under_way(connection, "ch_1", 1),
    "refund_left_to_people": lambda connection: refund_left_to_people(connection, "ch_1", 1),
    "purchases_of": lambda connection: purchases_of(
        connection, email_digest="digest", paid_from=0, paid_before=NOON_MS // 1000, livemode=True
    ),
    "outages_within": lambda connection: outages_within(connection, NOON_MS // 1000, 2**40),
    "intents_of_cases": lambda connection: intents_of_cases(connection, [1, 2]),
    "suspect": lambda connection: (
        put_charge(connection, "ch_1", **ALL_SHARED),
        suspect(connection, "ch_1"),
    ),
    "own_try": lambda connection: own_try(connection, "ch_1"),
    "later_payments": lambda connection: later_payments(connection, OWN),
    "good_payments": lambda connection: good_payments(connection, OWN, NOON_MS // 1000),
    "payments_of_card": lambda connection: (
        put_charge(connection, "ch_1", **ALL_SHARED),
        payments_of_card(connection, "ch_1"),
    ),
    "reports": lambda connection: reports(connection, OWN, NOON_MS),
    "disputes_of": lambda connection: disputes_of(connection, "ch_1"),
    "warning_outcomes": lambda connection: warning_outcomes(connection, NOON_MS // 1000),
    "near_a_programme": lambda connection: near_a_programme(connection, "visa", NOON_MS // 1000),
    "suspension_of": lambda connection: suspension_of(connection, 1),
    "others_hold": lambda connection: others_hold(connection, "cus_1", 1),
    "end_suspension": lambda connection: end_suspension(connection, 1, NOON_MS),
    "remove_entries_of_case": lambda connection: remove_entries_of_case(connection, 1),
    "not_yet_compared": lambda connection: not_yet_compared(connection, "digest", 0, 100),
    "spend_since": lambda connection: spend_since(
        connection, since_ms=NOON_MS, currency="usd", customer_id="cus_1", except_intent="ri_1"
    ),
}


@pytest.mark.parametrize("name", _OFTEN)
def test_no_table_is_read_through(sqlite_store, name):
    """Each of its statements finds its rows by an index, as SQLite's own plan tells."""
    run = []

    def keep(_connection, _cursor, statement, parameters, *_):
        run.append((statement, parameters))

    event.listen(sqlite_store.engine, "before_cursor_execute", keep)
    with sqlite_store.write() as connection:
        _OFTEN[name](connection)
    event.remove(sqlite_store.engine, "before_cursor_execute", keep)
    with sqlite_store.read() as connection:
        plans = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            for statement, parameters in run
            if statement.startswith(("SELECT", "UPDATE", "DELETE"))
        ]
    steps = [step.detail for plan in plans for step in plan]

    assert plans
    assert [] == [one for one in steps if _READS_ALL.match(one) and not _SMALL.match(one)]
