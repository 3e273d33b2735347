"""Notices for tests: an e-mail and a webhook about one decision, harmless unless a test says otherwise."""

from ledger.notice_tables import NoticeChannel
from ledger.notices import NewNotice, Notice, move_notice, notice_by_id, write_notice
from ledger.states import NoticeState
from tests.fakes.frozen_clock import NOON_MS

ADDRESS = "jane.doe@example.org"

CONTENT = {
    "template": "refund_approved",
    "case": 17,
    "terms_version": "2025-09-14",
    "amount": {"amount_minor": 1234, "currency": "usd"},
    "reasons": [
        {"id": "USE-PACK", "title": "Little of the credit pack was used", "holds": True},
        {"id": "FEES", "title": "Who bears the payment processor's fees", "holds": True},
    ],
    "missing": [],
    "given_back": None,
    "credits_restored": 0,
    "credits_revoked": True,
    "subscription_ends": False,
    "arrival_days": [5, 10],
    "review_business_days": 3,
}


def email(key="refund.decided:1:email", *, recipient=ADDRESS, subject_id="17", **content):
    """An e-mail that an approved refund makes; `content` changes its facts."""
    return NewNotice(
        key=key,
        channel=NoticeChannel.EMAIL,
        event="refund.decided",
        subject_id=subject_id,
        recipient=recipient,
        content=CONTENT | content,
    )


def webhook(key="refund.decided:1:webhook", *, event="refund.decided", subject_id="17", **content):
    """A webhook to the product; `content` is its data."""
    return NewNotice(
        key=key,
        channel=NoticeChannel.WEBHOOK,
        event=event,
        subject_id=subject_id,
        content=content or {"case_id": 17, "verdict": "approve"},
    )


def put_notice(store, notice, now_ms=NOON_MS) -> int:
    """Commit a notice; returns its row id."""
    with store.write() as connection:
        row_id = write_notice(connection, notice, now_ms)
    assert row_id is not None
    return row_id


def fail_notice(store, row_id, now_ms):
    """Have a notice that waits be given up."""
    with store.write() as connection:
        seen = notice_by_id(connection, row_id)
        assert move_notice(connection, seen, NoticeState.FAILED, {}, now_ms)


def stored(store, row_id) -> Notice:
    """The notice as its row stands."""
    with store.read() as connection:
        found = notice_by_id(connection, row_id)
    assert found is not None
    return found
