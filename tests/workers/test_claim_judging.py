"""Credits that are asked back: judged by what the usage reports show, back where they came from, and once."""

import json

import pytest

from ledger.claim_tables import credit_claims, credit_decisions
from ledger.credit_claims import claim_by_id, state_facts, take_claim, write_claim
from ledger.credit_usage import UsageReport, record_usage
from ledger.credits import grants_of_customer
from ledger.states import ClaimState
from policy.credit_losses import CreditLoss
from policy.decision import Decision
from policy.redeciding import redecide_any
from policy.terms_file import load_terms
from runtime.call_limits import REQUEST_LEASE_MS
from runtime.queues import JUDGE_CLAIM_JOB
from tests.fakes.at_once import at_once
from tests.fakes.credit_claims import claim_now, new_claim
from workers.case_following import Desk
from workers.claim_judging import (
    GIVEN_UP,
    NOT_COVERED,
    NOT_TOLD,
    PAID_BACK,
    SUCCEEDED,
    decide_claim,
    judge_claim,
)
from workers.terms_book import TermsBook


def use(shop, customer, number, key="u-1", *, successful=False, reference="gen_1"):
    """Have the product report a usage under its own id of what was made."""
    now_ms = shop.clock.now_ms()
    report = UsageReport(
        key=key,
        customer_id=customer,
        credits=number,
        at=now_ms // 1000,
        successful=successful,
        reference=reference,
    )
    with shop.store.write() as connection:
        record_usage(connection, [report], now_ms)


def ask_back(shop, customer, key="c-1", **changes):
    """Take a claim in and ring for it; returns its id."""
    now_ms = shop.clock.now_ms()
    told = new_claim(key, customer_id=customer, **{"at": now_ms // 1000} | changes)
    with shop.store.write() as connection:
        claim, _ = write_claim(connection, told, now_ms)
    shop.wakeups.wake_effect(JUDGE_CLAIM_JOB, claim.claim_id)
    return claim.claim_id


def verdicts(shop):
    """What was decided, oldest first: the verdict and the credits that come back."""
    return [(row.verdict, row.credits) for row in shop.rows(credit_decisions)]


def test_failed_generation(shop):
    """What failed comes back to the purchase that it was drawn from, with its decision and the evidence."""
    _, customer = shop.buy()
    use(shop, customer, 10)
    claim_id = ask_back(shop, customer)
    shop.work()
    claim = claim_now(shop.store, claim_id)

    assert (ClaimState.RESTORED, None) == (claim.state, claim.note)
    assert ([("approve", 10)], 500) == (verdicts(shop), shop.left(customer))
    with shop.store.read() as connection:
        assert [10] == [one.restored for one in grants_of_customer(connection, customer)]


def test_lost_credits(shop):
    """Lost credits that a record of the incident shows come back as a grant of their own."""
    _, customer = shop.buy()
    ask_back(
        shop, customer, loss=CreditLoss.LOST, reference="incident-7", credits=30, documented=20
    )
    shop.work()

    assert ([("approve", 20)], 520) == (verdicts(shop), shop.left(customer))


@pytest.mark.parametrize(
    ("used", "asked", "verdict", "note"),
    [
        pytest.param({}, {"credits": 12}, ("approve", 10), None, id="more asked than used"),
        pytest.param({}, {"credits": 4}, ("approve", 4), None, id="less asked than used"),
        pytest.param({"successful": None}, {}, ("approve", 10), None, id="outcome never told"),
        pytest.param({"successful": True}, {}, ("deny", None), SUCCEEDED, id="told as a success"),
        pytest.param({}, {"our_fault": False}, ("deny", None), None, id="not our fault"),
        pytest.param({}, {"our_fault": None}, ("review", None), None, id="fault not known"),
        pytest.param(
            {"reference": "other"}, {"our_fault": False}, ("deny", None), NOT_TOLD, id="no matter"
        ),
        pytest.param(
            {}, {"loss": CreditLoss.LOST}, ("review", None), None, id="a loss nobody shows"
        ),
    ],
)
def test_what_the_reports_show(shop, used, asked, verdict, note):
    """The usage reports say how many credits went; what they cannot say is asked from a person."""
    _, customer = shop.buy()
    use(shop, customer, 10, **used)
    claim_id = ask_back(shop, customer, **asked)
    shop.work()

    assert [verdict] == verdicts(shop)
    said = claim_now(shop.store, claim_id).note or ""
    assert note is None or note in said
    assert (verdict[0] == "review") == ("?" in said)


def test_usage_that_is_told_later(shop):
    """A claim that comes before its usage waits for the product's next batch, and is then decided."""
    _, customer = shop.buy()
    claim_id = ask_back(shop, customer)
    shop.work()
    waiting = claim_now(shop.store, claim_id)
    use(shop, customer, 10)
    shop.settle(60)

    assert (ClaimState.WAITING, NOT_TOLD) == (waiting.state, waiting.note)
    assert ([("approve", 10)], 500) == (verdicts(shop), shop.left(customer))


def test_usage_that_is_never_told(shop):
    """After a while a person has to say what went."""
    _, customer = shop.buy()
    claim_id = ask_back(shop, customer)
    shop.settle(300)
    claim = claim_now(shop.store, claim_id)

    assert ([("review", None)], ClaimState.REVIEW) == (verdicts(shop), claim.state)
    assert claim.note.startswith(NOT_TOLD)


def test_usage_that_nothing_paid_for(shop):
    """What no grant covers was not paid for: nothing comes back before its purchase is known."""
    customer = shop.customer()
    use(shop, customer, 10)
    claim_id = ask_back(shop, customer)
    shop.work()
    assert NOT_COVERED == claim_now(shop.store, claim_id).note
    given = {"amount": 2000, "order": None, "metadata": {"product_id": "images-500"}}
    shop.pay(customer, **given)
    shop.settle(120)

    assert ([("approve", 10)], 500) == (verdicts(shop), shop.left(customer))


def test_purchase_that_was_refunded(shop):
    """What was used of a purchase came back with its refund, and does not come back again."""
    charge, customer = shop.buy()
    use(shop, customer, 10)
    shop.ask(charge)
    shop.settle(60)
    claim_id = ask_back(shop, customer)
    shop.settle(60)

    assert [("deny", None)] == verdicts(shop)
    assert (PAID_BACK, 0) == (claim_now(shop.store, claim_id).note, shop.left(customer))


def test_asked_twice(shop):
    """Two claims about one generation give its credits back once."""
    _, customer = shop.buy()
    use(shop, customer, 10)
    for key in ("c-1", "c-2"):
        ask_back(shop, customer, key)
    shop.work()

    assert ([("approve", 10), ("deny", None)], 500) == (verdicts(shop), shop.left(customer))


def test_judged_by_many_at_once(shop):
    """Workers that judge one claim, and two about one generation, at the same moment give back once."""
    _, customer = shop.buy()
    use(shop, customer, 10)
    claims = [ask_back(shop, customer, key) for key in ("c-1", "c-2")]
    at_once(lambda claim_id: judge_claim(shop.fresh_context(), claim_id), claims * 3)

    assert [("approve", 10), ("deny", None)] == verdicts(shop)
    assert 500 == shop.left(customer)


def test_a_worker_that_comes_too_late(shop):
    """A worker whose lease ended leaves the claim to its successor."""
    _, customer = shop.buy()
    use(shop, customer, 10)
    claim_id = ask_back(shop, customer)
    now_ms = shop.clock.now_ms()

    class Late:
        """The store of a worker that falls asleep between its two transactions."""

        def __init__(self, store):
            self._store, self._writes = store, 0

        def write(self):
            self._writes += 1
            if self._writes == 2:
                later_ms = now_ms + REQUEST_LEASE_MS
                with self._store.write() as connection:
                    assert take_claim(connection, claim_id, later_ms, later_ms + 1)
            return self._store.write()

    shop.change(store=Late(shop.store))
    judge_claim(shop.context, claim_id)

    assert ([], ClaimState.WAITING) == (verdicts(shop), claim_now(shop.store, claim_id).state)


def test_bells_lost(shop):
    """Without a bell the sweeper finds the claim."""
    _, customer = shop.buy()
    use(shop, customer, 10)
    ask_back(shop, customer)
    shop.wakeups.jobs.clear()
    shop.settle(10)

    assert [("approve", 10)] == verdicts(shop)


class Broken(TermsBook):
    """Terms that cannot be looked up, as by a defect of ours."""

    def in_force(self, at):
        raise LookupError(at)


def test_defect(shop):
    """A claim that fails on a defect is tried again, changes nothing meanwhile, and ends with a person."""
    _, customer = shop.buy()
    use(shop, customer, 10)
    claim_id = ask_back(shop, customer)
    shop.change(terms=Broken())
    shop.work()
    first = claim_now(shop.store, claim_id)
    for _ in range(20):
        shop.clock.advance(3600)
        shop.sweep()
        shop.work()

    assert ("failed on a defect: LookupError", ClaimState.WAITING) == (first.note, first.state)
    last = claim_now(shop.store, claim_id)
    assert (ClaimState.REVIEW, GIVEN_UP) == (last.state, last.note)
    assert ([], 490) == (verdicts(shop), shop.left(customer))


def decide(shop, claim_id, **stated):
    """Decide a claim as the command does, with what a person knows."""
    now_ms = shop.clock.now_ms()
    known = {"documented": None, "our_fault": None} | stated
    with shop.store.write() as connection:
        claim = claim_by_id(connection, claim_id, lock=True)
        desk = Desk(connection=connection, settings=shop.settings, now_ms=now_ms)
        told = state_facts(connection, claim, **known, now_ms=now_ms)
        return decide_claim(desk, TermsBook(), told)


def test_observe_mode(shop):
    """In observe mode the claim is decided and nothing comes back; afterwards it is judged again."""
    _, customer = shop.buy()
    use(shop, customer, 10)
    shop.change_settings(redress_mode="observe")
    shop.change()
    claim_id = ask_back(shop, customer)
    shop.work()
    observed = (claim_now(shop.store, claim_id).state, shop.left(customer))
    shop.change_settings()
    shop.change()
    decide(shop, claim_id)

    assert (ClaimState.OBSERVED, 490) == observed
    assert (ClaimState.RESTORED, 500) == (
        claim_now(shop.store, claim_id).state,
        shop.left(customer),
    )


def test_a_person_states(shop):
    """What a person states in a review decides it, in the place of what nobody knew."""
    _, customer = shop.buy()
    claim_id = ask_back(shop, customer, our_fault=None)
    shop.settle(300)
    judged = decide(shop, claim_id, documented=7, our_fault=True)

    assert ClaimState.RESTORED is judged.state
    assert [("review", None), ("approve", 7)] == verdicts(shop)


def test_every_decision_is_made_again(shop):
    """Each stored decision comes out the same from its own facts, and names what it compared."""
    _, customer = shop.buy()
    use(shop, customer, 10)
    ask_back(shop, customer)
    ask_back(shop, customer, "c-2")
    ask_back(shop, customer, "c-3", our_fault=None, reference="gen_2")
    shop.settle(300)
    rows = shop.rows(credit_decisions)

    assert 3 == len(rows) == len(shop.rows(credit_claims))
    for row in rows:
        decision = Decision.from_json(row.body)
        assert row.body == redecide_any(decision.facts, load_terms()).to_json()
    assert {
        "claimed": 10,
        "documented": 10,
        "loss": "failed",
        "our_fault": True,
        "restored": 10,
    } == (json.loads(rows[1].body)["facts"]["credit_claim"])
