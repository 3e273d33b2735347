"""What the page for customers says about each clause: plain words around the terms' numbers and switches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ops.terminal import counted
from policy.clauses import Clause
from policy.request_facts import IntakeField
from policy.request_terms import MONTHS_OF_YEAR, RequestTerms
from policy.terms_file import DuplicateTerms, Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePart:
    """A section's heading, what it is about, and its clauses in the order of the page."""

    heading: str
    lead: str
    clauses: tuple[Clause, ...]


PAGE_SECTIONS: Final = (
    PagePart(
        heading="How to ask",
        lead="Ask in time and tell us what we need, and a person or a program looks at it.",
        clauses=(
            Clause.WINDOW,
            Clause.INTAKE,
            Clause.REVIEW_3BD,
            Clause.REPLY_24H,
            Clause.NOTIFY,
            Clause.APPEAL,
        ),
    ),
    PagePart(
        heading="When you get money back",
        lead="One of these is enough, unless something below speaks against it.",
        clauses=(
            Clause.USE_SUB,
            Clause.USE_PACK,
            Clause.TECH,
            Clause.OUTAGE,
            Clause.FLAG_ERROR,
            Clause.BILLING,
        ),
    ),
    PagePart(
        heading="When you do not",
        lead="Any of these speaks against a refund, as far as its own words do not say otherwise. A"
        " charge that is proven wrong goes to a person all the same.",
        clauses=(
            Clause.X_LATE,
            Clause.X_USE,
            Clause.X_DONE,
            Clause.X_EXPIRED,
            Clause.X_TASTE,
            Clause.X_TERMS,
            Clause.X_ABUSE,
        ),
    ),
    PagePart(
        heading="How much, and how it reaches you",
        lead="Where several reasons hold, you get what the best of them gives.",
        clauses=(
            Clause.ANNUAL,
            Clause.PART_OUTAGE,
            Clause.PART_CREDITS,
            Clause.PART_LOST,
            Clause.FEES,
            Clause.METHOD,
            Clause.CURRENCY,
            Clause.TIMING,
        ),
    ),
    PagePart(
        heading="Changing your plan",
        lead="A change of plan is no refund.",
        clauses=(Clause.CHANGE_DOWN, Clause.CHANGE_UP, Clause.CHANGE_ANNUAL),
    ),
    PagePart(
        heading="Suspicious payments",
        lead="A payment may look as if it was made with a stolen card, or for something unlawful.",
        clauses=(Clause.FRAUD_REFUND, Clause.FRAUD_CANCEL, Clause.FRAUD_SUSPEND),
    ),
)

_TO_NAME: Final[Mapping[IntakeField, str]] = {
    IntakeField.ACCOUNT_EMAIL: "the e-mail address of your account",
    IntakeField.PURCHASE_DATE: "the day of the purchase",
    IntakeField.PRODUCT: "the plan or product",
    IntakeField.REASON: "your reason",
}


def sentences(terms: Terms) -> dict[Clause, str]:
    """What the page says about each clause."""
    requests = terms.requests
    return {
        **_asking(requests),
        **_qualifying(requests, terms.duplicates),
        **_excluding(requests),
        **_amounts(requests),
        **_CHANGES,
        **_SUSPICIONS,
    }


def after_amounts(terms: Terms) -> tuple[str, ...]:
    """What holds for every amount: earlier refunds, and what the refund of a whole purchase ends."""
    requests = terms.requests
    credits_go = (
        "takes back what is left of its credits"
        if requests.revoke_credits
        else "leaves you its credits"
    )
    plan = "ends its subscription" if requests.end_subscription else "does not end its subscription"
    return (
        "What we gave back for a purchase before counts towards its refund.",
        f"The refund of a whole purchase {credits_go} and {plan}.",
    )


def _asking(terms: RequestTerms) -> dict[Clause, str]:
    *most, last = (_TO_NAME[field] for field in IntakeField)
    return {
        Clause.WINDOW: f"You can ask until the end of {_last_day(terms)}. Days are those of UTC.",
        Clause.INTAKE: f"Tell us {', '.join(most)} and {last}. Pictures or papers help, if you have"
        " any.",
        Clause.REVIEW_3BD: "We look at your request within"
        f" {counted(terms.review_business_days, 'working day')} of England and Wales.",
        Clause.REPLY_24H: "We try to answer a message within"
        f" {counted(terms.reply_hours, 'hour')}.",
        Clause.NOTIFY: "You hear from us by e-mail, whatever comes out.",
        Clause.APPEAL: "If you think that we are wrong, send us what we did not know, and a person"
        " looks again. If you still disagree, we pass it on to somebody who can decide more.",
    }


def _last_day(terms: RequestTerms) -> str:
    if terms.window_days == 0:
        return "the day of the purchase"
    return f"the day that lies {counted(terms.window_days, 'day')} after the day of the purchase"


def _qualifying(terms: RequestTerms, duplicates: DuplicateTerms) -> dict[Clause, str]:
    share = f"{terms.use_percent} %"
    edge = f"Any reason will do. At exactly {share} a person decides."
    minutes = counted(duplicates.same_purchase_window_minutes, "minute")
    hours = counted(duplicates.second_subscription_window_hours, "hour")
    return {
        Clause.USE_SUB: f"You used less than {share} of the credits issued for the month. {edge}",
        Clause.USE_PACK: f"You used less than {share} of the credits in the pack. {edge}",
        Clause.TECH: "Faults of ours kept you from working for"
        f" {counted(terms.failure_hours, 'hour')} or longer without a break.",
        Clause.OUTAGE: "The service was down for more than"
        f" {counted(terms.outage_hours, 'hour')} without a break.",
        Clause.FLAG_ERROR: "Our program took you for somebody who breaks the rules, and was wrong."
        f" This holds while you used less than {share} of the credits.",
        Clause.BILLING: "We look for payments made twice ourselves, and you need not ask: an invoice"
        f" or order that is paid again, one product bought twice within {minutes}, a second"
        f" subscription to the same price within {hours}. What is not certain, a person decides. So"
        " it is with a wrong charge whose credits you used.",
    }


def _excluding(terms: RequestTerms) -> dict[Clause, str]:
    return {
        Clause.X_LATE: f"You asked after the end of {_last_day(terms)}.",
        Clause.X_USE: f"You used more than {terms.use_percent} % of the credits. This does not count"
        " against outages and lasting faults.",
        Clause.X_DONE: "Nothing is left of the credits, and each of them made what you asked for.",
        Clause.X_EXPIRED: "The credits could no longer be used when you asked. This does not count"
        " against outages and lasting faults.",
        Clause.X_TASTE: "This speaks against you only as your sole reason, and not if you used"
        f" less than {terms.use_percent} % of the credits.",
        Clause.X_TERMS: "This does not hold if closing or suspending the account was our mistake.",
        Clause.X_ABUSE: "Whoever attacks the service, manipulates it or gets around its filters gets"
        " nothing back.",
    }


def _amounts(terms: RequestTerms) -> dict[Clause, str]:
    left = MONTHS_OF_YEAR - 1
    return {
        Clause.ANNUAL: "If you ask in time after you first bought the plan, and used less than"
        f" {terms.use_percent} % of the first month's credits, you get {left} of"
        f" {MONTHS_OF_YEAR} parts of the price: the month under way is not paid back. When the plan"
        " was renewed, a person decides.",
        Clause.PART_OUTAGE: "For outages and lasting faults you get the part of the price for the"
        " time that was lost; the whole price if you also used less than"
        f" {terms.use_percent} % of the credits, and they can still be used.",
        Clause.PART_CREDITS: "You get credits instead of money for what our errors made fail.",
        Clause.PART_LOST: "You get as many credits as we can see were lost through us.",
        Clause.FEES: _fees(terms),
        Clause.METHOD: "We send it to the card or account that you paid with. A payment that you"
        " dispute at your bank is settled there, and not paid back a second time.",
        Clause.CURRENCY: "We do not exchange it into another one.",
        Clause.TIMING: f"Count on {_arrival(terms)} after we sent it; your bank decides.",
    }


def _fees(terms: RequestTerms) -> str:
    """Both switches in one sentence."""
    kept = "What processing your payment cost us is kept back"
    little, error = "little was used", "the error was ours"
    if terms.fee_kept_on_little_use and terms.fee_kept_on_our_error:
        return f"{kept} from every refund, also when {error}."
    if terms.fee_kept_on_little_use:
        return f"{kept} when you get money because {little}, and not when {error}."
    if terms.fee_kept_on_our_error:
        return f"{kept} when {error}, and not when you get money because {little}."
    return "At present nothing is kept back: you get what processing your payment cost us, too."


def _arrival(terms: RequestTerms) -> str:
    least, most = terms.arrival_business_days_min, terms.arrival_business_days_max
    return f"{least} to {most} working days" if least < most else counted(most, "working day")


_CHANGES: Final[Mapping[Clause, str]] = {
    Clause.CHANGE_DOWN: "You keep the dearer plan until then, and the difference is not paid back.",
    Clause.CHANGE_UP: "You pay the new price from then on; nothing is charged or paid back before.",
    Clause.CHANGE_ANNUAL: "You pay for the year at once and get the first month's credits at once."
    " You keep the credits that you have, and nothing is paid back.",
}

_SUSPICIONS: Final[Mapping[Clause, str]] = {
    Clause.FRAUD_REFUND: "We may do this without asking or telling anybody before.",
    Clause.FRAUD_CANCEL: "This may happen at once, to the subscription and to the credits.",
    Clause.FRAUD_SUSPEND: "You may not be able to use the service until we know more.",
}
