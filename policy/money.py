"""Money: an exact number of minor units in one currency.

The exponents and the steps of refunds are Stripe's own, not ISO's
(https://docs.stripe.com/currencies): an amount that is sent as 500 is 5.00 USD, 500 JPY or
0.500 KWD.
"""

from dataclasses import dataclass

from policy.canonical_json import Json, exact_keys
from policy.checks import require_count, require_currency

ZERO_DECIMAL = frozenset(
    {
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    }
)
THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})

# These two have no cents any more, but Stripe still takes them as two-decimal with 00 at the end.
CENTLESS_TWO_DECIMAL = frozenset({"isk", "ugx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """`amount_minor` minor units (zero or more) of `currency` (three lower-case letters).

    Raises ValueError at birth for anything else; there is no negative money here, because a refund
    is an amount that goes back and never a negative payment.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse what is not money."""
        require_count("amount_minor", self.amount_minor)
        require_currency("currency", self.currency)

    def __str__(self) -> str:
        """The form for people: "12.34 USD", "500 JPY", "1.230 KWD", "1500 ISK"."""
        digits = exponent(self.currency)
        whole, part = divmod(self.amount_minor, 10**digits)
        centless = self.currency in CENTLESS_TWO_DECIMAL and part == 0
        shown = f"{whole}" if digits == 0 or centless else f"{whole}.{part:0{digits}d}"
        return f"{shown} {self.currency.upper()}"

    def __add__(self, other: "Money") -> "Money":
        """The sum; ValueError when the currencies differ."""
        self._require_same_currency(other)
        return Money(amount_minor=self.amount_minor + other.amount_minor, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """The rest; ValueError when the currencies differ or less than nothing would be left."""
        self._require_same_currency(other)
        return Money(amount_minor=self.amount_minor - other.amount_minor, currency=self.currency)

    def rounded_for_refund(self) -> "Money":
        """The largest amount up to this one that Stripe takes as a refund in the currency."""
        rest = self.amount_minor % refund_step_minor(self.currency)
        return Money(amount_minor=self.amount_minor - rest, currency=self.currency)

    def to_fields(self) -> dict[str, Json]:
        """The JSON object `{"amount_minor": …, "currency": …}`."""
        return {"amount_minor": self.amount_minor, "currency": self.currency}

    @classmethod
    def from_fields(cls, fields: Json) -> "Money":
        """The inverse of `to_fields`; ValueError for unknown or missing keys and wrong types."""
        return cls(**exact_keys(fields, "money", ("amount_minor", "currency")))

    def _require_same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self} and {other} are in different currencies")


def exponent(currency: str) -> int:
    """How many decimal digits of `currency` Stripe counts as minor units: 0, 2 or 3."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def refund_step_minor(currency: str) -> int:
    """The step in minor units on which a refund's amount must lie.

    Three-decimal amounts must end in 0, those of ISK and UGX in 00; all others move by one.
    """
    if currency in THREE_DECIMAL:
        return 10
    return 100 if currency in CENTLESS_TWO_DECIMAL else 1
