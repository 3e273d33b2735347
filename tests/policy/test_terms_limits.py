"""The limits of each number of the terms: both ends are taken, and what lies beyond is refused in full."""

from importlib.resources import files

import pytest

from policy.terms_file import TermsError, read_terms

SHIPPED = (files("policy") / "terms" / "2025-09-14.toml").read_text(encoding="utf-8")


class InMemory:
    """The terms as a file that lies nowhere; it is read only by who names the encoding."""

    name = "2025-09-14.toml"

    def __init__(self, text):
        self._bytes = text.encode("utf-8")

    def read_text(self, encoding):
        return self._bytes.decode(encoding)


def changed(old, new):
    """The shipped terms with one line begun otherwise."""
    assert 1 == SHIPPED.count(f"\n{old}")

    return read_terms(InMemory(SHIPPED.replace(f"\n{old}", f"\n{new}")))


def entry(terms, key):
    places = (terms.duplicates, terms.duplicates.confidence, terms.requests)

    return next(getattr(place, key) for place in places if hasattr(place, key))


LIMITS = [
    pytest.param("duplicates", "review_at", 50, 1, 89, id="review_at"),
    pytest.param("duplicates", "same_purchase_window_minutes", 10, 1, 1440, id="a day"),
    pytest.param("duplicates", "second_subscription_window_hours", 24, 1, 744, id="31 days"),
    pytest.param("duplicates.confidence", "same_invoice", 100, 0, 100, id="same_invoice"),
    pytest.param("duplicates.confidence", "same_order", 100, 0, 100, id="same_order"),
    pytest.param("duplicates.confidence", "second_subscription", 95, 0, 100, id="subscription"),
    pytest.param("duplicates.confidence", "same_purchase", 90, 0, 100, id="same_purchase"),
    pytest.param("duplicates.confidence", "same_card", 70, 0, 100, id="same_card"),
    pytest.param("duplicates.confidence", "doubtful", 60, 0, 89, id="never refunded in doubt"),
    pytest.param("duplicates.confidence", "product_unknown", 50, 0, 89, id="nor in ignorance"),
    pytest.param("requests", "window_days", 7, 0, 27, id="shorter than a month"),
    pytest.param("requests", "use_percent", 20, 1, 100, id="use_percent"),
    pytest.param("requests", "outage_hours", 24, 1, 8784, id="a leap year's hours"),
    pytest.param("requests", "failure_hours", 24, 1, 8784, id="failure_hours"),
    pytest.param("requests", "review_business_days", 3, 1, 366, id="a leap year's days"),
    pytest.param("requests", "reply_hours", 24, 1, 8784, id="reply_hours"),
    pytest.param("requests", "arrival_business_days_min", 5, 1, 10, id="not after the last day"),
]
#: The least value of these asks for less of another entry than the shipped terms have.
BOUND_TO_OTHERS = [
    pytest.param("duplicates", "refund_at", 90, 1, 100, id="refund_at"),
    pytest.param("requests", "arrival_business_days_max", 10, 1, 366, id="arrival"),
]


@pytest.mark.parametrize(("table", "key", "shipped", "least", "most"), LIMITS + BOUND_TO_OTHERS)
def test_beyond_the_limits(table, key, shipped, least, most):
    """A number beyond either end is refused with file, key, value and both ends."""
    for beyond in (least - 1, most + 1):
        with pytest.raises(TermsError) as refused:
            changed(f"{key} = {shipped}", f"{key} = {beyond}")

        assert (
            f"2025-09-14.toml: {table}.{key}: is {beyond}, but must lie between {least} and {most}"
            == str(refused.value)
        )


@pytest.mark.parametrize(("table", "key", "shipped", "least", "most"), LIMITS)
def test_at_the_limits(table, key, shipped, least, most):
    """Both ends are taken as they stand."""
    assert table
    for end in (least, most):
        assert end == entry(changed(f"{key} = {shipped}", f"{key} = {end}"), key)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        pytest.param("refund_at = 90", "refund_at = 50", "review_at: is 50, but must lie between 1 and 49", id="sure"),
        pytest.param(
            "refund_at = 90", "refund_at = 60", "confidence.doubtful: is 60, but must lie between 0 and 59", id="doubt"
        ),
        pytest.param("refund_at = 90", "refund_at = 1", "review_at: is 50, but must lie between 1 and 0", id="least"),
    ],
)  # fmt: skip
def test_a_lower_threshold(old, new, reason):
    """What must lie below the threshold of refunds is measured by the threshold of the same file."""
    with pytest.raises(TermsError) as refused:
        changed(old, new)

    assert f"2025-09-14.toml: duplicates.{reason}" == str(refused.value)


def test_the_last_day_of_arrival():
    """The first day of arrival is measured by the last, which may be any day of a year."""
    assert 366 == changed("arrival_business_days_max = 10", "arrival_business_days_max = 366").requests.arrival_business_days_max  # fmt: skip
    with pytest.raises(TermsError) as refused:
        changed("arrival_business_days_max = 10", "arrival_business_days_max = 4")

    assert (
        "2025-09-14.toml: requests.arrival_business_days_min: is 5, but must lie between 1 and 4"
        == str(refused.value)
    )


@pytest.mark.parametrize(
    "key", ["fee_kept_on_little_use", "fee_kept_on_our_error", "revoke_credits", "end_subscription"]
)
def test_switches(key):
    """A switch is read from its own entry, and is true or false."""
    shipped = entry(read_terms(InMemory(SHIPPED)), key)
    turned = changed(f"{key} = {str(shipped).lower()}", f"{key} = {str(not shipped).lower()}")

    assert (not shipped) is entry(turned, key)
    with pytest.raises(TermsError) as refused:
        changed(f"{key} = {str(shipped).lower()}", f"{key} = 1")

    assert f"2025-09-14.toml: requests.{key}: must be true or false, not 1" == str(refused.value)


def test_letters_of_any_alphabet():
    """A file of terms is UTF-8, whatever the machine takes for usual."""
    words = "Rechtzeitig gewünscht · 及时"
    terms = changed('"WINDOW" = "Asked for in time after the purchase"', f'"WINDOW" = "{words}"')

    assert words in terms.clause_titles.values()


@pytest.mark.parametrize(
    ("letters", "shown"),
    [
        pytest.param(198, "'" + "a" * 198 + "'", id="as long as can be"),
        pytest.param(199, "'" + "a" * 199 + "…", id="one letter more"),
    ],
)
def test_long_entries(letters, shown):
    """An entry is told in its error up to 200 characters, quotes counted, and cut after them."""
    with pytest.raises(TermsError) as refused:
        changed("refund_at = 90", f'refund_at = "{"a" * letters}"')

    assert f"2025-09-14.toml: duplicates.refund_at: must be a whole number, not {shown}" == str(
        refused.value
    )


@pytest.mark.parametrize(
    ("entry_text", "reason"),
    [
        pytest.param(
            "0x" + "F" * 5000,
            "is a value too large to be shown, but must lie between 1 and 100",
            id="a number",
        ),
        pytest.param(
            "[0x" + "F" * 5000 + "]",
            "must be a whole number, not a value too large to be shown",
            id="in a list",
        ),
    ],
)
def test_entries_too_large_to_be_told(entry_text, reason):
    """A number that Python does not write out is told as one that cannot be shown."""
    with pytest.raises(TermsError) as refused:
        changed("refund_at = 90", f"refund_at = {entry_text}")

    assert f"2025-09-14.toml: duplicates.refund_at: {reason}" == str(refused.value)
