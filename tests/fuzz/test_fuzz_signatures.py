"""Our signature check and stripe-python's: nothing forged, and no difference that is not listed (F17)."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.signature_differences import DIFFERENCES
from tests.fuzz.signature_target import SignatureTarget


@pytest.fixture
def target(tmp_path):
    return SignatureTarget(tmp_path)


@settings(max_examples=2_000, deadline=None)
@given(data=st.binary(min_size=8, max_size=120))
@example(data=b"")
def test_differences_are_listed(tmp_path_factory, data):
    """Both checks agree on any delivery, but for kinds that are listed with a reason."""
    SignatureTarget(tmp_path_factory.getbasetemp()).check(data)


def test_every_listed_difference_occurs(target):
    """No difference is listed that is none: each of them is seen, and nothing forged is accepted."""
    randomness = random.Random(20_260_101)
    for _ in range(30_000):
        target.check(randomness.randbytes(64))

    assert [] == target.missing()
    assert (True, 0) == (target.counts["accepted"] > 1_000, target.counts["forged"])


def test_differences_have_names_and_reasons():
    """Each listed difference has a name of its own and says why it is meant so."""
    assert len(DIFFERENCES) == len({one.name for one in DIFFERENCES})
    assert all(one.reason for one in DIFFERENCES)
