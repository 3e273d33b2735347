"""What the product is told by webhook beside decisions: how an account stands now, and which credits went or came.

Each is written in the transaction of what it tells, where the product has an endpoint.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from ledger.accounts import Account
from ledger.notice_tables import NoticeChannel
from ledger.notices import NewNotice, write_notice
from ledger.states import Standing
from policy.canonical_json import Json
from runtime.settings import Settings

STANDING_EVENTS: Final = {
    Standing.SUSPENDED: "account.suspended",
    Standing.CLOSED: "account.closed",
    Standing.ACTIVE: "account.reinstated",
}
CREDITS_REVOKED: Final = "credits.revoked"
CREDITS_RESTORED: Final = "credits.restored"

#: Every type of webhook that the product is sent, beside `refund.decided`; docs/api.md lists them.
EVENT_TYPES: Final = (*STANDING_EVENTS.values(), CREDITS_REVOKED, CREDITS_RESTORED)


def product_listens(settings: Settings) -> bool:
    """Whether the product has an endpoint to be told at."""
    return settings.redress_product_webhook_url is not None


def tell_standing(
    connection: Connection, before: Account, after: Account, *, audit_id: int, now_ms: int
) -> int | None:
    """Tell that an account stands otherwise; the notice's row id, None when it stands as before.

    `audit_id` is the audit log's entry of the change: one change is told once. Who changed it, and the
    words of the reason, stay inside.
    """
    if before.standing is after.standing:
        return None
    event = STANDING_EVENTS[after.standing]
    content: dict[str, Json] = {
        "customer_id": after.customer_id,
        "standing": after.standing.value,
        "standing_before": before.standing.value,
        "cause": None if after.cause is None else after.cause.value,
    }
    return _write(
        connection,
        event,
        content,
        once=audit_id,
        subject_id=after.customer_id,
        now_ms=now_ms,
    )


def tell_revoked(
    connection: Connection,
    *,
    customer_id: str | None,
    case_id: int | None,
    charge_id: str | None,
    by: str,
    credits: int,  # noqa: A002 - the field's own word
    now_ms: int,
) -> int | None:
    """Tell that what was left of a purchase was taken; the notice's row id.

    `by` is what took it: the refund's intent, or the invoice that was undone without a case.
    """
    content: dict[str, Json] = {
        "customer_id": customer_id,
        "case_id": case_id,
        "charge_id": charge_id,
        "credits": credits,
    }
    return _write(
        connection,
        CREDITS_REVOKED,
        content,
        once=by,
        subject_id=by if case_id is None else str(case_id),
        now_ms=now_ms,
    )


def tell_restored(
    connection: Connection,
    *,
    customer_id: str,
    claim_id: int,
    decision_id: int,
    reference: str,
    credits: int,  # noqa: A002 - the field's own word
    now_ms: int,
) -> int | None:
    """Tell that credits which were asked back are there again; the notice's row id."""
    content: dict[str, Json] = {
        "customer_id": customer_id,
        "claim_id": claim_id,
        "reference": reference,
        "credits": credits,
    }
    return _write(
        connection,
        CREDITS_RESTORED,
        content,
        once=decision_id,
        subject_id=customer_id,
        now_ms=now_ms,
    )


def _write(
    connection: Connection,
    event: str,
    content: Mapping[str, Json],
    *,
    once: str | int,
    subject_id: str,
    now_ms: int,
) -> int | None:
    notice = NewNotice(
        key=f"{event}:{once}:webhook",
        channel=NoticeChannel.WEBHOOK,
        event=event,
        subject_id=subject_id,
        content=content,
    )
    return write_notice(connection, notice, now_ms)
