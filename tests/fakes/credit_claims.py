"""Claims for tests: ten credits of one generation that failed, by our fault, unless a test says otherwise."""

from ledger.credit_claims import Claim, NewClaim, claim_by_id, write_claim
from policy.credit_losses import CreditLoss
from tests.fakes.frozen_clock import NOON_MS

CUSTOMER = "cus_ada"


def new_claim(key="c-1", **changes) -> NewClaim:
    """What is asked back."""
    fields = {
        "key": key,
        "customer_id": CUSTOMER,
        "loss": CreditLoss.FAILED,
        "credits": 10,
        "at": NOON_MS // 1000,
        "reference": "gen_1",
        "evidence": "the renderer ran out of memory, log line 7",
        "our_fault": True,
    }
    return NewClaim(**fields | changes)


def put_claim(store, key="c-1", now_ms=NOON_MS, **changes) -> Claim:
    """Commit a claim; returns how it stands."""
    with store.write() as connection:
        return write_claim(connection, new_claim(key, **changes), now_ms)[0]


def claim_now(store, claim_id) -> Claim:
    """The claim as its row stands."""
    with store.read() as connection:
        found = claim_by_id(connection, claim_id)
    assert found is not None
    return found
