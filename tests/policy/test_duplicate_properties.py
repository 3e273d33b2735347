"""Properties of the detector that hold for every set of payments, tried on many."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from policy.decision import Decision, Verdict
from policy.duplicate_charges import decide_duplicate, find_duplicates, redecide
from policy.payments import DisputeStanding
from policy.terms_file import load_terms
from tests.policy.payment_histories import payment

TERMS = load_terms()
REFUND_AT = TERMS.duplicates.refund_at
INVOICES = [
    {},
    {"invoice": "?"},
    {"invoice": "in_1", "due": 4900},
    {"invoice": "in_1", "due": "?"},
    *(
        {
            "invoice": f"in_{number}",
            "sub": f"sub_{number}",
            "due": 4900,
            "billing": billing,
            "prices": prices,
            "sub_status": status,
        }
        for number in (2, 3)
        for billing in ("subscription_create", "subscription_cycle")
        for prices in (["price_pro"], [])
        for status in ("active", "canceled", "?")
    ),
]

FIELDS = st.fixed_dictionaries(
    {
        "at": st.sampled_from([0, 1, 300, 600, 601, 900, 1200, 86400, 86401]),
        "pi": st.sampled_from(["pi_{}", "pi_{}", "pi_{}", "pi_one", "-"]),
        "amount": st.sampled_from([4900, 4900, 4900, 4905, 2450, 0]),
        "refunded": st.sampled_from([0, 0, 0, 100, 4900]),
        "currency": st.sampled_from(["usd", "usd", "jpy", "kwd"]),
        "customer": st.sampled_from(["cus_ada", "cus_ada", "cus_bob", "?"]),
        "card": st.sampled_from(["fp_1", "fp_1", "fp_2", "?"]),
        "order": st.sampled_from(["-", "-", "O-1", "O-2"]),
        "product": st.sampled_from(["pack_100", "pack_100", "pack_500", "?"]),
        "dispute": st.sampled_from(["none", "none", "none", "inquiry", "open", "won", "lost"]),
        "live": st.sampled_from([True, True, True, False]),
    },
)


@st.composite
def histories(draw):
    """Up to nine payments that have much in common, as a list in any order."""
    told = draw(st.lists(st.tuples(FIELDS, st.sampled_from(INVOICES)), max_size=9))
    paid = []
    for letter, (fields, invoice) in zip("abcdefghi", told, strict=False):
        disputed = {"disputed": fields["amount"]} if fields["dispute"] in ("open", "lost") else {}
        paid.append(payment(letter, **fields | invoice | disputed))
    return draw(st.permutations(paid))


def find(paid):
    return find_duplicates(paid, TERMS.duplicates)


def certain(findings):
    return {found.charge_id for found in findings if found.confidence >= REFUND_AT}


@settings(deadline=None, max_examples=120)
@given(histories(), st.randoms(use_true_random=False))
def test_order_never_matters(paid, chance):
    """The findings are the same in whatever order the payments are listed."""
    shuffled = list(paid)
    chance.shuffle(shuffled)

    assert find(paid) == find(shuffled)


@settings(deadline=None, max_examples=120)
@given(histories())
def test_what_is_kept_stays(paid):
    """Each certain repetition names an earlier payment that stands and is no repetition itself."""
    known = {each.charge_id: each for each in paid}
    findings = find(paid)

    for found in findings:
        later, kept = known[found.charge_id], known[found.kept_charge_id]
        assert (kept.created, kept.charge_id) < (later.created, later.charge_id)
        assert (kept.currency, kept.livemode) == (later.currency, later.livemode)
        assert later.payment_intent_id is None or (
            later.payment_intent_id != kept.payment_intent_id
        )
        assert kept.charge_id not in certain(findings)
        assert kept.captured_minor > 0
        assert found.confidence < REFUND_AT or kept.standing
        assert kept.standing or kept.dispute is DisputeStanding.OPEN


@settings(deadline=None, max_examples=120)
@given(histories())
def test_decisions_are_safe(paid):
    """No decision moves more than is left, and none moves money of a payment that is settled."""
    known = {each.charge_id: each for each in paid}

    for found in find(paid):
        refunded = known[found.charge_id]
        decision = decide_duplicate(found, refunded, TERMS)
        assert not refunded.fully_refunded
        assert decision == redecide(Decision.from_json(decision.to_json()).facts, TERMS)
        if decision.verdict is Verdict.APPROVE:
            assert found.confidence >= REFUND_AT
            assert 0 < decision.amount.amount_minor <= refunded.captured_minor
            assert decision.amount.currency == refunded.currency
            assert refunded.dispute in (DisputeStanding.NONE, DisputeStanding.INQUIRY)
            assert refunded.refunded_minor == 0


@settings(deadline=None, max_examples=120)
@given(histories())
def test_refunding_is_stable(paid):
    """After the certain repetitions went back nothing more is certain, so refunds never cascade."""
    refunds = certain(find(paid))
    after = [
        dataclasses.replace(each, refunded_minor=each.captured_minor)
        if each.charge_id in refunds
        else each
        for each in paid
    ]

    assert certain(find(after)) == set()


@settings(deadline=None, max_examples=120)
@given(histories())
def test_strangers_change_nothing(paid):
    """A payment that shares nothing with the others leaves all findings as they were."""
    stranger = payment("z", at=300, customer="cus_zoe", card="fp_z", product="pack_100")

    assert find(paid) == find([*paid, stranger])


@settings(deadline=None, max_examples=120)
@given(histories())
def test_modes_and_currencies_apart(paid):
    """The findings of all payments are those of each mode and currency by itself."""
    shelves = {(each.livemode, each.currency) for each in paid}
    apart = [
        found
        for shelf in shelves
        for found in find([each for each in paid if (each.livemode, each.currency) == shelf])
    ]

    assert sorted(apart, key=lambda found: found.charge_id) == list(find(paid))
