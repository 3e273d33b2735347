"""`redress reconcile`: planted differences of every class are found, none is invented, and mending makes the books agree."""

import csv
import json

import pytest
from sqlalchemy import delete, update

from ledger.backfill_tables import DifferenceKind
from ledger.stripe_tables import (
    charges,
    disputes,
    refunds,
    subscription_schedules,
    subscriptions,
)
from ledger.tables import audit, refund_intents
from tests.fakes.played_month import PlayedMonth
from tests.ops.command_line.conftest import CommandLine

TABLES = {
    "charge": (charges, "charge_id", "charges"),
    "refund": (refunds, "refund_id", "refunds"),
    "dispute": (disputes, "dispute_id", "disputes"),
    "subscription": (subscriptions, "subscription_id", "subscriptions"),
    "subscription_schedule": (subscription_schedules, "schedule_id", "subscription_schedules"),
}


@pytest.fixture
def month(store, tmp_path):
    """The month, all of it told and worked on; some of its subscribers have a schedule."""
    played = PlayedMonth(store, tmp_path)
    world = played.world
    for row in list(world.sandbox.book.newest_first("subscriptions"))[:4]:
        if row["status"] == "active":
            world.v1.subscription_schedules.create({"from_subscription": row["id"]})
    for number in range(6):
        world.pay_twice(order=f"order-{number}")
    for charge_id in [world.pay(world.customer(), order=None) for _ in range(3)]:
        world.control("disputes", {"charge": charge_id, "reason": "product_not_received"})
    world.deliver()
    world.settle(600)
    world.clock.advance(1_200)
    yield played
    played.close()


@pytest.fixture
def redress(month, tmp_path):
    """The command line beside the month's workers."""
    return CommandLine(month.environ(tmp_path), month.clock)


class Plant:
    """Puts the ledger at odds with Stripe, and keeps what it did."""

    def __init__(self, world):
        self.world = world
        self.planted = set()
        self._used = set()

    def _rows(self, object_type, count):
        table, key, _ = TABLES[object_type]
        fresh = [getattr(row, key) for row in self.world.rows(table)]
        fresh = [one for one in fresh if one not in self._used][:count]
        assert len(fresh) == count, object_type
        self._used |= set(fresh)
        return fresh

    def _write(self, statement):
        with self.world.store.write() as connection:
            connection.execute(statement)

    def changed(self, object_type, kind, count, **values):
        """Change columns of some rows."""
        table, key, _ = TABLES[object_type]
        for object_id in self._rows(object_type, count):
            self._write(update(table).where(table.c[key] == object_id).values(**values))
            self.planted |= {(kind, object_type, object_id, name) for name in values}

    def gone_here(self, object_type, count):
        """Take rows away, as if no event had told of them."""
        table, key, _ = TABLES[object_type]
        for object_id in self._rows(object_type, count):
            self._write(delete(table).where(table.c[key] == object_id))
            self.planted.add(("missing_here", object_type, object_id, ""))

    def gone_there(self, object_type, count):
        """Take objects away at Stripe, as if they were another account's."""
        _, _, kind = TABLES[object_type]
        for object_id in self._rows(object_type, count):
            self.world.sandbox.book.remove(kind, object_id)
            self.planted.add(("missing_there", object_type, object_id, ""))


def plant_all(world):
    """Some thirty differences, of every class and type."""
    plant = Plant(world)
    ours = [row for row in world.rows(refund_intents) if row.state == "succeeded"]
    plant._used |= {row.refund_id for row in ours}
    plant.gone_here("charge", 2)
    plant.gone_here("subscription", 2)
    plant.gone_here("subscription_schedule", 1)
    plant.gone_there("charge", 2)
    plant.gone_there("subscription", 1)
    plant.gone_there("subscription_schedule", 1)
    plant.changed("charge", "amount", 2, amount_minor=1)
    plant.changed("charge", "amount", 2, captured_minor=2, refunded_minor=1)
    plant.changed("charge", "amount", 1, currency="jpy")
    plant.changed("charge", "state", 2, status="pending")
    plant.changed("charge", "state", 1, status="failed")
    plant.changed("dispute", "amount", 1, amount_minor=1)
    plant.changed("dispute", "state", 1, status="prevented")
    plant.changed("subscription", "state", 2, status="paused")
    plant.changed("subscription", "state", 1, cancel_at_period_end=True)
    plant.changed("subscription", "state", 1, items="[]")
    plant.changed("subscription_schedule", "state", 1, phases="[]")
    first, second, third, fourth = ours[:4]
    # Refunds of ours, and their intents.
    with world.store.write() as connection:
        move = update(refund_intents)
        connection.execute(move.where(refund_intents.c.id == first.id).values(state="unknown"))
        connection.execute(delete(refunds).where(refunds.c.refund_id == second.refund_id))
        connection.execute(
            update(refunds).where(refunds.c.refund_id == third.refund_id).values(amount_minor=1)
        )
        connection.execute(move.where(refund_intents.c.id == third.id).values(amount_minor=1))
    world.sandbox.book.remove("refunds", fourth.refund_id)
    plant.planted |= {
        ("state", "refund_intent", first.id, "state"),
        ("missing_here", "refund", second.refund_id, ""),
        ("amount", "refund", third.refund_id, "amount_minor"),
        ("amount", "refund_intent", third.id, "amount"),
        ("missing_there", "refund", fourth.refund_id, ""),
        ("missing_there", "refund_intent", fourth.id, ""),
    }
    return plant.planted


def told(document):
    return {
        (one["kind"], one["object_type"], one["object_id"], one["field"])
        for one in document["differences"]
    }


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_books_agree(redress):
    """After a month of payments, thieves and banks nothing differs, and each type was compared."""
    document = redress.json("reconcile")

    assert (True, [], "done") == (document["agree"], document["differences"], document["state"])
    assert set(TABLES) == set(document["compared"])
    assert all(document["compared"].values())
    shown = redress("reconcile", "show")
    assert (0, True) == (shown.exit_code, "The books agree." in shown.stdout)


def test_every_planted_difference(month, redress, tmp_path):
    """Thirty and more of every class are all found, none is invented; each has its command, in CSV too."""
    planted = plant_all(month.world)
    path = tmp_path / "differences.csv"

    ran = redress("reconcile", "--json", "--csv", str(path))
    document = json.loads(ran.stdout)

    assert (1, False) == (ran.exit_code, document["agree"])
    assert planted == told(document)
    assert 30 <= len(planted)
    assert {kind.value for kind in DifferenceKind} == set(document["counts"])
    assert all(
        one["meaning"] and one["command"].startswith("redress ") for one in document["differences"]
    )
    with path.open(encoding="utf-8", newline="") as opened:
        assert len(planted) == len(list(csv.DictReader(opened)))
    shown = redress("reconcile", "show", "1")
    assert 1 == shown.exit_code
    assert "Next: `redress reconcile mend --reason TEXT`" in " ".join(shown.stdout.split())
    metrics = redress("reconcile", "show", "--metrics").stdout
    assert "redress_books_agree 0.0" in metrics
    assert 'redress_reconciliation_differences{kind="missing_there"} 6.0' in metrics


def test_mending(month, redress):
    """Asking Stripe about what differs makes the books agree, but for what a person has to look at."""
    planted = plant_all(month.world)
    redress("reconcile")

    done = redress.json("reconcile", "mend", "--reason", "a drill")
    month.world.settle(600)
    month.clock.advance(1_200)
    after = told(json.loads(redress("reconcile", "--json").stdout))

    assert done["asked"] == done["objects"] > 15
    assert after == {
        one
        for one in planted
        if one[0] == "missing_there" or one[:2] == ("amount", "refund_intent")
    }
    assert done["for_people"] == len(after)
    assert ["reconcile.mend"] == [
        row.action for row in month.world.rows(audit) if row.object == "reconciliation:1"
    ]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_on_its_way(month, redress):
    """What an event that waits, or a question that is asked, will put right is no difference."""
    world = month.world
    world.pay(world.customer())
    world.clock.advance(1_200)
    world.receive(*world.new_events())
    assert redress.json("reconcile")["agree"]


def _state_after(world, redress, seconds):
    """How the newest comparison stands when the processes have had so many seconds."""
    for _ in range(seconds // 30):
        world.sweep()
        world.work()
        world.clock.advance(30)
    return json.loads(redress("reconcile", "show", "--json").stdout)["state"]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_daily_by_itself(month, redress):
    """The sweeper begins one each day, workers carry it out in steps, and it is shown as such."""
    world = month.world
    world.change_settings(redress_backfill_seconds="120")
    for _ in range(40):
        world.sweep()
        world.work()
        world.clock.advance(30)
    first = redress.json("reconcile", "show")
    world.clock.advance(86_400)
    assert "done" == _state_after(world, redress, 300)
    second = redress.json("reconcile", "show")["reconciliation"]
    assert first["reconciliation"] + 1 == second
    world.control(
        "faults", [{"method": "GET", "path_prefix": "/v1/disputes", "kind": "500", "times": 9}]
    )
    world.clock.advance(86_400)
    failed = _state_after(world, redress, 300)
    world.control("faults", [])
    again = _state_after(world, redress, 3_700)

    assert ("failed", "done") == (failed, again)
    assert ("daily", "done", True) == (first["origin"], first["state"], first["agree"])


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_stripe_breaks_off(month, redress):
    """Where Stripe does not answer, the comparison fails, says so, and is no agreement."""
    month.world.control(
        "faults", [{"method": "GET", "path_prefix": "/v1/disputes", "kind": "500", "times": 1}]
    )

    ran = redress("reconcile")

    assert 1 == ran.exit_code
    assert "did not come to its end" in ran.stdout
    assert "redress_books_agree 0.0" in redress("reconcile", "show", "--metrics").stdout


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_throttled_goes_on(month, redress):
    """A 429 is waited for, and nothing is compared twice."""
    month.world.control(
        "faults", [{"method": "GET", "path_prefix": "/v1/refunds", "kind": "429", "times": 2}]
    )

    document = redress.json("reconcile")

    assert document["agree"]
    assert document["compared"]["charge"] == len(month.world.rows(charges))


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_nothing_yet(redress):
    """Before the first comparison it says how to make one; a span that begins now is refused."""
    assert "`redress reconcile` compares" in redress("reconcile", "show").stderr
    assert 2 == redress("reconcile", "--since", "1m").exit_code
