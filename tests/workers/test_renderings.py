"""Events whose rendering cannot be read, handlers that fail, and events that kill their worker."""

import copy
import random
from dataclasses import replace

import pytest

from ledger import stripe_tables
from ledger.event_types import HANDLED
from ledger.states import EventState
from ledger.tables import cases, events
from policy.terms_file import TermsError
from runtime.limits import EVENT_ATTEMPTS_MAX, LEASE_MS, POISON_KILLS_MAX
from tests.fakes.shown_kinds import KINDS
from tests.fakes.worker_world import CrashAt, Crashed
from workers.crash_points import DRAIN_CLAIMED
from workers.retries import Trouble, next_try_ms
from workers.stripe_objects import OBJECT_TYPES
from workers.terms_book import TermsBook


def one_event(world, event_type="charge.succeeded"):
    """One event of a payment as Stripe tells it; the others are not delivered."""
    world.pay(world.customer())
    return next(event for event in world.new_events() if event["type"] == event_type)


def changed(event, path, value):
    """A copy of the event with one field of its object set, or taken out."""
    other = copy.deepcopy(event)
    *way, last = path.split(".")
    holder = other["data"]["object"]
    for step in way:
        holder = holder[step]
    if value is _MISSING:
        del holder[last]
    else:
        holder[last] = value
    return other


_MISSING = object()
UNREADABLE = [
    pytest.param("amount", "1000", "charge.amount", id="amount as text"),
    pytest.param("amount", -1, "charge.amount", id="negative amount"),
    pytest.param("amount", 10.5, "charge.amount", id="fractional amount"),
    pytest.param("amount", 2**60, "charge.amount", id="amount past 2^53"),
    pytest.param("amount", True, "charge.amount", id="truth value as amount"),
    pytest.param("amount", _MISSING, "charge.amount", id="no amount"),
    pytest.param("amount_refunded", "0", "charge.amount_refunded", id="refunded as text"),
    pytest.param("currency", None, "charge.currency", id="no currency"),
    pytest.param("currency", "us", "charge.currency", id="currency of two letters"),
    pytest.param("currency", "usd ", "charge.currency", id="currency with a blank"),
    pytest.param("currency", "ÚSD", "charge.currency", id="currency in other letters"),
    pytest.param("created", -1, "charge.created", id="created before 1970"),
    pytest.param("status", 1, "charge.status", id="status as number"),
    pytest.param("created", None, "charge.created", id="no created"),
    pytest.param("customer", ["cus_1"], "charge.customer", id="customer as list"),
    pytest.param("customer", {"object": "customer"}, "charge.customer.id", id="expanded, no id"),
    pytest.param("metadata", ["a"], "charge.metadata", id="metadata as list"),
    pytest.param("metadata.order_id", 7, "charge.metadata.order_id", id="order as number"),
    pytest.param("captured", "yes", "charge.captured", id="captured as text"),
    pytest.param("object", "spaceship", "data.object.object", id="unknown kind of object"),
    pytest.param("object", None, "data.object.object", id="no kind of object"),
]


@pytest.mark.parametrize(("path", "value", "named"), UNREADABLE)
def test_unreadable_field_is_named(sqlite_world, path, value, named):
    """An event with a field that cannot be read is parked, and the note names the field."""
    event = changed(one_event(sqlite_world), path, value)

    sqlite_world.receive(event)
    sqlite_world.settle(10)

    row = sqlite_world.event_row(event["id"])
    assert EventState.PARKED == row.state
    assert named in row.note


def test_unreadable_event_spares_its_neighbours(world):
    """In one batch with an unreadable event everything else is decided as usual."""
    world.pay_twice()
    told = world.new_events()
    bad = changed(one_event(world), "amount", "x")

    world.receive(*told, bad)
    world.settle()

    assert 1 == len(world.refunds())
    assert [bad["id"]] == [row.event_id for row in world.rows(events) if row.state == "parked"]


@pytest.mark.parametrize(("path", "value"), [("currency", "us"), ("created", -1)])
def test_unfit_fact_spoils_no_later_judgement(sqlite_world, path, value):
    """What the policy could not take is not stored: the customer's next payments are judged as ever."""
    world = sqlite_world
    customer = world.customer()
    first = world.pay(customer)
    event = next(e for e in world.new_events() if e["type"] == "charge.succeeded")
    world.receive(
        event, changed(event, path, value) | {"id": "evt_1", "created": event["created"] + 1}
    )
    world.drain()

    world.pay(customer)
    world.settle()

    assert [first] == [row.kept_charge_id for row in world.rows(cases)]
    assert 1 == len(world.refunds())


@pytest.mark.parametrize(
    "path",
    [
        "customer",
        "payment_intent",
        "currency",
        "metadata.order_id",
        "payment_method_details.card.fingerprint",
    ],
)
def test_text_that_no_index_holds(world, path):
    """A text longer than any of Stripe's parks its event alone; no worker stalls over it (F13)."""
    neighbour, event = one_event(world), one_event(world)
    long = changed(event, path, random.Random(7).randbytes(5000).hex())

    world.receive(long, neighbour)
    world.drain()

    row = world.event_row(event["id"])
    assert (EventState.PARKED, True) == (row.state, path.rpartition(".")[2] in row.note)
    assert EventState.DECIDED == world.event_row(neighbour["id"]).state


@pytest.mark.parametrize(
    ("api_version", "state"),
    [
        pytest.param("2026-10-28.endive", EventState.DECIDED, id="pinned"),
        pytest.param("2025-03-31.basil", EventState.DECIDED, id="older release"),
        pytest.param("2024-06-20", EventState.DECIDED, id="from before releases had names"),
        pytest.param("2027-03-25.fennel", EventState.PARKED, id="release that is not known"),
        pytest.param("2026-10-28.endive.preview", EventState.DECIDED, id="preview of a known one"),
        pytest.param(None, EventState.DECIDED, id="none"),
    ],
)
def test_release_of_the_rendering(sqlite_world, api_version, state):
    """Renderings of known releases are read; one of a later release is parked and says so."""
    event = one_event(sqlite_world) | {"api_version": api_version}

    sqlite_world.receive(event)
    sqlite_world.settle(10)

    row = sqlite_world.event_row(event["id"])
    assert state == row.state
    assert state is EventState.DECIDED or api_version in row.note


@pytest.fixture
def full_world(sqlite_world):
    """A world where Stripe has one object of every kind, and nothing was delivered yet."""
    world = sqlite_world
    customer = world.customer()
    charge = world.pay(customer)
    world.control("disputes", {"charge": charge})
    world.control("early_fraud_warnings", {"charge": charge})
    world.control("reviews", {"charge": charge})
    world.control("refunds", {"charge": world.pay(customer)})
    card = world.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    world.v1.payment_methods.attach(card.id, {"customer": customer})
    product = world.v1.products.create({"name": "Plan"})
    price = world.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 500,
            "recurring": {"interval": "month"},
        }
    )
    subscription = world.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": price.id}],
            "default_payment_method": card.id,
        }
    )
    item = {"id": subscription["items"].data[0].id, "quantity": 1}
    world.control(f"subscriptions/{subscription.id}/change", {"by": "portal", "items": [item]})
    world.v1.subscription_schedules.create({"from_subscription": subscription.id})
    world.new_events()
    return world


@pytest.mark.parametrize("event_type", sorted(HANDLED))
def test_every_handled_type_is_projected(full_world, event_type):
    """Each type that the receiver lets through is read, and its object stands in its projection."""
    world = full_world
    kind = KINDS[event_type.rpartition(".")[0]]
    shown = next(world.sandbox.book.newest_first(kind))
    event = world.control("events", {"type": event_type, "kind": kind, "id": shown["id"]})

    world.deliver()
    world.drain()

    assert EventState.DECIDED == world.event_row(event["id"]).state
    table = getattr(stripe_tables, kind)
    (row,) = world.rows(table)
    assert shown["id"] == row[0]
    assert event["id"] == row.seen_event_id


def test_every_projection_is_read_by_some_handled_type():
    """What the workers can read and what the receiver lets through are the same objects."""
    shown = {kind.rpartition(".")[0] for kind in HANDLED}
    names = {"charge.dispute": "dispute", "customer.subscription": "subscription"}

    assert set(OBJECT_TYPES) == {names.get(name, name) for name in shown}
    assert shown == set(KINDS)


class FailingTerms(TermsBook):
    """Terms with a defect: judging raises until it is mended."""

    def __init__(self):
        super().__init__()
        self.broken = True

    def reach(self):
        """Fail, or answer as usual."""
        if self.broken:
            raise TermsError("made up")
        return super().reach()


def test_defect_is_tried_on_the_schedule_then_parked(world):
    """A handler's defect costs twelve tries on the schedule, then the event is parked with its error."""
    event = one_event(world)
    world.receive(event)
    world.context = replace(world.context, terms=FailingTerms())

    for tries in range(1, EVENT_ATTEMPTS_MAX):
        world.drain()
        row = world.event_row(event["id"])
        assert (EventState.NEW, tries) == (row.state, row.attempts)
        due_ms = next_try_ms(Trouble.EVENT_FAILED, event["id"], tries, world.clock.now_ms())
        assert due_ms == row.not_before_ms
        world.clock.jump((due_ms - 1 - world.clock.now_ms()) / 1000)
        assert 0 == world.drain()
        world.clock.advance(0.001)
    world.drain()

    row = world.event_row(event["id"])
    assert (EventState.PARKED, "failed 12 times: TermsError") == (row.state, row.note)


def test_defect_that_is_mended_loses_nothing(world):
    """Events that failed are decided by their next try after the defect is gone."""
    world.pay_twice()
    terms = FailingTerms()
    world.deliver()
    world.context = replace(world.context, terms=terms)
    world.drain()
    assert [] == world.rows(cases)

    terms.broken = False
    world.settle(60)

    assert 1 == len(world.refunds())


def test_defect_spares_its_neighbours(world):
    """Events that do not meet the defect are decided in the same batch."""
    event = one_event(world)
    others = [
        event
        for event in world.sandbox.book.events_newest_first()
        if event["type"] == "customer.created"
    ]
    world.receive(event, *others)
    world.context = replace(world.context, terms=FailingTerms())

    world.drain()

    assert EventState.NEW == world.event_row(event["id"]).state
    assert EventState.DECIDED == world.event_row(others[0]["id"]).state


def test_event_that_kills_its_worker_is_parked_on_the_third_death(world):
    """Each death is counted; at the third the event is set aside as poison and the queue moves on."""
    event = one_event(world)
    world.receive(event)

    for deaths in range(1, POISON_KILLS_MAX + 1):
        assert world.crash(CrashAt(DRAIN_CLAIMED), world.drain)
        world.clock.advance(LEASE_MS / 1000)
        assert 1 == world.sweep().released
        row = world.event_row(event["id"])
        assert deaths == row.kills
    assert (EventState.PARKED, "poison: the worker died on it 3 times") == (row.state, row.note)


def test_killer_does_not_take_its_neighbours_with_it(world):
    """Events that were leased with the killer are decided; only the killer is parked."""
    killer = one_event(world)
    world.pay_twice(order="order-2")
    told = world.new_events()
    world.receive(killer, *told)

    class Killer:
        def reach(self, name):
            row = world.event_row(killer["id"])
            if name == DRAIN_CLAIMED and row.state == EventState.CLAIMED:
                raise Crashed

    for _ in range(POISON_KILLS_MAX + 1):
        world.crash(Killer(), world.drain)
        world.clock.advance(LEASE_MS / 1000)
        world.sweep()
    world.settle(60)

    parked = [row.event_id for row in world.rows(events) if row.state == EventState.PARKED]
    assert [killer["id"]] == parked
    assert 1 == len(world.refunds())
