"""Changes of plan that the product asks for: a row that a worker decides and carries out, or only decides."""

import json

from sqlalchemy import Connection

from ledger.asked_plan_changes import (
    ChangeConflict,
    NewPlanChange,
    PlanChange,
    change_by_id,
    changes_of_subscription,
    write_change,
)
from ledger.audit_log import record
from ledger.plan_change_leases import lock_subscription, withdraw_change
from ledger.states import PlanChangeState
from runtime.call_limits import PLAN_CHANGES_SHOWN_MAX
from runtime.queues import CHANGE_PLAN_JOB
from webhooks import api_models as models
from webhooks.product_api import ID_MAX, ProductApi, Refused, key_used

_TOO_LATE = "The change is {}, so there is nothing to take back."
_ACTOR, _ORIGIN = "product", "api"


def ask_for_plan(api: ProductApi, asked: models.PlanChangeIn) -> tuple[int, models.PlanChangeOut]:
    """Take a change in; it is decided within seconds, and its state can be asked for."""
    now_ms = api.clock.now_ms()
    wanted = NewPlanChange(
        key=f"{models.REQUEST_KEY_PREFIX}{asked.key}",
        subscription_id=asked.subscription_id,
        price_id=asked.price_id,
        livemode=api.livemode,
        reason=asked.reason,
        preview=asked.preview,
    )
    try:
        with api.store.write() as connection:
            change_id, fresh = write_change(connection, wanted, now_ms)
            if fresh and not asked.preview:
                _audit(connection, "plan.change", change_id, asked.reason, now_ms)
            shown = _change_out(_known(connection, change_id))
    except ChangeConflict:
        raise key_used("change") from None
    if fresh:
        api.wakeups.wake_effect(CHANGE_PLAN_JOB, change_id)
    return 202, shown


def show_plan_change(api: ProductApi, *, change_id: int) -> tuple[int, models.PlanChangeOut]:
    """One change as it stands."""
    with api.store.read() as connection:
        return 200, _change_out(_known(connection, change_id))


def list_plan_changes(
    api: ProductApi, *, subscription_id: str
) -> tuple[int, models.PlanChangesOut]:
    """The newest changes of a subscription; none for one that nobody has asked about."""
    with api.store.read() as connection:
        found = changes_of_subscription(connection, subscription_id, PLAN_CHANGES_SHOWN_MAX)
    return 200, models.PlanChangesOut(changes=[_change_out(change) for change in found])


def withdraw_plan_change(
    api: ProductApi, told: models.WithdrawalIn, *, change_id: int
) -> tuple[int, models.PlanChangeOut]:
    """Take a change back that has not taken effect. Again is the same as once."""
    now_ms = api.clock.now_ms()
    with api.store.write() as connection:
        lock_subscription(connection, _known(connection, change_id).subscription_id)
        change = _known(connection, change_id, lock=True)
        after = withdraw_change(connection, change, now_ms)
        if after is None and change.state not in _TAKEN_BACK:
            raise Refused(409, "too_late", _TOO_LATE.format(change.state))
        if after is not None:
            _audit(connection, "plan.withdraw", change_id, told.reason, now_ms)
    if after is not None:
        api.wakeups.wake_effect(CHANGE_PLAN_JOB, change_id)
    return 202, _change_out(after or change)


_TAKEN_BACK = frozenset({PlanChangeState.WITHDRAWING, PlanChangeState.WITHDRAWN})


def _known(connection: Connection, change_id: int, *, lock: bool = False) -> PlanChange:
    change = change_by_id(connection, change_id, lock=lock) if change_id <= ID_MAX else None
    if change is None:
        raise Refused(404, "not_found", "There is no change of this id.")
    return change


def _audit(connection: Connection, action: str, change_id: int, detail: str, now_ms: int) -> None:
    record(
        connection,
        at_ms=now_ms,
        actor=_ACTOR,
        action=action,
        object_id=f"plan_change:{change_id}",
        result="done",
        origin=_ORIGIN,
        detail=detail,
    )


def _change_out(change: PlanChange) -> models.PlanChangeOut:
    outlook = None if change.outlook is None else json.loads(change.outlook)
    return models.PlanChangeOut(
        change_id=change.change_id,
        subscription_id=change.subscription_id,
        from_price_id=change.from_price_id,
        to_price_id=change.price_id,
        preview=change.preview,
        state=change.state,
        note=change.note,
        effect=change.effect,
        clause=change.clause,
        effective_at=change.effective_at,
        outlook=None if outlook is None else _outlook(outlook),
    )


def _outlook(told: dict[str, object]) -> models.OutlookOut:
    return models.OutlookOut.model_validate(
        told | {name: _amount(told[name]) for name in ("due_now", "due_then")}
    )


def _amount(money: object) -> dict[str, object] | None:
    if not isinstance(money, dict):
        return None
    return {"minor": money["amount_minor"], "currency": money["currency"]}
