"""Customers who use their credits: told in batches, late, before the purchase, twice; restored, expired, asked back."""

from tests.simulation.shop import begin, soon
from tests.simulation.stories import Story
from tests.simulation.stripe_history import PACK
from tests.simulation.stripe_history import PACK_CREDITS as _CREDITS

_AMOUNTS = (1, 5, 30, 60)


def spent(shop, rng):
    """A customer uses credits of one or more purchases; some of them end after a day, some come back."""
    buyer = shop.buyer()
    customer, _ = buyer
    if rng.random() < 0.5:
        _use(shop, rng, customer)
    made = _bought(shop, rng, buyer)
    for _ in range(rng.randint(1, 3)):
        _use(shop, rng, customer)
        yield soon(rng)
        if rng.random() < 0.4:
            _bought_again(shop, buyer, made)
    if rng.random() < 0.6:
        shop.restore(customer, rng.choice(_AMOUNTS))
        yield 1 + soon(rng)
        _use(shop, rng, customer)


def _bought(shop, rng, buyer):
    """A pack, or a plan whose credits end after a day; the subscription, if there is one."""
    if rng.random() < 0.6:
        shop.pay(buyer, 2500, order="first", product=PACK)
        return None
    ends = {"redress_credits": str(_CREDITS), "redress_validity_days": "1"}
    return shop.subscribe(buyer, shop.price(offer=ends))


def _bought_again(shop, buyer, made):
    if made is None:
        shop.pay(buyer, 2400, order=f"more-{len(shop.charges)}", product=PACK)
    else:
        renewed = shop.till.control(f"subscriptions/{made['id']}/renew", {})
        shop.charges.append(renewed["charge"]["id"])


def _use(shop, rng, customer):
    product, now = shop.world.product, shop.world.scheduler.now_ms // 1000
    keys = [
        product.use(
            customer,
            rng.choice(_AMOUNTS),
            at=now - rng.choice((0, 0, 1, 3600)),
            successful=rng.choice((True, True, False, None)),
        )
        for _ in range(rng.randint(1, 4))
    ]
    rng.shuffle(keys)
    product.report(keys)
    if rng.random() < 0.4:
        later_ms = rng.choice((0, 1_000, 30_000))
        shop.world.scheduler.after(later_ms, lambda: product.repeat(keys[:2]))


def asked_after_use(shop, rng):
    """A customer uses less than a fifth of his credits, exactly that, or more, and wants his money back."""
    customer, charge_id = shop.buy()
    now = shop.world.scheduler.now_ms // 1000
    used = shop.world.product.use(customer, rng.choice((19, 20, 21)), at=now)
    shop.world.product.report([used])
    yield rng.choice((0, 20)) + soon(rng)
    shop.ask(charge_id, f"{charge_id}-used")


STORIES = (
    Story(name="spent", begin=begin(spent), weight=0, share=0.03),
    Story(name="asked after use", begin=begin(asked_after_use), weight=0, share=0.012),
)
