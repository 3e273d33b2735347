"""What records check at birth: what passes, and the whole sentence for what does not."""

import pytest

from policy.checks import (
    COUNT_MAX,
    MalformedFactError,
    require_count,
    require_currency,
    require_flag,
    require_member,
    require_text,
)
from policy.decision import Verdict


@pytest.mark.parametrize(
    ("check", "value", "reason"),
    [
        pytest.param(require_text, 7, "must be a non-empty text, not 7", id="a number for a text"),
        pytest.param(require_text, "", "must be a non-empty text, not ''", id="an empty text"),
        pytest.param(require_text, None, "must be a non-empty text, not None", id="no text"),
        pytest.param(
            require_count, -1, "must be a whole number of zero or more, not -1", id="below zero"
        ),
        pytest.param(
            require_count, True, "must be a whole number of zero or more, not True", id="a truth"
        ),
        pytest.param(
            require_count, 1.0, "must be a whole number of zero or more, not 1.0", id="a float"
        ),
        pytest.param(
            require_count, None, "must be a whole number of zero or more, not None", id="no number"
        ),
        pytest.param(
            require_count, 2**63, "is larger than any count or amount can be", id="beyond 64 bits"
        ),
        pytest.param(require_flag, 1, "must be true or false, not 1", id="a number for a flag"),
        pytest.param(require_flag, None, "must be true or false, not None", id="no flag"),
        pytest.param(
            require_currency,
            "USD",
            "must be a currency of three lower-case letters, not 'USD'",
            id="capitals",
        ),
        pytest.param(
            require_currency,
            None,
            "must be a currency of three lower-case letters, not None",
            id="no currency",
        ),
    ],
)
def test_refused(check, value, reason):
    """What does not fit is refused with the field's name, what it must be and what it is."""
    with pytest.raises(MalformedFactError) as refused:
        check("field", value)

    assert f"field {reason}" == str(refused.value)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        pytest.param(require_text, "a", id="a text"),
        pytest.param(require_count, 0, id="zero"),
        pytest.param(require_count, COUNT_MAX, id="the largest number"),
        pytest.param(require_flag, False, id="false"),
        pytest.param(require_currency, "usd", id="a currency"),
    ],
)
def test_taken(check, value):
    """What fits passes without a word."""
    assert check("field", value) is None


@pytest.mark.parametrize(
    ("check", "wrong"), [pytest.param(require_text, "", id="text"), pytest.param(require_count, -1, id="count")]
)  # fmt: skip
def test_optional(check, wrong):
    """What may be unknown may be None, but nothing else that is wrong."""
    assert check("field", None, optional=True) is None
    with pytest.raises(MalformedFactError):
        check("field", wrong, optional=True)


def test_members():
    """A member is an instance of its kind; the kind is named where it is not."""
    assert require_member("verdict", Verdict.DENY, Verdict) is None
    with pytest.raises(MalformedFactError) as refused:
        require_member("verdict", "deny", Verdict)

    assert "verdict must be a Verdict, not 'deny'" == str(refused.value)


def test_the_largest_count():
    """The largest number is the largest that a database's 64 bits hold."""
    assert 9_223_372_036_854_775_807 == COUNT_MAX
