"""`redress accounts`: shown, changed with a reason, audited."""

import pytest

from ledger.audit_log import entries_about

WHY = ("--reason", "ticket 7")


@pytest.fixture
def world(redress, databases):
    """The command line and the store on its database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


def test_set_and_shown(world):
    """A standing is kept until the next, and who changed it is audited each time."""
    redress, store = world
    before = redress.json("accounts", "show", "cus_ada")
    redress("accounts", "set", "cus_ada", "suspended", "--cause", "flag", *WHY)
    suspended = redress.json("accounts", "show", "cus_ada")
    redress("accounts", "set", "cus_ada", "active", "--cause", "mistake", *WHY)

    assert ("active", None) == (before["standing"], before["cause"])
    assert ("suspended", "flag") == (suspended["standing"], suspended["cause"])
    assert "because of mistake" in redress("accounts", "show", "cus_ada").stdout
    with store.read() as connection:
        acts = [entry.result for entry in entries_about(connection, "account:cus_ada")]
    assert ["suspended (flag)", "active (mistake)"] == acts


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("cus_ada", "suspended", *WHY), id="no cause"),
        pytest.param(("cus_ada", "suspended", "--cause", "terms"), id="no reason"),
        pytest.param(("cus_ada", "gone", *WHY), id="no standing"),
        pytest.param((" ", "active", *WHY), id="no customer"),
    ],
)
def test_refused(world, args):
    """What cannot be written is wrong use, and nothing is changed."""
    redress, _ = world

    assert 2 == redress("accounts", "set", *args).exit_code
    assert "active" == redress.json("accounts", "show", "cus_ada")["standing"]
