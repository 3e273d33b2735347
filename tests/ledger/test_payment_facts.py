"""Gathering payments: who is a neighbour, how far a chain of relations leads, what is known of each."""

import itertools

import pytest
from sqlalchemy import text

from ledger.look_ups import end_look_up, want_look_up
from ledger.payment_facts import (
    _NEIGHBOURS,
    INVOICES_OF_PAYMENT_INTENT,
    GroupTooLarge,
    Reach,
    dispute_standing,
    gather_group,
    payments_by_charge,
    worst_dispute,
)
from ledger.states import LookUpState
from ledger.stripe_tables import disputes, invoice_payments, invoices, subscriptions
from policy.payments import DisputeStanding, InvoiceFacts, SubscriptionFacts
from runtime.limits import GROUP_PAYMENTS_MAX
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import NOON, put, put_charge

REACH = Reach(purchase_seconds=100, subscription_seconds=1000)


def everything(_one, _other):
    return True


def nothing(_one, _other):
    return False


def gathered(connection, charge_id, related=everything):
    return {payment.charge_id for payment in gather_group(connection, charge_id, REACH, related)}


def put_invoice_payment(connection, payment_intent_id, invoice_id, *, number=1):
    put(
        connection,
        invoice_payments,
        invoice_payment_id=f"inpay_{payment_intent_id}_{number}",
        invoice_id=invoice_id,
        payment_intent_id=payment_intent_id,
        status="paid",
    )


@pytest.fixture
def connection(store):
    with store.write() as opened:
        yield opened


NEIGHBOURS = [
    pytest.param({"customer_id": "cus_1"}, {}, True, id="the same customer"),
    pytest.param({"customer_id": "cus_1"}, {"created": NOON + 100}, True, id="its reach's end"),
    pytest.param({"customer_id": "cus_1"}, {"created": NOON - 100}, True, id="its reach's start"),
    pytest.param({"customer_id": "cus_1"}, {"created": NOON + 101}, False, id="a second late"),
    pytest.param({"customer_id": "cus_1"}, {"created": NOON - 101}, False, id="a second early"),
    pytest.param({"card_fingerprint": "fp_1"}, {}, True, id="the same card"),
    pytest.param({"card_fingerprint": "fp_1"}, {"created": NOON + 100}, True, id="card, the end"),
    pytest.param({"card_fingerprint": "fp_1"}, {"created": NOON - 100}, True, id="card, the start"),
    pytest.param({"card_fingerprint": "fp_1"}, {"created": NOON + 101}, False, id="card, late"),
    pytest.param({"card_fingerprint": "fp_1"}, {"created": NOON - 101}, False, id="card, early"),
    pytest.param(
        {"order_reference": "#7"}, {"created": NOON + 10**8}, True, id="the same order, years later"
    ),
    pytest.param({}, {}, False, id="the same second and nothing else"),
    pytest.param({"amount_minor": 7, "currency": "eur"}, {}, False, id="the same amount"),
]


@pytest.mark.parametrize(("shared", "other", "near"), NEIGHBOURS)
def test_neighbours(connection, shared, other, near):
    """Payments are neighbours by customer or card within reach, edges included, or by their order."""
    put_charge(connection, "ch_1", **shared)
    put_charge(connection, "ch_2", **shared | other)

    expected = {"ch_1", "ch_2"} if near else set()
    assert expected == gathered(connection, "ch_1") == gathered(connection, "ch_2")


@pytest.mark.parametrize(
    ("invoice_id", "near"), [("in_1", True), ("in_2", False)], ids=["one invoice", "two invoices"]
)
def test_neighbours_by_invoice(connection, invoice_id, near):
    """Payments of one invoice are neighbours however far apart; unknown links tie nothing."""
    put_charge(connection, "ch_1", payment_intent_id="pi_1")
    put_charge(connection, "ch_2", payment_intent_id="pi_2", created=NOON + 10**8)
    put_charge(connection, "ch_3")
    put_invoice_payment(connection, "pi_1", "in_1")
    put_invoice_payment(connection, "pi_2", invoice_id)

    assert ({"ch_1", "ch_2"} if near else set()) == gathered(connection, "ch_1")


@pytest.mark.parametrize(
    ("later_seconds", "billing_reason", "near"),
    [
        pytest.param(1000, "subscription_create", True, id="first payments, the reach's end"),
        pytest.param(1001, "subscription_create", False, id="first payments, a second late"),
        pytest.param(1000, "subscription_cycle", False, id="a renewal"),
        pytest.param(100, "subscription_cycle", True, id="a renewal within a purchase's reach"),
    ],
)
def test_neighbours_by_subscription(connection, later_seconds, billing_reason, near):
    """First payments of one customer's subscriptions are neighbours within a reach of their own."""
    put_charge(connection, "ch_1", customer_id="cus_1", payment_intent_id="pi_1")
    put_charge(
        connection,
        "ch_2",
        customer_id="cus_1",
        payment_intent_id="pi_2",
        created=NOON + later_seconds,
    )
    for number in (1, 2):
        put_invoice_payment(connection, f"pi_{number}", f"in_{number}")
        put(
            connection,
            invoices,
            invoice_id=f"in_{number}",
            billing_reason=billing_reason,
            currency="usd",
            amount_due_minor=1000,
            price_ids="[]",
            created=NOON,
        )

    assert ({"ch_1", "ch_2"} if near else set()) == gathered(connection, "ch_1")


def test_alone(connection):
    """A payment without neighbours, and a charge that is not known, are no group."""
    put_charge(connection, "ch_1", customer_id="cus_1")

    assert [] == gather_group(connection, "ch_1", REACH, everything)
    assert [] == gather_group(connection, "ch_unknown", REACH, everything)


def test_unrelated_neighbours(connection):
    """A neighbour that the policy does not relate to the payment is left out."""
    put_charge(connection, "ch_1", customer_id="cus_1")
    put_charge(connection, "ch_2", customer_id="cus_1")

    assert {"ch_1"} == gathered(connection, "ch_1", nothing)


def test_chain(connection):
    """The group follows neighbours of neighbours, from wherever it starts."""
    for number in range(6):
        put_charge(
            connection,
            f"ch_{number}",
            order_reference=f"#{number // 2}",
            customer_id=f"cus_{(number + 1) // 2}",
        )
    chain = {f"ch_{number}" for number in range(6)}

    assert [chain] * 6 == [gathered(connection, charge_id) for charge_id in sorted(chain)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_relation_by_way_of_a_later_row(connection, order):
    """Whom a payment is related to by way of another does not hang on which of them is read first."""
    created = {f"ch_{name}": NOON + at for name, at in zip("abc", order, strict=True)}
    for charge_id, at in created.items():
        put_charge(connection, charge_id, customer_id="cus_1", created=at)
    put_charge(connection, "ch_d", order_reference="#9")
    put_charge(connection, "ch_e", order_reference="#9")
    for charge_id in ("ch_c", "ch_d"):
        connection.execute(
            text("UPDATE charges SET card_fingerprint = 'fp' WHERE charge_id = :id"),
            {"id": charge_id},
        )

    def next_letter(one, other):
        return abs(ord(one.charge_id[-1]) - ord(other.charge_id[-1])) == 1

    everyone = {"ch_a", "ch_b", "ch_c", "ch_d", "ch_e"}
    assert [everyone] * 5 == [
        gathered(connection, start, next_letter) for start in sorted(everyone)
    ]


@pytest.mark.parametrize(
    ("count", "fits"),
    [(GROUP_PAYMENTS_MAX, True), (GROUP_PAYMENTS_MAX + 1, False)],
    ids=["at the limit", "one more"],
)
def test_size(connection, count, fits):
    """A group may be as large as its limit; one payment more goes to a person, with the reason."""
    for number in range(count):
        put_charge(connection, f"ch_{number}", customer_id="cus_1", created=NOON + number)

    if fits:
        assert count == len(gathered(connection, "ch_1"))
    else:
        with pytest.raises(GroupTooLarge, match=f"more than {count - 1} payments.*ch_1"):
            gathered(connection, "ch_1")


def one_payment(connection, charge_id="ch_1"):
    return payments_by_charge(connection, [charge_id])[charge_id]


def test_payment(connection):
    """A payment carries its charge's own facts; charges that are not known are left out."""
    put_charge(
        connection,
        "ch_1",
        payment_intent_id="pi_1",
        customer_id="cus_1",
        card_fingerprint="fp_1",
        order_reference="#7",
        product="mug",
        refunded_minor=5,
        livemode=True,
    )
    payment = one_payment(connection)

    assert ("pi_1", "cus_1", "fp_1", "#7", "mug", True) == (
        payment.payment_intent_id,
        payment.customer_id,
        payment.card_fingerprint,
        payment.order_reference,
        payment.product,
        payment.livemode,
    )
    assert (NOON, 1000, 5, "usd") == (
        payment.created,
        payment.captured_minor,
        payment.refunded_minor,
        payment.currency,
    )
    assert (None, None, DisputeStanding.NONE, 0) == (
        payment.invoice,
        payment.subscription,
        payment.dispute,
        payment.disputed_minor,
    )
    assert {} == payments_by_charge(connection, ["ch_unknown"])


@pytest.mark.parametrize("status", ["failed", "pending"])
def test_took_nothing(connection, status):
    """A charge that failed, or is still on its way, has captured nothing yet."""
    put_charge(connection, "ch_1", status=status)

    assert 0 == one_payment(connection).captured_minor


def test_invoice_and_subscription(connection):
    """The invoice that a payment paid, its only price and its subscription belong to the payment."""
    put_charge(connection, "ch_1", payment_intent_id="pi_1")
    put_invoice_payment(connection, "pi_1", "in_1")
    put(
        connection,
        invoices,
        invoice_id="in_1",
        subscription_id="sub_1",
        billing_reason="subscription_create",
        amount_due_minor=1000,
        price_ids='["price_1"]',
    )
    put(connection, subscriptions, subscription_id="sub_1", created=NOON, status="active")
    payment = one_payment(connection)

    assert payment.invoice == InvoiceFacts(
        invoice_id="in_1",
        subscription_id="sub_1",
        billing_reason="subscription_create",
        amount_due_minor=1000,
        price_ids=("price_1",),
    )
    assert payment.subscription == SubscriptionFacts(
        subscription_id="sub_1", created=NOON, ended_at=None, status="active"
    )
    assert (True, "price_1") == (payment.invoice_known, payment.product)


def test_invoice_not_seen_yet(connection):
    """A link to an invoice is known before the invoice itself is; nothing is made up about it."""
    put_charge(connection, "ch_1", payment_intent_id="pi_1")
    put_invoice_payment(connection, "pi_1", "in_1")
    payment = one_payment(connection)

    assert ("in_1", None, None, ()) == (
        payment.invoice.invoice_id,
        payment.invoice.subscription_id,
        payment.invoice.amount_due_minor,
        payment.invoice.price_ids,
    )
    assert payment.invoice_known


INVOICE_KNOWN = [
    pytest.param(None, None, True, id="no payment intent, so no invoice"),
    pytest.param("pi_1", None, False, id="never asked"),
    pytest.param("pi_1", LookUpState.WANTED, False, id="to be asked"),
    pytest.param("pi_1", LookUpState.GIVEN_UP, False, id="given up"),
    pytest.param("pi_1", LookUpState.ANSWERED, True, id="answered: there is none"),
]


@pytest.mark.parametrize(("payment_intent_id", "asked", "known"), INVOICE_KNOWN)
def test_invoice_known(connection, payment_intent_id, asked, known):
    """That no invoice is behind a payment is known only when Stripe has said so."""
    put_charge(connection, "ch_1", payment_intent_id=payment_intent_id)
    if asked:
        row_id = want_look_up(connection, INVOICES_OF_PAYMENT_INTENT, "pi_1", "review", NOON_MS)
        end_look_up(connection, row_id, asked, NOON_MS)
    payment = one_payment(connection)

    assert (None, known) == (payment.invoice, payment.invoice_known)


def test_two_links(connection):
    """Of several links of one payment the same one is read on each engine, every time."""
    put_charge(connection, "ch_1", payment_intent_id="pi_1")
    put_invoice_payment(connection, "pi_1", "in_b", number=2)
    put_invoice_payment(connection, "pi_1", "in_a", number=1)

    assert "in_a" == one_payment(connection).invoice.invoice_id


def test_disputes(connection):
    """A charge's worst dispute decides its standing, and what its open and lost ones took adds up."""
    put_charge(connection, "ch_1")
    for number, (status, minor) in enumerate(
        [("won", 1), ("needs_response", 20), ("lost", 300), ("warning_closed", 4000)]
    ):
        put(
            connection,
            disputes,
            dispute_id=f"dp_{number}",
            charge_id="ch_1",
            status=status,
            amount_minor=minor,
        )
    payment = one_payment(connection)

    assert (DisputeStanding.LOST, 320) == (payment.dispute, payment.disputed_minor)


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("warning_needs_response", "inquiry"),
        ("warning_under_review", "inquiry"),
        ("warning_closed", "inquiry"),
        ("needs_response", "open"),
        ("under_review", "open"),
        ("won", "won"),
        ("prevented", "won"),
        ("lost", "lost"),
        ("charge_refunded", "lost"),
        ("a_status_of_next_year", "open"),
    ],
)
def test_dispute_standing(status, standing):
    """Each of Stripe's dispute statuses is sorted; an unknown one counts as open."""
    assert DisputeStanding(standing) is dispute_standing(status)


def test_no_dispute():
    """Without disputes there is no standing and nothing taken."""
    assert (DisputeStanding.NONE, 0) == worst_dispute([])


def test_plan(sqlite_store):
    """SQLite finds neighbours by indexes alone: no step reads the charges or their links from end to end."""
    given = _NEIGHBOURS.params(
        ids=["ch_1", "ch_2"], purchase_seconds=1, subscription_seconds=1, most=GROUP_PAYMENTS_MAX
    )
    query = str(
        given.compile(
            dialect=sqlite_store.engine.dialect, compile_kwargs={"render_postcompile": True}
        )
    )
    with sqlite_store.read() as connection:
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", (1,) * query.count("?"))
        plan = [step.detail for step in steps]

    scanned = [step for step in plan if step.startswith("SCAN")]
    assert not [step for step in scanned if "charges" in step or "near" in step or "link" in step]
    for index in ("customer", "fingerprint", "order"):
        assert any(f"ix_charges_{index}" in step for step in plan), plan
