"""What a decision tells: the customer reads the reasons in the terms' words, the product gets the facts."""

import json

import pytest

from ledger.notice_tables import NoticeChannel
from policy.credit_losses import CreditClaim, CreditLoss
from policy.credit_restoration import decide_restoration
from policy.decision import Verdict
from policy.payments import DisputeStanding
from policy.request_decisions import decide_request
from policy.request_facts import IntakeField, Reason
from policy.terms_file import load_terms
from tests.fakes.notice_rows import ADDRESS, put_notice, stored
from tests.policy.refund_requests import DAY, PURCHASED_AT, request
from workers.decision_notices import notices_of_decision
from workers.notice_words import words_of

TERMS = load_terms()


def notices_of(decision, *, recipient=ADDRESS, to_product=True, decision_id=5):
    return notices_of_decision(
        decision,
        TERMS,
        decision_id=decision_id,
        case_id=17,
        customer_id="cus_1",
        recipient=recipient,
        to_product=to_product,
    )


def asked(**facts):
    return decide_request(request(**facts), TERMS)


def claimed(**facts):
    fields = {
        "loss": CreditLoss.FAILED,
        "claimed": 30,
        "documented": 30,
        "our_fault": True,
        "restored": 0,
    }
    return decide_restoration(CreditClaim(**fields | facts), TERMS)


TOLD = [
    pytest.param(
        asked(),
        "Your refund of 47.28 USD is approved (case 17)",
        [
            "Asked for in time after the purchase",
            "Little of the month's credits was used",
            "Who bears the payment processor's fees",
        ],
        id="little use",
    ),
    pytest.param(
        asked(used=50, longest_outage_seconds=2 * DAY, lost_seconds=3 * DAY),
        "Your refund of 4.90 USD is approved (case 17)",
        [
            "Asked for in time after the purchase",
            "The service was down for too long without a break",
            "A share of the price for the time the service was down",
        ],
        id="outage in spite of much use",
    ),
    pytest.param(
        asked(asked_at=PURCHASED_AT + 9 * DAY),
        "Your request could not be granted (case 17)",
        ["Asked for too late"],
        id="too late",
    ),
    pytest.param(
        asked(used=50, successful=50),
        "Your request could not be granted (case 17)",
        ["Too many of the credits were used"],
        id="much use",
    ),
    pytest.param(
        asked(breach=True),
        "Your request could not be granted (case 17)",
        ["The account was closed for breaking the rules of use"],
        id="terms broken",
    ),
    pytest.param(
        asked(paid={"refunded": 4900}),
        "Your request could not be granted (case 17)",
        ["The payment was given back before, or your bank has settled it with you"],
        id="refunded before",
    ),
    pytest.param(
        asked(paid={"dispute": DisputeStanding.LOST.value, "disputed": 4900}),
        "Your request could not be granted (case 17)",
        ["The payment was given back before, or your bank has settled it with you"],
        id="bank decided",
    ),
    pytest.param(
        asked(named=(IntakeField.PRODUCT, IntakeField.REASON)),
        "We are looking at your request (case 17)",
        ["the e-mail address of your account", "the day of the purchase"],
        id="incomplete",
    ),
    pytest.param(
        asked(used=20, successful=0),
        "We are looking at your request (case 17)",
        None,
        id="exactly the share",
    ),
    pytest.param(
        claimed(),
        "30 credits are back in your account (case 17)",
        ["Credits return when the system made a generation fail"],
        id="credits restored",
    ),
    pytest.param(
        claimed(restored=30),
        "Your request could not be granted (case 17)",
        ["The credits came back to your account before"],
        id="credits restored before",
    ),
    pytest.param(
        claimed(our_fault=False),
        "Your request could not be granted (case 17)",
        ["Credits return when the system made a generation fail: this is not the case"],
        id="credits not lost by us",
    ),
    pytest.param(
        claimed(our_fault=None),
        "We are looking at your request (case 17)",
        ["Credits return when the system made a generation fail"],
        id="credits under review",
    ),
]


@pytest.mark.parametrize(("decision", "subject", "reasons"), TOLD)
def test_e_mail(sqlite_store, decision, subject, reasons):
    """The e-mail names the outcome and, in the terms' words, the clauses that made it; no procedure."""
    e_mail, _ = notices_of(decision)

    words = words_of(stored(sqlite_store, put_notice(sqlite_store, e_mail)))

    assert subject == words.subject
    listed = [line[2:] for line in words.plain.splitlines() if line.startswith("- ")]
    assert listed == reasons or (reasons is None and listed)
    assert "The money returns the way it was paid" not in listed


def test_every_outcome_gives_a_reason():
    """No decision about a request leaves the customer without any reason or question."""
    for param in TOLD:
        e_mail, _ = notices_of(param.values[0])

        content = e_mail.content
        assert content["reasons"] or content["missing"] or content["given_back"]


def test_taste(sqlite_store):
    """A complaint about taste alone, with much use, is denied by what excludes it and nothing else."""
    e_mail, _ = notices_of(asked(reasons=(Reason.TASTE,), used=50, successful=50))

    words = words_of(stored(sqlite_store, put_notice(sqlite_store, e_mail)))

    assert "- Only the look of the results is complained about\n" in words.plain
    assert "is not the case" not in words.plain


def test_what_a_refund_takes_with_it(sqlite_store):
    """The e-mail says that credits are taken back and that the subscription ends, where they do."""
    e_mail, _ = notices_of(asked())

    words = words_of(stored(sqlite_store, put_notice(sqlite_store, e_mail)))

    assert "What is left of the credits that this payment bought is taken back" in words.plain
    assert "The subscription that it was for ends." in words.plain
    assert "5 to 10 business days" in words.plain
    assert "to the original payment method" in words.plain


@pytest.mark.parametrize(("decision", "_subject", "_reasons"), TOLD)
def test_webhook(decision, _subject, _reasons):
    """The product gets the whole decision, with ids, exact money and titles, and nobody's address."""
    _, hook = notices_of(decision)

    data = hook.content
    assert (NoticeChannel.WEBHOOK, "refund.decided", "17") == (
        hook.channel,
        hook.event,
        hook.subject_id,
    )
    assert (17, 5, "cus_1") == (data["case_id"], data["decision_id"], data["customer_id"])
    assert decision.verdict.value == data["verdict"]
    assert (None if decision.amount is None else decision.amount.to_fields()) == data["amount"]
    assert [one.clause.value for one in decision.clauses] == [one["id"] for one in data["clauses"]]
    assert list(decision.undecided) == data["undecided"]
    assert (decision.verdict is Verdict.REVIEW) == bool(data["undecided"])
    assert "@" not in json.dumps(data)


def test_keys():
    """One decision makes each notice once, however often it is told; another decision makes others."""
    keys = [notice.key for notice in notices_of(asked())]

    assert ["refund.decided:5:email", "refund.decided:5:webhook"] == keys
    assert keys == [notice.key for notice in notices_of(asked())]
    assert set(keys).isdisjoint(notice.key for notice in notices_of(asked(), decision_id=6))


@pytest.mark.parametrize(
    ("recipient", "to_product", "channels"),
    [
        (ADDRESS, True, ["email", "webhook"]),
        (ADDRESS, False, ["email"]),
        (None, True, ["webhook"]),
        (None, False, []),
    ],
)
def test_who_is_told(recipient, to_product, channels):
    """Only who can be told is: a customer with an address, a product with an endpoint."""
    made = notices_of(asked(), recipient=recipient, to_product=to_product)

    assert channels == [notice.channel.value for notice in made]


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        pytest.param(asked(breach=True), "Ticket 7 shows it.", id="denied"),
        pytest.param(asked(), None, id="approved"),
        pytest.param(asked(used=20, successful=0), None, id="under review"),
    ],
)
def test_explanation(decision, told):
    """What a person said of a denial is the customer's to read; of anything else it stays inside."""
    e_mail, hook = notices_of_decision(
        decision,
        TERMS,
        decision_id=5,
        case_id=17,
        customer_id="cus_1",
        recipient=ADDRESS,
        to_product=True,
        explanation="Ticket 7 shows it.",
    )

    assert told == e_mail.content["explanation"]
    assert "Ticket" not in json.dumps(hook.content)
