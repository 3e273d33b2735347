"""`redress --merchant` and `redress merchants`: each command is about one merchant, and no other is touched."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from ledger.brake import read_brake
from ledger.engine import Store
from ledger.inbox import store_events
from ledger.ledger_owner import claim_ledger
from ledger.schema import migrate
from ledger.tables import audit
from runtime.merchants import every_merchant
from tests.fakes.ledger_rows import new_event
from tests.ops.command_line.conftest import CommandLine
from tests.ops.command_line.terms_drafts import VERSION, draft

MERCHANTS = """
[studio-eu]
STRIPE_API_KEY = "$EU_KEY"
STRIPE_WEBHOOK_SECRETS = "$EU_SECRET"
REDRESS_MODE = "enforce"

[atelier]
STRIPE_CONNECTED_ACCOUNT = "acct_1Atelier"
"""
REASON = ("--reason", "a drill")


class MerchantLine(CommandLine):
    """The command line over the ledgers of three merchants; Redis and Stripe are away."""

    def __init__(self, databases, folder, clock, engine_name):
        file = folder / "merchants.toml"
        file.write_text(MERCHANTS)
        super().__init__(
            {
                "REDRESS_DATA": str(folder / "data"),
                "DATABASE_URL": databases.url(engine_name),
                "STRIPE_API_KEY": "sk_test_own",
                "STRIPE_API_BASE": "http://127.0.0.1:9",
                "STRIPE_WEBHOOK_SECRETS": "whsec_of_the_first_account",
                "REDRESS_MERCHANTS": str(file),
                "EU_KEY": "sk_test_eu",
                "EU_SECRET": "whsec_of_the_second_account",
            },
            clock,
        )
        self.stores = {"": Store(self.environ["DATABASE_URL"])} | {
            name: Store(settings.database_url)
            for name, settings in every_merchant(self.environ).items()
        }
        for store in self.stores.values():
            migrate(store)

    def rows(self, name, table):
        """The rows of one merchant's table."""
        with self.stores[name].read() as connection:
            return connection.execute(select(table)).all()

    def close(self):
        for store in self.stores.values():
            store.close()


@pytest.fixture
def line(databases, tmp_path, clock, engine_name):
    """Three merchants, the first one's ledger on each engine in turn."""
    made = MerchantLine(databases, tmp_path, clock, engine_name)
    yield made
    made.close()


def test_list(line):
    """Every merchant is there with its mode, brake, and what waits; a table fits a terminal."""
    with line.stores["atelier"].write() as connection:
        store_events(connection, [new_event("evt_1")], line.clock.now_ms())
    line("--merchant", "studio-eu", "brake", "on", *REASON)

    told = line.json("merchants")["merchants"]
    shown = line("merchants").stdout

    assert ["", "studio-eu", "atelier"] == [one["merchant"] for one in told]
    assert ["observe", "enforce", "observe"] == [one["mode"] for one in told]
    assert [None, "a drill", None] == [one["brake"] for one in told]
    assert [0, 0, 1] == [one["events_waiting"] for one in told]
    assert [None, None, "acct_1Atelier"] == [one["account"] for one in told]
    assert max(map(len, shown.splitlines())) <= 80
    assert "sk_test" not in shown


def test_one_without_a_file(redress):
    """Without a file there is one merchant, and the command says how to add others."""
    shown = redress("merchants").stdout

    assert "(own)" in shown
    assert "docs/merchants.md" in shown


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_ledger_that_is_not_there(line):
    """A merchant without a ledger is listed with what to do, beside the others."""
    Path(line.stores["atelier"].engine.url.database).unlink()

    told = line.json("merchants")["merchants"]

    assert [True, True, False] == [one["problem"] is None for one in told]
    assert "start `redress up` once" in " ".join(line("merchants").stdout.split())


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_acts_are_about_one(line):
    """A brake, and its entry in the audit log, are in the ledger of the merchant that is named, and in no other."""
    ran = line("--merchant", "atelier", "brake", "on", *REASON)

    assert 0 == ran.exit_code, ran.output
    for name, store in line.stores.items():
        with store.read() as connection:
            assert (name == "atelier") is read_brake(connection).stopped
        assert (["brake.on"] if name == "atelier" else []) == [
            row.action for row in line.rows(name, audit)
        ]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_environment_names_a_merchant(line):
    """REDRESS_MERCHANT says the same as the option, which goes before it."""
    line("brake", "on", *REASON, REDRESS_MERCHANT="atelier")
    line("--merchant", "studio-eu", "brake", "on", *REASON, REDRESS_MERCHANT="atelier")

    assert [None, "a drill", "a drill"] == [
        one["brake"] for one in line.json("merchants")["merchants"]
    ]


@pytest.mark.parametrize(
    "command", [("brake", "on", *REASON), ("merchants",), ("policy", "show"), ("up",), ("worker",)]
)
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_unknown_merchant(line, command):
    """Nothing is done for a merchant that there is not: those that there are are named."""
    ran = line("--merchant", "nobody", *command)

    assert (1, "") == (ran.exit_code, ran.stdout)
    assert "it has: studio-eu, atelier" in ran.stderr


@pytest.mark.parametrize("command", ["web", "up"])
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_one_receiver_for_all(line, command):
    """What serves every merchant is not started for one of them."""
    ran = line("--merchant", "atelier", command)

    assert 1 == ran.exit_code
    assert "without --merchant" in ran.stderr


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_terms_of_ones_own(line, tmp_path):
    """With a folder of terms a merchant's commands read those, and the others' the ones that come with redress."""
    folder = tmp_path / "terms"
    folder.mkdir()
    draft(folder, refund_at=100)
    file = tmp_path / "merchants.toml"
    file.write_text(file.read_text() + f'REDRESS_TERMS = "{folder}"\n')

    own, theirs = (
        line.json(*whom, "policy", "show")["versions"] for whom in ((), ("--merchant", "atelier"))
    )

    assert (["2025-09-14"], [VERSION]) == (own, theirs)
    named = line("--merchant", "atelier", "policy", "show", "2025-09-14")
    assert 2 == named.exit_code
    assert f"there are: {VERSION}" in named.stderr
    found = {one["subject"]: one["found"] for one in line_checks(line)}
    assert f"newest of {VERSION}" in found["atelier: refund terms"]
    assert "newest of 2025-09-14" in found["refund terms"]


def test_folder_of_terms_that_is_none(bare_redress, tmp_path):
    """A folder that is not there, or that holds no terms, is named."""
    missing = bare_redress("policy", "show", REDRESS_TERMS=str(tmp_path / "none"))
    empty = bare_redress("policy", "show", REDRESS_TERMS=str(tmp_path))

    assert "REDRESS_TERMS must name a folder" in missing.stderr
    assert "holds no terms file" in empty.stderr
    assert [1, 1] == [missing.exit_code, empty.exit_code]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_commands_that_are_told_are_about_the_same_merchant(line):
    """Whoever copies a command from an answer or an error acts on the merchant that he had named."""
    whom = ("--merchant", "atelier")

    told = line(*whom, "brake", "on", *REASON).stdout
    refused = line(*whom, "requests", "show", "9").stderr
    without = line("brake", "on", *REASON).stdout

    assert "`redress --merchant atelier brake off" in told
    assert "`redress --merchant atelier requests list`" in refused
    assert "--merchant" not in without


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_doctor_looks_at_all(line):
    """Findings are those of every merchant, each with a command about its own; of one, where one is named."""
    line("--merchant", "atelier", "brake", "on", *REASON)

    checks = {one["subject"]: one for one in line_checks(line)}

    assert "redress --merchant atelier brake off" in checks["atelier: money brake"]["mend"]
    assert "ok" == checks["money brake"]["level"] == checks["studio-eu: money brake"]["level"]
    assert "warn" == checks["webhook endpoint (Connect)"]["level"]
    assert "acct_1Atelier" in checks["atelier: Stripe"]["found"]
    assert "atelier: signing secrets" not in checks
    assert "money brake" in {one["subject"] for one in line_checks(line, "--merchant", "atelier")}
    assert not [one for one in line_checks(line, "--merchant", "atelier") if ":" in one["subject"]]


@pytest.mark.parametrize(
    ("text", "said"),
    [("[studio-eu]\n", "STRIPE_API_KEY is missing"), ("[studio", "is no TOML")],
)
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_doctor_reads_a_broken_file(line, tmp_path, text, said):
    """A mistake in the file is a finding, and the first account is looked at all the same."""
    (tmp_path / "merchants.toml").write_text(text)

    checks = line_checks(line)

    [found] = [one for one in checks if one["subject"] == "merchants"]
    assert ("fail", True) == (found["level"], said in found["found"])
    assert "money brake" in {one["subject"] for one in checks}


def line_checks(line, *whom):
    """What the doctor finds."""
    return json.loads(line(*whom, "doctor", "--json").stdout)["checks"]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_ledger_of_another(line):
    """On a database that is another merchant's each command refuses, and the doctor tells."""
    claim_ledger(line.stores["studio-eu"], "studio-eu")
    url = str(line.stores["studio-eu"].engine.url)

    ran = line("brake", "on", *REASON, DATABASE_URL=url)
    doctor = line("doctor", DATABASE_URL=url)

    assert 1 == ran.exit_code
    assert "is the ledger of merchant studio-eu" in ran.stderr
    assert "is the ledger of merchant studio-eu" in " ".join(doctor.stdout.split())
