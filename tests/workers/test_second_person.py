"""Above the threshold one person's approval pays nothing; two people's same words do, once."""

import pytest
from sqlalchemy import func, select

from ledger.approval_tables import approvals
from ledger.approvals import Approval, drop_approval, waiting_approval
from ledger.cases import REFUND_REQUEST, open_case
from ledger.states import IntentState
from ledger.tables import decisions, refund_intents
from policy.money import Money
from policy.rulings import RulingRefused
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put_charge
from tests.fakes.worker_world import worker_settings
from workers.case_following import Desk
from workers.case_rulings import Ruled, rule_on_case
from workers.second_person import Wish, approve_case, needs_second
from workers.terms_book import TermsBook

BOOK = TermsBook()


class Queue:
    """A case about a payment of 900.00 USD, and people who rule on it."""

    def __init__(self, store, folder):
        self.store = store
        self.settings = worker_settings(folder)
        with store.write() as connection:
            put_charge(connection, "ch_1", amount_minor=90_000, captured_minor=90_000)
            self.case_id = open_case(
                connection,
                kind=REFUND_REQUEST,
                charge_id="ch_1",
                kept_charge_id=None,
                customer_id="cus_1",
                now_ms=NOON_MS,
            ).case_id

    def desk(self, connection):
        """Where a ruling is made."""
        return Desk(connection=connection, settings=self.settings, now_ms=NOON_MS)

    def approve(self, actor, amount_minor=60_000, **keeps):
        """What comes of a person's word."""
        wish = Wish(
            amount=Money(amount_minor=amount_minor, currency="usd"),
            actor=actor,
            reason=f"{actor}'s reason",
            **{"keeps_credits": False, "keeps_subscription": False, **keeps},
        )
        with self.store.write() as connection:
            return approve_case(self.desk(connection), BOOK, self.case_id, wish)

    def rows(self, table):
        """Every row of a table."""
        with self.store.read() as connection:
            return connection.execute(select(table)).all()

    def waiting(self):
        """The word that waits."""
        with self.store.read() as connection:
            return waiting_approval(connection, self.case_id)


@pytest.fixture
def queue(store, tmp_path):
    return Queue(store, tmp_path)


def test_two_people(queue):
    """The first word leaves nothing but itself; the second, of somebody else, is the ruling."""
    first = queue.approve("ada")

    assert isinstance(first, Approval)
    assert ([], []) == (queue.rows(refund_intents), queue.rows(decisions))
    assert "ada" == queue.waiting().actor

    second = queue.approve("bob")

    assert isinstance(second, Ruled)
    [intent] = queue.rows(refund_intents)
    assert (60_000, IntentState.RESERVED) == (intent.amount_minor, intent.state)
    [kept] = queue.rows(approvals)
    assert ("confirmed", "ada", "bob") == (kept.state, kept.actor, kept.second_actor)
    assert queue.waiting() is None


def test_nobody_is_two_people(queue):
    """Who said it first cannot say it again, however often."""
    queue.approve("ada")

    for _ in range(2):
        with pytest.raises(RulingRefused, match="a second person has to do the same"):
            queue.approve("ada")

    assert [] == queue.rows(refund_intents)


@pytest.mark.parametrize(
    "other", [{"amount_minor": 60_001}, {"keeps_credits": True}, {"keeps_subscription": True}]
)
def test_other_words_begin_anew(queue, other):
    """Whoever says something else, is the first person of that; what was said before no longer counts."""
    queue.approve("ada")
    assert isinstance(queue.approve("bob", **other), Approval)
    assert ("bob", ["dropped", "waiting"]) == (
        queue.waiting().actor,
        [row.state for row in queue.rows(approvals)],
    )

    assert isinstance(queue.approve("ada", **other), Ruled)
    assert 1 == len(queue.rows(refund_intents))


def test_a_smaller_amount_needs_one(queue):
    """Below the threshold one word is enough, and ends another that waited."""
    queue.approve("ada")

    assert isinstance(queue.approve("ada", amount_minor=49_999), Ruled)

    assert [49_999] == [row.amount_minor for row in queue.rows(refund_intents)]
    assert ["dropped"] == [row.state for row in queue.rows(approvals)]


def test_a_decision_in_between(queue):
    """A word is about the case as it was: after another decision about it the second person is the first."""
    queue.approve("ada")
    with queue.store.write() as connection:
        rule_on_case(queue.desk(connection), BOOK, queue.case_id, amount_minor=None)

    assert isinstance(queue.approve("bob"), Approval)
    assert [] == queue.rows(refund_intents)
    assert isinstance(queue.approve("ada"), Ruled)


def test_what_cannot_be_approved(queue):
    """The first person is told what a ruling would be refused for, and nothing is written down."""
    with pytest.raises(RulingRefused):
        queue.approve("ada", amount_minor=90_001)

    assert ([], []) == (queue.rows(approvals), queue.rows(decisions))


def test_taken_back(queue):
    """A word that was taken back is no half of two."""
    queue.approve("ada")
    with queue.store.write() as connection:
        drop_approval(connection, queue.case_id, NOON_MS)

    assert isinstance(queue.approve("bob"), Approval)


def test_two_at_once(queue):
    """Of two people who speak at one moment, one is the first and one the second: the money goes once."""
    outcomes = at_once(queue.approve, ["ada", "bob"])

    assert {Approval, Ruled} == {type(one) for one in outcomes}
    with queue.store.read() as connection:
        assert 1 == connection.execute(select(func.count()).select_from(refund_intents)).scalar()


def test_three_at_once(queue):
    """A third word of the same comes too late, and pays nothing more."""

    def speak(actor):
        try:
            return type(queue.approve(actor))
        except RulingRefused:
            return None

    at_once(speak, ["ada", "bob", "eve"])

    assert 1 == len(queue.rows(refund_intents))


@pytest.mark.parametrize(
    ("currency", "amount_minor", "needs"),
    [("usd", 100, True), ("usd", 99, False), ("jpy", 100, False), ("jpy", 900, True)],
)
def test_threshold_by_currency(currency, amount_minor, needs):
    """The threshold itself needs two; a currency that is not named has that of all others."""
    amount = Money(amount_minor=amount_minor, currency=currency)

    assert needs is needs_second({"usd": 100, "*": 900}, amount)
