"""`redress lists`: whom to let through, whom to look at, whom to leave alone for a while."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click

from ledger.list_entries import ListEntry, add_entry, entries, remove_entry
from ledger.states import ListName, ListSubject
from ops.moments import moment_text
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext, current_actor
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import json_option, json_outcome, print_json, print_table, say
from runtime.email_addresses import is_address
from runtime.email_digest import digest_of, email_digest
from runtime.limits import SWEEP_ROWS_MAX
from workers.charge_signals import DEVICE_KEY, IP_KEY

_DAY_MS: Final = 86_400_000
_VALUE_CHARS_MAX: Final = 200
_SHOWN_DIGITS: Final = 12
_LIST = click.argument("list_name", type=click.Choice([name.value for name in ListName]))
_SUBJECT = click.argument("subject", type=click.Choice([one.value for one in ListSubject]))
_VALUE = click.argument("value")
#: What is kept as a digest: the address itself is nowhere in the ledger.
_DIGESTS: Final[Mapping[ListSubject, Callable[[str], str]]] = {
    ListSubject.IP: lambda value: digest_of(IP_KEY, value),
    ListSubject.DEVICE: lambda value: digest_of(DEVICE_KEY, value),
    ListSubject.EMAIL: email_digest,
}


@click.group(epilog="Example: redress lists show")
def lists() -> None:
    """Say whom suspicion lets through, looks at, or leaves alone for a while."""


@lists.command("show", epilog="Example: redress lists show --json")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, limit: int, *, as_json: bool) -> None:
    """Show the entries that hold now, the newest first."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = entries(connection, operator.clock.now_ms(), limit)
    if as_json:
        print_json({"entries": [_document(entry) for entry in found]})
    elif found:
        _print(found)
    else:
        say(
            "Nobody is listed. `redress lists add allow customer cus_… --reason …` vouches for one."
        )


@lists.command(
    "add",
    epilog="Example: redress lists add snooze customer cus_ada --days 7 --reason 'travels'",
)
@_LIST
@_SUBJECT
@_VALUE
@click.option("--days", type=click.IntRange(1, 3_660), help="For how long; a snooze needs it.")
@REASON_OPTION
@json_outcome
@click.pass_obj
def add_command(
    operator: OperatorContext,
    list_name: str,
    subject: str,
    value: str,
    *,
    days: int | None,
    reason: str | None,
) -> None:
    """Put something on a list: a card's fingerprint, a customer's id, an e-mail or IP address, a device's id.

    Addresses and device ids are kept as digests. Payments are judged by it from now on.
    """
    given, about = require_reason(reason), ListSubject(subject)
    if list_name == ListName.SNOOZE.value and days is None:
        raise click.UsageError("--days is needed: a snooze ends by itself.")
    now_ms = operator.clock.now_ms()
    entry = ListEntry(
        list_name=ListName(list_name),
        subject=about,
        value=_stored(about, value),
        reason=given,
        author=current_actor(),
        expires_ms=None if days is None else now_ms + days * _DAY_MS,
    )
    with operator.wiring() as wiring, wiring.store.write() as connection:
        add_entry(connection, entry, now_ms)
        audit_act(
            connection,
            "lists.add",
            f"list:{entry.list_name}:{entry.subject}:{entry.value}",
            now_ms=now_ms,
            detail=given,
        )
    until = "" if entry.expires_ms is None else f" until {moment_text(entry.expires_ms)}"
    say(f"The {subject} is on the {list_name} list{until}.")


@lists.command(
    "remove", epilog="Example: redress lists remove block card fp_1 --reason 'bank was wrong'"
)
@_LIST
@_SUBJECT
@_VALUE
@REASON_OPTION
@json_outcome
@click.pass_obj
def remove_command(
    operator: OperatorContext, list_name: str, subject: str, value: str, *, reason: str | None
) -> None:
    """Take something off a list, whoever put it there."""
    given, about = require_reason(reason), ListSubject(subject)
    stored, now_ms = _stored(about, value), operator.clock.now_ms()
    with operator.wiring() as wiring, wiring.store.write() as connection:
        if not remove_entry(connection, ListName(list_name), about, stored):
            raise click.ClickException(
                f"The {subject} is not on the {list_name} list; see `redress lists show`."
            )
        audit_act(
            connection,
            "lists.remove",
            f"list:{list_name}:{subject}:{stored}",
            now_ms=now_ms,
            detail=given,
        )
    say(f"The {subject} is off the {list_name} list.")


def _stored(subject: ListSubject, value: str) -> str:
    """The value as entries keep it; a digest that `lists show --json` printed is taken as it is."""
    named = value.strip()
    if not named or len(named) > _VALUE_CHARS_MAX or not named.isprintable():
        raise click.UsageError("VALUE must be one line of printable characters.")
    digested = _DIGESTS.get(subject)
    if digested is None or _is_digest(named):
        return named
    if subject is ListSubject.EMAIL and not is_address(named):
        raise click.UsageError("VALUE must be an e-mail address.")
    return digested(named)


def _is_digest(value: str) -> bool:
    return len(value) == 64 and all(digit in "0123456789abcdef" for digit in value)  # noqa: PLR2004 - SHA-256's length


def _document(entry: ListEntry) -> dict[str, Any]:
    return {
        "list": entry.list_name.value,
        "subject": entry.subject.value,
        "value": entry.value,
        "origin": entry.origin,
        "reason": entry.reason,
        "author": entry.author,
        "expires_ms": entry.expires_ms,
    }


def _print(found: Sequence[ListEntry]) -> None:
    rows = [
        (
            entry.list_name.value,
            entry.subject.value,
            f"{entry.value[:_SHOWN_DIGITS]}…" if _is_digest(entry.value) else entry.value,
            "" if entry.expires_ms is None else moment_text(entry.expires_ms),
            entry.author,
            entry.reason,
        )
        for entry in found
    ]
    print_table(("list", "what", "value", "until", "by", "reason"), rows, whole=("list", "what"))
