"""The migrations arrive at the schema that the code declares, however often and by however many."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import ledger.api_token_tables
import ledger.claim_tables
import ledger.credit_tables
import ledger.ending_tables
import ledger.fraud_tables
import ledger.issue_tables
import ledger.notice_tables
import ledger.plan_change_tables
import ledger.request_tables
import ledger.seen_plan_tables
import ledger.stripe_tables  # noqa: F401 - declares its tables on the one metadata
from ledger.schema import alembic_config, migrate
from ledger.schema_revision import NEWEST_REVISION, schema_revision
from ledger.tables import metadata
from ledger.triggers import create_triggers
from tests.fakes.at_once import at_once

MIGRATE_SECONDS_MAX = 60

_TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
    "postgresql": """
        SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        ORDER BY 1""",
}


@pytest.fixture
def empty_url(databases, engine_name):
    return databases.url(engine_name, migrated=False)


@pytest.fixture
def empty_store(databases, empty_url):
    return databases.store(empty_url)


@pytest.fixture
def declared_store(empty_store):
    """A database made from the declarations instead of the migrations."""
    with empty_store.write() as connection:
        metadata.create_all(connection)
        create_triggers(connection)
    return empty_store


def plain(value):
    """The text of what an inspector tells, SQL fragments in words and keys in order."""
    if isinstance(value, dict):
        return str(sorted((key, plain(inner)) for key, inner in value.items()))
    return str(value)


def described(store):
    """Everything that the database says about its tables, free of the order of declaration."""
    described = {}
    with store.read() as connection:
        seen = inspect(connection)
        for table in sorted(set(seen.get_table_names()) - {"alembic_version"}):
            parts = (
                seen.get_columns(table),
                seen.get_indexes(table),
                seen.get_unique_constraints(table),
                seen.get_check_constraints(table),
                seen.get_foreign_keys(table),
                [seen.get_pk_constraint(table)],
            )
            described[table] = [sorted(map(plain, part)) for part in parts]
        described["triggers"] = [
            (name, " ".join(body.split()))
            for name, body in connection.execute(text(_TRIGGERS[store.dialect]))
        ]
    return described


def test_compared_by_alembic(store):
    """Alembic finds nothing to migrate between the migrated schema and the declared one."""
    with store.read() as connection:
        compared = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=compared)

        assert [] == compare_metadata(context, metadata)


def test_compared_in_full(store, declared_store):
    """Columns, indexes, constraints and triggers are the same, migrated or made from the declarations."""
    assert described(declared_store) == described(store)


def test_revision(empty_store):
    """An empty database has no revision, a migrated one the newest."""
    assert schema_revision(empty_store) is None

    assert NEWEST_REVISION == migrate(empty_store) == schema_revision(empty_store)


def test_migrated_twice(store):
    """A second migration finds nothing to do."""
    before = described(store)

    assert NEWEST_REVISION == migrate(store)
    assert before == described(store)


def test_threads_at_once(databases, empty_url):
    """Four threads that migrate one empty database at once all succeed."""
    stores = [databases.store(empty_url) for _ in range(4)]

    assert [NEWEST_REVISION] * 4 == at_once(migrate, stores)


def test_processes_at_once(empty_url, empty_store):
    """Two processes that start together on one empty database both find it migrated."""
    script = (
        "import sys; from ledger.engine import Store; from ledger.schema import migrate; "
        "print(migrate(Store(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, empty_url], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=MIGRATE_SECONDS_MAX)[0] for process in processes]

    assert [f"{NEWEST_REVISION}\n".encode()] * 2 == answers
    assert NEWEST_REVISION == schema_revision(empty_store)


def test_failed_migration(empty_store):
    """A migration that fails half-way leaves the database as it was."""
    with empty_store.write() as connection:
        connection.execute(text("CREATE TABLE seals (seq INTEGER)"))
    before = described(empty_store)

    with pytest.raises(Exception, match="already exists"):
        migrate(empty_store)

    assert before == described(empty_store)


def test_the_newest_revision_is_the_newest_migration():
    """The revision that processes compare with is the head of the migrations."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()

    assert NEWEST_REVISION == head
