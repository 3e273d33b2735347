"""Idempotency keys, API keys and the shape of errors."""

import random
import threading

import pytest
import stripe

from ops.sandbox.book import KEY_AGE_MS_MAX, Book
from ops.sandbox.stripe_stand_in import SandboxStripe
from tests.fakes.frozen_clock import FrozenClock


def refund(shop, key, **params):
    return shop.v1.refunds.create(params, options={"idempotency_key": key})


def test_a_repeated_key_gets_the_first_answer(shop):
    """The same key and parameters replay the answer and move nothing."""
    charge = shop.pay(1000)

    first = refund(shop, "k", charge=charge.id, amount=300)
    again = refund(shop, "k", charge=charge.id, amount=300)

    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert first.last_response.request_id == again.last_response.headers["Original-Request"]
    assert shop.v1.charges.retrieve(charge.id).amount_refunded == 300


def test_a_reused_key_with_other_parameters_is_refused(shop):
    """The key belongs to its parameters."""
    charge = shop.pay(1000)
    refund(shop, "k", charge=charge.id, amount=300)

    with pytest.raises(stripe.IdempotencyError) as caught:
        refund(shop, "k", charge=charge.id, amount=301)

    assert (caught.value.http_status, caught.value.error.type) == (400, "idempotency_error")


def test_keys_are_pruned_after_24_hours(shop):
    """The same key is a new request a day later: a partial refund is paid twice."""
    charge = shop.pay(1000)
    refund(shop, "k", charge=charge.id, amount=300)

    shop.clock.advance(KEY_AGE_MS_MAX // 1000 - 1)
    refund(shop, "k", charge=charge.id, amount=300)
    kept = shop.v1.charges.retrieve(charge.id).amount_refunded
    shop.clock.advance(1)
    refund(shop, "k", charge=charge.id, amount=300)

    assert (kept, shop.v1.charges.retrieve(charge.id).amount_refunded) == (300, 600)


def test_business_refusals_are_saved_and_replayed(shop):
    """A refusal during execution is the key's answer for a day, even when the cause is gone."""
    charge = shop.pay()
    dispute = shop.control("POST", "/sandbox/disputes", {"charge": charge.id})
    with pytest.raises(stripe.InvalidRequestError):
        refund(shop, "k", charge=charge.id)
    shop.control("POST", f"/sandbox/disputes/{dispute['id']}", {"status": "won"})

    with pytest.raises(stripe.InvalidRequestError) as caught:
        refund(shop, "k", charge=charge.id)

    assert caught.value.code == "charge_disputed"


def test_failed_validation_is_not_saved(shop):
    """A key whose request was malformed can be used again."""
    charge = shop.pay()
    with pytest.raises(stripe.InvalidRequestError):
        refund(shop, "k", charge=charge.id, amount="x")

    assert refund(shop, "k", charge=charge.id).status == "succeeded"


def test_a_declined_card_is_replayed_without_a_second_charge(shop):
    """A 402 is saved too."""
    params = {
        "amount": 1000, "currency": "usd", "confirm": True,
        "payment_method": "pm_card_chargeDeclined",
    }  # fmt: skip
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            shop.v1.payment_intents.create(params, options={"idempotency_key": "k"})

    assert len(shop.v1.charges.list().data) == 1


def test_a_key_in_use_is_a_409():
    """Of two requests at once with one key, the second is refused while the first is at work."""
    book = Book()
    sandbox = SandboxStripe(book, FrozenClock(), random.Random(1), check_key=False)
    answers = []

    def ask():
        answers.append(sandbox.request("POST", "/v1/customers", [], {"Idempotency-Key": "k"}))

    first = threading.Thread(target=ask)
    with book.transaction():
        first.start()
        while not sandbox._keys_in_use:
            first.join(0.01)
        ask()
    first.join()
    book.close()

    assert [answer.status for answer in answers] == [409, 200]
    assert answers[0].json()["error"]["code"] == "idempotency_key_in_use"


@pytest.mark.parametrize("key", ["sk_live_x", "pk_test_x", "whatever"])
def test_other_keys_than_secret_test_keys_are_refused(client_of, shop, key):
    """Live keys above all do not work in the sandbox."""
    with pytest.raises(stripe.AuthenticationError) as caught:
        client_of(shop.url, key=key).v1.customers.list()

    assert caught.value.http_status == 401


def test_basic_authentication_works(shop):
    """Stripe takes the key as the user of Basic, as curl -u does."""
    basic = {"Authorization": "Basic c2tfdGVzdF94Og=="}

    assert shop.sandbox.request("GET", "/v1/customers", [], basic).status == 200
    nonsense = {"Authorization": "Basic ***"}
    assert shop.sandbox.request("GET", "/v1/customers", [], nonsense).status == 401


def test_errors_have_stripes_shape_and_a_request_id(shop):
    """An error names its type, code, message and parameter, and how to look it up."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.charges.retrieve("ch_none")

    error = caught.value
    assert (error.http_status, error.code, error.param) == (404, "resource_missing", "id")
    assert "No such charge: 'ch_none'" in str(error)
    assert error.request_id.startswith("req_")
    assert error.error.doc_url.endswith("resource-missing")


def test_unknown_paths_are_404(shop):
    """A call that the sandbox does not play is not answered with silence."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.coupons.list()

    assert caught.value.http_status == 404
