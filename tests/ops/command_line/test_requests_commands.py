"""`redress requests`: what is needed, what is shown without the address, and who names the purchase."""

import pytest

from ledger.audit_log import entries_about
from ledger.refund_requests import request_by_id, settle_request
from ledger.states import RequestState
from tests.fakes.frozen_clock import NOON_MS

EMAIL = "ada.lovelace@example.com"
ASKED = (
    "requests",
    "add",
    "--email",
    EMAIL,
    "--date",
    "2026-01-31",
    "--product",
    "images-100",
    "--reason",
    "failure",
)
WHY = ("--reason", "by the receipt")


@pytest.fixture
def world(redress, databases):
    """The command line and the store on its database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


def stored(store, request_id):
    """One request."""
    with store.read() as connection:
        return request_by_id(connection, request_id)


def set_aside(store, request_id, *candidates):
    """As the worker leaves a request that it cannot match."""
    listed = "[" + ", ".join(f'"{one}"' for one in candidates) + "]"
    with store.write() as connection:
        request = request_by_id(connection, request_id)
        settle_request(
            connection,
            request,
            RequestState.UNMATCHED,
            NOON_MS,
            note="which one?",
            candidates=listed,
        )


def test_nothing_yet(world):
    """Without requests, sentences say what to do."""
    redress, _ = world

    assert "redress requests add" in redress("requests", "list").stdout
    assert "stands so" in redress("requests", "list", "--state", "judged").stdout
    assert {"requests": []} == redress.json("requests", "list")


def test_added(world):
    """A request is stored as it was asked, and audited; the address is not shown in lists."""
    redress, store = world
    told = redress.json(*ASKED, "--reason", "taste", "--evidence", "it hung")
    request = stored(store, told["request_id"])
    listed = redress("requests", "list")
    shown = redress("requests", "show", told["request_id"])

    assert (EMAIL, "2026-01-31", ["failure", "taste"], "it hung") == (
        request.email,
        request.purchase_date.isoformat(),
        list(request.reasons),
        request.evidence,
    )
    assert "a…@example.com" in listed.stdout
    assert EMAIL not in listed.stdout + shown.stdout
    assert all(len(line) <= 100 for line in listed.stdout.splitlines())
    with store.read() as connection:
        (entry,) = entries_about(connection, f"request:{request.request_id}")
    assert "requests.add" == entry.action


@pytest.mark.parametrize("option", ["--email", "--date", "--product", "--reason"])
def test_missing(world, option):
    """Each required field that is missing is named, and nothing is stored."""
    redress, _ = world
    given = list(ASKED)
    at = given.index(option)
    ran = redress(*given[:at], *given[at + 2 :])

    assert (2, True) == (ran.exit_code, option in ran.stderr)
    assert {"requests": []} == redress.json("requests", "list")


def test_everything_missing(world):
    """All that is missing is named at once."""
    redress, _ = world
    ran = redress("requests", "add")

    assert 2 == ran.exit_code
    assert all(name in ran.stderr for name in ("--email", "--date", "--product", "--reason"))


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--email", "nobody", "account_email"),
        ("--date", "31.1.2026", "2026-01-31"),
        ("--product", "p" * 201, "product"),
        ("--reason", "spite", "changed_mind"),
    ],
)
def test_wrong(world, option, value, says):
    """A wrong field is named with what it should be."""
    redress, _ = world
    given = list(ASKED)
    given[given.index(option) + 1] = value
    ran = redress(*given)

    assert (2, True) == (ran.exit_code, says in ran.stderr)


def test_same_key(world):
    """Under one key a repetition changes nothing, and another request is refused."""
    redress, _ = world
    first = redress.json(*ASKED, "--key", "mail-7")
    again = redress.json(*ASKED, "--key", "mail-7")
    other = redress(*ASKED, "--key", "mail-7", "--evidence", "more")

    assert (True, False) == (first["new"], again["new"])
    assert (1, True) == (other.exit_code, "key of its own" in other.stderr)


def test_matched_by_a_person(world):
    """A request that fits several purchases shows them, and is due again when one is named."""
    redress, store = world
    request_id = redress.json(*ASKED)["request_id"]
    set_aside(store, request_id, "ch_1", "ch_2")
    shown = redress("requests", "show", request_id).stdout
    redress("requests", "match", request_id, "--charge", "ch_2", "--fact", "abuse=no", *WHY)
    request = stored(store, request_id)

    assert "ch_1, ch_2" in shown
    assert "requests match" in shown
    assert (RequestState.WAITING, "ch_2", {"abuse": False}) == (
        request.state,
        request.charge_id,
        dict(request.stated),
    )


@pytest.mark.parametrize(
    ("fact", "says"),
    [
        ("abuse", "not nothing"),
        ("abuse=perhaps", "yes or no"),
        ("used=many", "whole number"),
        ("used=-1", "whole number"),
        ("colour=red", "colour is none of"),
        ("plan=daily", "annual"),
    ],
)
def test_facts_that_are_none(world, fact, says):
    """A fact that cannot be read is named, with what it could be."""
    redress, _ = world
    request_id = redress.json(*ASKED)["request_id"]
    ran = redress("requests", "match", request_id, "--charge", "ch_2", "--fact", fact, *WHY)

    assert (2, True) == (ran.exit_code, says in ran.stderr)


def test_judged_again(world):
    """Requests are due again with what a person knows, all of them or, where one is unknown, none."""
    redress, store = world
    first, second = (redress.json(*ASKED)["request_id"] for _ in range(2))
    refused = redress("requests", "judge", first, 99, *WHY)
    before = stored(store, first).fence
    redress("requests", "judge", first, second, "--fact", "used=3", *WHY)

    assert (1, 0) == (refused.exit_code, before)
    for request_id in (first, second):
        request = stored(store, request_id)
        assert (1, {"used": 3}) == (request.fence, dict(request.stated))


def test_unknown_request(world):
    """A request that does not exist is said not to."""
    redress, _ = world
    for command in (("show", 7), ("match", 7, "--charge", "ch_1", *WHY), ("judge", 7, *WHY)):
        ran = redress("requests", *command)
        assert (1, True) == (ran.exit_code, "no request 7" in ran.stderr)
