"""SandboxStripe: one request in, one answer out; no sockets, no time or chance of its own.

The order of a request is Stripe's: key check, limiter (429), idempotency, validation, execution,
saving the answer. Given one clock and one random source, the same requests give the same ids,
events and answers, so that a seeded simulator can use it without HTTP.
"""

import hashlib
import itertools
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Answer", "Control", "SandboxStripe"]

from ops.sandbox import (
    api_charges,
    api_errors,
    api_invoices,
    api_refunds,
    control_desk,
    pending_updates,
)
from ops.sandbox.api_answers import (
    Answer,
    Pairs,
    check_authorization,
    fingerprint_of,
    header,
    headers_of,
    lose_early,
    refuse_early,
    spoil,
)
from ops.sandbox.api_call import Call, public
from ops.sandbox.api_errors import ApiError, CardDeclined
from ops.sandbox.api_lists import expand
from ops.sandbox.api_routes import Route, find_route
from ops.sandbox.book import Book, StoredAnswer
from ops.sandbox.book_tables import Json
from ops.sandbox.faults import Fault, FaultError, Faults
from ops.sandbox.form_params import read_params
from runtime.clock import Clock

__all__ = ["Answer", "Control", "SandboxStripe"]

_KEY_CHARS_MAX = 255
_LOG_REQUESTS_MAX = 10_000
_CREATED_MIN = 1_000_000_000

Control = Callable[[Json], Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One request as it came, with the fault that it meets."""

    method: str
    path: str
    pairs: Pairs
    headers: Mapping[str, str]
    key: str | None
    fault: Fault | None


class SandboxStripe:
    """The stand-in for Stripe over one book.

    `check_key` False lets a caller in the same process leave out the Authorization header.
    """

    def __init__(
        self,
        book: Book,
        clock: Clock,
        rng: random.Random,
        *,
        faults: Faults | None = None,
        check_key: bool = True,
    ) -> None:
        self.book = book
        self.faults = faults or Faults(rng)
        self.controls: dict[tuple[str, str], Control] = {
            ("GET", "/sandbox/faults"): lambda _: {"faults": self.faults.to_json()},
            ("GET", "/sandbox/requests"): self._show_requests,
        }
        self._clock = clock
        self._rng = rng
        self._check_key = check_key
        self._log: deque[Json] = deque(maxlen=_LOG_REQUESTS_MAX)
        self._small_lock = threading.Lock()
        self._logged = 0
        self._keys_in_use: set[str] = set()
        self._request_seed = rng.getrandbits(64)
        self._request_numbers = itertools.count(1)

    def request(self, method: str, path: str, pairs: Pairs, headers: Mapping[str, str]) -> Answer:
        """Answer one call of the API; raises the exceptions of `faults` when no answer comes."""
        asked = _Asked(
            method=method,
            path=path,
            pairs=pairs,
            headers=headers,
            key=header(headers, "idempotency-key") if method == "POST" else None,
            fault=self.faults.strike(method, path),
        )
        status = 0
        try:
            answer = spoil(self._serve(asked), asked.fault)
            status = answer.status
            return answer
        finally:
            self._note(asked, status)

    def control(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Answer one request under /sandbox; `body` is the JSON body or the query as a dict."""
        try:
            return self._answer(200, self._control(method, path, body, headers or {}), "")
        except ApiError as error:
            return self._answer(error.status, error.body, "")
        except FaultError as error:
            return self._answer(400, {"error": {"message": str(error)}}, "")

    def tick(self) -> int:
        """Do the chores that are due (refunds and charges that settle later); returns how many."""
        now_ms = self._clock.now_ms()
        with self.book.transaction():
            chores = self.book.take_chores(now_ms)
            for name, body in chores:
                self._do(name, body, now_ms)
        return len(chores)

    def _serve(self, asked: "_Asked") -> Answer:
        lose_early(asked.fault)
        request_id = self._new_request_id()
        try:
            if self._check_key:
                check_authorization(asked.headers)
            refuse_early(asked.fault, asked.key)
            found = find_route(asked.method, asked.path)
            if found is None:
                raise api_errors.unknown_path(asked.method, asked.path)
            call = self._call(asked.headers, request_id, asked.key)
            call.path, call.path_ids = asked.path, found[1]
            if asked.key is None:
                return self._execute(found[0], call, asked)
            with self._reserved(asked.key):
                return self._once(found[0], call, asked)
        except ApiError as error:
            return self._answer(error.status, error.body, request_id)

    @contextmanager
    def _reserved(self, key: str) -> Iterator[None]:
        """Hold an idempotency key; raises the 409 when another request holds it."""
        if not 0 < len(key) <= _KEY_CHARS_MAX:
            raise api_errors.bad_parameter("Idempotency keys have 1 to 255 characters.", "key")
        with self._small_lock:
            if key in self._keys_in_use:
                raise api_errors.key_in_use(key)
            self._keys_in_use.add(key)
        try:
            yield
        finally:
            with self._small_lock:
                self._keys_in_use.discard(key)

    def _once(self, route: Route, call: Call, asked: "_Asked") -> Answer:
        """Execute a request once per idempotency key; a repeated one gets the saved answer."""
        key, fingerprint = str(asked.key), fingerprint_of(asked.method, asked.path, asked.pairs)
        with self.book.transaction():
            stored = self.book.recall(key, call.now_ms)
            if stored is None:
                answer = self._execute(route, call, asked)
                if not answer.validation:
                    stored = StoredAnswer(
                        request_hash=fingerprint,
                        status=answer.status,
                        request_id=str(call.request_id),
                        body=answer.body,
                    )
                    self.book.remember(key, stored, call.now_ms)
                return answer
        if stored.request_hash != fingerprint:
            raise api_errors.key_reused(key)
        replayed = {"Idempotent-Replayed": "true", "Original-Request": stored.request_id}
        headers = headers_of(str(call.request_id)) | replayed
        return Answer(status=stored.status, headers=headers, body=stored.body)

    def _execute(self, route: Route, call: Call, asked: "_Asked") -> Answer:
        try:
            call.params = read_params(asked.pairs, route.accepts, route.extra)
            return self._carry_out(route, call, asked.fault)
        except ApiError as error:
            return Answer(
                status=error.status,
                headers=headers_of(str(call.request_id)),
                body=orjson.dumps(error.body),
                validation=error.validation,
            )

    def _carry_out(self, route: Route, call: Call, fault: Fault | None) -> Answer:
        if fault is not None and fault.kind == "500_stored" and not fault.executed:
            raise api_errors.server_error(500)
        declined: CardDeclined | None = None
        with self.book.savepoint():
            paths = call.params.pop("expand", [])
            try:
                body = expand(call, public(route.handler(call)), paths)
            except CardDeclined as error:
                # The failed charge and its events are kept: at Stripe they exist too.
                declined = error
        if fault is not None and fault.kind == "500_stored":
            raise api_errors.server_error(500)
        if declined is not None:
            raise declined
        return self._answer(200, body, str(call.request_id))

    def _control(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Json:
        if (method, path) == ("POST", "/sandbox/faults"):
            self.faults.replace(body if isinstance(body, list) else [body])
            return {"faults": self.faults.to_json()}
        if not isinstance(body, dict):
            raise api_errors.bad_parameter("The body must be a JSON object.", "body")
        own = self.controls.get((method, path))
        if own is not None:
            return own(body)
        found = control_desk.find_control(method, path)
        if found is None:
            raise api_errors.unknown_path(method, path)
        handler, ids = found
        with self.book.transaction():
            call = self._call(headers, None, None)
            call.params, call.path_ids = dict(body), ids
            return public(handler(call))

    def _call(self, headers: Mapping[str, str], request_id: str | None, key: str | None) -> Call:
        now_ms = self._clock.now_ms()
        created = header(headers, "sandbox-created")
        now = now_ms // 1000
        if created is not None:
            if not created.isdecimal() or int(created) < _CREATED_MIN:
                raise api_errors.bad_parameter("Sandbox-Created is unix seconds.", "created")
            now = int(created)
        return Call(
            book=self.book,
            rng=self._rng,
            now=now,
            now_ms=now_ms,
            request_id=request_id,
            idempotency_key=key,
        )

    def _do(self, name: str, body: Json, now_ms: int) -> None:
        call = Call(book=self.book, rng=self._rng, now=body["created"], now_ms=now_ms)
        if name == api_charges.SETTLE_CHORE:
            api_charges.settle(call, call.fetch("charges", body["id"]))
        elif name == api_refunds.SETTLE_CHORE:
            refund = call.fetch("refunds", body["id"])
            if refund["status"] == "pending":
                api_refunds.move(call, refund, body["status"])

        elif name == pending_updates.EXPIRE_CHORE:
            api_invoices.expire_update(
                call, call.fetch("subscriptions", body["id"]), body["invoice"]
            )

    def _new_request_id(self) -> str:
        # Counted, not drawn: a request must not wait for the book before it holds its key.
        with self._small_lock:
            number = next(self._request_numbers)
        return f"req_{hashlib.sha256(f'{self._request_seed}:{number}'.encode()).hexdigest()[:20]}"

    def _answer(self, status: int, body: Json, request_id: str) -> Answer:
        return Answer(status=status, headers=headers_of(request_id), body=orjson.dumps(body))

    def _note(self, asked: "_Asked", status: int) -> None:
        with self._small_lock:
            self._logged += 1
            self._log.append(
                {
                    "seq": self._logged,
                    "method": asked.method,
                    "path": asked.path,
                    "idempotency_key": asked.key,
                    "status": status,
                    "fault": None if asked.fault is None else asked.fault.kind,
                }
            )

    def _show_requests(self, query: Json) -> Json:
        prefix = str(query.get("path_prefix", "/"))
        with self._small_lock:
            return {"data": [row for row in self._log if row["path"].startswith(prefix)]}
