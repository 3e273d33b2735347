"""`redress forget`: one customer's personal data is erased, and the books stay provable."""

import click

from ledger.forgetting import CustomerData, customer_data, forget_customer, mails_of
from ops.moments import moment_text
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import json_option, print_json, print_table, say
from runtime.wiring import Wiring
from workers.carrier_choice import OUTBOX
from workers.mail_outbox import outbox_name

_STAYS = (
    "Amounts, states, decisions and the audit log stay, by Stripe's ids alone; entries of the block list stay"
    " as digests. At Stripe the customer is deleted in its dashboard; events of the last 30 days stay there."
)


@click.command(
    epilog="Example: redress forget cus_QXg1o8vlGrfvCk --run --reason 'asked on 2026-11-02'"
)
@click.argument("customer")
@click.option(
    "--run", is_flag=True, help="Do it; without this, only what would be erased is shown."
)
@REASON_OPTION
@json_option
@click.pass_obj
def forget(
    operator: OperatorContext, customer: str, reason: str | None, *, run: bool, as_json: bool
) -> None:
    """Erase a customer's personal data: bodies of events, addresses, requests' words, digests.

    Refused while a refund, request, dispute or subscription of the customer's is open. It cannot be undone.
    """
    given = require_reason(reason) if run else ""
    with operator.wiring() as wiring:
        with wiring.store.read() as connection:
            found = customer_data(connection, customer)
        if run:
            _require_closed(found, customer)
            _forget(wiring, customer, given)
    if as_json:
        print_json(
            {
                "customer": customer,
                "rows": found.counts,
                "open_business": list(found.open_business),
                "erased": run,
                "erased_before_ms": found.erased_ms,
            }
        )
        return
    _print(found, customer, run=run)


def _forget(wiring: Wiring, customer: str, reason: str) -> None:
    now_ms = wiring.clock.now_ms()
    with wiring.store.write() as connection:
        # Looked at again: something may have been opened since.
        found = customer_data(connection, customer)
        _require_closed(found, customer)
        names = [outbox_name(row.key, row.created_ms) for row in mails_of(connection, customer)]
        forget_customer(connection, customer, now_ms)
        detail = f"{reason} ({found.total} rows)"
        audit_act(connection, "customer.forget", customer, now_ms=now_ms, detail=detail)
    for name in names:
        (wiring.settings.redress_data / OUTBOX / name).unlink(missing_ok=True)


def _require_closed(found: CustomerData, customer: str) -> None:
    if found.open_business:
        raise click.ClickException(
            f"{customer} has open business: {'; '.join(found.open_business)}. The data is needed until that has"
            " ended: look at `redress cases list` and `redress requests list`."
        )


def _print(found: CustomerData, customer: str, *, run: bool) -> None:
    if found.erased_ms is not None:
        say(f"It was erased at {moment_text(found.erased_ms)}; what came since is counted here.")
    if not found.total:
        say(f"Nothing personal is known of {customer}.")
    else:
        say(f"Erased of {customer}:" if run else f"Would be erased of {customer}:")
        rows = [(name, str(count)) for name, count in found.counts.items() if count]
        print_table(("what", "rows"), rows, right=("rows",))
    say(_STAYS)
    if found.open_business:
        say(f"Open still: {'; '.join(found.open_business)}.")
    elif not run and found.total:
        say("Nothing was done yet: add --run --reason TEXT.")
