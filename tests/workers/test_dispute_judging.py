"""The life of a dispute: who answers by when, what rests meanwhile, what a loss takes and a win brings back."""

import pytest

from ledger.accounts import account_of
from ledger.cases import DISPUTE_PREFIX
from ledger.credits import grants_of_customer
from ledger.ending_tables import subscription_ends
from ledger.fraud_tables import list_entries
from ledger.states import CaseState, Standing
from ledger.tables import cases, decisions
from policy.decision import Decision


def opened(world, charge, status="needs_response", reason="fraudulent"):
    """A dispute about a charge; its id."""
    told = {"charge": charge, "status": status, "reason": reason}
    made = world.control("disputes", told)["id"]
    world.settle(30)
    world.clock.advance(1)
    return made


def moved(world, dispute, status):
    world.control(f"disputes/{dispute}", {"status": status})
    world.settle(30)
    world.clock.advance(1)


def case_of(world, dispute):
    (found,) = [row for row in world.rows(cases) if row.kind == f"{DISPUTE_PREFIX}{dispute}"]
    return found


def standing(world, customer):
    with world.store.read() as connection:
        return account_of(connection, customer).standing


def credits_left(shop, customer):
    with shop.store.read() as connection:
        return sum(grant.left for grant in grants_of_customer(connection, customer))


@pytest.mark.parametrize("reason", ["fraudulent", "unrecognized"])
def test_a_small_inquiry_is_given_back(shop, reason):
    """Giving 15.00 back ends the inquiry without a fee; the credits go, the account stays."""
    charge, customer = shop.buy(amount=1500)

    dispute = opened(shop, charge, "warning_needs_response", reason)

    assert [(charge, 1500, None)] == [
        (refund["charge"], refund["amount"], refund["reason"]) for refund in shop.refunds()
    ]
    assert CaseState.REFUNDED == case_of(shop, dispute).state
    assert (0, Standing.ACTIVE) == (credits_left(shop, customer), standing(shop, customer))
    assert "warning_closed" == shop.sandbox.book.get("disputes", dispute)["status"]


@pytest.mark.parametrize(
    ("amount", "reason"),
    [(1501, "fraudulent"), (1500, "product_not_received")],
    ids=["too much", "another reason"],
)
def test_any_other_inquiry_is_answered_by_a_person(shop, amount, reason):
    """A person answers, until the moment that the bank named."""
    charge, _ = shop.buy(amount=amount)

    dispute = opened(shop, charge, "warning_needs_response", reason)

    case = case_of(shop, dispute)
    due_by = shop.sandbox.book.get("disputes", dispute)["evidence_details"]["due_by"]
    assert (CaseState.REVIEW, due_by * 1000) == (case.state, case.due_ms)
    assert "which ends the inquiry" in case.note
    assert [] == shop.refunds()


def test_an_open_dispute(shop):
    """The money is at the bank: nothing goes back, the account rests, the card is listed, somebody answers in time."""
    charge, customer = shop.buy()

    dispute = opened(shop, charge)

    case = case_of(shop, dispute)
    due_by = shop.sandbox.book.get("disputes", dispute)["evidence_details"]["due_by"]
    assert (CaseState.REVIEW, due_by * 1000) == (case.state, case.due_ms)
    assert [] == shop.refunds() == shop.refund_calls()
    assert (500, Standing.SUSPENDED) == (credits_left(shop, customer), standing(shop, customer))
    assert [f"case:{case.id}"] == [row.origin for row in shop.rows(list_entries)]


def test_a_dispute_about_the_goods_suspends_nobody(shop):
    """Who did not get what was bought is no thief."""
    charge, customer = shop.buy()

    opened(shop, charge, reason="product_not_received")

    assert Standing.ACTIVE is standing(shop, customer)
    assert [] == shop.rows(list_entries)


def test_answered_and_at_the_bank(shop):
    """Once evidence is in, nobody waits and no clock runs."""
    charge, _ = shop.buy()
    dispute = opened(shop, charge)

    moved(shop, dispute, "under_review")

    case = case_of(shop, dispute)
    assert (CaseState.CLOSED, None, "the bank decides") == (case.state, case.due_ms, case.note)


def test_a_dispute_that_was_won(shop):
    """The account is active again, and the card is off the list."""
    charge, customer = shop.buy()
    dispute = opened(shop, charge)

    moved(shop, dispute, "won")

    assert (500, Standing.ACTIVE) == (credits_left(shop, customer), standing(shop, customer))
    assert [] == shop.rows(list_entries)
    assert CaseState.CLOSED == case_of(shop, dispute).state


def test_a_dispute_that_was_lost_and_then_won(shop):
    """A loss takes the credits; a late win brings them back, and the account with them."""
    charge, customer = shop.buy()
    shop.use(customer, 100)
    dispute = opened(shop, charge)

    moved(shop, dispute, "lost")
    assert (0, Standing.SUSPENDED) == (credits_left(shop, customer), standing(shop, customer))
    decision = Decision.from_json(shop.rows(decisions)[-1].body)
    assert {"FRAUD-REFUND": False, "FRAUD-SUSPEND": True, "FRAUD-CANCEL": True} == {
        clause.clause.value: clause.holds for clause in decision.clauses
    }

    moved(shop, dispute, "won")
    assert (400, Standing.ACTIVE) == (credits_left(shop, customer), standing(shop, customer))
    moved(shop, dispute, "won")
    assert 400 == credits_left(shop, customer)


def test_a_loss_ends_the_subscription(world):
    """What a lost dispute had paid for runs no longer."""
    product = world.v1.products.create({"name": "Pro"})
    price = world.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 2900,
            "recurring": {"interval": "month"},
        }
    )
    customer = world.customer()
    made = world.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": price.id}],
            "default_payment_method": world._card_of(customer),
        }
    )
    world.settle(30)
    charge = next(iter(world.sandbox.book.newest_first("charges")))["id"]
    dispute = opened(world, charge, reason="general")

    moved(world, dispute, "lost")

    assert "canceled" == world.sandbox.book.get("subscriptions", made.id)["status"]
    assert [made.id] == [row.subscription_id for row in world.rows(subscription_ends)]


def test_an_appeal_after_a_loss(shop):
    """What is lost can be appealed: it waits for an answer again."""
    charge, _ = shop.buy()
    dispute = opened(shop, charge)
    moved(shop, dispute, "lost")

    moved(shop, dispute, "appeal_needs_response")

    assert CaseState.REVIEW == case_of(shop, dispute).state


def test_observed(shop):
    """In observe mode a dispute is written down and moves nothing of ours."""
    shop.change_settings(redress_mode="observe")
    shop.change()
    charge, customer = shop.buy()

    dispute = opened(shop, charge)
    moved(shop, dispute, "lost")

    assert (500, Standing.ACTIVE) == (credits_left(shop, customer), standing(shop, customer))
    assert [] == shop.rows(list_entries) == shop.rows(subscription_ends)
