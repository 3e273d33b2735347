"""How early fraud warnings ended that were left alone: what tells how many of the next ones become disputes."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, Select, and_, bindparam, exists, func, select

from ledger.stripe_tables import charges, disputes, early_fraud_warnings

#: Measured by the newest of them: how a shop was years ago says nothing.
_WARNINGS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningOutcomes:
    """Of `left_alone` warnings, `disputed` were followed by a dispute."""

    left_alone: int
    disputed: int


def warning_outcomes(connection: Connection, made_before: int) -> WarningOutcomes:
    """The outcomes of warnings made before a unix second, whose payment was not given back in full.

    A warning that came after its dispute warned of nothing and does not count. A payment that was given back
    and disputed all the same was not left alone: `given_back_and_disputed` has it.
    """
    row = connection.execute(_LEFT_ALONE, {"before": made_before}).one()
    return WarningOutcomes(left_alone=int(row.left_alone), disputed=int(row.disputed or 0))


def given_back_and_disputed(connection: Connection, made_before: int) -> WarningOutcomes:
    """The same for payments that were given back in full: what a refund did not prevent."""
    row = connection.execute(_GIVEN_BACK, {"before": made_before}).one()
    return WarningOutcomes(left_alone=int(row.left_alone), disputed=int(row.disputed or 0))


_DISPUTED = disputes.c.charge_id == early_fraud_warnings.c.charge_id
_BEFORE_IT = exists().where(_DISPUTED, disputes.c.created < early_fraud_warnings.c.created)
_AFTER_IT = exists().where(
    _DISPUTED,
    disputes.c.created >= early_fraud_warnings.c.created,
    disputes.c.status.not_like("warning_%"),
)


def _outcomes(*, given_back: bool) -> Select[int, int]:
    back = charges.c.refunded_minor >= charges.c.captured_minor
    newest = (
        select(early_fraud_warnings.c.warning_id, _AFTER_IT.label("disputed"))
        .join(charges, charges.c.charge_id == early_fraud_warnings.c.charge_id)
        .where(
            early_fraud_warnings.c.created < bindparam("before", type_=BigInteger),
            and_(back if given_back else ~back, ~_BEFORE_IT),
        )
        .order_by(early_fraud_warnings.c.created.desc())
        .limit(_WARNINGS_MAX)
        .subquery()
    )
    return select(
        func.count().label("left_alone"),
        func.count().filter(newest.c.disputed).label("disputed"),
    ).select_from(newest)


# Statements are built once: building one costs as much as running it.
_LEFT_ALONE = _outcomes(given_back=False)
_GIVEN_BACK = _outcomes(given_back=True)
