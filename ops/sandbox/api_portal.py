"""Configurations of the customer portal (https://docs.stripe.com/api/customer_portal/configurations)."""

from typing import Any

from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json

_UPDATE: dict[str, Any] = {
    "billing_cycle_anchor": None,
    "default_allowed_updates": [],
    "enabled": False,
    "products": [],
    "proration_behavior": "none",
    "schedule_at_period_end": {"conditions": []},
    "trial_update_behavior": "end_trial",
}
_FEATURES: dict[str, Any] = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
}


def create(call: Call) -> Json:
    """Write a configuration; the first one is the default."""
    given = call.params
    first = not any(True for _ in call.book.newest_first("portal_configurations"))
    configuration: Json = {
        "id": call.new_id("bpc"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {
            "headline": None,
            "privacy_policy_url": None,
            "terms_of_service_url": None,
        }
        | given.get("business_profile", {}),
        "created": call.now,
        "default_return_url": given.get("default_return_url") or None,
        "features": _features({}, given["features"]),
        "is_default": first,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": merged_metadata({}, given.get("metadata")),
        "name": given.get("name") or None,
        "updated": call.now,
    }
    return call.save("portal_configurations", configuration)


def retrieve(call: Call) -> Json:
    """Return one configuration."""
    return call.fetch("portal_configurations")


def update(call: Call) -> Json:
    """Change what customers may do, or whether the configuration is in use."""
    configuration = call.fetch("portal_configurations")
    given = call.params
    configuration |= {"active": given.get("active", configuration["active"]), "updated": call.now}
    if "features" in given:
        configuration["features"] = _features(configuration["features"], given["features"])
    return call.save("portal_configurations", configuration)


def list_all(call: Call) -> Json:
    """List configurations; filters: active, is_default."""
    wanted = {name: call.params[name] for name in ("active", "is_default") if name in call.params}

    def keep(row: Json) -> bool:
        return all(row[name] == value for name, value in wanted.items())

    return list_objects(call, "portal_configurations", keep=keep)


def _features(old: Json, given: Json) -> Json:
    found = _FEATURES | old | given
    wanted = given.get("subscription_update", {})
    found["subscription_update"] = _UPDATE | old.get("subscription_update", {}) | wanted
    return found
