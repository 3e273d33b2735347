"""`redress plan`: what a change of a subscription's plan would do by the terms; asking for one."""

from typing import Any

import click

from ops.moments import moment_text
from ops.operator_context import OperatorContext
from ops.plan_changes_commands import (
    change_command,
    list_command,
    show_command,
    withdraw_command,
)
from ops.plan_seen_commands import accept_command, restore_command, seen_command
from ops.stripe_at_hand import open_gateway
from ops.terminal import json_option, print_json, say
from policy.money import Money
from workers.catalogue_book import CatalogueBook
from workers.gateway_errors import GatewayError, Rejected
from workers.plan_at_stripe import PriceAtHand, price_at_hand, subscription_at_hand
from workers.plan_preview import PlanPreview, preview_plan
from workers.rendered_fields import UnreadableRendering

_EXAMPLE = "Example: redress plan preview sub_1Qx price_1Qy"


@click.group(epilog=_EXAMPLE)
def plan() -> None:
    """Say what a change of plan would do, ask for one, and see those that were made elsewhere."""


for _command in (
    change_command,
    list_command,
    show_command,
    withdraw_command,
    seen_command,
    accept_command,
    restore_command,
):
    plan.add_command(_command)


@plan.command("preview", epilog=_EXAMPLE)
@click.argument("subscription_id")
@click.argument("price_id")
@json_option
@click.pass_obj
def preview_command(
    operator: OperatorContext, subscription_id: str, price_id: str, *, as_json: bool
) -> None:
    """Show when a subscription would move to another price, what is charged when, and its credits.

    It reads Stripe and changes nothing. Exit code 1: the change cannot be carried out as it is.
    """
    preview = _previewed(operator, subscription_id.strip(), price_id.strip())
    if as_json:
        print_json(_document(preview))
    else:
        _print(preview)
    if preview.refused is not None:
        raise SystemExit(1)


def _previewed(operator: OperatorContext, subscription_id: str, price_id: str) -> PlanPreview:
    settings = operator.settings()
    gateway = open_gateway(settings)
    catalogue = CatalogueBook(settings.redress_catalogue)
    try:
        subscription = subscription_at_hand(gateway, catalogue, subscription_id)
        wanted = price_at_hand(gateway, catalogue, price_id)
    except Rejected as error:
        raise click.ClickException(
            f"Stripe does not know this subscription or price ({error.code}): check both ids."
        ) from None
    except GatewayError:
        raise click.ClickException("Stripe did not answer; try again in a minute.") from None
    except UnreadableRendering as error:
        raise click.ClickException(f"Stripe's answer cannot be read: {error}.") from None
    return preview_plan(subscription, wanted)


def _print(preview: PlanPreview) -> None:
    before = preview.subscription.items[0].price if preview.subscription.items else None
    say(
        f"{preview.subscription.subscription_id} ({preview.subscription.status}):"
        f" {'no price' if before is None else _named(before)} -> {_named(preview.wanted)}"
    )
    if preview.refused is not None:
        say(f"Not possible as it is. {preview.refused}")
        return
    decision = preview.decision
    if decision is not None and decision.clause is not None:
        say(f"Clause: {decision.clause.clause.value}")
    if preview.effective_at is None:
        say("Takes effect: now")
    else:
        say(f"Takes effect: {moment_text(preview.effective_at * 1000)}, at the end of the period")
    say(f"Charged now: {preview.due_now or 'nothing'}")
    if preview.due_then is not None:
        say(f"Charged then: {preview.due_then}")
    say(f"Credits now: {preview.credits_now or 'none'}; those issued before stay")
    say(f"Credits a month: {_credits(preview.credits_before)} -> {_credits(preview.credits_after)}")


def _named(price: PriceAtHand) -> str:
    return price.price_id if price.offer is None else f"{price.offer.name} ({price.price_id})"


def _credits(number: int | None) -> str:
    return "not in the catalogue" if number is None else str(number)


def _document(preview: PlanPreview) -> dict[str, Any]:
    decision = preview.decision
    return {
        "subscription_id": preview.subscription.subscription_id,
        "status": preview.subscription.status,
        "from": [item.price.price_id for item in preview.subscription.items],
        "to": preview.wanted.price_id,
        "refused": preview.refused,
        "effect": None if decision is None else decision.effect.value,
        "clause": None
        if decision is None or decision.clause is None
        else decision.clause.clause.value,
        "effective_at": preview.effective_at,
        "due_now": _money(preview.due_now),
        "due_then": _money(preview.due_then),
        "credits_now": preview.credits_now,
        "credits_before": preview.credits_before,
        "credits_after": preview.credits_after,
    }


def _money(money: Money | None) -> dict[str, Any] | None:
    return None if money is None else money.to_fields()
