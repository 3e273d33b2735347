"""The evidence pack of one dispute as JSON. It holds the customer's personal data."""

import json
from typing import Any

from ops.evidence_pack import Buyer, EvidencePack


def pack_document(pack: EvidencePack) -> dict[str, Any]:
    """The pack as JSON; amounts are minor units, times unix seconds or, named `_ms`, milliseconds."""
    return {
        "dispute": _dispute(pack),
        "payment": _payment(pack),
        "terms_version": pack.terms_version,
        **_lists(pack),
        "decisions": [
            {"made_ms": made_ms, **json.loads(decision.to_json())}
            for made_ms, decision in pack.decisions
        ],
        "compelling_evidence": _compelling(pack),
    }


def _dispute(pack: EvidencePack) -> dict[str, Any]:
    dispute = pack.dispute
    return {
        "dispute_id": dispute.dispute_id,
        "status": dispute.status,
        "reason": dispute.reason,
        "network_reason_code": dispute.network_reason_code,
        "amount_minor": dispute.amount_minor,
        "currency": dispute.currency,
        "created": dispute.created,
        "due_by": dispute.due_by,
    }


def _payment(pack: EvidencePack) -> dict[str, Any]:
    charge = pack.charge
    return {
        "charge_id": charge.charge_id,
        "amount_minor": charge.captured_minor,
        "refunded_minor": charge.refunded_minor,
        "currency": charge.currency,
        "created": charge.created,
        "network": charge.card_network,
        "product_description": pack.descriptions[charge.charge_id],
        "signals": json.loads(charge.signals),
        **_buyer(pack.buyer),
    }


def _lists(pack: EvidencePack) -> dict[str, Any]:
    facts = pack.facts
    return {
        "usage": [
            {
                "at": row.at,
                "credits": -row.credits,
                "successful": row.successful,
                "key": row.key,
            }
            for row in facts.usage
        ],
        "payments": [
            {
                "charge_id": row.charge_id,
                "created": row.created,
                "amount_minor": row.captured_minor,
                "refunded_minor": row.refunded_minor,
                "currency": row.currency,
                "disputed_or_reported": row.charge_id in facts.accused,
            }
            for row in facts.payments
        ],
        "requests": [
            {
                "request_id": row.id,
                "asked_at": row.asked_at,
                "reasons": json.loads(row.reasons),
                "product": row.product,
                "evidence": row.evidence,
                "state": row.state,
            }
            for row in facts.requests
        ],
        "notices": [
            {"event": row.event, "about": row.subject_id, "sent_ms": row.sent_ms}
            for row in facts.notices
        ],
    }


def _compelling(pack: EvidencePack) -> dict[str, Any]:
    found = pack.compelling
    return {
        "qualifies": found.qualifies,
        "why_not": found.why_not,
        "agreed": list(found.agreed),
        "prior": [
            {
                "charge_id": charge_id,
                "product_description": pack.descriptions[charge_id],
                **_buyer(pack.buyers[charge_id]),
            }
            for charge_id in found.prior
        ],
    }


def _buyer(buyer: Buyer) -> dict[str, str | None]:
    return {
        "customer_id": buyer.customer_id,
        "email": buyer.email,
        "ip_address": buyer.ip_address,
        "device_id": buyer.device_id,
    }
