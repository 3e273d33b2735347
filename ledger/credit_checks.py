"""The credits against their own rules, by SQL: balances, covers, restorations, and the claims that brought them.

Examples are customers, whom `redress credits show` tells of, or claims.
"""

from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    not_,
    or_,
    select,
)

from ledger.claim_tables import credit_claims, credit_decisions
from ledger.credit_returns import CLAIM_SOURCE
from ledger.credit_tables import credit_entries
from ledger.states import ClaimState, CreditKind

#: The newest entries that are looked at; older ones were looked at when they were new.
ENTRIES_LOOKED_AT: Final = 100_000

_granted = credit_entries.alias("granted")
_drawn = credit_entries.alias("drawn")
_is_grant = and_(_granted.c.grant_id.is_(None), _granted.c.credits > 0)


def credit_checks(connection: Connection) -> list[tuple[str, Select[str]]]:
    """Each rule as a sentence, and the query whose rows contradict it."""
    newest = connection.execute(select(func.max(credit_entries.c.id))).scalar() or 0
    fresh = credit_entries.c.id > newest - ENTRIES_LOOKED_AT
    return [
        ("credits are drawn on grants alone, each by its own customer", _strangers(fresh)),
        ("what is left of a grant is what its entries add up to", _wrong_sums(fresh)),
        ("no more comes back to a grant than was used of it", _restored_beyond(fresh)),
        ("no more of a usage is covered than was used", _covered_beyond(fresh)),
        ("a claim gave back what its decision says, and only an approved one", _wrong_claims()),
    ]


def _strangers(fresh: ColumnElement[bool]) -> Select[str]:
    """Entries on what is no grant, or on another customer's."""
    own = and_(_is_grant, _granted.c.customer_id == credit_entries.c.customer_id)
    return (
        select(credit_entries.c.customer_id)
        .join(_granted, _granted.c.id == credit_entries.c.grant_id)
        .where(fresh, not_(own))
    )


def _wrong_sums(fresh: ColumnElement[bool]) -> Select[str]:
    touched = select(credit_entries.c.grant_id).where(fresh, credit_entries.c.grant_id.is_not(None))
    sums = (
        select(
            _drawn.c.grant_id,
            func.sum(_drawn.c.credits).label("credits"),
            func.max(_drawn.c.draw).label("draw"),
            func.count().label("draws"),
        )
        .where(_drawn.c.grant_id.in_(touched))
        .group_by(_drawn.c.grant_id)
        .subquery()
    )
    last = credit_entries.alias("last")
    return (
        select(_granted.c.customer_id)
        .join(sums, sums.c.grant_id == _granted.c.id)
        .join(last, and_(last.c.grant_id == sums.c.grant_id, last.c.draw == sums.c.draw))
        .where(
            or_(
                _granted.c.credits + sums.c.credits != last.c.left_after,
                sums.c.draws != sums.c.draw,
            )
        )
    )


def _restored_beyond(fresh: ColumnElement[bool]) -> Select[str]:
    restored = and_(
        credit_entries.c.kind == CreditKind.RESTORATION.value,
        credit_entries.c.grant_id.is_not(None),
    )
    touched = select(credit_entries.c.grant_id).where(fresh, restored)
    used_or_back = [kind.value for kind in (CreditKind.USAGE, CreditKind.COVER)]
    used_or_back.append(CreditKind.RESTORATION.value)
    return (
        select(_granted.c.customer_id)
        .join(_drawn, _drawn.c.grant_id == _granted.c.id)
        .where(_granted.c.id.in_(touched), _drawn.c.kind.in_(used_or_back))
        .group_by(_granted.c.id, _granted.c.customer_id)
        .having(func.sum(_drawn.c.credits) > 0)
    )


def _covered_beyond(fresh: ColumnElement[bool]) -> Select[str]:
    """Covers of what is no open usage of the customer's, and more covers than usage."""
    used = credit_entries.alias("used")
    covers = credit_entries.alias("covers")
    touched = select(credit_entries.c.covers).where(fresh, credit_entries.c.covers.is_not(None))
    is_open = and_(used.c.kind == CreditKind.USAGE.value, used.c.grant_id.is_(None))
    strange = func.max(covers.c.customer_id) != used.c.customer_id
    return (
        select(used.c.customer_id)
        .join(covers, covers.c.covers == used.c.id)
        .where(used.c.id.in_(touched))
        .group_by(used.c.id, used.c.customer_id, used.c.kind, used.c.grant_id, used.c.credits)
        .having(or_(func.sum(covers.c.credits) < used.c.credits, not_(is_open), strange))
    )


def _wrong_claims() -> Select[str]:
    """Claims whose credits are not those of their last decision, or came back without an approval."""
    last = credit_decisions.alias("last")
    newest = (
        select(func.max(last.c.id)).where(last.c.claim_id == credit_claims.c.id).scalar_subquery()
    )
    named = literal(CLAIM_SOURCE).concat(cast(credit_claims.c.id, String))
    back = and_(
        credit_entries.c.source == named, credit_entries.c.kind == CreditKind.RESTORATION.value
    )
    due = case(
        (
            credit_claims.c.state == ClaimState.RESTORED.value,
            func.coalesce(credit_decisions.c.credits, -1),
        ),
        else_=0,
    )
    return (
        select(named)
        .outerjoin(credit_decisions, credit_decisions.c.id == newest)
        .outerjoin(credit_entries, back)
        .group_by(credit_claims.c.id, credit_claims.c.state, credit_decisions.c.credits)
        .having(func.coalesce(func.sum(credit_entries.c.credits), 0) != due)
    )
