"""`redress refunds list` and `show`: every refund, its money, and the whole story behind it."""

import pytest
from sqlalchemy import update

from ledger.audit_log import record
from ledger.decisions import append_decision
from ledger.states import IntentState
from ledger.stripe_tables import disputes, refunds
from ledger.tables import refund_intents
from ops.terminal import COLUMNS
from policy.clauses import Clause
from policy.decision import ClauseResult, Decision, Verdict
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put, put_case, put_charge, put_decision, reserve_refund

LONG_CHARGE = "ch_3RabcD2eZvKYlo2C01234567"


@pytest.fixture
def world(redress, databases):
    """The command line and the store on one database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


@pytest.fixture
def three(world):
    """Three refunds a minute apart: dollars and yen, the second in observe mode."""
    _, store = world
    with store.write() as connection:
        for at, (currency, customer, state) in enumerate(
            [
                ("usd", "cus_1", IntentState.RESERVED),
                ("usd", "cus_2", IntentState.OBSERVED),
                ("jpy", "cus_2", IntentState.RESERVED),
            ]
        ):
            put_charge(connection, f"ch_{at}", currency=currency)
            reserve_refund(
                connection,
                f"ch_{at}",
                currency=currency,
                customer_id=customer,
                state=state,
                now_ms=NOON_MS - (2 - at) * 60_000,
            )
    return world


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        pytest.param([], ["ch_2", "ch_1", "ch_0"], id="all, newest first"),
        pytest.param(["--state", "observed"], ["ch_1"], id="one state"),
        pytest.param(
            ["--state", "observed", "--state", "reserved"], ["ch_2", "ch_1", "ch_0"], id="two"
        ),
        pytest.param(["--charge", "ch_0"], ["ch_0"], id="one charge"),
        pytest.param(["--customer", "cus_2"], ["ch_2", "ch_1"], id="one customer"),
        pytest.param(["--since", "90s"], ["ch_2", "ch_1"], id="since"),
        pytest.param(["--limit", "1"], ["ch_2"], id="limit"),
        pytest.param(["--customer", "cus_9"], [], id="nothing"),
    ],
)
def test_list(three, args, expected):
    """Each filter narrows the list; all that are given must hold."""
    redress, _ = three

    assert expected == [
        one["charge_id"] for one in redress.json("refunds", "list", *args)["refunds"]
    ]


def test_totals_are_of_all(three):
    """Totals count all that fit, per currency and state, also what the page does not show."""
    redress, _ = three

    listed = redress.json("refunds", "list", "--limit", "1")

    assert [
        {"currency": "jpy", "state": "reserved", "count": 1, "amount_minor": 1000},
        {"currency": "usd", "state": "observed", "count": 1, "amount_minor": 1000},
        {"currency": "usd", "state": "reserved", "count": 1, "amount_minor": 1000},
    ] == listed["totals"]


def test_money_by_currency(three):
    """Amounts are shown in the currency's own digits."""
    shown = three[0]("refunds", "list").stdout

    assert "1000 JPY" in shown
    assert "10.00 USD" in shown


def test_pages(world):
    """Pages follow each other without a gap, also among refunds of one millisecond."""
    redress, store = world
    with store.write() as connection:
        for at in range(5):
            put_charge(connection, f"ch_{at}")
            reserve_refund(connection, f"ch_{at}")
    seen, before = [], []
    while True:
        page = redress.json("refunds", "list", "--limit", "2", *before)
        seen += [one["charge_id"] for one in page["refunds"]]
        if not page["more"]:
            break
        before = ["--before", page["refunds"][-1]["intent_id"]]

    assert ["ch_0", "ch_1", "ch_2", "ch_3", "ch_4"] == sorted(seen)


def test_list_fits(world):
    """The table fits 100 columns and cuts no intent's id."""
    redress, store = world
    with store.write() as connection:
        put_charge(connection, LONG_CHARGE, captured_minor=99_999_999)
        intent = reserve_refund(connection, LONG_CHARGE, amount_minor=99_999_999)
        connection.execute(update(refund_intents).values(held="REDRESS_CAP_REFUND: " + "x" * 200))

    shown = redress("refunds", "list").stdout

    assert max(map(len, shown.splitlines())) <= COLUMNS
    assert intent.intent_id in shown
    assert "999999.99 USD" in shown


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        pytest.param([], "No refund was decided yet", id="nothing at all"),
        pytest.param(["--state", "failed"], "No refund fits", id="nothing that fits"),
    ],
)
def test_empty_list(world, args, hint):
    """An empty list says what to do next."""
    assert hint in world[0]("refunds", "list", *args).stdout


def billing_decision():
    """A decision as the duplicate rule makes it, with every kind of value compared."""
    return Decision(
        verdict=Verdict.REVIEW,
        amount=None,
        clauses=(
            ClauseResult(
                clause=Clause.BILLING,
                holds=None,
                compared={"left_minor": 1000, "confidence": 70, "dispute": None, "same_card": True},
            ),
        ),
        terms_version="2025-09-14",
        undecided=("Did the customer mean to buy twice?",),
        facts={"payment": {"currency": "usd"}},
    )


@pytest.fixture
def story(world):
    """One refund with everything that can be told about it."""
    redress, store = world
    with store.write() as connection:
        put_charge(connection, "ch_1", refunded_minor=1000)
        put_charge(connection, "ch_kept")
        case_id = put_case(connection, "ch_1")
        append_decision(
            connection,
            case_id=case_id,
            event_row_id=None,
            decision=billing_decision(),
            mode="observe",
            now_ms=NOON_MS - 60_000,
        )
        intent = reserve_refund(connection, "ch_1")
        put(
            connection,
            refunds,
            refund_id="re_1",
            charge_id="ch_1",
            intent_id=intent.intent_id,
            status="succeeded",
            currency="usd",
            amount_minor=1000,
        )
        put(
            connection,
            disputes,
            dispute_id="du_1",
            charge_id="ch_1",
            status="won",
            currency="usd",
            amount_minor=1000,
        )
        record(
            connection,
            at_ms=NOON_MS,
            actor="erika",
            action="refund.looked_at",
            object_id=intent.intent_id,
            result="done",
            origin="cli",
        )
    return redress, intent


@pytest.mark.parametrize("by", ["intent", "charge"])
def test_show_tells_all(story, by):
    """The story names case, decisions with what was compared, intent, Stripe's refunds and audit."""
    redress, intent = story
    named = {"intent": intent.intent_id, "charge": "ch_1"}[by]

    [case] = redress.json("refunds", "show", named)["cases"]

    assert ("duplicate_charge", "ch_1", "ch_kept") == (
        case["kind"],
        case["charge_id"],
        case["kept_charge_id"],
    )
    assert ["review", "approve"] == [made["verdict"] for made in case["decisions"]]
    assert 70 == case["decisions"][0]["body"]["clauses"][0]["compared"]["confidence"]
    assert intent.idempotency_key == case["intent"]["idempotency_key"]
    assert ["re_1"] == [refund["refund_id"] for refund in case["refunds"]]
    assert ["du_1"] == [dispute["dispute_id"] for dispute in case["disputes"]]
    assert ["erika"] == [entry["actor"] for entry in case["audit"]]


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param("The customer was charged wrongly or twice", id="the clause's title"),
        pytest.param("left        10.00 USD", id="compared money"),
        pytest.param("confidence  70", id="compared number"),
        pytest.param("dispute     not known", id="a fact that is missing"),
        pytest.param("same card   yes", id="a flag"),
        pytest.param("Did the customer mean to buy twice?", id="what is open"),
        pytest.param("approve 10.00 USD", id="the approval"),
        pytest.param("redress:refund:ri_", id="idempotency key"),
        pytest.param("10.00 USD went back", id="what Stripe says went back"),
        pytest.param("erika", id="who looked"),
    ],
)
def test_show_reads_well(story, expected):
    """Values are told in words and money, each beside its name."""
    shown = story[0]("refunds", "show", "ch_1").stdout
    assert " ".join(expected.split()) in " ".join(shown.split())


def test_show_the_kept_payment(story):
    """A charge that was kept leads to the case beside which it was kept."""
    redress, _ = story

    shown = redress("refunds", "show", "ch_kept")

    assert 0 == shown.exit_code
    assert "kept beside ch_1" in shown.stdout


def test_show_a_case_without_intent(world):
    """A case that waits for a person is told too, though no refund intent is there."""
    redress, store = world
    with store.write() as connection:
        put_decision(connection, put_case(connection, "ch_5"), billing_decision())

    shown = redress("refunds", "show", "ch_5").stdout

    assert "No refund intent" in shown
    assert "BILLING is open" in shown


def test_show_unknown(world):
    """A charge that no case is about is one sentence and code 1."""
    ran = world[0]("refunds", "show", "ch_unknown")

    assert 1 == ran.exit_code
    assert 1 == len(ran.stderr.splitlines())
