"""Exports that spreadsheets and data teams can trust, retention, and a customer's data erased with the books still provable."""

import csv
import io
import json
import stat

import pytest
from pyarrow import parquet
from sqlalchemy import func, select

from ledger.audit_log import record
from ledger.claim_tables import credit_claims
from ledger.decisions import broken_seal
from ledger.invariant_checks import check_invariants
from ledger.notice_tables import notices
from ledger.request_tables import refund_requests
from ledger.stripe_tables import charges, customers
from ledger.tables import audit, decisions, events, refund_intents
from tests.fakes.pack_shop import PackShop
from tests.fakes.played_month import PlayedMonth
from tests.ops.command_line.conftest import CommandLine

KINDS = {"events": events, "decisions": decisions, "refunds": refund_intents, "audit": audit}
DAY = 86_400


@pytest.fixture
def month(store, tmp_path):
    """A shop's month, told and worked on, and a customer who bought a pack and got the money back."""
    played = PlayedMonth(store, tmp_path, fraud=False)
    shop = PackShop(played.world, tmp_path)
    played.world.deliver()
    played.world.settle(600)
    charge, customer = shop.buy(receipt_email="buyer@shop.example")
    shop.ask(charge)
    played.world.settle(600)
    played.customer, played.charge = customer, charge
    yield played
    played.close()


@pytest.fixture
def redress(month, tmp_path):
    """The command line beside the month's workers."""
    return CommandLine(month.environ(tmp_path), month.clock)


@pytest.mark.parametrize("what", KINDS)
def test_every_row_in_every_form(month, redress, tmp_path, what):
    """The same rows come as JSON lines, CSV and Parquet, each file readable by its owner alone."""
    redress("brake", "on", "--reason", "for the audit log")
    month.world.settle(30)
    paths = {form: tmp_path / f"rows.{form}" for form in ("jsonl", "csv", "parquet")}
    for form, path in paths.items():
        ran = redress("export", what, "--format", form, "--to", path)
        assert 0 == ran.exit_code, ran.output
    lines = [json.loads(line) for line in paths["jsonl"].read_text().splitlines()]
    with paths["csv"].open(encoding="utf-8", newline="") as opened:
        cells = list(csv.DictReader(opened))
    table = parquet.read_table(paths["parquet"]).to_pylist()

    assert len(month.world.rows(KINDS[what])) == len(lines) == len(cells) == len(table) > 0
    assert lines == table
    assert [list(one) for one in lines] == [list(one) for one in cells]
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in paths.values()}
    assert not any("payload" in one for one in lines)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_formulas_are_text(month, redress):
    """A cell that a spreadsheet would run begins with an apostrophe; numbers stay numbers."""
    with month.world.store.write() as connection:
        record(
            connection,
            at_ms=1,
            actor="=HYPERLINK(1)",
            action="+a",
            object_id="-b",
            result="@c",
            origin="cli",
            detail='quo"ted,\nlines',
        )
    out = redress("export", "audit", "--format", "csv", "--until", "2000-01-01").stdout

    [row] = csv.DictReader(io.StringIO(out))
    assert ["'=HYPERLINK(1)", "'+a", "'-b", "'@c"] == [
        row[name] for name in ("actor", "action", "object", "result")
    ]
    assert ("1", 'quo"ted,\nlines') == (row["at_ms"], row["detail"])


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_span(month, redress):
    """--since and --until choose by when a row was written; every page of a long one comes once."""
    all_rows = redress("export", "events").stdout.splitlines()
    none = redress("export", "events", "--until", "2001-01-01").stdout

    ids = [json.loads(line)["id"] for line in all_rows]
    assert sorted(set(ids)) == ids
    assert len(month.world.rows(events)) == len(ids)
    assert "" == none


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_payloads_can_be_replayed(month, redress, tmp_path):
    """Events with their bodies need a reason, are audited, and are what `redress replay --from` reads."""
    path = tmp_path / "events.jsonl"
    refused = redress("export", "events", "--payload")
    redress("export", "events", "--payload", "--reason", "a move", "--to", path)

    plan = redress.json("replay", "--from", str(path))["forecast"]

    assert 2 == refused.exit_code
    decided = sum(row.state == "decided" for row in month.world.rows(events))
    assert decided == plan["events"]
    assert [] == plan["refunds"]
    assert "a move" in [row.detail for row in month.world.rows(audit)]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_cannot_be_written(redress, tmp_path):
    """A place that cannot be written to is named."""
    ran = redress("export", "audit", "--to", tmp_path / "missing" / "file")

    assert (1, True) == (ran.exit_code, "cannot be written" in ran.stderr)


def test_forget(month, redress, tmp_path):
    """Nothing personal is left of the customer; seals, invariants, stored decisions and Stripe's books still hold."""
    world = month.world
    outbox = tmp_path / "outbox"
    others = len(list(outbox.iterdir()))
    plan = redress.json("forget", month.customer)
    done = redress("forget", month.customer, "--run", "--reason", "asked for it")
    world.clock.advance(1_200)

    assert plan["rows"]["bodies of events"] > 3
    assert all(plan["rows"][name] for name in ("e-mails", "refund requests", "customer"))
    assert 0 == done.exit_code, done.output
    assert {0} == set(redress.json("forget", month.customer)["rows"].values())
    with world.store.read() as connection:
        whole = "\n".join(
            str(row)
            for table in (events, notices, refund_requests, charges, customers, credit_claims)
            for row in connection.execute(select(table))
            if month.customer in str(row) or month.charge in str(row)
        )
        assert "buyer@shop.example" not in whole
        assert None is broken_seal(connection)
        assert () == sum((one.examples for one in check_invariants(connection)), ())
        kept = select(func.count()).where(events.c.payload != b"")
        assert connection.execute(kept).scalar_one() > 20
    assert 0 == redress("policy", "redecide").exit_code
    assert redress.json("reconcile")["agree"]
    assert len(list(outbox.iterdir())) < others
    assert ["customer.forget"] == [
        row.action for row in world.rows(audit) if row.object == month.customer
    ]
    assert "It was erased at 20" in redress("forget", month.customer).stdout
    left = redress("replay", "--customer", month.customer, "--no-forecast").stdout
    assert "the body was erased" in left


def test_open_business_first(month, redress):
    """While something of the customer's is open, the data stays, and it is said what."""
    customer = month.world.customer()
    charge = month.world.pay(customer, order=None)
    month.world.control("disputes", {"charge": charge, "reason": "product_not_received"})
    month.world.settle(60)

    ran = redress("forget", customer, "--run", "--reason", "asked for it")

    assert 1 == ran.exit_code
    assert "a dispute is open" in ran.stderr
    assert redress.json("forget", customer)["rows"]["bodies of events"] > 0


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_nobody(redress):
    """A customer who is not known is told as such."""
    assert "Nothing personal is known" in redress("forget", "cus_unknown").stdout


def test_retention(month, redress):
    """Bodies older than the settings keep them are erased, rows and decisions stay; younger ones keep theirs."""
    world = month.world
    before = len(world.rows(events))
    world.clock.advance(90 * DAY)
    world.pay(world.customer())
    world.deliver()
    world.settle(60)
    world.change_settings(redress_payload_days="60")
    for _ in range(3):
        world.sweep()

    sizes = [len(row.payload) for row in world.rows(events)]
    assert {0} == set(sizes[:before])
    assert all(sizes[before:])
    assert redress.json("events", "show", str(before))["events"][0]["payload_bytes"] == 0
    assert "REDRESS_PAYLOAD_DAYS" in redress("queue", "status", REDRESS_PAYLOAD_DAYS="5").stderr
