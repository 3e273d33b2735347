"""F6, F7: Stripe that throttles, fails, hangs, breaks off, lies about the currency, or repeats a stored 500."""

from tests.simulation.faults import Fault, windows

_KINDS = (
    "429",
    "500",
    "500_stored",
    "503",
    "409",
    "timeout_before",
    "timeout_after",
    "reset",
    "truncated_json",
    "other_currency",
    "stall_seconds",
)


def _answers(kind):
    def begin(world, rng):
        aimed = world.swarm.aimed
        fault = {"kind": kind, "probability": 0.6 if aimed else rng.choice((0.1, 0.3, 0.6))}
        if rng.random() < 0.6 and not aimed:
            fault |= {"method": "POST", "path_prefix": "/v1/refunds"}
        if kind in ("reset", "500_stored"):
            fault["executed"] = rng.random() < 0.6
        if kind == "stall_seconds":
            fault["seconds"] = rng.choice((2, 15, 60))
        world.stripe_faults.append(fault)

    return begin


def _unreachable(world, rng):
    def knob(on):
        world.line.cut = on

    windows(world, rng, knob, 120)


def _away(world, rng):
    """Away for as long as the faults last, which may be days."""

    def cut():
        if not world.healed:
            world.line.cut = True

    world.scheduler.after(rng.randint(0, world.busy_ms), cut)


FAULTS = (
    *(
        Fault(name=f"stripe {kind}", catalogue="F6", callers_only=True, begin=_answers(kind))
        for kind in _KINDS
    ),
    Fault(name="stripe unreachable", catalogue="F6", callers_only=True, begin=_unreachable),
    Fault(name="stripe away for long", catalogue="F6", callers_only=True, begin=_away, weight=2),
)
