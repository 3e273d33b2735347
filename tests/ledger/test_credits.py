"""Credits: each entry once, drawn in order of expiry, never below nothing; balances are sums."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select
from sqlalchemy.exc import DBAPIError

from ledger.credit_grants import drawing_order
from ledger.credit_tables import credit_entries, credit_expiries
from ledger.credit_usage import UsageReport, record_usage
from ledger.credits import (
    RestorationRefused,
    expire_credits,
    grant_credits,
    grants_of,
    grants_of_customers,
    overdrawn,
    restore_credits,
    revoke_credits,
)
from ledger.purchase_credits import PurchaseCredits, purchase_credits
from ledger.states import CreditKind
from runtime.call_limits import EXPIRY_GRACE_SECONDS
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS

ADA, BEN = "cus_ada", "cus_ben"
DAY = 86_400
#: When what expires at DAY is written off.
WRITTEN_OFF = DAY + EXPIRY_GRACE_SECONDS


@pytest.fixture
def connection(store):
    with store.write() as opened:
        yield opened


def grant(connection, key="g-1", number=100, *, customer=ADA, at=0, expires_at=None, source="in_1"):
    return grant_credits(
        connection,
        key=key,
        customer_id=customer,
        credits=number,
        at=at,
        expires_at=expires_at,
        source=source,
        now_ms=NOON_MS,
    )


def report(key="u-1", number=10, *, customer=ADA, at=100, successful=True, reference=None):
    return UsageReport(
        key=key,
        customer_id=customer,
        credits=number,
        at=at,
        successful=successful,
        reference=reference,
    )


def use(connection, *reports):
    return record_usage(connection, reports, NOON_MS)


def left(connection, customer=ADA):
    """What is left of each grant, by what brought it, in the order of drawing."""
    grants = sorted(grants_of_customers(connection, [customer]), key=drawing_order)
    return {one.source: one.left for one in grants}


def test_granted_once(connection):
    """A grant under a known key changes nothing and says so."""
    assert grant(connection)
    assert not grant(connection, number=7)
    assert {"in_1": 100} == left(connection)


def test_oldest_expiry_is_drawn_first(connection):
    """Usage draws from what expires first, then from the older grant, last from what never expires."""
    grant(connection, "g-1", 10, source="never")
    grant(connection, "g-2", 10, expires_at=900, source="late", at=1)
    grant(connection, "g-3", 10, expires_at=500, source="soon", at=2)
    grant(connection, "g-4", 10, expires_at=900, source="late, younger", at=3)
    recorded = use(connection, report(number=25))

    assert (1, 0, (), 0) == (
        recorded.recorded,
        recorded.known,
        recorded.conflicting,
        recorded.overdrawn,
    )
    assert {"soon": 0, "late": 0, "late, younger": 5, "never": 10} == left(connection)


def test_only_valid_grants_are_drawn(connection):
    """A grant is drawn from its own second on and up to the one before its expiry."""
    grant(connection, "g-1", 10, at=200, source="later")
    grant(connection, "g-2", 10, at=0, expires_at=100, source="over")
    recorded = use(connection, report("u-1", 4, at=100), report("u-2", 4, at=99))

    assert (2, 4) == (recorded.recorded, recorded.overdrawn)
    assert {"over": 6, "later": 10} == left(connection)
    use(connection, report("u-3", 3, at=200))
    assert {"over": 6, "later": 7} == left(connection)


def test_more_than_there_is(connection):
    """What no grant covers is kept as a fact, and no grant goes below nothing."""
    grant(connection, number=10)
    recorded = use(connection, report(number=25), report("u-2", 5))

    assert 20 == recorded.overdrawn
    assert 20 == overdrawn(connection, ADA)
    assert {"in_1": 0} == left(connection)


def test_reported_again(connection):
    """A repeated report counts once, in one batch and over several; another one under its key is named."""
    grant(connection)
    first = use(connection, report(), report(), report("u-2", 5))
    again = use(connection, report(), report("u-2", 6), report("u-3", 1))

    assert (2, 1, ()) == (first.recorded, first.known, first.conflicting)
    assert (1, 1, ("u-2",)) == (again.recorded, again.known, again.conflicting)
    assert {"in_1": 84} == left(connection)


def test_a_split_report_is_recognised(connection):
    """A report that was drawn from two grants and from none is known again as one."""
    grant(connection, "g-1", 4, source="a")
    grant(connection, "g-2", 4, source="b")
    use(connection, report(number=10))

    assert 1 == use(connection, report(number=10)).known
    assert ("u-1",) == use(connection, report(number=9)).conflicting


def test_customers_are_apart(connection):
    """Nobody draws from another customer's credits."""
    grant(connection)
    grant(connection, "g-2", 50, customer=BEN, source="in_2")
    use(connection, report(), report("u-2", 20, customer=BEN))

    assert ({"in_1": 90}, {"in_2": 30}) == (left(connection), left(connection, BEN))


def test_expiry(connection):
    """At its expiry what is left of a grant is written off, once."""
    grant(connection, "g-1", 10, expires_at=DAY, source="a")
    grant(connection, "g-2", 10, expires_at=DAY + 1, source="b")
    use(connection, report(number=4))

    assert 0 == expire_credits(connection, WRITTEN_OFF - 1, NOON_MS, 10)
    assert [1, 0] == [expire_credits(connection, WRITTEN_OFF, NOON_MS, 10) for _ in range(2)]
    assert {"a": 0, "b": 10} == left(connection)
    assert [2] == list(connection.execute(select(credit_expiries.c.grant_id)).scalars())
    assert ([6, 0], [4, 0]) == (
        [one.expired for one in grants_of(connection, ["a", "b"])],
        [one.used for one in grants_of(connection, ["a", "b"])],
    )


def test_expiry_in_portions(connection):
    """No more grants than asked for are written off in one go; the rest follow."""
    for number in range(5):
        grant(connection, f"g-{number}", expires_at=DAY, source=f"in_{number}")

    found = [expire_credits(connection, WRITTEN_OFF, NOON_MS, 2) for _ in range(4)]

    assert [2, 2, 1, 0] == found


def test_an_empty_grant_expires_without_a_trace(connection):
    """Of a grant that was used up nothing is written off."""
    grant(connection, number=10, expires_at=DAY)
    use(connection, report(number=10))

    assert 1 == expire_credits(connection, WRITTEN_OFF, NOON_MS, 10)
    assert [0] == [one.expired for one in grants_of(connection, ["in_1"])]


def test_revocation(connection):
    """A refunded purchase loses what is left of all that it brought, once, and nothing else does."""
    grant(connection, "g-1", 30, source="in_1")
    grant(connection, "g-2", 30, source="in_1", at=5)
    grant(connection, "g-3", 30, source="in_2", at=6)
    use(connection, report(number=10))
    given = {"key": "case:1", "sources": ["ch_1", "in_1"], "by": "case:1", "at": 900}

    taken = [revoke_credits(connection, **given, now_ms=NOON_MS) for _ in range(2)]

    assert [50, 0] == taken
    assert 30 == sum(left(connection).values())
    assert [20, 30, 0] == [one.revoked for one in grants_of(connection, ["in_1", "in_2"])]


def test_restoration(connection):
    """Credits come back to the grant that they were drawn from, once."""
    grant(connection, number=10)
    use(connection, report(number=8, successful=False))
    (drawn,) = grants_of(connection, ["in_1"])
    given = {"key": "r-1", "grant": drawn, "credits": 8, "source": "case:2"}

    restored = [
        restore_credits(connection, **given, reference="gen_1", at=200, now_ms=NOON_MS)
        for _ in range(2)
    ]

    assert [True, False] == restored
    assert {"in_1": 10} == left(connection)
    (after,) = grants_of(connection, ["in_1"])
    again = given | {"grant": after}
    assert not restore_credits(connection, **again, reference="gen_1", at=200, now_ms=NOON_MS)


def test_facts_of_a_purchase(connection):
    """Issued, used and successful are of the purchase's own grants; what came back was not used."""
    grant(connection, number=100)
    use(connection, report(number=30), report("u-2", 20, successful=False))
    (drawn,) = grants_of(connection, ["in_1"])
    restore_credits(
        connection,
        key="r-1",
        grant=drawn,
        credits=20,
        source="case:2",
        reference="gen_1",
        at=200,
        now_ms=NOON_MS,
    )

    assert PurchaseCredits(issued=100, used=30, successful=30, expired=False) == purchase_credits(
        connection, ["ch_1", "in_1"]
    )


def test_unknown_facts_of_a_purchase(connection):
    """What nobody told is not known: nothing granted, or a usage whose outcome is open."""
    grant(connection, number=100)
    use(connection, report(number=30, successful=None))

    nothing = PurchaseCredits(issued=None, used=None, successful=None, expired=None)
    assert nothing == purchase_credits(connection, ["in_2"])
    assert purchase_credits(connection, ["in_1"]).successful is None


def test_first_month_of_a_purchase(connection):
    """A yearly plan is judged by what was issued up to a second."""
    grant(connection, "g-1", 100, at=0)
    grant(connection, "g-2", 100, at=30 * DAY)

    assert (100, 200) == (
        purchase_credits(connection, ["in_1"], until=29 * DAY).issued,
        purchase_credits(connection, ["in_1"]).issued,
    )


def test_expired_purchase(connection):
    """A purchase of which something was written off has expired."""
    grant(connection, expires_at=DAY)
    expire_credits(connection, WRITTEN_OFF, NOON_MS, 10)

    assert purchase_credits(connection, ["in_1"]).expired is True


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"credits": -91, "left_after": -1}, "inv_credit_left", id="below nothing"),
        pytest.param({"credits": -1, "left_after": 100}, "does not follow", id="a false balance"),
        pytest.param({"credits": -1, "draw": 3}, "does not follow", id="out of turn"),
        pytest.param({"credits": -1, "draw": 1}, "does not follow|in_turn", id="a second first"),
        pytest.param({"credits": -1, "draw": None}, "does not follow", id="without a turn"),
        pytest.param({"credits": -1, "grant_id": 2}, "does not follow", id="on what is no grant"),
    ],
)
@pytest.mark.parametrize("kind", ["usage", "expiry", "revocation"])
def test_no_grant_is_overdrawn(store, kind, changes, why):
    """Whatever the code above it does, the database lets no grant go below nothing, nor lie of it."""
    with store.write() as connection:
        grant(connection)
        use(connection, report(number=10))
    entry = {"key": "x", "customer_id": ADA, "source": "in_1", "at": 1, "recorded_ms": NOON_MS}
    entry |= {"kind": kind, "grant_id": 1, "draw": 2, "left_after": 89} | changes

    with pytest.raises(DBAPIError, match=why), store.write() as connection:
        connection.execute(insert(credit_entries).values(entry))


@pytest.mark.parametrize(
    ("granted", "covered"),
    [
        pytest.param({"at": 100}, 10, id="valid from that second on"),
        pytest.param({"at": 101}, 0, id="granted later"),
        pytest.param({"expires_at": 101}, 10, id="valid for that second"),
        pytest.param({"expires_at": 100}, 0, id="over by then"),
        pytest.param({"number": 4}, 4, id="as far as it reaches"),
        pytest.param({"customer": BEN}, 0, id="of somebody else"),
    ],
)
def test_usage_before_its_grant(connection, granted, covered):
    """What was used in a grant's time and told before it is drawn from it when it comes."""
    use(connection, report(number=10, at=100))
    grant(connection, **granted)
    grant(connection, **granted)
    facts = purchase_credits(connection, ["in_1"])

    assert 10 - covered == overdrawn(connection, ADA)
    assert (covered, covered) == (facts.used, facts.successful)
    assert facts.issued - covered == sum(left(connection, granted.get("customer", ADA)).values())


def test_two_grants_cover_one_usage(connection):
    """A usage that the first late grant covers in part is covered on by the second."""
    use(connection, report(number=10))
    grant(connection, "g-1", 4, source="a")
    grant(connection, "g-2", 4, source="b")
    grant(connection, "g-3", 4, source="c")

    assert 0 == overdrawn(connection, ADA)
    assert {"a": 0, "b": 0, "c": 2} == left(connection)


def test_oldest_usage_is_covered_first(connection):
    """Where a late grant does not reach, what was used first is covered."""
    use(connection, report("u-1", 3, at=50, successful=False), report("u-2", 3, at=100))
    grant(connection, number=4)
    facts = purchase_credits(connection, ["in_1"])

    assert (4, 1) == (facts.used, facts.successful)


def test_told_late_but_in_time(connection):
    """Usage of a grant's last second still draws on it until it is written off."""
    grant(connection, number=10, expires_at=DAY)
    expire_credits(connection, WRITTEN_OFF - 1, NOON_MS, 10)
    recorded = use(connection, report(number=10, at=DAY - 1))

    assert 0 == recorded.overdrawn


def test_keys_of_the_product_are_its_own(connection):
    """No key of the product's stands in the way of an entry of ours."""
    use(connection, report("g-1", 1), report("expiry:1", 1))

    assert grant(connection, "g-1")


@pytest.mark.parametrize("asked", [9, 100])
def test_restoration_of_more_than_was_used(connection, asked):
    """No more comes back to a grant than was used of it."""
    grant(connection, number=10)
    use(connection, report(number=8))
    (drawn,) = grants_of(connection, ["in_1"])
    with pytest.raises(RestorationRefused, match="8 credits are used"):
        restore_credits(
            connection,
            key="r-1",
            grant=drawn,
            credits=asked,
            source="case:2",
            reference="gen_1",
            at=200,
            now_ms=NOON_MS,
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", ""),
        ("key", "k" * 201),
        ("key", "line\nbreak"),
        ("customer_id", ""),
        ("credits", 0),
        ("credits", -1),
        ("credits", 10**9 + 1),
        ("at", -1),
        ("at", 10**11 + 1),
        ("reference", ""),
        ("reference", "r" * 201),
    ],
)
def test_senseless_reports(field, value):
    """A report that could not be stored is refused at birth by its field."""
    fields = {"key": "u", "customer_id": ADA, "credits": 1, "at": 1, "successful": None}
    with pytest.raises(ValueError, match=field):
        UsageReport(**fields | {"reference": None} | {field: value})


def test_batches_do_not_matter(store):
    """The same reports in the same order lead to the same entries in one batch or in many."""
    reports = [report(f"u-{n}", 1 + n % 3, at=100 + n) for n in range(40)]

    def drawn(*batches):
        with store.write() as connection:
            for number in range(3):
                expires_at = None if number == 1 else 120 + number
                grant(connection, f"g-{number}", 20, expires_at=expires_at, source=f"in_{number}")
            for batch in batches:
                use(connection, *batch)
            told = select(credit_entries.c.key, credit_entries.c.left_after)
            found = [tuple(row) for row in connection.execute(told.order_by(credit_entries.c.id))]
            connection.rollback()
        return found

    together = drawn(reports)
    apart = drawn(*[[one] for one in reports])

    assert together == apart


def test_reports_at_once(store):
    """Several processes that report at once draw each credit once."""
    with store.write() as connection:
        grant(connection, number=100)

    def send(number):
        with store.write() as connection:
            return use(connection, *[report(f"u-{number}-{one}", 7) for one in range(4)])

    recorded = at_once(send, range(5))

    with store.read() as connection:
        assert (0, 40) == (left(connection)["in_1"], overdrawn(connection, ADA))
    assert 40 == sum(one.overdrawn for one in recorded)


def test_a_large_batch(store):
    """Ten thousand reports of many customers are one call; a repetition of it changes nothing."""
    reports = [
        report(f"u-{number}", 1, customer=f"cus_{number % 2000}", at=number)
        for number in range(10_000)
    ]
    with store.write() as connection:
        for number in range(2000):
            grant(connection, f"g-{number}", 4, customer=f"cus_{number}", source=f"in_{number}")
        recorded = record_usage(connection, reports, NOON_MS)
    with store.write() as connection:
        again = record_usage(connection, reports, NOON_MS)
        count = connection.execute(
            select(func.count()).where(credit_entries.c.kind == CreditKind.USAGE.value)
        ).scalar()

    assert (10_000, 2_000) == (recorded.recorded, recorded.overdrawn)
    assert (0, 10_000) == (again.recorded, again.known)
    assert 10_000 == count


_GRANTS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 5), st.none() | st.integers(1, 9)), max_size=4
)
_REPORTS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 9)), max_size=8)


@given(grants=_GRANTS, reports=_REPORTS, cut=st.integers(0, 8))
def test_against_a_model(database_templates, tmp_path_factory, grants, reports, cut):
    """Whatever is granted and used, in however many batches, sums agree with a plain account of it."""
    from tests.databases import Databases  # noqa: PLC0415 - a database for each example

    databases = Databases(database_templates, tmp_path_factory.mktemp("database"))
    store = databases.store(databases.url("sqlite"))
    ordered = sorted(reports, key=lambda one: one[1])
    told = [report(f"u-{n}", size, at=at) for n, (size, at) in enumerate(ordered)]
    with store.write() as connection:
        for number, (size, at, lasts) in enumerate(grants):
            expires_at = None if lasts is None else at + lasts
            grant(
                connection, f"g-{number}", size, at=at, expires_at=expires_at, source=f"in_{number}"
            )
        for batch in (told[:cut], told[cut:]):
            record_usage(connection, batch, NOON_MS)
        found = left(connection)
        short = overdrawn(connection, ADA)
    databases.close()

    account = {f"in_{n}": size for n, (size, _, _) in enumerate(grants)}
    order = sorted(
        range(len(grants)),
        key=lambda n: (
            grants[n][2] is None,
            grants[n][1] + (grants[n][2] or 0) if grants[n][2] else 0,
            grants[n][1],
            n,
        ),
    )
    missing = 0
    for size, at in ordered:
        for n in order:
            _, begins, lasts = grants[n]
            if begins <= at and (lasts is None or at < begins + lasts):
                some = min(size, account[f"in_{n}"])
                account[f"in_{n}"] -= some
                size -= some  # noqa: PLW2901 - what is still to be drawn
        missing += size
    assert (account, missing) == (found, short)
    assert all(value >= 0 for value in itertools.chain(found.values(), [short]))
