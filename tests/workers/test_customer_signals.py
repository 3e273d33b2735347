"""What a customer tells about a payment that tells it not itself: a disposable address, and since when he is one."""

import random

import pytest

from ledger.cases import FRAUD
from ledger.fraud_facts import suspect
from ledger.inbox import store_events
from ledger.tables import cases, decisions
from ops.backtest.backtest_run import Backtest
from ops.backtest.told_events import told_event
from policy.decision import Decision, Verdict
from tests.policy.fraud_corpus import API_VERSION, History, Person, _Teller

HOUR = 3_600
DAY = 86_400
WHO = Person(customer="cus_new", email="-", ip="198.51.100.7", device="device-7")


def events(address, *, age=HOUR):
    """A payment whose checks failed, without an address of its own, and its customer's creation: (charge, customer)."""
    history = History(number=7, kind="told by hand")
    teller = _Teller(history, random.Random(7))
    looks = {"cvc": "fail", "postcode": "fail", "ip_country": "RO", "risk_level": "normal"}
    teller.pay(WHO, teller.card(), risk_score=5, three_d_secure=None, **looks)
    (charge,) = history.events
    charge["data"]["object"]["billing_details"]["email"] = None
    customer = {
        "id": WHO.customer,
        "object": "customer",
        "email": address,
        "created": charge["created"] - age,
        "livemode": False,
    }
    told = {
        **charge,
        "id": "evt_customer",
        "type": "customer.created",
        "created": customer["created"],
        "api_version": API_VERSION,
        "data": {"object": customer},
    }
    return charge, told


def received(world, told):
    for event in told:
        with world.store.write() as connection:
            store_events(connection, [world.parsed(event)], world.clock.now_ms())
        world.drain()


@pytest.mark.parametrize("late", [False, True], ids=["customer first", "customer last"])
def test_a_disposable_address_of_the_customer(world, late):
    """In either order a person looks: three failed checks weigh 50, the address of the customer 25."""
    charge, customer = events("thief@mailinator.com")

    received(world, [charge, customer] if late else [customer, charge])

    (case,) = [row for row in world.rows(cases) if row.kind == FRAUD]
    (row,) = [one for one in world.rows(decisions) if one.case_id == case.id]
    compared = Decision.from_json(row.body).clauses[0].compared
    assert Verdict.REVIEW == row.verdict
    assert ("yes", 25, 75) == (
        compared["disposable_email"],
        compared["disposable_email_weight"],
        compared["score"],
    )


def test_an_address_that_stays(world):
    """A usual address is told, and weighs nothing."""
    received(world, events("ada@mail.example"))

    assert [] == list(world.rows(cases))


@pytest.mark.parametrize(
    ("age", "new"), [(0, "yes"), (DAY, "yes"), (DAY + 1, "no"), (-HOUR, "yes")]
)
def test_since_when(sqlite_world, age, new):
    """New for a day; by Stripe's own moments, whatever was told first."""
    charge, customer = events("ada@mail.example", age=age)
    received(sqlite_world, [charge, customer])

    with sqlite_world.store.read() as connection:
        found = suspect(connection, charge["data"]["object"]["id"])

    assert {"disposable_email": "no", "new_customer": new} == found.of_customer


def test_nobody_knows(sqlite_world):
    """Without its customer a payment says nothing about him."""
    charge, _ = events("ada@mail.example")
    received(sqlite_world, [charge])

    with sqlite_world.store.read() as connection:
        found = suspect(connection, charge["data"]["object"]["id"])

    assert {"disposable_email": None, "new_customer": None} == found.of_customer


@pytest.mark.parametrize("late", [False, True], ids=["customer first", "customer last"])
def test_the_back_test_too(sqlite_world, late):
    """It reads customers as the workers do, in either order."""
    charge, customer = events("thief@mailinator.com")
    terms, ends = sqlite_world.context.terms, []
    backtest = Backtest(
        {"in force": terms.in_force},
        terms.newest.duplicates,
        ended=lambda _name, _payment, tried: ends.append(tried),
    )

    told = [charge, customer] if late else [customer, charge]
    backtest.run(told_event(event, event["id"]) for event in told)

    assert [(Verdict.REVIEW, 75)] == [(one.verdict, one.score) for one in ends]
