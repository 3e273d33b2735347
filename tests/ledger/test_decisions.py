"""Decisions are appended, never changed, and a seal finds the one that was tampered with (I12)."""

import pytest
from sqlalchemy import select, text

from ledger.decisions import (
    append_decision,
    broken_seal,
    decisions_of,
    last_decision,
    seal_decisions,
)
from ledger.inbox import store_events
from ledger.tables import seals
from policy.decision import Decision, Verdict
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import decision, new_event, put_case, put_decision


def tamper(store, statement, decision_id):
    """Change a decision behind the ledger's back, as somebody with the database's own rights could."""
    with store.write() as connection:
        if store.dialect == "sqlite":
            triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for name in connection.execute(text(triggers)).scalars().all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(statement), {"id": decision_id})


def seal(store, count_max=100):
    with store.write() as connection:
        return seal_decisions(connection, count_max)


def broken(store):
    with store.read() as connection:
        return broken_seal(connection)


@pytest.fixture
def decided(store):
    """The ids of five decisions of one case; the store keeps them unsealed."""
    with store.write() as connection:
        case_id = put_case(connection)
        return [put_decision(connection, case_id, decision(step=step)) for step in range(5)]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_appended(store, verdict):
    """A decision is stored whole: it reads back equal, and its columns say what its body says."""
    made = decision(verdict, currency="usd", charge="ch_1")
    with store.write() as connection:
        [receipt] = store_events(connection, [new_event()], NOON_MS)
        case_id = put_case(connection)
        append_decision(
            connection,
            case_id=case_id,
            event_row_id=receipt.row_id,
            decision=made,
            mode="observe",
            now_ms=NOON_MS,
        )
        row = last_decision(connection, case_id)

    assert made == Decision.from_json(row.body)
    assert (verdict.value, "2025-09-14", "observe", NOON_MS, receipt.row_id) == (
        row.verdict,
        row.terms_version,
        row.mode,
        row.made_ms,
        row.event_row_id,
    )
    amount = (1000, "usd") if verdict is Verdict.APPROVE else (None, None)
    assert amount == (row.amount_minor, row.currency)


def test_last(store, decided):
    """The last decision is the newest of its own case; all of them are listed oldest first."""
    with store.write() as connection:
        other_case = put_case(connection, "ch_2")
        only = put_decision(connection, other_case)
        case_id = put_case(connection, "ch_1")

        assert decided[-1] == last_decision(connection, case_id).id
        assert only == last_decision(connection, other_case).id
        assert decided == [row.id for row in decisions_of(connection, case_id)]
        assert last_decision(connection, put_case(connection, "ch_3")) is None


def test_sealed_in_portions(store, decided):
    """Each decision is sealed once, in portions of at most what was asked for."""
    assert [2, 2, 1, 0] == [seal(store, 2) for _ in range(4)]

    with store.read() as connection:
        sealed = connection.execute(select(seals.c.decision_id).order_by(seals.c.seq)).scalars()
        assert decided == list(sealed)
    assert broken(store) is None


def test_portions_do_not_matter(store, decided, databases, engine_name):
    """The digests depend on the decisions alone, not on how many were sealed at a time."""
    other = databases.store(databases.url(engine_name))
    with other.write() as connection:
        case_id = put_case(connection)
        for step in range(len(decided)):
            put_decision(connection, case_id, decision(step=step))

    def digests(sealed):
        with sealed.read() as connection:
            return connection.execute(select(seals.c.digest).order_by(seals.c.seq)).scalars().all()

    seal(store, 100)
    for _ in decided:
        seal(other, 1)

    assert digests(other) == digests(store)
    assert len(decided) == len(set(digests(store)))


def test_sealed_at_once(store, decided, databases, database_url):
    """Sweepers that seal at once leave one whole chain."""
    done = at_once(seal, [store, databases.store(database_url)] * 3)

    assert len(decided) == sum(done)
    assert broken(store) is None


@pytest.mark.usefixtures("decided")
def test_nothing_sealed(store):
    """A chain without seals holds; so does one whose newest decisions wait for theirs."""
    assert broken(store) is None
    seal(store, 2)

    assert broken(store) is None


TAMPERED = [
    pytest.param("UPDATE decisions SET body = '{}' WHERE id = :id", id="the reasons"),
    pytest.param(
        "UPDATE decisions SET verdict = 'deny', amount_minor = NULL WHERE id = :id",
        id="the verdict",
    ),
    pytest.param("UPDATE decisions SET amount_minor = 1001 WHERE id = :id", id="the amount"),
    pytest.param("UPDATE decisions SET made_ms = made_ms + 1 WHERE id = :id", id="the time"),
    pytest.param("UPDATE decisions SET mode = 'observe' WHERE id = :id", id="the mode"),
    pytest.param("UPDATE seals SET digest = 'x' WHERE decision_id = :id", id="the seal"),
]


@pytest.mark.parametrize("statement", TAMPERED)
@pytest.mark.parametrize("position", [0, 2, 4], ids=["first", "middle", "last"])
def test_tampered(store, decided, statement, position):
    """Whatever is changed in a sealed decision, the check names that decision."""
    seal(store)

    tamper(store, statement, decided[position])

    assert decided[position] == broken(store)


def test_removed_with_its_seal(store, decided):
    """A decision that was removed together with its seal breaks the chain at the next one."""
    seal(store)

    tamper(store, "DELETE FROM seals WHERE decision_id = :id", decided[1])
    tamper(store, "DELETE FROM decisions WHERE id = :id", decided[1])

    assert decided[2] == broken(store)


def test_resealing_does_not_hide_it(store, decided):
    """What was tampered with stays found after later decisions were sealed."""
    seal(store, 3)
    tamper(store, "UPDATE decisions SET mode = 'observe' WHERE id = :id", decided[0])

    seal(store)

    assert decided[0] == broken(store)
