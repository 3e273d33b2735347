"""The detector's findings: who stays, who repeats whom, and why."""

import dataclasses
import itertools

import pytest

from policy.duplicate_charges import Doubt, DuplicateKind, find_duplicates
from policy.terms_file import load_terms
from tests.policy.payment_histories import load_corpus, payment

TERMS = load_terms().duplicates
INVOICE = {"invoice": "in_1", "due": 4900}
START = {
    "invoice": "in_{}",
    "sub": "sub_{}",
    "due": 4900,
    "billing": "subscription_create",
    "prices": ["price_pro"],
    "sub_status": "active",
}
PACK = {"product": "pack_100"}


@pytest.mark.parametrize(
    ("both", "kind", "confidence"),
    [
        pytest.param(INVOICE, DuplicateKind.SAME_INVOICE, 100, id="invoice"),
        pytest.param({"order": "O-1"}, DuplicateKind.SAME_ORDER, 100, id="order"),
        pytest.param(START, DuplicateKind.SECOND_SUBSCRIPTION, 95, id="subscription"),
        pytest.param(PACK, DuplicateKind.SAME_PURCHASE, 90, id="purchase"),
        pytest.param(PACK | {"customer": "-"}, DuplicateKind.SAME_PURCHASE, 70, id="card only"),
        pytest.param({}, DuplicateKind.SAME_PURCHASE, 50, id="product unknown"),
        pytest.param(INVOICE | {"due": "?"}, DuplicateKind.SAME_INVOICE, 60, id="due unknown"),
        pytest.param(
            {"order": "O-1", "customer": "?", "card": "?"},
            DuplicateKind.SAME_ORDER,
            60,
            id="payer unknown",
        ),
    ],
)
def test_kinds(both, kind, confidence):
    """Each kind of repetition has its confidence from the terms and names the payment kept."""
    (found,) = find_duplicates([payment("a", **both), payment("b", at=60, **both)], TERMS)

    assert ("ch_b", "ch_a", kind) == (found.charge_id, found.kept_charge_id, found.kind)
    assert confidence == found.confidence
    assert found.compared["linked_charge_id"] == "ch_a"


def test_compared_values():
    """A finding holds the values that its rule compared."""
    (found,) = find_duplicates([payment("a", **PACK), payment("b", at=60, **PACK)], TERMS)

    assert found.compared == {
        "linked_charge_id": "ch_a",
        "seconds_apart": 60,
        "window_seconds": 600,
        "amount_minor": 4900,
        "product": "pack_100",
        "same_customer": True,
        "same_card": True,
    }


def test_kept_in_a_group():
    """All repetitions name the earliest payment that stays, whichever they came next to."""
    found = find_duplicates(
        [payment(letter, at=at, **PACK) for at, letter in enumerate("dbca")], TERMS
    )

    assert [each.charge_id for each in found] == ["ch_a", "ch_b", "ch_c"]
    assert {"ch_d"} == {each.kept_charge_id for each in found}


def test_chain_names_the_earliest_that_stays():
    """A payment tied to the group by a repetition only is for a person, against the first."""
    _, chained = find_duplicates(
        [payment("a", **PACK), payment("b", at=540, **PACK), payment("c", at=1080, **PACK)], TERMS
    )

    assert (chained.charge_id, chained.kept_charge_id, chained.confidence) == ("ch_c", "ch_a", 89)
    assert chained.doubts == (Doubt.CHAIN,)
    assert chained.compared["linked_charge_id"] == "ch_b"


def test_strongest_link_counts():
    """Of several links the strongest to a payment that stays makes the finding."""
    found = find_duplicates(
        [
            payment("a"),
            payment("b", at=30, order="O-1"),
            payment("c", at=60, order="O-1"),
        ],
        TERMS,
    )

    assert [(each.charge_id, each.kept_charge_id, each.confidence) for each in found] == [
        ("ch_b", "ch_a", 50),
        ("ch_c", "ch_b", 100),
    ]


def test_chain_skips_a_payment_of_the_same_intent():
    """A charge is never measured against another charge of its own PaymentIntent."""
    found = find_duplicates(
        [
            payment("a", pi="pi_x", **PACK),
            payment("b", at=540, refunded=4900, **PACK),
            payment("c", at=1080, pi="pi_x", **PACK),
        ],
        TERMS,
    )

    assert found == ()


def test_weak_links_are_no_findings():
    """Below the terms' `review_at` nothing is found."""
    demanding = dataclasses.replace(TERMS, review_at=51)

    assert find_duplicates([payment("a"), payment("b", at=60)], demanding) == ()


def test_subscription_facts_of_another_subscription():
    """The state of a subscription that the invoice does not name is no knowledge about it."""
    first, second = payment("a", **START), payment("b", at=60, **START)
    stray = dataclasses.replace(first.subscription, subscription_id="sub_other")
    (found,) = find_duplicates([dataclasses.replace(first, subscription=stray), second], TERMS)

    assert found.doubts == (Doubt.SUBSCRIPTION,)


def test_repeated_and_conflicting_input():
    """One payment given twice counts once; two states of one charge are refused."""
    paid, again = payment("a", **PACK), payment("b", at=60, **PACK)

    assert find_duplicates([paid, again], TERMS) == find_duplicates([paid, again, paid], TERMS)
    with pytest.raises(ValueError, match="two different payments bear one charge id"):
        find_duplicates([paid, dataclasses.replace(paid, refunded_minor=1)], TERMS)


@pytest.mark.parametrize(
    "history",
    [history for history in load_corpus() if 2 < len(history.payments) < 6],
    ids=lambda history: history.name,
)
def test_every_order_of_arrival(history):
    """However the payments are listed, the findings are the same."""
    expected = find_duplicates(history.payments, TERMS)

    for order in itertools.permutations(history.payments):
        assert expected == find_duplicates(order, TERMS)


@pytest.mark.parametrize("history", load_corpus(), ids=lambda history: history.name)
def test_refunding_what_was_found_finds_nothing_more_to_refund(history):
    """Once every certain repetition went back, no further payment becomes one."""
    certain = {
        found.charge_id
        for found in find_duplicates(history.payments, TERMS)
        if found.confidence >= TERMS.refund_at
    }
    after = [
        dataclasses.replace(paid, refunded_minor=paid.captured_minor)
        if paid.charge_id in certain
        else paid
        for paid in history.payments
    ]
    left = find_duplicates(after, TERMS)

    assert [found for found in left if found.confidence >= TERMS.refund_at] == []
    assert {found.charge_id for found in left} == {
        found.charge_id
        for found in find_duplicates(history.payments, TERMS)
        if found.charge_id not in certain
    }
