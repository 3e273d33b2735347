"""What the product is told beside decisions: credits that a refund took, and credits that came back."""

import json
from pathlib import Path

import pytest

from ledger.credit_claims import write_claim
from ledger.credit_usage import UsageReport, record_usage
from ledger.notice_tables import notices
from ledger.notices import REFUND_DECIDED
from runtime.queues import JUDGE_CLAIM_JOB
from tests.fakes.credit_claims import new_claim
from tests.fakes.scripted_carrier import ScriptedCarrier, scripted
from tests.fakes.scripted_product import SECRET
from workers.product_notices import EVENT_TYPES


@pytest.fixture
def told_shop(shop):
    """A shop whose product listens, and takes everything."""
    shop.world.carriers = scripted(email=ScriptedCarrier(), webhook=ScriptedCarrier())
    shop.change_settings(
        redress_product_webhook_url="https://product.example/hook",
        redress_product_webhook_secret=SECRET,
    )
    shop.change()
    return shop


def use(shop, customer, number, reference="gen_1"):
    """Have the product report a usage that failed."""
    now_ms = shop.clock.now_ms()
    report = UsageReport(
        key=reference,
        customer_id=customer,
        credits=number,
        at=now_ms // 1000,
        successful=False,
        reference=reference,
    )
    with shop.store.write() as connection:
        record_usage(connection, [report], now_ms)


def heard(shop, event):
    """What the product was sent of one type, as the rows that were taken say."""
    return [
        json.loads(row.content)
        for row in shop.rows(notices)
        if (row.event, row.channel, row.state) == (event, "webhook", "sent")
    ]


def test_credits_revoked(told_shop):
    """What a refund took of the purchase's credits is told once, when Stripe has accepted the refund."""
    charge, customer = told_shop.buy()
    use(told_shop, customer, 10)
    told_shop.ask(charge)
    told_shop.settle(60)
    told_shop.step()
    case = told_shop.case()

    data = {"customer_id": customer, "case_id": case.case_id, "charge_id": charge, "credits": 490}
    assert [data] == heard(told_shop, "credits.revoked")
    assert 1 == len(heard(told_shop, "refund.decided"))


def test_credits_restored(told_shop):
    """Credits that came back by a claim are told with its reference; a claim that is denied is not."""
    _, customer = told_shop.buy()
    use(told_shop, customer, 10)
    for key in ("c-1", "c-2"):
        told = new_claim(key, customer_id=customer)
        with told_shop.store.write() as connection:
            claim, _ = write_claim(connection, told, told_shop.clock.now_ms())
        told_shop.wakeups.wake_effect(JUDGE_CLAIM_JOB, claim.claim_id)
    told_shop.settle(60)
    told_shop.step()

    data = {"customer_id": customer, "claim_id": 1, "reference": "gen_1", "credits": 10}
    assert [data] == heard(told_shop, "credits.restored")


def test_nobody_listens(shop):
    """Without an endpoint nothing is written for the product, whatever happens to the credits."""
    charge, customer = shop.buy()
    use(shop, customer, 10)
    shop.ask(charge)
    shop.settle(60)

    assert ["email"] == [row.channel for row in shop.rows(notices)]


def test_the_types_are_documented():
    """Every type of webhook stands in the documentation of the product API."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")

    assert [] == [one for one in (REFUND_DECIDED, *EVENT_TYPES) if f"`{one}`" not in page]
