"""An evidence pack and an answer as a terminal shows them, and the pack that a command asks for."""

from typing import Any, Final

import click
from sqlalchemy import Connection

from ledger.dispute_rows import Dispute
from ledger.dispute_submissions import Submission
from ledger.states import SubmissionState
from ops.evidence_answer import can_be_told
from ops.evidence_pack import EvidencePack, evidence_pack
from ops.moments import duration_text, moment_text
from ops.terminal import counted, print_facts, say
from policy.disputes import DisputeStage, stage_of
from policy.money import Money
from workers.terms_book import TermsBook

DISPUTE_ARGUMENT: Final = click.argument("dispute_id", metavar="DISPUTE")
PRODUCT_OPTION: Final = click.option(
    "--product", "described", help="What was bought, in your words. Default: by its credits."
)
SUBMISSION_WORDS: Final = {
    SubmissionState.SENDING: "sent, no answer",
    SubmissionState.ACCEPTED: "handed in",
    SubmissionState.REFUSED: "refused",
}


def pack_of(
    connection: Connection, terms: TermsBook, dispute_id: str, described: str | None
) -> EvidencePack:
    """The pack of a dispute. Raises ClickException when the ledger does not know it."""
    pack = evidence_pack(connection, terms, dispute_id, described)
    if pack is None:
        raise click.ClickException(
            f"The ledger knows no dispute {dispute_id} of a payment that it knows;"
            " see `redress disputes list --all`."
        )
    return pack


def print_pack(pack: EvidencePack, now_ms: int) -> None:
    """The pack in short; it shows no personal data."""
    dispute = pack.dispute
    disputed = Money(amount_minor=dispute.amount_minor, currency=dispute.currency)
    say(f"Dispute {dispute.dispute_id}: {disputed}, {dispute.status.replace('_', ' ')}")
    print_facts(pack_facts(pack, now_ms), indent=2)


def pack_facts(pack: EvidencePack, now_ms: int) -> list[tuple[str, str]]:
    """The pack in short, by names; nothing in it tells of a person."""
    dispute, charge = pack.dispute, pack.charge
    captured = Money(amount_minor=charge.captured_minor, currency=charge.currency)
    used = sum(-row.credits for row in pack.facts.usage)
    accused = len(pack.facts.accused - {charge.charge_id})
    return [
        ("reason", f"{dispute.reason or 'none told'} {dispute.network_reason_code or ''}"),
        ("time left", time_left(dispute, now_ms)),
        ("payment", f"{charge.charge_id}: {captured}, {moment_text(charge.created * 1_000)}"),
        ("product", pack.descriptions[charge.charge_id]),
        ("terms", pack.terms_version),
        ("used since", counted(used, "credit")),
        (
            "other payments",
            f"{len(pack.facts.payments) - 1}, of which {accused} disputed or reported",
        ),
        ("decisions", str(len(pack.decisions))),
        ("refund requests", str(len(pack.facts.requests))),
        ("e-mails sent", str(len(pack.facts.notices))),
        ("Visa CE 3.0", _compelling(pack)),
    ]


def _compelling(pack: EvidencePack) -> str:
    found = pack.compelling
    if not found.qualifies:
        return f"no. {found.why_not}"
    words = ", ".join(one.replace("_", " ") for one in found.agreed)
    told = "" if can_be_told(pack) else "; what they share is no longer stored, so it is not sent"
    return f"yes: {' and '.join(found.prior)} share {words}{told}"


def time_left(dispute: Dispute, now_ms: int) -> str:
    """How long the bank waits yet; a dash where it waits for nothing."""
    waits = stage_of(dispute.status) in (DisputeStage.INQUIRY, DisputeStage.ANSWER)
    if dispute.due_by is None or not waits:
        return "-"
    left_ms = dispute.due_by * 1_000 - now_ms
    return duration_text(left_ms) if left_ms > 0 else "over"


def answer_document(one: Submission) -> dict[str, Any]:
    """An answer as JSON, without what it says."""
    return {
        "dispute_id": one.dispute_id,
        "answers": one.answers,
        "state": one.state.value,
        "note": one.note,
        "author": one.author,
        "created_ms": one.created_ms,
        "changed_ms": one.changed_ms,
    }
