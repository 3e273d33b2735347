"""Payments that hang together because each is linked to another one of them.

A group is a connected component of the links between payments, so which payments it holds depends
only on the payments and never on the order in which they became known.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policy.checks import MalformedFactError
from policy.duplicate_findings import Link
from policy.invoice_coverage import coverage_before_each
from policy.payment_links import link_between
from policy.payments import Payment, creation_order
from policy.terms_file import DuplicateTerms

LinksToEarlier = Mapping[str, Sequence[tuple[Payment, Link]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Two or more payments from the earliest, and for each charge id its links to earlier ones.

    `split_intents` are the PaymentIntents that took money in several charges, whether all of them
    are linked or not: each such charge is only a part of what was paid.
    """

    payments: tuple[Payment, ...]
    links: LinksToEarlier
    split_intents: frozenset[str]


def groups_of(payments: Sequence[Payment], terms: DuplicateTerms) -> Iterator[Group]:
    """The groups among the payments that took money, in each currency and mode by itself.

    Raises MalformedFactError when two different payments bear one charge id.
    """
    paid = sorted((each for each in set(payments) if each.captured_minor > 0), key=creation_order)
    if len({payment.charge_id for payment in paid}) != len(paid):
        raise MalformedFactError("two different payments bear one charge id")
    shelves: dict[tuple[bool, str], list[Payment]] = {}
    for payment in paid:
        shelves.setdefault((payment.livemode, payment.currency), []).append(payment)
    for shelf in shelves.values():
        links = _links(shelf, terms)
        for component in _components(shelf, links):
            yield Group(
                payments=component,
                links=links,
                split_intents=_split_intents(shelf),
            )


def _split_intents(shelf: Sequence[Payment]) -> frozenset[str]:
    counted = Counter(payment.payment_intent_id for payment in shelf)
    return frozenset(intent for intent, times in counted.items() if intent and times > 1)


def _links(ordered: Sequence[Payment], terms: DuplicateTerms) -> LinksToEarlier:
    """For each charge id its links to earlier payments, the earliest first."""
    coverage = coverage_before_each(ordered)
    links: dict[str, list[tuple[Payment, Link]]] = {}
    for position, later in enumerate(ordered):
        for earlier in ordered[:position]:
            link = link_between(earlier, later, terms, coverage)
            if link is not None and link.confidence >= terms.review_at:
                links.setdefault(later.charge_id, []).append((earlier, link))
    return links


def _components(ordered: Sequence[Payment], links: LinksToEarlier) -> list[tuple[Payment, ...]]:
    """The connected components of two or more payments, each from its earliest payment."""
    component_of = {payment.charge_id: [payment] for payment in ordered}
    for payment in ordered:
        for earlier, _ in links.get(payment.charge_id, ()):
            mine, theirs = component_of[payment.charge_id], component_of[earlier.charge_id]
            if mine is theirs:
                continue
            theirs.extend(mine)
            component_of.update({member.charge_id: theirs for member in mine})
    distinct = {id(component): component for component in component_of.values()}
    return [
        tuple(sorted(component, key=creation_order))
        for component in distinct.values()
        if len(component) > 1
    ]
