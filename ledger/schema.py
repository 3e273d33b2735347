"""Brings a database to the schema that this version of the code needs, by Alembic's migrations."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from ledger.engine import Store
from ledger.schema_revision import NEWEST_REVISION

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
    return NEWEST_REVISION


def alembic_config() -> Config:
    """Alembic's configuration: the folder of migrations, and nothing read from the surroundings."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
