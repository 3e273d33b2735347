"""What ties Stripe's objects to each other, as names to lock: on PostgreSQL two halves must not pass unseen.

A charge knows its PaymentIntent, an invoice payment the PaymentIntent and the invoice, an invoice its
subscription. Two workers that write two of them at the same moment each read before the other commits,
and neither would see that they belong together. So whoever writes one holds the names of its links
until the commit, taken all at once before the first write: the second then reads what the first wrote.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from ledger.engine import lock_names

#: Type of object → (kind of link, where in the object its id stands).
_LINKS: Final[Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "charge": (
        ("charge", ("id",)),
        ("payment_intent", ("payment_intent",)),
        # What velocity is counted by; the same names are held while a payment is judged for fraud.
        ("card", ("payment_method_details", "card", "fingerprint")),
        ("customer", ("customer",)),
    ),
    "dispute": (("charge", ("charge",)),),
    "invoice_payment": (
        ("payment_intent", ("payment", "payment_intent")),
        ("invoice", ("invoice",)),
    ),
    "invoice": (
        ("invoice", ("id",)),
        ("subscription", ("subscription",)),
        ("subscription", ("parent", "subscription_details", "subscription")),
    ),
    "subscription": (("subscription", ("id",)),),
}


def lock_links(connection: Connection, rendered: Iterable[object]) -> None:
    """Hold the links of these objects, as Stripe renders them, until the transaction ends.

    What cannot be read names nothing here; whoever reads the object says what is wrong with it.
    """
    names = {name for one in rendered for name in _names(one)}
    if names:
        lock_names(connection, sorted(names))


def _names(rendered: object) -> Iterable[str]:
    if not isinstance(rendered, Mapping):
        return
    for kind, path in _LINKS.get(str(rendered.get("object")), ()):
        found: Any = rendered
        for step in path:
            found = found.get(step) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            found = found.get("id")
        if isinstance(found, str):
            yield f"link:{kind}:{found}"
