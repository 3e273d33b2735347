"""Judges charges as duplicates and for fraud, in turn: a refund that one of them takes back may let the other's go.

A payment is refunded for one cause at a time; the other waits (`refund_under_way`). When the first is withdrawn in the
same transaction, nothing else would ever wake the second.
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from workers.context import WorkerContext
from workers.fraud_judging import judge_fraud
from workers.judge import Judged, judge_charges


def judge_in_turn(
    context: WorkerContext,
    connection: Connection,
    charge_ids: Iterable[str],
    suspects: Iterable[str],
    event_row_id: int | None,
) -> Judged:
    """Judge `charge_ids` as duplicates and `suspects` for fraud, and again what either has let go."""
    judged = judge_charges(context, connection, charge_ids, event_row_id)
    suspected = judge_fraud(context, connection, {*suspects, *judged.withdrawn}, event_row_id)
    judged.add(suspected)
    if suspected.withdrawn:
        judged.add(judge_charges(context, connection, suspected.withdrawn, event_row_id))
    return judged
