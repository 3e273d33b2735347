"""Was a customer charged twice for the same thing, and does the second payment go back?

Payments that are linked hang together in groups (`payment_groups`). In a group the payments are
judged from the earliest (`created`, then charge id), and each either *stays* or is a duplicate of
one that stays. This order and the links come from the payments alone, so the answer does not depend
on the order in which they became known.

Why a chain of links is not enough for an automatic refund: with payments at 0, 9 and 18 minutes and
a window of 10, the second repeats the first and the third repeats the second. Once the second went
back, the first and the third are as far apart as two purchases made on purpose. So only a link to a
payment that stays makes a refund certain, and a payment that is tied to the group only by others
goes to a person. The other way round, a doubtful link weakens no certain one: a payment that a
person has yet to decide about stays meanwhile, and a certain repetition of it is refunded whatever
the person says. It follows that every automatic refund leaves standing an earlier payment for the
same thing, and so at least one payment of each group.

Source: policy § Duplicates; how they combine, 10 and 13.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policy.duplicate_decisions import decide_cleared, decide_duplicate, redecide
from policy.duplicate_findings import (
    Doubt,
    DuplicateKind,
    Finding,
    Link,
    finding_from_json,
    finding_to_json,
)
from policy.likeness import same_intent
from policy.payment_groups import Group, groups_of
from policy.payments import DisputeStanding, Payment
from policy.terms_file import DuplicateTerms

__all__ = [
    "Doubt",
    "DuplicateKind",
    "Finding",
    "decide_cleared",
    "decide_duplicate",
    "find_duplicates",
    "finding_from_json",
    "finding_to_json",
    "redecide",
]


def find_duplicates(payments: Sequence[Payment], terms: DuplicateTerms) -> tuple[Finding, ...]:
    """One finding for each payment that repeats an earlier one, ordered by charge id.

    Payments that took no money or were refunded in full are no findings. The order of `payments`
    does not matter and a payment may be given more than once.
    """
    findings = [finding for group in groups_of(payments, terms) for finding in _judge(group, terms)]
    return tuple(sorted(findings, key=lambda finding: finding.charge_id))


def _judge(group: Group, terms: DuplicateTerms) -> Iterator[Finding]:
    certain: set[str] = set()
    for position, payment in enumerate(group.payments):
        view = _Earlier(
            payments=group.payments[:position],
            certain=frozenset(certain),
            split_intents=group.split_intents,
            refund_at=terms.refund_at,
        )
        found = [view.judge(payment, *tie) for tie in group.links.get(payment.charge_id, ())]
        # The strongest link, and of equally strong ones that to the earliest payment.
        best = max(filter(None, found), key=lambda finding: finding.confidence, default=None)
        if best is None:
            continue
        if best.confidence >= terms.refund_at:
            certain.add(payment.charge_id)
        if not payment.fully_refunded:
            yield best


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    """The payments of a group before the one that is judged; `certain` are sure duplicates."""

    payments: tuple[Payment, ...]
    certain: frozenset[str]
    split_intents: frozenset[str]
    refund_at: int

    def judge(self, payment: Payment, linked: Payment, link: Link) -> Finding | None:
        """What the link to one earlier payment makes of `payment`: a finding or nothing."""
        kept: Payment | None = linked
        reservations = [*self._reservations(payment, linked)]
        disputed = linked.dispute is DisputeStanding.OPEN and linked.charge_id not in self.certain
        if not self._stays(linked) and not disputed:
            kept = self._first_that_stays(payment)
            reservations.append(Doubt.CHAIN)
        if kept is None:
            return None
        ceiling = self.refund_at - 1 if reservations else link.confidence
        return Finding(
            charge_id=payment.charge_id,
            kept_charge_id=kept.charge_id,
            kind=link.kind,
            confidence=min(link.confidence, ceiling),
            compared={"linked_charge_id": linked.charge_id, **link.compared},
            doubts=tuple(dict.fromkeys((*link.doubts, *reservations))),
        )

    def _stays(self, payment: Payment) -> bool:
        return payment.standing and payment.charge_id not in self.certain

    def _first_that_stays(self, payment: Payment) -> Payment | None:
        """The earliest payment that stays and is not of the same PaymentIntent as `payment`."""
        for earlier in self.payments:
            if self._stays(earlier) and not same_intent(earlier, payment):
                return earlier
        return None

    def _reservations(self, payment: Payment, linked: Payment) -> Iterator[Doubt]:
        """What makes a person look although the two payments are for the same thing."""
        if linked.dispute in (DisputeStanding.OPEN, DisputeStanding.INQUIRY):
            yield Doubt.KEPT_DISPUTED
        if 0 < linked.refunded_minor < linked.captured_minor:
            yield Doubt.KEPT_REFUNDED_IN_PART
        if self.split_intents & {payment.payment_intent_id, linked.payment_intent_id}:
            yield Doubt.SPLIT_INTENT
