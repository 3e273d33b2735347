"""`redress policy backtest`: a terms file tried on a file and on the ledger's own events, and what its report says."""

import json
import re

import pytest

from ledger.engine import Store
from ledger.inbox import store_events
from ledger.tables import decisions, refund_intents
from ops.backtest.outcome_tally import Outcome
from policy.decision import Verdict
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.worker_world import parsed_event
from tests.ops.command_line.terms_drafts import draft
from tests.policy.fraud_corpus import corpus, events_in_order, fraud_of

EVENTS = 900
COLUMNS_MAX = 85


@pytest.fixture
def told():
    """Events of the half of the corpus that may be looked at, in order."""
    return events_in_order([one for one in corpus() if not one.held_back])[:EVENTS]


@pytest.fixture
def export(told, tmp_path):
    """The events as a JSON-lines file."""
    return written(tmp_path / "export.jsonl", told)


def written(path, told):
    path.write_text("".join(json.dumps(event) + "\n" for event in told), encoding="utf-8")
    return path


def payments_of(told):
    return {event["data"]["object"]["id"] for event in told if event["type"] == "charge.succeeded"}


def test_a_file(redress, export, told):
    """Every payment is counted once, by what would have been done and by what became of it."""
    found = redress.json("policy", "backtest", "--file", export, "--since", "2020-01-01")

    assert (EVENTS, 0) == (found["events"], found["unread"])
    payments = payments_of(told)
    assert len(payments) == found["payments"]
    tally = found["terms"]["in force"]
    assert len(payments) == sum(sum(row.values()) for row in tally["payments"].values())
    approved = tally["payments"][Verdict.APPROVE]
    assert 0 < approved[Outcome.FRAUD]
    known_fraud = approved[Outcome.FRAUD] + approved[Outcome.WARNED]
    every = sum(approved.values()) - approved[Outcome.REFUNDED]
    assert known_fraud / every == pytest.approx(tally["precision"])
    fraud = set(fraud_of(corpus()))
    assert sum(approved.values()) <= len(payments & fraud)
    assert 2900 * sum(approved.values()) == tally["money_minor"][Verdict.APPROVE]["usd"]


def test_side_by_side(redress, export, tmp_path):
    """Stricter terms give more back than those in force, on the same payments."""
    strict = draft(tmp_path, refund_score=60, review_score=30)

    found = redress.json(
        "policy", "backtest", "--terms", strict, "--file", export, "--since", "2020-01-01"
    )

    usual, stricter = found["terms"].values()
    back = [sum(one["payments"][Verdict.APPROVE].values()) for one in (usual, stricter)]
    assert back[0] < back[1]
    assert usual["recall"] < stricter["recall"]


def test_the_ledgers_events(redress, told):
    """Stored events are told as a file's are; and nothing is written or queued."""
    store = Store(redress.environ["DATABASE_URL"])
    with store.write() as connection:
        parsed = [parsed_event(event) for event in told]
        store_events(connection, parsed, NOON_MS)

    found = redress.json("policy", "backtest", "--since", "90d")

    assert EVENTS == found["events"]
    assert len(payments_of(told)) == found["payments"]
    with store.read() as connection:
        assert [] == connection.execute(decisions.select()).all()
        assert [] == connection.execute(refund_intents.select()).all()
    store.close()


def test_people_read_it(redress, export, tmp_path):
    """The tables fit a terminal, and the report holds charts, loads nothing and runs no script."""
    page = tmp_path / "report.html"

    ran = redress("policy", "backtest", "--file", export, "--since", "2020-01-01", "--html", page)

    assert 0 == ran.exit_code, ran.output
    assert "given back; precision " in ran.stdout
    assert "report.html" in ran.stdout
    assert COLUMNS_MAX >= max(len(line) for line in ran.stdout.splitlines())
    report = page.read_text(encoding="utf-8")
    assert 3 == report.count("<svg")
    assert re.search(r'<rect class="fraud" x="0" y="0" width="\d+"', report)
    assert not re.search(r"<script|<link|src=|https?://", report)


def test_nothing_to_try(redress):
    """An empty ledger says what to do."""
    ran = redress("policy", "backtest")

    assert 0 == ran.exit_code
    assert "`--since 365d` looks further back, `--file` reads an export" in ran.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{nonsense", "export.jsonl:2: no JSON"),
        ('{"type": 3}', "export.jsonl:2: an event has a type; this has none"),
        ('{"type": "charge.succeeded"}', "export.jsonl:2: an event has created and data.object"),
    ],
)
def test_a_file_with_a_wrong_line(redress, told, tmp_path, line, said):
    """A line that holds no event is named, and nothing is reported."""
    path = tmp_path / "export.jsonl"
    path.write_text(f"{json.dumps(told[0])}\n{line}\n", encoding="utf-8")

    ran = redress("policy", "backtest", "--file", path, "--since", "2020-01-01")

    assert 1 == ran.exit_code
    assert said in ran.stderr
    assert not ran.stdout


def test_a_file_the_wrong_way_round(redress, told, tmp_path):
    """The newest first, as Stripe lists them, would count what came before as what came after: refused."""
    path = written(tmp_path / "export.jsonl", told[:100][::-1])

    ran = redress("policy", "backtest", "--file", path, "--since", "2020-01-01")

    assert 1 == ran.exit_code
    assert "export.jsonl: the newest events come first; `tac` turns the file around" in ran.stderr


def test_a_file_with_a_leap_back(redress, told, tmp_path):
    """A part that is older than the memory of a run is refused, with the line."""
    old = {**told[0], "created": told[0]["created"] - 400 * 86_400}
    path = written(tmp_path / "export.jsonl", [told[0], old])

    ran = redress("policy", "backtest", "--file", path, "--since", "2020-01-01")

    assert 1 == ran.exit_code
    assert "export.jsonl:2: 400 days older than an event before it" in ran.stderr


def test_what_cannot_be_read_is_counted(redress, told, tmp_path):
    """An object that lacks what every charge has is passed over, and said."""
    broken = {**told[0], "data": {"object": {"object": "charge", "id": "ch_x"}}}
    path = written(tmp_path / "export.jsonl", [broken, told[1]])

    ran = redress("policy", "backtest", "--file", path, "--since", "2020-01-01")

    assert "1 event could not be read and was passed over." in ran.stdout
