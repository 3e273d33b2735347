"""What is known of payments at one moment of a back-test, in memory: the same facts as the ledger would give.

`ledger/fraud_facts.py` and `ledger/fraud_reports.py` say what each fact is; a test holds the two against each other.
What is older than any report could speak about is let go, so that memory follows the shop's size and not its age.
"""

import bisect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from ledger.fraud_facts import REPORT_SECONDS, SHARED, TRIES_MAX
from ledger.payment_facts import dispute_standing, worst_dispute
from policy.fraud_signals import DAY_SECONDS, Signal, Try, newness
from policy.payments import DisputeStanding

#: Deliveries are tried for three days; what comes later than this after its time finds its payment gone.
KEPT_SECONDS: Final = REPORT_SECONDS + 7 * DAY_SECONDS
_NOT_FRAUD: Final = frozenset({"won", "warning_closed", "prevented"})
_GOOD_MAX: Final = 10
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(slots=True, kw_only=True)
class SeenPayment:
    """One payment as the events so far tell it. Amounts are minor units of the try's currency."""

    own: Try
    told: Mapping[str, Signal]
    captured_minor: int
    refunded_minor: int
    # Shared while empty, and put anew when something comes: of most payments nothing does, and there are many.
    disputes: Mapping[str, tuple[str, str | None, int]] = field(default_factory=lambda: _NOTHING)
    warnings: frozenset[str] = frozenset()
    reviews: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    @property
    def left_minor(self) -> int:
        """Captured less refunded; 0 for a try that took nothing."""
        return max(0, self.captured_minor - self.refunded_minor) if self.own.succeeded else 0

    @property
    def standing(self) -> DisputeStanding:
        """Where its disputes stand, the worst of them."""
        told = [(dispute_standing(status), minor) for status, _, minor in self.disputes.values()]
        return worst_dispute(told)[0]

    @property
    def fraud_disputes(self) -> int:
        """Its disputes that say fraud, unless the bank found otherwise."""
        return sum(
            reason == "fraudulent" and status not in _NOT_FRAUD
            for status, reason, _ in self.disputes.values()
        )

    @property
    def review(self) -> str | None:
        """`open` while one is, else why the last of them (by id) was closed."""
        words = [self.reviews[review_id] for review_id in sorted(self.reviews)]
        return "open" if "open" in words else (words[-1] if words else None)


class CaseHistory:
    """The payments of the last months, by id and by what they share."""

    def __init__(self) -> None:
        self.payments: dict[str, SeenPayment] = {}
        self._sharing: dict[str, dict[str, list[tuple[int, str]]]] = {name: {} for name in SHARED}
        self._ages: list[tuple[int, str]] = []
        self._customers: dict[str, tuple[int | None, str | None]] = {}

    def put_try(
        self, own: Try, told: str, captured_minor: int, refunded_minor: int
    ) -> tuple[SeenPayment, bool]:
        """Write a try as it reads now; it, and whether anything but its refunds changed."""
        known = self.payments.get(own.charge_id)
        if known is None:
            seen = SeenPayment(
                own=own,
                told=_told(told),
                captured_minor=captured_minor,
                refunded_minor=refunded_minor,
            )
            self.payments[own.charge_id] = seen
            self._index(own)
            return seen, True
        telling = (known.own, known.told, known.captured_minor)
        if known.own != own:
            self._unindex(known.own)
            self._index(own)
        known.own, known.told, known.captured_minor = own, _told(told), captured_minor
        known.refunded_minor = refunded_minor
        return known, telling != (known.own, known.told, known.captured_minor)

    def put_customer(
        self, customer_id: str, since: int | None, disposable: str | None
    ) -> list[str]:
        """Write what a customer tells; his payments, if that is news. It is kept: there are fewer of them than payments."""
        told = (since, disposable)
        if self._customers.get(customer_id) == told:
            return []
        self._customers[customer_id] = told
        entries = self._sharing["customer"].get(customer_id, [])
        return [charge_id for _, charge_id in entries[-TRIES_MAX:]]

    def of_customer(self, own: Try) -> dict[str, Signal]:
        """What the customer of a payment tells, where its charge does not."""
        since, disposable = self._customers.get(own.customer or "", (None, None))
        return {"disposable_email": disposable, "new_customer": newness(own.created, since)}

    def tries_before(self, own: Try) -> list[Try]:
        """The tries that share something with this one, from the day that ends with it."""
        found: dict[str, Try] = {}
        for entries in self._of(own):
            start = bisect.bisect_left(entries, (own.created - DAY_SECONDS, ""))
            end = bisect.bisect_right(entries, (own.created, "\uffff"))
            for _, charge_id in entries[max(start, end - TRIES_MAX) : end]:
                found[charge_id] = self.payments[charge_id].own
        return list(found.values())

    def later_payments(self, own: Try) -> list[str]:
        """The payments that came after a try and count it among theirs."""
        found: set[str] = set()
        for entries in self._of(own):
            start = bisect.bisect_left(entries, (own.created, ""))
            end = bisect.bisect_right(entries, (own.created + DAY_SECONDS, "\uffff"))
            found |= {charge_id for _, charge_id in entries[start : min(end, start + TRIES_MAX)]}
        found.discard(own.charge_id)
        return sorted(one for one in found if self.payments[one].own.succeeded)

    def payments_of_card(self, own: Try) -> list[str]:
        """The tries of its card that a report about it speaks about, itself included, the newest first."""
        entries = self._sharing["card"].get(own.card or "", [])
        start = bisect.bisect_left(entries, (own.created - REPORT_SECONDS, ""))
        end = bisect.bisect_right(entries, (own.created + REPORT_SECONDS, "\uffff"))
        newest = entries[max(start, end - TRIES_MAX) : end]
        return [charge_id for _, charge_id in reversed(newest)]

    def good_payments(self, own: Try, before: int) -> int:
        """How many undisputed payments the customer made before a unix second, up to a few.

        Of those that were let go, only how many there were up to now is lost: a few are enough.
        """
        entries = self._sharing["customer"].get(own.customer or "", [])
        good = 0
        for _, charge_id in reversed(entries[: bisect.bisect_left(entries, (before, ""))]):
            seen = self.payments[charge_id]
            good += seen.own.succeeded and not seen.disputes
            if good == _GOOD_MAX:
                break
        return good

    def let_go(self, now: int) -> Iterator[SeenPayment]:
        """Take away what no report can speak about any more; each payment as it ended."""
        gone = bisect.bisect_left(self._ages, (now - KEPT_SECONDS, ""))
        for _, charge_id in self._ages[:gone]:
            seen = self.payments.pop(charge_id)
            self._unindex(seen.own, aged=False)
            yield seen
        del self._ages[:gone]

    def let_all_go(self) -> Iterator[SeenPayment]:
        """Take everything away, the oldest first."""
        yield from [self.payments[charge_id] for _, charge_id in self._ages]
        self.payments.clear()
        self._sharing = {name: {} for name in SHARED}
        self._ages.clear()

    def _of(self, own: Try) -> Iterator[list[tuple[int, str]]]:
        for name in SHARED:
            value = getattr(own, name)
            if value is not None:
                yield self._sharing[name].get(value, [])

    def _index(self, own: Try) -> None:
        entry = (own.created, own.charge_id)
        bisect.insort(self._ages, entry)
        for name in SHARED:
            if (value := getattr(own, name)) is not None:
                bisect.insort(self._sharing[name].setdefault(value, []), entry)

    def _unindex(self, own: Try, *, aged: bool = True) -> None:
        entry = (own.created, own.charge_id)
        if aged:
            self._ages.remove(entry)
        for name in SHARED:
            if (value := getattr(own, name)) is not None:
                entries = self._sharing[name][value]
                entries.remove(entry)
                if not entries:
                    del self._sharing[name][value]


@lru_cache(maxsize=10_000)
def _told(written: str) -> Mapping[str, Signal]:
    """What a charge tells of itself: few say anything that no other says, and each is kept once."""
    loaded: dict[str, Signal] = json.loads(written)
    return MappingProxyType(loaded)
