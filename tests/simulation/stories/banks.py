"""F11: banks, issuers and Radar: disputes at any moment and of every outcome, warnings, reviews."""

from tests.simulation.shop import begin, soon
from tests.simulation.stories import Story

_OUTCOMES = {
    "needs_response": ("under_review", "won", "lost"),
    "warning_needs_response": ("warning_under_review", "warning_closed", "needs_response"),
}


def _somebodys(shop, rng):
    """A payment that exists, or an honest one made for the purpose."""
    known = shop.any_charge(rng)
    return known or shop.pay(shop.buyer(), 1500, order="bank", product="pack")


def _disputed(shop, charge_id, status="needs_response"):
    shop.touch(charge_id, "disputed")
    return shop.till.control("disputes", {"charge": charge_id, "status": status})


def dispute(shop, rng):
    """A payment is disputed, and the dispute moves on, once or more."""
    charge_id = _somebodys(shop, rng)
    yield soon(rng)
    status = rng.choice(("needs_response", "needs_response", "warning_needs_response"))
    made = _disputed(shop, charge_id, status)
    for _ in range(rng.randint(0, 2)):
        yield 1 + soon(rng)
        status = rng.choice(_OUTCOMES.get(status, ("won",)))
        shop.till.control(f"disputes/{made['id']}", {"status": status})


def inquiry(shop, rng):
    """A bank asks about a payment, and lets it be."""
    made = _disputed(shop, _somebodys(shop, rng), "warning_needs_response")
    yield 1 + soon(rng)
    shop.till.control(f"disputes/{made['id']}", {"status": "warning_closed"})


def _ends(outcome):
    def ended(shop, rng):
        charge_id = _somebodys(shop, rng)
        made = _disputed(shop, charge_id)
        yield soon(rng)
        shop.till.control(f"disputes/{made['id']}", {"status": outcome})

    return begin(ended)


def dispute_at_once(shop, rng):
    """An order is paid twice, and the second or the first payment is disputed within the same seconds."""
    group, buyer = shop.group(kind="same_order"), shop.buyer()
    for _ in range(2):
        shop.pay(buyer, 1500, order="raced", group=group)
    yield rng.uniform(0, 3)
    charge_id = group.charge_ids[rng.choice((0, 1, 1))]
    made = _disputed(shop, charge_id)
    yield 1 + soon(rng)
    shop.till.control(f"disputes/{made['id']}", {"status": rng.choice(("won", "lost"))})


def warning(shop, rng):
    """An issuer warns of fraud."""
    charge_id = _somebodys(shop, rng)
    yield soon(rng)
    shop.till.control("early_fraud_warnings", {"charge": charge_id})


def review(shop, rng):
    """Radar puts a payment under review, and somebody closes it."""
    charge_id = _somebodys(shop, rng)
    yield soon(rng)
    made = shop.till.control("reviews", {"charge": charge_id})
    yield 1 + soon(rng)
    shop.till.control(f"reviews/{made['id']}", {"closed_reason": "approved"})


STORIES = (
    Story(name="dispute", begin=begin(dispute), weight=5),
    Story(name="inquiry", begin=begin(inquiry), weight=0),
    Story(name="dispute won", begin=_ends("won"), weight=1),
    Story(name="dispute lost", begin=_ends("lost"), weight=1),
    Story(name="dispute at once", begin=begin(dispute_at_once), weight=5),
    Story(name="warning", begin=begin(warning), weight=3),
    Story(name="review", begin=begin(review), weight=3),
)
