"""One outage, planned and carried out: written down, then a case for each payment that it cut into."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ledger.outages import Outage, add_outage
from ops.operator_audit import audit_act
from runtime.settings import Settings
from runtime.wiring import Wiring
from workers.case_following import Desk
from workers.catalogue_book import CatalogueBook
from workers.context import ring_for
from workers.outage_refunds import OutageDesk, Owed
from workers.terms_book import TermsBook


@dataclass(kw_only=True)
class OutageRun:
    """What is owed for the outage `down` (its id does not count), and paying it."""

    wiring: Wiring
    settings: Settings
    down: Outage

    @cached_property
    def owed(self) -> list[Owed]:
        """What each payment that it touched is owed, as the ledger said when it was first asked."""
        return list(self._desk.touched(self.down))

    def carry_out(self, reason: str, told: Callable[[int, int], object]) -> int:
        """Write the outage down, then one case after the other; returns how many refunds were decided.

        `told(place, number)` is called after each payment. A run that was cut off is simply run again.
        """
        owed, clock = self.owed, self.wiring.clock
        recorded = self._written(reason)
        refunds = 0
        for place, one in enumerate(owed, start=1):
            with self.wiring.store.write() as connection:
                case_desk = Desk(
                    connection=connection, settings=self.settings, now_ms=clock.now_ms()
                )
                followed = self._desk.pay(case_desk, recorded, one.payment.charge_id)
            ring_for(self.wiring.wakeups, followed.intents, (), notices=followed.notices)
            refunds += len(followed.intents)
            told(place, len(owed))
        return refunds

    @cached_property
    def _desk(self) -> OutageDesk:
        return OutageDesk(
            store=self.wiring.store,
            terms=TermsBook.by(self.settings),
            catalogue=CatalogueBook(self.settings.redress_catalogue),
        )

    def _written(self, reason: str) -> Outage:
        now_ms = self.wiring.clock.now_ms()
        with self.wiring.store.write() as connection:
            recorded, _ = add_outage(
                connection,
                began_at=self.down.began_at,
                ended_at=self.down.ended_at,
                affects=self.down.affects,
                evidence=self.down.evidence,
                now_ms=now_ms,
            )
            object_id = f"outage:{recorded.outage_id}"
            audit_act(connection, "outage.add", object_id, now_ms=now_ms, detail=reason)
        return recorded
