"""`redress tokens`: shown once, listed without their secret, revoked for good."""

import pytest

from ledger.api_tokens import token_name
from ledger.audit_log import entries_about

WHY = ("--reason", "the web shop")


@pytest.fixture
def world(redress, databases):
    """The command line and the store on its database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


def owner(store, token):
    """Whose token it is."""
    with store.read() as connection:
        return token_name(connection, token)


def test_nobody_yet(world):
    """Without tokens a sentence says how to make one."""
    redress, _ = world

    assert "redress tokens create" in redress("tokens", "list").stdout
    assert {"tokens": []} == redress.json("tokens", "list")


def test_created_and_revoked(world):
    """A token opens until it is revoked; it is in no list, and both acts are audited."""
    redress, store = world
    token = redress.json("tokens", "create", "product", *WHY)["token"]
    opened = owner(store, token)
    listed = redress("tokens", "list").stdout
    redress("tokens", "revoke", "product", *WHY)

    assert ("product", None) == (opened, owner(store, token))
    assert "product" in listed
    assert token not in listed + str(redress.json("tokens", "list"))
    with store.read() as connection:
        acts = [entry.action for entry in entries_about(connection, "token:product")]
    assert ["tokens.create", "tokens.revoke"] == acts


def test_shown_to_people(world):
    """Without `--json` too the token is shown whole, on a line of its own."""
    redress, store = world
    shown = redress("tokens", "create", "product", *WHY).stdout
    token, told = shown.split("\n", 1)

    assert "product" == owner(store, token)
    assert "after the word Bearer" in told


def test_refused(world):
    """A name in use, a name that is none, and a missing reason are refused with the way out."""
    redress, _ = world
    redress("tokens", "create", "product", *WHY)
    again = redress("tokens", "create", "product", *WHY)
    unknown = redress("tokens", "revoke", "shop", *WHY)

    assert (1, True) == (again.exit_code, "revoke it first" in again.stderr)
    assert (1, True) == (unknown.exit_code, "tokens list" in unknown.stderr)
    assert 2 == redress("tokens", "create", "other").exit_code
    assert 2 == redress("tokens", "create", "n" * 61, *WHY).exit_code
