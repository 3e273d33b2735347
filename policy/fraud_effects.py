"""What goes with the money of a payment that is given back as fraud, by the clauses that say so."""

from policy.canonical_json import JsonScalar
from policy.clauses import Clause
from policy.decision import ClauseResult, CreditEffect
from policy.money import Money
from policy.terms_file import Terms


def suspension_clause(terms: Terms) -> ClauseResult:
    """What `FRAUD-SUSPEND` does; it holds for as long as the suspicion, whether or not money can go back."""
    rules = terms.fraud_effects
    rests: dict[str, JsonScalar] = {
        "suspends_account": rules.suspends_account,
        "blocks_card": rules.blocks_card,
    }
    return ClauseResult(
        clause=Clause.FRAUD_SUSPEND,
        holds=rules.suspends_account or rules.blocks_card,
        compared=rests,
    )


def fraud_clauses(terms: Terms, left: Money) -> tuple[ClauseResult, ...]:
    """What `FRAUD-CANCEL` and `FRAUD-SUSPEND` do, and how the money returns."""
    rules = terms.fraud_effects
    takes: dict[str, JsonScalar] = {
        "takes_credits": rules.takes_credits,
        "ends_subscription": rules.ends_subscription,
    }
    return (
        ClauseResult(
            clause=Clause.FRAUD_CANCEL,
            holds=rules.takes_credits or rules.ends_subscription,
            compared=takes,
        ),
        suspension_clause(terms),
        ClauseResult(clause=Clause.METHOD, holds=True, compared={"left_minor": left.amount_minor}),
        ClauseResult(clause=Clause.CURRENCY, holds=True, compared={"currency": left.currency}),
    )


def fraud_credits(terms: Terms) -> CreditEffect:
    """What the refund takes once Stripe has accepted it."""
    rules = terms.fraud_effects
    return CreditEffect(
        revoked=rules.takes_credits, restored=0, ends_subscription=rules.ends_subscription
    )
