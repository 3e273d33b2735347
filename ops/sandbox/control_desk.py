"""What the sandbox lets a test or a scenario do that no API call of Stripe's can.

Banks, issuers, Radar, time and the dashboard act here: disputes, warnings, reviews, renewals,
refunds by hand or failing late. Handlers take a Call whose `params` are the JSON body; their errors
are ApiErrors too. The table is CONTROLS: (method, pattern) -> handler.
"""

import copy
import re
from collections.abc import Callable
from typing import Any

from ops.sandbox import (
    api_disputes,
    api_invoices,
    api_radar,
    api_refunds,
    api_schedules,
    api_subscriptions,
    fraud_standing,
    subscription_changes,
)
from ops.sandbox.api_call import Call, public
from ops.sandbox.api_errors import bad_parameter
from ops.sandbox.book_tables import KINDS, Json

_SETTINGS: dict[str, Any] = {
    "refund_life": "succeeded",
    "refund_delay_seconds": 5,
    "settle_seconds": 0,
}
_CHANGERS = ("dashboard", "portal", "api")
_CHANGEABLE = frozenset(
    {"billing_cycle_anchor", "items", "payment_behavior", "proration_behavior", "trial_end"}
)
_REFUND_STATUSES = ("pending", "succeeded", "failed", "canceled", "requires_action")


def open_dispute(call: Call) -> Json:
    """Open a dispute on a charge, or an inquiry by status=warning_needs_response."""
    charge = _named(call, "charges", "charge")
    status = _choice(call, "status", api_disputes.STATUSES, "needs_response")
    amount = call.params.get("amount", charge["amount_captured"] - charge["amount_refunded"])
    if not isinstance(amount, int) or amount < 1:
        amount = charge["amount"]
    return api_disputes.open_dispute(
        call, charge, amount, call.params.get("reason", "fraudulent"), status
    )


def move_dispute(call: Call) -> Json:
    """Move a dispute to another status."""
    status = _choice(call, "status", api_disputes.STATUSES, None)
    return api_disputes.move(call, call.fetch("disputes"), status)


def warn(call: Call) -> Json:
    """Issue an early fraud warning on a charge."""
    fraud_type = _choice(call, "fraud_type", api_radar.FRAUD_TYPES, "unauthorized_use_of_card")
    return api_radar.warn(call, _named(call, "charges", "charge"), fraud_type)


def open_review(call: Call) -> Json:
    """Open a review on a charge."""
    opened_reason = _choice(call, "opened_reason", ("rule", "manual"), "rule")
    return api_radar.open_review(call, _named(call, "charges", "charge"), opened_reason)


def close_review(call: Call) -> Json:
    """Close a review for any of Stripe's reasons."""
    reason = call.params.get("closed_reason", "approved")
    return fraud_standing.close_review(call, call.fetch("reviews"), reason, automatic=False)


def renew(call: Call) -> Json:
    """Move a subscription one period on, through its schedule if it has one."""
    subscription = call.fetch("subscriptions")
    if subscription["status"] not in ("active", "trialing", "past_due"):
        raise bad_parameter(f"The subscription is {subscription['status']}.", "id")
    if subscription["cancel_at_period_end"]:
        ended = api_subscriptions.end(call, subscription, {}, automatic=True)
        return {"subscription": public(ended), "invoice": None, "charge": None}
    if subscription["pending_update"] is not None:
        api_invoices.expire_update(call, subscription, subscription["latest_invoice"])
        subscription = call.fetch("subscriptions")
    before = copy.deepcopy(subscription)
    if subscription["schedule"] is not None:
        api_schedules.advance(call, subscription)
    before["schedule"] = subscription["schedule"]
    subscription, invoice, charge = subscription_changes.renew(call, subscription, before)
    return {
        "subscription": public(subscription),
        "invoice": public(invoice),
        "charge": None if charge is None else public(call.fetch("charges", charge["id"])),
    }


def change_subscription(call: Call) -> Json:
    """Change a subscription as a person in the dashboard, a customer in the portal or another program does.

    `by` says who; the rest are the fields of the update. Only a program's events bear a key.
    """
    by = _choice(call, "by", _CHANGERS, "dashboard")
    call.params.pop("by", None)
    unknown = set(call.params) - _CHANGEABLE
    if unknown:
        raise bad_parameter(f"Fields are {', '.join(sorted(_CHANGEABLE))}.", min(unknown))
    call.request_id = call.new_id("req")
    if by == "api":
        call.idempotency_key = call.new_id("key")
    if by == "portal":
        subscription = call.fetch("subscriptions")
        _open_portal(call, subscription["customer"])
        if subscription["status"] == "trialing":
            # The portal's trial_update_behavior is end_trial where nobody chose another.
            call.params.setdefault("trial_end", "now")
    return public(api_subscriptions.update(call))


def _open_portal(call: Call, customer_id: str) -> None:
    session: Json = {
        "id": call.new_id("bps"),
        "object": "billing_portal.session",
        "configuration": "bpc_sandbox",
        "created": call.now,
        "customer": customer_id,
        "customer_account": None,
        "flow": None,
        "livemode": False,
        "locale": None,
        "on_behalf_of": None,
        "return_url": "https://shop.example/account",
        "url": "https://pay.example/portal",
    }
    call.save("portal_sessions", session)
    call.emit("billing_portal.session.created", session)


def refund_by_hand(call: Call) -> Json:
    """Refund as a person in the dashboard does: the events bear a request id but no key."""
    call.request_id = call.new_id("req")
    for name in ("charge", "amount", "reason", "metadata"):
        if call.params.get(name) is None:
            call.params.pop(name, None)
    return api_refunds.create(call)


def move_refund(call: Call) -> Json:
    """Let a refund succeed, fail (even after it succeeded), be canceled or wait."""
    status = _choice(call, "status", _REFUND_STATUSES, None)
    reason = call.params.get("failure_reason", "expired_or_canceled_card")
    return api_refunds.move(call, call.fetch("refunds"), status, reason)


def tell_again(call: Call) -> Json:
    """Emit a second, separate event about an object, as Stripe sometimes does."""
    kind = _choice(call, "kind", KINDS, None)
    body = call.fetch(kind, str(call.params.get("id")), "id")
    call.emit(str(call.params.get("type")), body)
    return call.book.events_after(call.book.last_event_seq() - 1)[0][1]


def show_book(call: Call) -> Json:
    """Dump one kind, newest first."""
    kind = _choice(call, "kind", (*KINDS, "events"), None)
    if kind == "events":
        return {"kind": kind, "data": list(call.book.events_newest_first())}
    return {"kind": kind, "data": [public(row) for row in call.book.newest_first(kind)]}


def show_health(call: Call) -> Json:
    """Say that the sandbox lives, and how much is in its book."""
    return {
        "status": "ok",
        "events": call.book.last_event_seq(),
        "objects": call.book.counts(),
    }


def show_settings(call: Call) -> Json:
    """Return the settings in force."""
    return {name: call.book.setting(name, default) for name, default in _SETTINGS.items()}


def change_settings(call: Call) -> Json:
    """Change settings; unknown names and values are refused."""
    for name, value in call.params.items():
        if name not in _SETTINGS:
            raise bad_parameter(f"Settings are {', '.join(_SETTINGS)}.", name)
        fits = value in api_refunds.LIVES if name == "refund_life" else isinstance(value, int)
        if not fits:
            raise bad_parameter(f"Invalid value for {name}.", name)
        call.book.set_setting(name, value)
    return show_settings(call)


def reset(call: Call) -> Json:
    """Forget everything."""
    call.book.reset()
    return {"status": "ok"}


CONTROLS: dict[tuple[str, str], Callable[[Call], Json]] = {
    ("GET", "health"): show_health,
    ("GET", "book"): show_book,
    ("GET", "settings"): show_settings,
    ("POST", "settings"): change_settings,
    ("POST", "disputes"): open_dispute,
    ("POST", "disputes/{id}"): move_dispute,
    ("POST", "early_fraud_warnings"): warn,
    ("POST", "reviews"): open_review,
    ("POST", "reviews/{id}"): close_review,
    ("POST", "subscriptions/{id}/renew"): renew,
    ("POST", "subscriptions/{id}/change"): change_subscription,
    ("POST", "refunds"): refund_by_hand,
    ("POST", "refunds/{id}"): move_refund,
    ("POST", "events"): tell_again,
    ("POST", "reset"): reset,
}


def find_control(method: str, path: str) -> tuple[Callable[[Call], Json], tuple[str, ...]] | None:
    """Return the handler of a control request and the ids in its path, or None."""
    for (wanted, pattern), handler in CONTROLS.items():
        shape = "/sandbox/" + pattern.replace("{id}", "([A-Za-z0-9_]{1,255})")
        match = re.fullmatch(shape, path)
        if match is not None and wanted == method:
            return handler, match.groups()
    return None


def _named(call: Call, kind: str, name: str) -> Json:
    return call.fetch(kind, str(call.params.get(name, "")), name)


def _choice(call: Call, name: str, known: tuple[str, ...], default: str | None) -> str:
    value = call.params.get(name, default)
    if value not in known:
        raise bad_parameter(f"{name} must be one of {', '.join(known)}.", name)
    return str(value)
