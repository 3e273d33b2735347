"""What is sold: read from a file or a price's metadata, and refused with the place and the reason."""

import pytest

from policy.catalogue import CatalogueError, Offer, offer_of_price, read_catalogue
from policy.request_facts import Plan

FILE = """
[offers."price_pro_month"]
name = "Pro, monthly"
kind = "subscription"
interval = "month"
tier = 2
credits = 1000

[offers."price_pro_year"]
name = "Pro, yearly"
kind = "subscription"
interval = "year"
credits = 1200
validity_days = 31

[offers."pack_500"]
name = "500 credits"
kind = "credit_pack"
credits = 500
validity_days = 365
"""


def offer(ref, name, plan, granted, **more):
    return Offer(
        **{"tier": None, "validity_days": None} | more,
        ref=ref,
        name=name,
        plan=plan,
        credits=granted,
    )


def test_file():
    """A file says of each price or product what it is and what credits it brings."""
    assert {
        "price_pro_month": offer("price_pro_month", "Pro, monthly", Plan.MONTHLY, 1000, tier=2),
        "price_pro_year": offer(
            "price_pro_year", "Pro, yearly", Plan.ANNUAL, 1200, validity_days=31
        ),
        "pack_500": offer("pack_500", "500 credits", Plan.PACK, 500, validity_days=365),
    } == read_catalogue(FILE, "catalogue.toml")


@pytest.mark.parametrize(
    ("entries", "refused"),
    [
        pytest.param("kind = 'credit_pack'\ncredits = 1", "x.name: is missing", id="no name"),
        pytest.param("name = 'A'\nkind = 'credit_pack'", "x.credits: is missing", id="no credits"),
        pytest.param(
            "name = 'A'\nkind = 'gift'\ncredits = 1",
            "x.kind: is 'gift', but must be one of: subscription, credit_pack",
            id="kind",
        ),
        pytest.param(
            "name = 'A'\nkind = 'subscription'\ncredits = 1",
            "x.interval: is missing",
            id="no interval",
        ),
        pytest.param(
            "name = 'A'\nkind = 'subscription'\ninterval = 'week'\ncredits = 1",
            "x.interval: is 'week', but must be one of: month, year",
            id="another interval",
        ),
        pytest.param(
            "name = 'A'\nkind = 'credit_pack'\ninterval = 'year'\ncredits = 1",
            "x.interval: is for subscriptions; a credit pack is paid once",
            id="a pack with an interval",
        ),
        pytest.param(
            "name = 'A'\nkind = 'credit_pack'\ncredits = 0",
            "x.credits: is 0, but must lie between 1 and 1000000000",
            id="none",
        ),
        pytest.param(
            "name = 'A'\nkind = 'credit_pack'\ncredits = 1000000001",
            "x.credits: is 1000000001, but must lie between 1 and 1000000000",
            id="too many",
        ),
        pytest.param(
            "name = 'A'\nkind = 'credit_pack'\ncredits = 1\ntier = -1",
            "x.tier: is -1, but must lie between 0 and 1000",
            id="no tier",
        ),
        pytest.param(
            "name = 'A'\nkind = 'credit_pack'\ncredits = 1\nvalidity_days = 0",
            "x.validity_days: is 0, but must lie between 1 and 3660",
            id="expired at once",
        ),
        pytest.param(
            "name = 'A'\nkind = 'credit_pack'\ncredits = 1\ncolour = 'red'",
            "x.colour: is not known here",
            id="unknown key",
        ),
        pytest.param(
            "name = 'A'\nkind = 'credit_pack'\ncredits = true",
            "x.credits: must be a whole number, not True",
            id="type",
        ),
    ],
)
def test_wrong_entries(entries, refused):
    """An entry that cannot be followed is refused with file, place and reason."""
    with pytest.raises(CatalogueError) as wrong:
        read_catalogue(f"[offers.x]\n{entries}\n", "catalogue.toml")

    assert f"catalogue.toml: offers.{refused}" == str(wrong.value)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        pytest.param("", "catalogue.toml: offers: is missing", id="empty"),
        pytest.param("offers = 1", "catalogue.toml: offers: must be a table, not 1", id="no table"),
        pytest.param(
            "[offers]\nx = 1", "catalogue.toml: offers.x: must be a table, not 1", id="no offer"
        ),
        pytest.param("[offers]\n[more]", "catalogue.toml: more: is not known here", id="more"),
    ],
)
def test_wrong_files(text, refused):
    """A file that is no catalogue is refused."""
    with pytest.raises(CatalogueError) as wrong:
        read_catalogue(text, "catalogue.toml")

    assert refused == str(wrong.value)


def test_broken_files():
    """A text that is no TOML is refused by the file's name."""
    with pytest.raises(CatalogueError, match=r"^catalogue\.toml: Expected"):
        read_catalogue("[offers", "catalogue.toml")


def test_the_least_and_the_most():
    """Both ends of what an offer can bring are taken."""
    pack = "kind = 'credit_pack'"
    text = f"""
[offers.least]
{pack}
name = "A"
credits = 1
tier = 0
validity_days = 1
[offers.most]
{pack}
name = "B"
credits = 1_000_000_000
tier = 1000
validity_days = 3660
"""

    assert {
        "least": offer("least", "A", Plan.PACK, 1, tier=0, validity_days=1),
        "most": offer("most", "B", Plan.PACK, 10**9, tier=1000, validity_days=3660),
    } == read_catalogue(text, "catalogue.toml")


def test_metadata_of_a_plan():
    """A recurring price describes a plan by its metadata; interval and kind come from the price."""
    metadata = {"redress_credits": "1000", "redress_tier": "2", "colour": "red"}

    assert offer("price_1", "price_1", Plan.ANNUAL, 1000, tier=2) == offer_of_price(
        "price_1", "year", metadata
    )


def test_metadata_of_a_pack():
    """A price that is paid once is a pack."""
    metadata = {
        "redress_credits": "500",
        "redress_validity_days": "90",
        "redress_name": "500 credits",
    }

    assert offer("price_1", "500 credits", Plan.PACK, 500, validity_days=90) == offer_of_price(
        "price_1", None, metadata
    )


def test_metadata_of_a_pack_that_recurs():
    """A recurring price is a pack where its metadata say so."""
    metadata = {"redress_credits": "500", "redress_kind": "credit_pack"}

    assert offer("price_1", "price_1", Plan.PACK, 500) == offer_of_price(
        "price_1", "month", metadata
    )


def test_metadata_beside_others():
    """Keys that merely hold our prefix somewhere else are not ours."""
    metadata = {
        "redress_credits": "500",
        "redress_tier": "0",
        "old_redress_": "1",
        "_redress_x": "2",
    }

    assert offer("price_1", "price_1", Plan.PACK, 500, tier=0) == offer_of_price(
        "price_1", None, metadata
    )


def test_foreign_metadata():
    """A price without our keys is not in the catalogue."""
    assert offer_of_price("price_1", "month", {"credits": "5"}) is None


@pytest.mark.parametrize(
    ("interval", "metadata", "refused"),
    [
        pytest.param(
            "month", {"redress_credits": "many"},
            "redress_credits: must be a whole number, not 'many'", id="text",
        ),
        pytest.param(
            "month", {"redress_credits": "-5"},
            "redress_credits: must be a whole number, not '-5'", id="negative",
        ),
        pytest.param(
            "month", {"redress_credits": "\u0665"},
            "redress_credits: must be a whole number, not '\u0665'", id="digit",
        ),
        pytest.param(
            "month", {"redress_credits": "9" * 500},
            f"redress_credits: is {'9' * 200}…, but must lie between 1 and 1000000000", id="large",
        ),
        pytest.param(
            "week", {"redress_credits": "5"},
            "redress_interval: is 'week', but must be one of: month, year", id="weekly",
        ),
        pytest.param(
            None, {"redress_credits": "5", "redress_kind": "subscription"}, "redress_interval: is missing",
            id="a plan that is paid once",
        ),
        pytest.param(
            "month", {"redress_credits": "5", "redress_kind": "credit_pack", "redress_interval": "month"},
            "redress_interval: is for subscriptions; a credit pack is paid once", id="a pack that recurs",
        ),
        pytest.param("month", {"redress_credit": "5"}, "redress_credit: is not known here", id="misspelt"),
    ],
)  # fmt: skip
def test_wrong_metadata(interval, metadata, refused):
    """Metadata that cannot be followed name the price and the key."""
    with pytest.raises(CatalogueError) as wrong:
        offer_of_price("price_1", interval, metadata)

    assert f"price_1: metadata.{refused}" == str(wrong.value)
