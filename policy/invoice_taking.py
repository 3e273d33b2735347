"""What the invoice of a subscription really took: discounts, tax, prorations, the customer's balance, credit notes.

Amounts are minor units of the payment's currency. Source: policy § Clauses `ANNUAL`, § How they combine 8 to 10.
"""

from dataclasses import asdict, dataclass, fields

from policy.canonical_json import Json, array, exact_keys
from policy.checks import MalformedFactError, require_count, require_member, require_text


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierInvoice:
    """One invoice that the subscription had before, told so that a decision shows the chain.

    `billing_reason` is Stripe's word, `plans` the prices billed for a whole period, `paid_minor` what payments
    paid, `created` unix seconds. Raises MalformedFactError at birth.
    """

    invoice_id: str
    billing_reason: str
    plans: tuple[str, ...]
    paid_minor: int
    created: int

    def __post_init__(self) -> None:
        """Refuse wrong types."""
        require_text("invoice_id", self.invoice_id)
        require_text("billing_reason", self.billing_reason)
        require_member("plans", self.plans, tuple)
        for plan in self.plans:
            require_text("plans", plan)
        require_count("paid_minor", self.paid_minor)
        require_count("created", self.created)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceTaking:
    """What one invoice asked for and took.

    `plan_minor` is its whole period, less discounts and with tax: the price that was really paid for the plan.
    `charged_minor` and `credited_minor` are prorations of other plans on it, `balance_minor` what the customer's
    balance paid of it, `paid_minor` what payments paid. `given_back_minor` is what of those went back by other
    ways than refunds (credit notes to the balance, or out of band). Raises MalformedFactError at birth.
    """

    invoice_id: str
    plan_minor: int
    charged_minor: int
    credited_minor: int
    balance_minor: int
    paid_minor: int
    given_back_minor: int
    before: tuple[EarlierInvoice, ...] = ()

    def __post_init__(self) -> None:
        """Refuse wrong types, and more given back than was paid."""
        require_text("invoice_id", self.invoice_id)
        for name in COUNTED:
            require_count(name, getattr(self, name))
        require_member("before", self.before, tuple)
        for earlier in self.before:
            require_member("before", earlier, EarlierInvoice)
        if self.given_back_minor > self.paid_minor:
            raise MalformedFactError("given_back_minor can be paid_minor at most")


#: The fields that are whole numbers.
COUNTED = (
    "plan_minor",
    "charged_minor",
    "credited_minor",
    "balance_minor",
    "paid_minor",
    "given_back_minor",
)


def taking_to_json(taking: InvoiceTaking | None) -> Json:
    """The taking as a JSON object with a key for each field; null for none."""
    if taking is None:
        return None
    before = [{**asdict(earlier), "plans": list(earlier.plans)} for earlier in taking.before]
    return {**asdict(taking), "before": before}


def taking_from_json(value: Json) -> InvoiceTaking | None:
    """The inverse of `taking_to_json`; MalformedFactError for unknown or missing keys and wrong values."""
    if value is None:
        return None
    known = exact_keys(value, "took", [field.name for field in fields(InvoiceTaking)])
    names = [field.name for field in fields(EarlierInvoice)]
    before = []
    for earlier in array(known["before"], "took.before"):
        written = exact_keys(earlier, "took.before", names)
        plans = tuple(array(written["plans"], "took.before.plans"))
        before.append(EarlierInvoice(**written | {"plans": plans}))
    return InvoiceTaking(**known | {"before": tuple(before)})
