"""A refund request from intake to money: matched, judged by the terms, refunded, told, and joined."""

import pytest
from sqlalchemy import event

from ledger.accounts import Account, set_standing
from ledger.cases import REFUND_REQUEST
from ledger.notice_tables import notices
from ledger.refund_requests import RequestConflict
from ledger.request_tables import refund_requests
from ledger.states import CaseState, Standing, StandingCause
from ledger.tables import cases, decisions
from policy.redeciding import redecide_any
from policy.request_facts import Reason
from policy.terms_file import load_terms
from runtime.queues import JUDGE_REQUEST_JOB
from tests.fakes.pack_shop import EMAIL, FEE_MINOR
from tests.fakes.worker_world import CrashAt, Crashed, Meanwhile
from workers import crash_points
from workers.request_judging import UNKNOWN_OTHER

DAY = 86_400


def test_little_used_pack_goes_back(shop):
    """A pack of which little was used is refunded less the fee, and what is left of it is taken back."""
    charge, customer = shop.buy()
    shop.use(customer, 99)
    request_id = shop.ask(charge)
    shop.settle(60)

    assert [(charge, 2000 - FEE_MINOR)] == [
        (refund["charge"], refund["amount"]) for refund in shop.refunds()
    ]
    assert ("judged", "refunded") == (shop.request(request_id).state, shop.rows(cases)[-1].state)
    assert 0 == shop.left(customer)


def test_case_is_looked_up_once(shop):
    """Each of the two transactions of a judgement looks for the purchase's case once."""
    charge, _ = shop.buy()
    request_id = shop.ask(charge)
    looked = []

    def seen(_connection, _cursor, statement, parameters, *_):
        if "cases.kind" in statement and REFUND_REQUEST in str(parameters):
            looked.append(statement)

    event.listen(shop.store.engine, "before_cursor_execute", seen)
    shop.run_job((JUDGE_REQUEST_JOB, request_id))
    event.remove(shop.store.engine, "before_cursor_execute", seen)

    assert "judged" == shop.request(request_id).state
    assert 2 == len(looked)


def test_the_reason_at_stripe(shop):
    """Stripe learns that the customer asked."""
    charge, _ = shop.buy()
    shop.ask(charge)
    shop.settle(60)

    assert ["requested_by_customer"] == [refund["reason"] for refund in shop.refunds()]


def test_much_used_pack_is_denied(shop):
    """Of a pack of which much was used nothing goes back, and its credits stay."""
    charge, customer = shop.buy()
    shop.use(customer, 101)
    shop.ask(charge)
    shop.settle(60)

    assert [] == shop.refunds()
    assert ["deny"] == [decision.verdict for decision in shop.decided()]
    assert ("closed", 399) == (shop.rows(cases)[-1].state, shop.left(customer))


@pytest.mark.parametrize(
    ("standing", "cause", "reasons", "verdict"),
    [
        pytest.param("closed", "terms", (Reason.CHANGED_MIND,), "deny", id="broke the rules"),
        pytest.param("active", "abuse", (Reason.CHANGED_MIND,), "deny", id="abused the service"),
        pytest.param("suspended", "flag", (Reason.CHANGED_MIND,), "review", id="only flagged"),
        pytest.param("active", "mistake", (Reason.FLAGGED,), "approve", id="flagged by mistake"),
        pytest.param("active", None, (Reason.CHANGED_MIND,), "approve", id="nothing is wrong"),
    ],
)
def test_standing(shop, standing, cause, reasons, verdict):
    """A request is judged by how the customer stands."""
    charge, customer = shop.buy()
    account = Account(
        customer_id=customer,
        standing=Standing(standing),
        cause=None if cause is None else StandingCause(cause),
    )
    with shop.store.write() as connection:
        set_standing(connection, account, shop.clock.now_ms())
    shop.ask(charge, reasons=reasons)
    shop.settle(60)

    assert [verdict] == [decision.verdict for decision in shop.decided()]


def test_what_is_not_known_is_a_person_s(shop):
    """A claimed failure that nobody has shown makes a review with a deadline of three business days."""
    charge, customer = shop.buy()
    shop.use(customer, 101)
    shop.ask(charge, reasons=(Reason.FAILURE,))
    shop.settle(60)
    case = shop.rows(cases)[-1]

    assert ("review", REFUND_REQUEST) == (case.state, case.kind)
    assert "keep the customer from working" in case.note
    assert shop.clock.now_ms() + DAY * 1000 < case.due_ms < shop.clock.now_ms() + 8 * DAY * 1000
    assert [] == shop.refunds()


def test_second_request_joins_the_first(shop):
    """A second request about a purchase joins its case and is judged with it; money goes back once."""
    charge, _ = shop.buy()
    first = shop.ask(charge)
    shop.settle(60)
    second = shop.ask(charge, key="k2", reasons=(Reason.TASTE,))
    shop.settle(60)

    assert shop.request(first).case_id == shop.request(second).case_id
    assert "joins case" in shop.request(second).note
    assert 1 == len(shop.refunds())


def test_two_requests_at_once(shop):
    """Two requests about one purchase that are judged at the same moment make one case and one refund."""
    charge, _ = shop.buy()
    shop.ask(charge)
    other = shop.ask(charge, key="k2")
    judged_too = Meanwhile(
        crash_points.REQUEST_GATHERED, lambda: shop.run_job((JUDGE_REQUEST_JOB, other))
    )
    shop.meanwhile(judged_too)
    shop.settle(120)

    assert 1 == len(shop.rows(cases))
    assert 1 == len(shop.refunds())


def test_same_key_is_the_same_request(shop):
    """A repetition changes nothing; another request under the same key is refused."""
    charge, _ = shop.buy()
    first = shop.ask(charge)

    assert first == shop.ask(charge)
    with pytest.raises(RequestConflict):
        shop.ask(charge, product="video-10")
    assert 1 == len(shop.rows(refund_requests))


def test_no_purchase_fits(shop):
    """A request that fits no purchase is looked at for a while, as its events may be late; then a person has to."""
    request_id = shop.ask()
    shop.settle(20)
    early = shop.request(request_id).state
    shop.settle(300)

    assert "waiting" == early
    assert ("unmatched", True) == (
        shop.request(request_id).state,
        "name the charge" in shop.request(request_id).note,
    )


def test_dispute_meanwhile(shop):
    """A dispute that is opened between the decision and the call keeps the money here."""
    charge, _ = shop.buy()
    shop.ask(charge)
    dispute = {"charge": charge, "reason": "fraudulent"}
    shop.meanwhile(Meanwhile(crash_points.EFFECT_LEASED, lambda: shop.control("disputes", dispute)))
    shop.settle(60)

    assert [] == shop.refunds()
    assert "review" == shop.rows(cases)[-1].state


def test_refunded_by_hand_meanwhile(shop):
    """A refund by hand between decision and call counts: never more than the terms give altogether."""
    charge, _ = shop.buy()
    shop.ask(charge)
    by_hand = {"charge": charge, "amount": 1500}
    shop.meanwhile(Meanwhile(crash_points.EFFECT_LEASED, lambda: shop.v1.refunds.create(by_hand)))
    shop.settle(60)

    assert [1500] == [refund["amount"] for refund in shop.refunds()]
    assert "review" == shop.rows(cases)[-1].state


@pytest.mark.parametrize("point", crash_points.REQUEST_POINTS)
def test_crash_while_judging(shop, point):
    """Whatever a worker died of, the request is judged by the next one, once."""
    charge, _ = shop.buy()
    shop.ask(charge)
    with pytest.raises(Crashed):
        shop.meanwhile(CrashAt(point))
    shop.wakeups.jobs.clear()
    shop.settle(300)

    assert 1 == len(shop.rows(decisions))
    assert 1 == len(shop.refunds())


def test_stripe_away(shop):
    """While Stripe does not answer nothing is decided; afterwards the request is judged."""
    charge, _ = shop.buy()
    shop.control(
        "faults",
        [{"method": "GET", "path_prefix": "/v1/charges", "kind": "503", "times": 2}],
    )
    request_id = shop.ask(charge)
    shop.work()
    before = shop.request(request_id)
    shop.settle(120)

    assert ("waiting", []) == (before.state, [])
    assert "judged" == shop.request(request_id).state
    assert 1 == len(shop.refunds())


def test_a_duplicate_under_way(shop):
    """A request about a payment that is going back as a duplicate waits, and then finds it gone."""
    customer = shop.customer()
    metadata = {"product_id": "images-500", "order_id": "o1"}
    shop.pay(customer, 2000, None, metadata=metadata)
    second = shop.pay(customer, 2000, None, metadata=metadata)
    shop.deliver()
    shop.drain()
    request_id = shop.ask(second)
    shop.run_job((JUDGE_REQUEST_JOB, request_id))
    waiting = shop.request(request_id)
    shop.settle(300)

    assert ("waiting", True) == (waiting.state, "under way" in waiting.note)
    assert [(second, 2000)] == [(one["charge"], one["amount"]) for one in shop.refunds()]
    assert "deny" == shop.decided()[-1].verdict


def test_beside_a_refund_of_unknown_outcome(shop):
    """Where nobody knows what became of another refund, a person decides; the request does not wait for ever."""
    customer = shop.customer()
    metadata = {"product_id": "images-500", "order_id": "o1"}
    shop.pay(customer, 2000, None, metadata=metadata)
    second = shop.pay(customer, 2000, None, metadata=metadata)
    shop.fault("reset", executed=False, times=99)
    shop.settle(60)
    shop.clock.advance(21 * 3600)  # beyond the age of a key that may be sent again
    shop.settle(60)
    request_id = shop.ask(second)
    shop.settle(300)
    case = shop.case()

    assert ["unknown"] == [intent.state for intent in shop.intents()]
    assert ("judged", case.case_id) == (
        shop.request(request_id).state,
        shop.request(request_id).case_id,
    )
    assert (CaseState.REVIEW, UNKNOWN_OTHER) == (case.state, case.note)
    assert [] == shop.refunds()


def test_another_currency_is_asked_about_again(shop):
    """An answer about the payment that contradicts its events is not believed: the refund would bear what is false."""
    charge, _ = shop.buy()
    fault = {"method": "GET", "path_prefix": "/v1/charges", "kind": "other_currency", "times": 1}
    shop.control("faults", [fault])
    request_id = shop.ask(charge)
    first = shop.request(request_id).state
    shop.settle(60)

    assert "judged" == shop.request(request_id).state
    assert {"usd"} == {one.amount.currency for one in shop.decided()}
    assert [(charge, "usd")] == [(one["charge"], one["currency"]) for one in shop.refunds()]
    assert "waiting" == first


def test_the_customer_is_told(shop):
    """The decision is told by an e-mail to the address of the request, in its own transaction."""
    charge, _ = shop.buy()
    shop.ask(charge)
    shop.settle(60)

    assert [(EMAIL, "refund.decided")] == [(row.recipient, row.event) for row in shop.rows(notices)]


def test_observe_mode(shop):
    """In observe mode the request is decided and nothing follows: no money, no credits, no e-mail."""
    charge, customer = shop.buy()
    shop.change_settings(redress_mode="observe")
    shop.change()
    shop.ask(charge)
    shop.settle(60)

    assert ["approve"] == [decision.verdict for decision in shop.decided()]
    assert ([], [], 500) == (shop.refunds(), shop.rows(notices), shop.left(customer))


def test_every_decision_is_made_again(shop):
    """Each stored decision comes out the same from its own facts."""
    charge, customer = shop.buy()
    shop.use(customer, 101)
    shop.ask(charge, reasons=(Reason.FAILURE,))
    shop.settle(60)

    for decision in shop.decided():
        assert decision == redecide_any(decision.facts, load_terms())
