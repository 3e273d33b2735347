"""The purchases of an address within a time, each row with its reason."""

import json

import pytest

from ledger.purchase_matching import CANDIDATES_MAX, purchases_of
from ledger.stripe_tables import customers, invoice_payments, invoices
from tests.fakes.ledger_rows import NOON, put, put_charge

HIS, HERS = "digest-of-his", "digest-of-hers"
FROM, BEFORE = NOON - 100, NOON + 100


def purchases(connection, email_digest=HIS, *, livemode=False):
    """What is found for an address in [FROM, BEFORE)."""
    return purchases_of(
        connection,
        email_digest=email_digest,
        paid_from=FROM,
        paid_before=BEFORE,
        livemode=livemode,
    )


@pytest.fixture
def connection(store):
    """A ledger that knows one customer by his address and one without."""
    with store.write() as opened:
        put(opened, customers, customer_id="cus_his", email_digest=HIS)
        put(opened, customers, customer_id="cus_unknown")
        yield opened


@pytest.mark.parametrize(
    "charge",
    [
        pytest.param({"email_digest": HIS}, id="a guest's, by the address at the till"),
        pytest.param({"customer_id": "cus_his"}, id="a customer's, by the account"),
        pytest.param({"customer_id": "cus_his", "email_digest": HIS}, id="by both: found once"),
        pytest.param(
            {"customer_id": "cus_his", "email_digest": HERS}, id="her card, paid by his account"
        ),
        pytest.param({"customer_id": "cus_gone", "email_digest": HIS}, id="customer not told of"),
        pytest.param({"email_digest": HIS, "created": FROM}, id="in the first second"),
        pytest.param({"email_digest": HIS, "created": BEFORE - 1}, id="in the last second"),
        pytest.param(
            {"email_digest": HIS, "refunded_minor": 1000}, id="refunded: the policy says what then"
        ),
        pytest.param({"email_digest": HIS, "captured_minor": 1}, id="captured in part"),
    ],
)
def test_found(connection, charge):
    """A payment of that address that took money is found, once."""
    put_charge(connection, "ch_1", **charge)

    assert ["ch_1"] == [one.charge_id for one in purchases(connection)]


@pytest.mark.parametrize(
    "charge",
    [
        pytest.param({"email_digest": HERS}, id="another address"),
        pytest.param({"customer_id": "cus_unknown"}, id="a customer without an address"),
        pytest.param({}, id="no address at all"),
        pytest.param({"email_digest": HIS, "created": FROM - 1}, id="the second before"),
        pytest.param({"email_digest": HIS, "created": BEFORE}, id="the second after"),
        pytest.param({"email_digest": HIS, "captured_minor": 0}, id="authorized only"),
        pytest.param({"email_digest": HIS, "captured_minor": 0, "status": "failed"}, id="declined"),
        pytest.param({"email_digest": HIS, "livemode": True}, id="the other mode"),
    ],
)
def test_not_found(connection, charge):
    """What is another's, at another time, or took no money is no purchase to refund."""
    put_charge(connection, "ch_1", **charge)

    assert [] == purchases(connection)


@pytest.mark.parametrize("livemode", [False, True], ids=["test", "live"])
def test_one_mode(connection, livemode):
    """A ledger that knew test payments before it went live finds only those of the mode asked for."""
    put_charge(connection, "ch_test", email_digest=HIS, livemode=False)
    put_charge(connection, "ch_live", email_digest=HIS, livemode=True)

    found = [one.charge_id for one in purchases(connection, livemode=livemode)]

    assert ["ch_live" if livemode else "ch_test"] == found


def test_order(connection):
    """The earliest comes first, of one second by id: whoever lists them lists them alike."""
    for charge_id, at in (("ch_b", NOON), ("ch_c", NOON - 1), ("ch_a", NOON)):
        put_charge(connection, charge_id, email_digest=HIS, created=at)

    assert ["ch_c", "ch_a", "ch_b"] == [one.charge_id for one in purchases(connection)]


def test_what_was_bought(connection):
    """A purchase names its product, and the prices and subscription of the invoice that it paid."""
    put_charge(connection, "ch_1", payment_intent_id="pi_1", email_digest=HIS, product="images-500")
    put(
        connection,
        invoice_payments,
        invoice_payment_id="inpay_1",
        invoice_id="in_1",
        payment_intent_id="pi_1",
    )
    put(
        connection,
        invoices,
        invoice_id="in_1",
        subscription_id="sub_1",
        price_ids=json.dumps(["price_1", "price_2"]),
    )

    (found,) = purchases(connection)

    assert ("images-500", "price_1", "price_2") == found.refs
    assert ("in_1", "sub_1") == (
        found.payment.invoice.invoice_id,
        found.payment.invoice.subscription_id,
    )


@pytest.mark.parametrize(
    ("count", "found"),
    [
        pytest.param(CANDIDATES_MAX, CANDIDATES_MAX, id="at the limit"),
        pytest.param(
            CANDIDATES_MAX + 1, CANDIDATES_MAX + 1, id="one more tells that there is more"
        ),
        pytest.param(CANDIDATES_MAX + 2, CANDIDATES_MAX + 1, id="and no further is read"),
    ],
)
def test_bound(connection, count, found):
    """However many purchases an address has, no more than one past the limit are read."""
    for number in range(count):
        put_charge(connection, f"ch_{number}", email_digest=HIS)

    assert found == len(purchases(connection))
