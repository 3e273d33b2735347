"""Credits that come back: what was drawn under a reference, what came back for it before, and to which grants.

A reference is the product's own id of what was made, as its usage was reported.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from ledger.credit_grants import Grant, is_valid
from ledger.credit_tables import credit_entries
from ledger.credits import grant_credits, grants_of_customer, restore_credits
from ledger.states import CreditKind

#: Before a claim's id: what its entries name as their source.
CLAIM_SOURCE: Final = "claim:"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsGone:
    """What the entries under one reference say. Credits are whole numbers, none negative.

    `drawn` are those by the grant that they were drawn from, `open` those that no grant covers yet; of
    neither what is known to have succeeded, which is `succeeded`. `restored` came back before. `grants`
    are all that the customer has, in the order of drawing.
    """

    drawn: Mapping[int, int]
    open: int
    succeeded: int
    restored: int
    grants: tuple[Grant, ...]

    @property
    def told(self) -> bool:
        """Whether any usage was reported under the reference."""
        return bool(self.drawn) or self.open + self.succeeded > 0

    @property
    def paid_back(self) -> frozenset[int]:
        """The grants whose purchase was refunded: what was used of them came back as money."""
        return frozenset(grant.grant_id for grant in self.grants if grant.revoked > 0)

    @property
    def bought_at(self) -> int | None:
        """When the first grant that was drawn from began (unix seconds); None where none is known."""
        return min((one.at for one in self.grants if one.grant_id in self.drawn), default=None)


def credits_gone(connection: Connection, customer_id: str, reference: str) -> CreditsGone:
    """What became of credits under a reference; read under the customer's lock to give some back."""
    rows = connection.execute(_UNDER, {"customer": customer_id, "under": reference}).all()
    drawn: Counter[int] = Counter()
    uncovered = succeeded = restored = 0
    for row in rows:
        if row.kind == CreditKind.RESTORATION.value:
            restored += row.credits
        elif row.successful:
            # A cover is a part of a usage that has a row of its own.
            succeeded -= 0 if row.kind == CreditKind.COVER.value else row.credits
        elif row.grant_id is None:
            uncovered -= row.credits
        else:
            drawn[row.grant_id] -= row.credits
            uncovered += row.credits if row.kind == CreditKind.COVER.value else 0
    return CreditsGone(
        drawn=drawn,
        open=uncovered,
        succeeded=succeeded,
        restored=restored,
        grants=tuple(grants_of_customer(connection, customer_id)),
    )


def give_back(
    connection: Connection,
    gone: CreditsGone,
    *,
    key: str,
    customer_id: str,
    credits: int,  # noqa: A002 - the field's own word
    spent: bool,
    source: str,
    reference: str,
    at: int,
    now_ms: int,
) -> None:
    """Give credits back to the grants that they were drawn from, and the rest as a grant of its own.

    `spent` says that they were used, so that a grant may be found for them where no usage was reported
    under the reference. `gone` was read under the customer's lock in this transaction.
    """
    left = credits
    told: dict[str, Any] = {
        "source": source,
        "reference": reference,
        "at": at,
        "now_ms": now_ms,
    }
    places = _drawn_from(gone, at) if gone.drawn else _drawn_last(gone, credits, at, spent=spent)
    for grant, most in places:
        some = min(left, most)
        if some > 0:
            restore_credits(
                connection, key=f"{key}:{grant.grant_id}", grant=grant, credits=some, **told
            )
            left -= some
    if left > 0:
        grant_credits(
            connection,
            key=f"{key}:new",
            customer_id=customer_id,
            credits=left,
            expires_at=None,
            kind=CreditKind.RESTORATION,
            **told,
        )


def _drawn_from(gone: CreditsGone, at: int) -> Iterator[tuple[Grant, int]]:
    """The grants that the usage drew on and what may come back to each, the last drawn first."""
    for grant in reversed(gone.grants):
        if grant.grant_id in gone.drawn and _takes_back(gone, grant, at):
            yield grant, min(gone.drawn[grant.grant_id], grant.used - grant.restored)


def _drawn_last(
    gone: CreditsGone,
    credits: int,  # noqa: A002 - the field's own word
    at: int,
    *,
    spent: bool,
) -> list[tuple[Grant, int]]:
    """Of spent credits the last grant in the order of drawing of which so many are used."""
    if not spent:
        return []
    found = [
        one
        for one in gone.grants
        if one.used - one.restored >= credits and _takes_back(gone, one, at)
    ]
    return [(found[-1], credits)] if found else []


def _takes_back(gone: CreditsGone, grant: Grant, at: int) -> bool:
    return is_valid(grant, at) and grant.grant_id not in gone.paid_back


# Built once: building it costs as much as running it.
_UNDER = select(
    *(credit_entries.c[name] for name in ("kind", "grant_id", "credits", "successful"))
).where(
    credit_entries.c.customer_id == bindparam("customer"),
    credit_entries.c.reference == bindparam("under"),
)
