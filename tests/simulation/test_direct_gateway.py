"""The simulator's gateway and the one over the SDK are one: the same answers, the same errors."""

import itertools

import pytest

from tests.simulation.runner import Machine
from tests.simulation.stripe_line import DirectGateway, SdkClient
from tests.simulation.swarm import draw
from tests.simulation.world import World
from workers.gateway import StripeGateway
from workers.gateway_errors import GatewayError

FAULTS = ("429", "500", "503", "409", "500_stored", "truncated_json", "other_currency")
CALLS = {
    "charge": lambda gateway, paid: gateway.charge(paid),
    "unknown charge": lambda gateway, _: gateway.charge("ch_unknown"),
    "refunds": lambda gateway, paid: gateway.refunds_of(paid),
    "disputes": lambda gateway, paid: gateway.disputes_of(paid),
    "invoice payments": lambda gateway, _: gateway.invoice_payments_of("pi_unknown"),
    "refund": lambda gateway, paid: gateway.create_refund(
        f'{{"charge":"{paid}","amount":1500,"metadata":{{"redress_intent":"ri_1"}}}}', "key"
    ),
    "a balance transaction": lambda gateway, paid: gateway.stripe_object(
        "balance_transaction", gateway.charge(paid)["balance_transaction"]
    ),
    "end of an unknown subscription": lambda gateway, _: gateway.cancel_subscription("sub_unknown"),
    "an unknown price": lambda gateway, _: gateway.stripe_object("price", "price_unknown"),
    "change of an unknown subscription": lambda gateway, _: gateway.change_subscription(
        "sub_unknown", '{"billing_cycle_anchor":{"type":"now"}}', "key"
    ),
    "schedule of an unknown subscription": lambda gateway, _: gateway.create_schedule(
        '{"from_subscription":"sub_unknown"}', "key"
    ),
    "change of an unknown schedule": lambda gateway, _: gateway.change_schedule(
        "sub_sched_unknown", '{"metadata":{"redress_change":"pc_1"}}', "key"
    ),
    "release of an unknown schedule": lambda gateway, _: gateway.release_schedule(
        "sub_sched_unknown", "key"
    ),
    "pending items": lambda gateway, _: gateway.pending_items_of("cus_unknown"),
    "invoices": lambda gateway, _: gateway.invoices_of("sub_unknown", 1_700_000_000),
    "credit notes": lambda gateway, _: gateway.credit_notes_of("in_unknown"),
    "balance of an unknown customer": lambda gateway, _: gateway.balance_transactions_of(
        "cus_unknown"
    ),
    "end of an unknown item": lambda gateway, _: gateway.delete_pending_item("ii_unknown"),
    "void of an unknown invoice": lambda gateway, _: gateway.void_invoice("in_unknown", "key"),
    "credit note of an unknown invoice": lambda gateway, _: gateway.create_credit_note(
        '{"amount":100,"invoice":"in_unknown","reason":"order_change"}', "key"
    ),
    "an entry for an unknown customer": lambda gateway, _: gateway.change_balance(
        "cus_unknown", '{"amount":100,"currency":"usd"}', "key"
    ),
    "a page of events": lambda gateway, _: gateway.list_page("events", {"limit": 2}),
    "a page after an unknown event": lambda gateway, _: gateway.list_page(
        "events", {"ending_before": "evt_unknown", "created": {"gte": 1}}
    ),
    "too large a refund": lambda gateway, paid: gateway.create_refund(
        f'{{"charge":"{paid}","amount":99999}}', "key"
    ),
}


@pytest.fixture(scope="module")
def machine():
    made = Machine()
    yield made
    made.close()


def outcome(machine, call, fault, *, sdk):
    """What a call comes to in a fresh world: its answer, or its error's class and code."""
    world = World(draw(1), machine)
    try:
        paid = world.shop.pay(world.shop.buyer(), 1500, order="one")
        if fault is not None:
            world.sandbox.faults.replace([{"kind": fault, "times": 1}])
        gateway = (
            StripeGateway(world.settings, http_client=SdkClient(world.line))
            if sdk
            else DirectGateway(world.line)
        )
        try:
            return call(gateway, paid)
        except GatewayError as error:
            return type(error), error.code
    finally:
        world.end()


@pytest.mark.parametrize(
    ("name", "fault"), [*itertools.product(CALLS, FAULTS), *((name, None) for name in CALLS)]
)
def test_same_as_over_the_sdk(machine, name, fault):
    """Each call under each fault of Stripe's has the same outcome through both gateways."""
    call = CALLS[name]

    assert outcome(machine, call, fault, sdk=True) == outcome(machine, call, fault, sdk=False)
