"""A question to the customer whose request waits for a person: an e-mail in that person's words."""

from typing import Final

from ledger.cases import case_by_id
from ledger.notice_tables import NoticeChannel
from ledger.notices import NewNotice, write_notice
from ledger.refund_requests import requests_of_case
from ledger.states import CaseState
from policy.rulings import RulingRefused
from workers.case_following import Desk
from workers.terms_book import TermsBook

_EVENT: Final = "case.question"


def ask_customer(
    desk: Desk, terms: TermsBook, case_id: int, question: str, asked: int
) -> int | None:
    """Write the e-mail; its row id, None when it was written before. `asked` numbers the question for ever.

    Raises RulingRefused where nobody can be asked: a case that no request is about, or that is decided, and in observe
    mode, in which nobody is told anything.
    """
    case = case_by_id(desk.connection, case_id, lock=True)
    requests = [] if case is None else requests_of_case(desk.connection, case_id)
    if case is None or not requests or requests[-1].email is None:
        raise RulingRefused("no request with an address is about this case: nobody can be asked")
    if case.state is not CaseState.REVIEW:
        raise RulingRefused(
            f"the case is {case.state}; only one that waits for a person has questions"
        )
    if not desk.enforcing:
        raise RulingRefused("REDRESS_MODE is observe, in which nobody is told anything")
    notice = NewNotice(
        key=f"{_EVENT}:{case_id}:{asked}",
        channel=NoticeChannel.EMAIL,
        event=_EVENT,
        subject_id=str(case_id),
        recipient=requests[-1].email,
        content={
            "template": "case_question",
            "case": case_id,
            "terms_version": terms.newest.version,
            "question": question,
        },
    )
    return write_notice(desk.connection, notice, desk.now_ms)
