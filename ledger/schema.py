"""Brings a database to the schema that this version of the code needs, and says where one stands."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from ledger.engine import Store

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = text("SELECT pg_advisory_xact_lock(7203150003)")


def migrate(store: Store) -> str:
    """Run every migration that is missing, in one transaction; returns the schema's revision.

    Several processes may call it at once: the second waits and finds nothing to do.
    """
    with store.write() as connection:
        if store.dialect == "postgresql":
            connection.execute(_MIGRATION_LOCK)
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return newest_revision()


def schema_revision(store: Store) -> str | None:
    """The revision that the database stands at; None for an empty one."""
    with store.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """The revision that this version of the code needs."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if head is None:
        raise LookupError("the package holds no migrations")
    return head


def alembic_config() -> Config:
    """Alembic's configuration: the folder of migrations, and nothing read from the surroundings."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
