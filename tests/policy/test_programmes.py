"""How close a month is to the networks' programmes: both lines count, to the basis point."""

import pytest

from policy.programmes import PROGRAMMES, MonthCounts, programme_standing

VAMP, EXCESSIVE, ECM, HECM, STRIPE = PROGRAMMES
NOTHING = MonthCounts(payments=0, disputes=0, fraud_reports=0)


def month(payments, disputes, fraud_reports=0):
    return MonthCounts(payments=payments, disputes=disputes, fraud_reports=fraud_reports)


@pytest.mark.parametrize(
    ("counts", "near", "reached"),
    [
        (month(1_000, 3, 2), True, True),
        (month(1_000, 5), True, True),
        (month(1_001, 5), True, False),
        (month(800, 4), True, False),
        (month(1_066, 4), True, False),
        (month(1_067, 4), False, False),
        (month(10, 3), False, False),
        (month(0, 9), False, False),
    ],
)
def test_visa(counts, near, reached):
    """Disputes and fraud reports, from five and from half a percent on; near from three quarters of both."""
    standing = programme_standing(VAMP, counts, NOTHING)

    assert (near, reached) == (standing.near, standing.reached)


def test_mastercard_counts_against_the_month_before():
    """Chargebacks of a month by the payments of the one before; reports count for nothing."""
    standing = programme_standing(ECM, month(1, 100, 900), month(6_666, 0))

    assert (100, 6_666, 150) == (standing.cases, standing.payments, standing.basis_points)
    assert standing.reached
    assert not programme_standing(ECM, month(1, 100), month(6_667, 0)).reached
    assert not programme_standing(ECM, month(1, 99), month(6_000, 0)).reached


@pytest.mark.parametrize(
    ("programme", "counts", "before"),
    [
        (EXCESSIVE, month(100_000, 1_000, 500), NOTHING),
        (HECM, month(0, 300), month(10_000, 0)),
        (STRIPE, month(1_333, 10), NOTHING),
    ],
)
def test_each_line(programme, counts, before):
    """Exactly at its line a programme is reached, and one case below it is not."""
    assert programme_standing(programme, counts, before).reached
    fewer = month(counts.payments, counts.disputes - 1, counts.fraud_reports)
    assert not programme_standing(programme, fewer, before).reached


def test_no_payments():
    """Without payments there is no ratio."""
    standing = programme_standing(STRIPE, month(0, 5), NOTHING)

    assert (None, False, False) == (standing.basis_points, standing.near, standing.reached)


def test_rounded_down():
    """A ratio is told in whole basis points, none too many."""
    assert 74 == programme_standing(STRIPE, month(1_334, 10), NOTHING).basis_points


@pytest.mark.parametrize(
    ("programme", "network", "applies"),
    [
        (VAMP, "visa", True),
        (VAMP, "mastercard", False),
        (ECM, "mastercard", True),
        (STRIPE, "amex", True),
        (STRIPE, None, True),
        (VAMP, None, False),
    ],
)
def test_whose_cases_count(programme, network, applies):
    """A network's programme counts its own; Stripe's line counts all."""
    assert applies == programme.applies_to(network)
