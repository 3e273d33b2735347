"""The whole story of one case, as JSON and as text: why, what was compared, what was done about it."""

import json
from collections.abc import Mapping
from typing import Any

from ledger.refund_queries import RefundStory
from ledger.rows import AnyRow
from ops.audit_lines import audit_document, print_audit
from ops.decision_account import print_clauses
from ops.moments import moment_text
from ops.terminal import print_facts, print_table, say
from policy.clauses import Clause
from policy.decision import Decision
from policy.money import Money


def story_document(story: RefundStory) -> dict[str, Any]:
    """The story as JSON; each decision's body is the canonical one that was sealed."""
    case = story.case
    return {
        "case_id": case.id,
        "kind": case.kind,
        "charge_id": case.charge_id,
        "kept_charge_id": case.kept_charge_id,
        "customer_id": case.customer_id,
        "state": case.state,
        "note": case.note,
        "opened_ms": case.opened_ms,
        "changed_ms": case.changed_ms,
        "decisions": [{**row._asdict(), "body": json.loads(row.body)} for row in story.decisions],
        "intent": None if story.intent is None else story.intent._asdict(),
        "charge": None if story.charge is None else story.charge._asdict(),
        "kept_charge": None if story.kept_charge is None else story.kept_charge._asdict(),
        "refunds": [row._asdict() for row in story.refunds],
        "disputes": [row._asdict() for row in story.disputes],
        "audit": [audit_document(entry) for entry in story.audit],
    }


def print_story(story: RefundStory, titles: Mapping[Clause, str], now_ms: int) -> None:
    """The story as text; `titles` are the clauses' own, for people."""
    case = story.case
    say(f"Case {case.id}: {case.kind.replace('_', ' ')}, {case.state}")
    print_facts(
        [
            ("charge", _charge_line(case.charge_id, story.charge)),
            ("kept", _charge_line(case.kept_charge_id, story.kept_charge)),
            ("customer", case.customer_id or ""),
            ("opened", moment_text(case.opened_ms)),
            ("note", case.note or ""),
        ],
        indent=2,
    )
    for row in story.decisions:
        _print_decision(row, titles)
    if story.intent is None:
        say("", "No refund intent: nothing was to be sent.")
    else:
        _print_intent(story.intent)
    _print_stripe(story)
    if story.audit:
        say("", "Who did what")
        print_audit([audit_document(entry) for entry in story.audit], now_ms)
    say("")


def _charge_line(charge_id: str | None, charge: AnyRow | None) -> str:
    if charge is None:
        return charge_id or ""
    captured = Money(amount_minor=charge.captured_minor, currency=charge.currency)
    refunded = Money(amount_minor=charge.refunded_minor, currency=charge.currency)
    paid = moment_text(charge.created * 1000)
    back = f", {refunded} went back" if charge.refunded_minor else ""
    return f"{charge_id}: {captured} captured, paid {paid}{back}"


def _print_decision(row: AnyRow, titles: Mapping[Clause, str]) -> None:
    decision = Decision.from_json(row.body)
    amount = "" if decision.amount is None else f" {decision.amount}"
    event = "" if row.event_row_id is None else f" by event row {row.event_row_id},"
    say(
        "",
        f"Decision {row.id}: {decision.verdict}{amount}, {moment_text(row.made_ms)},{event}"
        f" terms of {decision.terms_version}, {row.mode} mode",
    )
    for sentence in decision.undecided:
        say(f"  Open: {sentence}")
    print_clauses(decision, titles)


def _print_intent(intent: AnyRow) -> None:
    amount = Money(amount_minor=intent.amount_minor, currency=intent.currency)
    say("", f"Refund intent {intent.id}: {amount}, {intent.state}")
    print_facts(
        [
            ("cause", intent.cause.replace("_", " ")),
            ("kept back", intent.held or ""),
            ("note", intent.note or ""),
            ("refund at Stripe", intent.refund_id or ""),
            ("calls to Stripe", str(intent.attempts)),
            ("first sent", moment_text(intent.first_sent_ms)),
            ("next step", moment_text(intent.next_attempt_ms)),
            ("idempotency key", intent.idempotency_key),
            ("parameters", intent.params),
            ("reserved", moment_text(intent.created_ms)),
            ("changed", moment_text(intent.changed_ms)),
        ],
        indent=2,
    )


def _print_stripe(story: RefundStory) -> None:
    if story.refunds:
        say("", "Refunds that Stripe's events showed")
        print_table(
            ("refund", "amount", "status", "intent"),
            [
                (
                    row.refund_id,
                    str(Money(amount_minor=row.amount_minor, currency=row.currency)),
                    row.status or "",
                    row.intent_id or "none of ours",
                )
                for row in story.refunds
            ],
            right=("amount",),
        )
    for row in story.disputes:
        disputed = Money(amount_minor=row.amount_minor, currency=row.currency)
        say("", f"Dispute {row.dispute_id}: {disputed}, {row.status} ({row.reason or 'no reason'})")
