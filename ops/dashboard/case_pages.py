"""The review queue, and one case with everything that a person needs to rule on it."""

from collections.abc import Mapping, Sequence
from typing import Final

from flask import Blueprint, abort, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from ledger.approvals import Approval, waiting_approval
from ledger.case_queue import CaseFilter, CasePlace, kinds_there, queue_page
from ledger.case_work import CaseWork, work_of
from ledger.late_usage import late_credits
from ledger.operator_tables import Role
from ledger.operators import list_operators
from ledger.payment_facts import payments_by_charge
from ledger.refund_queries import case_story
from ledger.refund_requests import requests_of_case
from ledger.rows import AnyRow
from ledger.states import CaseState
from ops.case_acts import appeal, approve, ask, deny, note_case_work
from ops.dashboard.flashes import flash
from ops.dashboard.form_values import FormRefused, actor, reason, refusals_said
from ops.dashboard.house import house, now_ms, wiring, write_down
from ops.dashboard.listing import ROWS, Page, page_after, wanted, wanted_row
from ops.dashboard.page_access import open_to
from ops.decision_account import compared_texts
from ops.event_filters import ROW_MAX
from ops.stated_facts import read_stated
from policy.decision import Decision
from workers.second_person import needs_second
from workers.terms_book import TermsBook

cases: Final = Blueprint("cases", __name__, url_prefix="/cases")

_NOBODY: Final = "nobody"
_DAY_MS: Final = 86_400_000
_SNOOZE_DAYS_MAX: Final = 30


@cases.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """The cases that are meant, by default those that wait for a person and are not put off."""
    state = wanted("state") or CaseState.REVIEW.value
    if state not in _STATES:
        abort(400, f"state is one of {', '.join(_STATES)}.")
    assignee = wanted("assignee")
    meant = CaseFilter(
        state=CaseState(state),
        kind=wanted("kind"),
        assignee="" if assignee == _NOBODY else assignee,
        awake_at_ms=None if wanted("snoozed") or state != CaseState.REVIEW.value else now_ms(),
        customer_id=wanted("customer"),
    )
    with wiring().store.read() as connection:
        found = queue_page(connection, meant, ROWS + 1, _place())
        kinds = kinds_there(connection)
    return render_template(
        "cases.html", page=_page(found), state=state, states=_STATES, kinds=kinds, names=_names()
    )


@cases.get("/<int:case_id>")
@open_to(Role.VIEWER)
def one(case_id: int) -> str:
    """Everything about one case but what the customer wrote."""
    return _one(case_id, told=False)


@cases.post("/<int:case_id>/told")
@open_to(Role.OPERATOR)
def told(case_id: int) -> str:
    """The case with what the customer wrote; that it was looked at is written down first."""
    with wiring().store.write() as connection:
        write_down(connection, "cases.told_shown", f"case:{min(case_id, ROW_MAX)}")
    return _one(case_id, told=True)


def _one(case_id: int, *, told: bool) -> str:
    here = wiring()
    terms = TermsBook.by(here.settings)
    with here.store.read() as connection:
        story = case_story(connection, min(case_id, ROW_MAX))
        if story is None:
            abort(404, f"There is no case {case_id}.")
        payment = payments_by_charge(connection, [story.case.charge_id]).get(story.case.charge_id)
        left = None if payment is None else payment.left()
        threshold = here.settings.redress_second_person
        return render_template(
            "case.html",
            story=story,
            case=story.case,
            decisions=[(row, Decision.from_json(row.body)) for row in story.decisions],
            titles=terms.newest.clause_titles,
            compared_texts=compared_texts,
            requests=requests_of_case(connection, case_id),
            told=told,
            late=late_credits(connection, case_id),
            approval=waiting_approval(connection, case_id),
            left=left,
            work=work_of(connection, [case_id]).get(case_id, CaseWork()),
            two_people=left is not None and needs_second(threshold, left),
            names=_names(),
            neighbour=_neighbour(connection, story.case),
        )


@cases.post("/<int:case_id>/approve")
@open_to(Role.APPROVER, fresh=True)
def approve_one(case_id: int) -> Response:
    """Refund a part of the payment, or all that is left."""
    with refusals_said():
        said = approve(
            wiring(),
            case_id,
            actor(),
            reason(),
            amount=request.form.get("amount", ""),
            keeps_credits="keep_credits" in request.form,
            keeps_subscription="keep_subscription" in request.form,
        )
        if isinstance(said, Approval):
            flash(
                f"{said.amount} is noted. Nothing goes back before somebody else approves the same."
            )
        elif said.followed.intents:
            flash(f"{said.decision.amount} goes back.")
        else:
            flash(f"{said.decision.amount} would go back; in observe mode nothing is sent.")
    return _back(case_id)


@cases.post("/<int:case_id>/deny")
@open_to(Role.APPROVER)
def deny_one(case_id: int) -> Response:
    """Refund nothing; the customer reads the reason."""
    with refusals_said():
        deny(wiring(), case_id, actor(), reason())
        flash(f"Case {case_id} is closed: nothing goes back.")
    return _back(case_id)


@cases.post("/<int:case_id>/ask")
@open_to(Role.OPERATOR)
def ask_one(case_id: int) -> Response:
    """Ask the customer for more."""
    with refusals_said():
        ask(wiring(), case_id, actor(), reason())
        flash("The customer is asked by e-mail; the answer comes to where e-mails are from.")
    return _back(case_id)


@cases.post("/<int:case_id>/appeal")
@open_to(Role.OPERATOR)
def appeal_one(case_id: int) -> Response:
    """Have the case judged again with what the customer brought."""
    with refusals_said():
        facts = [line for line in request.form.get("facts", "").splitlines() if line.strip()]
        again = appeal(wiring(), case_id, actor(), reason(), read_stated(facts))
        flash(
            "It was appealed before, so a person decides: it is in the review queue."
            if again is None
            else "The case is judged again; look here in a moment."
        )
    return _back(case_id)


@cases.post("/<int:case_id>/work")
@open_to(Role.OPERATOR)
def work_on(case_id: int) -> Response:
    """Say who has the case, and put it off."""
    with refusals_said():
        assignee = request.form.get("assignee", "").strip() or None
        if assignee is not None and assignee not in _names():
            raise FormRefused(f"There is no operator {assignee}.")
        days = request.form.get("days", "0").strip()
        if not (days.isascii() and days.isdigit() and int(days) <= _SNOOZE_DAYS_MAX):
            raise FormRefused(f"A case is put off for 0 to {_SNOOZE_DAYS_MAX} days.")
        until = now_ms() + int(days) * _DAY_MS if int(days) else None
        note_case_work(
            wiring(), case_id, actor(), CaseWork(assignee=assignee, snoozed_until_ms=until)
        )
        flash("It is noted.")
    return _back(case_id)


_STATES: Final = [state.value for state in CaseState]


def _back(case_id: int) -> Response:
    return redirect(url_for("cases.one", case_id=case_id), code=303)


def _names() -> list[str]:
    with house().people.read() as connection:
        return [row.name for row in list_operators(connection) if row.removed_ms is None]


def _neighbour(connection: Connection, case: AnyRow) -> int | None:
    """The case that is next in the queue, so that a person can go through it."""
    if case.state != CaseState.REVIEW.value:
        return None
    place = CasePlace(due_ms=case.due_ms, case_id=case.id)
    following = queue_page(connection, CaseFilter(awake_at_ms=now_ms()), 1, place)
    return following[0].id if following else None


def _place() -> CasePlace | None:
    row_id = wanted_row("after")
    return None if row_id is None else CasePlace(due_ms=wanted_row("due"), case_id=row_id)


def _page(found: Sequence[AnyRow]) -> Page[AnyRow]:
    def place(row: AnyRow) -> Mapping[str, str | None]:
        return {"after": str(row.id), "due": None if row.due_ms is None else str(row.due_ms)}

    return page_after(found, place, "after")
