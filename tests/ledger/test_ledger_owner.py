"""A ledger is one merchant's for good, on either engine."""

import pytest

from ledger.ledger_owner import ForeignLedger, claim_ledger, require_own_ledger
from tests.fakes.at_once import at_once


def test_first_process_makes_it_its_merchants(store):
    """Before the first process it is nobody's; afterwards it is that merchant's, and each other one is refused."""
    require_own_ledger(store, "atelier")
    claim_ledger(store, "atelier")
    claim_ledger(store, "atelier")
    require_own_ledger(store, "atelier")

    for check in (claim_ledger, require_own_ledger):
        with pytest.raises(ForeignLedger, match="ledger of merchant atelier, not of merchant eu"):
            check(store, "eu")
        with pytest.raises(ForeignLedger, match="not of the environment's own account"):
            check(store, "")


def test_two_at_once(store):
    """Of two merchants' processes that start on one ledger at once, one gets it."""
    refused = []

    def claim(merchant):
        try:
            claim_ledger(store, merchant)
        except ForeignLedger:
            refused.append(merchant)

    at_once(claim, ["atelier", "eu"])

    assert 1 == len(refused)


def test_ledger_that_is_not_there_yet(databases, engine_name):
    """A database without our tables is nobody's: what is missing is told by who needs it."""
    store = databases.store(databases.url(engine_name, migrated=False))

    require_own_ledger(store, "atelier")
