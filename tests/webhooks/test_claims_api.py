"""Credits asked back over the product API: kept once with their evidence, each wrong field named, judged by a worker."""

import pytest

from ledger.credit_claims import settle_claim
from ledger.credit_decisions import append_credit_decision
from ledger.states import ClaimState
from policy.credit_losses import CreditClaim, CreditLoss
from policy.credit_restoration import decide_restoration
from policy.terms_file import load_terms
from tests.fakes.credit_claims import claim_now
from tests.fakes.frozen_clock import NOON_MS, FrozenClock
from tests.webhooks.test_product_api import CUSTOMER, NOON, Caller

PATH = "/api/credits/claims"


@pytest.fixture
def call(store):
    """Calls on a fresh ledger, on each engine in turn."""
    return Caller(store, FrozenClock())


def asked(**changes):
    """One claim: ten credits of a generation that failed."""
    return {
        "key": "gen_1",
        "customer_id": CUSTOMER,
        "loss": "failed",
        "credits": 10,
        "at": NOON,
        "reference": "gen_1",
        "evidence": "out of memory, log line 7",
        "our_fault": True,
    } | changes


def fields_of(refused):
    """The fields that an answer names."""
    return [one["field"] for one in refused.json["error"]["fields"]]


def test_claim(call):
    """A claim is kept with its evidence, rung for once, and can be asked for; another under its key is refused."""
    first = call("POST", PATH, asked())
    again = call("POST", PATH, asked())
    other = call("POST", PATH, asked(credits=11))
    number = first.json["claim_id"]
    shown = call("GET", f"{PATH}/{number}")
    claim = claim_now(call.store, number)

    assert (202, 202, 409, 200) == tuple(one.status_code for one in (first, again, other, shown))
    waiting = {"claim_id": number, "state": "waiting", "note": None, "decision": None}
    assert waiting == first.json == again.json == shown.json
    assert [("workers.jobs.judge_claim", number)] == call.bells.rung
    assert ("api:gen_1", CUSTOMER, CreditLoss.FAILED, 10, NOON, "gen_1", True, None) == (
        claim.key,
        claim.customer_id,
        claim.loss,
        claim.credits,
        claim.at,
        claim.reference,
        claim.our_fault,
        claim.documented,
    )
    assert "out of memory, log line 7" == claim.evidence


def test_what_is_not_known(call):
    """Whose fault it was, and how many are shown, may be left open."""
    lost = asked(loss="lost", documented=7, our_fault=None)
    number = call("POST", PATH, lost).json["claim_id"]
    claim = claim_now(call.store, number)

    assert (7, None) == (claim.documented, claim.our_fault)


def test_decided_claim(call):
    """A decided claim tells its verdict, the credits that come back, and the clauses."""
    number = call("POST", PATH, asked()).json["claim_id"]
    facts = CreditClaim(
        loss=CreditLoss.FAILED, claimed=10, documented=8, our_fault=True, restored=0
    )
    with call.store.write() as connection:
        append_credit_decision(
            connection,
            claim_id=number,
            decision=decide_restoration(facts, load_terms()),
            mode="enforce",
            now_ms=NOON_MS,
        )
        settle_claim(connection, number, ClaimState.RESTORED, NOON_MS, "fewer are shown")
    told = call("GET", f"{PATH}/{number}").json

    assert ("restored", "fewer are shown") == (told["state"], told["note"])
    assert ("approve", 8, ["PART-CREDITS"]) == tuple(
        told["decision"][name] for name in ("verdict", "credits", "clauses")
    )


@pytest.mark.parametrize(
    "missing", ["key", "customer_id", "loss", "credits", "at", "reference", "evidence"]
)
def test_missing_fields(call, missing):
    """What failed, when, whose, how many, the reference and the evidence: each that is missing is named."""
    body = asked()
    del body[missing]
    refused = call("POST", PATH, body)

    assert (422, [missing]) == (refused.status_code, fields_of(refused))


def test_everything_missing(call):
    """All that is missing is named at once."""
    assert 7 == len(fields_of(call("POST", PATH, {})))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "k" * 197),
        ("customer_id", "a\nb"),
        ("loss", "stolen"),
        ("credits", 0),
        ("credits", "10"),
        ("credits", 10**9 + 1),
        ("at", NOON + 3600),
        ("at", -1),
        ("reference", " "),
        ("evidence", ""),
        ("evidence", " \n"),
        ("evidence", "e" * 4001),
        ("evidence", "\x00"),
        ("our_fault", "yes"),
        ("documented", -1),
        ("documented", 5),
        ("colour", "red"),
    ],
)
def test_wrong_fields(call, field, value):
    """A wrong field is named, nothing is kept, and no answer repeats what was sent."""
    refused = call("POST", PATH, asked(**{field: value}))
    after = call("POST", PATH, asked())

    assert (422, [field]) == (refused.status_code, fields_of(refused))
    assert 202 == after.status_code


@pytest.mark.parametrize("number", ["7", "0", "x", "9" * 30, "-1"])
def test_unknown_claim(call, number):
    """A claim that does not exist is not found, however it is written."""
    assert 404 == call("GET", f"{PATH}/{number}").status_code


@pytest.mark.parametrize(("method", "path"), [("POST", PATH), ("GET", f"{PATH}/1")])
def test_wrong_token(call, method, path):
    """Without a token nothing is taken and nothing told."""
    assert 401 == call(method, path, asked() if method == "POST" else None, token="").status_code
