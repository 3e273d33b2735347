"""A suspicion that a person found wrong: nothing goes back because of it, and the account was flagged by mistake.

The policy owes the refund to who asks for it then (§ Clauses `FLAG-ERROR`); nobody's money is sent unasked.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from policy.canonical_json import Json, exact_keys
from policy.checks import require_flag, require_member
from policy.clauses import Clause
from policy.decision import ClauseResult, Decision, Verdict
from policy.payments import Payment, payment_from_json, payment_to_json
from policy.terms_file import Terms

_FIELDS = ("payment", "suspended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """The payment that was suspected, and whether its customer's account rested because of it."""

    payment: Payment
    suspended: bool

    def __post_init__(self) -> None:
        """Refuse wrong types. Raises MalformedFactError."""
        require_member("payment", self.payment, Payment)
        require_flag("suspended", self.suspended)


def decide_clearing(facts: Clearing, terms: Terms) -> Decision:
    """Denies the refund as fraud, by the clause that owes one to who asks."""
    return Decision(
        verdict=Verdict.DENY,
        amount=None,
        clauses=(
            ClauseResult(
                clause=Clause.FLAG_ERROR,
                holds=True,
                compared={
                    "suspended": facts.suspended,
                    "left_minor": facts.payment.left().amount_minor,
                },
            ),
        ),
        terms_version=terms.version,
        undecided=(),
        facts={
            "clearing": {
                "payment": payment_to_json(facts.payment),
                "suspended": facts.suspended,
            }
        },
    )


def redecide_clearing(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision made anew from the facts of an earlier one. Raises MalformedFactError for others' facts."""
    outer = exact_keys(facts, "facts", ("clearing",))
    written = exact_keys(outer["clearing"], "clearing", _FIELDS)
    return decide_clearing(
        Clearing(**written | {"payment": payment_from_json(written["payment"])}), terms
    )
