"""One real event of every handled type, as the sandbox renders it, and a processor that knows them all.

The events are about objects that stand in Stripe's book and in the ledger, so that what a grammar makes
of them meets rows that are there.
"""

from ledger.event_types import HANDLED
from tests.fakes.shown_kinds import KINDS
from tests.fakes.worker_world import WorkerWorld


def stocked_shop(world: WorkerWorld) -> dict[str, dict]:
    """Have one object of every kind at Stripe and in the ledger; returns an event by handled type.

    The newest payment hangs together with another one, so that it is judged whenever it changes; but at
    Stripe nothing gives a reason to refund, neither now nor later.
    """
    _trouble(world)
    _subscription(world)
    customer = world.customer()
    for _ in range(2):  # alike but for what was bought, which nobody knows: a person must look
        world.pay(customer, order=None, amount=700)
    shapes = {}
    for event_type in sorted(HANDLED):
        kind = KINDS[event_type.rpartition(".")[0]]
        shown = next(world.sandbox.book.newest_first(kind))
        body = {"type": event_type, "kind": kind, "id": shown["id"]}
        shapes[event_type] = world.control("events", body)
    # What Stripe emitted by itself carries `request` and `previous_attributes`: the better example.
    told = world.new_events()
    shapes |= {event["type"]: event for event in told if event["type"] in shapes}
    world.receive(*told)
    world.settle(30)
    return shapes


def honest_event(world: WorkerWorld, shapes: dict[str, dict]) -> dict:
    """The event, not delivered yet, of a payment that nothing is wrong with.

    It is by the customer and of the minute of the shapes' charge, so that it is judged beside whatever
    a hostile event made of that one.
    """
    customer = shapes["charge.succeeded"]["data"]["object"]["customer"]
    paid = world.pay(customer, order="order-honest", amount=800)
    return next(
        event
        for event in world.new_events()
        if event["type"] == "charge.succeeded" and event["data"]["object"]["id"] == paid
    )


def _trouble(world: WorkerWorld) -> None:
    charge = world.pay(world.customer(), order="order-trouble", amount=900)
    world.control("disputes", {"charge": charge})
    world.control("early_fraud_warnings", {"charge": charge})
    world.control("reviews", {"charge": charge})
    refunded = world.pay(world.customer(), order="order-refunded", amount=1100)
    world.control("refunds", {"charge": refunded})


def _subscription(world: WorkerWorld) -> None:
    customer = world.customer()
    card = world.v1.payment_methods.create({"type": "card", "card": {"token": "tok_mastercard"}})
    world.v1.payment_methods.attach(card.id, {"customer": customer})
    product = world.v1.products.create({"name": "Plan"})
    small, large = (
        world.v1.prices.create(
            {
                "product": product.id,
                "currency": "usd",
                "unit_amount": amount,
                "recurring": {"interval": "month"},
            }
        )
        for amount in (500, 1500)
    )
    subscription = world.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": small.id}],
            "default_payment_method": card.id,
        }
    )
    item = subscription["items"].data[0].id
    change = {"items": [{"id": item, "price": large.id}], "proration_behavior": "none"}
    world.control(f"subscriptions/{subscription.id}/change", {"by": "portal"} | change)
    world.v1.subscription_schedules.create({"from_subscription": subscription.id})
