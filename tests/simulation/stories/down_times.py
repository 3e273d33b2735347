"""The product is down: a part of what subscribers paid goes back, once for each outage and each of them."""

from tests.simulation.shop import begin, soon
from tests.simulation.stories import Story

#: Dear enough that a few minutes of a month are worth some cents, and far from any cap.
_PRICES = (600_000, 900_000)
_OFFER = {"redress_credits": "100"}


def down(shop, rng):
    """Subscribers pay; somebody writes down once or twice for how long the product was away, and for whom."""
    prices = [shop.price(amount=amount, offer=_OFFER) for amount in _PRICES]
    begun = shop.world.scheduler.now_ms // 1000
    paid = [rng.choice(prices) for _ in range(rng.choice((1, 1, 1, 2)))]
    for price in paid:
        shop.subscribe(shop.buyer(), price)
        yield soon(rng)
    if rng.random() < 0.1:
        shop.subscribe(shop.buyer(), shop.price(amount=rng.choice(_PRICES), offer={}))
    yield 30 + soon(rng)
    for _ in range(rng.choice((1, 2, 2))):
        _down_until_now(shop, rng, begun, paid)
        yield rng.choice((1, 10, soon(rng)))


def _down_until_now(shop, rng, begun, paid):
    now = shop.world.scheduler.now_ms // 1000
    affects = rng.choice(((), (), (paid[0],), ("price_of_nobody",)))
    began = begun - rng.choice((3600, 0, -5))
    shop.write_outage(began, max(now, began + 1), affects)


def down_and_asked(shop, rng):
    """Beside the share that the outage gives back, a subscriber wants all of his money back."""
    price = shop.price(amount=45_000, offer=_OFFER)
    shop.subscribe(shop.buyer(), price)
    charge_id = shop.charges[-1]
    begun = shop.world.scheduler.now_ms // 1000
    yield 180 + soon(rng)
    for asks in rng.sample((True, False), 2):
        if asks:
            shop.ask(charge_id, f"{charge_id}-down")
        else:
            shop.write_outage(begun - 60, shop.world.scheduler.now_ms // 1000)
        yield rng.choice((0, soon(rng)))


STORIES = (
    Story(name="down", begin=begin(down), weight=0, share=0.01),
    Story(name="down and asked", begin=begin(down_and_asked), weight=0, share=0.006),
)
