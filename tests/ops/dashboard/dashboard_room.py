"""The dashboard over real databases and a real Redis, asked as browsers ask it: cookies, Origin, forms with their token."""

import re
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlsplit

from werkzeug.test import Client

from ledger.operator_sessions import start_session
from ledger.operator_tables import Role
from ledger.operators import (
    change_role,
    invite_operator,
    operator_by_name,
    use_invitation,
)
from ledger.passkeys import make_recovery_codes
from ops.dashboard.dashboard_app import create_dashboard
from ops.dashboard.house import House
from ops.dashboard.page_guard import COOKIE

ORIGIN = "http://localhost:8001"
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')


@dataclass
class Browser:
    """One person's browser; `secret` is its session's, empty for a stranger's."""

    client: Client
    secret: str = ""
    headers: dict = field(default_factory=dict)
    address: str = "127.0.0.1"

    def get(self, path, **headers):
        """A page."""
        return self._ask("GET", path, headers=headers)

    def post(self, path, data=None, *, token=True, origin=ORIGIN, **headers):
        """A form of the page, with its token unless told otherwise."""
        form = dict(data or {})
        if token and self.secret:
            form.setdefault("csrf", self.token())
        sent = headers | ({} if origin is None else {"Origin": origin})
        return self._ask("POST", path, data=form, headers=sent)

    def token(self):
        """What forms of this session carry, read off a page."""
        return _TOKEN.search(self.get("/me").text)[1]

    def _ask(self, method, path, *, headers, data=None):
        cookie = {"Cookie": f"{COOKIE}={self.secret}"} if self.secret else {}
        return self.client.open(
            path,
            method=method,
            base_url=ORIGIN,
            data=data,
            headers={**self.headers, **cookie, **headers},
            environ_base={"REMOTE_ADDR": self.address},
            buffered=True,
        )


class DashboardRoom:
    """The dashboard of these merchants, and people of every role in it."""

    def __init__(self, wirings, clock):
        settings = wirings[""].settings
        self.clock, self.wirings = clock, wirings
        self.people = wirings[""].store
        self.app = create_dashboard(House(settings=settings, clock=clock, wirings=wirings))

    def stranger(self):
        """A browser that nobody signed in."""
        return Browser(Client(self.app, use_cookies=False))

    def browser(self, role, name=None):
        """A browser of somebody of this role, who has just signed in."""
        operator_id = self.person(role, name)
        with self.people.write() as connection:
            secret = start_session(connection, operator_id, "127.0.0.1", self.clock.now_ms())
        return Browser(Client(self.app, use_cookies=False), secret)

    def person(self, role, name=None):
        """Somebody of this role, who has come in; their row's id."""
        named = name or f"some-{role}"
        with self.people.write() as connection:
            if operator_by_name(connection, named) is None:
                now_ms = self.clock.now_ms()
                link = invite_operator(connection, named, Role(role), now_ms)
                use_invitation(connection, link, now_ms)
            elif operator_by_name(connection, named).role != role:
                change_role(connection, named, Role(role))
            return operator_by_name(connection, named).operator_id

    def codes(self, operator_id):
        """New recovery codes of a person."""
        with self.people.write() as connection:
            return make_recovery_codes(connection, operator_id, self.clock.now_ms())


def text_of(response):
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.text)).split())


def path_of(response):
    """Where a redirection leads."""
    parts = urlsplit(response.headers["Location"])
    return parts.path + (f"?{parts.query}" if parts.query else "")
