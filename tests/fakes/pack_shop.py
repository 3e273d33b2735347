"""A shop with one pack and one plan, whose customers use credits and ask for their money back."""

from dataclasses import replace
from datetime import UTC, datetime

from ledger.cases import case_by_id
from ledger.credit_usage import UsageReport, record_usage
from ledger.credits import grants_of_customer
from ledger.refund_requests import NewRequest, request_by_id, write_request
from ledger.tables import cases, decisions
from policy.decision import Decision
from policy.request_facts import Reason
from runtime.queues import JUDGE_REQUEST_JOB
from workers.catalogue_book import CatalogueBook

CATALOGUE = """
[offers."images-500"]
name = "500 image credits"
kind = "credit_pack"
credits = 500
validity_days = 365
"""
EMAIL = "buyer@shop.example"
PRICE_MINOR = 2000
#: What the sandbox keeps of 20.00 USD: 2.9 % and 30 cents.
FEE_MINOR = 88


class PackShop:
    """A worker world with a catalogue; what the world has, the shop has too."""

    def __init__(self, world, folder):
        path = folder / "catalogue.toml"
        path.write_text(CATALOGUE, encoding="utf-8")
        self.world = world
        self.catalogue = CatalogueBook(path)
        self.change()

    def __getattr__(self, name):
        return getattr(self.world, name)

    def change(self, **parts):
        """Go on with other parts in the workers' context."""
        self.world.context = replace(self.world.context, catalogue=self.catalogue, **parts)

    def meanwhile(self, crash, work=None):
        """Work with something happening at a crash point."""
        before = self.world.context
        self.change(crash=crash)
        try:
            (work or self.world.work)()
        finally:
            self.world.context = before

    def buy(self, **params):
        """A pack of 500 credits for 20.00 USD; returns its charge and customer."""
        customer = self.customer()
        given = {"amount": PRICE_MINOR, "order": None, "metadata": {"product_id": "images-500"}}
        charge = self.pay(customer, **given | params)
        self.settle(30)
        return charge, customer

    def use(self, customer, count, key="u1"):
        """Have the product report so many credits used, all well."""
        report = UsageReport(
            key=key,
            customer_id=customer,
            credits=count,
            at=self.clock.now_ms() // 1000,
            successful=True,
            reference=None,
        )
        with self.store.write() as connection:
            record_usage(connection, [report], self.clock.now_ms())

    def ask(self, charge=None, key="k1", reasons=(Reason.CHANGED_MIND,), **given):
        """Take a request in and ring for it; returns its id."""
        now_ms = self.clock.now_ms()
        fields = {
            "key": key,
            "email": EMAIL,
            "purchase_date": datetime.fromtimestamp(now_ms / 1000, UTC).date(),
            "product": "images-500",
            "reasons": reasons,
            "asked_at": now_ms // 1000,
            "charge_id": charge,
        }
        with self.store.write() as connection:
            request_id, _ = write_request(connection, NewRequest(**fields | given), now_ms)
        self.wakeups.wake_effect(JUDGE_REQUEST_JOB, request_id)
        return request_id

    def request(self, request_id):
        """The request as it stands."""
        with self.store.read() as connection:
            return request_by_id(connection, request_id)

    def case(self, case_id=None):
        """A case as it stands, by default the newest."""
        with self.store.read() as connection:
            return case_by_id(connection, case_id or self.rows(cases)[-1].id)

    def decided(self):
        """Every decision, oldest first."""
        return [Decision.from_json(row.body) for row in self.rows(decisions)]

    def left(self, customer):
        """How many credits the customer has."""
        with self.store.read() as connection:
            return sum(grant.left for grant in grants_of_customer(connection, customer))
