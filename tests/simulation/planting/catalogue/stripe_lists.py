"""What Stripe never delivered, found in its lists, and the books compared."""

from tests.simulation.planting import Defect

DEFECTS = (
    Defect(
        name="lists-skip-what-is-handled",
        file="workers/backfill.py",
        old='    meant = [polled_event(event, expected) for event in page if event.get("type") in HANDLED]',
        new='    meant = [polled_event(event, expected) for event in page if event.get("type") not in HANDLED]',
        breaks="what was never delivered is never found",
        invariant="I2",
    ),
    Defect(
        name="lists-begin-now",
        file="ledger/backfill_cursors.py",
        old="    return now_ms // 1000 - _FIRST_SECONDS if oldest is None else int(oldest)",
        new="    return now_ms // 1000 + _FIRST_SECONDS if oldest is None else int(oldest)",
        breaks="the first events of a new installation are never looked for",
        invariant="I2",
    ),
    Defect(
        name="objects-without-events-forgotten",
        file="workers/backfill.py",
        old="        if object_id not in known",
        new="        if object_id in known",
        breaks="a charge of which Stripe made no event is never judged",
        invariant="lost",
    ),
    Defect(
        name="last-step-for-ever",
        file="workers/reconciling.py",
        old="        stage = _ENDED if taken.stage == _ENDED else _step(context, taken)",
        new="        stage = _step(context, taken)",
        breaks="a comparison whose worker died at its last step never ends",
        invariant="I2",
        missing="not in 1,000 seeds: a worker must die between two commits of one comparison",
    ),
    Defect(
        name="agreement-is-a-difference",
        file="workers/book_comparison.py",
        old="        if here[name] != there[name]",
        new="        if here[name] == there[name]",
        breaks="a comparison tells what agrees",
        invariant="books",
    ),
)
