"""The deciding part of the deliveries: who gets what when, without network or threads."""

import itertools
import random

import orjson
import pytest
from stripe import SignatureVerificationError, WebhookSignature

from ops.sandbox.book import Book
from ops.sandbox.deliveries import Deliveries, DeliveryHabits
from ops.sandbox.delivery_signatures import signature_header

SECRET = "whsec_sandbox_of_the_tests"


def deliver_all(deliveries, status=200, limit=1000):
    """Hand out and settle whatever is due now; return the event ids in order."""
    deliveries.schedule()
    handed = deliveries.due(limit)
    for delivery in handed:
        deliveries.outcome(delivery, status)
    return [delivery.event_id for delivery in handed]


def test_each_event_is_delivered_in_the_order_of_emission(deliveries, endpoint, emit):
    """A calm engine delivers each event once, in the order in which it was emitted."""
    endpoint()
    ids = emit(5)

    assert ids == deliver_all(deliveries())


def test_the_stripe_library_accepts_the_signature(deliveries, endpoint, emit, clock):
    """A delivery's header verifies with stripe's own verifier, over the delivered bytes."""
    endpoint()
    emit()
    engine = deliveries()
    engine.schedule()
    (delivery,) = engine.due()
    header = delivery.headers["Stripe-Signature"]

    assert WebhookSignature.verify_header(delivery.body, header, SECRET)
    assert header.startswith(f"t={clock.now_ms() // 1000},v1=")


def test_the_v0_is_no_v1():
    """The v0 of the header is not a digest that a receiver could take for a v1."""
    header = signature_header(b"{}", ["whsec_one"], 1)
    as_v1 = header.replace("v1=", "v9=").replace("v0=", "v1=")

    with pytest.raises(SignatureVerificationError):
        WebhookSignature.verify_header(b"{}", as_v1, "whsec_one")


def test_a_rolled_secret_signs_until_it_ends(deliveries, endpoint, emit, clock):
    """While two secrets are active each delivery carries two v1; afterwards only the newest."""
    until = clock.now_ms() // 1000 + 60
    endpoint(_previous_secrets=[{"secret": "whsec_old", "until": until}])
    emit(2)
    engine = deliveries()
    engine.schedule()
    (during,) = engine.due()
    clock.advance(61)
    (after,) = engine.due()

    assert WebhookSignature.verify_header(
        during.body, during.headers["Stripe-Signature"], "whsec_old"
    )
    assert WebhookSignature.verify_header(during.body, during.headers["Stripe-Signature"], SECRET)
    assert during.headers["Stripe-Signature"].count("v1=") == 2
    assert after.headers["Stripe-Signature"].count("v1=") == 1


def test_the_body_is_indented_json_of_the_event(deliveries, endpoint, emit):
    """The body is the event as JSON, indented by two spaces, with its pending_webhooks."""
    endpoint()
    emit()
    engine = deliveries()
    engine.schedule()
    (delivery,) = engine.due()

    assert delivery.body.startswith(b'{\n  "id": "evt_1",\n')
    assert orjson.loads(delivery.body)["pending_webhooks"] == 1


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(None, id="no answer"),
        pytest.param(301, id="redirect"),
        pytest.param(400, id="refused"),
        pytest.param(503, id="overloaded"),
        pytest.param(199, id="just below 2xx"),
    ],
)
def test_anything_but_2xx_is_tried_again_later(deliveries, endpoint, emit, clock, status):
    """A delivery without a 2xx is not due at once, and due again after its back-off."""
    endpoint()
    emit()
    engine = deliveries()
    deliver_all(engine, status)
    at_once = engine.due()
    clock.advance(73)
    (again,) = engine.due()

    assert at_once == []
    assert again.attempt == 2


def test_a_retry_carries_the_same_bytes_under_a_new_signature(deliveries, endpoint, emit, clock):
    """Each attempt is signed for its own moment, over unchanged bytes."""
    endpoint()
    emit()
    engine = deliveries()
    engine.schedule()
    (first,) = engine.due()
    engine.outcome(first, 500)
    clock.advance(100)
    (second,) = engine.due()

    assert first.body == second.body
    assert first.headers["Stripe-Signature"] != second.headers["Stripe-Signature"]
    assert WebhookSignature.verify_header(second.body, second.headers["Stripe-Signature"], SECRET)


def test_back_off_doubles_and_ends_after_three_days(deliveries, endpoint, emit, clock):
    """An endpoint that never answers sees growing pauses, about 16 attempts, then no more."""
    endpoint()
    emit()
    engine = deliveries()
    engine.schedule()
    started_ms = clock.now_ms()
    times = []
    while (next_ms := engine.next_due_ms()) is not None:
        clock.advance((next_ms - clock.now_ms()) / 1000)
        for delivery in engine.due():
            times.append(clock.now_ms() - started_ms)
            engine.outcome(delivery, 500)
    pauses = [later - sooner for sooner, later in itertools.pairwise(times)]

    assert 12 <= len(times) <= 18
    assert times[-1] <= 3 * 24 * 3600 * 1000
    assert all(later > sooner for sooner, later in itertools.pairwise(pauses[:9]))
    assert engine.counts()["given_up"] == 1


def test_speed_divides_the_back_off(deliveries, endpoint, emit, clock):
    """With speed 600 the first retry is due within a fraction of a second."""
    endpoint()
    emit()
    engine = deliveries(DeliveryHabits(speed=600))
    deliver_all(engine, 500)

    assert 0 < engine.next_due_ms() - clock.now_ms() <= 120


def test_an_acknowledged_event_counts_as_delivered(deliveries, endpoint, emit, book):
    """pending_webhooks falls as endpoints acknowledge, and is zero when all did."""
    endpoint("we_1")
    endpoint("we_2")
    emit(pending=2)
    engine = deliveries()
    engine.schedule()
    one, two = engine.due(2)
    engine.outcome(one, 200)
    after_one = book.event("evt_1")["pending_webhooks"]
    engine.outcome(two, 204)

    assert after_one == 1
    assert book.event("evt_1")["pending_webhooks"] == 0


def test_an_endpoint_gets_only_what_it_asked_for(deliveries, endpoint, emit):
    """An event goes only to endpoints whose enabled_events name its type."""
    endpoint("we_refunds", events=("refund.created",))
    endpoint("we_charges", events=("charge.succeeded", "charge.failed"))
    emit()
    engine = deliveries()
    engine.schedule()

    assert [delivery.endpoint_id for delivery in engine.due(10)] == ["we_charges"]


def test_an_endpoint_registered_later_gets_no_older_events(deliveries, endpoint, emit):
    """An event that was emitted before an endpoint existed is never delivered to it."""
    engine = deliveries()
    emit()
    engine.schedule()
    endpoint()
    emit(first=2)

    assert deliver_all(engine) == ["evt_2"]


def test_a_disabled_endpoint_waits_and_resumes(deliveries, endpoint, emit):
    """Nothing is handed out for a disabled endpoint; enabling it resumes what was waiting."""
    endpoint()
    emit()
    engine = deliveries()
    engine.schedule()
    endpoint(status="disabled")
    while_disabled = engine.due()
    endpoint()

    assert while_disabled == []
    assert deliver_all(engine) == ["evt_1"]


def test_a_deleted_endpoint_is_given_up(deliveries, endpoint, emit, book):
    """What waits for a deleted endpoint is given up."""
    endpoint()
    emit()
    engine = deliveries()
    engine.schedule()
    book.remove("webhook_endpoints", "we_1")

    assert engine.due() == []
    assert engine.counts()["given_up"] == 1


def test_a_repeated_event_comes_again_with_the_same_bytes(deliveries, endpoint, emit, clock):
    """With every event repeated, each arrives 2 to 1 + repeats_max times, byte for byte equal."""
    endpoint()
    emit(20)
    engine = deliveries(DeliveryHabits(repeat_share=1.0, repeats_max=3, repeat_seconds_max=5))
    engine.schedule()
    bodies = {}
    for _ in range(6):
        for delivery in engine.due(1000):
            bodies.setdefault(delivery.event_id, []).append(delivery.body)
            engine.outcome(delivery, 200)
        clock.advance(1)

    assert {2, 3, 4} >= {len(each) for each in bodies.values()}
    assert max(len(each) for each in bodies.values()) > 2
    assert all(len(set(each)) == 1 for each in bodies.values())


def test_a_failed_repeat_is_not_retried(deliveries, endpoint, emit):
    """Only the first copy of a delivery carries the promise of retries."""
    endpoint()
    emit()
    engine = deliveries(DeliveryHabits(repeat_share=1.0, repeats_max=1, repeat_seconds_max=0))
    deliver_all(engine, 500)
    counts = engine.counts()

    assert (counts["waiting"], counts["given_up"]) == (1, 1)


def test_delayed_deliveries_are_overtaken(deliveries, endpoint, emit, clock):
    """With half of the deliveries delayed, events arrive in another order, and all arrive."""
    endpoint()
    ids = emit(40)
    engine = deliveries(DeliveryHabits(delay_share=0.5, delay_seconds_max=10))
    engine.schedule()
    arrived = []
    for _ in range(11):
        arrived += deliver_all(engine)
        clock.advance(1)

    assert ids != arrived
    assert sorted(ids) == sorted(arrived)


def test_the_same_seed_gives_the_same_deliveries(endpoint, emit, book, clock):
    """Two engines with equal seeds plan equal repeats and delays."""
    endpoint()
    emit(50)
    habits = DeliveryHabits(repeat_share=0.3, delay_share=0.3)
    plans = []
    for _ in range(2):
        engine = Deliveries(book, clock, random.Random(7), habits)
        engine.schedule()
        clock.advance(100)
        plans.append([(made.event_id, made.copy) for made in engine.due(1000)])
        engine.close()

    assert plans[0] == plans[1]


def test_a_handed_out_delivery_is_not_handed_out_twice(deliveries, endpoint, emit):
    """What is out and not settled is not due; a second event still is."""
    endpoint()
    emit(2)
    engine = deliveries()
    engine.schedule()
    (first,) = engine.due(1)

    assert [made.event_id for made in engine.due(10)] == ["evt_2"]
    assert first.event_id == "evt_1"


def test_a_restart_goes_on_where_it_was(tmp_path, clock):
    """After a restart what was waiting or handed out is due, what was delivered is not."""
    path = tmp_path / "sandbox.db"
    book = Book(path)
    book.put(
        "webhook_endpoints",
        {
            "id": "we_1",
            "url": "http://127.0.0.1:9/",
            "enabled_events": ["*"],
            "status": "enabled",
            "_secret": SECRET,
        },
    )
    for number in range(4):
        book.emit(
            {"id": f"evt_{number}", "type": "charge.failed", "created": 1, "pending_webhooks": 1}
        )
    engine = Deliveries(book, clock, random.Random(1), path=path)
    engine.schedule()
    done, retried, _out = engine.due(3)
    engine.outcome(done, 200)
    engine.outcome(retried, 500)
    engine.close()
    book.close()
    book = Book(path)
    clock.advance(200)
    engine = Deliveries(book, clock, random.Random(2), path=path)
    newly_planned = engine.schedule()
    due = {delivery.event_id for delivery in engine.due(10)}
    engine.close()
    book.close()

    assert newly_planned == 0
    assert due == {"evt_1", "evt_2", "evt_3"}


def test_a_reset_book_leaves_nothing_to_deliver(deliveries, endpoint, emit, book):
    """Deliveries of events that the book forgot are given up, and new ones are delivered."""
    endpoint()
    emit()
    engine = deliveries()
    engine.schedule()
    book.reset()
    endpoint()
    forgotten = engine.due()
    emit(first=2)

    assert forgotten == []
    assert deliver_all(engine) == ["evt_2"]
