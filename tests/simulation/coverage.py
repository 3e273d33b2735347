"""What the generator really produced: which event in which state met which fault, which boundary died, which probe was hit.

A pair counts when the fault struck while the event was on its way: between its emission at Stripe and the
moment when its row was settled.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Coverage:
    """Counts over one world or many."""

    pairs: Counter = field(default_factory=Counter)  # (event type, object state, fault)
    kinds: Counter = field(default_factory=Counter)  # (event type, object state)
    strikes: Counter = field(default_factory=Counter)  # fault
    points: Counter = field(default_factory=Counter)  # boundary
    stories: Counter = field(default_factory=Counter)
    refunds: int = 0

    def add(self, other):
        """Take another's counts in."""
        for name in ("pairs", "kinds", "strikes", "points", "stories"):
            getattr(self, name).update(getattr(other, name))
        self.refunds += other.refunds


def cover(world):
    """The coverage of one world."""
    found = Coverage(
        points=world.points, stories=Counter([*world.swarm.stories, *world.swarm.beside])
    )
    found.strikes.update(name for _, name in world.strikes)
    strikes = sorted(world.strikes)
    times = [at_ms for at_ms, _ in strikes]
    settled = dict(world.store.raw.execute("SELECT event_id, settled_ms FROM events").fetchall())
    for told in world.courier.told:
        kind = told.event["type"], state_of(told.event["data"]["object"])
        found.kinds[kind] += 1
        ends_ms = settled.get(told.event["id"]) or told.emitted_ms
        met = strikes[bisect_left(times, told.emitted_ms) : bisect_right(times, ends_ms)]
        for name in {name for _, name in met}:
            found.pairs[(*kind, name)] += 1
        if not met:
            found.pairs[(*kind, "nothing")] += 1
    found.refunds = sum(
        call.path == "/v1/refunds" and call.method == "POST" and call.status == 200
        for call in world.line.log
    )
    return found


def state_of(rendered):
    """The state of an object in a word or two."""
    words = [str(rendered.get("status", ""))]
    if rendered["object"] == "charge":
        if rendered["refunded"]:
            words.append("refunded")
        elif rendered["amount_refunded"]:
            words.append("part refunded")
        if not rendered["captured"]:
            words.append("held")
        if rendered["disputed"]:
            words.append("disputed")
    elif rendered["object"] == "review":
        words = ["open" if rendered["open"] else "closed"]
    elif rendered["object"] == "radar.early_fraud_warning":
        words = ["actionable" if rendered["actionable"] else "over"]
    return " ".join(word for word in words if word)
