"""Above a threshold a person's approval pays nothing: a second person has to say the same.

The first word is written down with its reason; the same amount from somebody else, while the case's newest decision is
still the one that it was said about, is the ruling. Whoever says another amount, the first person too, begins anew.
Everything happens in the caller's transaction, under the lock of the case.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.approvals import (
    Approval,
    confirm_approval,
    drop_approval,
    waiting_approval,
    write_approval,
)
from ledger.cases import case_by_id
from ledger.decisions import last_decision
from policy.money import Money
from policy.rulings import RulingRefused
from workers.case_following import Desk
from workers.case_rulings import Ruled, rule_on_case
from workers.terms_book import TermsBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants to be refunded, and why. `actor` is who: two different ones are two people."""

    amount: Money
    keeps_credits: bool
    keeps_subscription: bool
    actor: str
    reason: str


def approve_case(desk: Desk, terms_book: TermsBook, case_id: int, wish: Wish) -> Ruled | Approval:
    """Rule on a case, or write down the first of two words and return it. Raises RulingRefused."""
    # Locked first: of two people who speak at once the second one sees what the first one said.
    case_by_id(desk.connection, case_id, lock=True)
    newest = last_decision(desk.connection, case_id)
    decision_id = 0 if newest is None else int(newest.id)
    before = waiting_approval(desk.connection, case_id)
    if not needs_second(desk.settings.redress_second_person, wish.amount):
        drop_approval(desk.connection, case_id, desk.now_ms)
        return _rule(desk, terms_book, case_id, wish)
    if before is None or before.decision_id != decision_id or not _same(before, wish):
        return _first_word(desk, terms_book, case_id, decision_id, wish)
    if before.actor == wish.actor:
        raise RulingRefused(
            f"{wish.actor} approved {wish.amount} of case {case_id} before; a second person has to do the same"
        )
    confirm_approval(desk.connection, case_id, wish.actor, desk.now_ms)
    return _rule(desk, terms_book, case_id, wish)


def needs_second(threshold: Mapping[str, int], amount: Money) -> bool:
    """Whether an approval of `amount` needs two people; the threshold itself does."""
    return amount.amount_minor >= threshold.get(amount.currency, threshold["*"])


def _first_word(
    desk: Desk, terms_book: TermsBook, case_id: int, decision_id: int, wish: Wish
) -> Approval:
    # What a ruling would be refused for, the first person is told; nothing else of it stays.
    with desk.connection.begin_nested() as trial:
        _rule(desk, terms_book, case_id, wish)
        trial.rollback()
    drop_approval(desk.connection, case_id, desk.now_ms)
    approval = Approval(
        case_id=case_id,
        decision_id=decision_id,
        amount=wish.amount,
        keeps_credits=wish.keeps_credits,
        keeps_subscription=wish.keeps_subscription,
        actor=wish.actor,
        reason=wish.reason,
        made_ms=desk.now_ms,
    )
    write_approval(desk.connection, approval)
    return approval


def _same(before: Approval, wish: Wish) -> bool:
    return (before.amount, before.keeps_credits, before.keeps_subscription) == (
        wish.amount,
        wish.keeps_credits,
        wish.keeps_subscription,
    )


def _rule(desk: Desk, terms_book: TermsBook, case_id: int, wish: Wish) -> Ruled:
    return rule_on_case(
        desk,
        terms_book,
        case_id,
        amount_minor=wish.amount.amount_minor,
        keeps_credits=wish.keeps_credits,
        keeps_subscription=wish.keeps_subscription,
    )
