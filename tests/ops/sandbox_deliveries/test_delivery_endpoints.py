"""Registering endpoints with known secrets, and rolling them."""

import pytest

from ops.sandbox.api_errors import ApiError
from ops.sandbox.delivery_endpoints import endpoint_controls
from ops.sandbox.delivery_signatures import active_secrets

URL = "http://127.0.0.1:9/webhooks/stripe"
REGISTER = ("POST", "/sandbox/webhook_endpoints")
ROTATE = ("POST", "/sandbox/webhook_endpoints/rotate")


@pytest.fixture
def controls(book, clock):
    return endpoint_controls(book, clock)


def wish(**changed):
    return {"url": URL, "secrets": ["whsec_new"], "enabled_events": ["charge.failed"]} | changed


def stored(book):
    (endpoint,) = book.newest_first("webhook_endpoints")
    return endpoint


def test_an_endpoint_signs_with_the_given_secrets(controls, book, clock):
    """A registered endpoint signs with each of the given secrets, the newest first."""
    shown = controls[REGISTER](wish(secrets=["whsec_new", "whsec_old"]))
    now_seconds = clock.now_ms() // 1000

    assert active_secrets(stored(book), now_seconds) == ("whsec_new", "whsec_old")
    assert not [name for name in shown if name.startswith("_")]


def test_registering_a_url_again_adds_no_endpoint(controls, book):
    """The same url registered twice is one endpoint, with the newest wishes."""
    first = controls[REGISTER](wish())
    second = controls[REGISTER](wish(secrets=["whsec_other"], enabled_events=["*"]))

    assert first["id"] == second["id"]
    assert stored(book)["_secret"] == "whsec_other"
    assert stored(book)["enabled_events"] == ["*"]


def test_a_rolled_secret_overlaps_and_ends(controls, book, clock):
    """After a rotation both secrets sign for the overlap, then only the new one."""
    controls[REGISTER](wish(secrets=["whsec_old"]))
    controls[ROTATE]({"url": URL, "secret": "whsec_new", "overlap_seconds": 60})
    now_seconds = clock.now_ms() // 1000

    assert active_secrets(stored(book), now_seconds + 59) == ("whsec_new", "whsec_old")
    assert active_secrets(stored(book), now_seconds + 60) == ("whsec_new",)


@pytest.mark.parametrize(
    ("control", "body", "named"),
    [
        pytest.param(REGISTER, wish(url="ftp://x"), "`url`", id="no web address"),
        pytest.param(REGISTER, wish(secrets=[]), "`secrets`", id="no secret"),
        pytest.param(REGISTER, wish(secrets=["key"]), "whsec_", id="no webhook secret"),
        pytest.param(REGISTER, wish(enabled_events=[]), "`enabled_events`", id="no event"),
        pytest.param(
            ROTATE, {"url": URL, "secret": "whsec_b", "overlap_seconds": 1}, "`url`", id="unknown"
        ),
        pytest.param(
            ROTATE,
            {"url": URL, "secret": "whsec_b", "overlap_seconds": 90_000},
            "`overlap_seconds`",
            id="longer than a day",
        ),
    ],
)
def test_a_wrong_wish_is_refused_with_its_field(controls, book, control, body, named):
    """A missing or wrong field is refused with a sentence that names it, and nothing is stored."""
    with pytest.raises(ApiError, match=named):
        controls[control](body)

    assert list(book.newest_first("webhook_endpoints")) == []
