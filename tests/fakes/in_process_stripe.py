"""Carries the SDK's requests into a sandbox in this process, with no sockets between."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import stripe

from ops.sandbox import faults
from ops.sandbox.stripe_stand_in import Answer, SandboxStripe
from runtime.limits import STRIPE_READ_SECONDS_MAX
from tests.fakes.frozen_clock import FrozenClock

#: Called with the method and the path of each request before the sandbox sees it.
Watcher = Callable[[str, str], None]


class InProcessStripe(stripe.HTTPClient):
    """What `stripe.RequestsClient` is over HTTP, time-outs and broken connections included.

    Waiting moves the clock, up to the time-out that the gateway sets.
    """

    name = "in-process"

    def __init__(self, sandbox: SandboxStripe, clock: FrozenClock) -> None:
        super().__init__()
        self._sandbox = sandbox
        self._clock = clock
        self.watchers: list[Watcher] = []

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """The body, status and headers of the sandbox's answer; APIConnectionError when none comes."""
        target = urlsplit(url)
        for watch in list(self.watchers):
            watch(method.upper(), target.path)
        text = (post_data or "") if method == "post" else target.query
        pairs = parse_qsl(text, keep_blank_values=True)
        answer = self._ask(method.upper(), target.path, pairs, headers or {})
        return answer.body.decode(), answer.status, answer.headers

    def close(self) -> None:
        """Nothing is open."""

    def _ask(
        self, method: str, path: str, pairs: list[tuple[str, str]], headers: Mapping[str, str]
    ) -> Answer:
        try:
            return self._sandbox.request(method, path, pairs, headers)
        except faults.StalledAnswer as stalled:
            self._wait(stalled.seconds)
            return stalled.answer
        except faults.NoAnswer as silence:
            self._wait(max(silence.seconds, STRIPE_READ_SECONDS_MAX))
            raise AssertionError("a silent server ends in a time-out") from None
        except faults.ConnectionBroken:
            raise stripe.APIConnectionError("Connection reset.", should_retry=True) from None

    def _wait(self, seconds: float) -> None:
        self._clock.advance(min(seconds, STRIPE_READ_SECONDS_MAX))
        if seconds >= STRIPE_READ_SECONDS_MAX:
            raise stripe.APIConnectionError("Request timed out.", should_retry=True) from None
