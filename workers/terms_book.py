"""Every version of the terms, read once: which one decides about a purchase of a given moment."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Self

from ledger.payment_facts import Reach
from policy.payment_links import link_between
from policy.payments import Payment, creation_order
from policy.terms_file import Terms, load_every_version
from runtime.settings import Settings


class TermsBook:
    """The terms by effective date. Raises TermsError at birth when a file cannot be understood."""

    def __init__(self, versions: Sequence[Terms] | None = None) -> None:
        """`versions` are the shipped ones unless others are given, the one that took effect first at the front."""
        self._versions = load_every_version() if versions is None else tuple(versions)
        self._effective = [terms.effective for terms in self._versions]

    @classmethod
    def by(cls, settings: Settings) -> Self:
        """The terms that these settings name."""
        return cls(load_every_version(settings.redress_terms))

    @property
    def newest(self) -> Terms:
        """The version that took effect last."""
        return self._versions[-1]

    def in_force(self, at: int) -> Terms:
        """The version that held at the unix second `at`; the first one for all time before it."""
        return self._versions[max(0, bisect_right(self._effective, at) - 1)]

    def reach(self) -> Reach:
        """How far apart payments may be and still be compared under any version."""
        terms = [version.duplicates for version in self._versions]
        return Reach(
            purchase_seconds=max(one.same_purchase_window_seconds for one in terms),
            subscription_seconds=max(one.second_subscription_window_seconds for one in terms),
        )

    def related(self, one: Payment, other: Payment) -> bool:
        """Whether two payments belong in one group, so that one is never judged without the other."""
        if (one.livemode, one.currency) != (other.livemode, other.currency):
            return False
        invoices = (one.invoice, other.invoice)
        if None not in invoices and len({each.invoice_id for each in invoices if each}) == 1:
            return True
        earlier, later = sorted((one, other), key=creation_order)
        terms = self.in_force(later.created).duplicates
        return link_between(earlier, later, terms, {}) is not None
