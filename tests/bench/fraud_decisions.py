"""What one fraud decision costs as the ledger grows, and how many events a back-test reads in a second."""

import itertools
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
from sqlalchemy import insert

from ledger.engine import Store
from ledger.stripe_tables import charges
from ops.backtest.backtest_run import Backtest
from ops.backtest.told_events import exported_events
from runtime.clock import SystemClock
from runtime.settings import load_settings
from tests.bench.figures import Figure
from tests.bench.load_generator import SECRET, quantile
from tests.bench.prefill import PERIOD_SECONDS
from tests.bench.stack import API_KEY, Stack
from tests.policy.fraud_corpus import corpus, events_in_order
from workers.context import WorkerContext
from workers.fraud_judging import judge_fraud
from workers.terms_book import TermsBook

_BATCH_ROWS = 5_000
_WARM_UP = 50
_DAY_SECONDS = 86_400
_DAYS_BUSY = 3
#: Payments that are judged, and as many older ones of the same people.
_JUDGED = 500


def judged(stack: Stack, place: dict[str, object], charges_wanted: int, count: int):
    """The time of `judge_fraud` over as many charges as the ledger has events, for payments of the newest days."""
    newest = _fill(stack.store, charges_wanted)
    context = WorkerContext(
        settings=load_settings(
            {
                "STRIPE_API_KEY": API_KEY,
                "STRIPE_WEBHOOK_SECRETS": SECRET,
                "REDRESS_DATA": str(stack.folder),
            }
        ),
        store=stack.store,
        clock=SystemClock(),
        gateway=None,  # judging never calls Stripe
        wakeups=None,
        terms=TermsBook(),
    )
    took: list[float] = []
    chosen = random.Random(5).choices(newest, k=_WARM_UP + count)
    with stack.store.write() as connection:
        for number, charge_id in enumerate(chosen):
            started = time.perf_counter()
            judge_fraud(context, connection, [charge_id], None)
            if number >= _WARM_UP:
                took.append((time.perf_counter() - started) * 1_000)
    took.sort()
    for name in (0.5, 0.95):
        yield Figure(
            **place,
            name=f"one fraud decision: p{name * 100:.0f}",
            value=quantile(took, name),
            unit="ms",
            detail=f"{charges_wanted:,} charges more in the ledger; {count} payments judged",
        )


def backtested(folder: Path, place: dict[str, object], seeds: int) -> Iterator[Figure]:
    """Events/s of a back-test over an export, beside reading the same lines alone."""
    file = folder / "export.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        told = events_in_order([one for seed in range(seeds) for one in _renamed(seed)])
        lines.writelines(json.dumps(event) + "\n" for event in told)
    book = TermsBook()
    started = time.perf_counter()
    result = Backtest({"in force": book.in_force}, book.newest.duplicates).run(
        exported_events(file, 0)
    )
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    with file.open("rb") as written:
        read = sum(1 for line in written if orjson.loads(line))
    alone = read / (time.perf_counter() - started)
    rate = result.events / seconds
    yield Figure(
        **place,
        name="back-test",
        value=rate,
        unit="/s",
        detail=f"{result.events:,} events; reading the lines alone {alone / rate:.0f} times as fast",
    )


def _renamed(seed: int):
    """A corpus whose charges no other has: its histories are other people's."""
    for history in corpus(seed):
        for event in history.events:
            text = json.dumps(event).replace('"ch_', f'"ch_{seed}_').replace('"fp_', f'"fp_{seed}_')
            event.clear()
            event.update(json.loads(text.replace('"cus_', f'"cus_{seed}_')))
        yield history


def _fill(store: Store, count: int) -> list[str]:
    """Add so many payments of two years; the ids of those that are judged.

    The people who are judged are the same in every ledger: what they paid in the newest days and before. All others only
    make the ledger larger, so that what grows is its size and not what there is to know about anybody.
    """
    rng, now = random.Random(5), int(time.time())
    numbers = iter(range(count))
    while batch := list(itertools.islice(numbers, _BATCH_ROWS)):
        rows = [_row(number, count, now, rng) for number in batch]
        with store.write() as connection:
            connection.execute(insert(charges), rows)
    with store.write() as connection:
        connection.exec_driver_sql("ANALYZE")
    return [_id(number) for number in range(_JUDGED)]


def _id(number: int) -> str:
    return f"ch_filled_{number}"


def _row(number: int, count: int, now: int, rng: random.Random) -> dict[str, object]:
    """A payment of somebody with a card or two and an address that two others have as well."""
    if number < _JUDGED:
        who, created = number // 4, now - rng.randrange(_DAYS_BUSY * _DAY_SECONDS)
    elif number < 2 * _JUDGED:
        who, created = (number - _JUDGED) // 4, now - PERIOD_SECONDS // 2 + number
    else:
        who, created = number // 4, now - PERIOD_SECONDS * (count - number) // count
    return {
        "charge_id": _id(number),
        "account": "",
        "livemode": False,
        "customer_id": f"cus_filled_{who}",
        "card_fingerprint": f"fp_{who}_{rng.randrange(2)}",
        "currency": "usd",
        "amount_minor": 2_900,
        "captured_minor": 2_900,
        "refunded_minor": 0,
        "status": "succeeded",
        "disputed": False,
        "email_digest": f"email-{who}",
        "card_network": "visa",
        "ip_digest": f"ip-{who // 3}",
        "device_digest": f"device-{who}",
        "signals": '{"cvc_check":"pass","outcome":"authorized","risk_level":"normal","risk_score":20}',
        "created": created,
        "seen_created": created,
        "progress": 0,
        "seen_event_id": f"evt_filled_{number}",
    }
