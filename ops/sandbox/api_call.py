"""One request being carried out: its parameters, its time, and the only way to change the book.

`created` times are Stripe's unix seconds. Every change goes through `save` and every event through
`emit`, so that an event always tells of what was committed with it.
"""

import random
import string
from dataclasses import dataclass, field
from typing import Any

from ops.sandbox.api_errors import missing
from ops.sandbox.book import Book
from ops.sandbox.book_tables import Json

API_VERSION = "2026-10-28.endive"

# Stripe's ids are a prefix and 24 or so letters and digits; the random source makes them repeatable.
_ID_ALPHABET = string.ascii_letters + string.digits
_ID_CHARS = 24

_NOUNS = {
    "early_fraud_warnings": "early_fraud_warning",
    "subscription_schedules": "subscription_schedule",
}


@dataclass(slots=True, kw_only=True)
class Call:
    """A request being carried out, or an automatic change (then `request_id` is None).

    `now` is unix seconds, as the caller backdated it; `now_ms` is the clock's own time.
    """

    book: Book
    rng: random.Random
    now: int
    now_ms: int
    params: Json = field(default_factory=dict)
    path: str = ""
    path_ids: tuple[str, ...] = ()
    request_id: str | None = None
    idempotency_key: str | None = None

    def new_id(self, prefix: str) -> str:
        """Return a fresh id such as re_4xJ…, drawn from the random source."""
        return f"{prefix}_{''.join(self.rng.choices(_ID_ALPHABET, k=_ID_CHARS))}"

    def fetch(self, kind: str, object_id: str | None = None, param: str | None = None) -> Json:
        """Return an object of the book (by default that of the path), or raise the 404."""
        wanted = self.path_ids[0] if object_id is None else object_id
        found = self.book.get(kind, wanted)
        if found is None:
            noun = _NOUNS.get(kind, kind.removesuffix("s"))
            raise missing(noun, wanted, param or ("id" if object_id is None else noun))
        return found

    def save(self, kind: str, body: Json) -> Json:
        """Write an object into the book and return it."""
        return self.book.put(kind, body)

    def emit(
        self, name: str, body: Json, before: Json | None = None, *, automatic: bool = False
    ) -> None:
        """Append an event about `body`; `before` gives `previous_attributes`.

        `automatic` marks what Stripe does by itself: the event then bears no request.
        """
        data: Json = {"object": public(body)}
        if before is not None:
            data["previous_attributes"] = changes(public(before), data["object"])
        request: Json = {"id": self.request_id, "idempotency_key": self.idempotency_key}
        if automatic:
            request = {"id": None, "idempotency_key": None}
        event = {
            "id": self.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": self._wanted_by(name),
            "request": request,
            "type": name,
        }
        if self.book.account:
            event["account"] = self.book.account
        self.book.emit(event)

    def update(
        self, kind: str, body: Json, event: str, *, automatic: bool = False, **fields: Any
    ) -> Json:
        """Change some fields of an object, save it and emit `event` with what they were before."""
        before = dict(body)
        body.update(fields)
        self.save(kind, body)
        self.emit(event, body, before, automatic=automatic)
        return body

    def _wanted_by(self, name: str) -> int:
        return sum(
            1
            for endpoint in self.book.endpoints()
            if endpoint["status"] == "enabled"
            and ("*" in endpoint["enabled_events"] or name in endpoint["enabled_events"])
        )


def public(body: Json) -> Json:
    """Return an object as Stripe would show it: without the sandbox's own "_" keys."""
    return {name: value for name, value in body.items() if not name.startswith("_")}


def changes(before: Json, after: Json) -> Json:
    """Return the old values of what differs: nested objects key by key, lists as a whole."""
    old: Json = {}
    for name, value in before.items():
        new = after.get(name)
        if value == new:
            continue
        if isinstance(value, dict) and isinstance(new, dict):
            old[name] = changes(value, new)
        else:
            old[name] = value
    for name in after:
        if name not in before:
            old[name] = None
    return old


def merged_metadata(old: Json, given: Any) -> Json:
    """Return metadata after an update: keys are added, an empty value unsets, "" unsets all."""
    if given is None:
        return old
    if given == "":
        return {}
    combined = old | given
    return {name: value for name, value in combined.items() if value != ""}
