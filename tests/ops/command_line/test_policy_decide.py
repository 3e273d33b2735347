"""`redress policy decide`: a decision from facts alone, and one sentence about facts that are none."""

import json

import pytest

from policy.duplicate_decisions import decide_duplicate
from policy.duplicate_findings import DuplicateKind, Finding, finding_to_json
from policy.payments import payment_to_json
from policy.request_decisions import decide_request
from policy.request_facts import IntakeField, Reason, request_to_json
from policy.terms_file import load_terms
from runtime.limits import FACT_NUMBER_MAX, FACTS_FILE_BYTES_MAX
from tests.ops.command_line.terms_drafts import VERSION, draft
from tests.policy.payment_histories import payment
from tests.policy.refund_requests import UNKNOWABLE, request

TERMS = load_terms()
FINDING = Finding(
    charge_id="ch_b",
    kept_charge_id="ch_a",
    kind=DuplicateKind.SAME_ORDER,
    confidence=100,
    compared={"order_reference": "O-1"},
)
DUPLICATE = {"finding": finding_to_json(FINDING), "payment": payment_to_json(payment("b"))}
FULL = request_to_json(request())
#: What cannot be unknown about a request.
LEAST = {
    "asked_at": FULL["asked_at"],
    "payment": {
        "charge_id": "ch_a",
        "created": FULL["payment"]["created"],
        "captured_minor": 4900,
        "refunded_minor": 0,
        "currency": "usd",
        "invoice_known": True,
        "dispute": "none",
        "disputed_minor": 0,
        "livemode": False,
    },
}


@pytest.fixture
def decide(bare_redress, tmp_path):
    """Decides on a value, or on a text, that stands in a file `facts.json`."""

    def run(facts, *args, command=bare_redress):
        path = tmp_path / "facts.json"
        text = facts if isinstance(facts, str | bytes) else json.dumps(facts)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return command("policy", "decide", path, *args)

    run.json = lambda facts, *args: run(facts, *args, command=bare_redress.json)
    return run


def written(decision):
    """What the command must print of a decision."""
    amount = decision.amount
    return {
        "verdict": decision.verdict.value,
        "amount": amount
        and {"minor": amount.amount_minor, "currency": amount.currency, "text": str(amount)},
        "clauses": [
            {
                "id": result.clause.value,
                "title": TERMS.title(result.clause),
                "holds": result.holds,
                "compared": result.compared,
            }
            for result in decision.clauses
        ],
        "terms_version": "2025-09-14",
        "undecided": list(decision.undecided),
        "credits": decision.credits and decision.credits.to_fields(),
    }


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        pytest.param(FULL, decide_request(request(), TERMS), id="a request"),
        pytest.param({"request": FULL}, decide_request(request(), TERMS), id="by its name"),
        pytest.param(
            request_to_json(request(used=50)), decide_request(request(used=50), TERMS), id="denied"
        ),
        pytest.param(
            request_to_json(request(used=None)),
            decide_request(request(used=None), TERMS),
            id="for a person",
        ),
        pytest.param(
            DUPLICATE, decide_duplicate(FINDING, payment("b"), TERMS), id="a duplicate charge"
        ),
    ],
)
def test_decides_as_the_policy_does(decide, facts, decision):
    """The decision is the policy's own, with each clause's title and what it compared."""
    assert written(decision) == decide.json(facts)


def test_standard_input(bare_redress):
    """`-` reads the facts from standard input."""
    ran = bare_redress("policy", "decide", "-", "--json", stdin=json.dumps(FULL).encode())

    assert written(decide_request(request(), TERMS)) == json.loads(ran.stdout)


def test_what_is_left_out_is_not_known(decide):
    """Keys that may be unknown can be left out: all that has to be named is, and no reason is given."""
    bare = request(
        {"pi": "-", "customer": "-", "card": "-", "live": False},
        asked_at=FULL["asked_at"],
        named=tuple(IntakeField),
        reasons=(),
        **UNKNOWABLE,
    )

    assert written(decide_request(bare, TERMS)) == decide.json(LEAST)
    assert decide.json(LEAST)["undecided"]


def test_a_finding_without_doubts(decide):
    """The doubts of a finding can be left out when there are none."""
    finding = {key: value for key, value in DUPLICATE["finding"].items() if key != "doubts"}

    assert "approve" == decide.json(DUPLICATE | {"finding": finding})["verdict"]


def test_no_finding(decide):
    """A payment that was cleared of suspicion has null for a finding, and is denied."""
    assert "deny" == decide.json(DUPLICATE | {"finding": None})["verdict"]


def test_an_early_fraud_warning(decide):
    """A warning is decided by what waiting costs; what is left out is not known, and asked for where it matters."""
    warning = {
        "payment": LEAST["payment"],
        "warning_id": "issfr_1",
        "fraud_type": "misc",
        "actionable": True,
        "warned_before": 0,
        "disputed_before": 0,
        "near_threshold": False,
    }

    assert "review" == decide.json({"warning": warning})["verdict"]
    known = decide.json({"warning": warning | {"liability_shifted": False, "used_percent": 100}})
    assert ("approve", 4900) == (known["verdict"], known["amount"]["minor"])
    told = decide({"warning": warning | {"liability_shifted": False}}).stdout
    assert "FRAUD-REFUND" in told


def test_other_terms(decide, tmp_path):
    """With --terms the named version decides, a draft by its path too."""
    named = draft(tmp_path, use_percent=3)

    found = decide.json(FULL, "--terms", named)

    assert ("deny", VERSION) == (found["verdict"], found["terms_version"])
    assert "approve" == decide.json(FULL, "--terms", "2025-09-14")["verdict"]


def test_an_approval_reads_well(decide):
    """The verdict and the amount come first, then why, each value in words and money."""
    shown = decide(FULL).stdout

    assert shown.startswith("approve: 47.28 USD goes back\n")
    assert "Terms of 2025-09-14, in force at the purchase." in shown
    assert "The subscription ends." in shown
    assert "USE-SUB holds: Little of the month's credits was used" in shown
    assert "purchased at  2026-09-21 " in shown
    assert "fee       1.72 USD" in shown


def test_a_review_reads_well(decide):
    """What a person has to decide comes last, after the clauses."""
    shown = decide(request_to_json(request(used=None, successful=None))).stdout

    assert shown.startswith("review: a person decides\n")
    assert shown.index("WINDOW holds") < shown.index("What is open:")
    assert "How many of the credits were used?" in shown


def test_a_denial_reads_well(decide, tmp_path):
    """A denial says so first; terms that were named are not called those in force."""
    shown = decide(FULL, "--terms", draft(tmp_path, use_percent=3)).stdout

    assert shown.startswith("deny: no money goes back\n")
    assert f"Terms of {VERSION}, as named." in shown


def test_a_moment_beyond_calendars(decide):
    """Seconds that no calendar reaches are shown as they are."""
    far = FULL | {"asked_at": FACT_NUMBER_MAX}

    assert str(FACT_NUMBER_MAX) in decide(far).stdout


def with_payment(**changes):
    return FULL | {"payment": FULL["payment"] | changes}


def without(facts, *keys):
    return {key: value for key, value in facts.items() if key not in keys}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        pytest.param("", "it is not JSON", id="nothing"),
        pytest.param("{", "it is not JSON", id="half an object"),
        pytest.param("[1]", "must hold a JSON object", id="a list"),
        pytest.param("null", "must hold a JSON object", id="null"),
        pytest.param(b'{"a": "\xff"}', "save it as UTF-8", id="bytes that are no text"),
        pytest.param("[" * 30_000, "nested too deeply", id="brackets without end"),
        pytest.param(
            FULL | {"plan": json.loads("[" * 80 + "]" * 80)}, "plan[0]", id="nested values"
        ),
        pytest.param(" " * (FACTS_FILE_BYTES_MAX + 1), "larger than 65536 bytes", id="too large"),
        pytest.param('{"used": 1, "used": 2}', "the key used stands twice", id="a repeated key"),
        pytest.param(FULL | {"used": 1.5}, "used is 1.5; write a whole number", id="a fraction"),
        pytest.param(
            json.dumps(FULL).replace('"used": 5', '"used": 5e0'), "used is 5e0", id="an exponent"
        ),
        pytest.param(
            json.dumps(with_payment()).replace('"captured_minor": 4900', '"captured_minor": NaN'),
            "payment.captured_minor is NaN",
            id="no number",
        ),
        pytest.param(FULL | {"used": FACT_NUMBER_MAX + 1}, "used is too large", id="2 to the 63"),
        pytest.param(
            json.dumps(FULL).replace('"used": 5', '"used": ' + "5" * 5000),
            "thousands of digits",
            id="5,000 digits",
        ),
        pytest.param(FULL | {"used": "5"}, "used must be a whole number", id="a text"),
        pytest.param(FULL | {"used": True}, "used must be a whole number", id="a truth"),
        pytest.param(FULL | {"used": -1}, "used must be a whole number of zero", id="less than 0"),
        pytest.param(FULL | {"used": 101}, "used is 101, but can be 100 at most", id="more used"),
        pytest.param(FULL | {"abuse": 0}, "abuse must be true or false", id="a zero"),
        pytest.param(FULL | {"usedd": 5}, "unknown keys: usedd", id="an unknown key"),
        pytest.param(
            {"request": FULL, "finding": None}, "unknown keys: request", id="two kinds of facts"
        ),
        pytest.param({"request": FULL, "more": 1}, "unknown keys: more", id="beside the request"),
        pytest.param({"request": 5}, "request must be an object", id="no request"),
        pytest.param({}, "request lacks keys: asked_at, payment", id="an empty object"),
        pytest.param(
            without(FULL, "payment"), "request lacks keys: payment", id="without a payment"
        ),
        pytest.param(FULL | {"payment": []}, "payment must be an object", id="a payment in a list"),
        pytest.param(with_payment(currency="USD"), "currency must be", id="capital letters"),
        pytest.param(
            FULL | {"payment": without(FULL["payment"], "dispute")},
            "payment lacks keys: dispute",
            id="a payment without its disputes",
        ),
        pytest.param(
            FULL | {"plan": "weekly"},
            "request.plan is 'weekly', but must be one of: pack, monthly, annual",
            id="another plan",
        ),
        pytest.param(FULL | {"plan": []}, "request.plan is []", id="a list for a plan"),
        pytest.param(
            FULL | {"reasons": ["cold"]}, "must be one of: changed_mind", id="another reason"
        ),
        pytest.param(FULL | {"reasons": "taste"}, "reasons must be a list", id="no list"),
        pytest.param(
            FULL | {"reasons": [Reason.TASTE] * 2}, "reasons names something twice", id="twice"
        ),
        pytest.param(
            with_payment(dispute="x" * 500), "request.payment.dispute is 'xxx", id="a long value"
        ),
        pytest.param(
            json.dumps(with_payment(charge_id="")).replace(
                '"charge_id": ""', '"charge_id": "\\ud800"'
            ),
            "payment.charge_id is no text",
            id="half a character",
        ),
        pytest.param(FULL | {"asked_at": 1}, "before the purchase", id="asked before"),
        pytest.param(
            DUPLICATE | {"payment": payment_to_json(payment("c"))},
            "the finding is about ch_b",
            id="another payment",
        ),
        pytest.param({"finding": None}, "lacks keys: payment", id="a finding alone"),
        pytest.param(DUPLICATE | {"finding": 5}, "finding must be an object", id="no finding"),
        pytest.param(
            DUPLICATE | {"finding": DUPLICATE["finding"] | {"kind": "twin"}},
            "finding.kind is 'twin'",
            id="another kind",
        ),
        pytest.param(
            DUPLICATE | {"finding": DUPLICATE["finding"] | {"compared": []}},
            "compared must be a dict",
            id="a list of compared values",
        ),
        pytest.param(FULL | {"used": "x" * 60_000}, "used must be", id="a value beyond measure"),
    ],
)
def test_refused_facts(decide, facts, said):
    """Facts that cannot be judged end with code 2 and one sentence with the file and the key."""
    ran = decide(facts)

    assert (2, "") == (ran.exit_code, ran.stdout)
    [sentence] = ran.stderr.splitlines()
    assert "facts.json" in sentence
    assert said in sentence
    assert len(sentence) < 800
    assert sentence.endswith("policy decide --help`.")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("none.json", "none.json cannot be read: No such file", id="not there"),
        pytest.param("/", "cannot be read: Is a directory", id="a folder"),
        pytest.param("a\0b", "null character", id="a null character"),
    ],
)
def test_unreadable_file(bare_redress, name, said):
    """A file that cannot be read is named, with the reason."""
    ran = bare_redress("policy", "decide", name)

    assert 2 == ran.exit_code
    assert said in ran.stderr


def test_wrong_standard_input(bare_redress):
    """Standard input is called so where it is refused."""
    assert "standard input: it is not JSON" in bare_redress("policy", "decide", "-").stderr
