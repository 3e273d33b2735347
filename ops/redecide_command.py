"""`redress policy redecide`: every stored decision made again from its own facts (invariant I7)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from sqlalchemy import Connection

from ledger.credit_decisions import every_credit_decision
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
from policy.terms_file import Terms, TermsError, load_every_version

_TOLD_EVERY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """A decision that its own facts do not lead to any more: about a case's money, or a claim's credits."""

    decision_id: int
    case_id: int | None
    claim_id: int | None
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
        counts, differing = _made_again(connection, operator.settings().redress_terms)
    end_progress()
    if as_json:
        print_json({"decisions": counts, "differing": [asdict(one) for one in differing]})
    elif not counts:
        say("No decision was stored yet.")
    else:
        _tell(counts, differing)
    if differing:
        ctx.exit(1)


def _made_again(connection: Connection, terms_folder: Path | None) -> tuple[int, list[Differing]]:
    differing: list[Differing] = []
    count = 0
    for count, found in enumerate(_compared(connection, terms_folder), start=1):
        if found is not None:
            differing.append(found)
        if count % _TOLD_EVERY == 0:
            progress_line(f"{count} decisions made again, {len(differing)} differ")
    return count, differing


def _compared(connection: Connection, terms_folder: Path | None) -> Iterator[Differing | None]:
    versions = {terms.version: terms for terms in load_every_version(terms_folder)}
    for row in every_decision(connection):
        yield _made_anew(row, versions, _money)
    for row in every_credit_decision(connection):
        yield _made_anew(row, versions, _credits)


def _made_anew(
    row: AnyRow, versions: Mapping[str, Terms], outcome: Callable[[Decision], str]
) -> Differing | None:
    stored = _stored(row)
    try:
        body = Decision.from_json(row.body)
        terms = versions.get(body.terms_version)
        if terms is None:
            raise TermsError(f"its terms {body.terms_version} are not there")
        again = redecide_any(body.facts, terms)
    except ValueError as error:
        return _differing(row, stored, str(error))
    found = outcome(again)
    return (
        None if (again.to_json(), found) == (row.body, stored) else _differing(row, stored, found)
    )


def _stored(row: AnyRow) -> str:
    """What the row's own columns say, in the words of `_money` and `_credits`."""
    values = row._asdict()
    if "credits" in values:
        return _said(row.verdict, row.credits, "credits")
    return _said(row.verdict, row.amount_minor, row.currency)


def _money(decision: Decision) -> str:
    amount = decision.amount
    if amount is None:
        return _said(decision.verdict.value, None, None)
    return _said(decision.verdict.value, amount.amount_minor, amount.currency)


def _credits(decision: Decision) -> str:
    effect = decision.credits
    number = None if effect is None or effect.restored == 0 else effect.restored
    return _said(decision.verdict.value, number, "credits")


def _differing(row: AnyRow, stored: str, found: str) -> Differing:
    values = row._asdict()
    return Differing(
        decision_id=row.id,
        case_id=values.get("case_id"),
        claim_id=values.get("claim_id"),
        stored=stored,
        found=found,
    )


def _said(verdict: str, number: int | None, unit: str | None) -> str:
    return verdict if number is None else f"{verdict} {number} {unit}"


def _tell(counts: int, differing: list[Differing]) -> None:
    if not differing:
        say(f"{counted(counts, 'decision')} made again: each came out as it is stored.")
        return
    say(f"{len(differing)} of {counted(counts, 'decision')} come out otherwise:")
    print_table(
        ("decision", "about", "stored", "now"),
        [(str(one.decision_id), _about(one), one.stored, one.found) for one in differing],
        right=("decision",),
        wrap_last=True,
    )
    say("The rules or the terms changed, or the row did: `redress doctor` looks at the seals.")


def _about(one: Differing) -> str:
    return f"case {one.case_id}" if one.claim_id is None else f"claim {one.claim_id}"
