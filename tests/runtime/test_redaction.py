import pytest

from runtime import limits
from runtime.redaction import ALLOWED_FIELDS, redact, scrub_text


def test_unknown_fields_are_dropped_and_counted():
    """A field that is not on the list is left out; how many were is told."""
    assert {"event_id": "evt_1", "dropped": 2} == redact(
        {"event_id": "evt_1", "body": b"{}", "email": "a@example.com"}
    )


def test_nothing_is_said_when_nothing_was_dropped():
    """A line with allowed fields only has no count."""
    assert {"event_id": "evt_1", "rows": 0} == redact({"event_id": "evt_1", "rows": 0})


@pytest.mark.parametrize(
    "name",
    ["body", "payload", "headers", "email", "card", "secret", "password", "token", "facts", "ip"],
)
def test_telling_names_are_not_on_the_list(name):
    """No field whose name promises a person's data, a body or a secret may be logged."""
    assert name not in ALLOWED_FIELDS


SECRETS = [
    pytest.param("key sk_live_51Hcanary0 used", "key [key] used", id="secret key"),
    pytest.param("rk_test_canary", "[key]", id="restricted key"),
    pytest.param("'sk_test_canary'", "'[key]'", id="key in quotes"),
    pytest.param("xsk_live_canary", "x[key]", id="key glued to a word"),
    pytest.param("SK_LIVE_canary", "[key]", id="key in capitals"),
    pytest.param("whsec_canary+/=", "[key]", id="signing secret"),
    pytest.param("pi_3_secret_canary", "pi_3[key]", id="client secret"),
    pytest.param("Bearer canary.x-y", "[authorization]", id="bearer token"),
    pytest.param("{'Authorization': 'canary'}", "{'[authorization]}", id="header"),
    pytest.param("authorization=canary; a=b", "[authorization]; a=b", id="header as text"),
    pytest.param(f"t=1,v1={'ca' * 32},x", "t=1,[signature],x", id="signature"),
    pytest.param("postgresql://u:canary@db/x", "postgresql://[login]db/x", id="password in a URL"),
    pytest.param("redis://:canary@h:1/0", "redis://[login]h:1/0", id="password alone in a URL"),
    pytest.param("<canary.o'x+y@mail.example.com>", "<[email]>", id="e-mail"),
    pytest.param("q=canary%40example.com&x", "q=[email]&x", id="e-mail in a query"),
    pytest.param("card 4242424242424242.", "card [card].", id="card"),
    pytest.param("4000 0566-5566 5556", "[card]", id="card with room"),
    pytest.param("4242424242424242 16 4", "[card] 16 4", id="card beside numbers"),
    pytest.param("3782-822463-10005", "[card]", id="American Express in groups"),
    pytest.param("378282246310005", "[card]", id="American Express"),
    pytest.param("a\x1b[31mb\x00c\r\x9bd", "a[31mbcd", id="control characters"),
    pytest.param("half \ud83d", "half ?", id="lone surrogate"),
]


@pytest.mark.parametrize(("text", "scrubbed"), SECRETS)
def test_secrets_are_taken_out_of_texts(text, scrubbed):
    """Whatever looks like a secret, a person's address or a card number becomes its kind's name."""
    assert scrubbed == scrub_text(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("4242424242424241", id="sixteen digits that are no card's"),
        pytest.param("1767268800000", id="unix milliseconds"),
        pytest.param("evt_1NG8Du2eZvKYlo2CUI79vXWy ch_3 re_3", id="Stripe's ids"),
        pytest.param("2026-01-01T12:00:00Z\n\tat 10.0.0.1:8000", id="times, addresses, new lines"),
        pytest.param("risk_level a_b@c", id="look-alikes"),
    ],
)
def test_harmless_texts_stay(text):
    """Ids, times and numbers that operators need stay as they are."""
    assert text == scrub_text(text)


def test_length_is_bounded():
    """A text at the limit stays whole; a longer one is cut and says by how much."""
    whole = "a" * limits.LOG_STRING_CHARS_MAX

    assert whole == scrub_text(whole)
    assert f"{whole}[1 more]" == scrub_text(whole + "b")
    assert len(scrub_text("ä" * 10_000_000)) < limits.LOG_STRING_CHARS_MAX + 20


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        pytest.param(4242424242424242, "[card]", id="card as a number"),
        pytest.param(2**63 - 1, 2**63 - 1, id="largest number that JSON lines hold"),
        pytest.param(-(2**64), str(-(2**64)), id="number beyond 64 bits"),
        pytest.param(10**5000, "<int>", id="number of 5,001 digits"),
        pytest.param(True, True, id="boolean"),
        pytest.param(None, None, id="nothing"),
        pytest.param(b"canary", "<bytes>", id="bytes"),
        pytest.param(ValueError("canary"), "<ValueError>", id="object"),
        pytest.param(["sk_test_canary", ("b",)], ["[key]", ["b"]], id="list"),
        pytest.param({"a@b.example": {"x": "whsec_canary"}}, {"[email]": {"x": "[key]"}}, id="map"),
    ],
)
def test_values_become_scrubbed_json(value, logged):
    """Allowed fields hold JSON only, scrubbed at every depth; other objects show their type."""
    assert {"reason": logged} == redact({"reason": value})


def test_depth_is_bounded():
    """A structure without end is cut off instead of followed."""
    endless = []
    endless.append(endless)

    assert "<list>" in str(redact({"reason": endless}))
