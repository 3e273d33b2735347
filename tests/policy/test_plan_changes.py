"""Plan changes told from renewals, by the items of a subscription before and after."""

import pytest

from policy.plan_changes import ItemChange, SubscriptionItem, compare_items

MONTH = (1_790_000_000, 1_792_592_000)
NEXT_MONTH = (1_792_592_000, 1_795_270_400)


def item(price_id="price_pro", quantity=1, period=MONTH, item_id="si_1"):
    return SubscriptionItem(
        item_id=item_id,
        price_id=price_id,
        quantity=quantity,
        period_start=period[0],
        period_end=period[1],
    )


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        pytest.param((item(),), (item(),), ItemChange.NOTHING, id="nothing"),
        pytest.param((item(),), (item(period=NEXT_MONTH),), ItemChange.RENEWAL, id="renewal"),
        pytest.param((item(),), (item("price_team"),), ItemChange.PLAN, id="another price"),
        pytest.param(
            (item(),),
            (item("price_team", period=NEXT_MONTH),),
            ItemChange.PLAN,
            id="another price with the renewal",
        ),
        pytest.param((item(),), (item(quantity=3),), ItemChange.QUANTITY, id="more seats"),
        pytest.param(
            (item(),),
            (item(quantity=3, period=NEXT_MONTH),),
            ItemChange.QUANTITY,
            id="more seats with the renewal",
        ),
        pytest.param(
            (item(),), (item(), item("price_seat")), ItemChange.PLAN, id="a price was added"
        ),
        pytest.param(
            (item(), item("price_seat")), (item(),), ItemChange.PLAN, id="one was removed"
        ),
        pytest.param(
            (item(), item("price_seat")),
            (item("price_seat"), item()),
            ItemChange.NOTHING,
            id="listed in another order",
        ),
        pytest.param((item(),), (item(item_id="si_2"),), ItemChange.NOTHING, id="another item id"),
        pytest.param(
            (item(quantity=2),),
            (item(), item(item_id="si_2")),
            ItemChange.NOTHING,
            id="one item of two became two of one",
        ),
        pytest.param((item(quantity=0),), (item(quantity=0),), ItemChange.NOTHING, id="metered"),
        pytest.param((), (), ItemChange.NOTHING, id="no items"),
    ],
)
def test_compare_items(before, after, change):
    """Other prices are a plan change; a period that moved is only a renewal."""
    assert change is compare_items(before, after)


def test_item_birth():
    """An item with a wrong field is refused by its name."""
    with pytest.raises(ValueError, match="quantity must be"):
        item(quantity=-1)
