"""Facts that a person states about a purchase on the command line: `used=12`, `abuse=no`, `plan=annual`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from policy.request_facts import COUNTS, FLAGS, Plan
from runtime.limits import FACT_NUMBER_MAX

_PLAN: Final = "plan"
_PLANS: Final = tuple(plan.value for plan in Plan)
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
    name, _, value = (part.strip() for part in fact.partition("="))
    if name not in (*FLAGS, *COUNTS, _PLAN):
        known = ", ".join(sorted((*FLAGS, *COUNTS, _PLAN)))
        raise click.UsageError(f"--fact is NAME=VALUE; {name or 'nothing'} is none of: {known}.")
    if name in FLAGS and value.lower() in _YES:
        return name, _YES[value.lower()]
    if name in COUNTS and value.isascii() and value.isdigit() and int(value) <= FACT_NUMBER_MAX:
        return name, int(value)
    if name == _PLAN and value in _PLANS:
        return name, value
    wanted = f"one of {', '.join(_PLANS)}" if name == _PLAN else "a whole number"
    wanted = "yes or no" if name in FLAGS else wanted
    raise click.UsageError(f"--fact {name} is {wanted}, not {value or 'nothing'}.")
