"""The body of an event as an operator may see it: payments, not people."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.masked_payload import MASK, SHOWN, masked_payload, whole_payload


def masked(value):
    return masked_payload(orjson.dumps(value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("email", "erika@example.org", id="e-mail"),
        pytest.param("name", "cus_Erika", id="a name that looks like an id"),
        pytest.param("phone", 4930123456, id="a phone number as a number"),
        pytest.param("address", {"city": "Berlin", "country": "DE"}, id="a whole address"),
        pytest.param("billing_details", {"type": "card"}, id="all below a person's name"),
        pytest.param("exp_month", 12, id="a card's expiry"),
        pytest.param("customer_email", "erika@example.org", id="an invoice's e-mail"),
        pytest.param("nickname", "ch_erika", id="a text that begins like an id"),
        pytest.param("client_secret", "pi_1_secret_x", id="a secret"),
        pytest.param("ip", "192.0.2.1", id="an address on the net"),
        pytest.param("description", "for Erika", id="free text"),
        pytest.param(
            "receipt_url", "https://pay.stripe.com/receipts/x", id="a link that opens things"
        ),
        pytest.param("note", "Erika Mustermann", id="metadata under any name"),
    ],
)
def test_masked(name, value):
    """What tells of a person, or could, is masked whatever its shape."""
    assert {name: MASK} == masked({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("id", "ch_3RabcD2eZvKYlo2C", id="an id"),
        pytest.param("schedule", "sub_sched_1RabcD2e", id="an id of two words"),
        pytest.param("amount", 1099, id="money"),
        pytest.param("currency", "usd", id="currency"),
        pytest.param("livemode", False, id="a flag"),
        pytest.param("email", None, id="that a person's field is empty"),
        pytest.param("type", "charge.succeeded", id="type"),
        pytest.param("last4", "4242", id="the digits that PCI lets be seen"),
        pytest.param("order_id", "A-17", id="the merchant's order"),
        pytest.param("payment_method_types", ["card", "link"], id="a list of kinds"),
    ],
)
def test_shown(name, value):
    """What describes the payment stays readable."""
    assert {name: value} == masked({name: value})


def test_shown_values_are_scrubbed():
    """Even under a harmless name, what looks like a secret or an e-mail is taken out."""
    shown = masked({"reason": "ask erika@example.org, key sk_live_123"})

    assert {"reason": "ask [email], key [key]"} == shown


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 2000])
def test_no_json(body):
    """A body that is no JSON is told by its size."""
    assert f"[{len(body)} bytes that are no JSON]" == masked_payload(body)


#: No underscore, so no id of Stripe's.
_TEXTS = st.text(st.characters(exclude_characters="_", exclude_categories=["Cs"]), min_size=3)


@given(st.recursive(_TEXTS, lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)))
def test_unknown_texts_never_show(value):
    """A text under a name that is not on the list is never shown, however deep it lies."""

    def texts(one, name=""):
        if isinstance(one, dict):
            return [found for key, inner in one.items() for found in texts(inner, key)]
        if isinstance(one, list):
            return [found for inner in one for found in texts(inner, name)]
        return [] if name in SHOWN else [one]

    assert {MASK} >= set(texts(masked({"x": value})))


def test_shape_stays():
    """A masked body has the names and the money of the body, and its lists."""
    person = {"name": "Erika"}
    body = {"data": {"object": {"amount": 5, "owner": person, "items": [{"id": "ch_3RabcD2e"}]}}}

    assert {
        "data": {"object": {"amount": 5, "owner": MASK, "items": [{"id": "ch_3RabcD2e"}]}}
    } == masked(body)


def test_the_whole_body():
    """Who may see people sees them; card numbers and what opens a payment nobody sees."""
    told = {
        "name": "Erika",
        "email": "erika@example.org",
        "note": "paid by 4242 4242 4242 4242",
        "client_secret": "pi_1_secret_x",
        "list": [{"client_secret": None, "amount": 4242424242}],
    }

    shown = whole_payload(orjson.dumps(told))

    assert told | {"note": "paid by [card]", "client_secret": MASK} == shown
    assert "[3 bytes that are no JSON]" == whole_payload(b"{}}")
