"""The shop's month with its thieves and banks at a sandbox over HTTP, and workers that work while a command waits."""

from ops.sandbox.fraud_stories import ROUNDS
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.shop_fraud import ShopFraud
from ops.sandbox.shop_month import ShopMonth
from ops.sandbox.shop_product import ShopProduct
from tests.fakes.frozen_clock import FrozenClock
from tests.fakes.worker_world import WorkerWorld, worker_settings

KEY = "sk_test_sandbox"
NOWHERE = "http://127.0.0.1:9"


class WorkingClock(FrozenClock):
    """While somebody sleeps on it, the workers work: `work` is what they do."""

    def __init__(self):
        super().__init__()
        self.work = None
        self._working = False

    def sleep(self, seconds):
        """Let the time pass, and the workers work."""
        super().sleep(seconds)
        if self.work is not None and not self._working:
            self._working = True
            try:
                self.work()
            finally:
                self._working = False


class PlayedMonth:
    """A month that was sold and not told of yet; `settings` are what a command needs to reach all of it."""

    def __init__(self, store, folder, *, play=True, fraud=True):
        self.clock = WorkingClock()
        self.world = WorkerWorld(store=store, settings=worker_settings(folder), clock=self.clock)
        self.server = SandboxServer(self.world.sandbox)
        self.server.start()
        self.settings = {
            "STRIPE_API_KEY": KEY,
            "STRIPE_API_BASE": self.server.url,
            "STRIPE_WEBHOOK_SECRETS": "whsec_of_the_test_0001",
            "REDRESS_MODE": "enforce",
        }
        if play:
            self._play(fraud=fraud)

    def _play(self, *, fraud):
        played = {"product": ShopProduct(NOWHERE, "token"), "clock": self.clock, "api_key": KEY}
        month = ShopMonth(self.server.url, **played, first_buyer=100, run="month")
        month.sell()
        month.close()
        if fraud:
            thieves = ShopFraud(self.server.url, **played, first_buyer=200, run="fraud")
            for number in range(ROUNDS):
                thieves.play(number)
            thieves.close()

    def environ(self, folder):
        """The variables by which a command works on the same ledger, and calls the same Stripe."""
        url = self.world.store.engine.url.render_as_string(hide_password=False)
        return {"DATABASE_URL": url, "REDRESS_DATA": str(folder), **self.settings}

    def told(self):
        """Every event that Stripe has made so far, oldest first."""
        return [event for _, event in self.world.sandbox.book.events_after(0)]

    def close(self):
        """Stop serving."""
        self.server.stop()
        self.world.sandbox.book.close()
