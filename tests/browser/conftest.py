"""Debian's Chromium, driven by Playwright, before one installation for all tests of a module."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.installation import Installation
from tests.browser.people import Person

#: Screenshots stay here after a run: `make test` makes them anew.
SCREENSHOTS = Path(__file__).parents[2] / ".screenshots"
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
)


@pytest.fixture(scope="module")
def chromium():
    """The browser."""
    path = shutil.which("chromium")
    assert path, "chromium is missing: `make .venv/.chromium` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """Everything runs, and nobody has come in yet."""
    one = Installation(tmp_path_factory.mktemp("browser"))
    yield one
    one.close()


@pytest.fixture(scope="module")
def admin(chromium, installation):
    """Who came in by the link that `redress up` printed."""
    person = Person(chromium, installation.url, "admin")
    person.come_in(installation.link)
    yield person
    person.close()


@pytest.fixture
def ada(chromium, installation, admin):  # noqa: ARG001 -- the first one comes in first
    """An approver with a passkey of her own, in a browser of her own."""
    person = Person(chromium, installation.url, "ada")
    person.come_in(installation.redress("operators", "invite", "ada", "--role", "approver")["link"])
    yield person
    person.close()
