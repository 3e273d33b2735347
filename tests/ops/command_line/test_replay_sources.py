"""Replays of the shop's whole month, from each source: nothing twice, and each as its plan told it."""

import json

import pytest

from ledger.credit_tables import credit_entries
from ledger.notice_tables import notices
from ledger.stripe_tables import invoices
from ledger.tables import audit, decisions, events, refund_intents
from tests.fakes.played_month import PlayedMonth
from tests.ops.command_line.conftest import CommandLine

RUN = ("--run", "--reason", "a drill", "--per-second", "10000")
TIMES = 10


@pytest.fixture
def month(sqlite_store, tmp_path):
    """The month, none of it told yet."""
    played = PlayedMonth(sqlite_store, tmp_path)
    yield played
    played.close()


@pytest.fixture
def redress(month, tmp_path):
    """The command line beside the month's workers."""
    return CommandLine(month.environ(tmp_path), month.clock)


@pytest.fixture
def exported(month, tmp_path):
    """A file of every event of Stripe's so far, one in each line."""

    def write(name="events.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(event) + "\n" for event in month.told()))
        return path

    return write


def moved(month):
    """What the customers feel: refunds at Stripe, notices, and credits; and the ledger's intents."""
    world = month.world
    return (
        [(one["id"], one["amount"], one["status"]) for one in world.refunds()],
        [(row.key, row.state, row.attempts) for row in world.rows(notices)],
        [row.key for row in world.rows(credit_entries)],
        [(row.id, row.state, row.amount_minor) for row in world.rows(refund_intents)],
    )


def settled(month):
    """Let everything come to rest."""
    month.world.settle(600)
    assert not {"new", "claimed"} & {row.state for row in month.world.rows(events)}


def test_nothing_moves_twice(month, redress, exported):
    """The whole month, replayed ten times from each of the three sources, moves no money and tells nobody twice."""
    month.world.deliver()
    settled(month)
    before = moved(month)
    assert before[0]
    told = sum(row.state == "decided" for row in month.world.rows(events))
    month.clock.work = month.world.step
    sources = (
        ("--from", "ledger", "--since", "40d"),
        ("--from", str(exported())),
        ("--from", "stripe", "--since", "30d"),
    )

    for source in sources:
        for _ in range(TIMES):
            done = redress.json("replay", *source, *RUN)
            assert (done["done"], 0, 0) == (True, done["waiting"], done["stored"])
            assert told == done["replayed"]
        settled(month)
        assert before == moved(month), source


def test_forecast_is_what_the_run_does(month, redress, exported):
    """A file that comes into an empty ledger: each event's decisions and refunds are as the plan told them."""
    path = exported()
    month.clock.work = month.world.drain

    plan = redress.json("replay", "--from", str(path))["forecast"]
    assert [] == month.world.rows(events)
    done = redress.json("replay", "--from", str(path), *RUN)["followed"]

    by_events = [change for change in plan["changes"] if change["event_id"]]
    assert by_events == done["changes"]
    assert plan["states"] == done["states"]
    assert plan["refunds"][0]["count"] >= 2


def test_forecast_with_stripes_answers(month, redress, exported):
    """With the questions to Stripe answered on the way, the money is as the plan told it, charge by charge."""
    path = exported()
    month.clock.work = month.world.step

    plan = redress.json("replay", "--from", str(path))["forecast"]
    redress.json("replay", "--from", str(path), *RUN)
    settled(month)

    expected = {
        change["charge_id"]: change["now"]["amount_minor"]
        for change in plan["changes"]
        if change["refund"]
    }
    reserved = {row.charge_id: row.amount_minor for row in month.world.rows(refund_intents)}
    assert expected == reserved
    assert plan["written"]["questions"] == 0


def test_from_observe_to_enforce(month, redress):
    """A month that was only watched: the plan tells which refunds go out once the mode is enforce."""
    month.world.change_settings(redress_mode="observe")
    month.world.deliver()
    settled(month)
    assert [] == month.world.refunds()
    month.world.change_settings(redress_mode="enforce")

    plan = redress.json("replay", "--since", "40d")["forecast"]
    month.clock.work = month.world.drain
    done = redress.json("replay", "--since", "40d", *RUN)["followed"]

    assert [one for one in plan["changes"] if one["event_id"]] == done["changes"]
    refunds = plan["refunds"]
    assert sum(one["count"] for one in refunds) == len(month.world.rows(refund_intents))
    assert 0 < sum(one["count"] for one in refunds)


def test_other_terms(month, redress):
    """`--as-of` plans with terms that are not in force, and leaves no decision behind."""
    month.world.deliver()
    settled(month)
    before = len(month.world.rows(decisions))

    plan = redress.json("replay", "--since", "40d", "--as-of", "2025-09-14")["forecast"]
    refused = redress("replay", "--since", "40d", "--as-of", "2025-09-14", *RUN)

    assert {"2025-09-14"} >= {one["now"]["terms_version"] for one in plan["changes"]}
    assert (2, before) == (refused.exit_code, len(month.world.rows(decisions)))
    assert "in force" in refused.stderr


def test_parked_and_mended(month, redress):
    """What was set aside shows why, and is decided by a replay once that is put right."""
    charge = next(one for one in month.told() if one["type"] == "charge.succeeded")
    month.world.receive({**charge, "account": "acct_9"})
    month.clock.work = month.world.step

    before = redress("replay", "--state", "parked")
    redress.environ["STRIPE_ACCOUNT"] = "acct_9"
    plan = redress("replay", "--state", "parked")
    done = redress.json("replay", "--state", "parked", *RUN)

    assert "Left alone, 1: of an account that STRIPE_ACCOUNT does not name" in before.stdout
    assert "the event is of account acct_9" in plan.stdout
    assert {"decided": 1} == done["followed"]["states"]


def test_stopped_and_resumed(month, redress, exported):
    """A replay that was broken off in its middle goes on there: every event once, and only one goes on at a time."""
    path = exported()
    steps = iter(range(1))

    def broken_off():
        month.world.drain()
        if next(steps, None) is None:
            raise KeyboardInterrupt

    month.clock.work = broken_off
    stopped = redress("replay", "--from", str(path), *RUN, "--per-second", "1")
    month.clock.work = month.world.drain
    [listed] = redress.json("events", "replays")["replays"]
    done = redress.json("replay", "--resume", "1", "--per-second", "10000")
    again = redress("replay", "--resume", "1")

    assert (1, "running") == (stopped.exit_code, listed["state"])
    assert "redress replay --resume 1" in " ".join(stopped.stderr.split())
    assert 0 < listed["stored"] < done["stored"]
    assert (True, 0) == (done["done"], done["replayed"])
    assert done["stored"] == sum(row.source == "import" for row in month.world.rows(events))
    assert (1, True) == (again.exit_code, "is done" in again.stderr)
    audited = [row.action for row in month.world.rows(audit) if row.object == "replay:1"]
    assert ["replay.start", "replay.end"] == audited


def test_other_file_on_resuming(month, redress, exported):
    """A replay goes on with the file that it began with, or not at all."""
    path = exported()

    def at_once():
        raise KeyboardInterrupt

    month.clock.work = at_once
    redress("replay", "--from", str(path), *RUN, "--per-second", "1")
    path.write_text(path.read_text() + "\n")
    month.clock.work = month.world.step

    ran = redress("replay", "--resume", "1")

    assert 1 == ran.exit_code
    assert "not the file any more" in ran.stderr


def test_what_stripes_cli_prints(month, redress, tmp_path):
    """One JSON document over many lines, the newest event first, is read as well as lines of our own export."""
    told = month.told()
    document = tmp_path / "list.json"
    document.write_text(json.dumps({"object": "list", "data": told[::-1]}, indent=2))
    ours = tmp_path / "ours.jsonl"
    ours.write_text("".join(json.dumps({"event_id": "x", "payload": one}) + "\n" for one in told))

    plans = [redress.json("replay", "--from", str(one))["forecast"] for one in (document, ours)]

    assert plans[0]["events"] == plans[1]["events"] > 200
    assert plans[0]["refunds"] == plans[1]["refunds"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}\n", "events.jsonl:1: neither an event nor a list"),
        ('{"object": "list"}\n', "events.jsonl:1: a list without `data`"),
        ('{"type": "charge.succeeded"}\n', "events.jsonl:1: no event that can be read"),
        ("nonsense", "neither JSON lines nor one JSON document"),
        ('{"payload": {"type": "x"}}\nnonsense\n', "events.jsonl:2: no JSON; a file"),
    ],
)
def test_broken_file(month, redress, tmp_path, text, why):
    """A file that holds no events is refused with its line, and nothing of it is stored."""
    path = tmp_path / "events.jsonl"
    path.write_text(text)

    ran = redress("replay", "--from", str(path), *RUN)

    assert (1, []) == (ran.exit_code, month.world.rows(events))
    assert why in " ".join(ran.stderr.split())


@pytest.mark.parametrize(
    "args",
    [
        ("--from", "stripe"),
        ("--from", "stripe", "--since", "1d", "--state", "parked"),
        ("--from", "stripe", "--since", "1d", "--limit", "5"),
        ("--from", "stripe", "--since", "60d", "--until", "50d"),
        ("--resume", "1", "--state", "parked"),
        ("--charge", " "),
    ],
)
def test_misuse(redress, args):
    """Options that mean nothing together are told of, with exit code 2."""
    assert 2 == redress("replay", *args, *RUN).exit_code


def test_selections(month, redress):
    """By charge, subscription, decision and terms: what belongs to them, and nothing else."""
    world = month.world
    world.deliver()
    settled(month)
    charge_id = next(row.charge_id for row in world.rows(refund_intents))
    subscription = next(row.subscription_id for row in world.rows(invoices) if row.subscription_id)

    def types(*args):
        plan = redress.json("replay", *args, "--no-forecast")
        return {one["type"] for one in plan["by_type"]}

    assert {"charge.succeeded", "charge.refunded", "refund.created"} <= types("--charge", charge_id)
    about = types("--subscription", subscription)
    assert {"customer.subscription.created", "invoice.paid", "charge.succeeded"} <= about
    verdict = next(row.verdict for row in world.rows(decisions) if row.event_row_id)
    assert types("--decision", verdict)
    assert types("--decision", verdict) <= types("--terms", "2025-09-14")
    assert set() == types("--terms", "1999-01-01")
