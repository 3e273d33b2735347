"""POST /webhooks/stripe, free of any web framework: bytes in, one row committed, an answer out."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from ledger.events import NewEvent, Receipt
from ledger.parsing import Expected, parse_event
from ledger.states import EventState
from runtime import limits
from runtime.clock import Clock
from runtime.logs import log_of
from runtime.meters import count
from webhooks import answers
from webhooks.answers import Answer
from webhooks.committer import Committer
from webhooks.refusals import RefusalLog
from webhooks.signature import Refusal, SignatureCheck, SignatureRefused

#: The one path that Stripe is told; a slash at its end is the same path, since a redirect counts as
#: a failed delivery (docs.stripe.com/webhooks).
PATH: Final = "/webhooks/stripe"

#: Where a platform's endpoint for its connected accounts points: its events have a secret of their own.
CONNECT_PATH: Final = "/webhooks/stripe/connect"

_log = structlog.get_logger("webhooks.receive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One HTTP request as it came, its body read up to BODY_BYTES_MAX + 1; absent headers are ""."""

    method: str
    content_type: str
    content_encoding: str
    signature: str
    body: bytes


class Taken(NamedTuple):
    """A verified event, and the committer that writes it into the right ledger."""

    event: NewEvent
    committer: Committer


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A merchant's inbox: what it expects of an event, and who writes into it."""

    expected: Expected
    committer: Committer


class Receiver:
    """Turns a delivery into an answer. The event is durably stored before any 200.

    | status | when |
    |---|---|
    | 200 `stored` | new, and waiting for the workers |
    | 200 `known` | this event was stored before; a repeated delivery changes nothing |
    | 200 `ignored` | kept, of a type that nothing here handles |
    | 200 `parked` | kept for a person: unreadable, thin, of the other mode or of another account |
    | 400 `bad_signature` | not signed by one of our secrets, or signed too long ago or ahead of time |
    | 405 | any method but POST; `Allow` names it |
    | 408 | the body did not arrive in time (answered by the front) |
    | 413 | a body of more than BODY_BYTES_MAX |
    | 415 | not application/json, or an encoded (compressed) body |
    | 431 | headers of more than HEADER_BYTES_MAX or more than 100 of them (answered by the server) |
    | 503 + `Retry-After` | the store cannot take it now: nothing was acknowledged, Stripe sends it again |

    No body that Stripe signed is ever answered with anything but 200 or 503.
    """

    def __init__(
        self,
        *,
        check: SignatureCheck,
        expected: Expected,
        committer: Committer,
        clock: Clock,
        merchant: str = "",
        connected: Mapping[str, Destination | None] | None = None,
    ) -> None:
        """`connected` is where events of connected accounts go, by `acct_…`; None: its ledger is away."""
        self._check = check
        self._expected = expected
        self._clock = clock
        self._log = log_of(_log, merchant)
        self._connected = connected or {}
        self.committer = committer
        self.refusals = RefusalLog(clock, merchant)
        #: Deliveries by the index of the secret that signed them: an old secret still in use shows here.
        self.by_secret: Counter[int] = Counter()

    def receive(self, delivery: Delivery) -> Answer:
        """The answer to `delivery`, waiting for the commit. Never raises."""
        taken = self.examine(delivery)
        if isinstance(taken, Answer):
            return taken
        event, committer = taken
        return self.conclude(event, committer.store(event, float(limits.STORE_WAIT_SECONDS_MAX)))

    def examine(self, delivery: Delivery) -> Taken | Answer:
        """The event to be stored, or the answer if it ends here. Does not wait and never raises."""
        refusal = refuse_head(delivery.method, delivery.content_type, delivery.content_encoding)
        if refusal is None and len(delivery.body) > limits.BODY_BYTES_MAX:
            refusal = answers.BODY_TOO_LARGE
        if refusal is not None:
            self.refusals.note(str(refusal.status), delivery.body)
            return refusal
        try:
            verified = self._check.verify(
                delivery.body, delivery.signature, self._clock.now_ms() // 1000
            )
        except SignatureRefused as error:
            self.refusals.note(error.reason, delivery.body)
            return _OUTSIDE_WINDOW if error.reason in _TIMES else _BAD_SIGNATURE
        self.by_secret[verified.secret_index] += 1
        event = parse_event(delivery.body, self._expected)
        if event.account in self._connected:
            return self._hand_over(delivery.body, event.account)
        return Taken(event, self.committer)

    def _hand_over(self, body: bytes, account: str) -> Taken | Answer:
        """The same event as the connected account's own merchant reads it."""
        there = self._connected[account]
        if there is None:
            return _LEDGER_AWAY
        return Taken(parse_event(body, there.expected), there.committer)

    def conclude(self, event: NewEvent, receipt: Receipt | None) -> Answer:
        """The answer once the store has taken `event`, or (None) has not."""
        outcome = _outcome(event, receipt)
        count("deliveries", outcome)
        if receipt is None:
            return answers.NOT_STORED
        if receipt.outcome == "conflict":
            # Stripe may render one event twice (another API version on a second endpoint).
            self._log.warning("event.bytes_differ", event_id=event.event_id, sha256=event.sha256)
        return answers.accepted(outcome)


def _outcome(event: NewEvent, receipt: Receipt | None) -> str:
    if receipt is None:
        return "not_stored"
    if receipt.outcome != "stored":
        return "known"
    return "stored" if event.state is EventState.NEW else event.state.value


def refuse_head(method: str, content_type: str, content_encoding: str) -> Answer | None:
    """The answer to a request whose head alone refuses it, before its body is read; else None."""
    return _NOT_POST if method != "POST" else refuse_form(content_type, content_encoding)


def refuse_form(content_type: str, content_encoding: str) -> Answer | None:
    """The answer to a body that is declared as anything but plain JSON in UTF-8; else None."""
    if content_type != "application/json; charset=utf-8" and not _is_json(content_type):
        return _NOT_JSON
    if content_encoding and content_encoding.strip().lower() != "identity":
        return _ENCODED
    return None


def _is_json(content_type: str) -> bool:
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != "application/json":
        return False
    name, _, value = parameters.strip().partition("=")
    return (name.lower(), value.strip('"').lower()) in {("", ""), ("charset", "utf-8")}


_NOT_POST: Final = answers.refused(
    405, "method_not_allowed", "Only POST is taken here.", allow="POST"
)
_NOT_JSON: Final = answers.refused(
    415, "not_json", "Send the event as application/json in UTF-8, as Stripe does."
)
_ENCODED: Final = answers.refused(
    415, "encoded_body", "Send the body as it was signed, without Content-Encoding."
)
_BAD_SIGNATURE: Final = answers.refused(
    400,
    "bad_signature",
    "The Stripe-Signature header does not match this body and this endpoint's secrets.",
)
_LEDGER_AWAY: Final = answers.try_later(
    "not_stored", "The account's ledger is away; send the event again."
)
_TIMES: Final = frozenset({Refusal.TOO_OLD, Refusal.FROM_FUTURE})
_OUTSIDE_WINDOW: Final = answers.refused(
    400,
    "bad_timestamp",
    f"The signature was made more than {limits.SIGNATURE_AGE_SECONDS_MAX} seconds from our time;"
    " check both clocks.",
)
