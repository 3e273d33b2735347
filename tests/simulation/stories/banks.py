"""F11: banks, issuers and Radar: disputes at any moment and of every outcome, warnings, reviews."""

from ledger.cases import FRAUD
from tests.simulation.shop import Ruling, begin, soon
from tests.simulation.stories import Story

_OUTCOMES = {
    "needs_response": ("under_review", "won", "lost"),
    "warning_needs_response": ("warning_under_review", "warning_closed", "needs_response"),
}
_REASONS = ("fraudulent", "fraudulent", "product_not_received", "unrecognized")
_FRAUD_TYPES = ("made_with_stolen_card", "misc", "unauthorized_use_of_card")
_LATE_WINS = 0.3
_WARNED_FIRST = 0.5
_RULED = 0.4


def _somebodys(shop, rng):
    """A payment that exists, or an honest one made for the purpose."""
    known = shop.any_charge(rng)
    return known or shop.pay(shop.buyer(), 1500, order="bank", product="pack")


def _disputed(shop, charge_id, status="needs_response", reason="fraudulent"):
    shop.touch(charge_id, "disputed")
    told = {"charge": charge_id, "status": status, "reason": reason}
    return shop.till.control("disputes", told)


def dispute(shop, rng):
    """A payment is disputed, and the dispute moves on, once or more."""
    charge_id = _somebodys(shop, rng)
    yield soon(rng)
    status = rng.choice(("needs_response", "needs_response", "warning_needs_response"))
    made = _disputed(shop, charge_id, status, rng.choice(_REASONS))
    for _ in range(rng.randint(0, 2)):
        yield 1 + soon(rng)
        status = rng.choice(_OUTCOMES.get(status, ("won",)))
        # Giving everything back ended it meanwhile.
        if shop.world.book.get("disputes", made["id"])["status"] == "warning_closed":
            return
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


def small_inquiries(shop, rng):
    """A bank asks about small payments, each of which is given back, and lets them be."""
    paid = [shop.pay(shop.buyer(), 1500, order=f"asked-{n}", product="pack") for n in range(2)]
    yield soon(rng)
    for charge_id in paid:
        _disputed(shop, charge_id, "warning_needs_response")
        yield soon(rng)


def dispute_at_once(shop, rng):
    """An order is paid twice, and within the same seconds one of the two is disputed, asked about, or warned of."""
    group, buyer = shop.group(kind="same_order"), shop.buyer()
    what = rng.choice(("needs_response", "needs_response", "warning_needs_response", "warned"))
    product = None if what == "needs_response" else "pack"
    for _ in range(2):
        shop.pay(buyer, 1500, order="raced", group=group, product=product)
    yield rng.uniform(0, 3)
    charge_id = group.charge_ids[rng.choice((0, 1, 1))]
    if what == "warned":
        _warned(shop, rng, charge_id)
        return
    made = _disputed(shop, charge_id, what)
    yield 1 + soon(rng)
    # Giving everything back ends an inquiry, so that nothing may be left to move.
    if what == "needs_response":
        shop.till.control(f"disputes/{made['id']}", {"status": rng.choice(("won", "lost"))})


def warning(shop, rng):
    """An issuer warns of fraud."""
    charge_id = _somebodys(shop, rng)
    yield soon(rng)
    _warned(shop, rng, charge_id)


def warning_and_dispute(shop, rng):
    """An issuer warns of fraud, and the payment is disputed before or after; now and then the bank lets it be."""
    _, charge_id = shop.buy()
    steps = [lambda: _warned(shop, rng, charge_id), lambda: _disputed(shop, charge_id)]
    rng.shuffle(steps)
    made = []
    for step in steps:
        yield soon(rng)
        made.append(step())
    yield soon(rng)
    opened = next(one for one in made if one["object"] == "dispute")
    shop.till.control(f"disputes/{opened['id']}", {"status": rng.choice(("won", "lost"))})
    if rng.random() < _LATE_WINS:
        yield 1 + soon(rng)
        shop.till.control(f"disputes/{opened['id']}", {"status": "won"})


def stolen_card(shop, rng):
    """One card pays for two people, one of whom had it stolen: what is reported speaks about the other."""
    fingerprint = f"stolen-{rng.random()}"
    owner, thief = (
        (customer, shop.card(customer, fingerprint)) for customer, _ in (shop.buyer(), shop.buyer())
    )
    paid = [shop.pay(buyer, 2000, product="pack") for buyer in (owner, thief)]
    yield soon(rng)
    for charge_id in paid:
        shop.touch(charge_id, "stolen card")
    if rng.random() < _WARNED_FIRST:
        _warned(shop, rng, paid[1])
    else:
        _disputed(shop, paid[1])
    yield soon(rng)
    charge_id = shop.pay(thief, 2100, product="pack")
    shop.touch(charge_id, "stolen card")
    if rng.random() < _RULED:
        yield 3 + soon(rng)
        everything = rng.random() < _RULED
        shop.rule(Ruling(charge_id=paid[0], everything=everything, kind=FRAUD))
        yield 3 + soon(rng)
        _disputed(shop, charge_id)


def _warned(shop, rng, charge_id):
    shop.touch(charge_id, "warned")
    shop.warned.append(charge_id)
    told = {"charge": charge_id, "fraud_type": rng.choice(_FRAUD_TYPES)}
    return shop.till.control("early_fraud_warnings", told)


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
    Story(name="small inquiries", begin=begin(small_inquiries), weight=2),
    Story(name="dispute won", begin=_ends("won"), weight=1),
    Story(name="dispute lost", begin=_ends("lost"), weight=1),
    Story(name="dispute at once", begin=begin(dispute_at_once), weight=5),
    Story(name="warning", begin=begin(warning), weight=3),
    Story(name="warning and dispute", begin=begin(warning_and_dispute), weight=3),
    Story(name="stolen card", begin=begin(stolen_card), weight=3),
    Story(name="review", begin=begin(review), weight=3),
)
