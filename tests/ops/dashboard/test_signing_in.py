"""The doors: links, passkeys and codes open once and to the right person; sessions end; guessing gets nowhere."""

import json
import re
import time

import pytest
from sqlalchemy import func, select
from webauthn.helpers import bytes_to_base64url

from ledger.operator_tables import Role, operator_sessions, recovery_codes, sign_in_challenges
from ledger.operators import invite_operator
from ledger.tables import audit
from ops.dashboard.page_guard import COOKIE
from runtime.operator_limits import SIGN_IN_ATTEMPTS_MAX
from tests.fakes.soft_passkey import SoftPasskey
from tests.ops.dashboard.dashboard_room import ORIGIN, path_of, text_of

ELSEWHERE = "https://redress.evil.example"


def invited(room, name="ada", role="approver"):
    """A new link's path."""
    with room.people.write() as connection:
        secret = invite_operator(connection, name, Role(role), room.clock.now_ms())
    return f"/welcome/{secret}"


def options_of(browser, path):
    """The challenge and all that a passkey is told with it."""
    answer = browser.post(path)
    assert 200 == answer.status_code, answer.text
    return json.loads(answer.text)


def welcomed(room, passkey, name="ada", role="approver"):
    """Somebody who came in by a link with this passkey; the page that they saw."""
    link, stranger = invited(room, name, role), room.stranger()
    made = passkey.made(options_of(stranger, f"{link}/challenge"))
    return stranger.post(f"{link}/passkey", {"credential": made})


def sign_in(browser, passkey, **wrong):
    """What the door answers to a passkey; the browser keeps the session."""
    signed = passkey.signed(options_of(browser, "/sign-in/challenge"), **wrong)
    answer = browser.post("/sign-in/passkey", {"credential": signed})
    keep(browser, answer)
    return answer


def keep(browser, answer):
    """Do what a browser does with the session's cookie."""
    for cookie in answer.headers.getlist("Set-Cookie"):
        if cookie.startswith(f"{COOKIE}="):
            browser.secret = cookie.split(";")[0].partition("=")[2]


def codes_on(page):
    """The recovery codes that a page shows."""
    return re.findall(r"<code>([a-z0-9-]{27})</code>", page.text)


def test_by_link_passkey_and_code(empty_room):
    """A link lets one person in once; the passkey signs in from then on, and each code once."""
    passkey, link = SoftPasskey(ORIGIN), invited(empty_room)
    stranger = empty_room.stranger()
    assert "Welcome, ada" in text_of(stranger.get(link))
    made = passkey.made(options_of(stranger, f"{link}/challenge"))
    page = stranger.post(f"{link}/passkey", {"credential": made})
    keep(stranger, page)

    assert 10 == len(codes_on(page))
    assert "ada (approver)" in text_of(stranger.get("/"))
    assert 404 == empty_room.stranger().get(link).status_code
    assert 404 == empty_room.stranger().post(f"{link}/codes").status_code

    again = empty_room.stranger()
    assert 303 == sign_in(again, passkey).status_code
    assert "ada (approver)" in text_of(again.get("/"))

    by_code = empty_room.stranger()
    typed = f"  {codes_on(page)[0].upper().replace('-', ' ')} "
    answer = by_code.post("/sign-in/code", {"name": "ada", "code": typed, "next": "/cases"})
    assert (303, "/cases") == (answer.status_code, path_of(answer))
    assert 401 == by_code.post("/sign-in/code", {"name": "ada", "code": typed}).status_code


def test_without_a_passkey(empty_room):
    """A browser without passkeys comes in by codes alone, and can do everything by them."""
    link, browser = invited(empty_room), empty_room.stranger()
    page = browser.post(f"{link}/codes")
    keep(browser, page)
    codes = codes_on(page)
    empty_room.clock.advance(301)

    asked = browser.post("/brake/off", {"reason": "mended", "page": "/brake"})
    assert "/confirm?next=/brake" == path_of(asked)
    confirmed = browser.post("/confirm/code", {"code": codes[0], "next": "/brake"})
    assert (303, "/brake") == (confirmed.status_code, path_of(confirmed))

    assert "/brake" == path_of(browser.post("/brake/off", {"reason": "mended", "page": "/brake"}))


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": ELSEWHERE},
        {"host": "redress.evil.example"},
        {"challenge": bytes_to_base64url(b"0" * 32)},
        {"kind": "webauthn.create"},
        {"unverified": True},
        {"count": 0},
        {"key": SoftPasskey(ORIGIN).key},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_answers(empty_room, wrong):
    """Each thing that can be wrong with a passkey's answer, alone, and nobody is told which it was."""
    passkey = SoftPasskey(ORIGIN)
    welcomed(empty_room, passkey)
    right = empty_room.stranger()
    assert 303 == sign_in(right, passkey).status_code

    browser = empty_room.stranger()
    answer = sign_in(browser, passkey, **wrong)

    assert 401 == answer.status_code
    assert "" == browser.secret
    assert "That did not open" in text_of(answer)


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(
    "credential",
    [
        *("", "null", "[]", "{}", '"text"', "\x00", '{"id": 1}', "{" * 2_000),
        '{"id":"a","rawId":"a","type":"public-key","response":{}}',
        (
            '{"id":"YQ","rawId":"YQ","type":"public-key","response":{"clientDataJSON":"YQ",'
            '"authenticatorData":"YQ","signature":"YQ"}}'
        ),
        (
            '{"id":"YQ","rawId":"YQ","type":"public-key","response":{"clientDataJSON":"W10",'
            '"attestationObject":"YQ"}}'
        ),
    ],
)
def test_what_is_no_answer(empty_room, credential):
    """Whatever is sent instead of an answer is refused like a wrong one."""
    link = invited(empty_room)
    for path, status in (("/sign-in/passkey", 401), (f"{link}/passkey", 400)):
        answer = empty_room.stranger().post(path, {"credential": credential})
        assert status == answer.status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_challenge_is_answered_once(empty_room):
    """An answer that was caught opens nothing a second time, nor after five minutes, nor for another purpose."""
    passkey, browser = SoftPasskey(ORIGIN), empty_room.stranger()
    keep(browser, welcomed(empty_room, passkey))
    signed = passkey.signed(options_of(browser, "/sign-in/challenge"))
    stranger = empty_room.stranger()
    assert 303 == stranger.post("/sign-in/passkey", {"credential": signed}).status_code
    assert 401 == stranger.post("/sign-in/passkey", {"credential": signed}).status_code

    late = passkey.signed(options_of(browser, "/sign-in/challenge"))
    empty_room.clock.advance(301)
    assert 401 == stranger.post("/sign-in/passkey", {"credential": late}).status_code

    to_confirm = passkey.signed(options_of(browser, "/confirm/challenge"))
    assert 401 == stranger.post("/sign-in/passkey", {"credential": to_confirm}).status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_nobody_confirms_for_another(empty_room):
    """A session is confirmed by its own person's passkey alone."""
    hers, his = SoftPasskey(ORIGIN), SoftPasskey(ORIGIN)
    browser = empty_room.stranger()
    keep(browser, welcomed(empty_room, hers, "ada"))
    welcomed(empty_room, his, "bob")

    signed = his.signed(options_of(browser, "/confirm/challenge"))
    assert 401 == browser.post("/confirm/passkey", {"credential": signed}).status_code

    signed = hers.signed(options_of(browser, "/confirm/challenge"))
    assert 303 == browser.post("/confirm/passkey", {"credential": signed}).status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_passkey_is_one_persons(empty_room):
    """A passkey that is known already is not taken a second time, and one that was removed opens nothing."""
    first, second, browser = SoftPasskey(ORIGIN), SoftPasskey(ORIGIN), empty_room.stranger()
    keep(browser, welcomed(empty_room, first))
    assert 400 == welcomed(empty_room, first, "bob").status_code

    known = options_of(browser, "/me/passkeys/challenge")
    assert 1 == len(known["excludeCredentials"])
    browser.post("/me/passkeys", {"credential": second.made(known)})
    ids = re.findall(r"/me/passkeys/(\d+)/remove", browser.get("/me").text)
    assert 2 == len(ids)
    browser.post(f"/me/passkeys/{ids[0]}/remove")
    browser.post(f"/me/passkeys/{ids[1]}/remove")

    assert 401 == sign_in(empty_room.stranger(), first).status_code
    assert 303 == sign_in(empty_room.stranger(), second).status_code


def test_sessions_end(empty_room):
    """Without use after 15 minutes, in any case after 12 hours, at sign-out at once; refreshing pages are no use."""
    clock, browser = empty_room.clock, empty_room.browser("viewer")
    for _ in range(3):
        clock.advance(14 * 60)
        assert 200 == browser.get("/").status_code
    for _ in range(2):
        clock.advance(8 * 60)
        browser.get("/", **{"X-Redress-Live": "1"})
    assert 303 == browser.get("/").status_code
    assert 401 == browser.get("/", **{"X-Redress-Live": "1"}).status_code

    long = empty_room.browser("viewer")
    for _ in range(51):
        clock.advance(14 * 60)
        assert 200 == long.get("/").status_code
    clock.advance(14 * 60)
    assert 303 == long.get("/").status_code

    left = empty_room.browser("viewer")
    answer = left.post("/sign-out")
    assert f"{COOKIE}=;" in answer.headers["Set-Cookie"]
    assert 303 == left.get("/").status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_the_cookie(empty_room):
    """256 bits that only the server can read, new at each sign-in; the ledger keeps a digest."""
    passkey, browser = SoftPasskey(ORIGIN), empty_room.stranger()
    keep(browser, welcomed(empty_room, passkey))
    before = browser.secret

    answer = sign_in(browser, passkey)

    cookie = answer.headers["Set-Cookie"]
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert cookie.startswith("__Host-")
    assert 43 == len(browser.secret)
    assert before != browser.secret
    old = empty_room.stranger()
    old.secret = before
    assert 303 == old.get("/").status_code
    with empty_room.people.read() as connection:
        for row in connection.execute(select(operator_sessions)):
            assert browser.secret not in str(row)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_others_sessions(empty_room):
    """One ends one's own other sessions, an admin everybody's; nobody else's are there to be ended."""
    one, two, other = (empty_room.browser("viewer", name) for name in ("ada", "ada", "bob"))
    ids = re.findall(r"/me/sessions/(\d+)/end", two.get("/me").text)
    assert 1 == len(ids)
    assert 404 == other.post(f"/me/sessions/{ids[0]}/end").status_code
    two.post(f"/me/sessions/{ids[0]}/end")
    assert 303 == one.get("/").status_code

    empty_room.browser("admin").post("/operators/ada/sign-out")
    assert 303 == two.get("/").status_code
    assert 200 == other.get("/").status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "cases",
        "/a\nb",
    ],
)
def test_nobody_is_led_away(empty_room, target):
    """After signing in one is at a page of ours, whatever a link said."""
    [code, *_] = empty_room.codes(empty_room.person("viewer", "ada"))
    form = {"name": "ada", "code": code, "next": target}

    answer = empty_room.stranger().post("/sign-in/code", form)

    assert (303, "/") == (answer.status_code, answer.headers["Location"])


def test_guessing(empty_room):
    """After ten wrong attempts an address is let in no more for ten minutes, though it then has the right code."""
    codes = empty_room.codes(empty_room.person("viewer", "ada"))
    guesser = empty_room.stranger()
    wrong = [
        guesser.post("/sign-in/code", {"name": f"name-{number}", "code": "wrong"})
        for number in range(SIGN_IN_ATTEMPTS_MAX)
    ]
    right = {"name": "ada", "code": codes[0]}
    late = guesser.post("/sign-in/code", right)

    assert {401} == {answer.status_code for answer in wrong}
    assert (429, "600") == (late.status_code, late.headers["Retry-After"])
    elsewhere = empty_room.stranger()
    elsewhere.address = "127.0.0.2"
    assert 303 == elsewhere.post("/sign-in/code", right).status_code
    empty_room.clock.advance(601)
    assert 303 == guesser.post("/sign-in/code", {"name": "ada", "code": codes[1]}).status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_guessing_ten_thousand_times(empty_room):
    """Of 10,000 guesses ten are judged; the others are all answered alike, and write nothing."""
    guesser = empty_room.stranger()
    answers = [
        guesser.post("/sign-in/code", {"name": "ada", "code": f"wrong-{number}"})
        for number in range(10_000)
    ]

    assert [401] * 10 + [429] * 9_990 == [answer.status_code for answer in answers]
    assert 1 == len({answer.text for answer in answers[10:]})
    with empty_room.people.read() as connection:
        assert 10 == len(connection.execute(select(audit.c.id)).all())


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_guessing_one_persons_code_from_everywhere(empty_room):
    """A name takes ten wrong codes, wherever they come from; its passkey goes on working."""
    passkey = SoftPasskey(ORIGIN)
    welcomed(empty_room, passkey)
    for number in range(SIGN_IN_ATTEMPTS_MAX):
        stranger = empty_room.stranger()
        stranger.address = f"127.0.1.{number}"
        form = {"name": "ada", "code": "wrong"}
        assert 401 == stranger.post("/sign-in/code", form).status_code
    last = empty_room.stranger()
    last.address = "127.0.2.1"

    assert 429 == last.post("/sign-in/code", {"name": "ada", "code": "wrong"}).status_code
    assert 303 == sign_in(last, passkey).status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_names_cannot_be_found_out(empty_room):
    """A wrong code of somebody who is here and of nobody is answered by the same page in the same time."""
    empty_room.codes(empty_room.person("viewer", "ada"))
    took, pages = {"ada": [], "nobody": []}, set()
    for number in range(60):
        for name, times in took.items():
            stranger = empty_room.stranger()
            stranger.address = f"127.0.{number}.{len(name)}"
            empty_room.clock.advance(61)
            began = time.perf_counter()
            pages.add(stranger.post("/sign-in/code", {"name": name, "code": "wrong"}).text)
            times.append(time.perf_counter() - began)

    # The quickest of each: what a busy machine adds is no difference between them.
    ada, nobody = (min(times) for times in took.values())
    assert 1 == len(pages)
    assert abs(ada - nobody) < 0.005


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_challenges_do_not_fill_the_table(empty_room):
    """Anybody may ask for a challenge; a thousand are open at most, and those that are over go."""
    stranger = empty_room.stranger()
    statuses = [stranger.post("/sign-in/challenge").status_code for _ in range(1_002)]
    assert [200] * 1_000 + [429] * 2 == statuses
    empty_room.clock.advance(301)
    assert 200 == stranger.post("/sign-in/challenge").status_code
    with empty_room.people.read() as connection:
        assert (
            1
            == connection.execute(select(func.count()).select_from(sign_in_challenges)).scalar_one()
        )


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_links_end(empty_room):
    """A link is over after a day, with a newer one for the same person, and with the person's removal."""
    first, second = invited(empty_room), invited(empty_room)
    stranger, admin = empty_room.stranger(), empty_room.browser("admin")
    assert 404 == stranger.get(first).status_code
    assert 200 == stranger.get(second).status_code
    admin.post("/operators/ada/remove")
    assert 404 == stranger.get(second).status_code
    third = invited(empty_room, "bob")
    empty_room.clock.advance(86_400)
    assert 404 == stranger.get(third).status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_inviting_in_the_dashboard(empty_room):
    """An admin gets a link for somebody new; names are checked, and nobody comes back under an old one."""
    admin = empty_room.browser("admin")
    page = admin.post("/operators/invite", {"name": "Ada", "role": "viewer"})
    link = re.search(r"http://localhost:8001(/welcome/[\w-]+)", page.text)[1]
    assert 200 == empty_room.stranger().get(link).status_code

    for form in ({"name": "no spaces", "role": "viewer"}, {"name": "ada", "role": "admin"}):
        assert "/operators" == path_of(admin.post("/operators/invite", form))
    assert 400 == admin.post("/operators/invite", {"name": "x", "role": "owner"}).status_code
    admin.post("/operators/ada/remove")
    assert "/operators" == path_of(
        admin.post("/operators/invite", {"name": "ada", "role": "viewer"})
    )


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_everything_is_audited(empty_room):
    """Coming in, signing in and out, wrong attempts, codes and passkeys: each has its entry with all six fields."""
    passkey, browser = SoftPasskey(ORIGIN), empty_room.stranger()
    keep(browser, welcomed(empty_room, passkey))
    sign_in(browser, passkey)
    sign_in(empty_room.stranger(), passkey, origin=ELSEWHERE)
    browser.post("/me/codes")
    browser.post("/sign-out")

    with empty_room.people.read() as connection:
        entries = connection.execute(select(audit).order_by(audit.c.id)).all()
        assert (
            20 == connection.execute(select(func.count()).select_from(recovery_codes)).scalar_one()
        )
    assert [
        "passkey.added",
        "operator.came_in",
        "operator.signed_in",
        "operator.signed_in",
        "sign_in.refused",
        "recovery_codes.made",
        "operator.signed_out",
    ] == [entry.action for entry in entries]
    for entry in entries:
        assert all(
            (entry.actor, entry.action, entry.at_ms, entry.result, entry.origin, entry.object)
        )


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_the_doors_are_shut_without_a_database(empty_room):
    """Where attempts cannot be counted nobody is let in, and the page says that it is the database."""
    empty_room.people.close()
    path = empty_room.people.engine.url.database
    with open(path, "r+b") as file:  # noqa: PTH123 -- spoilt on purpose
        file.write(b"no database at all, whatever its name is")

    answer = empty_room.stranger().post("/sign-in/code", {"name": "ada", "code": "wrong"})

    assert 503 == answer.status_code
    assert "database does not answer" in text_of(answer)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_who_begins_anew(empty_room):
    """A second link for the same person: once it is used, lost passkeys, codes and sessions open nothing any more."""
    lost, new, browser = SoftPasskey(ORIGIN), SoftPasskey(ORIGIN), empty_room.stranger()
    old_codes = codes_on(welcomed(empty_room, lost))
    sign_in(browser, lost)
    link = invited(empty_room)
    assert 200 == browser.get("/").status_code

    made = new.made(options_of(empty_room.stranger(), f"{link}/challenge"))
    empty_room.stranger().post(f"{link}/passkey", {"credential": made})

    assert 303 == browser.get("/").status_code
    assert 401 == sign_in(empty_room.stranger(), lost).status_code
    form = {"name": "ada", "code": old_codes[0]}
    assert 401 == empty_room.stranger().post("/sign-in/code", form).status_code
    assert 303 == sign_in(empty_room.stranger(), new).status_code


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_wrong_passkey_uses_no_link_up(empty_room):
    """Whose browser fails at the door tries again with the same link, and what failed left no key."""
    link, passkey = invited(empty_room), SoftPasskey(ORIGIN)
    options = options_of(empty_room.stranger(), f"{link}/challenge")
    wrong = passkey.made(options, origin=ELSEWHERE)
    assert 400 == empty_room.stranger().post(f"{link}/passkey", {"credential": wrong}).status_code
    assert 401 == sign_in(empty_room.stranger(), passkey).status_code

    made = passkey.made(options_of(empty_room.stranger(), f"{link}/challenge"))
    assert 200 == empty_room.stranger().post(f"{link}/passkey", {"credential": made}).status_code
