"""What `redress doctor` looks at in the ledger: schema, engine, stranded work, notices, seals, invariants."""

from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from ledger.brake import read_brake
from ledger.decisions import broken_seal
from ledger.invariant_checks import check_invariants
from ledger.schema_revision import NEWEST_REVISION, schema_revision
from ledger.work_counts import count_effects, count_inbox, count_notices, oldest_unsealed_ms
from ops.diagnosis import Diagnosis, Level
from ops.failure_sentences import database_sentence
from ops.list_diagnosis import diagnose_lists
from ops.moments import duration_text, moment_text
from runtime.limits import LEASE_MS, SWEEP_SECONDS
from runtime.wiring import Wiring

#: Work that waited this long was missed by the sweeper and the workers both (the 60 s promise).
STRANDED_MS: Final = 60_000

#: SQLite's settings that keep a commit on the disk, and what they must read as.
_PRAGMAS: Final = {"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"}

#: What to do about a broken invariant.
_MEND: Final = "stop money by `redress brake on`, then look at `redress refunds show` of these"
_MENDS: Final = {
    "credits": "compare with a backup: somebody changed the record; `redress credits show` tells of a customer"
}


def diagnose_ledger(wiring: Wiring) -> Iterator[Diagnosis]:
    """The database and everything in it; when it is away or not migrated, that alone."""
    try:
        revision, newest = schema_revision(wiring.store), NEWEST_REVISION
    except SQLAlchemyError as error:
        yield Diagnosis(
            subject="database",
            level=Level.FAIL,
            found=database_sentence(error),
            mend="start the database's server, or set DATABASE_URL",
        )
        return
    current = revision == newest
    yield Diagnosis(
        subject="database",
        level=Level.OK if current else Level.FAIL,
        found=f"{wiring.store.dialect}, schema {revision or 'none'} (needed: {newest})",
        mend="" if current else "run `redress migrate`",
    )
    if current:
        for subject, check in _CHECKS:
            yield from _looked(wiring, subject, check)


Check = Callable[[Connection, int], Iterator[Diagnosis]]


def _looked(wiring: Wiring, subject: str, check: Check) -> Iterator[Diagnosis]:
    """One check in a transaction of its own; a check that fails is a finding."""
    try:
        with wiring.store.read() as connection:
            yield from check(connection, wiring.clock.now_ms())
    except SQLAlchemyError as error:
        yield Diagnosis(
            subject=subject,
            level=Level.FAIL,
            found=f"could not be looked at: {type(error).__name__}",
            mend="look at the database's own log, then run `redress doctor` again",
        )


def _engine(connection: Connection, _now_ms: int) -> Iterator[Diagnosis]:
    if connection.dialect.name == "postgresql":
        version = connection.execute(text("SHOW server_version")).scalar_one()
        yield Diagnosis(subject="engine", level=Level.OK, found=f"PostgreSQL {version}")
        return
    read = {name: str(connection.exec_driver_sql(f"PRAGMA {name}").scalar()) for name in _PRAGMAS}
    version = connection.execute(text("SELECT sqlite_version()")).scalar_one()
    shown = ", ".join(f"{name} {value}" for name, value in read.items())
    safe = read == _PRAGMAS
    yield Diagnosis(
        subject="engine",
        level=Level.OK if safe else Level.FAIL,
        found=f"SQLite {version}: {shown}",
        mend="" if safe else "keep the file on a local disk: a network's cannot hold its locks",
    )


def _inbox(connection: Connection, now_ms: int) -> Iterator[Diagnosis]:
    inbox = count_inbox(connection, now_ms)
    late_ms = inbox.oldest_waiting_ms or 0
    late = late_ms > STRANDED_MS
    yield Diagnosis(
        subject="events",
        level=Level.WARN if late else Level.OK,
        found=f"{inbox.waiting} waiting, {inbox.claimed} being worked on, {inbox.delayed} put off"
        + (f"; the oldest waits for {duration_text(late_ms)}" if inbox.waiting else ""),
        mend="see `redress queue status`; start or add `redress worker`" if late else "",
    )
    yield Diagnosis(
        subject="parked events",
        level=Level.WARN if inbox.parked else Level.OK,
        found=f"{inbox.parked} wait for a person",
        mend="see `redress events list --state parked`" if inbox.parked else "",
    )


def _sweeper(connection: Connection, now_ms: int) -> Iterator[Diagnosis]:
    """Seen by what it leaves: leases taken back and decisions sealed within a few pulses."""
    overdue_ms = count_inbox(connection, now_ms).overdue_lease_ms or 0
    unsealed_ms = oldest_unsealed_ms(connection, now_ms) or 0
    patience_ms = LEASE_MS + 4 * SWEEP_SECONDS * 1_000
    away = max(overdue_ms, unsealed_ms) > patience_ms
    found = "nothing is left that it should have done"
    if away:
        found = f"left work undone for {duration_text(max(overdue_ms, unsealed_ms))}"
    yield Diagnosis(
        subject="sweeper",
        level=Level.FAIL if away else Level.OK,
        found=found,
        mend="run `redress sweeper`, or `redress up` for everything" if away else "",
    )


def _brake(connection: Connection, now_ms: int) -> Iterator[Diagnosis]:
    brake = read_brake(connection)
    held = sum(count_effects(connection, now_ms).held.values())
    found = "off"
    if brake.stopped:
        found = f"ON since {moment_text(brake.changed_ms)} by {brake.actor}: {brake.reason}"
    yield Diagnosis(
        subject="money brake",
        level=Level.WARN if brake.stopped else Level.OK,
        found=found,
        mend="when the reason is gone: `redress brake off --reason TEXT`" if brake.stopped else "",
    )
    yield Diagnosis(
        subject="refunds kept back",
        level=Level.WARN if held else Level.OK,
        found=f"{held}",
        mend="see `redress brake status` for why" if held else "",
    )


def _notices(connection: Connection, now_ms: int) -> Iterator[Diagnosis]:
    notices = count_notices(connection, now_ms)
    found = f"{notices.waiting} waiting, {notices.failed} failed"
    if notices.oldest_failed_ms is not None:
        found += f", the oldest {duration_text(notices.oldest_failed_ms)} ago"
    yield Diagnosis(
        subject="notices",
        level=Level.WARN if notices.failed else Level.OK,
        found=found,
        mend="see `redress notices list --state failed`, then"
        f" `redress notices retry {notices.oldest_failed} --reason TEXT`"
        if notices.failed
        else "",
    )


def _seals(connection: Connection, _now_ms: int) -> Iterator[Diagnosis]:
    broken = broken_seal(connection)
    yield Diagnosis(
        subject="decision chain",
        level=Level.OK if broken is None else Level.FAIL,
        found="unbroken" if broken is None else f"decision {broken} is not as it was sealed (I12)",
        mend=""
        if broken is None
        else "stop money by `redress brake on`, compare with a backup: somebody changed the record",
    )


def _invariants(connection: Connection, _now_ms: int) -> Iterator[Diagnosis]:
    for breach in check_invariants(connection):
        found = breach.statement
        if not breach.holds:
            found = f"broken: {breach.statement}; see {', '.join(breach.examples)}"
        yield Diagnosis(
            subject=f"invariant {breach.invariant}",
            level=Level.OK if breach.holds else Level.FAIL,
            found=found,
            mend="" if breach.holds else _MENDS.get(breach.invariant, _MEND),
        )


_CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("engine", _engine),
    ("events", _inbox),
    ("sweeper", _sweeper),
    ("Stripe's lists", diagnose_lists),
    ("money brake", _brake),
    ("notices", _notices),
    ("decision chain", _seals),
    ("invariants", _invariants),
)
