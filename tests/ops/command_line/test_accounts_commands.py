"""`redress accounts`: shown, changed with a reason, audited."""

import json

import pytest
from sqlalchemy import select

from ledger.audit_log import entries_about
from ledger.notice_tables import notices

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


HOOK = {
    "REDRESS_PRODUCT_WEBHOOK_URL": "https://product.example/hook",
    "REDRESS_PRODUCT_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}


def test_the_product_is_told(world):
    """The product is told each time that an account stands otherwise, and how; never why in words."""
    redress, store = world
    for standing, cause in (
        ("suspended", "flag"),
        ("suspended", "terms"),
        ("closed", "terms"),
        ("active", "mistake"),
        ("active", "mistake"),
        ("suspended", "abuse"),
    ):
        redress("accounts", "set", "cus_ada", standing, "--cause", cause, *WHY, **HOOK)
    with store.read() as connection:
        rows = connection.execute(select(notices).order_by(notices.c.id)).all()
    told = [json.loads(row.content) for row in rows]

    assert [
        ("account.suspended", "active", "flag"),
        ("account.closed", "suspended", "terms"),
        ("account.reinstated", "closed", "mistake"),
        ("account.suspended", "active", "abuse"),
    ] == [
        (row.event, one["standing_before"], one["cause"])
        for row, one in zip(rows, told, strict=True)
    ]
    assert {("webhook", None, "cus_ada")} == {
        (row.channel, row.recipient, row.subject_id) for row in rows
    }
    assert ["suspended", "closed", "active", "suspended"] == [one["standing"] for one in told]
    assert "ticket" not in str(told)


def test_nobody_listens(world):
    """Without an endpoint of the product nothing is written for it, and nothing said of it."""
    redress, store = world
    ran = redress("accounts", "set", "cus_ada", "suspended", "--cause", "flag", *WHY)
    heard = redress("accounts", "set", "cus_ada", "active", *WHY, **HOOK)
    with store.read() as connection:
        events = [row.event for row in connection.execute(select(notices))]

    assert ["account.reinstated"] == events
    assert (False, True) == ("by webhook" in ran.stdout, "by webhook" in heard.stdout)
