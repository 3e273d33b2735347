"""Stopping all money and releasing it, whoever orders it and from wherever."""

from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.brake import Brake, lock_brakes, read_brake, set_brake
from ledger.brake_release import release_all
from ledger.refund_intents import due_intents
from ledger.work_counts import count_effects
from ops.operator_audit import Actor
from runtime.limits import SWEEP_ROWS_MAX
from runtime.queues import SEND_REFUND_JOB
from runtime.wiring import Wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """How many refunds can leave now; `rang`: whether Redis rang for them, else the sweeper finds them."""

    refunds: int
    rang: bool


def stop_money(wiring: Wiring, by: Actor, reason: str) -> int:
    """Throw the brake; returns how many refunds had been handed to Stripe before and are not answered yet."""
    with wiring.store.write() as connection:
        _set(connection, wiring, by, stopped=True, reason=reason)
    with wiring.store.read() as connection:
        intents = count_effects(connection, wiring.clock.now_ms()).intents
    return intents["submitted"] + intents["unknown"]


def release_money(wiring: Wiring, by: Actor, reason: str) -> Released | None:
    """Release the brake; None when it was not on, and then nothing was changed."""
    now_ms = wiring.clock.now_ms()
    with wiring.store.write() as connection:
        was_on = read_brake(connection).stopped
        if was_on:
            _set(connection, wiring, by, stopped=False, reason=reason)
        refunds = release_all(connection, now_ms) if was_on else 0
    return Released(refunds=refunds, rang=_ring(wiring, now_ms)) if was_on else None


def _set(connection: Connection, wiring: Wiring, by: Actor, *, stopped: bool, reason: str) -> None:
    lock_brakes(connection)
    standing = Brake(
        stopped=stopped, reason=reason, actor=by.name, changed_ms=wiring.clock.now_ms()
    )
    set_brake(connection, standing, origin=by.origin)


def _ring(wiring: Wiring, now_ms: int) -> bool:
    """Ring for what is due now; the sweeper rings for what is more than one page of it."""
    with wiring.store.read() as connection:
        due = due_intents(connection, now_ms, SWEEP_ROWS_MAX)
    return all(wiring.wakeups.wake_effect(SEND_REFUND_JOB, intent_id) for intent_id in due)
