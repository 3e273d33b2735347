"""A month and a year of the shop, played at the sandbox by real HTTP, twice on one day and one data folder."""

import pytest

from ops.sandbox.shop_cast import PLANS
from ops.sandbox.shop_month import ShopMonth
from ops.sandbox.shop_product import ShopProduct
from ops.sandbox.shop_year import ShopYear
from ops.sandbox.year_stories import RENEWALS, STORIES, TURN, Act
from tests.fakes.frozen_clock import FrozenClock
from tests.ops.sandbox_deliveries.whole_sandbox import WholeSandbox

KEY = "sk_test_sandbox"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A sandbox that serves, with nobody to deliver to."""
    one = WholeSandbox(tmp_path_factory.mktemp("shop"), FrozenClock(), seed=1)
    one.start()
    yield one
    one.stop()


def play(kind, sandbox, number):
    """One of them, its calls named by its number and its people its own."""
    product = ShopProduct(NOWHERE, "token")
    first = number * 100
    run = f"run-{number}"
    return kind(sandbox.url, product, FrozenClock(), first_buyer=first, api_key=KEY, run=run)


def test_month(sandbox):
    """Each run sells to people of its own."""
    before = sandbox.book.counts().get("charges", 0)
    sold = []
    for number in (1, 2):
        month = play(ShopMonth, sandbox, number)
        month.sell()
        month.close()
        sold.append(sandbox.book.counts()["charges"] - before - sum(sold))

    assert sold[0] == sold[1] > 0


def test_year(sandbox):
    """A year of renewals passes in seconds, and each subscriber paid for every period once."""
    for number in (3, 4):
        told = []
        year = play(ShopYear, sandbox, number)
        year.live(lambda *seen, told=told: told.append(seen))
        year.close()

        assert [(len(STORIES), len(STORIES))] == told[-1:]
        for member in year.members:
            charges = sandbox.book.newest_first("charges", {"customer": member.customer_id})
            paid = [charge["amount"] for charge in charges if charge["status"] == "succeeded"]
            assert paid[::-1] == prices(member.story), member.story.title


def prices(story):
    """What each period of a story costs, oldest first, before anything is changed at the year's end."""
    if PLANS[story.plan].interval == "year":
        return [PLANS[story.plan].amounts_minor["usd"]] * 2
    plans = [story.plan] * (RENEWALS + 1)
    if story.act is Act.SCHEDULED:
        plans[TURN:] = [story.becomes] * (RENEWALS + 1 - TURN)
    return [PLANS[plan].amounts_minor["usd"] for plan in plans]
