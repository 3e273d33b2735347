"""Facts that a person states about a purchase on the command line: `used=12`, `abuse=no`, `plan=annual`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from policy.request_facts import Plan
from runtime.limits import FACT_NUMBER_MAX

#: What may be stated: everything that can be unknown; payment, times and reasons never are.
FLAGS: Final = (
    "initial",
    "expired",
    "breach",
    "wrongly_flagged",
    "abuse",
    "ruled_little",
    "ruled_renewal",
)
NUMBERS: Final = (
    "issued",
    "used",
    "successful",
    "wrong_minor",
    "period_seconds",
    "lost_seconds",
    "longest_outage_seconds",
    "longest_failure_seconds",
    "fee_minor",
)
_YES: Final = {"yes": True, "true": True, "no": False, "false": False}

STATED_OPTION: Final = click.option(
    "--fact",
    "facts",
    multiple=True,
    metavar="NAME=VALUE",
    help="What you know: longest_failure_seconds=90000, abuse=no. `policy schema` names them all.",
)


def read_stated(facts: Sequence[str]) -> Mapping[str, Any]:
    """The facts by name; a usage error names the one that cannot be read and what it may be."""
    return dict(_read(fact) for fact in facts)


def _read(fact: str) -> tuple[str, Any]:
    name, equals, value = (part.strip() for part in fact.partition("="))
    if name in FLAGS and value.lower() in _YES:
        return name, _YES[value.lower()]
    if name in NUMBERS and value.isascii() and value.isdigit() and int(value) <= FACT_NUMBER_MAX:
        return name, int(value)
    if name == "plan" and value in [plan.value for plan in Plan]:
        return name, value
    if name in FLAGS:
        raise click.UsageError(f"--fact {name} is yes or no, not {value or 'nothing'}.")
    if name in NUMBERS:
        raise click.UsageError(f"--fact {name} is a whole number, not {value or 'nothing'}.")
    known = ", ".join(sorted((*FLAGS, *NUMBERS, "plan")))
    what = "an equals sign" if not equals else f"a fact that can be stated; {name} is none"
    raise click.UsageError(f"--fact needs {what}. Known: {known}.")
