"""`redress fraud`, `lists` and `cases clear`: what they print, what they refuse, what they leave behind."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from ledger.accounts import account_of
from ledger.cases import FRAUD, open_case
from ledger.engine import Store
from ledger.fraud_tables import list_entries
from ledger.states import CaseState, Standing, StandingCause
from ledger.stripe_tables import disputes, early_fraud_warnings
from ledger.tables import audit, cases, decisions
from ops.operator_context import OperatorContext
from runtime.email_digest import digest_of, email_digest
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put, put_charge
from tests.fakes.worker_world import WorkerWorld, worker_settings
from workers.case_following import Desk
from workers.suspicions import suspend

NOON = NOON_MS // 1000
DAY = 86_400


@pytest.fixture
def store(redress):
    opened = Store(redress.environ["DATABASE_URL"])
    yield opened
    opened.close()


def put_month(store, payments=200, disputed=1):
    """So many payments by Visa and ten by Mastercard this month, and disputes of the first."""
    with store.write() as connection:
        for number in range(payments):
            put_charge(connection, f"ch_{number}", card_network="visa", created=NOON)
        for number in range(10):
            put_charge(connection, f"ch_m{number}", card_network="mastercard", created=NOON)
        for number in range(disputed):
            put(
                connection,
                disputes,
                dispute_id=f"du_{number}",
                charge_id=f"ch_{number}",
                status="needs_response",
                reason="fraudulent",
                currency="usd",
                created=NOON,
            )
        put(
            connection,
            disputes,
            dispute_id="du_asked",
            charge_id="ch_9",
            status="warning_needs_response",
            currency="usd",
            created=NOON,
        )


def test_ratios(redress, store):
    """Disputes per network against the programmes' own lines; an inquiry is none."""
    put_month(store)

    found = redress.json("fraud", "ratios")

    assert {"payments": 200, "disputes": 1, "fraud_reports": 0} == found["networks"]["visa"]
    vamp, stripe = found["programmes"][0], found["programmes"][-1]
    assert (1, 50, False, False) == (
        vamp["cases"],
        vamp["basis_points"],
        vamp["near"],
        vamp["reached"],
    )
    assert (1, 47, False) == (stripe["cases"], stripe["basis_points"], stripe["near"])


def test_ratios_as_metrics(redress, store):
    """A collector reads the counts and each programme's ratio beside its thresholds."""
    put_month(store)

    ran = redress("fraud", "ratios", "--metrics")

    told = {
        (sample.name, sample.labels.get("network"), sample.labels.get("programme")): sample.value
        for family in text_string_to_metric_families(ran.stdout)
        for sample in family.samples
    }
    vamp = redress.json("fraud", "ratios")["programmes"][0]
    named = (vamp["network"] or "all", vamp["programme"])
    assert 200 == told["redress_month_payments", "visa", None]
    assert 1 == told["redress_month_disputes", "visa", None]
    assert 0.005 == told["redress_programme_ratio", *named]
    assert vamp["threshold_cases"] == told["redress_programme_cases_threshold", *named]
    assert 0 == told["redress_programme_reached", *named]


def test_ratios_near_and_reached(redress, store):
    """Close from three quarters of both lines on, inside from both on."""
    put_month(store, payments=1_000, disputed=4)
    assert [True, False] == [
        redress.json("fraud", "ratios")["programmes"][0][name] for name in ("near", "reached")
    ]
    with store.write() as connection:
        put(
            connection,
            early_fraud_warnings,
            warning_id="issfr_1",
            charge_id="ch_1",
            fraud_type="misc",
            created=NOON,
        )

    assert [True, True] == [
        redress.json("fraud", "ratios")["programmes"][0][name] for name in ("near", "reached")
    ]
    assert "Visa VAMP, non-compliant" in redress("fraud", "ratios").stdout


def test_ratios_of_another_month(redress, store):
    """A month with nothing says so; a month that is none is refused."""
    put_month(store)

    assert "no payments" in redress("fraud", "ratios", "--month", "2020-01").stdout
    assert 2 == redress("fraud", "ratios", "--month", "2026-13").exit_code


def test_warnings(redress, store):
    """Of old warnings that were left alone, how many became disputes; those given back count apart."""
    old = NOON - 100 * DAY
    with store.write() as connection:
        for number in range(4):
            back = 1000 if number == 3 else 0
            put_charge(connection, f"ch_{number}", created=old, refunded_minor=back)
            put(
                connection,
                early_fraud_warnings,
                warning_id=f"issfr_{number}",
                charge_id=f"ch_{number}",
                fraud_type="misc",
                created=old,
            )
        for number, at in ((0, old + DAY), (1, old - DAY)):
            put(
                connection,
                disputes,
                dispute_id=f"du_{number}",
                charge_id=f"ch_{number}",
                status="lost",
                currency="usd",
                created=at,
            )

    assert {
        "left_alone": {"warnings": 2, "disputed": 1},
        "given_back": {"warnings": 1, "disputed": 0},
    } == redress.json("fraud", "warnings")
    assert "80 % of the terms" in redress("fraud", "warnings").stdout


def test_lists(redress, store):
    """What is put on a list is shown, audited, and taken off again; addresses are digests."""
    assert "Nobody is listed" in redress("lists", "show").stdout
    said = redress("lists", "add", "block", "email", "Eve@shop.example", "--reason", "ticket 7")
    assert (0, "The email is on the block list.\n") == (said.exit_code, said.stdout)
    redress("lists", "add", "allow", "ip", "203.0.113.9", "--days", "2", "--reason", "office")

    newest, oldest = redress.json("lists", "show")["entries"]

    assert ("ip", digest_of("ip_address", "203.0.113.9"), NOON_MS + 2 * DAY * 1000) == (
        newest["subject"],
        newest["value"],
        newest["expires_ms"],
    )
    assert ("block", email_digest("eve@shop.example"), "ticket 7", "person") == (
        oldest["list"],
        oldest["value"],
        oldest["reason"],
        oldest["origin"],
    )
    assert "203.0.113.9" not in redress("lists", "show").stdout
    gone = redress("lists", "remove", "block", "email", "eve@shop.example", "--reason", "mistake")
    assert 0 == gone.exit_code
    with store.read() as connection:
        actions = list(connection.execute(select(audit.c.action).order_by(audit.c.id)).scalars())
    assert ["lists.add", "lists.add", "lists.remove"] == actions


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("add", "snooze", "card", "fp_1", "--reason", "x"), "--days is needed"),
        (("add", "block", "card", "fp_1"), "--reason TEXT is needed"),
        (("add", "block", "email", "nobody", "--reason", "x"), "must be an e-mail address"),
        (("add", "grey", "card", "fp_1", "--reason", "x"), "is not one of"),
        (("remove", "block", "card", " ", "--reason", "x"), "VALUE must be one line"),
    ],
)
def test_refused_entries(redress, args, sentence):
    """Wrong use is a sentence and exit code 2."""
    ran = redress("lists", *args)

    assert 2 == ran.exit_code
    assert sentence in ran.stderr


def test_what_is_not_listed(redress):
    """Taking off what does not stand there is told."""
    ran = redress("lists", "remove", "block", "card", "fp_1", "--reason", "x")

    assert (1, "The card is not on the block list; see `redress lists show`.") == (
        ran.exit_code,
        ran.stderr.strip().removeprefix("redress: "),
    )


@pytest.fixture
def suspicion(redress, store):
    """A fraud case about 10.00 USD that suspended its customer; its id."""
    with store.write() as connection:
        put_charge(connection, "ch_1", customer_id="cus_ada", card_fingerprint="fp_ada")
        case = open_case(
            connection,
            kind=FRAUD,
            charge_id="ch_1",
            kept_charge_id=None,
            customer_id="cus_ada",
            now_ms=NOON_MS,
        )
        put(
            connection,
            decisions,
            case_id=case.case_id,
            verdict="review",
            body="{}",
            mode="enforce",
        )
        settings = OperatorContext(environ=redress.environ, clock=redress.clock).settings()
        desk = Desk(connection=connection, settings=settings, now_ms=NOON_MS)
        suspend(desk, case.case_id, 1, "cus_ada")
    return case.case_id


def test_clearing(redress, store, suspicion):
    """The account is active again, by mistake; the decision cites FLAG-ERROR, and the customer is vouched for."""
    ran = redress("cases", "clear", suspicion, "--reason", "the card is her own")

    assert 0 == ran.exit_code, ran.output
    assert f"Case {suspicion} is cleared" in ran.stdout
    assert "FLAG-ERROR owes it" in ran.stdout.replace("\n", " ")
    with store.read() as connection:
        account = account_of(connection, "cus_ada")
        body = connection.execute(
            select(decisions.c.body).order_by(decisions.c.id.desc()).limit(1)
        ).scalar_one()
        (entry,) = connection.execute(select(list_entries)).all()
        (case,) = connection.execute(select(cases)).all()
    assert (Standing.ACTIVE, StandingCause.MISTAKE) == (account.standing, account.cause)
    decision = json.loads(body)
    assert ("deny", "FLAG-ERROR") == (decision["verdict"], decision["clauses"][0]["clause"])
    assert ("allow", "customer", "cus_ada") == (entry.list, entry.subject, entry.value)
    assert "closed" == case.state


def test_clearing_judges_what_else_was_suspected(sqlite_redress, tmp_path, clock):
    """Who is vouched for is let through with his other payments, too, without waiting for another event."""
    line, store = sqlite_redress
    world = WorkerWorld(store=store, settings=worker_settings(tmp_path), clock=clock)
    customer = world.customer()
    first, second = (world.pay(customer, order=order, amount=2000) for order in ("a", "b"))
    world.settle(30)
    world.control("disputes", {"charge": second, "reason": "fraudulent"})
    world.settle(30)
    about = {row.charge_id: row for row in world.rows(cases)}
    assert {CaseState.REVIEW} == {row.state for row in about.values()}

    ran = line("cases", "clear", about[second].id, "--reason", "she called us")

    assert 0 == ran.exit_code, ran.output
    (other,) = [row for row in world.rows(cases) if row.charge_id == first]
    assert CaseState.CLOSED == other.state
    assert [] == world.refunds()
    world.sandbox.book.close()


def test_clearing_what_suspects_nobody(redress, store):
    """Only suspicions can be cleared."""
    with store.write() as connection:
        put_charge(connection, "ch_1")
        case = open_case(
            connection,
            kind="duplicate_charge",
            charge_id="ch_1",
            kept_charge_id=None,
            customer_id=None,
            now_ms=NOON_MS,
        )

    ran = redress("cases", "clear", case.case_id, "--reason", "x")

    assert 1 == ran.exit_code
    assert "suspects nobody" in ran.stderr
    assert 1 == redress("cases", "clear", 99, "--reason", "x").exit_code
