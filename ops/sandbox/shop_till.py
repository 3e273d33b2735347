"""The played shop's own client of the Stripe API: plain HTTP calls in simulated time.

It speaks to the sandbox as any shop speaks to Stripe, over /v1, and to the control endpoints for
what customers, banks and staff do elsewhere (disputes, the dashboard).
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from ops.sandbox.book import Json
from ops.sandbox.keep_alive import HttpAnswer, KeepAliveClient

# One call of the sandbox takes milliseconds; half a minute means that it hangs.
ANSWER_SECONDS_MAX = 30.0
_CARRIED_OUT = frozenset({200, 202})
_HTTP_PAYMENT_REQUIRED = 402


class ShopRefused(Exception):
    """The sandbox refused a call of the played shop, which is a fault of one of the two."""


class ShopTill:
    """Calls the sandbox at `base_url` as of the simulated time `now` (unix seconds).

    Each POST carries an idempotency key that no other `run` has (by default, none that began at another
    second), so a call that is repeated on a fresh connection is carried out once. With `account` each call
    is about that connected account.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        started_at: int,
        run: str | None = None,
        *,
        account: str | None = None,
    ) -> None:
        self.now = started_at
        self.run = run or f"{started_at:x}"
        self._base_url = base_url
        self._api_key = api_key
        self._about = {"Stripe-Account": account} if account else {}
        self._client = KeepAliveClient(ANSWER_SECONDS_MAX)
        self._calls = 0

    def close(self) -> None:
        """Close the connection of the calling thread."""
        self._client.close()

    def post(self, path: str, params: Mapping[str, Any] | None = None) -> Json:
        """POST to /v1; returns the object. Raises ShopRefused or HttpUnanswered."""
        return accepted(path, self._send("POST", path, params or {}))

    def new_card(self, token: str, name: str) -> str:
        """Return a new payment method of the card that `name` stands for within this run."""
        method = self.post(
            "/v1/payment_methods",
            {
                "type": "card",
                "card": {"token": token},
                "metadata": {"sandbox_fingerprint": f"{name}-{self.run}"},
            },
        )
        return str(method["id"])

    def pay(self, path: str, params: Mapping[str, Any]) -> Json:
        """POST a payment intent's creation or confirmation; a declined card returns it as well.

        Its `status` tells the two apart. Raises ShopRefused for anything but a decline.
        """
        answer = self._send("POST", path, params)
        if answer.status == _HTTP_PAYMENT_REQUIRED:
            intent: Json = orjson.loads(answer.body)["error"]["payment_intent"]
            return intent
        return accepted(path, answer)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Json:
        """GET from /v1; returns the object or list."""
        query = urlencode(list(form_pairs(params or {})))
        return accepted(path, self._send("GET", f"{path}?{query}" if query else path))

    def delete(self, path: str) -> Json:
        """DELETE under /v1 (a subscription: cancel it now)."""
        return accepted(path, self._send("DELETE", path))

    def control(self, path: str, body: Json) -> Json:
        """POST JSON to a control endpoint under /sandbox."""
        answer = self._client.send(
            "POST",
            self._base_url + path,
            orjson.dumps(body),
            {
                "Content-Type": "application/json",
                "Sandbox-Created": str(self.now),
                **self._about,
            },
        )
        return accepted(path, answer)

    def _send(self, method: str, path: str, params: Mapping[str, Any] | None = None) -> HttpAnswer:
        headers = {
            "Authorization": f"Bearer {self._api_key}",
            "Sandbox-Created": str(self.now),
            **self._about,
        }
        body = None
        if method == "POST":
            self._calls += 1
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Idempotency-Key"] = f"shop-{self.run}-{self._calls}"
            body = urlencode(list(form_pairs(params or {}))).encode()
        return self._client.send(method, self._base_url + path, body, headers)


def form_pairs(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield nested parameters as Stripe's form pairs: ("items[0][price]", "price_1").

    None leaves a parameter out; booleans become "true" and "false".
    """
    for name, value in params.items():
        yield from _pairs(name, value)


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _pairs(f"{name}[{key}]", inner)
    elif isinstance(value, (list, tuple)):
        for position, inner in enumerate(value):
            yield from _pairs(f"{name}[{position}]", inner)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif value is not None:
        yield name, str(value)


def accepted(path: str, answer: HttpAnswer) -> Json:
    """The JSON of an answer; raises ShopRefused unless its status says that the call was carried out."""
    shown: Json = orjson.loads(answer.body)
    if answer.status not in _CARRIED_OUT:
        message = shown.get("error", {}).get("message", "no message")
        raise ShopRefused(f"{path} answered {answer.status}: {message}")
    return shown
