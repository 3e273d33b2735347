"""What a person ruled about a case, as a decision like any other: checked against the money that is there.

The rules leave some cases to people (`review`), and people may differ from the rules. What nobody may
do is send money that is not there, or refund a charge that is disputed (policy § How they combine, 10
and 13). Why the person ruled so is in the audit log.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from policy.canonical_json import Json, JsonScalar, exact_keys
from policy.checks import MalformedFactError, require_count, require_flag, require_member
from policy.clauses import Clause
from policy.decision import ClauseResult, CreditEffect, Decision, Verdict
from policy.money import Money
from policy.payments import DisputeStanding, Payment, payment_from_json, payment_to_json
from policy.terms_file import Terms

_FIELDS = ("payment", "amount_minor", "revokes_credits", "ends_subscription", "appealed")


class RulingRefused(ValueError):
    """What was ruled cannot be done; the text says why, and what could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What goes back of a payment, in minor units of its currency; None: nothing.

    `revokes_credits` and `ends_subscription` say what the refund takes with it, `appealed` that the
    customer had asked for a second look. Raises MalformedFactError at birth.
    """

    payment: Payment
    amount_minor: int | None
    revokes_credits: bool
    ends_subscription: bool
    appealed: bool

    def __post_init__(self) -> None:
        """Refuse wrong types, and a denial that takes something."""
        require_member("payment", self.payment, Payment)
        require_count("amount_minor", self.amount_minor, optional=True)
        for name in ("revokes_credits", "ends_subscription", "appealed"):
            require_flag(name, getattr(self, name))
        if self.amount_minor == 0:
            raise MalformedFactError("amount_minor must be null or more than zero")
        if self.amount_minor is None and (self.revokes_credits or self.ends_subscription):
            raise MalformedFactError("a denial takes neither credits nor the subscription")


def decide_ruling(ruling: Ruling, terms: Terms) -> Decision:
    """The decision that a person's ruling is. Raises RulingRefused for money that cannot be sent."""
    payment = ruling.payment
    amount = None
    if ruling.amount_minor is not None:
        amount = Money(amount_minor=ruling.amount_minor, currency=payment.currency)
        _require_possible(payment, amount)
    looked_at = Clause.APPEAL if ruling.appealed else Clause.REVIEW_3BD
    ruled: dict[str, JsonScalar] = {"ruled_minor": ruling.amount_minor}
    clauses = [ClauseResult(clause=looked_at, holds=True, compared=ruled)]
    if amount is not None:
        money: dict[str, JsonScalar] = {
            "refund_to_charge": payment.charge_id,
            "left_minor": payment.left().amount_minor,
        }
        clauses += [
            ClauseResult(clause=Clause.METHOD, holds=True, compared=money),
            ClauseResult(
                clause=Clause.CURRENCY, holds=True, compared={"currency": payment.currency}
            ),
        ]
    return Decision(
        verdict=Verdict.DENY if amount is None else Verdict.APPROVE,
        amount=amount,
        clauses=tuple(clauses),
        terms_version=terms.version,
        undecided=(),
        facts={"ruling": _to_json(ruling)},
        credits=None
        if amount is None
        else CreditEffect(
            revoked=ruling.revokes_credits, restored=0, ends_subscription=ruling.ends_subscription
        ),
    )


def redecide_ruling(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision made anew from the facts of an earlier one; with the same terms, the same.

    Raises MalformedFactError for facts that no decision of this module could have had, RulingRefused
    for money that is not there.
    """
    written = exact_keys(exact_keys(facts, "facts", ("ruling",))["ruling"], "ruling", _FIELDS)
    return decide_ruling(
        Ruling(**written | {"payment": payment_from_json(written["payment"])}), terms
    )


def _require_possible(payment: Payment, amount: Money) -> None:
    if payment.dispute in (DisputeStanding.OPEN, DisputeStanding.LOST):
        raise RulingRefused(
            f"the payment's dispute is {payment.dispute}: a refund would pay the customer twice"
        )
    left = payment.left()
    if amount.amount_minor > left.amount_minor:
        raise RulingRefused(f"{amount} is more than the {left} that is left of the payment")
    if amount.rounded_for_refund() != amount:
        raise RulingRefused(f"Stripe refunds no such amount; {amount.rounded_for_refund()} it does")


def _to_json(ruling: Ruling) -> dict[str, Json]:
    return {
        "payment": payment_to_json(ruling.payment),
        "amount_minor": ruling.amount_minor,
        "revokes_credits": ruling.revokes_credits,
        "ends_subscription": ruling.ends_subscription,
        "appealed": ruling.appealed,
    }
