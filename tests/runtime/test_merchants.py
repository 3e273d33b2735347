"""The file of merchants: what each inherits, what it must say itself, and that no two share anything."""

import typing

import pytest
from pydantic import SecretStr

from runtime.merchants import INHERITED, SECRET, every_merchant, merchant_environ, sole_environ
from runtime.setting_values import Mode
from runtime.settings import Settings, SettingsError, load_settings

OWN_SECRET = "whsec_aaaaaaaaaaaaaaaaaaaaaaaa"
EU_SECRET = "whsec_bbbbbbbbbbbbbbbbbbbbbbbb"
EU = """
[studio-eu]
STRIPE_API_KEY = "$EU_KEY"
STRIPE_WEBHOOK_SECRETS = "$EU_SECRET"
"""
ATELIER = """
[atelier]
STRIPE_CONNECTED_ACCOUNT = "acct_1Atelier"
"""


@pytest.fixture
def environ(tmp_path):
    """An environment with a file of merchants: `environ(text, NAME=…)`."""

    def make(text, **variables):
        file = tmp_path / "merchants.toml"
        file.write_text(text)
        return {
            "PATH": "/bin",
            "REDRESS_DATA": str(tmp_path / "data"),
            "REDRESS_MERCHANTS": str(file),
            "STRIPE_API_KEY": "sk_test_own",
            "STRIPE_WEBHOOK_SECRETS": OWN_SECRET,
            "EU_KEY": "sk_test_eu",
            "EU_SECRET": EU_SECRET,
            **variables,
        }

    return make


def refusal(environ):
    """What is said of a file that cannot be used."""
    with pytest.raises(SettingsError) as refused:
        every_merchant(environ)
    return str(refused.value)


def test_without_a_file_there_is_one(environ):
    """Without the variable there is the environment's own account alone."""
    given = environ("")
    del given["REDRESS_MERCHANTS"]

    assert {} == every_merchant(given)
    assert given == merchant_environ(given, "")


def test_each_has_its_own(environ, tmp_path):
    """Key, secrets, ledger, queues and data folder are each merchant's own; a connected one uses its platform's key."""
    found = every_merchant(environ(EU + ATELIER))

    eu, atelier = found["studio-eu"], found["atelier"]
    assert ["studio-eu", "atelier"] == list(found)
    assert ("sk_test_eu", None, "studio-eu") == (
        eu.stripe_api_key.get_secret_value(),
        eu.served_account,
        eu.redress_merchant,
    )
    assert [EU_SECRET] == [one.get_secret_value() for one in eu.stripe_webhook_secrets]
    assert ("sk_test_own", "acct_1Atelier", ()) == (
        atelier.stripe_api_key.get_secret_value(),
        atelier.served_account,
        atelier.stripe_webhook_secrets,
    )
    assert f"sqlite:///{tmp_path}/data/merchants/studio-eu/redress.db" == eu.database_url
    assert 3 == len({"own", eu.redis_url, atelier.redis_url})


def test_nothing_that_says_whose_money_it_is_is_inherited(environ, tmp_path):
    """Limits and addresses of the machine are inherited; mode, mail, product, catalogue and terms are not."""
    catalogue = tmp_path / "catalogue.toml"
    catalogue.touch()
    given = environ(
        EU,
        REDRESS_MODE="enforce",
        REDRESS_CAP_REFUND="*=100",
        STRIPE_API_BASE="http://127.0.0.1:9",
        REDRESS_SMTP_URL="smtp://mail.example",
        REDRESS_MAIL_FROM="shop@shop.example",
        REDRESS_PRODUCT_WEBHOOK_URL="https://shop.example/hook",
        REDRESS_PRODUCT_WEBHOOK_SECRET="whsec_" + "A" * 32,
        REDRESS_CATALOGUE=str(catalogue),
        REDRESS_TERMS=str(tmp_path),
        DATABASE_URL=f"sqlite:///{tmp_path}/own.db",
    )

    eu = every_merchant(given)["studio-eu"]

    assert ({"*": 100}, "http://127.0.0.1:9") == (eu.redress_cap_refund, eu.stripe_api_base)
    assert Mode.OBSERVE is eu.redress_mode
    assert (None,) * 5 == (
        eu.redress_smtp_url,
        eu.redress_mail_from,
        eu.redress_product_webhook_url,
        eu.redress_catalogue,
        eu.redress_terms,
    )
    assert "own.db" not in eu.database_url


def test_environment_of_a_merchant(environ):
    """A process that is started for one gets no other's key, and means the same one again."""
    given = environ(EU + ATELIER, EU_KEY="sk_test_eu")

    theirs = merchant_environ(given, "atelier")

    assert not {"EU_KEY", "EU_SECRET", "REDRESS_MERCHANTS", "STRIPE_WEBHOOK_SECRETS"} & set(theirs)
    assert "/bin" == theirs["PATH"]
    assert theirs == merchant_environ(theirs, "atelier")
    assert "acct_1Atelier" == load_settings(theirs).stripe_connected_account
    assert {} == every_merchant(theirs)
    with pytest.raises(SettingsError, match="no merchant"):
        merchant_environ(theirs, "studio-eu")


def test_environment_of_the_first_one_alone(environ):
    """Its own processes get no other's secrets either, but all that is its own, also where another names it."""
    given = environ(
        EU + 'REDRESS_SMTP_URL = "$REDRESS_SMTP_URL"',
        REDRESS_SMTP_URL="smtp://a.example",
        REDRESS_MAIL_FROM="a@b.example",
    )

    own = sole_environ(given, "")

    assert not {"EU_KEY", "EU_SECRET", "REDRESS_MERCHANTS"} & set(own)
    assert {"STRIPE_API_KEY", "REDRESS_SMTP_URL", "PATH"} < set(own)
    assert load_settings(own).redress_merchant == ""
    assert sole_environ(given, "studio-eu") == merchant_environ(given, "studio-eu")
    assert sole_environ(own, "") == own


def test_own_settings_beside_a_named_merchant(environ):
    """Whom the environment names does not change what its own account is."""
    given = environ(EU, REDRESS_MERCHANT="studio-eu")

    assert "" == load_settings(merchant_environ(given, "")).redress_merchant
    assert ["studio-eu"] == list(every_merchant(given))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "names no merchant", id="empty"),
        pytest.param("[a", "is no TOML", id="no TOML"),
        pytest.param("REDRESS_MODE = 'observe'", "is no table", id="a setting outside a table"),
        pytest.param(EU.replace("studio-eu", '"Studio EU"'), "is no table", id="name"),
        pytest.param(EU.replace("studio-eu", "a" * 33), "is no table", id="long name"),
        pytest.param(EU + "STRIPE_KEY = 'x'", "STRIPE_KEY is not a setting", id="unknown"),
        pytest.param(EU + "stripe_account = 'acct_1'", "is not a setting", id="small letters"),
        pytest.param(EU + "REDRESS_WEB_PORT = 1", "is one for all merchants", id="machine's"),
        pytest.param(EU + "REDRESS_MODE = true", "must be a text", id="no text"),
        pytest.param(EU + "REDRESS_MODE = 'on'", "studio-eu: REDRESS_MODE", id="value"),
        pytest.param(EU.replace("$EU_KEY", "$NONE"), "$NONE is not set", id="no variable"),
        pytest.param(EU.replace("$EU_KEY", "sk_test_1"), 'write "$NAME"', id="a key in the file"),
        pytest.param("[a]\n", "STRIPE_API_KEY is missing", id="no key"),
        pytest.param(
            '[studio-eu]\nSTRIPE_API_KEY = "$EU_KEY"',
            "STRIPE_API_KEY is set without STRIPE_WEBHOOK_SECRETS",
            id="no secret",
        ),
        pytest.param(
            ATELIER + "STRIPE_API_KEY = '$EU_KEY'", "remove it", id="a connected one's key"
        ),
        pytest.param(
            ATELIER + "STRIPE_WEBHOOK_SECRETS = '$EU_SECRET'",
            "come to its platform's endpoint",
            id="a connected one's secret",
        ),
        pytest.param(ATELIER.replace("acct_", ""), "must be a Stripe account", id="no account"),
    ],
)
def test_mistakes(environ, text, said):
    """Each mistake is told with the merchant, the setting and what to do, and no secret is repeated."""
    found = refusal(environ(text))

    assert said in found
    assert "sk_test_" not in found
    assert EU_SECRET not in found


def test_file_that_is_not_there(environ, tmp_path):
    """A file that is missing is a problem of the variable that names it."""
    assert "REDRESS_MERCHANTS must name a file" in refusal(
        environ(EU, REDRESS_MERCHANTS=str(tmp_path / "none.toml"))
    )


@pytest.mark.parametrize(
    ("text", "variables", "said"),
    [
        pytest.param(EU, {"EU_KEY": "sk_test_own"}, "STRIPE_API_KEY is that of", id="key"),
        pytest.param(EU, {"EU_SECRET": OWN_SECRET}, "a secret of", id="secret"),
        pytest.param(
            EU,
            {"EU_SECRET": EU_SECRET, "STRIPE_CONNECT_WEBHOOK_SECRETS": EU_SECRET},
            "a secret of",
            id="secret of Connect",
        ),
        pytest.param(
            ATELIER + ATELIER.replace("atelier", "other"), {}, "the Stripe account", id="connected"
        ),
        pytest.param(
            ATELIER, {"STRIPE_ACCOUNT": "acct_1Atelier"}, "the Stripe account", id="own account"
        ),
        pytest.param(
            EU + "DATABASE_URL = '$SHARED'\n" + ATELIER + "DATABASE_URL = '$SHARED'\n",
            {"SHARED": "postgresql://a@127.0.0.1/b"},
            "DATABASE_URL is that of studio-eu",
            id="ledger",
        ),
        pytest.param(
            EU + "REDIS_URL = '$REDIS_URL'",
            {"REDIS_URL": "redis://127.0.0.1:1"},
            "REDIS_URL is that of the environment",
            id="queues",
        ),
        pytest.param(
            EU + "REDRESS_DATA = '$REDRESS_DATA'", {}, "REDRESS_DATA is that", id="folder"
        ),
    ],
)
def test_nothing_is_shared(environ, text, variables, said):
    """Two merchants with one account, key, secret, ledger, queue or folder are refused."""
    found = refusal(environ(text, **variables))

    assert said in found
    assert "each merchant needs its own" in found


def test_merchants_need_an_account_of_the_environments_own(environ):
    """Beside the sandbox there are no further merchants; a secret for Connect is nothing without a file."""
    given = environ(EU)
    keyless = {name: text for name, text in given.items() if "OWN" not in name}
    del keyless["STRIPE_API_KEY"], keyless["STRIPE_WEBHOOK_SECRETS"]
    lonely = {**given, "STRIPE_CONNECT_WEBHOOK_SECRETS": EU_SECRET}
    del lonely["REDRESS_MERCHANTS"]

    assert "REDRESS_MERCHANTS is set without STRIPE_API_KEY" in refusal(keyless)
    with pytest.raises(SettingsError, match="without REDRESS_MERCHANTS"):
        load_settings(lonely)


def test_lists_of_names_are_complete():
    """Every secret of the settings is one of the file's, and every name is a setting's."""
    secret = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if SecretStr in _types_of(field.annotation)
    }

    assert secret == SECRET
    assert {name.upper() for name in Settings.model_fields} >= INHERITED


def _types_of(annotation):
    yield annotation
    for inner in typing.get_args(annotation):
        yield from _types_of(inner)
