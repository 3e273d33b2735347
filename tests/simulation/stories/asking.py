"""Customers who want their money back: by the charge or by address and day, once or twice, while others act."""

import contextlib

from ops.sandbox.shop_till import ShopRefused
from tests.simulation.shop import begin, soon
from tests.simulation.stories import Story

_REASONS = (("changed_mind",), ("changed_mind",), ("taste",), ("failure",), ("billing",))
_BOUNDARIES = ("request.leased", "request.gathered", "effect.leased", "effect.checked")
_PRICES = (2000, 3000, 5000)


def _bought(shop, rng):
    made = shop.subscribe(shop.buyer(), shop.price(amount=rng.choice(_PRICES)))
    return made, shop.charges[-1]


def asked_back(shop, rng):
    """A customer subscribes and asks for the money; sometimes twice, or ends it himself meanwhile."""
    made, charge_id = _bought(shop, rng)
    yield soon(rng)
    for number in range(rng.choice((1, 1, 2, 3))):
        shop.ask(charge_id, f"{charge_id}-{number}", reasons=rng.choice(_REASONS))
        yield rng.choice((0, soon(rng)))
    if rng.random() < 0.3:
        shop.till.delete(f"/v1/subscriptions/{made['id']}")


def asked_by_address(shop, rng):
    """He names address, day and product; mostly everybody has one address, so that a person must look."""
    own = rng.random() < 0.4
    email = f"buyer{len(shop.charges)}@shop.example" if own else "buyer@shop.example"
    buyer, prices = shop.buyer(email), [shop.price(amount=amount) for amount in _PRICES[:2]]
    shop.subscribe(buyer, prices[0])
    charge_id = shop.charges[-1]
    if own:
        shop.subscribe(buyer, prices[1])
    # Who asks at once is heard when perhaps only the other purchase has been told.
    yield rng.choice((0, 0, soon(rng)))
    shop.ask(
        charge_id,
        f"{charge_id}-mail",
        email=email if own or rng.random() < 0.7 else "other@shop.example",
        product=prices[0] if own else "Plan",
    )


def asked_while_others_act(shop, rng):
    """Somebody refunds a part, or the bank opens a dispute, exactly while the request is worked on."""
    _, charge_id = _bought(shop, rng)
    path, body = rng.choice(
        (
            ("refunds", {"charge": charge_id, "amount": 300}),
            ("refunds", {"charge": charge_id}),
            ("disputes", {"charge": charge_id, "status": "needs_response"}),
        )
    )

    def elsewhere():
        shop.touch(charge_id, path)
        with contextlib.suppress(ShopRefused):  # somebody else was first
            shop.till.control(path, body)

    shop.world.meanwhile(rng.choice(_BOUNDARIES), elsewhere)
    yield soon(rng)
    shop.ask(charge_id, f"{charge_id}-0")


def brake_while_it_ends(shop, rng):
    """Somebody stops everything when the money has left and the subscription is still to end."""
    _, charge_id = _bought(shop, rng)
    operators = shop.world.operators
    shop.world.meanwhile("effect.recorded", lambda: operators.brake_for(60_000))
    yield soon(rng)
    shop.ask(charge_id, f"{charge_id}-0")


STORIES = (
    Story(name="asked back", begin=begin(asked_back), weight=5),
    Story(name="asked by address", begin=begin(asked_by_address), weight=2),
    Story(name="asked while others act", begin=begin(asked_while_others_act), weight=4),
    Story(name="brake while it ends", begin=begin(brake_while_it_ends), weight=0, share=0.003),
)
