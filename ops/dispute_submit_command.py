"""`redress disputes submit`: hand the evidence to the bank, on a person's word."""

import click

from ledger.dispute_submissions import Submission, submissions_of, write_submission
from ledger.states import SubmissionState
from ops.evidence_account import (
    DISPUTE_ARGUMENT,
    PRODUCT_OPTION,
    answer_document,
    pack_of,
    print_pack,
)
from ops.evidence_answer import answer_params
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext, current_actor
from ops.reasons import REASON_OPTION, require_reason
from ops.stripe_at_hand import open_gateway
from ops.terminal import json_option, print_json, say
from runtime.setting_values import Mode
from runtime.wiring import Wiring
from workers.dispute_answering import (
    AnswerNotKnown,
    AnswerRefused,
    arrived_before,
    hand_in,
    require_answerable,
)
from workers.gateway import StripeGateway
from workers.terms_book import TermsBook


@click.command(
    "submit", epilog="Example: redress disputes submit du_1 --reason 'used for weeks, see the log'"
)
@DISPUTE_ARGUMENT
@PRODUCT_OPTION
@click.option("--statement", help="What you want to tell the bank in your own words.")
@click.option("--yes", is_flag=True, help="Do not ask again.")
@REASON_OPTION
@json_option
@click.pass_obj
def submit_command(
    operator: OperatorContext,
    dispute_id: str,
    *,
    described: str | None,
    statement: str | None,
    yes: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Hand the evidence to the bank through Stripe; a bank takes one answer.

    Called again after an answer was lost, it sends the same words once more or finds that they arrived.
    """
    given = require_reason(reason)
    with operator.wiring() as wiring:
        gateway = _gateway(wiring)
        try:
            if arrived_before(wiring.store, wiring.clock, gateway, dispute_id):
                _told(wiring, dispute_id, as_json=as_json)
                return
            answers = require_answerable(gateway, dispute_id)
            with wiring.store.read() as connection:
                pack = pack_of(connection, TermsBook.by(operator.settings()), dispute_id, described)
            if not yes and not as_json:
                print_pack(pack, operator.clock.now_ms())
                click.confirm("Hand this to the bank? It takes one answer", abort=True)
            params = answer_params(pack, statement)
            submission = _written(wiring, dispute_id, answers, params, given)
            hand_in(wiring.store, wiring.clock, gateway, submission)
        except AnswerRefused as refused:
            raise click.ClickException(f"{refused}. Nothing was sent.") from None
        except AnswerNotKnown as lost:
            raise click.ClickException(
                f"{lost}. The answer is written down: call the same again, which is safe."
            ) from None
        _told(wiring, dispute_id, as_json=as_json)


def _written(wiring: Wiring, dispute_id: str, answers: str, params: str, reason: str) -> Submission:
    """The answer and its audit entry, committed before anything is sent."""
    now_ms = wiring.clock.now_ms()
    with wiring.store.write() as connection:
        submission = write_submission(
            connection,
            dispute_id,
            answers,
            params=params,
            author=current_actor(),
            now_ms=now_ms,
        )
        audit_act(connection, "disputes.submit", dispute_id, now_ms=now_ms, detail=reason)
    return submission


def _gateway(wiring: Wiring) -> StripeGateway:
    settings = wiring.settings
    if settings.redress_mode is not Mode.ENFORCE:
        raise click.ClickException(
            "REDRESS_MODE is observe, so nothing is sent to Stripe. Set it to enforce."
        )
    return open_gateway(settings)


def _told(wiring: Wiring, dispute_id: str, *, as_json: bool) -> None:
    with wiring.store.read() as connection:
        newest = submissions_of(connection, [dispute_id])[-1]
    if as_json:
        print_json(answer_document(newest))
    elif newest.state is SubmissionState.ACCEPTED:
        say(f"The evidence about {dispute_id} is with the bank. It answers in up to 75 days.")
    if newest.state is SubmissionState.REFUSED:
        raise click.ClickException(
            f"Stripe did not take it ({newest.note}). Mend that and submit again."
        )
