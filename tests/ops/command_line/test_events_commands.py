"""`redress events list` and `show`: what arrived, what became of it, nothing of the people behind it."""

import orjson
import pytest
from sqlalchemy import select

from ledger.decisions import append_decision
from ledger.inbox import claim_events, settle_events, store_events
from ledger.states import EventState
from ledger.tables import audit
from ops.operator_context import current_actor
from ops.terminal import COLUMNS
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import decision, new_event, put_charge, reserve_refund

HOUR_MS = 3_600_000
LONG_ID = "evt_1RabcD2eZvKYlo2C0123456789"
PERSON = {"name": "Erika Mustermann", "email": "erika@example.org", "phone": "+4930123456"}


def put(store, *new_events, at_ms=NOON_MS):
    with store.write() as connection:
        return [row.row_id for row in store_events(connection, list(new_events), at_ms)]


def put_mixed(store):
    """Three events an hour apart: a charge of cus_1, an ignored one, a parked one."""
    put(store, new_event("evt_a", lane="cus_1", object_id="ch_1"), at_ms=NOON_MS - 2 * HOUR_MS)
    ignored = new_event("evt_b", type="plan.created", state=EventState.IGNORED, note="not handled")
    put(store, ignored, at_ms=NOON_MS - HOUR_MS)
    put(
        store,
        new_event("evt_c", state=EventState.PARKED, note="of another account", account="acct_9"),
    )


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        pytest.param([], ["evt_c", "evt_b", "evt_a"], id="all, newest first"),
        pytest.param(["--type", "plan.created"], ["evt_b"], id="one type"),
        pytest.param(["--type", "charge.*"], ["evt_c", "evt_a"], id="all that begin so"),
        pytest.param(["--type", "charge_*"], [], id="an underscore is no wildcard"),
        pytest.param(
            ["--type", "plan.*", "--type", "charge.*"], ["evt_c", "evt_b", "evt_a"], id="two"
        ),
        pytest.param(["--state", "parked"], ["evt_c"], id="one state"),
        pytest.param(
            ["--state", "parked", "--state", "ignored"], ["evt_c", "evt_b"], id="two states"
        ),
        pytest.param(["--object", "ch_1"], ["evt_a"], id="about an object"),
        pytest.param(["--customer", "cus_1"], ["evt_a"], id="of a customer"),
        pytest.param(["--since", "90m"], ["evt_c", "evt_b"], id="since"),
        pytest.param(["--until", "2026-01-01T12:00:00"], ["evt_b", "evt_a"], id="until, in UTC"),
        pytest.param(["--until", "2026-01-01T11:30:00+01:00"], ["evt_a"], id="until, in a zone"),
        pytest.param(["--since", "3h", "--until", "1h"], ["evt_a"], id="a span, end exclusive"),
        pytest.param(["--limit", "1"], ["evt_c"], id="limit"),
        pytest.param(["--before", "3"], ["evt_b", "evt_a"], id="the next page"),
        pytest.param(["--state", "parked", "--type", "plan.*"], [], id="both must hold"),
    ],
)
def test_list(redress, databases, args, expected):
    """Each filter narrows the list; all that are given must hold."""
    put_mixed(databases.store(redress.environ["DATABASE_URL"]))

    listed = redress.json("events", "list", *args)

    assert expected == [event["event_id"] for event in listed["events"]]


def test_list_pages(sqlite_redress):
    """A list that is cut says so, and how to read on."""
    redress, store = sqlite_redress
    put_mixed(store)

    assert redress.json("events", "list", "--limit", "2")["more"]
    assert not redress.json("events", "list", "--limit", "3")["more"]
    assert "--before 2," in redress("events", "list", "--limit", "2").stdout


def test_list_fits(sqlite_redress):
    """The table fits 100 columns, whatever the events are called, and the id is never cut."""
    redress, store = sqlite_redress
    put(
        store,
        new_event(LONG_ID, type="customer.subscription.updated", note="n" * 300),
        new_event("evt_2", type="radar.early_fraud_warning.created", state=EventState.PARKED),
    )

    lines = redress("events", "list").stdout.splitlines()

    assert max(map(len, lines)) <= COLUMNS
    assert LONG_ID in "\n".join(lines)


def test_list_shows_no_control_characters(sqlite_redress):
    """What came from outside cannot steer the terminal."""
    redress, store = sqlite_redress
    put(store, new_event("evt_1", type="a\x1b[2Jb[red]", note="\x07x"))

    shown = redress("events", "list").stdout

    assert "a[2Jb[red]" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        pytest.param([], "No event has arrived yet", id="nothing at all"),
        pytest.param(["--state", "parked"], "No event fits", id="nothing that fits"),
    ],
)
def test_empty_list(sqlite_redress, args, hint):
    """An empty list says what to do next."""
    assert hint in sqlite_redress[0]("events", "list", *args).stdout


@pytest.mark.parametrize("named", ["evt_1", "1"])
def test_show(redress, databases, named):
    """An event is found by Stripe's id and by its row, with what became of it."""
    store = databases.store(redress.environ["DATABASE_URL"])
    put(store, new_event())
    with store.write() as connection:
        [claimed] = claim_events(connection, NOON_MS, 1)
        settle_events(connection, [(claimed, EventState.DECIDED, "newer")], NOON_MS + 500)

    [event] = redress.json("events", "show", named)["events"]

    assert ("evt_1", "decided", "newer", 1) == tuple(
        event[name] for name in ("event_id", "state", "note", "attempts")
    )
    assert ([], []) == (event["decisions"], event["audit"])


def test_show_what_followed(sqlite_redress):
    """The decisions that an event led to are shown with their case and intent."""
    redress, store = sqlite_redress
    [row_id] = put(store, new_event())
    with store.write() as connection:
        put_charge(connection, "ch_1")
        intent = reserve_refund(connection, "ch_1")
        append_decision(
            connection,
            case_id=intent.case_id,
            event_row_id=row_id,
            decision=decision(),
            mode="enforce",
            now_ms=NOON_MS,
        )

    [followed] = redress.json("events", "show", "evt_1")["events"][0]["decisions"]
    shown = redress("events", "show", "evt_1").stdout

    assert (intent.intent_id, "reserved", "ch_1") == (
        followed["intent_id"],
        followed["intent_state"],
        followed["charge_id"],
    )
    assert "10.00 USD" in shown


def test_show_same_id_twice(sqlite_redress):
    """One id that stands in two accounts is shown for both."""
    redress, store = sqlite_redress
    put(store, new_event(), new_event(account="acct_2", payload=b"{}"))

    assert 2 == len(redress.json("events", "show", "evt_1")["events"])


@pytest.mark.parametrize("named", ["evt_unknown", "99", "9" * 30, "x'; --"])
def test_show_unknown(sqlite_redress, named):
    """An event that is not there is one sentence and code 1."""
    ran = sqlite_redress[0]("events", "show", named)

    assert 1 == ran.exit_code
    assert 1 == len(ran.stderr.splitlines())


def test_show_keeps_people_out(sqlite_redress):
    """Without --payload nothing of the body is shown; with it, all but what is about people."""
    redress, store = sqlite_redress
    body = {
        "id": "evt_1",
        "data": {"object": {"id": "ch_3RabcD2eZvKYlo2C", "amount": 500, "billing_details": PERSON}},
    }
    put(store, new_event(payload=orjson.dumps(body)))

    plain = redress("events", "show", "evt_1").output
    masked = redress("events", "show", "evt_1", "--payload").output

    assert "ch_3RabcD2eZvKYlo2C" not in plain
    assert "ch_3RabcD2eZvKYlo2C" in masked
    assert "500" in masked
    assert not [value for value in PERSON.values() if value in plain + masked]


def test_payload_is_audited(redress, databases):
    """Looking into a body leaves an entry that names who looked; looking at an event leaves none."""
    store = databases.store(redress.environ["DATABASE_URL"])
    put(store, new_event())

    redress("events", "show", "evt_1")
    redress("events", "show", "evt_1", "--payload")

    with store.read() as connection:
        [entry] = connection.execute(select(audit)).all()
    assert ("event.payload_shown", "evt_1", current_actor(), "cli") == (
        entry.action,
        entry.object,
        entry.actor,
        entry.origin,
    )
