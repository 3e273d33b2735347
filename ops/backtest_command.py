"""`redress policy backtest`: a terms file tried on stored events, against what then happened."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from sqlalchemy import Connection

from ledger.list_entries import PERSON, entries
from ledger.states import ListName
from ops.backtest.backtest_run import Backtest, Backtested, InForce
from ops.backtest.kept_backtests import KeptBacktest, keep_backtest
from ops.backtest.outcome_tally import (
    VERDICT_WORDS,
    VERDICTS,
    Outcome,
    Tally,
    share_text,
)
from ops.backtest.terms_trial import Exemptions
from ops.backtest.told_events import NoEvent, ToldEvent, exported_events, stored_events
from ops.backtest_page import render_backtest
from ops.moments import Moment
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
from ops.terms_choice import ChosenTerms, TermsChoice
from policy.decision import Verdict
from policy.money import Money
from policy.terms_file import Terms
from workers.terms_book import TermsBook

IN_FORCE: Final = "in force"
_LISTED_MAX: Final = 100_000
#: What became of payments, in words that fit a terminal.
_HEADINGS: Final = {
    Outcome.FRAUD: "fraud",
    Outcome.WARNED: "warned",
    Outcome.DISPUTED: "disputed",
    Outcome.REFUNDED: "refunded",
    Outcome.FINE: "fine",
}


@click.command(
    "backtest", epilog="Example: redress policy backtest --terms drafts/2027-01-01.toml --since 90d"
)
@click.option("--terms", type=TermsChoice(), help="The terms to try, beside those in force.")
@click.option("--since", type=Moment(), default="90d", show_default=True, help="From when on.")
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Not the ledger's events, but those of a JSON-lines file: one event object a line.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write a report with charts as well.",
)
@json_option
@click.pass_obj
def backtest_command(
    operator: OperatorContext,
    terms: ChosenTerms | None,
    since: int,
    file: Path | None,
    page: Path | None,
    *,
    as_json: bool,
) -> None:
    """Tell what terms would have given back as fraud, looked at and let through, and what then happened.

    By score, as each event came; warnings are an outcome here. Nothing is written to the ledger, and nothing is sent.
    The dashboard's page of the terms shows the newest ones.
    """
    book = TermsBook.by(operator.settings())
    trials: dict[str, InForce] = {IN_FORCE: book.in_force}
    if terms is not None:
        trials[terms.named] = _always(terms.terms)
    with operator.wiring() as wiring, wiring.store.read() as connection:
        told = _events(connection, file, since)
        exemptions = _exemptions(connection, operator.clock.now_ms())
        run = Backtest(trials, book.newest.duplicates, exemptions)
        try:
            result = run.run(told, lambda count: progress_line(f"{count} events read"))
        except NoEvent as wrong:
            raise click.ClickException(f"{wrong}.") from wrong
    end_progress()
    keep_backtest(
        operator.settings().redress_data,
        KeptBacktest(made_ms=operator.clock.now_ms(), since_ms=since, figures=_document(result)),
    )
    if page is not None:
        page.write_text(render_backtest(result), encoding="utf-8")
    if as_json:
        print_json(_document(result))
        return
    _tell(result)
    if page is not None:
        say("", f"The report with charts is {page.name}.")


def _always(terms: Terms) -> Callable[[int], Terms]:
    return lambda _at: terms


def _events(connection: Connection, file: Path | None, since_ms: int) -> Iterator[ToldEvent]:
    if file is None:
        return stored_events(connection, since_ms)
    return exported_events(file, since_ms // 1_000)


def _exemptions(connection: Connection, now_ms: int) -> Exemptions:
    """What people put on the lists. What cases put there is found anew by each trial."""
    listed = [one for one in entries(connection, now_ms, _LISTED_MAX) if one.origin == PERSON]
    return Exemptions(
        exempt=frozenset(
            (one.subject.value, one.value) for one in listed if one.list_name is not ListName.BLOCK
        ),
        blocked=frozenset(
            (one.subject.value, one.value) for one in listed if one.list_name is ListName.BLOCK
        ),
    )


def _document(result: Backtested) -> dict[str, Any]:
    return {
        "events": result.events,
        "unread": result.unread,
        "payments": result.payments,
        "terms": {name: tally.document() for name, tally in result.tallies.items()},
    }


def _tell(result: Backtested) -> None:
    say(f"{counted(result.events, 'event')} about {counted(result.payments, 'payment')}.")
    if result.unread:
        were = "was" if result.unread == 1 else "were"
        say(f"{counted(result.unread, 'event')} could not be read and {were} passed over.")
    if not result.payments:
        say("Nothing to try terms on: `--since 365d` looks further back, `--file` reads an export.")
        return
    for name, tally in result.tallies.items():
        say("", f"Terms {name}")
        _print_tally(tally)
    say(
        "",
        "Fraud: disputed as such; warned: by an issuer; disputed: for another reason.",
        "Precision: of what is given back and whose end is known, the share that was fraud.",
        "Recall: of all fraud, the share that is given back.",
    )


def _print_tally(tally: Tally) -> None:
    print_table(
        ("", "payments", *_HEADINGS.values()),
        [
            (
                VERDICT_WORDS[verdict],
                str(tally.of_verdict(verdict)),
                *(str(tally.payments[verdict, outcome]) for outcome in _HEADINGS),
            )
            for verdict in VERDICTS
        ],
        right=("payments", *_HEADINGS.values()),
    )
    back = ", ".join(
        str(Money(amount_minor=minor, currency=currency))
        for currency, minor in tally.money_of(Verdict.APPROVE).items()
    )
    shares = f"precision {share_text(tally.precision)}, recall {share_text(tally.recall)}"
    say(f"{back or 'Nothing'} given back; {shares}.")
    if tally.signals:
        print_table(
            ("signal", "given back", "looked at", "fraud", "of known"),
            [
                (
                    name,
                    str(counts[Verdict.APPROVE.value]),
                    str(counts[Verdict.REVIEW.value]),
                    str(counts["fraud"]),
                    str(counts["known"]),
                )
                for name, counts in sorted(
                    tally.signals.items(), key=lambda item: (-item[1]["fraud"], item[0])
                )
            ],
            right=("given back", "looked at", "fraud", "of known"),
        )
