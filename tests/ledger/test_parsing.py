"""A verified body becomes a row, whatever is in it: new, ignored or parked with the reason."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.parsing import Expected, parse_event
from ledger.states import EventState
from runtime import limits
from tests.webhooks.signed_events import event_body, event_fields

OURS = Expected(livemode=False, account="acct_ours")


def parse(body, expected=OURS):
    return parse_event(body, expected)


def nested(levels):
    """An event whose data.object is `levels` deep in all."""
    deep = "[" * (levels - 3) + "]" * (levels - 3)
    return event_body(data={"object": {"id": "ch_1", "deep": "@"}}).replace(b'"@"', deep.encode())


def test_snapshot():
    """Everything that the inbox needs is read from a charge's event, and the bytes are kept."""
    body = event_body(id="evt_9")

    event = parse(body)

    assert (EventState.NEW, None, "snapshot") == (event.state, event.note, event.kind)
    assert ("evt_9", "charge.succeeded", "") == (event.event_id, event.type, event.account)
    assert ("2026-10-28.endive", "ch_1", "cus_1") == (
        event.api_version,
        event.object_id,
        event.lane,
    )
    assert (1_767_268_790, False, "delivery") == (event.created, event.livemode, event.source)
    assert (body, hashlib.sha256(body).hexdigest()) == (event.payload, event.sha256)


@pytest.mark.parametrize(
    ("about", "lane"),
    [
        pytest.param({"customer": "cus_1", "payment_intent": "pi_1"}, "cus_1", id="customer"),
        pytest.param({"customer": {"id": "cus_1"}}, "cus_1", id="expanded customer"),
        pytest.param({"customer": None, "payment_intent": "pi_1"}, "pi_1", id="payment intent"),
        pytest.param({"payment_intent": None, "charge": "ch_1"}, "ch_1", id="charge"),
        pytest.param({"id": "prod_1", "customer": ""}, "prod_1", id="the object itself"),
        pytest.param({"id": "prod_1", "customer": "a\nb"}, "prod_1", id="a customer that is no id"),
        pytest.param(
            {"id": "ch_1", "customer": "c" * 255}, "c" * 255, id="a customer at the limit"
        ),
        pytest.param(
            {"id": "ch_1", "customer": "c" * 256}, "ch_1", id="a customer too long for an id"
        ),
        pytest.param({}, "evt_1", id="the event itself"),
    ],
)
def test_lane(about, lane):
    """One customer's events share a lane; without a customer what is nearest to one does."""
    assert lane == parse(event_body(data={"object": about})).lane


def test_unhandled_type():
    """An event of a type that nothing here handles is kept and marked ignored."""
    event = parse(event_body(type="v2.core.account[requirements].updated"))

    assert EventState.IGNORED is event.state
    assert "v2.core.account[requirements].updated" in event.note


@pytest.mark.parametrize("version", [None, "2011-01-01", "2031-01-01.zebra"])
def test_any_api_version(version):
    """The rendering version is recorded and no reason to refuse: the workers try to read it."""
    event = parse(event_body(api_version=version))

    assert (version, EventState.NEW) == (event.api_version, event.state)


def test_other_mode():
    """An event of the other mode is parked, and the note names both modes."""
    event = parse(event_body(livemode=True))

    assert (EventState.PARKED, True) == (event.state, event.livemode)
    assert "the event is of live mode, this process serves test mode" == event.note


@pytest.mark.parametrize("name", ["account", "context"])
def test_foreign_account(name):
    """An event of another account is parked under it, and the note names both accounts."""
    event = parse(event_body(**{name: "acct_other"}))

    assert (EventState.PARKED, "acct_other") == (event.state, event.account)
    assert "the event is of account acct_other, this process serves acct_ours" == event.note


@pytest.mark.parametrize("name", ["account", "context"])
def test_own_account_named(name):
    """An event that names our own account is ours like one that names none."""
    event = parse(event_body(**{name: "acct_ours"}))

    assert (EventState.NEW, "") == (event.state, event.account)


def test_thin():
    """A thin event is kept, parked until thin events are handled, with its object and its second."""
    thin = {
        "id": "evt_test_65",
        "object": "v2.core.event",
        "type": "v1.charge.refunded",
        "livemode": False,
        "created": "2026-01-01T12:00:00.123Z",
        "context": None,
        "related_object": {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"},
    }

    event = parse(json.dumps(thin).encode())

    assert ("thin", EventState.PARKED, "ch_1", "ch_1") == (
        event.kind,
        event.state,
        event.object_id,
        event.lane,
    )
    assert 1_767_268_800 == event.created


def repeated_key():
    return event_body().replace(b'"id": "evt_1",', b'"id": "evt_0",\n  "id": "evt_1",')


UNREADABLE = [
    pytest.param(b"", "not JSON", id="empty"),
    pytest.param(b"\x00", "not JSON", id="one NUL byte"),
    pytest.param(b"not json", "not JSON", id="no JSON"),
    pytest.param(b"[]", "not a JSON object", id="a list"),
    pytest.param(b"null", "not a JSON object", id="null"),
    pytest.param(b"{}", "id is missing", id="an empty object"),
    pytest.param(b"\xef\xbb\xbf" + event_body(), "not JSON", id="byte order mark"),
    pytest.param(event_body(note="@").replace(b"@", b"\xff"), "not JSON", id="no UTF-8"),
    pytest.param(event_body(x="@").replace(b'"@"', b"NaN"), "not JSON", id="NaN"),
    pytest.param(event_body(x="@").replace(b'"@"', b"1e400"), "not JSON", id="beyond a double"),
    pytest.param(event_body(x="@").replace(b'"@"', b"9" * 5000), "not JSON", id="5,000 digits"),
    pytest.param(event_body(amount=2**63), "does not fit 64 bits", id="2^63"),
    pytest.param(event_body(amount=2**64), "does not fit 64 bits", id="2^64"),
    pytest.param(event_body(amount=-(2**63) - 1), "does not fit 64 bits", id="below -2^63"),
    pytest.param(b"[" * 100_000 + b"]" * 100_000, "not JSON", id="100,000 arrays"),
    pytest.param(nested(limits.JSON_DEPTH_MAX + 1), "deeper than 64", id="one level too deep"),
    pytest.param(event_body(note="\ud800"), "not JSON", id="lone surrogate"),
    pytest.param(event_body(note="a\x00b"), "NUL", id="NUL in a text"),
    pytest.param(event_body(**{"a\x00b": 1}), "NUL", id="NUL in a key"),
    pytest.param(repeated_key(), "repeated", id="repeated top-level key"),
    pytest.param(
        event_body().replace(b'"amount": 1999', b'"amount": 1, "amount": 1999'),
        "repeated",
        id="repeated amount",
    ),
    pytest.param(event_body(id=None), "id is missing", id="null id"),
    pytest.param(event_body(id=7), "id is missing", id="number as id"),
    pytest.param(event_body(id="evt_"), "id is missing", id="bare prefix"),
    pytest.param(event_body(id="ch_1"), "id is missing", id="another object's id"),
    pytest.param(event_body(id="evt_\u0661"), "id is missing", id="id in another script"),
    pytest.param(event_body(id="evt_1\n"), "id is missing", id="id with a line break"),
    pytest.param(event_body(id="evt_" + "a" * 252), "id is missing", id="256 chars of id"),
    pytest.param(event_body(type=""), "type is missing", id="empty type"),
    pytest.param(event_body(type=["a"]), "type is missing", id="list as type"),
    pytest.param(event_body(created=-1), "created", id="created before 1970"),
    pytest.param(event_body(created=2**53 + 1), "created", id="created beyond 2^53"),
    pytest.param(event_body(created=True), "created", id="true as created"),
    pytest.param(event_body(created=1.5), "created", id="half a second"),
    pytest.param(event_body(created="1767268790"), "created", id="text as created"),
    pytest.param(
        event_body(created="2026-01-01T12:00:00Z"), "created", id="a thin event's created"
    ),
    pytest.param(event_body(livemode=None), "livemode", id="null livemode"),
    pytest.param(event_body(livemode=0), "livemode", id="number as livemode"),
    pytest.param(event_body(api_version=3), "api_version", id="number as version"),
    pytest.param(event_body(account={"id": "a"}), "account", id="object as account"),
    pytest.param(event_body(data=None), "data.object", id="null data"),
    pytest.param(event_body(data={"object": None}), "data.object", id="null data.object"),
    pytest.param(event_body(data={"object": []}), "data.object", id="list as data.object"),
    pytest.param(
        event_body(object="v2.core.event", created="2026-99-01T12:00:00Z"), "parser", id="no date"
    ),
]


@pytest.mark.parametrize(("body", "reason"), UNREADABLE)
def test_unreadable(body, reason):
    """A verified body that is no event of Stripe's is parked under the hash of its bytes (F13)."""
    event = parse(body)

    sha256 = hashlib.sha256(body).hexdigest()
    assert (EventState.PARKED, "unreadable", f"unreadable:{sha256}") == (
        event.state,
        event.kind,
        event.event_id,
    )
    assert reason in event.note
    assert body == event.payload


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(nested(limits.JSON_DEPTH_MAX), id="at the limit of depth"),
        pytest.param(event_body(amount=2**63 - 1, low=-(2**63)), id="64-bit integers"),
        pytest.param(event_body(created=2**53), id="created at its limit"),
        pytest.param(event_body(id="evt_" + "a" * 251), id="255 chars of id"),
        pytest.param(event_body(note="\\u0000 in words"), id="an escaped backslash before u0000"),
        pytest.param(event_body(note="na\u00efve \U0001f4b8"), id="escaped accents and emoji"),
        pytest.param(
            json.dumps(event_fields(note="💸"), ensure_ascii=False).encode(), id="raw emoji"
        ),
        pytest.param(json.dumps(event_fields(), separators=(",", ":")).encode(), id="compact"),
        pytest.param(
            event_body(rate="@").replace(b'"@"', b"1.10"), id="a decimal with a final zero"
        ),
        pytest.param(event_body(data={"object": {"amount": "12", "x": -5}}), id="amount as text"),
        pytest.param(
            event_body(extra={f"k{n}": n for n in range(100_000)})[: 2**24], id="10^5 keys"
        ),
        pytest.param(
            event_body(lines=[{"n": [n]} for n in range(500)]), id="many brackets, shallow"
        ),
    ],
)
def test_readable(body):
    """Nothing unusual that the workers can live with keeps an event from them."""
    event = parse(body)

    assert (EventState.NEW, None) == (event.state, event.note)


@given(st.binary(max_size=300))
def test_any_bytes(body):
    """No bytes make the parser raise."""
    assert EventState.PARKED is parse(body).state


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    st.sampled_from(
        ["id", "object", "type", "created", "livemode", "api_version", "account", "data"]
    ),
    JSON,
)
def test_any_value_in_any_field(name, value):
    """Whatever stands in a field, the row's texts are printable ASCII and its numbers fit."""
    event = parse(event_body(**{name: value}))

    texts = [event.event_id, event.account, event.type, event.lane]
    texts += [text for text in (event.api_version, event.object_id) if text is not None]
    assert all(text.isascii() and (text.isprintable() or not text) for text in texts)
    assert all(len(text) <= limits.EVENT_ID_CHARS_MAX for text in texts)
    assert 0 <= event.created <= 2**53
    assert "\x00" not in (event.note or "")
