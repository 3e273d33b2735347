"""Credits that are asked back: kept once with their evidence, taken by one, and what the ledger shows of them."""

import pytest

from ledger.credit_claims import (
    ClaimConflict,
    due_claims,
    list_claims,
    put_off_claim,
    settle_claim,
    state_facts,
    take_claim,
    write_claim,
)
from ledger.credit_decisions import (
    append_credit_decision,
    credit_decisions_of,
    every_credit_decision,
    last_credit_decision,
)
from ledger.credit_returns import credits_gone, give_back
from ledger.credit_usage import UsageReport, record_usage
from ledger.credits import expire_credits, grant_credits, grants_of_customer, revoke_credits
from ledger.states import ClaimState
from policy.credit_losses import CreditClaim, CreditLoss
from policy.credit_restoration import decide_restoration
from policy.terms_file import load_terms
from runtime.call_limits import EXPIRY_GRACE_SECONDS
from tests.fakes.credit_claims import CUSTOMER, claim_now, new_claim, put_claim
from tests.fakes.frozen_clock import NOON_MS

REFERENCE = "gen_1"
AT = NOON_MS // 1000


@pytest.fixture
def connection(store):
    with store.write() as opened:
        yield opened


def grant(connection, name, number, *, expires_at=None, customer=CUSTOMER):
    grant_credits(
        connection,
        key=name,
        customer_id=customer,
        credits=number,
        at=0,
        expires_at=expires_at,
        source=name,
        now_ms=NOON_MS,
    )


def use(connection, number, key="u-1", *, successful=False, reference=REFERENCE, at=100):
    report = UsageReport(
        key=key,
        customer_id=CUSTOMER,
        credits=number,
        at=at,
        successful=successful,
        reference=reference,
    )
    record_usage(connection, [report], NOON_MS)


def gone(connection, reference=REFERENCE):
    return credits_gone(connection, CUSTOMER, reference)


def back(connection, number, key="c", *, spent=True, at=AT):
    """Give credits back under the reference."""
    give_back(
        connection,
        gone(connection),
        key=key,
        customer_id=CUSTOMER,
        credits=number,
        spent=spent,
        source="claim:1",
        reference=REFERENCE,
        at=at,
        now_ms=NOON_MS,
    )


def left(connection):
    """What is left of each grant, by what brought it."""
    return {one.source: one.left for one in grants_of_customer(connection, CUSTOMER)}


def test_written_once(connection):
    """The same claim again is the one that is known; another one under its key is refused."""
    first, fresh = write_claim(connection, new_claim(), NOON_MS)
    again, fresh_again = write_claim(connection, new_claim(), NOON_MS + 5)

    assert (True, False, first) == (fresh, fresh_again, again)
    for changes in (
        {"credits": 11},
        {"reference": "gen_2"},
        {"evidence": "other"},
        {"at": 5},
        {"our_fault": None},
        {"documented": 3},
        {"loss": CreditLoss.LOST},
        {"customer_id": "cus_ben"},
    ):
        with pytest.raises(ClaimConflict):
            write_claim(connection, new_claim(**changes), NOON_MS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", ""),
        ("key", "k" * 201),
        ("customer_id", " "),
        ("customer_id", "a\nb"),
        ("reference", "r" * 201),
        ("credits", 0),
        ("credits", 10**9 + 1),
        ("at", -1),
        ("documented", -1),
        ("evidence", " "),
        ("evidence", "e" * 4001),
    ],
)
def test_senseless_claims(field, value):
    """A claim that nobody could judge is refused at birth by its field."""
    with pytest.raises(ValueError, match=field):
        new_claim(**{field: value})


def test_taken_by_one(store):
    """A due claim is taken by one worker, and is due again after its lease."""
    claim = put_claim(store)
    with store.write() as connection:
        taken = [take_claim(connection, claim.claim_id, NOON_MS, NOON_MS + 60) for _ in range(2)]
        due = [due_claims(connection, NOON_MS + ms, 10) for ms in (59, 60)]

    assert ([1, None], [[], [claim.claim_id]]) == ([one and one.attempts for one in taken], due)


def test_put_off_and_settled(store):
    """A claim that is put off is due at its time; a settled one never is again."""
    claim = put_claim(store)
    with store.write() as connection:
        put_off_claim(connection, claim, NOON_MS + 7, "nothing was told yet")
        due = [due_claims(connection, NOON_MS + ms, 10) for ms in (6, 7)]
        settle_claim(connection, claim.claim_id, ClaimState.DENIED, NOON_MS, "why")

    assert [[], [claim.claim_id]] == due
    settled = claim_now(store, claim.claim_id)
    assert (ClaimState.DENIED, "why", None) == (
        settled.state,
        settled.note,
        settled.next_attempt_ms,
    )


def test_stated(store):
    """What a person knows is kept; what he leaves open stays as it was."""
    claim = put_claim(store, our_fault=None)
    with store.write() as connection:
        first = state_facts(connection, claim, documented=4, our_fault=None, now_ms=NOON_MS)
        second = state_facts(connection, first, documented=None, our_fault=False, now_ms=NOON_MS)

    assert (4, False) == (second.documented, second.our_fault)
    assert second == claim_now(store, claim.claim_id)


def test_listed(store):
    """Claims are listed by state and customer, the newest first."""
    first, second = put_claim(store, "c-1"), put_claim(store, "c-2", customer_id="cus_ben")
    with store.write() as connection:
        settle_claim(connection, first.claim_id, ClaimState.REVIEW, NOON_MS)
        found = [
            [one.claim_id for one in list_claims(connection, states, customer, 10)]
            for states, customer in (([], None), ([ClaimState.REVIEW], None), ([], "cus_ben"))
        ]

    assert [
        [second.claim_id, first.claim_id],
        [first.claim_id],
        [second.claim_id],
    ] == found


def test_decisions(store):
    """Each decision of a claim is kept with the credits that it names, and read oldest first."""
    claim = put_claim(store)
    asked = {"loss": CreditLoss.FAILED, "claimed": 10, "our_fault": True, "restored": 0}
    made = [
        decide_restoration(CreditClaim(**asked, documented=number), load_terms())
        for number in (None, 0, 4)
    ]
    with store.write() as connection:
        for decision in made:
            append_credit_decision(
                connection,
                claim_id=claim.claim_id,
                decision=decision,
                mode="enforce",
                now_ms=NOON_MS,
            )
        rows = credit_decisions_of(connection, claim.claim_id)
        assert 4 == last_credit_decision(connection, claim.claim_id).credits
        assert 3 == len(list(every_credit_decision(connection)))

    assert [("review", None), ("deny", None), ("approve", 4)] == [
        (row.verdict, row.credits) for row in rows
    ]


def test_what_went(connection):
    """What was drawn under a reference is known by its grants, what succeeded and what is open apart."""
    grant(connection, "a", 4)
    use(connection, 6)
    use(connection, 3, "u-2", reference="gen_2")
    before = gone(connection)
    grant(connection, "b", 50)
    use(connection, 5, "u-3", successful=True)
    use(connection, 7, "u-4", successful=None)
    found = gone(connection)
    ids = {one.source: one.grant_id for one in found.grants}

    assert ({ids["a"]: 4}, 2) == (before.drawn, before.open)
    assert ({ids["a"]: 4, ids["b"]: 9}, 0, 5, 0) == (
        found.drawn,
        found.open,
        found.succeeded,
        found.restored,
    )
    assert (True, 0) == (found.told, found.bought_at)


def test_nothing_told(connection):
    """Of a reference that no usage names nothing is known."""
    grant(connection, "a", 4)
    found = gone(connection)

    assert (False, {}, 0, None) == (found.told, found.drawn, found.open, found.bought_at)


def test_back_where_it_came_from(connection):
    """Credits come back to the grants that they were drawn from, the last drawn first, and once."""
    grant(connection, "a", 4)
    grant(connection, "b", 10)
    grant(connection, "other", 10)
    use(connection, 6)
    use(connection, 8, "u-2", reference="gen_2")
    back(connection, 5)
    found = gone(connection)

    assert {"a": 3, "b": 2, "other": 10} == left(connection)
    assert 5 == found.restored


def test_back_as_new(connection):
    """What cannot come back to its grant, because that is over, is a grant of its own."""
    grant(connection, "a", 4, expires_at=AT)
    use(connection, 4)
    expire_credits(connection, AT + EXPIRY_GRACE_SECONDS, NOON_MS, 10)
    back(connection, 4)

    assert {"a": 0, "claim:1": 4} == left(connection)
    assert 4 == gone(connection).restored


def test_not_back_to_what_was_refunded(connection):
    """To a purchase that was refunded nothing comes back: it is known as paid back."""
    grant(connection, "a", 10)
    use(connection, 4)
    revoke_credits(connection, key="r", sources=["a"], by="ri_1", at=AT, now_ms=NOON_MS)
    found = gone(connection)
    back(connection, 4)

    assert frozenset(found.drawn) == found.paid_back
    assert {"a": 0, "claim:1": 4} == left(connection)


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        pytest.param(True, {"a": 0, "b": 10}, id="used, so the last grant that is used so far"),
        pytest.param(False, {"a": 0, "b": 8, "claim:1": 2}, id="lost without being used"),
    ],
)
def test_back_without_a_report(connection, spent, expected):
    """Credits whose usage no report names come back to a grant that is used enough, lost ones as new."""
    grant(connection, "a", 4)
    grant(connection, "b", 10)
    use(connection, 6, reference="gen_9")
    back(connection, 2, spent=spent)

    assert expected == left(connection)
