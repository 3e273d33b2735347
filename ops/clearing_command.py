"""`redress cases clear`: end a wrong suspicion."""

from dataclasses import dataclass

import click

from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext, current_actor
from ops.reasons import REASON_OPTION, require_reason
from ops.ruling_commands import CASE_ARGUMENT
from ops.terminal import counted, json_option, print_json, say
from policy.rulings import RulingRefused
from runtime.clock import Clock
from runtime.settings import Settings
from workers.case_clearing import Cleared, clear_case
from workers.case_following import Desk
from workers.context import ring_for
from workers.fraud_judging import judge_fraud
from workers.shadow_terms import ShadowTerms
from workers.terms_book import TermsBook


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What judging needs of this process."""

    settings: Settings
    clock: Clock
    terms: TermsBook
    shadow: ShadowTerms | None = None


@click.command("clear", epilog="Example: redress cases clear 7 --reason 'the card is her own'")
@CASE_ARGUMENT
@REASON_OPTION
@json_option
@click.pass_obj
def clear_command(
    operator: OperatorContext, case_id: int, *, reason: str | None, as_json: bool
) -> None:
    """End a wrong suspicion: the account is active again, its credits are back, the product is told.

    The customer is put on the allow list; `redress lists remove` takes him off.
    """
    given = require_reason(reason)
    terms = TermsBook.by(operator.settings())
    with operator.wiring() as wiring:
        with wiring.store.write() as connection:
            now_ms = operator.clock.now_ms()
            desk = Desk(connection=connection, settings=wiring.settings, now_ms=now_ms)
            try:
                cleared = clear_case(desk, terms, case_id, given, current_actor())
            except RulingRefused as refused:
                raise click.ClickException(f"{refused}.") from None
            audit_act(connection, "cases.clear", f"case:{case_id}", now_ms=now_ms, detail=given)
            bench = _Bench(settings=wiring.settings, clock=operator.clock, terms=terms)
            judged = judge_fraud(bench, connection, cleared.others, None)
        notices = {*cleared.notices, *judged.notices}
        ring_for(wiring.wakeups, judged.intents, judged.look_ups, notices=notices)
    if as_json:
        print_json(
            {
                "case_id": case_id,
                "customer_id": cleared.payment.customer_id,
                "freed": cleared.freed,
                "credits_back": cleared.credits_back,
                "given_back": cleared.given_back,
            }
        )
        return
    _tell(case_id, cleared)


def _tell(case_id: int, cleared: Cleared) -> None:
    customer = cleared.payment.customer_id or "the customer"
    freed = f", and {customer} is active again" if cleared.freed else ""
    say(f"Case {case_id} is cleared{freed}.")
    if cleared.credits_back:
        say(f"{counted(cleared.credits_back, 'credit')} came back.")
    if cleared.given_back:
        say("The refund had left before: the customer has the money, and the credits stay gone.")
    elif cleared.payment.left().amount_minor:
        say(
            f"If the customer wants the {cleared.payment.left()} back, FLAG-ERROR owes it:"
            f" `redress requests add --charge {cleared.payment.charge_id} --reason flagged`."
        )
