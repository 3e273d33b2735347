"""Disputes: what a bank waits for and until when, and the evidence pack of each."""

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, abort, render_template
from sqlalchemy import Connection

from ledger.cases import DISPUTE_PREFIX, cases_of_charges
from ledger.dispute_rows import Dispute, list_disputes, newest_disputes
from ledger.dispute_submissions import submissions_of
from ledger.operator_tables import Role
from ops.dashboard.house import now_ms, wiring, write_down
from ops.dashboard.listing import ROWS, Page, page_after, wanted, wanted_row
from ops.dashboard.page_access import open_to
from ops.evidence_account import SUBMISSION_WORDS, pack_facts, time_left
from ops.evidence_pack import EvidencePack, evidence_pack
from ops.evidence_page import evidence_sections
from workers.dispute_answering import ANSWERABLE
from workers.terms_book import TermsBook

disputes: Final = Blueprint("disputes", __name__, url_prefix="/disputes")


@disputes.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """Those that wait for an answer, the soonest deadline first; or all, the newest first."""
    everyone = wanted("all") is not None
    with wiring().store.read() as connection:
        found = _found(connection, everyone=everyone)
        answers = submissions_of(connection, [one.dispute_id for one in found])
    return render_template(
        "disputes.html",
        page=_page(found),
        answers={answer.dispute_id: answer for answer in answers},
        answer_words=SUBMISSION_WORDS,
        everyone=everyone,
        time_left=lambda one: time_left(one, now_ms()),
    )


@disputes.get("/<dispute_id>")
@open_to(Role.VIEWER)
def one(dispute_id: str) -> str:
    """One dispute and its pack in short, without personal data."""
    with wiring().store.read() as connection:
        return _one(connection, _pack(connection, dispute_id), sections=False)


@disputes.post("/<dispute_id>/evidence")
@open_to(Role.OPERATOR)
def evidence(dispute_id: str) -> str:
    """The whole pack, which holds personal data; that it was looked at is written down first."""
    with wiring().store.write() as connection:
        pack = _pack(connection, dispute_id)
        write_down(connection, "disputes.evidence", dispute_id)
    with wiring().store.read() as connection:
        return _one(connection, pack, sections=True)


def _one(connection: Connection, pack: EvidencePack, *, sections: bool) -> str:
    dispute_id = pack.dispute.dispute_id
    kind = f"{DISPUTE_PREFIX}{dispute_id}"
    return render_template(
        "dispute.html",
        dispute=pack.dispute,
        facts=pack_facts(pack, now_ms()),
        sections=evidence_sections(pack) if sections else [],
        answers=submissions_of(connection, [dispute_id]),
        answer_words=SUBMISSION_WORDS,
        answerable=pack.dispute.status in ANSWERABLE,
        cases=[
            case
            for case in cases_of_charges(connection, [pack.dispute.charge_id])
            if case.kind == kind
        ],
    )


def _pack(connection: Connection, dispute_id: str) -> EvidencePack:
    pack = evidence_pack(connection, TermsBook.by(wiring().settings), dispute_id)
    if pack is None:
        abort(404, f"The ledger knows no dispute {dispute_id} of a payment that it knows.")
    return pack


def _found(connection: Connection, *, everyone: bool) -> list[Dispute]:
    if not everyone:
        return list_disputes(connection, sorted(ANSWERABLE), ROWS)
    before = wanted("before")
    return newest_disputes(
        connection, ROWS + 1, None if before is None else (wanted_row("at") or 0, before)
    )


def _page(found: list[Dispute]) -> Page[Dispute]:
    def place(one: Dispute) -> Mapping[str, str | None]:
        return {"before": one.dispute_id, "at": str(one.created or 0)}

    return page_after(found, place, "before")
