"""The evidence pack of one dispute: what a bank may want to see, out of the ledger and the events that Stripe sent.

It holds personal data of the customer whose dispute it is, and is made only when a person asks for it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from ledger.dispute_rows import Dispute
from ledger.evidence_facts import EvidenceFacts, evidence_facts
from ledger.payment_facts import payments_by_charge
from ledger.purchase_credits import purchase_credits
from ledger.purchase_sources import sources_of
from ledger.rows import AnyRow
from ops.moments import moment_text
from policy.compelling_evidence import CompellingEvidence
from policy.decision import Decision
from policy.money import Money
from workers.charge_signals import DEVICE_KEY, IP_KEY
from workers.rendered_fields import RenderedFields, UnreadableRendering
from workers.terms_book import TermsBook

_WHAT_IS_SOLD: Final = "credits for making AI images and video"


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """What a payment's event told of who paid. None: not told, or the event is gone."""

    customer_id: str | None
    email: str | None = field(repr=False)
    ip_address: str | None = field(repr=False)
    device_id: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePack:
    """Everything, ready to be shown. Times are unix seconds; `descriptions` and `buyers` by charge, of the disputed and the two earlier ones."""

    dispute: Dispute
    charge: AnyRow
    terms_version: str
    facts: EvidenceFacts
    descriptions: Mapping[str, str]
    buyers: Mapping[str, Buyer]
    decisions: Sequence[tuple[int, Decision]]  # made (unix ms), the decision

    @property
    def compelling(self) -> CompellingEvidence:
        """Whether earlier payments speak for this one (Visa CE 3.0)."""
        return self.facts.compelling

    @property
    def buyer(self) -> Buyer:
        """Who made the disputed payment."""
        return self.buyers[self.charge.charge_id]


def evidence_pack(
    connection: Connection, terms: TermsBook, dispute_id: str, described: str | None = None
) -> EvidencePack | None:
    """The pack; None when the ledger knows no such dispute or not its charge. `described`: a person's words for the product."""
    facts = evidence_facts(connection, dispute_id)
    if facts is None:
        return None
    charge_ids = [facts.charge.charge_id, *facts.compelling.prior]
    rows = {row.charge_id: row for row in facts.payments}
    return EvidencePack(
        dispute=facts.dispute,
        charge=facts.charge,
        terms_version=terms.in_force(facts.charge.created).version,
        facts=facts,
        descriptions={
            charge_id: described or _description(connection, charge_id) for charge_id in charge_ids
        },
        buyers={
            charge_id: _buyer(rows[charge_id], facts.told.get(charge_id))
            for charge_id in charge_ids
        },
        decisions=[(row.made_ms, Decision.from_json(row.body)) for row in facts.decisions],
    )


def activity_log(pack: EvidencePack, chars_max: int) -> str:
    """What the customer used after the payment, a line each, the newest left out where it gets too long."""
    lines: list[str] = []
    left = chars_max
    for row in pack.facts.usage:
        how = {True: "successful", False: "failed", None: "outcome not reported"}[row.successful]
        line = f"{moment_text(row.at * 1_000)} {-row.credits} credits used, {how}"
        left -= len(line) + 1
        if left < 0:
            break
        lines.append(line)
    return "\n".join(lines)


def _buyer(row: AnyRow, payload: bytes | None) -> Buyer:
    """Out of the event that told the charge's newest state; one that does not read as a charge tells nothing."""
    empty = Buyer(customer_id=row.customer_id, email=None, ip_address=None, device_id=None)
    if payload is None:
        return empty
    try:
        told = RenderedFields(json.loads(payload), "event").part("data").part("object")
        if told.text_or_none("object") != "charge":
            return empty
        metadata = told.part("metadata")
        address = told.part("billing_details").text_or_none("email")
        return Buyer(
            customer_id=row.customer_id,
            email=address or told.text_or_none("receipt_email"),
            ip_address=metadata.text_or_none(IP_KEY),
            device_id=metadata.text_or_none(DEVICE_KEY),
        )
    except UnreadableRendering:
        return empty


def _description(connection: Connection, charge_id: str) -> str:
    """What was bought, by what the purchase brought; the general word where that is not known."""
    payment = payments_by_charge(connection, [charge_id])[charge_id]
    issued = purchase_credits(connection, sources_of(connection, payment)).issued
    amount = Money(amount_minor=payment.captured_minor, currency=payment.currency)
    what = _WHAT_IS_SOLD if issued is None else f"{issued} {_WHAT_IS_SOLD}"
    return f"{what[0].upper()}{what[1:]}, delivered online at once, for {amount}"
