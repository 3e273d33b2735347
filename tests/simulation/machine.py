"""What the worlds of one operating-system process share, so that a seed costs milliseconds: databases, settings, terms."""

import logging
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from runtime.settings import load_settings
from tests.simulation.coverage import Coverage, cover
from tests.simulation.credit_model import CreditModel
from tests.simulation.database import SimulatedStore
from tests.simulation.ledger_checker import LedgerChecker
from tests.simulation.model import Model
from tests.simulation.notice_model import NoticeModel
from tests.simulation.plan_model import PlanModel
from tests.simulation.renderings import Renderings
from tests.simulation.seen_plan_model import SeenPlanModel
from tests.simulation.stripe_history import PACK, PACK_CREDITS
from tests.simulation.swarm import draw
from tests.simulation.usage_model import UsageModel
from tests.simulation.world import World, new_book
from workers.catalogue_book import CatalogueBook
from workers.terms_book import TermsBook

#: What no log line of any process may hold (I11): secrets, keys, and what a customer is called.
CANARIES = ("whsec_", "sk_test", "@shop.example")
#: What is sold beside the prices that say themselves what they bring.
_SOLD = f"""
[offers."{PACK}"]
name = "image credits"
kind = "credit_pack"
credits = {PACK_CREDITS}
"""


@dataclass(kw_only=True)
class Outcome:
    """What became of one seed."""

    seed: int
    digest: str
    violations: list
    deliveries: int
    simulated_ms: int
    coverage: Coverage
    lines: list = field(default_factory=list)


class Machine:
    """Runs seeds one after another in this process."""

    def __init__(self):
        self.store = SimulatedStore()
        self.terms = TermsBook()
        self.book, self._empty_book = new_book()
        self._folder = tempfile.TemporaryDirectory(prefix="simulation-")
        self.settings = {mode: self._settings(mode) for mode in ("observe", "enforce")}
        sold = Path(self._folder.name) / "catalogue.toml"
        sold.write_text(_SOLD, encoding="utf-8")
        self.catalogue = CatalogueBook(sold)
        self._log = _LogCheck()
        self._log.install()

    def close(self):
        """Close the databases and remove the folder."""
        self._log.remove()
        self.store.close()
        self.book.close()
        self._folder.cleanup()

    def begin_world(self, world):
        """Empty databases for this world."""
        self.store.begin_world(world)
        self.book._db.deserialize(self._empty_book)
        self.book._last_seq = 0
        self._log.world = world

    def run(self, seed, *, without=frozenset(), broken=False, **changes):
        """Live through one seed and judge it. `broken` makes it fail, to prove that failures are told.

        `changes` are options of its swarm that are set, not drawn.
        """
        swarm = replace(draw(seed, without), **changes)
        world = World(swarm, self)
        try:
            world.run()
            if not world.violations:
                says = LedgerChecker(world).check()
                Model(world).check(says)
                Renderings(world).check()
                CreditModel(world).check()
                UsageModel(world).check()
                NoticeModel(world).check()
                PlanModel(world).check()
                SeenPlanModel(world).check()
            if broken:
                world.violation("canary", "this world is told to fail")
        finally:
            world.end()
        return Outcome(
            seed=seed,
            digest=world.digest,
            violations=world.violations,
            deliveries=world.courier.deliveries,
            simulated_ms=world.scheduler.now_ms - world.scheduler.started_ms,
            coverage=cover(world),
            lines=world.lines,
        )

    def _settings(self, mode):
        return load_settings(
            {
                "STRIPE_API_KEY": "sk_test_sandbox",
                "STRIPE_WEBHOOK_SECRETS": "whsec_of_the_simulation_0001",
                "REDRESS_MODE": mode,
                "REDRESS_DATA": str(Path(self._folder.name)),
                "REDRESS_PRODUCT_WEBHOOK_URL": "https://product.example/webhooks",
                "REDRESS_PRODUCT_WEBHOOK_SECRET": f"whsec_{'c2lt' * 10}",
                # A refund beyond a cap waits for a person for ever, and a world comes to rest.
                **dict.fromkeys(
                    ("REDRESS_CAP_REFUND", "REDRESS_CAP_CUSTOMER_DAY", "REDRESS_CAP_DAY"),
                    "usd=100000000,jpy=100000000,*=100000000",
                ),
            }
        )


class _LogCheck(logging.Handler):
    """Reads every log line of the world's processes, keeps none, and looks for what must not be there."""

    world = None

    def install(self):
        """Take the place of every other handler."""
        root = logging.getLogger()
        root.addHandler(self)
        root.setLevel(logging.WARNING)
        for name in ("rq.worker", "sqlalchemy.pool"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=structlog.ReturnLoggerFactory(),
            processors=[self._structured],
        )

    def remove(self):
        """Give the place back."""
        logging.getLogger().removeHandler(self)
        structlog.reset_defaults()

    def emit(self, record):
        """A line of the standard library's logging."""
        told = record.getMessage()
        if record.exc_info:
            told += "".join(str(one) for one in record.exc_info[1].args)
        self._look(told)

    def _structured(self, _logger, _method, event):
        self._look(str(event))
        raise structlog.DropEvent

    def _look(self, told):
        if self.world is not None and any(canary in told for canary in CANARIES):
            self.world.violation("I11", "a log line holds a secret or a name")
