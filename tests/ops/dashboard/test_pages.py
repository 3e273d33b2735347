"""What pages show and what their forms do, over a month that was sold, told and worked on."""

import re

import pytest
from sqlalchemy import insert, select, update

from ledger.audit_log import record
from ledger.states import EventState
from ledger.stripe_tables import charges, disputes
from ledger.tables import audit, cases, events, refund_intents
from tests.fakes.ledger_rows import new_event, put
from tests.ops.dashboard.dashboard_room import path_of, text_of

HOSTILE = "<script>alert('x')</script>\"'`{{ 7*7 }}&amp;"


def links_of(page):
    """Every address of ours that a page leads to."""
    return {link for link in re.findall(r'href="(/[^"#]*)"', page.text) if "static" not in link}


def first_row(room, query):
    """What a query finds first."""
    with room.people.read() as connection:
        return connection.execute(query).scalar()


def test_every_link_leads_somewhere(room):
    """Whoever follows every link of every page meets no page that is broken."""
    admin = room.browser("admin")
    seen, waiting = set(), ["/"]
    while waiting and len(seen) < 400:
        path = waiting.pop(0).replace("&amp;", "&")
        if path in seen:
            continue
        seen.add(path)
        page = admin.get(path)
        assert page.status_code in (200, 303), (path, text_of(page)[:200])
        # Of customers there are ids alone; whoever works here is no customer.
        assert not re.search(
            r"[\w.+-]+@[\w-]+\.\w+|4242424242424242|\bwhsec_|sk_test_", page.text
        ), path
        waiting += sorted(links_of(page))

    kinds = {path.split("?")[0].split("/")[1] for path in seen}
    assert {"events", "cases", "refunds", "disputes", "accounts", "queues", "terms"} <= kinds


def test_a_case_explains_itself(room):
    """Every clause of every decision stands on the page with the values that it compared."""
    viewer = room.browser("viewer")
    with room.people.read() as connection:
        found = connection.execute(select(cases)).all()
    for case in found:
        said = text_of(viewer.get(f"/cases/{case.id}"))
        assert case.charge_id in said
        assert "Clause Comes out Compared" in said
    refunded = next(case for case in found if case.state == "refunded")
    intent = first_row(
        room, select(refund_intents.c.id).where(refund_intents.c.case_id == refunded.id)
    )
    assert intent in text_of(viewer.get(f"/cases/{refunded.id}"))


@pytest.mark.parametrize(
    ("typed", "leads_to"),
    [
        ("#1", "/cases/1"),
        ("1", "/cases/1"),
        ("{event}", "/events/named/"),
        ("{charge}", "/refunds/charges/"),
        ("{customer}", "/accounts/"),
        ("{dispute}", "/disputes/"),
        ("{intent}", "/cases/"),
        ("{refund}", "/cases/"),
        ("sub_1", "/events?subscription=sub_1"),
    ],
)
def test_search(room, typed, leads_to):
    """Any id of Stripe's or of ours leads to its page."""
    known = {
        "event": select(events.c.event_id),
        "charge": select(charges.c.charge_id),
        "customer": select(cases.c.customer_id).where(cases.c.customer_id.is_not(None)),
        "dispute": select(disputes.c.dispute_id),
        "intent": select(refund_intents.c.id),
        "refund": select(refund_intents.c.refund_id).where(refund_intents.c.refund_id.is_not(None)),
    }
    text = typed.format(**{name: first_row(room, query) for name, query in known.items()})

    answer = room.browser("viewer").get(f"/search?q={text.replace('#', '%23')}")

    assert path_of(answer).startswith(leads_to)


def test_pages_of_events(room):
    """Page after page shows every event once, the newest first."""
    viewer, path, found = room.browser("viewer"), "/events", []
    while path:
        page = viewer.get(path)
        found += [int(row) for row in re.findall(r'class="id" href="/events/(\d+)"', page.text)]
        older = re.search(r'href="(/events\?[^"]+)" rel="next"', page.text)
        path = older and older[1].replace("&amp;", "&")

    with room.people.read() as connection:
        rows = list(connection.execute(select(events.c.id).order_by(events.c.id.desc())).scalars())
    assert rows == found


def test_a_body_on_request(room):
    """A body is shown without personal data; with them to those who may let money move, and that it was is written down."""
    with room.people.read() as connection:
        bodies = connection.execute(select(events.c.id, events.c.payload)).all()
    row_id = next(row.id for row in bodies if b"@" in row.payload)
    masked = room.browser("viewer").get(f"/events/{row_id}")
    assert "[masked]" in masked.text
    assert "@" not in text_of(masked)
    assert 403 == room.browser("operator").post(f"/events/{row_id}/payload").status_code

    said = text_of(room.browser("approver", "ada").post(f"/events/{row_id}/payload"))

    assert "Body, with personal data" in said
    assert "@" in said
    entry = first_row(room, select(audit.c.detail).where(audit.c.action == "event.payload_shown"))
    assert f"row {row_id}, with personal data" == entry


def test_personal_data_stay_away(room):
    """No page shows an address, a name or a card of a customer, but the evidence that somebody asks for."""
    admin = room.browser("admin")
    dispute = first_row(room, select(disputes.c.dispute_id))
    pages = ["/", "/events", "/cases", "/refunds", "/disputes", f"/disputes/{dispute}", "/audit"]
    with room.people.read() as connection:
        pages += [f"/cases/{row}" for row in connection.execute(select(cases.c.id)).scalars()]
        pages += [
            f"/events/{row}" for row in connection.execute(select(events.c.id).limit(50)).scalars()
        ]
    for path in pages:
        assert "@" not in text_of(admin.get(path)).replace("@media", ""), path

    assert "personal data" in text_of(admin.post(f"/disputes/{dispute}/evidence"))
    assert dispute == first_row(
        room, select(audit.c.object).where(audit.c.action == "disputes.evidence")
    )


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_hostile_texts(empty_room):
    """Whatever somebody manages to write into a note, a reason, an id or a filter, it is text on every page."""
    with empty_room.people.write() as connection:
        put(connection, events, **_event(new_event("evt_1", note=HOSTILE), HOSTILE))
        put(
            connection,
            cases,
            kind=HOSTILE,
            charge_id=HOSTILE,
            customer_id=HOSTILE,
            state="review",
            note=HOSTILE,
        )
        record(
            connection,
            at_ms=1,
            actor=HOSTILE,
            action=HOSTILE,
            object_id=HOSTILE,
            result=HOSTILE,
            origin=HOSTILE,
            detail=HOSTILE,
        )
    admin = empty_room.browser("admin")
    admin.post("/brake/on", {"reason": HOSTILE})
    quoted = "%3Cscript%3Ealert('x')%3C/script%3E%22{{ 7*7 }}"
    for path in (
        *("/", "/events", "/events/1", "/cases", "/cases/1", "/audit", "/brake", "/queues"),
        *(f"/events?object={quoted}", f"/audit?actor={quoted}", f"/search?q={quoted}"),
        *(f"/accounts/{quoted}", f"/events?type={quoted}", f"/sign-in?next={quoted}"),
    ):
        page = admin.get(path)
        assert "<script>alert" not in page.text, path
        assert "49" not in re.findall(r"alert\(.{0,60}", page.text), path
    assert "<script>alert('x')" in text_of(admin.get("/audit"))


def _event(event, text):
    """The row of an event whose texts are all hostile."""
    return {
        "event_id": event.event_id,
        "account": text,
        "livemode": False,
        "type": text,
        "kind": "event",
        "object_id": text,
        "lane": text,
        "created": event.created,
        "payload": event.payload,
        "sha256": "0" * 64,
        "source": text,
        "received_ms": 1,
        "state": EventState.PARKED.value,
        "note": text,
    }


def test_taking_and_putting_off(room):
    """A case that is taken is in its person's list, and one that is put off is away until then."""
    case_id = first_row(room, select(cases.c.id).where(cases.c.state == "review"))
    ada = room.browser("operator", "ada")
    ada.post(f"/cases/{case_id}/work", {"assignee": "ada", "days": "0"})
    assert f"#{case_id} " in text_of(ada.get("/cases?assignee=ada")) + " "
    assert f"#{case_id} " not in text_of(ada.get("/cases?assignee=nobody")) + " "

    ada.post(f"/cases/{case_id}/work", {"assignee": "ada", "days": "2"})
    assert f">#{case_id}<" not in ada.get("/cases").text
    assert f">#{case_id}<" in ada.get("/cases?snoozed=1").text
    room.clock.advance(2 * 86_400 + 1)
    ada = room.browser("operator", "ada")
    assert f">#{case_id}<" in ada.get("/cases").text

    for wrong in ({"assignee": "nobody-here", "days": "0"}, {"assignee": "", "days": "31"}):
        ada.post(f"/cases/{case_id}/work", wrong)
    assert 3 > len(ada.get("/audit?action=cases.work").text.split(f"case:{case_id}")) - 1 > 1


def test_two_people(room):
    """From the threshold on one approval pays nothing; the same person's second one neither; another's does."""
    world = room.wirings[""]
    with room.people.write() as connection:
        charge = connection.execute(
            select(charges).where(charges.c.refunded_minor == 0, charges.c.disputed.is_(False))
        ).first()
        threshold = world.settings.redress_second_person[charge.currency]
        connection.execute(
            update(charges)
            .where(charges.c.charge_id == charge.charge_id)
            .values(captured_minor=threshold, amount_minor=threshold)
        )
        case_id = connection.execute(
            insert(cases)
            .values(
                kind="refund_request",
                charge_id=charge.charge_id,
                customer_id=charge.customer_id,
                state="review",
                opened_ms=1,
                changed_ms=1,
            )
            .returning(cases.c.id)
        ).scalar_one()
    form = {"amount": "all", "reason": "goodwill"}
    ada, bob = room.browser("approver", "ada"), room.browser("approver", "bob")
    of_case = select(refund_intents.c.state).where(refund_intents.c.case_id == case_id)

    for _ in range(2):
        ada.post(f"/cases/{case_id}/approve", form)
        assert first_row(room, of_case) is None
    assert "ada approved" in text_of(bob.get(f"/cases/{case_id}"))
    bob.post(f"/cases/{case_id}/approve", form)

    assert "reserved" == first_row(room, of_case)


@pytest.mark.parametrize("amount", ["", "0", "-1", "1.234", "abc", "1e9", "10000000000000000000"])
def test_amounts_that_are_none(room, amount):
    """An amount that cannot be is refused with the rule, and nothing is ruled."""
    case_id = first_row(
        room,
        select(cases.c.id)
        .where(cases.c.state.in_(("review", "closed")))
        .order_by(cases.c.id.desc()),
    )
    ada = room.browser("approver", "ada")

    answer = ada.post(f"/cases/{case_id}/approve", {"amount": amount, "reason": "goodwill"})

    assert f"/cases/{case_id}" == path_of(answer)
    assert "__Host-redress-said=" in answer.headers["Set-Cookie"]
    assert (
        first_row(
            room,
            select(audit.c.id).where(
                audit.c.action == "cases.approve", audit.c.object == f"case:{case_id}"
            ),
        )
        is None
    )


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_empty_states_say_what_to_do(empty_room):
    """Before the first event every page opens and says what to do next."""
    admin = empty_room.browser("admin")
    for path in (
        "/events",
        "/cases",
        "/refunds",
        "/plan-changes",
        "/disputes",
        "/accounts",
        "/replays",
    ):
        page = admin.get(path)
        assert 200 == page.status_code
        assert 'class="empty"' in page.text, path
    assert "Nothing is lost" in text_of(admin.get("/queues"))


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(
    "path",
    [
        *(
            "/events?before=0",
            "/events?before=x",
            "/audit?before=99999999999999999999",
            "/events/9",
        ),
        *(
            "/cases?state=odd",
            "/cases?after=x",
            "/cases/999999999999999999999999",
            "/refunds?state=odd",
        ),
        *("/terms/1999-01-01", "/disputes/dp_none", "/queues/events/odd", "/queues/odd/ready"),
        *("/queues/events/ready?page=0", "/replays/plan", "/merchants/none/", "/nowhere"),
    ],
)
def test_bad_addresses(empty_room, path):
    """An address that means nothing is told so, as 400 or 404 and with a way out, and never as a failure."""
    answer = empty_room.browser("admin").get(path)

    assert answer.status_code in (400, 404)
    assert "Go to the overview" in text_of(answer)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_question_needs_an_address(empty_room):
    """Nobody is asked where no request is about the case."""
    with empty_room.people.write() as connection:
        put(connection, cases, kind="refund_request", charge_id="ch_1", state="review")
    ada = empty_room.browser("operator", "ada")

    said = said_next(ada, "/cases/1/ask", {"reason": "Which pictures?"})

    assert "No request with an address is about this case: nobody can be asked." in said


def said_next(browser, path, form):
    """What the page after a form says first."""
    answer = browser.post(path, form)
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    page = browser.client.open(
        path_of(answer),
        base_url="http://localhost:8001",
        headers={"Cookie": f"__Host-redress={browser.secret}; {cookie}"},
        buffered=True,
    )
    return text_of(page)
