"""`redress policy`: the terms, what they would decide, and their page for customers.

None of them but `redecide`, `backtest` and `shadow` needs a database, or a setting but REDRESS_TERMS: they rest on the terms and the rules alone.
"""

from collections.abc import Sequence
from pathlib import Path

import click

from ops.backtest_command import backtest_command
from ops.decision_account import decision_document, print_decision
from ops.facts_file import FactsRefused, read_facts, refusal
from ops.facts_schema import request_schema
from ops.operator_context import OperatorContext
from ops.policy_page import PAGE_FORMATS, render_page
from ops.redecide_command import redecide_command
from ops.shadow_command import shadow_command
from ops.terminal import counted, json_option, print_facts, print_json, say
from ops.terms_account import print_terms, terms_document
from ops.terms_choice import ChosenTerms, TermsChoice, chosen_or_newest
from ops.terms_differences import Difference, Entry, differences
from policy.checks import MalformedFactError
from policy.decision import Decision
from policy.redeciding import redecide_any
from policy.terms_file import Terms, load_every_version, terms_in_force


@click.group(epilog="Example: redress policy show")
def policy() -> None:
    """Read the refund terms, try them on facts, and compare them."""


@policy.command("show", epilog="Example: redress policy show 2025-09-14")
@click.argument("version", type=TermsChoice(), required=False)
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, version: ChosenTerms | None, *, as_json: bool) -> None:
    """Show the terms as a person reads them.

    The newest, a VERSION, or a file by its path.
    """
    folder = operator.terms_folder()
    terms = chosen_or_newest(version, folder)
    names = [known.version for known in load_every_version(folder)]
    if as_json:
        print_json({**terms_document(terms), "versions": names})
        return
    print_terms(terms)
    say("", f"Versions, oldest first: {', '.join(names)}.")


@policy.command("schema", epilog="Example: redress policy schema > request.schema.json")
def schema_command() -> None:
    """Print the JSON Schema of a request's facts."""
    print_json(request_schema())


@policy.command("decide", epilog="Example: redress policy decide request.json --json")
@click.argument("facts_file", metavar="FACTS.json|-")
@click.option("--terms", type=TermsChoice(), help="Not those in force at the purchase, but these.")
@json_option
@click.pass_context
def decide_command(
    ctx: click.Context, facts_file: str, terms: ChosenTerms | None, *, as_json: bool
) -> None:
    """Decide from a file of facts alone.

    The file, `-` for standard input, holds the facts of a request, or the finding and the payment of
    a duplicate. What is left out is not known. Nothing is stored or sent.
    """
    try:
        folder = ctx.ensure_object(OperatorContext).terms_folder()
        decision, used = _decided(facts_file, terms, folder)
    except FactsRefused as refused:
        raise click.UsageError(str(refused), ctx) from refused
    if as_json:
        print_json(decision_document(decision, used.clause_titles))
        return
    how = "as named" if terms else "in force at the purchase"
    print_decision(decision, used.clause_titles, f"Terms of {used.version}, {how}.")


@policy.command("diff", epilog="Example: redress policy diff 2025-09-14 drafts/2027-01-01.toml")
@click.argument("one", metavar="A", type=TermsChoice())
@click.argument("other", metavar="B", type=TermsChoice())
@json_option
def diff_command(one: ChosenTerms, other: ChosenTerms, *, as_json: bool) -> None:
    """Say what differs between two versions.

    Each is named by its version, or is a file by its path.
    """
    found = differences(one.terms, other.terms)
    if as_json:
        print_json(
            {
                "a": one.named,
                "b": other.named,
                "differences": [
                    {"key": each.key, "a": each.one, "b": each.other} for each in found
                ],
            }
        )
    elif found:
        say(f"A is {one.named}, B is {other.named}.", "")
        _print_differences(found)
    else:
        say(f"Nothing differs between {one.named} and {other.named}.")


@policy.command(
    "page", epilog="Example: redress policy page --contact help@example.com > terms.html"
)
@click.argument("version", type=TermsChoice(), required=False)
@click.option(
    "--format", "page_format", type=click.Choice(PAGE_FORMATS), default="html", show_default=True
)
@click.option("--contact", help="Where customers ask: an e-mail address or a page's address.")
@click.pass_obj
def page_command(
    operator: OperatorContext, version: ChosenTerms | None, page_format: str, contact: str | None
) -> None:
    """Print the terms as a page for customers.

    The newest, a VERSION, or a file by its path.
    """
    click.echo(
        render_page(chosen_or_newest(version, operator.terms_folder()), page_format, contact),
        nl=False,
    )


def _decided(
    facts_file: str, chosen: ChosenTerms | None, folder: Path | None
) -> tuple[Decision, Terms]:
    facts, purchased_at = read_facts(facts_file)
    terms = chosen.terms if chosen else terms_in_force(purchased_at, folder)
    try:
        return redecide_any(facts, terms), terms
    except MalformedFactError as wrong:
        raise FactsRefused(refusal(facts_file, wrong)) from wrong


def _print_differences(found: Sequence[Difference]) -> None:
    for each in found:
        say(each.key)
        print_facts([("A", _told(each.one)), ("B", _told(each.other))], indent=2)
    say("", f"{counted(len(found), 'difference')}.")


def _told(entry: Entry) -> str:
    if isinstance(entry, bool):
        return "true" if entry else "false"
    return ", ".join(entry) if isinstance(entry, tuple) else str(entry)


policy.add_command(redecide_command)
policy.add_command(backtest_command)
policy.add_command(shadow_command)
