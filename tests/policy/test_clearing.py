"""A suspicion that was found wrong: nothing goes back unasked, and the clause that owes a refund is cited."""

import pytest

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.clearing import Clearing, decide_clearing, redecide_clearing
from policy.decision import Decision, Verdict
from policy.terms_file import load_terms
from tests.policy.payment_histories import payment

TERMS = load_terms()


@pytest.mark.parametrize("suspended", [True, False])
def test_denied_by_the_clause_that_owes(suspended):
    """The decision says whether the account rested and what is left of the payment."""
    paid = payment("a")

    decision = decide_clearing(Clearing(payment=paid, suspended=suspended), TERMS)

    assert (Verdict.DENY, None, None) == (decision.verdict, decision.amount, decision.credits)
    ((clause, holds, compared),) = [
        (one.clause, one.holds, one.compared) for one in decision.clauses
    ]
    assert (Clause.FLAG_ERROR, True) == (clause, holds)
    assert {"suspended": suspended, "left_minor": paid.left().amount_minor} == compared
    assert TERMS.version == decision.terms_version


def test_made_again():
    """The facts that it carries lead to it again."""
    decision = decide_clearing(Clearing(payment=payment("a"), suspended=True), TERMS)

    again = redecide_clearing(Decision.from_json(decision.to_json()).facts, TERMS)

    assert decision.to_json() == again.to_json()


def test_other_facts():
    """Facts of another shape are refused by name."""
    with pytest.raises(MalformedFactError, match="clearing"):
        redecide_clearing({"clearing": {"suspended": True}}, TERMS)
