"""The labelled corpus through the real workers: how precise automatic refunds are, how many they catch, and the back-test beside them."""

import json
from collections import defaultdict
from dataclasses import replace

import pytest

from ledger.cases import FRAUD
from ledger.inbox import store_events
from ledger.tables import cases, decisions
from ops.backtest.backtest_run import Backtest
from ops.backtest.told_events import READ_TYPES, told_event
from ops.sandbox.fraud_stories import ROUNDS
from ops.sandbox.shop_fraud import ShopFraud
from ops.sandbox.shop_month import ShopMonth
from ops.sandbox.shop_product import ShopProduct
from policy.decision import Verdict
from runtime.queues import LOOK_UP_JOB
from tests.fakes.frozen_clock import FrozenClock
from tests.fakes.worker_world import worker_settings
from tests.ops.sandbox_deliveries.whole_sandbox import WholeSandbox
from tests.policy.fraud_corpus import corpus, events_in_order
from workers.gateway import StripeGateway

HISTORIES_MIN = 400
PRECISION_MIN = 0.98
RECALL_MIN = 0.8
ORDER = [Verdict.DENY, Verdict.REVIEW, Verdict.APPROVE]


def live_verdicts(world, told):
    """What the workers decided about each charge, oldest first: (verdict, by what)."""
    for start in range(0, len(told), 100):
        with world.store.write() as connection:
            parsed = [world.parsed(event) for event in told[start : start + 100]]
            store_events(connection, parsed, world.clock.now_ms())
        world.drain()
        # What a payment was for is asked before its money goes back.
        world._run(lambda job: job[0] == LOOK_UP_JOB)
    charge_of = {row.id: row.charge_id for row in world.rows(cases) if row.kind == FRAUD}
    found = defaultdict(list)
    for row in world.rows(decisions):
        if row.case_id in charge_of:
            (by,) = json.loads(row.body)["facts"]
            found[charge_of[row.case_id]].append((row.verdict, by))
    return found


def measured(histories, back):
    """(precision, recall) of what went back by itself."""
    fraud = {charge_id for history in histories for charge_id in history.fraud}
    honest = {charge_id for history in histories for charge_id in history.honest}
    right = len(back & fraud)
    assert back <= fraud | honest
    return right / len(back), right / len(fraud)


@pytest.mark.parametrize("held_back", [False, True], ids=["looked at", "held back"])
def test_automatic_refunds(memory, capsys, held_back):
    """Of what goes back by itself 98 of 100 is fraud, and of all fraud 80 of 100 goes back."""
    histories = [one for one in corpus() if one.held_back is held_back]
    assert HISTORIES_MIN <= len(histories)

    found = live_verdicts(memory.world, events_in_order(histories))

    back = {charge_id for charge_id, said in found.items() if Verdict.APPROVE in dict(said)}
    precision, recall = measured(histories, back)
    half = "held back" if held_back else "looked at"
    with capsys.disabled():
        sentence = (
            f"{len(histories)} histories ({half}): {len(back)} payments go back by themselves"
        )
        print(f"\n{sentence}, precision {precision:.3f}, recall {recall:.3f}")  # noqa: T201 - asked for
    assert PRECISION_MIN <= precision
    assert RECALL_MIN <= recall


def test_the_back_test_decides_the_same(memory):
    """The corpus through the workers and through the back-test: the same verdicts about every payment."""
    told = events_in_order(corpus())

    live, tried = both_ways(memory.world, told)

    assert tried == live
    assert {Verdict.REVIEW, Verdict.APPROVE} == set(live.values())


def test_the_back_test_of_the_sandboxs_month(memory, tmp_path):
    """The shop's month, with its thieves and banks, played over HTTP: both ways decide the same."""
    sandbox = WholeSandbox(tmp_path, FrozenClock(), seed=1)
    sandbox.start()
    played = {"product": ShopProduct("http://127.0.0.1:9", "token"), "clock": FrozenClock()}
    month, fraud = (
        kind(sandbox.url, **played, first_buyer=first, api_key="sk_test_sandbox", run=str(first))
        for kind, first in ((ShopMonth, 100), (ShopFraud, 200))
    )
    month.sell()
    for number in range(ROUNDS):
        fraud.play(number)
    month.close()
    fraud.close()
    told = [event for _, event in sandbox.book.events_after(0)]
    world = memory.world
    at_sandbox = worker_settings(tmp_path, stripe_api_base=sandbox.url)
    world.context = replace(world.context, gateway=StripeGateway(at_sandbox))

    live, tried = both_ways(world, told)
    sandbox.stop()

    assert tried == live
    assert Verdict.APPROVE in live.values()


def both_ways(world, told):
    """What the workers and the back-test did about each payment that was not let through: by its charge.

    Of payments that nobody warned of: a warning decides for itself, and the back-test counts it as an outcome.
    """
    ends = {}
    backtest = Backtest(
        {"in force": world.context.terms.in_force},
        world.context.terms.newest.duplicates,
        ended=lambda _name, payment, one: ends.__setitem__(
            payment.own.charge_id, (one.verdict, bool(payment.warnings))
        ),
    )
    about = [event for event in told if event["type"].startswith(READ_TYPES)]
    result = backtest.run(told_event(event, event["id"]) for event in about)
    assert (len(about), 0) == (result.events, result.unread)
    strongest = {
        charge_id: max((Verdict(verdict) for verdict, _ in said), key=ORDER.index)
        for charge_id, said in live_verdicts(world, told).items()
    }
    unwarned = {charge_id for charge_id, (_, warned) in ends.items() if not warned}
    live = {
        charge_id: verdict
        for charge_id, verdict in strongest.items()
        if charge_id in unwarned and verdict is not Verdict.DENY
    }
    tried = {
        charge_id: verdict
        for charge_id, (verdict, warned) in ends.items()
        if not warned and verdict is not Verdict.DENY
    }
    return live, tried
