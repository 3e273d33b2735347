"""`redress events backfill`: how far Stripe's lists were read, and reading a span at once."""

import pytest

from ledger.tables import audit, events
from tests.fakes.played_month import PlayedMonth
from tests.ops.command_line.conftest import CommandLine


@pytest.fixture
def month(sqlite_store, tmp_path):
    """The month, none of it told yet."""
    played = PlayedMonth(sqlite_store, tmp_path, fraud=False)
    yield played
    played.close()


@pytest.fixture
def redress(month, tmp_path):
    """The command line beside the month's workers."""
    return CommandLine(month.environ(tmp_path), month.clock)


def test_reads_a_span(month, redress):
    """What the ledger lacks comes in, marked as polled; a second time there is nothing new; both are audited."""
    first = redress.json("events", "backfill", "--since", "30d", "--reason", "a drill")
    again = redress("events", "backfill", "--since", "30d", "--reason", "a drill")

    assert first["found"]["events"] == len(month.world.rows(events))
    assert {"poll"} == {row.source for row in month.world.rows(events)}
    assert first["listed"]["charges"] > 5
    assert 0 == first["found"].get("charges", 0)  # their events have just come in
    assert "The ledger had all of it." in again.stdout
    told = [row.detail for row in month.world.rows(audit) if row.action == "events.backfill"]
    assert 2 == len(told)
    assert all("a drill" in one for one in told)


def test_says_how_far(month, redress):
    """Without a span it tells how far each list was read; before the first reading, who will."""
    before = redress("events", "backfill")
    month.world.change_settings(redress_backfill_seconds="120")
    for _ in range(60):
        month.world.sweep()
        month.world.work()
        month.clock.advance(30)
    told = redress("events", "backfill")
    lists = redress.json("events", "backfill")["lists"]
    off = redress("events", "backfill", REDRESS_BACKFILL_SECONDS="0")

    assert "The sweeper begins" in before.stdout
    assert 6 == len(lists)
    assert "early_fraud_warnings" in told.stdout
    assert all(len(line) <= 100 for line in told.stdout.splitlines())
    assert "nobody reads Stripe's lists" in off.stdout


@pytest.mark.parametrize(
    ("args", "exit_code", "why"),
    [
        (("--since", "60d", "--reason", "x"), 2, "within the last 30 days"),
        (("--since", "1h", "--until", "2h", "--reason", "x"), 2, "earlier than --until"),
        (("--since", "1h"), 2, "--reason"),
    ],
)
def test_misuse(redress, args, exit_code, why):
    """What cannot be meant is told of."""
    ran = redress("events", "backfill", *args)

    assert exit_code == ran.exit_code
    assert why in ran.stderr


def test_stripe_is_away(redress):
    """Without an answer, or without a key, it says what to do."""
    away = redress(
        *("events", "backfill", "--since", "1h", "--reason", "x"),
        STRIPE_API_BASE="http://127.0.0.1:9",
    )

    assert 1 == away.exit_code
    assert "run this again" in away.stderr


def test_doctor(month, redress):
    """The doctor warns when the lists fall behind, and names what to look at."""
    month.world.change_settings(redress_backfill_seconds="120")
    month.world.sweep()
    month.clock.advance(7_200)

    checks = redress("doctor", "--json").stdout

    assert "redress events backfill" in checks
