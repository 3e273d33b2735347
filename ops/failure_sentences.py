"""Errors as sentences for operators: what is the matter, and what to do about it."""

import click
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ledger.ledger_owner import ForeignLedger
from ledger.replay_runs import ReplayOvertaken
from ledger.scratch_ledger import NoScratchLedger
from ops.operator_context import NoLedgerYet, NoTermsFolder
from policy.catalogue import CatalogueError
from policy.terms_file import TermsError
from runtime.data_lock import DataFolderInUse
from runtime.settings import SettingsError

#: What SQLite and PostgreSQL (by its error code) say when a table or a column is missing.
_NO_SUCH = ("no such table", "no such column")
_UNDEFINED = ("42P01", "42703")

NOT_MIGRATED = (
    "The database does not have the tables of this version of redress; run `redress migrate`, which"
    " brings it up to date."
)

#: Errors whose text is written for operators.
_IN_SENTENCES = (
    *(
        NoLedgerYet,
        NoTermsFolder,
        DataFolderInUse,
        CatalogueError,
        TermsError,
        click.ClickException,
    ),
    *(ForeignLedger, NoScratchLedger, ReplayOvertaken),
)


def failure_sentences(error: Exception) -> tuple[str, ...]:
    """One sentence per problem. None repeats a library's text, which may name a login or a row."""
    if isinstance(error, SettingsError):
        return error.problems
    if isinstance(error, click.Abort):
        return ("Stopped before it was done.",)
    if isinstance(error, _IN_SENTENCES):
        return (str(error),)
    if isinstance(error, SQLAlchemyError):
        return (database_sentence(error),)
    if isinstance(error, RedisError):
        return (redis_sentence(error),)
    return (f"Unexpected error {type(error).__name__}; run with --debug to see where.",)


def database_sentence(error: SQLAlchemyError) -> str:
    """Whether the database is away, or was not migrated."""
    if is_unmigrated(error):
        return NOT_MIGRATED
    name = type(error).__name__
    return f"The database does not answer ({name}); check DATABASE_URL and that its server runs."


def is_unmigrated(error: SQLAlchemyError) -> bool:
    """Whether the database answered that a table or a column of ours is missing."""
    if not isinstance(error, DBAPIError):
        return False
    known = getattr(error.orig, "sqlstate", None) in _UNDEFINED
    return known or any(text in str(error.orig) for text in _NO_SUCH)


def redis_sentence(error: RedisError) -> str:
    """That Redis is away; events are kept all the same."""
    name = type(error).__name__
    return f"Redis does not answer ({name}); check REDIS_URL, or start `redress up`."
