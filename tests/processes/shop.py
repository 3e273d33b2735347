"""A shop whose customers pay twice: true duplicates of each certain kind, at a sandbox over HTTP."""

import itertools
from dataclasses import dataclass

from ops.sandbox.shop_orders import Counter, paid
from ops.sandbox.shop_till import ShopTill
from runtime.clock import SystemClock

API_KEY = "sk_test_sandbox"
KINDS = ("same_order", "same_invoice", "second_subscription")
AMOUNT_MINOR = 1500
PLAN = "starter-month"
#: Stripe's `created` of the first payment lies this long before the second one's.
APART_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A payment that must be refunded once, in full."""

    charge_id: str
    kept_charge_id: str
    amount_minor: int
    currency: str
    kind: str


class Shop:
    """One till, for one thread; `duplicates` are what it took twice and must be refunded."""

    # The till derives its idempotency keys from the second it began at, so each has another one. Counted from
    # one moment: from the present one, two tills that a second lies between would have the same.
    _begun = itertools.count(SystemClock().now_ms() // 1000, -1)

    def __init__(self, sandbox_url, account=None, behind_seconds=0):
        """`account` sells as a connected account, with its platform's key; what is sold was sold so long ago."""
        self._behind_seconds = behind_seconds
        self.till = ShopTill(sandbox_url, API_KEY, next(self._begun), account=account)
        self._counter = Counter(self.till)
        self._numbers = itertools.count(1)
        self._open = False
        self.duplicates = []

    def close(self):
        """Close the connection."""
        self.till.close()

    def pay_twice(self, kind="same_order"):
        """Two payments for one thing; the second one is the duplicate."""
        return self.first(kind)()

    def pay_once(self):
        """An honest payment, which must stay; its charge."""
        number = next(self._numbers)
        self._at(0)
        sold = self._counter.sell(number, AMOUNT_MINOR, "usd", order=f"{self.till.run}-{number}")
        return paid(sold).charge_id

    def first(self, kind):
        """The first payment of its kind; call what it returns for the second: a Duplicate."""
        if not self._open:
            self._counter.open_shop()
            self._open = True
        number = next(self._numbers)
        self._at(-APART_SECONDS)
        pay = getattr(self, f"_{kind}")(number)
        kept = next(pay)

        def again():
            self._at(0)
            second = next(pay)
            made = Duplicate(
                charge_id=second.charge_id,
                kept_charge_id=kept.charge_id,
                amount_minor=second.amount_minor,
                currency=second.currency,
                kind=kind,
            )
            self.duplicates.append(made)
            return made

        return again

    def _at(self, seconds):
        self.till.now = SystemClock().now_ms() // 1000 + seconds - self._behind_seconds

    def _same_order(self, number):
        for _ in range(2):
            order = f"{self.till.run}-{number}"
            yield paid(self._counter.sell(number, AMOUNT_MINOR, "usd", order=order))

    def _same_invoice(self, number):
        invoice_id = self._counter.bill(number, AMOUNT_MINOR, "usd")
        yield self._counter.pay_invoice(invoice_id, number)
        yield self._counter.pay_towards(invoice_id, number, AMOUNT_MINOR, "usd")

    def _second_subscription(self, number):
        for _ in range(2):
            yield self._counter.subscribe(number, PLAN, "usd").paid
