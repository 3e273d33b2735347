"""`redress policy redecide`: every stored decision made again from its own facts (invariant I7)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click
from sqlalchemy import Connection

from ledger.decisions import every_decision
from ledger.rows import AnyRow
from ops.operator_context import OperatorContext
from ops.terminal import (
    counted,
    end_progress,
    json_option,
    print_json,
    print_table,
    progress_line,
    say,
)
from policy.decision import Decision
from policy.redeciding import redecide_any
from policy.terms_file import TermsError, load_every_version

_TOLD_EVERY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """A decision that its own facts do not lead to any more."""

    decision_id: int
    case_id: int
    stored: str
    found: str


@click.command("redecide", epilog="Example: redress policy redecide --json")
@json_option
@click.pass_context
def redecide_command(ctx: click.Context, *, as_json: bool) -> None:
    """Make every stored decision again; exit code 1 if one comes out otherwise.

    Each from the facts that it carries, under the terms that it names.
    """
    operator = ctx.ensure_object(OperatorContext)
    with operator.wiring() as wiring, wiring.store.read() as connection:
        counts, differing = _made_again(connection)
    end_progress()
    if as_json:
        print_json({"decisions": counts, "differing": [asdict(one) for one in differing]})
    elif not counts:
        say("No decision was stored yet.")
    else:
        _tell(counts, differing)
    if differing:
        ctx.exit(1)


def _made_again(connection: Connection) -> tuple[int, list[Differing]]:
    differing: list[Differing] = []
    count = 0
    for count, found in enumerate(_compared(connection), start=1):
        if found is not None:
            differing.append(found)
        if count % _TOLD_EVERY == 0:
            progress_line(f"{count} decisions made again, {len(differing)} differ")
    return count, differing


def _compared(connection: Connection) -> Iterator[Differing | None]:
    versions = {terms.version: terms for terms in load_every_version()}
    for row in every_decision(connection):
        try:
            stored = Decision.from_json(row.body)
            terms = versions.get(stored.terms_version)
            if terms is None:
                raise TermsError(f"its terms {stored.terms_version} are not there")
            again = redecide_any(stored.facts, terms)
        except ValueError as error:
            yield _differing(row, str(error))
        else:
            same = again.to_json() == row.body and again.verdict.value == row.verdict
            amount = again.amount
            money = (None, None) if amount is None else (amount.amount_minor, amount.currency)
            yield None if same else _differing(row, _said(again.verdict.value, *money))


def _differing(row: AnyRow, found: str) -> Differing:
    stored = _said(row.verdict, row.amount_minor, row.currency)
    return Differing(decision_id=row.id, case_id=row.case_id, stored=stored, found=found)


def _said(verdict: str, amount_minor: int | None, currency: str | None) -> str:
    return verdict if amount_minor is None else f"{verdict} {amount_minor} {currency}"


def _tell(counts: int, differing: list[Differing]) -> None:
    if not differing:
        say(f"{counted(counts, 'decision')} made again: each came out as it is stored.")
        return
    say(f"{len(differing)} of {counted(counts, 'decision')} come out otherwise:")
    print_table(
        ("decision", "case", "stored", "now"),
        [(str(one.decision_id), str(one.case_id), one.stored, one.found) for one in differing],
        right=("decision", "case"),
        wrap_last=True,
    )
    say("The rules or the terms changed, or the row did: `redress doctor` looks at the seals.")
