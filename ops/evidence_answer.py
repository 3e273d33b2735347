"""The call that hands a dispute's evidence in, out of its pack: Stripe's own fields, and no more personal data than they ask for.

Source: https://docs.stripe.com/api/disputes/update and https://docs.stripe.com/disputes/api/visa-ce3 (2026-10-28.endive).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from ops.evidence_pack import Buyer, EvidencePack, activity_log
from ops.moments import moment_text
from policy.canonical_json import Json, dump_canonical
from policy.compelling_evidence import Element, is_enough
from policy.money import Money

#: Stripe's limit for one text of the evidence.
TEXT_CHARS_MAX: Final = 20_000
#: Visa takes a device id from so many characters on.
_DEVICE_ID_CHARS_MIN: Final = 15
_FIELDS: Final[Mapping[Element, str]] = {
    Element.ACCOUNT: "customer_account_id",
    Element.DEVICE: "customer_device_id",
    Element.EMAIL: "customer_email_address",
    Element.PURCHASE_IP: "customer_purchase_ip",
}


def answer_params(pack: EvidencePack, statement: str | None) -> str:
    """The parameters of the call as canonical JSON; `statement` is what a person adds in his own words."""
    bought = datetime.fromtimestamp(pack.charge.created, UTC).date().isoformat()
    evidence: dict[str, Json] = {
        "product_description": pack.descriptions[pack.charge.charge_id],
        "service_date": bought,
        "customer_email_address": pack.buyer.email,
        "customer_purchase_ip": pack.buyer.ip_address,
        "access_activity_log": activity_log(pack, TEXT_CHARS_MAX) or None,
        "refund_policy_disclosure": (
            f"The refund terms of {pack.terms_version} were published and in force when the payment"
            f" was made, {moment_text(pack.charge.created * 1_000)}."
        ),
        "uncategorized_text": _told(pack, statement)[:TEXT_CHARS_MAX] or None,
    }
    answer: dict[str, Json] = {name: text for name, text in evidence.items() if text is not None}
    if can_be_told(pack):
        answer["enhanced_evidence"] = {"visa_compelling_evidence_3": _compelling(pack)}
    return dump_canonical({"evidence": answer, "submit": True})


def can_be_told(pack: EvidencePack) -> bool:
    """Whether what earlier payments agree on can be written out: the ledger keeps digests, the events the words."""
    told = [_elements(buyer) for buyer in pack.buyers.values()]
    agreed = tuple(
        one for one in pack.compelling.agreed if all(_FIELDS[one] in each for each in told)
    )
    return pack.compelling.qualifies and is_enough(agreed)


def _told(pack: EvidencePack, statement: str | None) -> str:
    sentences = [] if statement is None else [statement]
    for row in pack.facts.payments:
        if row.charge_id != pack.charge.charge_id:
            paid = Money(amount_minor=row.captured_minor, currency=row.currency)
            accused = (
                "disputed or reported" if row.charge_id in pack.facts.accused else "undisputed"
            )
            sentences.append(
                f"Related payment {row.charge_id}: {paid} on {moment_text(row.created * 1_000)}, {accused}."
            )
    back = pack.charge.refunded_minor
    if back:
        amount = Money(amount_minor=back, currency=pack.charge.currency)
        sentences.append(f"{amount} of this payment went back before the dispute was answered.")
    return "\n".join(sentences)


def _compelling(pack: EvidencePack) -> Json:
    charge_id = pack.charge.charge_id
    return {
        "disputed_transaction": {
            **_elements(pack.buyer),
            "merchandise_or_services": "services",
            "product_description": pack.descriptions[charge_id],
        },
        "prior_undisputed_transactions": [
            {
                "charge": prior,
                **_elements(pack.buyers[prior]),
                "product_description": pack.descriptions[prior],
            }
            for prior in pack.compelling.prior
        ],
    }


def _elements(buyer: Buyer) -> Mapping[str, Json]:
    device = buyer.device_id
    told: dict[str, Json] = {
        _FIELDS[Element.ACCOUNT]: buyer.customer_id,
        _FIELDS[Element.DEVICE]: device if len(device or "") >= _DEVICE_ID_CHARS_MIN else None,
        _FIELDS[Element.EMAIL]: buyer.email,
        _FIELDS[Element.PURCHASE_IP]: buyer.ip_address,
    }
    return {name: text for name, text in told.items() if text is not None}
