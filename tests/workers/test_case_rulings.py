"""What people rule about cases: money within what is left, denials, appeals; refused where it cannot be."""

import json

import pytest

from ledger.cases import DUPLICATE_CHARGE
from ledger.notice_tables import notices
from ledger.request_tables import refund_requests
from ledger.states import CaseState
from ledger.tables import decisions
from policy.redeciding import redecide_any
from policy.request_facts import Reason
from policy.rulings import RulingRefused
from policy.terms_file import load_terms
from tests.workers.test_credit_issuing import price_of, subscribe
from workers.case_following import Desk
from workers.case_rulings import appeal_case, rule_on_case
from workers.context import ring_for
from workers.request_judging import ASKED_AGAIN
from workers.terms_book import TermsBook


def desk_of(shop, connection):
    """Where a ruling is made now."""
    return Desk(connection=connection, settings=shop.settings, now_ms=shop.clock.now_ms())


def rule(shop, case_id, amount_minor, **keeps):
    """Rule, and ring as the command does."""
    with shop.store.write() as connection:
        ruled = rule_on_case(
            desk_of(shop, connection), TermsBook(), case_id, amount_minor=amount_minor, **keeps
        )
    ring_for(shop.wakeups, ruled.followed.intents, (), notices=ruled.followed.notices)
    shop.settle(60)
    return ruled


def appeal(shop, case_id, **stated):
    """Appeal, and have it judged."""
    with shop.store.write() as connection:
        found = appeal_case(desk_of(shop, connection), case_id, stated)
    shop.settle(60)
    return found


@pytest.fixture
def denied(shop):
    """A case that the rules denied: much of the pack was used."""
    charge, customer = shop.buy()
    shop.use(customer, 250)
    shop.ask(charge)
    shop.settle(60)
    assert CaseState.CLOSED is shop.case().state
    return shop.case().case_id


def test_part_by_goodwill(shop, denied):
    """A person gives a part back against the rules; the credits stay, and the decision says who ruled."""
    rule(shop, denied, 750)

    assert [750] == [refund["amount"] for refund in shop.refunds()]
    assert (CaseState.REFUNDED, 250) == (
        shop.case(denied).state,
        shop.left(shop.case(denied).customer_id),
    )
    assert ["REVIEW-3BD", "METHOD", "CURRENCY"] == [
        one.clause for one in shop.decided()[-1].clauses
    ]


@pytest.mark.parametrize(("keeps", "credits_left"), [(False, 0), (True, 250)])
def test_everything_back(shop, denied, keeps, credits_left):
    """All that is left takes the credits with it, unless the customer is to keep them."""
    rule(shop, denied, 2000, keeps_credits=keeps)

    assert [2000] == [refund["amount"] for refund in shop.refunds()]
    assert credits_left == shop.left(shop.case(denied).customer_id)


def test_more_than_is_left(shop, denied):
    """Money that is not there cannot be ruled, and nothing is changed by trying."""
    shop.v1.refunds.create({"charge": shop.case(denied).charge_id, "amount": 1500})
    shop.settle(60)
    with pytest.raises(RulingRefused, match=r"more than the 5\.00 USD"):
        rule(shop, denied, 750)

    assert 1 == len(shop.rows(decisions))


def test_disputed(shop, denied):
    """A disputed payment is refunded by nobody."""
    shop.control("disputes", {"charge": shop.case(denied).charge_id, "reason": "fraudulent"})
    shop.settle(60)
    with pytest.raises(RulingRefused, match="dispute"):
        rule(shop, denied, 750)


def test_paid_case(shop):
    """A case whose refund has left cannot be ruled on again."""
    charge, _ = shop.buy()
    shop.ask(charge)
    shop.settle(60)
    for ruled in (None, 10):
        with pytest.raises(RulingRefused, match="succeeded already"):
            rule(shop, shop.case().case_id, ruled)


def test_refunded_after_the_ruling(shop, denied):
    """What the last look at Stripe finds holds against a ruling as well."""
    charge_id = shop.case(denied).charge_id
    shop.v1.refunds.create({"charge": charge_id, "amount": 1500})
    shop.new_events()  # Stripe's news are late
    rule(shop, denied, 750)

    assert [1500] == [refund["amount"] for refund in shop.refunds()]
    assert CaseState.REVIEW is shop.case(denied).state
    assert "ruled before the payment changed" in shop.case(denied).note


def test_appeal_with_new_facts(shop, denied):
    """An appeal is judged with what the customer brought, and pays where the rules then say yes."""
    appealed = appeal(shop, denied, longest_failure_seconds=90_000, lost_seconds=315_360)

    (request,) = shop.rows(refund_requests)
    assert request.id == appealed
    assert [20] == [refund["amount"] for refund in shop.refunds()]
    assert CaseState.REFUNDED is shop.case(denied).state


def test_appeal_in_vain(shop, denied):
    """An appeal that the rules deny again goes to a person, whose ruling cites it."""
    appeal(shop, denied)
    looked_at = shop.case(denied)
    rule(shop, denied, None)

    assert (CaseState.REVIEW, 1) == (looked_at.state, looked_at.appeals)
    assert CaseState.CLOSED is shop.case(denied).state
    assert "APPEAL" == shop.decided()[-1].clauses[0].clause


def test_second_appeal(shop, denied):
    """The rules are asked once; a second appeal is a person's at once."""
    appeal(shop, denied)
    rule(shop, denied, None)

    assert appeal(shop, denied) is None
    assert CaseState.REVIEW is shop.case(denied).state


def test_contradicting_facts(shop, denied):
    """What a person stated and the ledger contradicts is told to a person, and decides nothing."""
    appeal(shop, denied, used=600)
    (request,) = shop.rows(refund_requests)

    assert ("unmatched", True) == (request.state, "used is 600" in request.note)
    assert [] == shop.refunds()


def test_rulings_are_made_again(shop, denied):
    """A ruling's decision comes out the same from its own facts."""
    rule(shop, denied, 750)
    ruled = shop.decided()[-1]

    assert ruled == redecide_any(ruled.facts, load_terms())


def test_observed_ruling(shop):
    """In observe mode a ruling is written down and moves nothing."""
    charge, customer = shop.buy()
    shop.use(customer, 250)
    shop.ask(charge, reasons=(Reason.TASTE,))
    shop.settle(60)
    shop.change_settings(redress_mode="observe")
    shop.change()
    rule(shop, shop.case().case_id, 750)

    assert [] == shop.refunds()
    assert ["observed"] == [intent.state for intent in shop.intents()]


def test_denied_again(shop, denied):
    """A person who says no to each appeal closes the case each time, and the customer reads why each time."""
    for said in ("first", "second"):
        appeal(shop, denied)
        rule(shop, denied, None, explanation=said)
        assert CaseState.CLOSED is shop.case(denied).state

    told = [json.loads(row.content) for row in shop.rows(notices)]
    assert ["first", "second"] == [one["explanation"] for one in told if one["explanation"]]


@pytest.fixture
def doubtful(shop):
    """Two customers with one card bought alike, so that a person decides; the second charge and its case."""
    for _ in range(2):
        charge = shop.pay(shop.customer(), 2000, order=None, payment_method="pm_card_visa")
    shop.settle(60)
    case = shop.case()
    assert (charge, DUPLICATE_CHARGE, CaseState.REVIEW) == (case.charge_id, case.kind, case.state)
    return charge, case.case_id


def test_doubtful_duplicate_approved(shop, doubtful):
    """What a person approves of a doubtful duplicate is sent, although the rules alone would not."""
    charge, case_id = doubtful
    rule(shop, case_id, 2000)

    assert [(charge, 2000)] == [(one["charge"], one["amount"]) for one in shop.refunds()]
    assert CaseState.REFUNDED is shop.case(case_id).state


@pytest.mark.parametrize(("amount_minor", "state"), [(None, "closed"), (750, "refunding")])
def test_news_do_not_overrule_a_person(shop, doubtful, amount_minor, state):
    """An event about a payment on whose case a person ruled changes nothing about the ruling."""
    charge, case_id = doubtful
    with shop.store.write() as connection:
        rule_on_case(desk_of(shop, connection), TermsBook(), case_id, amount_minor=amount_minor)
    ruled = len(shop.rows(decisions))
    shop.control("events", {"type": "charge.succeeded", "kind": "charges", "id": charge})
    shop.deliver()
    shop.drain()

    assert state == shop.case(case_id).state
    assert ruled == len(shop.rows(decisions))


def test_asked_again_after_a_denial(shop, denied):
    """Who asks again after a person denied it comes to a person, and not to the rules alone."""
    rule(shop, denied, None)
    shop.ask(shop.case(denied).charge_id, key="k2")
    shop.settle(60)

    assert (CaseState.REVIEW, ASKED_AGAIN) == (shop.case(denied).state, shop.case(denied).note)
    assert ["judged", "judged"] == [row.state for row in shop.rows(refund_requests)]
    assert 2 == len(shop.rows(decisions))


def test_asked_again_after_an_approval(shop, denied):
    """A request that comes before the money has left does not take back what a person approved."""
    with shop.store.write() as connection:
        rule_on_case(desk_of(shop, connection), TermsBook(), denied, amount_minor=750)
    shop.ask(shop.case(denied).charge_id, key="k2")
    shop.settle(60)

    assert [750] == [refund["amount"] for refund in shop.refunds()]
    assert CaseState.REFUNDED is shop.case(denied).state


def test_tie_to_the_invoice_comes_late(shop):
    """All that is ruled to go back ends the subscription, although the ledger does not know its invoice yet."""
    customer, subscription = subscribe(shop, price_of(shop, redress_credits="100"))
    told = shop.new_events()
    shop.receive(*[event for event in told if event["type"] != "invoice_payment.paid"])
    shop.settle(30)
    shop.ask(next(shop.sandbox.book.newest_first("charges"))["id"], reasons=(Reason.FAILURE,))
    shop.settle(60)
    rule(shop, shop.case().case_id, 2000)

    assert "canceled" == shop.v1.subscriptions.retrieve(subscription).status
    assert 0 == shop.left(customer)
