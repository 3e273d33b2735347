"""The report of a back-test as one HTML page: charts as SVG, no script, nothing loaded from elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ops.backtest.backtest_run import Backtested
from ops.backtest.outcome_tally import (
    VERDICT_WORDS,
    VERDICTS,
    Outcome,
    Tally,
    share_text,
)
from ops.page_templates import page_templates
from policy.decision import Verdict
from policy.money import Money

#: The width of a whole bar, in the SVG's units.
_BAR: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One part of a bar: where it begins and how wide it is, in thousandths, and what it stands for."""

    outcome: str
    css: str
    begins: int
    width: int
    payments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One verdict of one set of terms: its payments by what became of them."""

    label: str
    payments: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalLine:
    """One signal: on how many payments it weighed that were given back or looked at, and how many were fraud."""

    name: str
    given_back: int
    looked_at: int
    fraud: int
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsSection:
    """What one set of terms came to."""

    name: str
    bars: tuple[Bar, ...]
    money: str
    precision: str
    recall: str
    signals: tuple[SignalLine, ...]


def render_backtest(result: Backtested) -> str:
    """The page as a document."""
    templates = page_templates()
    return templates.get_template("backtest.html").render(
        result=result,
        bar=_BAR,
        outcomes=[(outcome.value, _css(outcome)) for outcome in Outcome],
        sections=[_section(name, tally) for name, tally in result.tallies.items()],
    )


def _section(name: str, tally: Tally) -> TermsSection:
    back = (
        str(Money(amount_minor=minor, currency=currency))
        for currency, minor in tally.money_of(Verdict.APPROVE).items()
    )
    lines = (
        SignalLine(
            name=signal,
            given_back=counts[Verdict.APPROVE.value],
            looked_at=counts[Verdict.REVIEW.value],
            fraud=counts["fraud"],
            known=counts["known"],
        )
        for signal, counts in tally.signals.items()
    )
    return TermsSection(
        name=name,
        bars=tuple(_bar(tally, verdict) for verdict in VERDICTS),
        money=", ".join(back) or "nothing",
        precision=share_text(tally.precision),
        recall=share_text(tally.recall),
        signals=tuple(sorted(lines, key=lambda line: (-line.fraud, line.name))),
    )


def _bar(tally: Tally, verdict: Verdict) -> Bar:
    payments = tally.of_verdict(verdict)
    return Bar(
        label=VERDICT_WORDS[verdict],
        payments=payments,
        segments=tuple(_segments(tally, verdict, payments)),
    )


def _segments(tally: Tally, verdict: Verdict, payments: int) -> Iterator[Segment]:
    counted = 0
    for outcome in Outcome:
        number = tally.payments[verdict, outcome]
        if number:
            begins = counted * _BAR // payments
            counted += number
            yield Segment(
                outcome=outcome.value,
                css=_css(outcome),
                begins=begins,
                width=max(1, counted * _BAR // payments - begins),
                payments=number,
            )


def _css(outcome: Outcome) -> str:
    return outcome.name.lower()
