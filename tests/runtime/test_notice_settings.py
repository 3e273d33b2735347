"""The settings of e-mails and webhooks, and what counts as an address."""

import base64

import pytest

from runtime.email_addresses import Mailbox, masked_address, parse_mailbox
from runtime.settings import SettingsError, load_settings

SENDER = {"REDRESS_MAIL_FROM": "Shop <refunds@shop.example>"}
URL = {"REDRESS_PRODUCT_WEBHOOK_URL": "https://product.example/hooks?from=redress"}


def secret(size=32):
    return {"REDRESS_PRODUCT_WEBHOOK_SECRET": f"whsec_{base64.b64encode(bytes(size)).decode()}"}


@pytest.fixture
def load(data):
    """Loads settings from the variables given, over a data folder of the test's own."""
    return lambda environ: load_settings({"REDRESS_DATA": str(data)} | environ)


def test_nothing_set(load):
    """By default e-mails go to the outbox and the product is told nothing."""
    settings = load({})

    assert (None, None, None, None) == (
        settings.redress_smtp_url,
        settings.redress_mail_from,
        settings.redress_product_webhook_url,
        settings.redress_product_webhook_secret,
    )


@pytest.mark.parametrize(
    "url",
    [
        "smtp://relay.example",
        "smtp://relay.example:587",
        "smtps://shop:p%40ss@relay.example:465",
        "smtp://127.0.0.1:25/",
        "smtps://[::1]:465",
    ],
)
def test_mail_server(load, url):
    """A mail server is taken with or without login and port, and never shown."""
    settings = load({"REDRESS_SMTP_URL": url} | SENDER)

    assert url == settings.redress_smtp_url.get_secret_value()
    assert Mailbox(name="Shop", address="refunds@shop.example") == settings.redress_mail_from
    assert "p%40ss" not in repr(settings)
    assert url not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "https://product.example/hooks?from=redress",
        "http://127.0.0.1:9000/hooks",
        "http://localhost/",
        "http://[::1]:9000",
    ],
)
def test_endpoint(load, url):
    """The product's endpoint is taken over TLS, and without it on this machine; neither it nor the secret shows."""
    settings = load({"REDRESS_PRODUCT_WEBHOOK_URL": url} | secret())

    assert url == settings.redress_product_webhook_url
    assert url not in repr(settings)
    assert secret()["REDRESS_PRODUCT_WEBHOOK_SECRET"] not in repr(settings)


@pytest.mark.parametrize("size", [24, 64])
def test_secret_sizes(load, size):
    """A signing secret has from 24 to 64 bytes."""
    assert load(URL | secret(size)).redress_product_webhook_secret is not None


PROBLEMS = [
    # the mail server
    pytest.param({"REDRESS_SMTP_URL": ""}, "is set but blank", id="blank"),
    pytest.param({"REDRESS_SMTP_URL": "canary"}, "must be smtps://", id="no URL"),
    pytest.param({"REDRESS_SMTP_URL": "http://canary"}, "must be smtps://", id="another scheme"),
    pytest.param({"REDRESS_SMTP_URL": "smtp://"}, "must be smtps://", id="no host"),
    pytest.param({"REDRESS_SMTP_URL": "smtp://h/canary"}, "must be smtps://", id="a path"),
    pytest.param({"REDRESS_SMTP_URL": "smtp://h?canary=1"}, "must be smtps://", id="a query"),
    pytest.param({"REDRESS_SMTP_URL": "smtp://h:canary"}, "must be smtps://", id="port in words"),
    pytest.param({"REDRESS_SMTP_URL": "smtp://h:65536"}, "must be smtps://", id="port too high"),
    pytest.param({"REDRESS_SMTP_URL": "smtp://h:0"}, "must be smtps://", id="port 0"),
    pytest.param({"REDRESS_SMTP_URL": "smtp://h\r\n.canary"}, "must be smtps://", id="line break"),
    pytest.param({"REDRESS_SMTP_URL": "smtp://canary@h"}, "both the user", id="user, no password"),
    pytest.param({"REDRESS_SMTP_URL": "smtp://:canary@h"}, "both the user", id="password, no user"),
    pytest.param(
        {"REDRESS_SMTP_URL": "smtp://h"}, "without REDRESS_MAIL_FROM; set", id="no sender"
    ),
    # the sender
    pytest.param({"REDRESS_MAIL_FROM": "canary"}, "must be an address", id="no address"),
    pytest.param({"REDRESS_MAIL_FROM": "a@b.example, canary@d"}, "must be an", id="two of them"),
    pytest.param(
        {"REDRESS_MAIL_FROM": "Shop <a@b.example>\r\nBcc: canary@d"}, "must be", id="a header"
    ),
    pytest.param({"REDRESS_MAIL_FROM": "Sh\rop <canary@b>"}, "must be an", id="broken name"),
    pytest.param({"REDRESS_MAIL_FROM": "Shop <canary@ü>"}, "must be an", id="beyond ASCII"),
    # the product's endpoint
    pytest.param({"REDRESS_PRODUCT_WEBHOOK_URL": "canary"}, "must be an address", id="no endpoint"),
    pytest.param(
        {"REDRESS_PRODUCT_WEBHOOK_URL": "http://product.example/canary"},
        "must begin with https://",
        id="no TLS",
    ),
    pytest.param(
        {"REDRESS_PRODUCT_WEBHOOK_URL": "http://10.0.0.1/canary"},
        "must begin with https://",
        id="no TLS in a private network",
    ),
    pytest.param(
        {"REDRESS_PRODUCT_WEBHOOK_URL": "http://127.0.0.1.canary.example"},
        "must begin with https://",
        id="a host that looks like this machine",
    ),
    pytest.param(
        {"REDRESS_PRODUCT_WEBHOOK_URL": "http://localhost@canary.example"},
        "must be an address",
        id="a login",
    ),
    pytest.param(
        {"REDRESS_PRODUCT_WEBHOOK_URL": "https://h/a#canary"}, "must be an address", id="a fragment"
    ),
    pytest.param(URL, "without REDRESS_PRODUCT_WEBHOOK_SECRET; set", id="no secret"),
    pytest.param(secret(), "without REDRESS_PRODUCT_WEBHOOK_URL; set", id="no URL for the secret"),
    *(
        pytest.param(URL | secret(size), "24 to 64 random bytes", id=f"{size} bytes")
        for size in (0, 23, 65)
    ),
    pytest.param(
        {"REDRESS_PRODUCT_WEBHOOK_SECRET": "whsec_canary!"}, "24 to 64 random", id="no base64"
    ),
    pytest.param(
        {"REDRESS_PRODUCT_WEBHOOK_SECRET": base64.b64encode(b"canary" * 5).decode()},
        "must be whsec_",
        id="no prefix",
    ),
]


@pytest.mark.parametrize(("environ", "sentence"), PROBLEMS)
def test_problems(load, environ, sentence):
    """Each problem stops the start with one line that names the variable and repeats nothing of it."""
    with pytest.raises(SettingsError) as refusal:
        load(environ)

    (line,) = str(refusal.value).splitlines()
    assert sentence in line
    assert line.startswith("REDRESS_")
    assert "canary" not in line


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("a@b.example", Mailbox(name="", address="a@b.example")),
        ("Shop <a@b.example>", Mailbox(name="Shop", address="a@b.example")),
        ("Söhne & Co. <a@b.example>", Mailbox(name="Söhne & Co.", address="a@b.example")),
    ],
)
def test_mailbox(text, mailbox):
    """A sender is an address, with or without the name that people see."""
    assert mailbox == parse_mailbox(text)
    assert "b.example" == mailbox.domain


@pytest.mark.parametrize(
    ("address", "shown"),
    [("jane.doe@example.org", "j…@example.org"), ("j@example.org", "j…@example.org")],
)
def test_masked(address, shown):
    """A masked address shows where it is and not whose."""
    assert shown == masked_address(address)
