"""Hostile terms files: understood whole, or refused by file and key; never anything else."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.terms_target import TermsTarget


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    return TermsTarget(tmp_path_factory.mktemp("terms"))


@settings(max_examples=500, deadline=None)
@given(data=st.binary(min_size=8, max_size=60))
@example(data=b"")
def test_any_terms_file(target, data):
    """Any file is loaded with all that the rules rely on, or refused with its name."""
    target.check(data)


def test_shipped_terms_in_every_way(target):
    """The shipped file and its first changes are read or refused like any other."""
    for data in target.seeds():
        target.check(data)

    assert [] == target.missing()
