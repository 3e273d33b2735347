"""The merchant's product: it reports what customers used, in batches, late, out of order, and again when unsure.

It speaks to the real API's method and keeps at each report until it hears an answer, as the contract has it
(docs/api.md). Now and then it tells another number under a key that was used, which must change nothing.
"""

from dataclasses import replace
from functools import partial

from sqlalchemy.exc import DBAPIError

from ledger.credit_usage import UsageReport
from tests.simulation.bells import SimulatedWakeups
from tests.simulation.case_workers import is_defect
from tests.simulation.clocks import ProcessClock
from webhooks.api_models import UsageEntry, UsageReportIn
from webhooks.product_api import ProductApi

_AGAIN_MS = 10_000
_LIES = 0.1


class Product:
    """What was used in one world: `used` by key, and since when (`heard_ms`) the ledger surely knows of it."""

    def __init__(self, world):
        self.world = world
        self.clock = ProcessClock(world.scheduler)
        self.name = "product"
        self.deadline = None
        self.used = {}
        self.heard_ms = {}

    def use(self, customer_id, credits, *, at, successful=True):  # noqa: A002 - the field's own word
        """A customer uses credits at a moment (unix seconds); the key of its report, not sent yet."""
        key = f"gen-{len(self.used)}"
        self.used[key] = UsageReport(
            key=key,
            customer_id=customer_id,
            credits=credits,
            at=at,
            successful=successful,
            reference=None,
        )
        return key

    def used_by(self, customer_id, before_ms=None):
        """What a customer used; with `before_ms` only what was acknowledged before that moment."""
        return sum(
            report.credits
            for key, report in self.used.items()
            if report.customer_id == customer_id
            and (before_ms is None or self.heard_ms.get(key, before_ms) < before_ms)
        )

    def report(self, keys):
        """Send a batch until it is acknowledged."""
        if all(key in self.heard_ms for key in keys):
            return
        self._send(keys)
        self.world.scheduler.after(_AGAIN_MS, partial(self.report, keys))

    def repeat(self, keys):
        """Send a batch once more, acknowledged or not; some entries may tell another number than before."""
        self._send(keys, lying=True)

    def tell_the_rest(self):
        """Send everything that nobody acknowledged so far."""
        if rest := [key for key in self.used if key not in self.heard_ms]:
            self.report(rest)

    def died(self):
        """Whoever sends the report again is another call."""

    def _send(self, keys, *, lying=False):
        reports = [self.used[key] for key in keys]
        if lying:
            chance = self.world.chance
            reports = [
                replace(one, credits=one.credits + 1)
                if one.key in self.heard_ms and chance("product", _LIES)
                else one
                for one in reports
            ]
        self.world.scheduler.start("product", partial(self._call, reports)).process = self

    def _call(self, reports):
        world = self.world
        rng, struck = world.stream("product"), world.struck
        wakeups = SimulatedWakeups(world.redis, self.clock, rng, struck)
        api = ProductApi(store=world.store, clock=self.clock, wakeups=wakeups)
        entries = [
            UsageEntry(
                key=one.key,
                customer_id=one.customer_id,
                credits=one.credits,
                at=one.at,
                successful=one.successful,
                reference=one.reference,
            )
            for one in reports
        ]
        try:
            _, told = api.report_usage(UsageReportIn(entries=entries))
        except DBAPIError as error:
            world.trace("product sees an error")
            if is_defect(error):
                world.violation("I2", f"the product sees {error.orig}")
            return
        lies = {one.key for one in reports if one != self.used[one.key]}
        if set(told.conflicting) != lies or told.recorded + told.known != len(reports) - len(lies):
            world.violation("credits", f"the answer to {len(reports)} reports was {told}")
        for one in reports:
            self.heard_ms.setdefault(one.key, world.scheduler.now_ms)
