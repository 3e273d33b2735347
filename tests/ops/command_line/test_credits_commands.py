"""`redress credits`: what is shown, what each act does once, and what is refused."""

import pytest

from ledger.audit_log import entries_about
from ops.operator_context import current_actor

ADA = "cus_ada"
WHY = ("--reason", "a goodwill gift")
ACTS = (
    ("grant", (), "done"),
    ("use", (), "done"),
    ("restore", ("--evidence", "gen-9"), "restored: 5 credits"),
)


@pytest.fixture
def world(redress, databases):
    """The command line and the store on its database."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


def test_nothing_yet(world):
    """A customer without credits gets a sentence that says where to look."""
    redress, _ = world

    assert "redress doctor" in redress("credits", "show", ADA).stdout
    assert {"available": 0, "overdrawn": 0, "grants": []} == redress.json("credits", "show", ADA)


def test_granted_used_restored(world):
    """What was granted, used and restored by hand adds up, in the table and in JSON."""
    redress, _ = world
    redress("credits", "grant", ADA, 50, "--key", "gift-1", "--valid-days", 30, *WHY)
    redress("credits", "use", ADA, 20, "--key", "gen-9", "--failed", *WHY)
    redress("credits", "restore", ADA, 20, "--key", "gen-9", "--evidence", "gen-9", *WHY)
    shown = redress("credits", "show", ADA)
    told = redress.json("credits", "show", ADA)
    (grant,) = told["grants"]

    assert 0 == shown.exit_code
    assert "cus_ada can use 50 credits." in shown.stdout
    assert all(len(line) <= 100 for line in shown.stdout.splitlines())
    assert (50, 50, 20, 20, 50) == (
        told["available"],
        grant["issued"],
        grant["used"],
        grant["restored"],
        grant["left"],
    )
    assert 30 * 86_400 == grant["expires_at"] - grant["at"]


def test_restored_without_a_grant(world):
    """Credits that were lost and belong to no grant come back as new ones."""
    redress, _ = world
    redress("credits", "restore", ADA, 20, "--key", "lost-1", "--evidence", "incident 7", *WHY)

    assert 20 == redress.json("credits", "show", ADA)["available"]


def test_used_beyond_what_there_is(world):
    """A usage that no grant covers is recorded, and told."""
    redress, _ = world
    ran = redress("credits", "use", ADA, 5, "--key", "gen-1", *WHY)

    assert "covered by no grant" in ran.stdout
    assert 5 == redress.json("credits", "show", ADA)["overdrawn"]
    assert "5 credits were used beyond what was granted." in redress("credits", "show", ADA).stdout


@pytest.mark.parametrize(("act", "more", "result"), ACTS, ids=[act for act, _, _ in ACTS])
def test_once(world, act, more, result):
    """The same key a second time changes nothing and says so; both are audited with who and why."""
    redress, store = world
    line = ("credits", act, ADA, 5, "--key", "k-1", *more, *WHY)
    redress(*line)
    before = redress.json("credits", "show", ADA)
    again = redress(*line)

    assert "Nothing was changed: the key k-1 was used before." in again.stdout
    assert before == redress.json("credits", "show", ADA)
    with store.read() as connection:
        entries = entries_about(connection, ADA)
    assert [f"credits.{act}"] * 2 == [entry.action for entry in entries]
    assert [result, "nothing: the key is known"] == [entry.result for entry in entries]
    assert {current_actor()} == {entry.actor for entry in entries}


def test_one_key_for_two_usages(world):
    """A key that named another usage is refused with what to do; nothing is recorded."""
    redress, _ = world
    redress("credits", "use", ADA, 5, "--key", "k-1", *WHY)
    ran = redress("credits", "use", ADA, 6, "--key", "k-1", *WHY)

    assert 1 == ran.exit_code
    assert "give this one a key of its own" in ran.stderr
    assert 5 == redress.json("credits", "show", ADA)["overdrawn"]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        pytest.param((ADA, 5, *WHY), "--key", id="no key"),
        pytest.param((ADA, 5, "--key", " ", *WHY), "--key", id="blank key"),
        pytest.param((ADA, 5, "--key", "k" * 201, *WHY), "--key", id="long key"),
        pytest.param((ADA, 5, "--key", "k"), "--reason", id="no reason"),
        pytest.param((ADA, 0, "--key", "k", *WHY), "AMOUNT", id="nothing"),
        pytest.param((ADA, -5, "--key", "k", *WHY), "-5", id="negative"),
        pytest.param((ADA, "5.5", "--key", "k", *WHY), "AMOUNT", id="a fraction"),
    ],
)
def test_wrong_use(sqlite_redress, line, named):
    """Wrong use is refused with the option's name, and changes nothing."""
    redress, _ = sqlite_redress
    ran = redress("credits", "grant", *line)

    assert 2 == ran.exit_code
    assert named in ran.stderr
    assert [] == redress.json("credits", "show", ADA)["grants"]


@pytest.mark.parametrize("act", ["grant", "use"])
@pytest.mark.parametrize(
    ("customer", "key", "named"),
    [
        pytest.param(ADA, "k" * 192, "--key", id="a key that the column cannot hold"),
        pytest.param("c" * 201, "k", "CUSTOMER_ID", id="a customer that it cannot hold"),
        pytest.param("a\nb", "k", "CUSTOMER_ID", id="a customer of two lines"),
    ],
)
def test_too_long_to_be_stored(sqlite_redress, act, customer, key, named):
    """What could not be stored is wrong use that names it; the longest that can be is taken."""
    redress, _ = sqlite_redress
    ran = redress("credits", act, customer, 5, "--key", key, *WHY)
    fits = redress("credits", act, "c" * 200, 5, "--key", "k" * 191, *WHY)

    assert (2, True, 0) == (ran.exit_code, named in ran.stderr, fits.exit_code)


@pytest.mark.parametrize(("act", "more"), [("use", ()), ("restore", ("--evidence", "gen-9"))])
def test_moment_that_is_none(sqlite_redress, act, more):
    """A moment before all unix time is wrong use, and nothing is written."""
    redress, _ = sqlite_redress
    ran = redress("credits", act, ADA, 5, "--key", "k", "--at", "1831-01-01", *more, *WHY)

    assert (2, True) == (ran.exit_code, "at must be unix seconds" in ran.stderr)
