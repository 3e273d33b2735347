"""Drafts of terms for the tests: the shipped file with some of its entries changed."""

import re
from importlib.resources import files

SHIPPED = (files("policy") / "terms" / "2025-09-14.toml").read_text(encoding="utf-8")
VERSION = "2031-02-03"

#: Another value for every number of the terms, each of them once.
REQUEST_NUMBERS = {
    "window_days": 13,
    "use_percent": 37,
    "outage_hours": 41,
    "failure_hours": 43,
    "review_business_days": 17,
    "reply_hours": 53,
    "arrival_business_days_min": 19,
    "arrival_business_days_max": 29,
}
WINDOWS = {"same_purchase_window_minutes": 59, "second_subscription_window_hours": 61}
CONFIDENCES = {
    "refund_at": 83,
    "review_at": 47,
    "same_invoice": 98,
    "same_order": 97,
    "second_subscription": 89,
    "same_purchase": 84,
    "same_card": 73,
    "doubtful": 67,
    "product_unknown": 46,
}
SWITCHES = (
    "fee_kept_on_little_use",
    "fee_kept_on_our_error",
    "revoke_credits",
    "end_subscription",
)


def draft(folder, version=VERSION, **entries):
    """The path of a file of terms that differs from the shipped one in `entries`, by their keys."""
    text = SHIPPED
    for key, value in {"version": version, "effective": version, **entries}.items():
        written = value if key == "effective" else _toml(value)
        text, found = re.subn(
            rf'(?m)^("?{key}"?) = .*$', lambda line, to=written: f"{line[1]} = {to}", text
        )
        assert found == 1, key
    path = folder / f"{version}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f"'{value}'"
