"""`redress fraud`: how close each month is to the networks' programmes, and how warnings ended."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from ledger.fraud_ratios import Month, month_counts, standings
from ledger.warning_history import WarningOutcomes, given_back_and_disputed, warning_outcomes
from ops.fraud_metrics import ratio_metrics
from ops.operator_context import OperatorContext
from ops.terminal import counted, json_option, print_json, print_table, say
from policy.programmes import MonthCounts, ProgrammeStanding
from workers.terms_book import TermsBook

_MONTH: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
_DAY_SECONDS: Final = 86_400


@click.group(epilog="Example: redress fraud ratios")
def fraud() -> None:
    """Tell dispute and fraud-report ratios, and how early fraud warnings ended."""


@fraud.command("ratios", epilog="Example: redress fraud ratios --month 2026-11 --json")
@click.option(
    "--month", "wanted", help="The calendar month (UTC), such as 2026-11; this one if not."
)
@click.option("--metrics", is_flag=True, help="Print metrics in Prometheus' text format.")
@json_option
@click.pass_obj
def ratios_command(
    operator: OperatorContext, wanted: str | None, *, metrics: bool, as_json: bool
) -> None:
    """Tell payments, disputes and fraud reports per network, and how close the programmes are."""
    month = _month(wanted, operator.clock.now_ms())
    with operator.wiring() as wiring, wiring.store.read() as connection:
        counts = month_counts(connection, month)
        found = standings(counts, month_counts(connection, month.plus(-1)))
    if metrics:
        click.echo(ratio_metrics(month, counts, found), nl=False)
        return
    if as_json:
        print_json(
            {
                "month": str(month),
                "networks": {name: _counts(one) for name, one in counts.items()},
                "programmes": [_standing(one) for one in found],
            }
        )
        return
    if not counts:
        say(
            f"{month}: no payments and no disputes. `redress fraud ratios --month …` tells another."
        )
        return
    _print(month, counts, found)


@fraud.command("warnings", epilog="Example: redress fraud warnings")
@json_option
@click.pass_obj
def warnings_command(operator: OperatorContext, *, as_json: bool) -> None:
    """Tell how many early fraud warnings became disputes, of those that were left alone and of those that were not."""
    rules = TermsBook.by(operator.settings()).newest.fraud_warnings
    before = operator.clock.now_ms() // 1_000 - rules.history_days * _DAY_SECONDS
    with operator.wiring() as wiring, wiring.store.read() as connection:
        alone = warning_outcomes(connection, before)
        back = given_back_and_disputed(connection, before)
    if as_json:
        print_json({"left_alone": _outcomes(alone), "given_back": _outcomes(back)})
        return
    say(f"Of warnings that are {rules.history_days} days old or older:")
    print_table(
        ("", "warnings", "disputed", "share"),
        [_outcome_row("left alone", alone), _outcome_row("given back in full", back)],
        right=("warnings", "disputed", "share"),
    )
    measured = alone.left_alone >= rules.history_warnings
    share = "the measured share" if measured else f"the {rules.dispute_percent} % of the terms"
    known_from = counted(rules.history_warnings, "warning")
    say(f"The next one is decided by {share} (measured from {known_from} on).")


def _month(wanted: str | None, now_ms: int) -> Month:
    if wanted is None:
        return Month.of(now_ms // 1_000)
    matched = _MONTH.fullmatch(wanted)
    if matched is None:
        raise click.UsageError("--month must be a month such as 2026-11.")
    return Month(year=int(matched[1]), month=int(matched[2]))


def _counts(counts: MonthCounts) -> dict[str, int]:
    return {
        "payments": counts.payments,
        "disputes": counts.disputes,
        "fraud_reports": counts.fraud_reports,
    }


def _standing(one: ProgrammeStanding) -> dict[str, Any]:
    return {
        "programme": one.programme.name,
        "network": one.programme.network,
        "cases": one.cases,
        "payments": one.payments,
        "basis_points": one.basis_points,
        "threshold_cases": one.programme.count,
        "threshold_basis_points": one.programme.basis_points,
        "near": one.near,
        "reached": one.reached,
    }


def _outcomes(found: WarningOutcomes) -> dict[str, int]:
    return {"warnings": found.left_alone, "disputed": found.disputed}


def _outcome_row(name: str, found: WarningOutcomes) -> tuple[str, str, str, str]:
    share = "" if not found.left_alone else f"{found.disputed * 100 // found.left_alone} %"
    return name, str(found.left_alone), str(found.disputed), share


def _print(
    month: Month, counts: Mapping[str, MonthCounts], found: Sequence[ProgrammeStanding]
) -> None:
    say(f"{month} (UTC)")
    print_table(
        ("network", "payments", "disputes", "fraud reports"),
        [
            (name, str(one.payments), str(one.disputes), str(one.fraud_reports))
            for name, one in counts.items()
        ],
        right=("payments", "disputes", "fraud reports"),
    )
    say("")
    print_table(
        ("programme", "cases", "from", "ratio", "from ", "standing"),
        [
            (
                one.programme.name,
                str(one.cases),
                str(one.programme.count),
                _percent(one.basis_points),
                _percent(one.programme.basis_points),
                "reached" if one.reached else ("close" if one.near else "clear"),
            )
            for one in found
        ],
        right=("cases", "from", "ratio", "from "),
    )


def _percent(basis_points: int | None) -> str:
    """`0.75 %`; a dash where there are no payments."""
    if basis_points is None:
        return "-"
    return f"{basis_points // 100}.{basis_points % 100:02} %"
