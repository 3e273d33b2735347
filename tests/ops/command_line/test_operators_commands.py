"""`redress operators`: who may use the dashboard, said by whoever has the shell."""

import pytest

from ledger.audit_log import entries_about
from ledger.operators import invited, list_operators


def test_invite_list_change_remove(redress, databases, database_url, clock):
    """A link for somebody, a role, an end; each in the audit log, with who did it and why."""
    store = databases.store(database_url)
    assert "Nobody may use the dashboard yet" in redress("operators", "list").stdout

    made = redress.json("operators", "invite", "ada", "--role", "viewer")
    secret = made["link"].rpartition("/")[2]
    assert made["link"].startswith("http://localhost:8001/welcome/")
    with store.read() as connection:
        assert "ada" == invited(connection, secret, clock.now_ms()).name
    assert made["link"] not in redress("operators", "list").stdout

    redress("operators", "role", "ada", "admin", "--reason", "on call")
    assert "only admin" in redress("operators", "remove", "ada", "--reason", "left").stderr
    redress("operators", "invite", "bob", "--role", "admin")
    assert 0 == redress("operators", "remove", "ada", "--reason", "left").exit_code

    found = redress.json("operators", "list")["operators"]
    assert [("ada", True), ("bob", False)] == [
        (one["name"], one["removed_ms"] is not None) for one in found
    ]
    with store.read() as connection:
        actions = [entry.action for entry in entries_about(connection, "operator:ada")]
        assert [] == [row for row in list_operators(connection) if row.passkeys]
    assert ["operator.invited", "operator.role_changed", "operator.removed"] == actions


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("invite", "Ada L", "--role", "viewer"), 2, "A name has 1 to 64"),
        (("invite", "ada"), 2, "--role"),
        (("invite", "ada", "--role", "owner"), 2, "owner"),
        (("role", "nobody", "admin", "--reason", "x"), 1, "there is no operator nobody"),
        (("role", "nobody", "admin"), 2, "--reason TEXT is needed"),
        (("remove", "nobody", "--reason", "x"), 1, "there is no operator nobody"),
    ],
)
def test_refused(sqlite_redress, arguments, code, says):
    """What cannot be is told in a sentence."""
    redress, _ = sqlite_redress
    ran = redress("operators", *arguments)
    assert code == ran.exit_code
    assert says in ran.stderr


def test_another_role_is_no_invitation(sqlite_redress):
    """Inviting somebody who is here gives a new link and never another role."""
    redress, _ = sqlite_redress
    redress("operators", "invite", "ada", "--role", "viewer")
    assert 0 == redress("operators", "invite", "ada", "--role", "viewer").exit_code
    assert "ada is viewer" in redress("operators", "invite", "ada", "--role", "admin").stderr


def test_the_dashboard_is_of_all_merchants(sqlite_redress):
    """It is started once, for everybody."""
    redress, _ = sqlite_redress
    ran = redress("dashboard", REDRESS_MERCHANT="studio")
    assert 1 == ran.exit_code
    assert "start it without --merchant" in ran.stderr
