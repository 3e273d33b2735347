"""When earlier payments speak for a disputed one: Visa's Compelling Evidence 3.0."""

import pytest

from policy.compelling_evidence import CardPayment, Element, compelling_evidence

NOW = 1_790_000_000
DAY = 86_400
SAME = {
    Element.PURCHASE_IP: "ip",
    Element.DEVICE: "device",
    Element.EMAIL: "email",
    Element.ACCOUNT: "account",
}


def payment(charge_id="ch_0", days=0, *, accused=False, paid=True, **other):
    elements = {one: value for one, value in SAME.items() if one.value not in other}
    elements |= {Element(name): value for name, value in other.items() if value is not None}
    return CardPayment(
        charge_id=charge_id,
        created=NOW - days * DAY,
        elements=elements,
        accused=accused,
        paid=paid,
    )


def found(*others, disputed=None, network="visa", code="10.4"):
    return compelling_evidence(disputed or payment(), others, network=network, reason_code=code)


@pytest.mark.parametrize("days", [120, 364])
def test_two_earlier_payments(days):
    """Two that are old enough and not too old, and agree on everything."""
    evidence = found(payment("ch_1", days), payment("ch_2", 200))

    assert evidence.qualifies
    assert {"ch_1", "ch_2"} == set(evidence.prior)
    assert tuple(Element) == evidence.agreed


@pytest.mark.parametrize(
    "second",
    [
        payment("ch_2", 119),
        payment("ch_2", 365),
        payment("ch_2", 200, accused=True),
        payment("ch_2", 200, paid=False),
    ],
    ids=["too new", "too old", "accused", "not paid"],
)
def test_a_payment_that_does_not_count(second):
    """One alone is not enough."""
    evidence = found(payment("ch_1", 200), second)

    assert not evidence.qualifies
    assert evidence.why_not.startswith("1 of 2 payments")
    assert () == evidence.prior


@pytest.mark.parametrize(
    ("other", "agreed"),
    [
        ({"email": "x", "account": "x"}, (Element.PURCHASE_IP, Element.DEVICE)),
        ({"device": "x", "account": None}, (Element.PURCHASE_IP, Element.EMAIL)),
        ({"purchase_ip": None, "email": "x"}, (Element.DEVICE, Element.ACCOUNT)),
    ],
)
def test_enough_agreement(other, agreed):
    """Two main elements, or a main one and another, on all three."""
    evidence = found(payment("ch_1", 200), payment("ch_2", 210, **other))

    assert evidence.qualifies
    assert agreed == evidence.agreed


@pytest.mark.parametrize(
    "other",
    [
        {"purchase_ip": "x", "device": "x"},
        {"purchase_ip": "x", "email": "x", "account": "x"},
        {"purchase_ip": None, "device": None},
    ],
    ids=["no main one", "one main one alone", "not known"],
)
def test_too_little_agreement(other):
    """What is not known agrees with nothing; two others are not enough."""
    evidence = found(payment("ch_1", 200), payment("ch_2", 210, **other))

    assert not evidence.qualifies
    assert "must agree on two of" in evidence.why_not


def test_what_the_disputed_one_lacks():
    """Two payments that agree with each other say nothing about a third."""
    bare = payment(purchase_ip=None, device=None)

    assert not found(payment("ch_1", 200), payment("ch_2", 210), disputed=bare).qualifies


def test_the_pair_that_agrees_on_most():
    """Two main elements beat a main one with two others; then the newest."""
    evidence = found(
        payment("ch_1", 150, device="x"),
        payment("ch_2", 160, email="x", account="x"),
        payment("ch_3", 170, email="y", account="y"),
        payment("ch_4", 180, email="z", account="z"),
    )

    assert ("ch_2", "ch_3") == evidence.prior


@pytest.mark.parametrize(
    ("network", "code"), [("mastercard", "10.4"), ("visa", "13.1"), (None, None)]
)
def test_only_visas_fraud_disputes(network, code):
    """Another network or reason has other rules."""
    evidence = found(payment("ch_1", 200), payment("ch_2", 210), network=network, code=code)

    assert not evidence.qualifies
    assert evidence.why_not.startswith("Only for Visa's reason code 10.4")
