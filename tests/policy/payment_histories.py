"""The labelled corpus of payment histories: how its files are read.

A file holds defaults for all its payments (`[payment]`) and one `[[history]]` after the other:

    name        unique in the corpus
    reason      why the label is what it is
    duplicates  the payments that are true duplicates still to be righted (by a person's judgement)
    expect      what the policy must say: {b = "refund"} or "review"; any other payment: no finding
    also_in     other currencies in which the same history holds, each a history of its own
    all         fields of all payments of this history
    a, b, c, …  the payments: only what differs from `all` and the file's defaults

"-" means that there is none, "?" that it is not known, and {} stands for the payment's letter.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from policy.payments import DisputeStanding, InvoiceFacts, Payment, SubscriptionFacts

FOLDER = Path(__file__).parent / "corpus"
DAY_START = 1_790_000_000
BARE = {
    "at": 0,
    "pi": "pi_{}",
    "amount": 4900,
    "refunded": 0,
    "currency": "usd",
    "customer": "cus_ada",
    "card": "fp_ada",
    "order": "-",
    "product": "-",
    "invoice": "-",
    "sub": "-",
    "billing": "-",
    "due": "-",
    "prices": [],
    "sub_created": "-",
    "sub_ended": "-",
    "sub_status": "-",
    "dispute": "none",
    "disputed": 0,
    "live": True,
}
HISTORY_KEYS = {"name", "reason", "duplicates", "expect", "also_in", "all"}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Payments of one or more customers, with what a careful person says about them."""

    kind: str
    name: str
    reason: str
    payments: tuple[Payment, ...]
    duplicates: frozenset[str]
    expect: Mapping[str, str]


def load_corpus() -> list[History]:
    """Every history of every file."""
    return [history for path in sorted(FOLDER.glob("*.toml")) for history in _file(path)]


def payment(letter: str = "a", **given: object) -> Payment:
    """One payment from the short fields of the corpus; what is not given has its default."""
    unknown = set(given) - set(BARE)
    if unknown:
        raise ValueError(f"payment {letter}: unknown fields {sorted(unknown)}")
    fields = {
        key: value.format(letter) if isinstance(value, str) else value
        for key, value in (BARE | given).items()
    }
    return Payment(
        charge_id=f"ch_{letter}",
        payment_intent_id=_known(fields["pi"]),
        created=DAY_START + fields["at"],
        captured_minor=fields["amount"],
        refunded_minor=fields["refunded"],
        currency=fields["currency"],
        customer_id=_known(fields["customer"]),
        card_fingerprint=_known(fields["card"]),
        order_reference=_known(fields["order"]),
        product=_known(fields["product"]),
        invoice=_invoice(fields),
        invoice_known=fields["invoice"] != "?",
        subscription=_subscription(fields),
        dispute=DisputeStanding(fields["dispute"]),
        disputed_minor=fields["disputed"],
        livemode=fields["live"],
    )


def _invoice(fields: Mapping[str, object]) -> InvoiceFacts | None:
    if fields["invoice"] in ("-", "?"):
        return None
    return InvoiceFacts(
        invoice_id=fields["invoice"],
        subscription_id=_known(fields["sub"]),
        billing_reason=_known(fields["billing"]),
        amount_due_minor=_known(fields["due"]),
        price_ids=tuple(fields["prices"]),
    )


def _subscription(fields: Mapping[str, object]) -> SubscriptionFacts | None:
    if fields["sub_status"] in ("-", "?"):
        return None
    created = fields["at"] if fields["sub_created"] == "-" else fields["sub_created"]
    ended = _known(fields["sub_ended"])
    return SubscriptionFacts(
        subscription_id=fields["sub"],
        created=DAY_START + created,
        ended_at=None if ended is None else DAY_START + ended,
        status=fields["sub_status"],
    )


def _known(value: object) -> object:
    return None if value in ("-", "?") else value


def _file(path: Path) -> Iterator[History]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    for told in content["history"]:
        letters = sorted(set(told) - HISTORY_KEYS)
        base = content["payment"] | told.get("all", {})
        for currency in (None, *told.get("also_in", ())):
            extra = {} if currency is None else {"currency": currency}
            yield History(
                kind=path.stem,
                name=told["name"] if currency is None else f"{told['name']} ({currency})",
                reason=told["reason"],
                payments=tuple(
                    payment(letter, **base | told[letter] | extra) for letter in letters
                ),
                duplicates=frozenset(f"ch_{letter}" for letter in told["duplicates"]),
                expect={f"ch_{letter}": said for letter, said in told["expect"].items()},
            )
