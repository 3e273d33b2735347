"""What one seed is like: which faults strike, which stories are told, how unruly the deliveries are.

Every seed draws its own subset, because a world in which everything always happens never sees what only
happens alone (swarm testing). One in ten has no fault at all, one in five a single one.
"""

import math
import random
from dataclasses import dataclass, field, replace

from tests.simulation.faults import FAULTS
from tests.simulation.stories import STORIES

#: What deliveries and people do is no fault's module, and is aimed all the same.
_HABITS = ("repeats", "forgeries", "operator", "operator")
#: The stories whose events no other story has.
_AIMED_STORIES = (
    "captured",
    "declined first",
    "same invoice",
    "voided",
    "second subscription",
    "ended between",
    "renewals",
    "scheduled",
    "price changed",
    "dispute",
    "dispute won",
    "dispute lost",
    "warning",
    "review",
    "slow refunds",
    "refund by hand",
    "hand races us",
    "rare types",
    "told again",
    "later release",
    "inquiry",
    "small inquiries",
    "let go",
    "opens the portal",
    "renewal declined",
    "schedule cancelled",
    "on trial",
)
#: An aimed story begins within, and goes on after this at the latest.
_AIMED_START_MS = 2_000
_AIMED_PAUSE_SECONDS = 3.0
_LONG_MS = 3_600_001
_WEEK_MS = 7 * 24 * 3_600_000
_SHORT_SHARE = 0.5
DURATIONS_MS = (120_000, 600_000, 3_600_000, 26 * 3_600_000, 73 * 3_600_000)
#: What a mail server, or the product, does to a notice.
_POST_WAYS = ("lost", "lost", "away", "later", "refused", "breaks before", "breaks after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """Shares of all events, and how far the deliveries go."""

    repeated: float
    repeats_max: int
    delayed: float
    delay_ms_max: int
    forged: float
    even: bool = False  # delays are spread evenly, not mostly short
    prompt: frozenset[str] = frozenset()  # types of events that are not late


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """The options of one seed. `without` names faults and stories that are left out, to shrink a failure."""

    seed: int
    faults: tuple[str, ...]
    stories: tuple[str, ...]
    habits: Habits
    duration_ms: int
    busy_ms: int  # stories and faults begin within
    start_ms: int  # stories begin within
    pause_seconds_max: float  # between the steps of a story
    operator: bool  # somebody replays, or brakes
    workers: int
    effects: int
    sweepers: int
    webs: int
    through_sdk: bool
    plain_store: bool  # the store as it is, not by the quick connection
    linger_seconds: float
    latency_ms_max: int
    starts_observing: bool
    replays_all: bool
    aimed: bool = False
    companion: str | None = None  # a story that is told anew beside every step of the others
    beside: tuple[str, ...] = ()  # stories about the refund policy, told beside the others
    post: tuple[float, tuple[str, ...]] = (0.0, ())  # share and ways of notices that go wrong
    weeks: int = 0  # of an outage in which nothing is delivered at all
    without: frozenset[str] = field(default=frozenset())


def draw(seed, without=frozenset()):
    """The options of a seed; the same seed always draws the same.

    Every other one is aimed: the seeds together walk through each pair of a story and a fault.
    """
    drawn = replace(_drawn(seed, without), beside=_beside(seed, without), post=_post(seed))
    return _for_weeks(drawn) if seed % 2 else _aimed(drawn, seed // 2)


def _for_weeks(swarm):
    """In half of the worlds in which deliveries never come, none comes for weeks, and the shop goes on all the time."""
    rng = random.Random(f"weeks:{swarm.seed}")
    if "never delivered" not in swarm.faults or rng.random() < _SHORT_SHARE:
        return swarm
    weeks = rng.choice((1, 2, 3))
    long_ms = weeks * _WEEK_MS
    return replace(swarm, weeks=weeks, duration_ms=long_ms, busy_ms=long_ms, start_ms=long_ms)


def _aimed(swarm, number):
    """One story under one fault: told at once, with its events on their way for long while the fault strikes.

    Some faults strike only who calls Stripe: then something is paid twice beside each step of the story.
    """
    story = _AIMED_STORIES[number % len(_AIMED_STORIES)]
    kinds = [*sorted(FAULTS), *_HABITS]
    fault = kinds[number // len(_AIMED_STORIES) % len(kinds)]
    callers_only = fault in FAULTS and FAULTS[fault].callers_only
    return replace(
        swarm,
        faults=tuple({fault} & set(FAULTS) - swarm.without),
        stories=tuple({story} - swarm.without),
        companion="paid twice" if callers_only and "paid twice" not in swarm.without else None,
        habits=Habits(
            repeated=0.5 if fault == "repeats" else 0.1,
            repeats_max=2,
            delayed=0.9 if callers_only else 0.6,
            delay_ms_max=60_000 if callers_only else 20_000,
            prompt=frozenset({"charge.succeeded"}) if callers_only else frozenset(),
            forged=0.5 if fault == "forgeries" else 0.0,
            even=True,
        ),
        duration_ms=120_000 if swarm.duration_ms < _LONG_MS else swarm.duration_ms,
        busy_ms=15_000,
        start_ms=_AIMED_START_MS,
        pause_seconds_max=_AIMED_PAUSE_SECONDS,
        operator=fault == "operator" and fault not in swarm.without,
        starts_observing=False,
        aimed=True,
    )


def _drawn(seed, without):
    rng = random.Random(f"swarm:{seed}")
    faults = _faults(rng)
    # Most worlds are small: many of them try more than a few large ones in the same time.
    count = rng.choices((1, 2, 3), (14, 4, 2))[0]
    busy_ms = rng.choice((3_000, 15_000, 15_000, 60_000, 600_000))
    stories = tuple(rng.choices(list(STORIES), [one.weight for one in STORIES.values()], k=count))
    return Swarm(
        seed=seed,
        faults=tuple(name for name in faults if name not in without),
        stories=tuple(name for name in stories if name not in without),
        habits=Habits(
            repeated=rng.choice((0.0, 0.2, 0.6, 0.9)),
            repeats_max=rng.choices((1, 2, 5, 49), (6, 6, 6, 1))[0],
            delayed=rng.choice((0.0, 0.1, 0.5, 1.0)),
            delay_ms_max=rng.choice((2_000, 60_000, 72 * 3_600_000)),
            forged=rng.choice((0.0, 0.0, 0.1)),
        ),
        duration_ms=rng.choices(DURATIONS_MS, (3, 4, 3, 1, 1))[0],
        busy_ms=busy_ms,
        start_ms=busy_ms,
        pause_seconds_max=math.inf,
        operator=rng.random() < 0.2 and "operator" not in without,
        workers=rng.choice((1, 1, 2, 3)),
        effects=rng.choice((1, 2, 3)),
        sweepers=rng.choice((1, 1, 1, 2)),
        webs=rng.choice((1, 1, 2)),
        through_sdk=rng.random() < 0.02,
        plain_store=rng.random() < 0.005,
        linger_seconds=rng.choices((0.0, 0.03), (9, 1))[0],
        latency_ms_max=rng.choice((3, 100, 1_000, 1_000)),
        starts_observing=rng.random() < 0.06,
        replays_all=rng.random() < 0.1,
        without=frozenset(without),
    )


def _beside(seed, without):
    """Each story with a share of its own is told in that share of the seeds; the other draws do not move."""
    rng = random.Random(f"beside:{seed}")
    shares = {name: story.share for name, story in STORIES.items() if story.share}
    told = [name for name, share in shares.items() if rng.random() < share]
    return tuple(name for name in told if name not in without)


def _post(seed):
    rng = random.Random(f"post:{seed}")
    bad = rng.choice((0.0, 0.0, 0.3, 0.8))
    return bad, tuple(rng.sample(_POST_WAYS, rng.choice((1, 1, 2, 3)))) if bad else ()


def _faults(rng):
    drawn = rng.random()
    if drawn < 0.1:
        return []
    names = sorted(FAULTS)
    weights = [FAULTS[name].weight for name in names]
    count = 1 if drawn < 0.3 else rng.choice((2, 3, 4, 6))
    return sorted(set(rng.choices(names, weights, k=count)))
