"""What a finding says in full: what its rule compared, how sure it is, and each doubt."""

import pytest

from policy.duplicate_charges import Doubt, DuplicateKind, find_duplicates
from policy.payment_groups import groups_of
from policy.terms_file import load_terms
from tests.policy.payment_histories import DAY_START, payment

TERMS = load_terms().duplicates
PACK = {"product": "pack_100"}
INVOICE = {"invoice": "in_1", "due": 4900}
START = {
    "invoice": "in_{}",
    "sub": "sub_{}",
    "due": 4900,
    "billing": "subscription_create",
    "prices": ["price_pro", "price_seat"],
    "sub_status": "active",
}


def found_in(*payments):
    return find_duplicates(payments, TERMS)


def test_same_invoice():
    """An invoice that is paid again: what it asked for, what had covered it, what was paid."""
    (found,) = found_in(payment("a", **INVOICE), payment("b", at=60, **INVOICE))

    assert (DuplicateKind.SAME_INVOICE, 100, ()) == (found.kind, found.confidence, found.doubts)
    assert {
        "linked_charge_id": "ch_a",
        "invoice_id": "in_1",
        "amount_due_minor": 4900,
        "covered_minor": 4900,
        "contested_minor": 0,
        "captured_minor": 4900,
    } == found.compared


@pytest.mark.parametrize(
    ("paid", "doubts", "compared"),
    [
        pytest.param(
            [{"due": "?"}, {"due": "?"}],
            [Doubt.AMOUNT_DUE],
            {"amount_due_minor": None, "covered_minor": 4900},
            id="what it asked for is not known",
        ),
        pytest.param(
            [{"due": 9000}, {}],
            [Doubt.PART_OF_INVOICE],
            {"amount_due_minor": 9000, "covered_minor": 4900},
            id="the larger of two amounts, whichever came last",
        ),
        pytest.param(
            [{"amount": 1000}, {}],
            [Doubt.PART_OF_INVOICE],
            {"covered_minor": 1000},
            id="only a part exceeds it",
        ),
        pytest.param(
            [{"dispute": "open", "disputed": 4900}, {}],
            [Doubt.KEPT_DISPUTED],
            {"covered_minor": 0, "contested_minor": 4900},
            id="covered by a payment in dispute",
        ),
        pytest.param(
            [{"amount": 2450}, {"amount": 2450, "dispute": "open", "disputed": 2450}, {}],
            [Doubt.KEPT_DISPUTED],
            {"covered_minor": 2450, "contested_minor": 2450},
            id="covered with a payment in dispute",
        ),
        pytest.param(
            [{"amount": 2000}, {"amount": 1900, "dispute": "open", "disputed": 1900}, {}],
            [Doubt.PART_OF_INVOICE],
            {"covered_minor": 2000, "contested_minor": 1900},
            id="not even covered with a payment in dispute",
        ),
        pytest.param(
            [
                {"amount": 2000},
                {"amount": 1000, "dispute": "open", "disputed": 1000},
                {"amount": 1901},
            ],
            [Doubt.PART_OF_INVOICE],
            {"covered_minor": 2000, "contested_minor": 1000, "captured_minor": 1901},
            id="a cent too much with a payment in dispute",
        ),
        pytest.param(
            [{"refunded": 900}, {}],
            [Doubt.PART_OF_INVOICE, Doubt.KEPT_REFUNDED_IN_PART],
            {"covered_minor": 4000},
            id="refunded in part",
        ),
    ],
)
def test_doubtful_invoices(paid, doubts, compared):
    """Where an invoice was not surely covered before, a person hears why, with the numbers."""
    found = found_in(
        *(
            payment(letter, at=at * 60, **INVOICE | given)
            for at, (letter, given) in enumerate(zip("abc", paid, strict=False))
        )
    )
    shown = {
        "linked_charge_id": "ch_a",
        "invoice_id": "in_1",
        "amount_due_minor": 4900,
        "contested_minor": 0,
        "captured_minor": 4900,
    }

    assert [(60, tuple(doubts))] == [(each.confidence, each.doubts) for each in found]
    assert shown | compared == found[0].compared


@pytest.mark.parametrize(
    "paid",
    [
        pytest.param([{"amount": 2000}, {"amount": 2900}], id="the rest"),
        pytest.param(
            [
                {"amount": 2000},
                {"amount": 1000, "dispute": "open", "disputed": 1000},
                {"amount": 1900},
            ],
            id="the rest, beside a payment in dispute",
        ),
        pytest.param([{"dispute": "lost", "disputed": 4900}, {}], id="the first was lost"),
        pytest.param(
            [{"dispute": "lost", "disputed": 4900}, {"amount": 2450}, {"amount": 2450}],
            id="halves after one that was lost",
        ),
        pytest.param(
            [{"refunded": 4900}, {"amount": 2450}, {"amount": 2450}],
            id="halves after one that went back",
        ),
        pytest.param([{"refunded": 4900}, {}], id="the first went back"),
        pytest.param([{"refunded": 6000}, {}], id="more than the first went back"),
    ],
)
def test_parts_of_an_invoice(paid):
    """What an invoice still asked for is no repetition."""
    assert () == found_in(
        *(
            payment(letter, at=at * 60, **INVOICE | given)
            for at, (letter, given) in enumerate(zip("abc", paid, strict=False))
        )
    )


def test_an_invoice_after_other_payments():
    """Payments of no invoice between those of one do not count for it."""
    found = found_in(
        payment("a", customer="cus_bob", card="fp_bob"),
        payment("b", at=60, **INVOICE),
        payment("c", at=90, amount=100),
        payment("d", at=120, **INVOICE),
    )

    assert [("ch_d", "ch_b", 100)] == [
        (each.charge_id, each.kept_charge_id, each.confidence) for each in found
    ]


@pytest.mark.parametrize(
    ("first", "second", "confidence", "doubts", "tied"),
    [
        pytest.param({}, {}, 100, (), (True, True), id="one customer, one card"),
        pytest.param({}, {"card": "fp_b"}, 100, (), (True, False), id="one customer"),
        pytest.param({}, {"customer": "cus_b"}, 100, (), (False, True), id="one card"),
        pytest.param(
            {},
            {"customer": "?", "card": "?"},
            60,
            (Doubt.PAYER,),
            (False, False),
            id="second unknown",
        ),
        pytest.param(
            {"customer": "?", "card": "?"},
            {},
            60,
            (Doubt.PAYER,),
            (False, False),
            id="first unknown",
        ),
        pytest.param(
            {"customer": "?", "card": "?"},
            {"customer": "?", "card": "?"},
            60,
            (Doubt.PAYER,),
            (False, False),
            id="both unknown",
        ),
        pytest.param(
            {"invoice": "in_1"}, {}, 60, (Doubt.INVOICE,), (True, True), id="one by an invoice"
        ),
    ],
)
def test_same_order(first, second, confidence, doubts, tied):
    """An order that is paid twice: its reference, the amount, and what ties the payers together."""
    (found,) = found_in(
        payment("a", order="O-1", **first), payment("b", at=9000, order="O-1", **second)
    )

    assert (DuplicateKind.SAME_ORDER, confidence, doubts) == (
        found.kind,
        found.confidence,
        found.doubts,
    )
    assert {
        "linked_charge_id": "ch_a",
        "order_reference": "O-1",
        "amount_minor": 4900,
        "same_customer": tied[0],
        "same_card": tied[1],
    } == found.compared


def test_second_subscription():
    """A second subscription: both with prices and amounts, how far apart, and how the first stands."""
    (found,) = found_in(
        payment("a", **START),
        payment("b", at=90_000, **START | {"sub_created": 80_000}),
    )

    assert (DuplicateKind.SECOND_SUBSCRIPTION, 95, ()) == (
        found.kind,
        found.confidence,
        found.doubts,
    )
    assert {
        "linked_charge_id": "ch_a",
        "first_subscription_id": "sub_a",
        "second_subscription_id": "sub_b",
        "first_price_ids": "price_pro,price_seat",
        "second_price_ids": "price_pro,price_seat",
        "first_amount_minor": 4900,
        "second_amount_minor": 4900,
        "seconds_apart": 80_000,
        "window_seconds": 86_400,
        "first_status": "active",
        "first_ended_at": None,
        "same_customer": True,
        "same_card": True,
    } == found.compared


@pytest.mark.parametrize(
    ("first", "second", "doubt", "compared"),
    [
        pytest.param(
            {"sub_status": "canceled", "sub_ended": 60},
            {},
            Doubt.FIRST_ENDED,
            {"first_status": "canceled", "first_ended_at": DAY_START + 60},
            id="the first ended as the second was paid",
        ),
        pytest.param(
            {"sub_status": "?"},
            {"sub_created": 50},
            Doubt.SUBSCRIPTION,
            {"first_status": None, "first_ended_at": None, "seconds_apart": 60},
            id="the first is not known",
        ),
        pytest.param(
            {"sub_created": 5},
            {"sub_status": "?"},
            Doubt.SUBSCRIPTION,
            {"first_status": "active", "seconds_apart": 60},
            id="the second is not known",
        ),
        pytest.param(
            {"sub_status": "asleep", "sub_created": 500},
            {"sub_created": 100},
            Doubt.SUBSCRIPTION,
            {"first_status": "asleep", "seconds_apart": 400},
            id="a state that nobody knows, and the second created first",
        ),
        pytest.param(
            {"billing": "?"},
            {},
            Doubt.FIRST_INVOICES,
            {},
            id="why the first was billed is not known",
        ),
        pytest.param(
            {}, {"billing": "?"}, Doubt.FIRST_INVOICES, {}, id="why the second was is not known"
        ),
        pytest.param(
            {"prices": []}, {}, Doubt.PRICES, {"first_price_ids": ""}, id="first prices unknown"
        ),
        pytest.param(
            {}, {"prices": []}, Doubt.PRICES, {"second_price_ids": ""}, id="second prices unknown"
        ),
        pytest.param(
            {},
            {"prices": ["price_pro"]},
            Doubt.PRICES,
            {"second_price_ids": "price_pro"},
            id="prices that overlap",
        ),
        pytest.param(
            {},
            {"prices": ["price_seat", "price_pro"], "amount": 3900},
            Doubt.AMOUNTS,
            {"second_price_ids": "price_seat,price_pro", "second_amount_minor": 3900},
            id="for less",
        ),
        pytest.param(
            {},
            {"customer": "cus_b"},
            Doubt.CARD_ONLY,
            {"same_customer": False},
            id="another customer with the card",
        ),
        pytest.param({}, {"order": "O-1"}, Doubt.ORDER, {}, id="one order reference"),
    ],
)
def test_doubtful_subscriptions(first, second, doubt, compared):
    """Each thing that is not known of two subscriptions is one doubt, with what was compared."""
    (found,) = found_in(payment("a", **START | first), payment("b", at=60, **START | second))

    assert (DuplicateKind.SECOND_SUBSCRIPTION, 60, (doubt,)) == (
        found.kind,
        found.confidence,
        found.doubts,
    )
    assert found.compared == found.compared | compared


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"sub_status": "canceled", "sub_ended": 59}, {}, id="ended a second before"),
        pytest.param({"sub": "-", "sub_status": "-"}, {}, id="the first has no subscription"),
        pytest.param({}, {"sub": "-", "sub_status": "-"}, id="the second has none"),
        pytest.param({"billing": "subscription_cycle"}, {"billing": "?"}, id="a renewal"),
        pytest.param({}, {"prices": [], "amount": 3900}, id="prices unknown, for less"),
        pytest.param({}, {"prices": ["price_team"]}, id="another price"),
    ],
)
def test_no_second_subscription(first, second):
    """One no is enough, whatever else is not known."""
    assert () == found_in(payment("a", **START | first), payment("b", at=60, **START | second))


@pytest.mark.parametrize(
    ("first", "second", "confidence", "doubts"),
    [
        pytest.param({}, {"customer": "cus_b"}, 70, (Doubt.CARD_ONLY,), id="only the card"),
        pytest.param({}, {"product": "?"}, 50, (Doubt.PRODUCT,), id="second product unknown"),
        pytest.param({"product": "?"}, {}, 50, (Doubt.PRODUCT,), id="first product unknown"),
        pytest.param({}, {"order": "O-1"}, 60, (Doubt.ORDER,), id="second has an order"),
        pytest.param({"order": "O-1"}, {}, 60, (Doubt.ORDER,), id="first has an order"),
        pytest.param({}, {"invoice": "in_1"}, 60, (Doubt.INVOICE,), id="second has an invoice"),
        pytest.param(
            {},
            {"customer": "cus_b", "order": "O-1"},
            60,
            (Doubt.CARD_ONLY, Doubt.ORDER),
            id="card and order",
        ),
        pytest.param(
            {},
            {"customer": "cus_b", "product": "?"},
            50,
            (Doubt.CARD_ONLY, Doubt.PRODUCT),
            id="card and product",
        ),
    ],
)
def test_doubtful_purchases(first, second, confidence, doubts):
    """Each thing that is not known of two purchases is one doubt; the gravest sets the certainty."""
    (found,) = found_in(payment("a", **PACK | first), payment("b", at=600, **PACK | second))

    assert (DuplicateKind.SAME_PURCHASE, confidence, doubts) == (
        found.kind,
        found.confidence,
        found.doubts,
    )


@pytest.mark.parametrize(
    ("first", "confidence", "doubts"),
    [
        pytest.param({}, 90, (), id="untouched"),
        pytest.param({"refunded": 1}, 89, (Doubt.KEPT_REFUNDED_IN_PART,), id="a cent went back"),
        pytest.param({"refunded": 4899}, 89, (Doubt.KEPT_REFUNDED_IN_PART,), id="a cent is left"),
        pytest.param(
            {"dispute": "inquiry", "disputed": 4900}, 89, (Doubt.KEPT_DISPUTED,), id="an inquiry"
        ),
        pytest.param({"dispute": "won", "disputed": 4900}, 90, (), id="a dispute won"),
    ],
)
def test_the_payment_that_stays(first, confidence, doubts):
    """What happened to the payment that stays makes a person look, however little it is."""
    (found,) = found_in(payment("a", **PACK | first), payment("b", at=60, **PACK))

    assert ("ch_a", confidence, doubts) == (found.kept_charge_id, found.confidence, found.doubts)


def test_the_smallest_amounts():
    """One minor unit is money like any other."""
    (found,) = found_in(
        payment("a", amount=1, currency="jpy", **PACK),
        payment("b", amount=1, currency="jpy", at=60, **PACK),
    )

    assert ("ch_b", "ch_a", 90) == (found.charge_id, found.kept_charge_id, found.confidence)


def test_a_failed_attempt_splits_no_payment():
    """An attempt that took nothing is no second charge of its PaymentIntent."""
    (found,) = found_in(
        payment("a", amount=0, pi="pi_x", **PACK),
        payment("b", at=10, pi="pi_x", **PACK),
        payment("c", at=60, **PACK),
    )

    assert ("ch_c", "ch_b", 90, ()) == (
        found.charge_id,
        found.kept_charge_id,
        found.confidence,
        found.doubts,
    )


def test_one_of_several_charges_of_a_payment():
    """A charge that is a part of its payment is for a person, whether it came first or repeats."""
    parts = {"pi": "pi_x", **PACK}
    (after,) = found_in(
        payment("a", **parts), payment("b", at=10_000, **parts), payment("c", at=60, **PACK)
    )
    before = found_in(
        payment("a", **PACK), payment("b", at=60, **parts), payment("c", at=61, **parts)
    )

    assert ("ch_c", "ch_a", 89, (Doubt.SPLIT_INTENT,)) == (
        after.charge_id,
        after.kept_charge_id,
        after.confidence,
        after.doubts,
    )
    assert [("ch_b", 89, (Doubt.SPLIT_INTENT,)), ("ch_c", 89, (Doubt.SPLIT_INTENT,))] == [
        (each.charge_id, each.confidence, each.doubts) for each in before
    ]


def test_a_group_that_is_tied_together_late():
    """A payment that ties two groups together joins them, also after ties within one of them."""
    found = found_in(
        payment("a", order="O-1", refunded=4900),
        payment("b", at=10, order="O-1", refunded=4900),
        payment("c", at=5000),
        payment("d", at=5300, order="O-1"),
    )

    assert [("ch_d", "ch_c", 89, (Doubt.CHAIN,), "ch_a")] == [
        (
            each.charge_id,
            each.kept_charge_id,
            each.confidence,
            each.doubts,
            each.compared["linked_charge_id"],
        )
        for each in found
    ]


def test_no_group_of_one():
    """A payment that is linked to no other hangs together with nothing."""
    alone = [payment("a", **PACK), payment("b", at=60, customer="cus_bob", card="fp_bob", **PACK)]
    groups = groups_of([*alone, payment("c", at=90, **PACK)], TERMS)

    assert [["ch_a", "ch_c"]] == [[each.charge_id for each in group.payments] for group in groups]
    assert [] == list(groups_of(alone, TERMS))


def test_findings_of_several_groups():
    """The findings of all groups come in the order of their charges."""
    found = found_in(
        payment("z", **PACK),
        payment("y", at=60, **PACK),
        payment("b", at=30, customer="cus_bob", card="fp_bob", **PACK),
        payment("a", at=90, customer="cus_bob", card="fp_bob", **PACK),
    )

    assert [("ch_a", "ch_b"), ("ch_y", "ch_z")] == [
        (each.charge_id, each.kept_charge_id) for each in found
    ]
