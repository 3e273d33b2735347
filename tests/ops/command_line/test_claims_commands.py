"""`redress credits claims`, and restoring by hand: decided like every claim, shown with reasons, judged by what people know."""

import json

import pytest
from sqlalchemy import insert, select

from ledger.audit_log import entries_about
from ledger.claim_tables import credit_decisions
from ledger.credit_usage import UsageReport, record_usage
from ledger.credits import grant_credits
from policy.credit_losses import CreditLoss
from tests.fakes.credit_claims import CUSTOMER, put_claim
from tests.fakes.frozen_clock import NOON_MS

WHY = ("--reason", "the log says so")
RESTORE = ("credits", "restore", CUSTOMER)


@pytest.fixture
def world(redress, databases):
    """The command line and the store on its database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


@pytest.fixture
def used(world):
    """A customer with 50 credits, of which 20 were used on gen_1, which failed."""
    _, store = world
    report = UsageReport(
        key="u-1",
        customer_id=CUSTOMER,
        credits=20,
        at=NOON_MS // 1000,
        successful=False,
        reference="gen_1",
    )
    with store.write() as connection:
        grant_credits(
            connection,
            key="g-1",
            customer_id=CUSTOMER,
            credits=50,
            at=0,
            expires_at=None,
            source="in_1",
            now_ms=NOON_MS,
        )
        record_usage(connection, [report], NOON_MS)


def available(redress):
    """The credits that the customer can use."""
    return redress.json("credits", "show", CUSTOMER)["available"]


def alter(store):
    """Store the claim's decision once more, with a credit added in its text as a tamperer would."""
    with store.write() as connection:
        row = connection.execute(select(credit_decisions)).mappings().one()
        body = json.loads(row["body"])
        body["credits"]["restored"] += 1
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        values = {name: row[name] for name in row if name != "id"} | {"credits": 16, "body": text}
        connection.execute(insert(credit_decisions).values(values))


def test_nothing_yet(world):
    """Without claims there is a sentence, and an unknown one is named."""
    redress, _ = world
    nowhere = redress("credits", "claims", "show", 7)

    assert {"claims": []} == redress.json("credits", "claims", "list")
    assert "No credits were asked back" in redress("credits", "claims", "list").stdout
    assert (1, True) == (nowhere.exit_code, "There is no claim 7" in nowhere.stderr)


@pytest.mark.usefixtures("used")
def test_restored_once_for_one_evidence(world):
    """What came back for a generation does not come back again under another key."""
    redress, store = world
    first = redress(*RESTORE, 15, "--key", "a", "--evidence", "gen_1", *WHY)
    more = redress(*RESTORE, 20, "--key", "b", "--evidence", "gen_1", *WHY)
    again = redress(*RESTORE, 20, "--key", "c", "--evidence", "gen_1", *WHY)

    assert "15 credits restored to cus_ada." in first.stdout
    assert "5 credits restored to cus_ada, after 15 before." in more.stdout
    assert (1, True) == (again.exit_code, "Nothing came back, the claim is denied" in again.stderr)
    assert 50 == available(redress)
    with store.read() as connection:
        results = [entry.result for entry in entries_about(connection, CUSTOMER)]
    assert ["restored: 15 credits", "restored: 5 credits", "denied: 0 credits"] == results


@pytest.mark.usefixtures("used")
def test_observed(world):
    """In observe mode a restoration is written down and says that nothing is changed."""
    redress, _ = world
    ran = redress(*RESTORE, 5, "--key", "a", "--evidence", "gen_1", *WHY, REDRESS_MODE="observe")

    assert (0, True) == (ran.exit_code, "in observe mode nothing is changed" in ran.stdout)
    assert 30 == available(redress)


@pytest.mark.usefixtures("used")
def test_lost(world):
    """Lost credits come back as new ones, whatever was used."""
    redress, _ = world
    redress(*RESTORE, 5, "--key", "a", "--evidence", "incident 7", "--lost", *WHY)
    grants = redress.json("credits", "show", CUSTOMER)["grants"]

    assert [(50, 0), (5, 0)] == [(one["issued"], one["restored"]) for one in grants]


@pytest.mark.usefixtures("used")
def test_shown(world):
    """One claim tells what shows the loss, the decision and its clauses, in words and in JSON."""
    redress, _ = world
    redress(*RESTORE, 15, "--key", "a", "--evidence", "gen_1", *WHY)
    shown = redress("credits", "claims", "show", 1).stdout
    told = redress.json("credits", "claims", "show", 1)
    listed = redress("credits", "claims", "list").stdout

    assert all(
        part in shown
        for part in ("Claim 1: 15 credits failed, restored", "the log says so", "PART-CREDITS")
    )
    assert ("operator:a", "restored", 15) == (told["key"], told["state"], told["credits"])
    (decision,) = told["decisions"]
    assert ("approve", 15) == (decision["verdict"], decision["credits"]["restored"])
    assert {"credit_claim"} == set(decision["facts"])
    assert CUSTOMER in listed
    assert all(len(line) <= 100 for line in listed.splitlines())


def test_judged_by_a_person(world):
    """A claim of the product that waits for a person is decided by what he knows, with his reason."""
    redress, store = world
    claim = put_claim(store, "api:c-1", loss=CreditLoss.LOST, our_fault=None)
    unclear = redress("credits", "claims", "judge", claim.claim_id, *WHY)
    listed = redress.json("credits", "claims", "list", "--state", "review")["claims"]
    shown = redress("credits", "claims", "show", claim.claim_id).stdout
    given = ("--our-fault", "--documented", 4, *WHY)
    ran = redress("credits", "claims", "judge", claim.claim_id, *given)
    late = redress("credits", "claims", "judge", claim.claim_id, *given)

    assert "the claim is review" in unclear.stdout
    assert [claim.claim_id] == [one["claim_id"] for one in listed]
    assert "claims judge" in shown
    assert "4 credits restored to cus_ada." in ran.stdout
    assert (1, True) == (late.exit_code, "are back already" in late.stderr)
    assert 4 == available(redress)
    with store.read() as connection:
        entries = entries_about(connection, f"claim:{claim.claim_id}")
    assert [
        ("review: 0 credits", "the log says so"),
        ("restored: 4 credits", "the log says so"),
    ] == [(entry.result, entry.detail) for entry in entries]


def test_denied_by_a_person(world):
    """A person who knows that it was not our fault ends the claim, and that is no failure."""
    redress, store = world
    claim = put_claim(store, "api:c-1")
    ran = redress("credits", "claims", "judge", claim.claim_id, "--not-our-fault", *WHY)

    assert (0, True) == (ran.exit_code, "the claim is denied" in ran.stdout)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        pytest.param((5, "--key", "k", *WHY), "--evidence", id="no evidence"),
        pytest.param((5, "--key", "k", "--evidence", " ", *WHY), "--evidence", id="blank evidence"),
        pytest.param((5, "--key", "k", "--evidence", "e" * 201, *WHY), "--evidence", id="long"),
        pytest.param((5, "--key", "k" * 192, "--evidence", "e", *WHY), "--key", id="long key"),
        pytest.param((5, "--key", "k", "--evidence", "e"), "--reason", id="no reason"),
    ],
)
def test_wrong_use(sqlite_redress, line, named):
    """Wrong use is refused with the option's name, and nothing is asked back."""
    redress, _ = sqlite_redress
    ran = redress(*RESTORE, *line)

    assert (2, True) == (ran.exit_code, named in ran.stderr)
    assert [] == redress.json("credits", "claims", "list")["claims"]


def test_key_of_other_credits(world):
    """A key that named other credits is refused with what to do."""
    redress, _ = world
    redress(*RESTORE, 5, "--key", "a", "--evidence", "gen_1", *WHY)
    ran = redress(*RESTORE, 6, "--key", "a", "--evidence", "gen_1", *WHY)

    assert (1, True) == (ran.exit_code, "one of their own" in ran.stderr)
    assert 5 == available(redress)


def test_the_same_line_later(world, clock):
    """The same command a minute later is the same act."""
    redress, _ = world
    line = (*RESTORE, 5, "--key", "a", "--evidence", "gen_1", *WHY)
    redress(*line)
    clock.advance(60)

    assert "the key a was used before" in redress(*line).stdout
    assert 5 == available(redress)


@pytest.mark.usefixtures("used")
def test_made_again(world):
    """Decisions about credits are made again with the others, and one that was altered is named."""
    redress, store = world
    redress(*RESTORE, 15, "--key", "a", "--evidence", "gen_1", *WHY)
    before = redress.json("policy", "redecide")
    alter(store)
    ran = redress("policy", "redecide", "--json")

    assert {"decisions": 1, "differing": []} == before
    (one,) = json.loads(ran.stdout)["differing"]
    assert (1, 1, "approve 16 credits", "approve 15 credits") == (
        ran.exit_code,
        one["claim_id"],
        one["stored"],
        one["found"],
    )
