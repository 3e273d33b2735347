"""A replay in words and as JSON: the plan with its forecast, and what a run has led to."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from ledger.replay_outcomes import Ruling, WrittenSince
from ledger.replaying import ReplayPlan
from ledger.rows import AnyRow
from ops.replay_tally import Change, ReplayTally
from ops.terminal import counted, print_table, say
from policy.money import Money

_CHANGES_SHOWN: Final = 20
_PROBLEMS_SHOWN: Final = 5


def print_plan(plan: ReplayPlan) -> None:
    """The ledger's counts: which events are meant, which are not and why, and what exists already."""
    if plan.events:
        say(f"{counted(plan.events, 'event')} to replay:")
        print_table(
            ("type", "state", "events"),
            [(row.type, row.state, str(row.number)) for row in plan.by_type],
            right=("events",),
        )
    else:
        say("No event that can be replayed fits.")
    for note, count in plan.parked_notes.items():
        say(f"Parked, {count}: {note or 'without a note'}")
    for why, count in plan.left_alone.items():
        say(f"Left alone, {count}: {why}")
    if plan.decisions:
        say("", f"They led to {counted(plan.decisions, 'decision')} so far, which are kept.")
    if plan.intents:
        say("These refund intents exist already and are not made again:")
        print_table(
            ("state", "intents", "money"),
            [(row.state, str(row.number), _money_of(row)) for row in plan.intents],
            right=("intents", "money"),
        )


def print_tally(tally: ReplayTally, written: WrittenSince | None, heading: str) -> None:
    """What becomes, or became, of the events; `written` is what a copy shows besides their decisions."""
    say("", heading, *(f"  {sentence}" for sentence in tally_sentences(tally, written)))
    if tally.changes:
        say("")
        print_table(
            ("event", "about", "then", "now"),
            [_change_row(change) for change in tally.changes[:_CHANGES_SHOWN]],
            whole=("event",),
            wrap_last=True,
        )
    hidden = len(tally.changes) + tally.more_changes - _CHANGES_SHOWN
    if hidden > 0:
        say(f"{hidden} more are in --json.")


def tally_sentences(tally: ReplayTally, written: WrittenSince | None) -> list[str]:
    """What becomes, or became, of the events, in sentences without an end."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(tally.states.items()))
    return [
        f"events: {states or 'none'}",
        *(
            f"not decided, {count}: {note}"
            for note, count in tally.problems.most_common(_PROBLEMS_SHOWN)
        ),
        *_consequences(tally, written),
    ]


def _consequences(tally: ReplayTally, written: WrittenSince | None) -> list[str]:
    said = [
        f"{counted(count, 'decision')}: {then} → {now}"
        for (then, now), count in sorted(tally.verdicts.items())
    ] or ["every decision stands as it is"]
    said += [
        f"{counted(count, 'refund')} of"
        f" {Money(amount_minor=tally.refunded_minor[currency], currency=currency)} together"
        for currency, count in sorted(tally.refunds.items())
    ] or ["no refund"]
    if tally.withdrawn:
        said.append(f"{counted(tally.withdrawn, 'refund')} taken back before being sent")
    if tally.ends:
        said.append(f"{counted(tally.ends, 'subscription')} ended")
    return said + (
        [counted(tally.notices, "notice")] if written is None else _written_besides(written)
    )


def _written_besides(written: WrittenSince) -> list[str]:
    said = [f"{counted(count, 'notice')}: {told}" for told, count in written.notices.items()]
    said = said or ["no notice"]
    said += [f"credits: {counted(count, kind)}" for kind, count in written.credits.items()]
    if written.plans:
        said.append(f"{counted(written.plans, 'change')} of plan to be put right")
    if written.questions:
        said.append(
            f"{counted(written.questions, 'question')} to Stripe, whose answers may do more"
        )
    return said


def plan_document(plan: ReplayPlan) -> dict[str, Any]:
    """The ledger's counts as JSON."""
    return {
        "events": plan.events,
        "last_row": plan.last_row,
        "by_type": [
            {"type": row.type, "state": row.state, "count": row.number} for row in plan.by_type
        ],
        "parked_notes": dict(plan.parked_notes),
        "left_alone": dict(plan.left_alone),
        "decisions": plan.decisions,
        "intents": [
            {
                "state": row.state,
                "currency": row.currency,
                "count": row.number,
                "amount_minor": int(row.amount_minor),  # PostgreSQL's sums are Decimals
            }
            for row in plan.intents
        ],
    }


def forecast_document(tally: ReplayTally, written: WrittenSince, left_alone: int) -> dict[str, Any]:
    """A forecast as JSON."""
    return {**tally.document(), "left_alone": left_alone, "written": asdict(written)}


def _change_row(change: Change) -> Sequence[str]:
    decided = change.decided
    now = ruling_text(decided.now)
    if decided.refund is None and decided.now.amount_minor is not None:
        now += " (paid already)"
    then = "" if decided.then is None else ruling_text(decided.then)
    return (
        change.event_id or "Stripe's answer",
        f"{decided.case_kind} {decided.charge_id}",
        then,
        now,
    )


def ruling_text(ruling: Ruling) -> str:
    """`approve 10.00 USD`, `deny`."""
    if ruling.amount_minor is None or ruling.currency is None:
        return ruling.verdict
    return f"{ruling.verdict} {Money(amount_minor=ruling.amount_minor, currency=ruling.currency)}"


def _money_of(row: AnyRow) -> str:
    return str(Money(amount_minor=int(row.amount_minor), currency=row.currency))
