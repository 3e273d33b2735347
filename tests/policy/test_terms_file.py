"""The terms files: what is loaded, which version is in force, and what is refused."""

from datetime import UTC, datetime
from importlib.resources import files

import pytest

from policy.clauses import Clause
from policy.terms_file import (
    TermsError,
    load_every_version,
    load_terms,
    read_terms,
    terms_in_force,
)

SHIPPED = (files("policy") / "terms" / "2025-09-14.toml").read_text(encoding="utf-8")


def second(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "2025-09-14.toml").write_text(SHIPPED, encoding="utf-8")
    return tmp_path


def add_version(folder, version, effective):
    text = SHIPPED.replace('version = "2025-09-14"', f'version = "{version}"')
    text = text.replace("effective = 2025-09-14", f"effective = {effective}")
    (folder / f"{version}.toml").write_text(text, encoding="utf-8")


def test_shipped_terms():
    """The shipped terms hold from their day's first second, with a title for each clause."""
    terms = load_terms()

    assert terms.version == "2025-09-14"
    assert second("2025-09-14") == terms.effective
    assert set(Clause) == set(terms.clause_titles)
    assert terms.title(Clause.BILLING) == "The customer was charged wrongly or twice"
    assert (terms.duplicates.refund_at, terms.duplicates.review_at) == (90, 50)
    assert terms.duplicates.same_purchase_window_seconds == 600
    assert terms.duplicates.second_subscription_window_seconds == 86400
    assert ("order_id", "order_reference", "order_number") == terms.duplicates.order_reference_keys
    assert ("product_id", "product", "sku") == terms.duplicates.product_keys
    assert terms == load_terms("2025-09-14")


def test_titles_are_distinct():
    """No two clauses bear one title."""
    titles = load_terms().clause_titles.values()

    assert len(titles) == len(set(titles))


@pytest.mark.parametrize(
    ("at", "version"),
    [
        pytest.param("2024-01-01", "2025-09-14", id="before the first version"),
        pytest.param("2025-09-14", "2025-09-14", id="first second"),
        pytest.param("2026-12-31T23:59:59", "2025-09-14", id="last second"),
        pytest.param("2027-01-01", "2027-A", id="the next version's first second"),
        pytest.param("2028-06-01", "2028", id="the newest"),
    ],
)
def test_version_in_force(folder, at, version):
    """The version in force at a moment is the latest that had begun by then."""
    add_version(folder, "2028", "2028-01-01")
    add_version(folder, "2027-A", "2027-01-01")

    assert version == terms_in_force(second(at), folder).version


def test_versions_side_by_side(folder):
    """The newest version is the default, the others stay readable by name."""
    add_version(folder, "2027", "2027-01-01")
    (folder / "notes.txt").write_text("not terms", encoding="utf-8")

    assert load_terms(folder=folder).version == "2027"
    assert load_terms("2025-09-14", folder).version == "2025-09-14"
    assert [terms.version for terms in load_every_version(folder)] == ["2025-09-14", "2027"]
    with pytest.raises(TermsError, match="no terms of version '2031'; there are: 2025-09-14, 2027"):
        load_terms("2031", folder)


def test_two_versions_on_one_day(folder):
    """Two versions that begin on one day leave open which holds, so they are refused."""
    add_version(folder, "2025-09-14b", "2025-09-14")

    with pytest.raises(TermsError, match=r"^2025-09-14b\.toml: effective: 2025-09-14\.toml "):
        load_terms(folder=folder)


def test_empty_folder(tmp_path):
    """A folder without terms is refused by its name."""
    with pytest.raises(TermsError, match="holds no terms file"):
        load_terms(folder=tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("refund_at = 90", "", "duplicates.refund_at: is missing", id="missing"),
        pytest.param(
            "refund_at = 90",
            "refund_at = 90\nrefound_at = 1",
            "duplicates.refound_at: is not known here",
            id="unknown key",
        ),
        pytest.param("[clauses]", "[claws]", "claws: is not known here", id="unknown table"),
        pytest.param(
            "refund_at = 90",
            'refund_at = "90"',
            "duplicates.refund_at: must be a whole number, not '90'",
            id="a text",
        ),
        pytest.param(
            "refund_at = 90",
            "refund_at = 90.0",
            "duplicates.refund_at: must be a whole number, not 90.0",
            id="a float",
        ),
        pytest.param(
            "refund_at = 90",
            "refund_at = true",
            "duplicates.refund_at: must be a whole number, not True",
            id="a truth",
        ),
        pytest.param(
            "refund_at = 90",
            "refund_at = 101",
            "duplicates.refund_at: is 101, but must lie between 1 and 100",
            id="more than sure",
        ),
        pytest.param(
            "review_at = 50",
            "review_at = 90",
            "duplicates.review_at: is 90, but must lie between 1 and 89",
            id="thresholds out of order",
        ),
        pytest.param(
            "doubtful = 60",
            "doubtful = 95",
            "duplicates.confidence.doubtful: is 95, but must lie between 0 and 89",
            id="doubt that would refund",
        ),
        pytest.param(
            "product_unknown = 50",
            "product_unknown = 90",
            "duplicates.confidence.product_unknown: is 90, but must lie between 0 and 89",
            id="ignorance that would refund",
        ),
        pytest.param(
            "window_minutes = 10",
            "window_minutes = 0",
            "duplicates.same_purchase_window_minutes: is 0, but must lie between 1 and 1440",
            id="no window",
        ),
        pytest.param(
            "same_card = 70", "", "duplicates.confidence.same_card: is missing", id="missing kind"
        ),
        pytest.param(
            '"BILLING" =', '"BILLINGS" =', "clauses.BILLINGS: is not known here", id="clause"
        ),
        pytest.param(
            '"APPEAL" = "A second look when the customer brings more"',
            "",
            "clauses.APPEAL: is missing",
            id="missing clause",
        ),
        pytest.param(
            '"APPEAL" = "A second look when the customer brings more"',
            '"APPEAL" = "  "',
            "clauses.APPEAL: is empty",
            id="empty title",
        ),
        pytest.param(
            'product_keys = ["product_id", "product", "sku"]',
            "product_keys = []",
            "duplicates.product_keys: must be a list of one or more texts, not []",
            id="empty list",
        ),
        pytest.param(
            'product_keys = ["product_id", "product", "sku"]',
            "product_keys = [1]",
            "duplicates.product_keys: must be a list of one or more texts, not [1]",
            id="list of numbers",
        ),
        pytest.param(
            'product_keys = ["product_id", "product", "sku"]',
            'product_keys = "sku"',
            "duplicates.product_keys: must be a list of texts, not 'sku'",
            id="a text for a list",
        ),
        pytest.param(
            'version = "2025-09-14"',
            "version = 2025",
            "version: must be a text, not 2025",
            id="a year",
        ),
        pytest.param(
            "effective = 2025-09-14 #",
            "effective = 2025-09-14T12:00:00 #",
            "effective: must be a day such as 2025-09-14, not datetime.datetime(2025, 9, 14, 12, 0)",
            id="a time of day",
        ),
        pytest.param(
            'version = "2025-09-14"',
            'version = "2026"',
            "version: says '2026', which is not the file's name",
            id="another version's name",
        ),
        pytest.param(
            "dispute_percent = 80",
            "dispute_percent = 101",
            "fraud_warnings.dispute_percent: is 101, but must lie between 0 and 100",
            id="more than every warning",
        ),
        pytest.param(
            "history_warnings = 30",
            "history_warnings = 0",
            "fraud_warnings.history_warnings: is 0, but must lie between 1 and 100000",
            id="a history of nothing",
        ),
        pytest.param(
            "near_threshold_percent = 300",
            "near_threshold_percent = 99",
            "fraud_warnings.near_threshold_percent: is 99, but must lie between 100 and 10000",
            id="cheaper when close",
        ),
        pytest.param(
            "takes_credits = true",
            "takes_credits = 1",
            "fraud_effects.takes_credits: must be true or false, not 1",
            id="a number for a switch",
        ),
        pytest.param(
            "usd = 1500",
            "USD = 1500",
            "fraud_warnings.dispute_fees_minor.USD: must be a currency of three lower-case letters",
            id="no currency",
        ),
        pytest.param(
            "usd = 1500",
            "usd = -1",
            "fraud_warnings.dispute_fees_minor.usd: is -1, but must lie between 0 and 1000000",
            id="a fee below nothing",
        ),
        pytest.param(
            "[duplicates.confidence]",
            "[duplicates.levels]",
            "duplicates.levels: is not known here",
            id="table by another name",
        ),
    ],
)
def test_refused_entries(folder, old, new, message):
    """An entry that the rules could not follow is refused with file, key and reason."""
    assert old in SHIPPED
    (folder / "2025-09-14.toml").write_text(SHIPPED.replace(old, new), encoding="utf-8")

    with pytest.raises(TermsError) as refused:
        load_terms(folder=folder)

    assert f"2025-09-14.toml: {message}" == str(refused.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        pytest.param("]", "Invalid value", id="broken TOML"),
        pytest.param("9" * 5000, "4300 digits", id="5,000 digits"),
        pytest.param("0x" + "F" * 5000, "a value too large to be shown", id="5,000 hex digits"),
        pytest.param("[0x" + "F" * 5000 + "]", "a value too large to be shown", id="in a list"),
        pytest.param("[" * 5000 + "]" * 5000, "2025-09-14.toml: ", id="5,000 brackets"),
        pytest.param('"' + "a" * 5000 + '"', "aaa…", id="5,000 letters"),
    ],
)
def test_entries_beyond_measure(folder, entry, message):
    """What Python itself gives up on is refused by the file's name, in a sentence of readable length."""
    text = SHIPPED.replace("refund_at = 90", f"refund_at = {entry}")
    (folder / "2025-09-14.toml").write_text(text, encoding="utf-8")

    with pytest.raises(TermsError, match=r"^2025-09-14\.toml: ") as refused:
        load_terms(folder=folder)

    assert message in str(refused.value)
    assert len(str(refused.value)) < 400


def test_wrong_table(folder):
    """A value where a table belongs is refused."""
    (folder / "2025-09-14.toml").write_text(
        'version = "2025-09-14"\neffective = 2025-09-14\nduplicates = 1\nrequests = 3\nfraud_scores = 5\nfraud_warnings = 4\nfraud_effects = 6\ndisputes = 7\nclauses = 2\n',
        encoding="utf-8",
    )

    with pytest.raises(TermsError) as refused:
        load_terms(folder=folder)

    assert "2025-09-14.toml: duplicates: must be a table, not 1" == str(refused.value)


def test_bytes_that_are_no_text(folder):
    """A file in another encoding is refused by its name."""
    (folder / "2025-09-14.toml").write_bytes(b'version = "\xff"')

    with pytest.raises(TermsError, match=r"^2025-09-14\.toml: "):
        load_terms(folder=folder)


def test_one_file_wherever_it_lies(folder):
    """A file of terms is read by its path, and one that cannot be read is refused by its name."""
    assert load_terms() == read_terms(folder / "2025-09-14.toml")
    with pytest.raises(TermsError, match=r"^2031\.toml: cannot be read \(No such file"):
        read_terms(folder / "2031.toml")
