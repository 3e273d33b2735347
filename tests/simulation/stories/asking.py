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
    """He names address, day and product alone; everybody here has one address, so that a person must look."""
    _, charge_id = _bought(shop, rng)
    yield soon(rng)
    shop.ask(charge_id, f"{charge_id}-mail", named=False, known=rng.random() < 0.7)


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


STORIES = (
    Story(name="asked back", begin=begin(asked_back), weight=5),
    Story(name="asked by address", begin=begin(asked_by_address), weight=2),
    Story(name="asked while others act", begin=begin(asked_while_others_act), weight=4),
)
