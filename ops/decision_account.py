"""A decision as JSON and as text: what it comes to, each clause with what it compared, what is open."""

from collections.abc import Mapping
from typing import Any, Final

from ops.moments import moment_text
from ops.terminal import counted, print_facts, say
from policy.clauses import Clause
from policy.decision import ClauseResult, Decision, Verdict
from policy.money import Money

_HOLDS: Final = {True: "holds", False: "does not hold", None: "is open"}
_MINOR: Final = "_minor"
#: Compared values that are unix seconds; `refund_at` and `review_at` are confidences.
_MOMENTS: Final = frozenset({"asked_at", "purchased_at", "due_by"})


def decision_document(decision: Decision, titles: Mapping[Clause, str]) -> dict[str, Any]:
    """The decision for machines, without its facts; `titles` are the clauses' own, for people."""
    return {
        "verdict": decision.verdict.value,
        "amount": None if decision.amount is None else _amount(decision.amount),
        "clauses": [
            {
                "id": result.clause.value,
                "title": titles[result.clause],
                "holds": result.holds,
                "compared": dict(result.compared),
            }
            for result in decision.clauses
        ],
        "terms_version": decision.terms_version,
        "undecided": list(decision.undecided),
        "credits": None if decision.credits is None else decision.credits.to_fields(),
    }


def print_decision(decision: Decision, titles: Mapping[Clause, str], terms_line: str) -> None:
    """The decision for people: the verdict, why, and what a person still has to decide."""
    say(_verdict(decision), terms_line, *_what_goes_with_it(decision), "")
    print_clauses(decision, titles)
    _print_invoice(decision)
    if decision.undecided:
        say("", "What is open:", *decision.undecided)


def _print_invoice(decision: Decision) -> None:
    """What the purchase's invoice really took, and the invoices before it."""
    request, currency = decision.facts.get("request"), _currency_of(decision)
    took = request.get("took") if isinstance(request, Mapping) else None
    if not isinstance(took, Mapping):
        return
    say("", f"What its invoice {took['invoice_id']} took:")
    print_facts(
        [(said, _compared(name, took[name], currency)) for name, said in _TOOK if took[name]],
        indent=6,
    )
    before: Any = took["before"]
    for earlier in before:
        paid = _compared("paid_minor", earlier["paid_minor"], currency)
        plans = ", ".join(earlier["plans"]) or "no plan"
        say(
            f"  before it {_moment(earlier['created'])}: {plans}, {paid} paid"
            f" ({earlier['billing_reason']}, {earlier['invoice_id']})"
        )


_TOOK: Final = (
    ("plan_minor", "the plan, less discounts and with tax"),
    ("charged_minor", "charged for parts of other plans"),
    ("credited_minor", "credited for parts of other plans"),
    ("balance_minor", "paid by the customer's balance"),
    ("paid_minor", "paid by payments"),
    ("given_back_minor", "given back by other ways than refunds"),
)


def print_clauses(decision: Decision, titles: Mapping[Clause, str]) -> None:
    """Each clause that was looked at, how it came out, and the values that it compared."""
    currency = _currency_of(decision)
    for result in decision.clauses:
        _print_clause(result, titles, currency)


def compared_texts(decision: Decision, result: ClauseResult) -> list[tuple[str, str]]:
    """The values that a clause of the decision compared, by names, as people read them."""
    return _pairs(result, _currency_of(decision))


def _amount(amount: Money) -> dict[str, Any]:
    return {
        "minor": amount.amount_minor,
        "currency": amount.currency,
        "text": str(amount),
    }


def _verdict(decision: Decision) -> str:
    if decision.verdict is Verdict.REVIEW:
        return f"{decision.verdict}: a person decides"
    if decision.amount is not None:
        return f"{decision.verdict}: {decision.amount} goes back"
    return f"{decision.verdict}: no money goes back"


def _what_goes_with_it(decision: Decision) -> tuple[str, ...]:
    effect = decision.credits
    if effect is None:
        return ()
    parts = (
        (effect.revoked, "What is left of the credits is taken back."),
        (effect.restored > 0, f"{counted(effect.restored, 'credit')} given back."),
        (effect.ends_subscription, "The subscription ends."),
    )
    return tuple(sentence for holds, sentence in parts if holds)


def _print_clause(result: ClauseResult, titles: Mapping[Clause, str], currency: str | None) -> None:
    say(f"  {result.clause} {_HOLDS[result.holds]}: {titles.get(result.clause, '')}")
    compared = _pairs(result, currency)
    if compared:
        print_facts(compared, indent=6)


def _pairs(result: ClauseResult, currency: str | None) -> list[tuple[str, str]]:
    return [
        (name.removesuffix(_MINOR).replace("_", " "), _compared(name, value, currency))
        for name, value in result.compared.items()
    ]


def _compared(name: str, value: Any, currency: str | None) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith(_MINOR) and isinstance(value, int) and value >= 0 and currency:
        return str(Money(amount_minor=value, currency=currency))
    return _moment(value) if name in _MOMENTS else str(value)


def _moment(seconds: int) -> str:
    try:
        return moment_text(seconds * 1000)
    except (ValueError, OverflowError, OSError):  # beyond the years that a calendar has
        return str(seconds)


def _currency_of(decision: Decision) -> str | None:
    if decision.amount is not None:
        return decision.amount.currency
    # The payment stands in the facts, or in the one thing that they are about: a request, a dispute, a ruling.
    for facts in (decision.facts, *decision.facts.values()):
        payment = facts.get("payment") if isinstance(facts, Mapping) else None
        currency = payment.get("currency") if isinstance(payment, Mapping) else None
        if isinstance(currency, str):
            return currency
    return None
