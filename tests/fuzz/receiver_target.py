"""The receiver and the workers behind it, under any delivery whatever."""

import hashlib
import hmac
import json
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import delete, event, select

from ledger.engine import Store
from ledger.inbox import store_events
from ledger.parsing import Expected
from ledger.rows import AnyRow
from ledger.schema import migrate
from ledger.tables import events
from runtime.limits import SIGNATURE_AGE_SECONDS_MAX
from runtime.queues import Wakeups
from tests.fuzz.delivery_grammar import ANY_BYTES, SIGNED_BYTES, Sent, delivery
from tests.fuzz.processor import Processor
from tests.webhooks.signed_events import JSON_TYPE, OLD_SECRET, SECRET, sign
from webhooks.committer import Committer
from webhooks.receive import Delivery, Receiver
from webhooks.signature import SignatureCheck

#: The receiver's documented answers to a POST of JSON that came whole.
_ANSWERS = {
    (200, "stored"),
    (200, "known"),
    (200, "ignored"),
    (200, "parked"),
    (400, "bad_signature"),
    (400, "bad_timestamp"),
    (413, "body_too_large"),
}


class _Silent(Wakeups):
    """A bell that nobody hears."""

    def __init__(self) -> None:
        """Without Redis."""

    def wake_events(self) -> bool:
        """Ring nowhere."""
        return True


class ReceiverTarget:
    """The real receiver over a SQLite file, and the workers over a ledger in memory."""

    #: What coverage is measured in.
    packages = ("ledger", "policy", "webhooks", "workers")

    def __init__(self, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._processor = Processor(folder)
        self._now = self._processor.clock.now_ms() // 1000
        self._store = Store(f"sqlite:///{folder / 'inbox.db'}")
        event.listen(self._store.engine, "connect", _without_fsync)
        migrate(self._store)
        self._receiver = Receiver(
            check=SignatureCheck([SECRET, OLD_SECRET]),
            expected=Expected(livemode=False, account=None),
            committer=Committer(self._store, store_events, _Silent(), self._processor.clock),
            clock=self._processor.clock,
        )

    def close(self) -> None:
        """End the receiver's threads and close both ledgers."""
        self._receiver.committer.close()
        self._store.close()
        self._processor.close()

    def seeds(self) -> list[bytes]:
        """Inputs to begin with: each real event as bytes, plain and signed, and a few of the grammar."""
        bodies = [
            json.dumps(shape | {"id": "evt_seed"}, indent=2).encode()
            for shape in self._processor.shapes.values()
        ]
        signed = [SIGNED_BYTES + body for body in bodies]
        whole = [ANY_BYTES + sign(body, self._now).encode() + b"\n" + body for body in bodies[:2]]
        return [*signed, *whole, *(bytes([kind]) + bytes(range(40)) for kind in range(8))]

    def missing(self) -> list[str]:
        """Every outcome must occur."""
        wanted = ("200 stored, decided", "200 stored, parked", "200 parked, parked")
        return [name for name in wanted if not self.counts[name]]

    def describe(self, data: bytes) -> str:
        """The delivery that an input stands for."""
        sent = self._sent(data)
        return f"Stripe-Signature: {sent.header!r}\nbody: {sent.body!r}"

    def check(self, data: bytes) -> None:
        """Raise AssertionError unless everything that is promised of this delivery holds."""
        sent = self._sent(data)
        with self._store.write() as connection:
            connection.execute(delete(events))
        outcome = self._receive(sent)
        assert outcome in _ANSWERS
        rows = self._rows()
        if outcome[0] != 200:
            assert [] == rows, "an unverified delivery was stored"
            assert not (sent.honest and outcome[0] == 400)
            self.counts[f"{outcome[0]} {outcome[1]}"] += 1
            return
        assert _proven(sent, self._now), "an unverified delivery was accepted"
        (row,) = rows
        assert hashlib.sha256(sent.body).hexdigest() == row.sha256
        assert sent.body == bytes(row.payload)
        assert (200, "known") == self._receive(sent)
        assert 1 == len(self._rows())
        worked = self._processor.work_on(sent.body) if row.state == "new" else row.state
        self.counts[f"200 {outcome[1]}, {worked}"] += 1

    def _sent(self, data: bytes) -> Sent:
        return delivery(data, self._processor.shapes, self._now)

    def _receive(self, sent: Sent) -> tuple[int, str]:
        self._receiver._clock.jump(self._now - self._receiver._clock.now_ms() / 1000)
        answer = self._receiver.receive(
            Delivery(
                method="POST",
                content_type=JSON_TYPE,
                content_encoding="",
                signature=sent.header,
                body=sent.body,
            )
        )
        content = orjson.loads(answer.body)
        return answer.status, content.get("status") or content["error"]["code"]

    def _rows(self) -> list[AnyRow]:
        with self._store.read() as connection:
            return list(connection.execute(select(events)))


def _without_fsync(connection: Any, _record: Any) -> None:
    """Durability is others' subject; here it would only take the time of three inputs in four."""
    connection.execute("PRAGMA synchronous=OFF")


def _proven(sent: Sent, now: int) -> bool:
    """Whether the header holds a time in the window and a signature of ours over it and the body."""
    items = [item.partition("=")[::2] for item in sent.header.split(",")]
    times = [int(value) for name, value in items if name == "t" and value.isdecimal()]
    signatures = {value for name, value in items if name == "v1"}
    return any(
        abs(now - at) <= SIGNATURE_AGE_SECONDS_MAX
        and hmac.new(secret.encode(), b"%d.%b" % (at, sent.body), hashlib.sha256).hexdigest()
        in signatures
        for at in times
        for secret in (SECRET, OLD_SECRET)
    )
