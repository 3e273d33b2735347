"""The ids of the policy's clauses, which decisions, logs, e-mails and the dashboard cite.

An id is never renamed or removed: stored decisions name it for as long as they are kept. The titles
for people are in the terms file, because a new version of the terms may word them anew.
"""

from enum import StrEnum


class Clause(StrEnum):
    """One clause of the refund policy of 14 September 2025."""

    WINDOW = "WINDOW"
    USE_SUB = "USE-SUB"
    USE_PACK = "USE-PACK"
    TECH = "TECH"
    OUTAGE = "OUTAGE"
    FLAG_ERROR = "FLAG-ERROR"
    BILLING = "BILLING"
    X_USE = "X-USE"
    X_TERMS = "X-TERMS"
    X_TASTE = "X-TASTE"
    X_LATE = "X-LATE"
    X_ABUSE = "X-ABUSE"
    X_DONE = "X-DONE"
    X_EXPIRED = "X-EXPIRED"
    ANNUAL = "ANNUAL"
    CHANGE_DOWN = "CHANGE-DOWN"
    CHANGE_UP = "CHANGE-UP"
    CHANGE_ANNUAL = "CHANGE-ANNUAL"
    FRAUD_REFUND = "FRAUD-REFUND"
    FRAUD_CANCEL = "FRAUD-CANCEL"
    FRAUD_SUSPEND = "FRAUD-SUSPEND"
    METHOD = "METHOD"
    CURRENCY = "CURRENCY"
    FEES = "FEES"
    TIMING = "TIMING"
    PART_OUTAGE = "PART-OUTAGE"
    PART_CREDITS = "PART-CREDITS"
    PART_LOST = "PART-LOST"
    REVIEW_3BD = "REVIEW-3BD"
    REPLY_24H = "REPLY-24H"
    NOTIFY = "NOTIFY"
    INTAKE = "INTAKE"
    APPEAL = "APPEAL"
