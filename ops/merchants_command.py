"""`redress merchants`: every merchant of the installation, and how each one stands."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from ledger.ledger_owner import ForeignLedger
from ledger.standing_now import StandingNow, standing_now
from ledger.states import CaseState
from ops.failure_sentences import failure_sentences
from ops.operator_context import NoLedgerYet, OperatorContext
from ops.terminal import json_option, print_json, print_table, say
from policy.money import Money
from runtime.settings import Settings


@click.command(epilog="Example: redress merchants --json")
@json_option
@click.pass_obj
def merchants(operator: OperatorContext, *, as_json: bool) -> None:
    """List the merchants: the environment's own account first, then those of REDRESS_MERCHANTS.

    `redress --merchant NAME …` runs any other command about one of them.
    """
    documents = [
        _document(operator, name, settings) for name, settings in operator.everyone().items()
    ]
    if as_json:
        print_json({"merchants": documents})
        return
    _print(documents)
    if len(documents) == 1:
        say("", "There is one merchant; docs/merchants.md tells how to add others.")


def _document(operator: OperatorContext, name: str, settings: Settings) -> dict[str, Any]:
    told: dict[str, Any] = {
        "merchant": name,
        "account": settings.served_account,
        "connected": settings.stripe_connected_account is not None,
        "livemode": settings.livemode,
        "mode": settings.redress_mode.value,
    }
    try:
        with operator.about(name).wiring() as wiring, wiring.store.read() as connection:
            now = standing_now(connection, operator.clock.now_ms())
    except (NoLedgerYet, ForeignLedger, SQLAlchemyError) as error:
        return {**told, "problem": " ".join(failure_sentences(error))}
    return {**told, **_standing(now), "problem": None}


def _standing(now: StandingNow) -> dict[str, Any]:
    return {
        "brake": now.stopped,
        "events_waiting": now.inbox.waiting,
        "cases_in_review": now.cases.get(CaseState.REVIEW.value, 0),
        "refunded_last_day": {
            currency: {"count": count, "amount_minor": amount_minor}
            for currency, (count, amount_minor) in now.refunded.items()
        },
    }


def _print(documents: Sequence[Mapping[str, Any]]) -> None:
    print_table(
        ("merchant", "mode", "brake", "waiting", "review", "refunded in 24 h"),
        [_row(one) for one in documents],
        whole=("merchant", "mode", "brake"),
        right=("waiting", "review"),
        wrap_last=True,
    )
    for one in documents:
        if one["problem"]:
            say(f"{_name(one)}: {one['problem']}")


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    mode = f"{'live' if one['livemode'] else 'test'}, {one['mode']}"
    if one["problem"]:
        return (_name(one), mode, "?", "?", "?", "?")
    refunded = ", ".join(
        str(Money(amount_minor=sums["amount_minor"], currency=currency))
        for currency, sums in one["refunded_last_day"].items()
    )
    return (
        _name(one),
        mode,
        "on" if one["brake"] else "off",
        str(one["events_waiting"]),
        str(one["cases_in_review"]),
        refunded or "nothing",
    )


def _name(one: Mapping[str, Any]) -> str:
    return one["merchant"] or "(own)"
