"""What every job works with: handed in as one argument, so that tests and the simulator bring their own."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from ledger.engine import Store
from runtime.bells import Bell
from runtime.clock import Clock
from runtime.queues import (
    CHANGE_PLAN_JOB,
    END_SUBSCRIPTION_JOB,
    JUDGE_CLAIM_JOB,
    JUDGE_REQUEST_JOB,
    LOOK_UP_JOB,
    RESTORE_PLAN_JOB,
    SEND_NOTICE_JOB,
    SEND_REFUND_JOB,
)
from runtime.settings import Settings
from workers.catalogue_book import CatalogueBook
from workers.crash_points import CrashPoints, NoCrash
from workers.gateway import Gateway
from workers.notice_carriers import Carriers
from workers.shadow_terms import ShadowTerms
from workers.terms_book import TermsBook


class JudgingContext(Protocol):
    """What judging needs of a context: it never calls Stripe, and rings for nothing itself."""

    @property
    def settings(self) -> Settings:
        """The process's settings."""

    @property
    def clock(self) -> Clock:
        """Whose moments decisions are made at."""

    @property
    def terms(self) -> TermsBook:
        """The terms by the moment of a purchase."""

    @property
    def shadow(self) -> ShadowTerms | None:
        """Terms that decide beside them, if there are any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """The store, the clock, Stripe, the bell, and the rules of one process."""

    settings: Settings
    store: Store
    clock: Clock
    gateway: Gateway
    wakeups: Bell
    terms: TermsBook
    catalogue: CatalogueBook = field(default_factory=CatalogueBook)
    shadow: ShadowTerms | None = None
    crash: CrashPoints = field(default_factory=NoCrash)
    carriers: Carriers | None = None  # who takes notices out; None: whom the settings name


def ring_for(
    wakeups: Bell,
    intents: Iterable[str],
    look_ups: Iterable[int],
    *,
    notices: Iterable[int] = (),
    requests: Iterable[int] = (),
    ends: Iterable[int] = (),
    claims: Iterable[int] = (),
    plans: Iterable[int] = (),
    seen_plans: Iterable[int] = (),
) -> None:
    """Wake the workers for these rows, after the commit that made them due."""
    for intent_id in sorted(intents):
        wakeups.wake_effect(SEND_REFUND_JOB, intent_id)
    rows = {
        LOOK_UP_JOB: look_ups,
        SEND_NOTICE_JOB: notices,
        JUDGE_REQUEST_JOB: requests,
        END_SUBSCRIPTION_JOB: ends,
        JUDGE_CLAIM_JOB: claims,
        CHANGE_PLAN_JOB: plans,
        RESTORE_PLAN_JOB: seen_plans,
    }
    for job_name, row_ids in rows.items():
        for row_id in sorted(row_ids):
            wakeups.wake_effect(job_name, row_id)
