import errno
import os
from pathlib import Path

import pytest

from runtime.redis_socket import socket_url
from runtime.settings import Mode, Settings, SettingsError, load_settings
from runtime.settings_page import describe_settings

KEY = "sk_test_51canaryKEY"
LIVE_KEY = "rk_live_51canaryKEY"
SECRET = "whsec_canarySECRET01"
OLD_SECRET = "whsec_canarySECRET00"


@pytest.fixture
def load(data):
    """Loads settings from the variables given, over a data folder of the test's own."""
    return lambda **environ: load_settings({"REDRESS_DATA": str(data), "PATH": "/bin", **environ})


def test_nothing_set_means_the_sandbox(load, data):
    """Without variables everything is embedded, nothing is live, and the sandbox may be refunded."""
    settings = load()

    assert (None, (), False) == (
        settings.stripe_api_key,
        settings.stripe_webhook_secrets,
        settings.livemode,
    )
    assert f"sqlite:///{data}/redress.db" == settings.database_url
    assert socket_url(data) == settings.redis_url
    assert Mode.ENFORCE is settings.redress_mode
    assert {"usd": 50_000, "jpy": 75_000, "*": 50_000} == settings.redress_cap_refund


def test_data_folder_is_made_for_its_user_only(load, data):
    """A missing data folder is made with mode 0700."""
    load()

    assert 0o700 == data.stat().st_mode & 0o777


def test_relative_data_folder_becomes_absolute(tmp_path, monkeypatch):
    """The default folder is `var` where the process starts, as an absolute path."""
    monkeypatch.chdir(tmp_path)

    settings = load_settings({})

    assert tmp_path / "var" == settings.redress_data
    assert f"sqlite:///{tmp_path}/var/redress.db" == settings.database_url


@pytest.mark.parametrize(
    ("environ", "livemode", "mode"),
    [
        pytest.param({"STRIPE_API_KEY": KEY}, False, Mode.OBSERVE, id="test key"),
        pytest.param({"STRIPE_API_KEY": LIVE_KEY}, True, Mode.OBSERVE, id="live key"),
        pytest.param(
            {"STRIPE_API_KEY": "rk_test_1"}, False, Mode.OBSERVE, id="restricted test key"
        ),
        pytest.param(
            {"STRIPE_API_KEY": LIVE_KEY, "REDRESS_MODE": "enforce"},
            True,
            Mode.ENFORCE,
            id="live key, asked to enforce",
        ),
        pytest.param(
            {"STRIPE_API_KEY": KEY, "STRIPE_API_BASE": "http://127.0.0.1:8002/"},
            False,
            Mode.OBSERVE,
            id="stand-in",
        ),
    ],
)
def test_key_decides_live_mode_and_default_mode(load, environ, livemode, mode):
    """The key's prefix decides live or test; with any key the default is to move no money."""
    settings = load(STRIPE_WEBHOOK_SECRETS=SECRET, **environ)

    assert (livemode, mode) == (settings.livemode, settings.redress_mode)
    assert settings.stripe_api_base in {None, "http://127.0.0.1:8002"}


def test_several_secrets_keep_their_order(load):
    """Signing secrets are read newest first, with room around the commas."""
    settings = load(STRIPE_API_KEY=KEY, STRIPE_WEBHOOK_SECRETS=f"{SECRET} , {OLD_SECRET}")

    assert [SECRET, OLD_SECRET] == [
        secret.get_secret_value() for secret in settings.stripe_webhook_secrets
    ]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://me:pw@db/redress", "postgresql+psycopg://me:pw@db/redress"),
        ("postgres://db/redress", "postgresql+psycopg://db/redress"),
        ("postgresql+psycopg:///x?host=/run/pg", "postgresql+psycopg:///x?host=/run/pg"),
        ("sqlite:////srv/redress.db", "sqlite:////srv/redress.db"),
    ],
)
def test_database_urls(load, given, used):
    """PostgreSQL is always reached through psycopg 3; a file of SQLite is taken as it is."""
    assert used == load(DATABASE_URL=given).database_url


@pytest.mark.parametrize("url", ["redis://h:1/0", "rediss://u:p@h/1", "unix:///run/r.sock?db=1"])
def test_redis_urls(load, url):
    """A server over TCP, TLS or a unix socket is taken as it is."""
    assert url == load(REDIS_URL=url).redis_url


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://redress.shop.example", "https://redress.shop.example"),
        ("https://Redress.Shop.example:8443/", "https://redress.shop.example:8443"),
        ("http://localhost:9000", "http://localhost:9000"),
        ("https://redress.shop.example:443", "https://redress.shop.example"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_dashboard_urls(load, given, used):
    """The dashboard is at a host name over TLS, or at this machine's own; by default on its port."""
    assert used == load(REDRESS_DASHBOARD_URL=given).redress_dashboard_url
    assert "http://localhost:9001" == load(REDRESS_OPS_PORT="9001").redress_dashboard_url


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("http://redress.shop.example", "must begin with https://"),
        ("ftp://localhost", "must begin with https://"),
        ("http://127.0.0.1:8001", "must be an address such as"),
        ("https://[::1]:8001", "must be an address such as"),
        ("https://10.0.0.1", "must be an address such as"),
        ("https://shop.example/redress", "must be an address such as"),
        ("https://ada@shop.example", "must be an address such as"),
        ("https://shop.example:0", "must be an address such as"),
        ("shop.example", "must be an address such as"),
    ],
)
def test_dashboard_urls_that_no_passkey_can_have(load, given, sentence):
    """Passkeys are bound to a host name over TLS: anything else stops the start."""
    with pytest.raises(SettingsError, match=sentence):
        load(REDRESS_DASHBOARD_URL=given)


@pytest.mark.parametrize(
    ("text", "caps"),
    [
        pytest.param("*=0", {"*": 0}, id="nothing without a person"),
        pytest.param(" USD=1 ,*=2", {"usd": 1, "*": 2}, id="capitals and room"),
        pytest.param("*=999999999999", {"*": 999_999_999_999}, id="twelve digits"),
    ],
)
def test_caps(load, text, caps):
    """Caps are a table of currencies to minor units that cannot be changed afterwards."""
    settings = load(REDRESS_CAP_DAY=text)

    assert caps == settings.redress_cap_day
    with pytest.raises(TypeError):
        settings.redress_cap_day["usd"] = 1


PROBLEMS = [
    # one variable
    pytest.param({"STRIPE_WEBHOOK_SECRETS": ""}, "is set but blank", id="blank secret"),
    pytest.param({"STRIPE_API_KEY": "  "}, "STRIPE_API_KEY is set but blank; give", id="blank key"),
    pytest.param({"DATABASE_URL": ""}, "DATABASE_URL is set but blank", id="blank database"),
    pytest.param(
        {"STRIPE_WEBHOOK_SECRETS": f"{SECRET},"}, "blank entry (number 2)", id="blank second secret"
    ),
    pytest.param(
        {"STRIPE_WEBHOOK_SECRETS": f"{SECRET},canary0123456789abcdef"},
        "entry 2 does not",
        id="secret without whsec_",
    ),
    pytest.param(
        {"STRIPE_WEBHOOK_SECRETS": "whsec_canary012"}, "16 characters; entry 1", id="short secret"
    ),
    pytest.param({"STRIPE_API_KEY": "pk_test_canary"}, "secret or restricted key", id="public key"),
    pytest.param({"STRIPE_API_KEY": "sk_test_canary\n"}, "sk_test_", id="key with a newline"),
    pytest.param({"STRIPE_API_BASE": "canary"}, "STRIPE_API_BASE must be an address", id="no URL"),
    pytest.param({"STRIPE_API_BASE": "http://h/canary"}, "without a path", id="URL with a path"),
    pytest.param({"STRIPE_ACCOUNT": "canary"}, "STRIPE_ACCOUNT must be", id="no account id"),
    pytest.param({"DATABASE_URL": "mysql://canary@h/d"}, "DATABASE_URL must be", id="MySQL"),
    pytest.param({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL must be", id="in memory"),
    pytest.param({"DATABASE_URL": "sqlite://"}, "DATABASE_URL must be", id="SQLite without a file"),
    pytest.param({"REDIS_URL": "redis+sentinel://canary/x"}, "not supported: name", id="Sentinel"),
    pytest.param({"REDIS_URL": "redis://"}, "REDIS_URL must be", id="Redis without a host"),
    pytest.param({"REDIS_URL": "unix://"}, "REDIS_URL must be", id="no socket"),
    pytest.param({"REDRESS_MODE": "Canary"}, "observe (moves no money) or enforce", id="mode"),
    pytest.param({"REDRESS_DATA": "canary?x"}, "question mark", id="question mark in folder"),
    pytest.param({"REDRESS_HOST": "a b"}, "REDRESS_HOST must be a host", id="host"),
    pytest.param({"REDRESS_WEB_PORT": "0"}, "REDRESS_WEB_PORT must be a port", id="port 0"),
    pytest.param({"REDRESS_WEB_PORT": "65536"}, "from 1 to 65535", id="port above the last"),
    pytest.param({"REDRESS_WEB_PORT": "٨٠٠٠"}, "from 1 to 65535", id="port in other digits"),
    pytest.param({"REDRESS_CAP_DAY_COUNT": "-1"}, "a whole number", id="negative count"),
    pytest.param({"REDRESS_CAP_DAY": "usd=1"}, "REDRESS_CAP_DAY must end with *=", id="no rest"),
    pytest.param({"REDRESS_CAP_DAY": "500"}, "such as usd=50000,*=50000", id="cap, no currency"),
    pytest.param({"REDRESS_CAP_DAY": "*=1.5"}, "minor units", id="cap with a fraction"),
    pytest.param({"REDRESS_CAP_DAY": "usd=-1,*=1"}, "minor units", id="negative cap"),
    pytest.param({"REDRESS_CAP_DAY": "*=1000000000000"}, "minor units", id="thirteen digits"),
    pytest.param({"REDRESS_CAP_DAY": "usd=1,USD=2,*=1"}, "names usd twice", id="currency twice"),
    pytest.param({"REDRESS_MDOE": "canary"}, "did you mean REDRESS_MODE?", id="mistyped name"),
    pytest.param({"REDRESS_QQQQQQQQ": "canary"}, "is not a setting; remove it", id="unknown name"),
    # two variables that do not fit
    pytest.param({"STRIPE_API_KEY": KEY}, "without STRIPE_WEBHOOK_SECRETS; set", id="no secret"),
    pytest.param(
        {"STRIPE_WEBHOOK_SECRETS": SECRET}, "without STRIPE_API_KEY; set it to", id="no key"
    ),
    pytest.param(
        {"STRIPE_API_BASE": "http://127.0.0.1:1"},
        "STRIPE_API_BASE is set without STRIPE_API_KEY",
        id="stand-in without a key",
    ),
    pytest.param(
        {
            "STRIPE_API_KEY": LIVE_KEY,
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "STRIPE_API_BASE": "http://127.0.0.1:1",
        },
        "remove STRIPE_API_BASE or set a test key",
        id="live key beside a stand-in",
    ),
    pytest.param({"REDRESS_OPS_PORT": "8000"}, "PORT must differ", id="one port twice"),
]


@pytest.mark.parametrize(("environ", "sentence"), PROBLEMS)
def test_problems_are_told_in_one_sentence(load, environ, sentence):
    """Each problem stops the start with one line that names the variable and says what to set."""
    with pytest.raises(SettingsError) as refusal:
        load(**environ)

    (line,) = str(refusal.value).splitlines()
    assert sentence in line
    assert line.split(" ")[0].strip(",") in {*environ, "REDRESS_WEB_PORT"}
    assert line.endswith((".", "?"))
    assert "canary" not in line
    assert refusal.value.__cause__ is None


def test_every_problem_is_told_at_once(load):
    """Several problems are several lines, so that one restart mends them all."""
    with pytest.raises(SettingsError) as refusal:
        load(REDRESS_MODE="x", REDRESS_WEB_PORT="x", STRIPE_API_KEY="x")

    assert ["REDRESS_MODE", "REDRESS_WEB_PORT", "STRIPE_API_KEY"] == sorted(
        line.split(" ")[0] for line in refusal.value.problems
    )


def test_data_folder_below_a_file_is_refused(tmp_path):
    """A data folder that cannot be written to stops the start with the reason and what to set."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match=r"which cannot be written to \(Not a directory\); set"):
        load_settings({"REDRESS_DATA": str(tmp_path / "file" / "var")})


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that refuses even root")
def test_unwritable_data_folder_is_refused():
    """A folder in which no file can be made is refused, also when its mode bits allow it."""
    with pytest.raises(SettingsError, match="cannot be written to"):
        load_settings({"REDRESS_DATA": "/proc/self"})


def test_full_disk_is_told(load, monkeypatch):
    """A disk without room is told like any other unwritable folder."""

    def no_room(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryFile", no_room)

    with pytest.raises(SettingsError, match="No space left on device"):
        load()


def test_secrets_never_show(load):
    """Neither the repr nor the text of the settings shows a key, a secret or a URL's password."""
    settings = load(
        STRIPE_API_KEY=KEY,
        STRIPE_WEBHOOK_SECRETS=f"{SECRET},{OLD_SECRET}",
        DATABASE_URL="postgresql://me:canaryPW@db/redress",
        REDIS_URL="redis://:canaryPW@h/0",
    )

    for text in (repr(settings), str(settings), f"{settings}"):
        assert "canary" not in text


def test_settings_are_frozen(load):
    """Settings cannot be changed after the start."""
    settings = load()

    with pytest.raises(ValueError, match="frozen"):
        settings.redress_mode = Mode.ENFORCE


def test_settings_read_no_environment_by_themselves(data, monkeypatch):
    """A record of settings built directly takes its arguments and never the environment."""
    monkeypatch.setenv("REDRESS_MODE", "observe")

    assert Mode.ENFORCE is Settings(redress_data=data).redress_mode


def test_settings_load_from_the_process_environment(data, monkeypatch):
    """Without an argument the process's own environment is read."""
    monkeypatch.setenv("REDRESS_DATA", str(data))
    monkeypatch.setenv("REDRESS_WEB_PORT", "9000")

    assert 9000 == load_settings().redress_web_port


def test_the_page_of_settings_is_current():
    """docs/settings.md is exactly what the descriptions say; every variable is on it."""
    page = Path(__file__).parents[2] / "docs" / "settings.md"

    assert describe_settings() == page.read_text(encoding="utf-8"), (
        "run: python -m runtime.settings_page > docs/settings.md"
    )


def test_every_variable_is_described():
    """Each variable has a description of its own."""
    assert all(field.description for field in Settings.model_fields.values())
