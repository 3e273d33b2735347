"""Requests and doubtful payments that go to people: they approve, deny, think again, and hear appeals."""

import contextlib

from ledger.cases import DUPLICATE_CHARGE, REFUND_REQUEST
from ops.sandbox.shop_till import ShopRefused
from tests.simulation.shop import Ruling, begin, soon
from tests.simulation.stories import Story

_OFFER = {"redress_credits": "100"}
_BOUNDARIES = ("effect.leased", "effect.checked", "effect.submitted", "request.gathered")


def _bought(shop, rng):
    if rng.random() < 0.6:
        return shop.buy()
    buyer = shop.buyer()
    shop.subscribe(buyer, shop.price(amount=4000, offer=_OFFER))
    return buyer[0], shop.charges[-1]


def _ruling(rng, charge_id, kind=REFUND_REQUEST):
    how = rng.choice(({"amount_minor": 500}, {"amount_minor": 700}, {"everything": True}, {}))
    return Ruling(charge_id=charge_id, kind=kind, **how)


def ruled(shop, rng):
    """What only a person can judge is ruled on, once or twice, while the bank or the customer does something."""
    _, charge_id = _bought(shop, rng)
    yield soon(rng)
    shop.ask(charge_id, f"{charge_id}-0", reasons=("failure",))
    trouble = rng.choice(("none", "raced", "disputed", "disputed", "held", "held"))
    if trouble == "raced":
        shop.world.meanwhile(rng.choice(_BOUNDARIES), lambda: _dispute(shop, charge_id))
    yield rng.choice((1, 3, 30)) + soon(rng)
    if trouble == "disputed":
        _dispute(shop, charge_id)
    if trouble == "held":
        shop.world.operators.brake_for(60_000)
    yield rng.choice((1, 10, 60))
    for _ in range(rng.choice((1, 1, 2))):
        shop.rule(_ruling(rng, charge_id))
        yield rng.choice((0, 0, soon(rng)))
    if trouble == "held" and rng.random() < 0.5:
        shop.rule(Ruling(charge_id=charge_id))
    if rng.random() < 0.4:
        shop.ask(charge_id, f"{charge_id}-1")


def _dispute(shop, charge_id):
    shop.touch(charge_id, "disputes")
    with contextlib.suppress(ShopRefused):  # somebody else was first
        shop.till.control("disputes", {"charge": charge_id, "status": "needs_response"})


def ruled_payment(shop, rng):
    """Two customers with one card buy alike, and a person rules on the second payment."""
    fingerprint = f"ruled-{rng.randint(0, 10**6)}"
    group = shop.group(kind="same_card", certain=False)
    for _ in range(2):
        customer, _ = shop.buyer()
        shop.pay((customer, shop.card(customer, fingerprint)), 1500, product="pack", group=group)
        yield rng.choice((0, soon(rng)))
    yield 3 + soon(rng)
    shop.rule(_ruling(rng, group.charge_ids[1], DUPLICATE_CHARGE))
    yield soon(rng)
    if rng.random() < 0.5:
        body = {"type": "charge.succeeded", "kind": "charges", "id": group.charge_ids[0]}
        shop.till.control("events", body)


def appealed(shop, rng):
    """Much was used, so the money stays; the customer appeals, with something new or nothing, once or twice."""
    customer, charge_id = _bought(shop, rng)
    product, now = shop.world.product, shop.world.scheduler.now_ms // 1000
    # Whether it succeeded is not known yet, or who states that nothing was used would contradict it.
    product.report([product.use(customer, 60, at=now, successful=None)])
    yield 20 + soon(rng)
    shop.ask(charge_id, f"{charge_id}-0")
    yield 5 + soon(rng)
    for _ in range(rng.choice((1, 1, 2))):
        shop.appeal(charge_id, **rng.choice(({}, {"used": 0}, {"used": 0})))
        yield 5 + soon(rng)
    if rng.random() < 0.15:
        shop.rule(_ruling(rng, charge_id))


STORIES = (
    Story(name="ruled", begin=begin(ruled), weight=0, share=0.022),
    Story(name="ruled payment", begin=begin(ruled_payment), weight=0, share=0.006),
    Story(name="appealed", begin=begin(appealed), weight=0, share=0.016),
)
