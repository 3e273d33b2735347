"""`redress cases`: the queue by its deadlines, and what people rule in it."""

import json
from datetime import date

import pytest
from sqlalchemy import select

from ledger.approvals import Approval, drop_approval, write_approval
from ledger.audit_log import entries_about
from ledger.cases import REFUND_REQUEST, case_by_id, move_case, open_case
from ledger.credit_claims import settle_claim
from ledger.credits import grant_credits
from ledger.notice_tables import notices
from ledger.notices import notice_of_row
from ledger.refund_requests import NewRequest, request_by_id, settle_request, write_request
from ledger.states import CaseState, ClaimState, RequestState
from policy.money import Money
from policy.request_facts import Reason
from tests.fakes.credit_claims import put_claim
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put_charge
from workers.notice_words import words_of

DAY_MS = 86_400_000
WHY = ("--reason", "goodwill")


@pytest.fixture
def world(redress, databases):
    """The command line and the store on its database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


@pytest.fixture
def case_id(world):
    """A case in review about a payment of 10.00 USD, with a request behind it."""
    _, store = world
    with store.write() as connection:
        put_charge(connection, "ch_1", customer_id="cus_1")
        case = opened(connection, "ch_1", NOON_MS + DAY_MS)
        asked = NewRequest(
            key="k1",
            email="ada@example.com",
            purchase_date=date(2026, 1, 31),
            product="p",
            reasons=(Reason.FAILURE,),
            asked_at=NOON_MS // 1000,
        )
        request_id, _ = write_request(connection, asked, NOON_MS)
        request = request_by_id(connection, request_id)
        settle_request(connection, request, RequestState.JUDGED, NOON_MS, case_id=case)
    return case


def opened(connection, charge_id, due_ms):
    """A new case in review."""
    return open_case(
        connection,
        kind=REFUND_REQUEST,
        charge_id=charge_id,
        kept_charge_id=None,
        customer_id="cus_1",
        now_ms=NOON_MS,
        due_ms=due_ms,
    ).case_id


def standing(store, case_id):
    """The case as it stands."""
    with store.read() as connection:
        return case_by_id(connection, case_id)


def test_nothing_yet(world):
    """An empty queue says where else to look."""
    redress, _ = world

    assert "refunded" in redress("cases", "list").stdout
    assert {"cases": []} == redress.json("cases", "list")


def test_what_a_case_is_about_fits(world):
    """The list names the kind without the id behind it, so that it fits a terminal; machines get both."""
    redress, store = world
    with store.write() as connection:
        open_case(
            connection,
            kind="dispute:du_SOVCIcWo5OshpNRgeGKynLas",
            charge_id="ch_1",
            kept_charge_id=None,
            customer_id="cus_1",
            now_ms=NOON_MS,
        )

    shown = redress("cases", "list").stdout

    assert " dispute " in shown
    assert "du_SOV" not in shown
    (found,) = redress.json("cases", "list")["cases"]
    assert "dispute:du_SOVCIcWo5OshpNRgeGKynLas" == found["kind"]


def test_queue(world, case_id):
    """What is due first is on top, what is late is said to be, and what is done is left out."""
    redress, store = world
    with store.write() as connection:
        late = opened(connection, "ch_2", NOON_MS - DAY_MS)
        done = opened(connection, "ch_3", NOON_MS - DAY_MS)
        move_case(connection, done, CaseState.CLOSED, note=None, now_ms=NOON_MS)
    told = redress.json("cases", "list")["cases"]
    shown = redress("cases", "list").stdout

    assert [(late, True), (case_id, False)] == [(one["case_id"], one["overdue"]) for one in told]
    assert "1 d 0 h late" in shown
    assert all(len(line) <= 100 for line in shown.splitlines())


def test_shown(world, case_id):
    """One case tells its requests and what can be done; its JSON has all of it."""
    redress, _ = world
    shown = redress("cases", "show", case_id).stdout
    told = redress.json("cases", "show", case_id)

    assert "Asked for by request" in shown
    assert "cases approve" in shown
    assert (1, 0) == (len(told["request_ids"]), told["appeals"])
    assert 1 == redress("cases", "show", 99).exit_code


@pytest.mark.parametrize(("amount", "minor"), [("2.50", 250), ("all", 1000), (" 10 ", 1000)])
def test_approved(world, case_id, amount, minor):
    """An approval reserves exactly the amount, and the audit log keeps who and why."""
    redress, store = world
    told = redress.json("cases", "approve", case_id, "--amount", amount, *WHY)

    assert ("approve", minor, "usd") == (told["verdict"], told["amount_minor"], told["currency"])
    assert 1 == len(told["intents"])
    assert CaseState.REFUNDING is standing(store, case_id).state
    with store.read() as connection:
        (entry,) = entries_about(connection, f"case:{case_id}")
    assert ("cases.approve", "goodwill") == (entry.action, entry.detail)


@pytest.mark.parametrize(
    ("amount", "code", "says"),
    [
        ("10.01", 1, "more than the 10.00 USD"),
        ("2.505", 2, "2 decimals"),
        ("0", 2, "2 decimals"),
        ("-1", 2, "2 decimals"),
        ("nan", 2, "2 decimals"),
        ("much", 2, "12.50"),
        ("1e99999", 2, "2 decimals"),
    ],
)
def test_amount_that_is_none(world, case_id, amount, code, says):
    """An amount that cannot be sent is refused with the reason, and nothing is changed."""
    redress, store = world
    ran = redress("cases", "approve", case_id, f"--amount={amount}", *WHY)

    assert (code, True) == (ran.exit_code, says in ran.stderr)
    assert CaseState.REVIEW is standing(store, case_id).state


def test_observed(world, case_id):
    """In observe mode an approval says that nothing is sent."""
    redress, _ = world
    ran = redress("cases", "approve", case_id, "--amount", "1", *WHY, REDRESS_MODE="observe")

    assert "observe mode" in ran.stdout


def test_denied(world, case_id):
    """A denial closes the case."""
    redress, store = world
    ran = redress("cases", "deny", case_id, *WHY)

    assert (0, True) == (ran.exit_code, "nothing goes back" in ran.stdout)
    assert CaseState.CLOSED is standing(store, case_id).state


def test_appeals(world, case_id):
    """The first appeal is judged again with the facts that came with it, the second is a person's."""
    redress, store = world
    redress("cases", "deny", case_id, *WHY)
    first = redress("cases", "appeal", case_id, "--fact", "used=3", *WHY)
    with store.read() as connection:
        request = request_by_id(connection, 1)
    second = redress("cases", "appeal", case_id, *WHY)

    assert "judged again" in first.stdout
    assert (RequestState.WAITING, {"used": 3}) == (request.state, dict(request.stated))
    assert "a person decides" in second.stdout
    assert (CaseState.REVIEW, 2) == (
        standing(store, case_id).state,
        standing(store, case_id).appeals,
    )


@pytest.mark.parametrize("command", ["approve", "deny", "appeal"])
def test_reason_and_case_are_needed(world, case_id, command):
    """Without a reason nothing is ruled, and a case that does not exist is named."""
    redress, _ = world
    amount = ("--amount", "1") if command == "approve" else ()
    without = redress("cases", command, case_id, *amount)
    nowhere = redress("cases", command, 99, *amount, *WHY)

    assert (2, True) == (without.exit_code, "--reason" in without.stderr)
    assert (1, True) == (nowhere.exit_code, "99" in nowhere.stderr)


def test_nobody_asked(world):
    """A case that no request is about is ruled on, not appealed."""
    redress, store = world
    with store.write() as connection:
        put_charge(connection, "ch_9")
        other = opened(connection, "ch_9", None)
    ran = redress("cases", "appeal", other, *WHY)

    assert (1, True) == (ran.exit_code, "no request is about" in ran.stderr)


def test_usage_told_late(world, case_id):
    """Credits that were used before the decision and told after it stand beside the case; its state stays."""
    redress, store = world
    redress("cases", "deny", case_id, *WHY)
    before = redress.json("cases", "show", case_id)["late_credits"]
    with store.write() as connection:
        grant_credits(
            connection,
            key="g",
            customer_id="cus_1",
            credits=100,
            at=0,
            expires_at=None,
            source="ch_1",
            now_ms=NOON_MS,
        )
    redress("credits", "use", "cus_1", 12, "--key", "late", "--at", "1h", *WHY)
    told = redress.json("cases", "show", case_id)
    shown = redress("cases", "show", case_id).stdout

    assert (0, 12, "closed") == (before, told["late_credits"], told["state"])
    assert "12 credits that were used before a decision were told after it." in shown
    assert "credits.told_late" in [entry["action"] for entry in told["audit"]]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(("deny",), "the <b>log</b> says so", id="denied"),
        pytest.param(("approve", "--amount", "1"), None, id="approved"),
    ],
)
def test_what_the_customer_reads(world, case_id, line, told):
    """A denial's reason is in the customer's e-mail, escaped in HTML; an approval's is not."""
    redress, store = world
    command, *more = line
    redress("cases", command, case_id, *more, "--reason", "the <b>log</b> says so")
    with store.read() as connection:
        (row,) = connection.execute(select(notices)).all()
    words = words_of(notice_of_row(row))

    assert told == json.loads(row.content)["explanation"]
    assert (told is not None) == ("the <b>log</b> says so" in words.plain)
    assert (told is not None) == ("the &lt;b&gt;log&lt;/b&gt; says so" in words.html)


def test_claims_that_wait(world):
    """Who looks at the queue learns of credits that wait for a person as well."""
    redress, store = world
    before = redress("cases", "list").stdout
    claim = put_claim(store)
    with store.write() as connection:
        settle_claim(connection, claim.claim_id, ClaimState.REVIEW, NOON_MS)

    assert "claims list" not in before
    assert "1 claim of credits to be judged as well" in redress("cases", "list").stdout
    assert {"cases": []} == redress.json("cases", "list")


@pytest.fixture
def large(world):
    """A case about a payment of 900.00 USD."""
    _, store = world
    with store.write() as connection:
        put_charge(connection, "ch_large", amount_minor=90_000, captured_minor=90_000)
        return opened(connection, "ch_large", NOON_MS + DAY_MS)


def test_a_large_amount_needs_a_second_person(world, large):
    """One person's approval says what is missing, is shown, audited, and pays nothing; it cannot be given twice."""
    redress, store = world

    said = redress("cases", "approve", large, "--amount", "600", *WHY).stdout
    again = redress("cases", "approve", large, "--amount", "600", *WHY)
    shown = redress("cases", "show", large).stdout

    assert "nothing goes back yet" in said
    assert "a second person has to" in again.stderr
    assert "approved 600.00 USD (goodwill)" in shown
    waits = redress.json("cases", "show", large)["waits_for_second_person"]
    assert (60_000, "goodwill") == (waits["amount_minor"], waits["reason"])
    with store.read() as connection:
        assert ["waits for a second person"] == [
            entry.result for entry in entries_about(connection, f"case:{large}")
        ]


def test_second_person_by_the_command(world, large):
    """What somebody else approved before is paid by the same words of this user; a denial ends it."""
    redress, store = world
    for amount_minor in (60_000, 70_000):
        with store.write() as connection:
            drop_approval(connection, large, NOON_MS)
            write_approval(
                connection,
                Approval(
                    case_id=large,
                    decision_id=0,
                    amount=Money(amount_minor=amount_minor, currency="usd"),
                    keeps_credits=False,
                    keeps_subscription=False,
                    actor="somebody else",
                    reason="sent logs",
                    made_ms=NOON_MS,
                ),
            )
    other = redress.json("cases", "approve", large, "--amount", "600", *WHY)
    denied = redress("cases", "deny", large, *WHY)

    assert "waits_for_second_person" in other
    assert 0 == denied.exit_code
    assert redress.json("cases", "show", large)["waits_for_second_person"] is None


def test_threshold_is_a_setting(world, large):
    """REDRESS_SECOND_PERSON says from which amount on; below it one person is enough."""
    redress, _ = world

    said = redress.json(
        "cases", "approve", large, "--amount", "600", *WHY, REDRESS_SECOND_PERSON="*=60001"
    )

    assert ("approve", 60_000) == (said["verdict"], said["amount_minor"])
