"""The rules for refund requests: from facts that are all known to an outcome.

Source: policy § Clauses and § How they combine, 2 to 9. The order is the policy's: what a request
must name, how the account was used, the window, the qualifying clauses and what answers them, money.
Where it leaves something open, docs/decisions/0009 says how it was read.
"""

from policy.canonical_json import JsonScalar
from policy.clauses import Clause
from policy.request_facts import IntakeField, Plan, Reason
from policy.request_hearing import Hearing, Outcome
from policy.request_money import Claim, nothing_left, pay, still_owed_minor
from policy.request_terms import MONTHS_OF_YEAR

_DAY_SECONDS = 86_400
_HOUR_SECONDS = 3600


def judge(hearing: Hearing) -> Outcome:
    """What the request comes to. Raises FactMissing when that hangs on a fact that is not known."""
    unnamed = [field for field in IntakeField if field not in hearing.facts.named]
    named = {field.value: field not in unnamed for field in IntakeField}
    if not hearing.cite(Clause.INTAKE, named, holds=not unnamed):
        missing = ", ".join(field.value for field in unnamed)
        return hearing.review(f"The request does not name: {missing}. It is judged once it does.")
    excluded = _broke_the_rules(hearing) or _abused(hearing) or _late(hearing)
    wrong_minor = hearing.number("wrong_minor")
    if still_owed_minor(hearing, wrong_minor):
        return _wrongly_charged(hearing, wrong_minor, excluded=excluded)
    if excluded:
        return hearing.deny()
    return nothing_left(hearing) or _on_the_merits(hearing, [])


def _broke_the_rules(hearing: Hearing) -> bool:
    breach = hearing.flag("breach")
    by_mistake = breach and hearing.flag("wrongly_flagged")
    compared = {"account_suspended_or_closed": breach, "flagged_by_mistake": by_mistake}
    return hearing.cite(Clause.X_TERMS, compared, holds=breach and not by_mistake)


def _abused(hearing: Hearing) -> bool:
    abuse = hearing.flag("abuse")
    return hearing.cite(Clause.X_ABUSE, {"abuse": abuse}, holds=abuse)


def _late(hearing: Hearing) -> bool:
    """Whole days of UTC count, the one of the purchase not (How they combine, 11)."""
    purchased_day = hearing.facts.payment.created // _DAY_SECONDS
    days = hearing.facts.asked_at // _DAY_SECONDS - purchased_day
    compared = {
        "purchased_at": hearing.facts.payment.created,
        "asked_at": hearing.facts.asked_at,
        "days": days,
        "window_days": hearing.terms.window_days,
    }
    late = days > hearing.terms.window_days
    hearing.cite(Clause.WINDOW, compared, holds=not late)
    return late and hearing.cite(
        Clause.X_LATE, {"days": days, "window_days": hearing.terms.window_days}, holds=True
    )


def _wrongly_charged(hearing: Hearing, wrong_minor: int, *, excluded: bool) -> Outcome:
    """A wrong charge that the ledger proves (How they combine, 4): never denied without a person."""
    hearing.cite(Clause.BILLING, {"wrong_minor": wrong_minor}, holds=True)
    if excluded:
        return hearing.review(
            "The ledger proves the charge to be wrong, but another clause excludes a refund. "
            "Does the wrong part go back all the same? If yes, as far as it is left; if no, nothing."
        )
    used = hearing.number("used")
    if used:
        return hearing.review(
            f"The charge is wrong, but {used} of the credits that it bought were used. "
            "Does the wrong part go back? If yes, as far as it is left; if no, nothing."
        )
    captured_minor = hearing.facts.payment.captured_minor
    claim = Claim(
        entitled_minor=wrong_minor,
        fee_kept=hearing.terms.fee_kept_on_our_error,
        revokes_credits=wrong_minor == captured_minor,
    )
    return _on_the_merits(hearing, [claim])


def _on_the_merits(hearing: Hearing, claims: list[Claim]) -> Outcome:
    """The claims of every qualifying clause that no excluding one answers; the best is paid."""
    if claims and _is_whole(hearing, claims[0]):
        return pay(hearing, claims)
    little = _little_was_used(hearing)
    taste_only = _is_about_taste(hearing, little=little)
    service = False if taste_only else _service_failed(hearing)
    flagged = little and not taste_only and _was_flagged(hearing)
    valid = little and not _had_expired(hearing)
    if valid and (service or flagged):
        claims = [*claims, _whole(hearing, fee_kept=hearing.terms.fee_kept_on_our_error)]
    elif service:
        claims = [*claims, _share_of_the_period(hearing)]
    if valid and not any(_is_whole(hearing, claim) for claim in claims):
        claims = [*claims, *_for_little_use(hearing)]
    return pay(hearing, claims) if claims else hearing.deny()


def _is_whole(hearing: Hearing, claim: Claim) -> bool:
    """Whether no other clause could give more."""
    whole = claim.entitled_minor == hearing.facts.payment.captured_minor
    return whole and (not claim.fee_kept or hearing.terms.fee_kept_on_little_use)


def _little_was_used(hearing: Hearing) -> bool:
    """Compared in whole numbers; exactly the terms' share is neither (How they combine, 6)."""
    issued, used = hearing.number("issued"), hearing.number("used")
    percent = hearing.terms.use_percent
    little = used * 100 < issued * percent
    compared = {"used": used, "issued": issued, "use_percent": percent}
    if used * 100 == issued * percent:
        little = hearing.flag("ruled_little")
        compared = compared | {"ruled_little": little}
    pack = hearing.plan() is Plan.PACK
    hearing.cite(Clause.USE_PACK if pack else Clause.USE_SUB, compared, holds=little)
    if not little:
        hearing.cite(Clause.X_USE, compared, holds=True)
        successful = hearing.facts.successful
        if successful is not None:
            done = {"successful": successful, "issued": issued}
            hearing.cite(Clause.X_DONE, done, holds=successful >= issued)
    return little


def _is_about_taste(hearing: Hearing, *, little: bool) -> bool:
    """Taste as the sole reason excludes what needs a reason; little use needs none (7)."""
    if Reason.TASTE not in hearing.facts.reasons:
        return False
    sole = hearing.facts.reasons == (Reason.TASTE,)
    hearing.cite(
        Clause.X_TASTE, {"sole_reason": sole, "little_use": little}, holds=sole and not little
    )
    return sole


def _service_failed(hearing: Hearing) -> bool:
    """Whether the service was down, or failed the customer, for as long as the terms ask (5)."""
    outage_seconds = hearing.number("longest_outage_seconds")
    failure_seconds = hearing.number("longest_failure_seconds")
    outage_hours, failure_hours = hearing.terms.outage_hours, hearing.terms.failure_hours
    down = hearing.cite(
        Clause.OUTAGE,
        {"longest_outage_seconds": outage_seconds, "outage_hours": outage_hours},
        holds=outage_seconds > outage_hours * _HOUR_SECONDS,
    )
    failed = hearing.cite(
        Clause.TECH,
        {"longest_failure_seconds": failure_seconds, "failure_hours": failure_hours},
        holds=failure_seconds >= failure_hours * _HOUR_SECONDS,
    )
    return down or failed


def _was_flagged(hearing: Hearing) -> bool:
    by_mistake = hearing.flag("wrongly_flagged")
    return hearing.cite(Clause.FLAG_ERROR, {"flagged_by_mistake": by_mistake}, holds=by_mistake)


def _had_expired(hearing: Hearing) -> bool:
    expired = hearing.flag("expired")
    return hearing.cite(Clause.X_EXPIRED, {"expired": expired}, holds=expired)


def _whole(hearing: Hearing, *, fee_kept: bool) -> Claim:
    return Claim(
        entitled_minor=hearing.facts.payment.captured_minor,
        fee_kept=fee_kept,
        revokes_credits=True,
        ends_subscription=hearing.plan() is not Plan.PACK,
    )


def _for_little_use(hearing: Hearing) -> list[Claim]:
    plan, fee_kept = hearing.plan(), hearing.terms.fee_kept_on_little_use
    if plan is not Plan.ANNUAL:
        return [_whole(hearing, fee_kept=fee_kept)]
    # The terms speak of a yearly plan's first purchase only (8); of a renewal a person rules.
    initial = hearing.flag("initial")
    compared: dict[str, JsonScalar] = {"initial": initial}
    if not initial:
        compared["ruled_renewal"] = hearing.flag("ruled_renewal")
    if not (initial or compared["ruled_renewal"]):
        hearing.cite(Clause.ANNUAL, compared, holds=False)
        return []
    # A request in time comes in the first month, which is under way and so not an unused full one (8).
    months = MONTHS_OF_YEAR - 1
    price_minor = hearing.facts.price_minor
    counted: dict[str, JsonScalar] = {"price_minor": price_minor, "unused_full_months": months}
    hearing.cite(Clause.ANNUAL, compared | counted, holds=True)
    return [
        Claim(
            entitled_minor=price_minor * months // MONTHS_OF_YEAR,
            fee_kept=fee_kept,
            revokes_credits=True,
            ends_subscription=True,
        )
    ]


def _share_of_the_period(hearing: Hearing) -> Claim:
    """The share of what was paid that the service was not there for; it ends nothing."""
    price_minor = hearing.facts.price_minor
    period_seconds = hearing.number("period_seconds")
    lost_seconds = hearing.number("lost_seconds")
    share_minor = price_minor * lost_seconds // period_seconds
    hearing.cite(
        Clause.PART_OUTAGE,
        {
            "price_minor": price_minor,
            "lost_seconds": lost_seconds,
            "period_seconds": period_seconds,
            "share_minor": share_minor,
        },
        holds=True,
    )
    return Claim(
        entitled_minor=share_minor,
        fee_kept=hearing.terms.fee_kept_on_our_error,
    )
