"""Credits that no rule allows: refused by the database, and found where they came another way."""

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from ledger.credit_claims import settle_claim
from ledger.credit_decisions import append_credit_decision
from ledger.credit_tables import credit_entries
from ledger.credit_usage import UsageReport, record_usage
from ledger.credits import grant_credits, grants_of, restore_credits
from ledger.invariant_checks import check_invariants
from ledger.states import ClaimState
from policy.credit_losses import CreditClaim, CreditLoss
from policy.credit_restoration import decide_restoration
from policy.terms_file import load_terms
from tests.fakes.credit_claims import CUSTOMER, put_claim
from tests.fakes.frozen_clock import NOON_MS

BEN = "cus_ben"
STRANGERS = "credits are drawn on grants alone, each by its own customer"
SUMS = "what is left of a grant is what its entries add up to"
RESTORED = "no more comes back to a grant than was used of it"
COVERED = "no more of a usage is covered than was used"
CLAIMS = "a claim gave back what its decision says, and only an approved one"


def broken(store):
    """The statements that do not hold, with their examples."""
    with store.read() as connection:
        return {
            breach.statement: breach.examples
            for breach in check_invariants(connection)
            if not breach.holds
        }


@pytest.fixture
def filled(store):
    """Ada's 100 credits of which 30 are used, 5 restored; 8 of hers that no grant covers; Ben's 50."""
    with store.write() as connection:
        give(connection, "in_1", 100, CUSTOMER)
        give(connection, "in_2", 50, BEN)
        use(connection, "u-1", 30, 100)
        use(connection, "u-2", 8, 0)
        (drawn,) = grants_of(connection, ["in_1"])
        restore_credits(
            connection,
            key="r-1",
            grant=drawn,
            credits=5,
            source="operator",
            reference="gen_1",
            at=200,
            now_ms=NOON_MS,
        )
    return store


def give(connection, source, number, customer):
    grant_credits(
        connection,
        key=source,
        customer_id=customer,
        credits=number,
        at=1,
        expires_at=None,
        source=source,
        now_ms=NOON_MS,
    )


def use(connection, key, number, at):
    report = UsageReport(
        key=key,
        customer_id=CUSTOMER,
        credits=number,
        at=at,
        successful=False,
        reference=None,
    )
    record_usage(connection, [report], NOON_MS)


def entry_of(connection, key):
    """The id of an entry."""
    return connection.execute(
        select(credit_entries.c.id).where(credit_entries.c.key == key)
    ).scalar_one()


def put_entry(connection, **values):
    """Insert an entry; `on` and `covering` are keys of the entries that it names."""
    fields = {"key": "x", "customer_id": CUSTOMER, "source": "s", "at": 1, "recorded_ms": NOON_MS}
    for given, column in (("on", "grant_id"), ("covering", "covers")):
        if given in values:
            fields[column] = entry_of(connection, values.pop(given))
    connection.execute(insert(credit_entries).values(fields | values))


RESTORATION = {"kind": "restoration", "credits": 5}
COVER = {"kind": "cover", "on": "in_1", "draw": 3, "covering": "usage:u-2"}

FORBIDDEN = [
    pytest.param(
        RESTORATION | {"credits": 8, "on": "usage:u-2", "draw": 1, "left_after": 0},
        STRANGERS,
        id="a restoration on a usage that nothing covers",
    ),
    pytest.param(
        RESTORATION | {"credits": 9, "on": "usage:u-2", "draw": 1, "left_after": 1},
        STRANGERS,
        id="one that makes it a grant",
    ),
    pytest.param(
        {"kind": "usage", "credits": -1, "on": "in_2", "draw": 1, "left_after": 49},
        STRANGERS,
        id="a usage on another customer's grant",
    ),
    pytest.param(
        RESTORATION | {"credits": 26, "on": "in_1", "draw": 3, "left_after": 101},
        RESTORED,
        id="more than was used comes back",
    ),
    pytest.param(
        {"kind": "usage", "credits": -1, "on": "in_1", "draw": 3, "left_after": 70},
        SUMS,
        id="a false balance",
    ),
    pytest.param(
        {"kind": "usage", "credits": -1, "on": "in_1", "draw": 4, "left_after": 74},
        SUMS,
        id="a turn that is missing",
    ),
    pytest.param(COVER | {"credits": -9, "left_after": 66}, COVERED, id="a cover beyond its usage"),
    pytest.param(
        COVER | {"credits": -1, "left_after": 74, "covering": "usage:u-1"},
        COVERED,
        id="a cover of what a grant covered",
    ),
    pytest.param(
        COVER | {"credits": -1, "left_after": 49, "on": "in_2", "draw": 1, "customer_id": BEN},
        COVERED,
        id="a cover of another customer's usage",
    ),
]


#: How a hand on the database gets past the triggers; on PostgreSQL for this transaction alone.
UNGUARDED = {
    "sqlite": ("DROP TRIGGER inv_credit_balance", "DROP TRIGGER inv_credit_covered"),
    "postgresql": ("SET LOCAL session_replication_role = replica",),
}


def test_all_hold(filled):
    """Credits in good order contradict nothing."""
    assert {} == broken(filled)


@pytest.mark.parametrize(("values", "statement"), FORBIDDEN)
def test_refused(filled, values, statement):  # noqa: ARG001 - one table for both
    """The database itself refuses it, whatever the code above it does."""
    with pytest.raises(DBAPIError, match="inv_credit"), filled.write() as connection:
        put_entry(connection, **values)


@pytest.mark.parametrize(("values", "statement"), FORBIDDEN)
def test_found(filled, values, statement):
    """Where it came another way, the doctor's queries find whose it is."""
    with filled.write() as connection:
        for aside in UNGUARDED[filled.dialect]:
            connection.execute(text(aside))
        put_entry(connection, **values)

    assert CUSTOMER in broken(filled)[statement]


def test_covered_twice(filled):
    """Two covers that each fit and together do not: the second is refused."""
    with filled.write() as connection:
        put_entry(connection, **COVER | {"credits": -5, "left_after": 70})
    with pytest.raises(DBAPIError, match="more is covered"), filled.write() as connection:
        put_entry(connection, **COVER | {"key": "y", "credits": -4, "draw": 4, "left_after": 66})

    assert {} == broken(filled)


@pytest.mark.parametrize(
    ("state", "documented", "back", "wrong"),
    [
        pytest.param(ClaimState.RESTORED, 10, 10, False, id="as decided"),
        pytest.param(ClaimState.RESTORED, 10, 9, True, id="fewer than decided"),
        pytest.param(ClaimState.RESTORED, 10, None, True, id="none at all"),
        pytest.param(ClaimState.RESTORED, 0, None, True, id="restored by a denial"),
        pytest.param(ClaimState.OBSERVED, 10, None, False, id="only observed"),
        pytest.param(ClaimState.OBSERVED, 10, 10, True, id="only observed, and back"),
        pytest.param(ClaimState.DENIED, 0, None, False, id="denied"),
        pytest.param(ClaimState.DENIED, 0, 3, True, id="denied, and back"),
    ],
)
def test_claims(store, state, documented, back, wrong):
    """A claim whose credits are not those of its decision is named."""
    claim = put_claim(store)
    asked = CreditClaim(
        loss=CreditLoss.FAILED, claimed=10, documented=documented, our_fault=True, restored=0
    )
    with store.write() as connection:
        append_credit_decision(
            connection,
            claim_id=claim.claim_id,
            decision=decide_restoration(asked, load_terms()),
            mode="enforce",
            now_ms=NOON_MS,
        )
        settle_claim(connection, claim.claim_id, state, NOON_MS)
        if back is not None:
            put_entry(
                connection,
                kind="restoration",
                credits=back,
                source=f"claim:{claim.claim_id}",
                reference="gen_1",
            )

    assert ({CLAIMS: (f"claim:{claim.claim_id}",)} if wrong else {}) == broken(store)
