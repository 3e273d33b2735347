"""Every route, for a stranger and for each role: closed unless it says otherwise, and never by a form of another site."""

import pytest
from flask import Flask

from ledger.operator_tables import Role
from ops.dashboard.page_access import access_to
from ops.dashboard.page_guard import PROTECTION
from tests.ops.dashboard.dashboard_room import ORIGIN, path_of, text_of

#: What each route that is not for strangers takes, method by method. A new route fails until it stands here.
VIEWER, OPERATOR, APPROVER, ADMIN = (role.value for role in Role)
TABLE = {
    "GET /": VIEWER,
    "GET /accounts": VIEWER,
    "GET /accounts/<customer_id>": VIEWER,
    "POST /accounts/<customer_id>/standing": APPROVER,
    "GET /audit": VIEWER,
    "GET /brake": VIEWER,
    "POST /brake/off": f"{APPROVER} fresh",
    "POST /brake/on": OPERATOR,
    "GET /cases": VIEWER,
    "GET /cases/<int:case_id>": VIEWER,
    "POST /cases/<int:case_id>/appeal": OPERATOR,
    "POST /cases/<int:case_id>/approve": f"{APPROVER} fresh",
    "POST /cases/<int:case_id>/ask": OPERATOR,
    "POST /cases/<int:case_id>/deny": APPROVER,
    "POST /cases/<int:case_id>/told": OPERATOR,
    "POST /cases/<int:case_id>/work": OPERATOR,
    "GET /confirm": VIEWER,
    "POST /confirm/challenge": VIEWER,
    "POST /confirm/code": VIEWER,
    "POST /confirm/passkey": VIEWER,
    "GET /disputes": VIEWER,
    "GET /disputes/<dispute_id>": VIEWER,
    "POST /disputes/<dispute_id>/evidence": OPERATOR,
    "GET /events": VIEWER,
    "GET /events/<int:row_id>": VIEWER,
    "POST /events/<int:row_id>/payload": f"{APPROVER} fresh",
    "GET /events/named/<event_id>": VIEWER,
    "GET /health/live": None,
    "GET /me": VIEWER,
    "POST /me/codes": f"{VIEWER} fresh",
    "POST /me/passkeys": f"{VIEWER} fresh",
    "POST /me/passkeys/<int:passkey_id>/remove": f"{VIEWER} fresh",
    "POST /me/passkeys/challenge": VIEWER,
    "POST /me/sessions/<int:session_id>/end": VIEWER,
    "GET /operators": ADMIN,
    "POST /operators/<name>/remove": f"{ADMIN} fresh",
    "POST /operators/<name>/role": f"{ADMIN} fresh",
    "POST /operators/<name>/sign-out": ADMIN,
    "POST /operators/invite": f"{ADMIN} fresh",
    "GET /plan-changes": VIEWER,
    "POST /plan-changes/<int:change_id>/withdraw": OPERATOR,
    "GET /plan-changes/seen": VIEWER,
    "POST /plan-changes/seen/<int:seen_id>/accept": APPROVER,
    "POST /plan-changes/seen/<int:seen_id>/restore": f"{APPROVER} fresh",
    "GET /queues": VIEWER,
    "GET /queues/<name>/<place>": VIEWER,
    "POST /queues/jobs/<job_id>/cancel": OPERATOR,
    "POST /queues/jobs/<job_id>/requeue": OPERATOR,
    "POST /queues/pause": OPERATOR,
    "POST /queues/resume": OPERATOR,
    "GET /queues/search": VIEWER,
    "GET /refunds": VIEWER,
    "GET /refunds/charges/<charge_id>": VIEWER,
    "GET /replays": VIEWER,
    "POST /replays/forecast": OPERATOR,
    "GET /replays/plan": OPERATOR,
    "POST /replays/run": f"{OPERATOR} fresh",
    "GET /search": VIEWER,
    "GET /sign-in": None,
    "POST /sign-in/challenge": None,
    "POST /sign-in/code": None,
    "POST /sign-in/passkey": None,
    "POST /sign-out": VIEWER,
    "GET /static/<path:name>": None,
    "GET /terms": VIEWER,
    "GET /terms/<version>": VIEWER,
    "GET /terms/<version>/diff": VIEWER,
    "GET /welcome/<secret>": None,
    "POST /welcome/<secret>/challenge": None,
    "POST /welcome/<secret>/codes": None,
    "POST /welcome/<secret>/passkey": None,
}
CLOSED = sorted(route for route, access in TABLE.items() if access is not None)
FRESH = sorted(route for route in CLOSED if TABLE[route].endswith("fresh"))
#: What a route may say to somebody who is let in, whatever it then finds. A wrong proof of who one is, is told by 401.
LET_IN = frozenset({200, 303, 400, 401, 404, 503})


def flask_of(room):
    """The application behind the door that takes the merchant from the path."""
    app = room.app.__closure__
    return next(cell.cell_contents for cell in app if isinstance(cell.cell_contents, Flask))


def concrete(route):
    """A path of the route; what it names need not exist."""
    path = route.partition(" ")[2]
    for part in ("<int:case_id>", "<int:row_id>", "<int:seen_id>", "<int:change_id>"):
        path = path.replace(part, "1")
    for part in ("<int:passkey_id>", "<int:session_id>"):
        path = path.replace(part, "999")
    for part in ("<name>/<place>", "<version>", "<path:name>"):
        path = path.replace(part, {"<name>/<place>": "events/ready"}.get(part, "dashboard.css"))
    while "<" in path:
        path = path[: path.index("<")] + "some-other" + path[path.index(">") + 1 :]
    return path


def asked(browser, route, **extra):
    """What the route answers this browser."""
    method, path = route.partition(" ")[0], concrete(route)
    return browser.get(path, **extra) if method == "GET" else browser.post(path, **extra)


def test_the_table_is_whole(empty_room):
    """The table and the application have the same routes, and each says the same of who may."""
    app = flask_of(empty_room)
    found = {}
    for rule in app.url_map.iter_rules():
        access = access_to(app.view_functions[rule.endpoint])
        assert access is not None, rule.rule
        fresh = " fresh" if access.fresh else ""
        for method in rule.methods - {"HEAD"}:
            said = None if access.role is None else f"{access.role.value}{fresh}"
            found[f"{method} {rule.rule}"] = said

    assert TABLE == found


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_no_get_has_an_effect_and_no_post_goes_without_a_role(empty_room):
    """Whatever changes something is a POST, and all POSTs but those of the doors take a role."""
    open_posts = {route for route, access in TABLE.items() if access is None and "POST" in route}

    assert {route.split("/")[1] for route in open_posts} == {"sign-in", "welcome"}
    assert empty_room.stranger().post("/cases/1/approve").status_code == 401


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_stranger(empty_room):
    """Pages send to the sign-in, with the way back; forms are refused."""
    stranger = empty_room.stranger()
    for route in CLOSED:
        answer = asked(stranger, route)
        if route.startswith("GET"):
            assert 303 == answer.status_code, route
            assert path_of(answer).startswith("/sign-in?next="), route
        else:
            assert 401 == answer.status_code, route


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize("role", list(Role))
def test_each_role(empty_room, role):
    """A role opens what it is for and what those before it open, and nothing else."""
    browser = empty_room.browser(role)
    for route in CLOSED:
        if route in ("POST /sign-out", "POST /queues/pause"):
            continue
        least = Role(TABLE[route].split()[0])
        status = asked(browser, route).status_code
        assert (status in LET_IN) == role.includes(least), (route, status)
        if not role.includes(least):
            assert 403 == status, route


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_what_is_refused_is_written_down(empty_room):
    """Somebody who tries what is not theirs stands in the audit log, with the page."""
    viewer, admin = empty_room.browser("viewer", "eve"), empty_room.browser("admin")
    assert 403 == viewer.post("/brake/on", {"reason": "I can"}).status_code

    told = text_of(admin.get("/audit?actor=eve"))
    assert "access.refused" in told
    assert "brake.stop" in told


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize("route", FRESH)
def test_money_takes_a_fresh_person(empty_room, route):
    """Five minutes after the last proof the same form is answered by asking who it is, and nothing is done."""
    browser = empty_room.browser("admin")
    assert 303 != asked(browser, route).status_code or "/confirm" not in path_of(
        asked(browser, route)
    )
    empty_room.clock.advance(301)

    answer = asked(browser, route)

    assert 303 == answer.status_code
    assert path_of(answer).startswith("/confirm?next=")


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_role_holds_at_once(empty_room):
    """Somebody whose role is changed, or who is removed, notices at the next click."""
    boss, other = empty_room.browser("admin", "boss"), empty_room.browser("approver", "ada")
    assert 200 == other.get("/cases").status_code

    boss.post("/operators/ada/role", {"role": "viewer"})
    assert 403 == other.post("/brake/off", {"reason": "mended"}).status_code

    boss.post("/operators/ada/remove")
    assert 303 == other.get("/cases").status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_the_last_admin_stays(empty_room):
    """Nobody can lock everybody out."""
    boss = empty_room.browser("admin", "boss")

    for act in ({"path": "/operators/boss/remove"}, {"path": "/operators/boss/role"}):
        answer = boss.post(act["path"], {"role": "viewer"})
        assert 303 == answer.status_code
    assert 200 == boss.get("/operators").status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(
    ("origin", "headers"),
    [
        ("https://evil.example", {}),
        ("null", {}),
        (None, {}),
        (None, {"Sec-Fetch-Site": "cross-site"}),
        (f"{ORIGIN}.evil.example", {}),
        ("http://127.0.0.1:8001", {}),
    ],
)
def test_forms_of_other_sites(empty_room, origin, headers):
    """A form from elsewhere does nothing, whoever is signed in and even with the right token; so at the doors."""
    admin, stranger = empty_room.browser("admin"), empty_room.stranger()
    token = admin.token()

    for browser, path in ((admin, "/brake/on"), (admin, "/sign-out"), (stranger, "/sign-in/code")):
        form = {"reason": "forged", "csrf": token, "name": "some-admin", "code": "x"}
        answer = browser.post(path, form, origin=origin, **headers)
        assert 403 == answer.status_code, path
    assert "Nobody has touched it" in text_of(admin.get("/brake"))


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_the_token_of_a_form(empty_room):
    """Without the session's own token nothing is done, and another session's is none."""
    admin, other = empty_room.browser("admin", "one"), empty_room.browser("admin", "two")
    for token in ("", "0" * 64, other.token()):
        form = {"reason": "forged", "csrf": token}
        assert 403 == admin.post("/brake/on", form, token=False).status_code
    assert 303 == admin.post("/brake/on", {"reason": "real"}).status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:8001", "localhost", "localhost:8000"])
def test_other_hosts(empty_room, host):
    """The dashboard is at one address alone; a name that was rebound to it opens nothing."""
    admin = empty_room.browser("admin")

    answer = admin.get("/cases", Host=host)

    assert 421 == answer.status_code
    assert ORIGIN in answer.text


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_headers_of_every_route(empty_room):
    """Whatever is answered carries every protective header, and pages may run nothing that is written in them."""
    admin, stranger = empty_room.browser("admin"), empty_room.stranger()
    for browser in (admin, stranger):
        for route in sorted(TABLE):
            if route == "POST /sign-out":
                continue
            headers = asked(browser, route).headers
            for name, value in PROTECTION.items():
                if name == "Cache-Control" and "static" in route:
                    continue
                assert value == headers[name], (route, name)
    policy = PROTECTION["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert {"object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(
        policy.split("; ")
    )


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_only_declared_methods(empty_room):
    """Each route takes its own methods and no others."""
    admin = empty_room.browser("admin")
    for route in ("GET /cases", "POST /brake/on", "GET /static/<path:name>"):
        path = concrete(route)
        wrong = admin.post(path) if route.startswith("GET") else admin.get(path)
        assert 405 == wrong.status_code
        assert route.partition(" ")[0] in wrong.headers["Allow"]
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        answer = admin.client.open("/cases", method=method, base_url=ORIGIN)
        assert answer.status_code in (403, 405)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_nobody_says_where_they_come_from(empty_room):
    """X-Forwarded-For and its like change nothing: what the audit log says is the connection's own address."""
    admin = empty_room.browser("admin")
    stranger = empty_room.stranger()
    stranger.headers = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    stranger.post("/sign-in/code", {"name": "nobody", "code": "wrong"})

    told = text_of(admin.get("/audit?action=sign_in"))

    assert "127.0.0.1" in told
    assert "203.0.113.9" not in told
