"""A whole shop's day over real HTTP: played, delivered unruly, and judged by the policy."""

from collections import Counter

import pytest
from stripe import Webhook

from ops.sandbox.book import Book
from ops.sandbox.deliveries import DeliveryHabits
from ops.sandbox.delivery_endpoints import register_endpoint, rotate_secret
from ops.sandbox.shop_answers import read_answers
from ops.sandbox.shop_day import ShopDay
from ops.sandbox.shop_plan import DAY_SECONDS, LOOK_ALIKES
from policy.duplicate_charges import find_duplicates
from policy.payments import DisputeStanding, InvoiceFacts, Payment, SubscriptionFacts
from policy.terms_file import load_terms
from runtime.clock import SystemClock
from tests.ops.sandbox_deliveries.scripted_receiver import ScriptedReceiver
from tests.ops.sandbox_deliveries.whole_sandbox import WholeSandbox

OLD_SECRET, NEW_SECRET = "whsec_before_noon_of_the_day", "whsec_after_noon_of_the_day"
HABITS = DeliveryHabits(
    repeat_share=0.1,
    repeat_seconds_max=0.5,
    delay_share=0.1,
    delay_seconds_max=0.5,
    speed=1000,
)


class PlayedDay:
    """One sandbox with a day played on it, its deliveries all received."""

    def __init__(self, folder):
        clock = SystemClock()
        self.receiver = ScriptedReceiver(self._answer)
        self.progress = []
        sandbox = WholeSandbox(folder, clock, seed=6, habits=HABITS)
        sandbox.start()
        try:
            register_endpoint(sandbox.url, self.receiver.url, [OLD_SECRET], ["*"])
            day = ShopDay(
                sandbox.url,
                clock,
                seed=11,
                charges=520,
                duration_seconds=0,
                progress=lambda *seen: self.progress.append(seen),
                at_noon=lambda: rotate_secret(sandbox.url, self.receiver.url, NEW_SECRET),
            )
            self.answers = day.play()
            self.receiver.wait_for(sandbox.couriers.settled, seconds=60)
            self.counts = sandbox.couriers.counts()
        finally:
            sandbox.stop()
            self.receiver.close()
        self.book = Book(folder / "sandbox.db")

    @staticmethod
    def _answer(event, seen):
        """Fail one in about thirty events at its first delivery."""
        return 500 if seen == 1 and event["created"] % 30 == 0 else 200


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    played = PlayedDay(tmp_path_factory.mktemp("day"))
    yield played
    played.book.close()


def charges_of(book):
    return {charge["id"]: charge for charge in book.newest_first("charges")}


def payments_of(book, terms):
    """Return the book's charges as the policy sees payments once everything is known."""
    invoices = {one["id"]: one for one in book.newest_first("invoices")}
    subscriptions = {one["id"]: one for one in book.newest_first("subscriptions")}
    invoice_of = {
        one["payment"]["payment_intent"]: invoices[one["invoice"]]
        for one in book.newest_first("invoice_payments")
    }
    disputes = {one["charge"]: one for one in book.newest_first("disputes")}
    return [
        payment_of(charge, invoice_of.get(charge["payment_intent"]), subscriptions, disputes, terms)
        for charge in book.newest_first("charges")
    ]


def payment_of(charge, invoice, subscriptions, disputes, terms):
    facts = None if invoice is None else invoice_facts(invoice)
    subscription = subscriptions.get(facts.subscription_id) if facts else None
    metadata = charge["metadata"]
    return Payment(
        charge_id=charge["id"],
        payment_intent_id=charge["payment_intent"],
        created=charge["created"],
        captured_minor=charge["amount_captured"],
        refunded_minor=charge["amount_refunded"],
        currency=charge["currency"],
        customer_id=charge["customer"],
        card_fingerprint=charge["payment_method_details"]["card"]["fingerprint"],
        order_reference=first_of(metadata, terms.order_reference_keys),
        product=first_of(metadata, terms.product_keys),
        invoice=facts,
        invoice_known=True,
        subscription=subscription_facts(subscription) if subscription else None,
        dispute=DisputeStanding.OPEN if charge["id"] in disputes else DisputeStanding.NONE,
        disputed_minor=disputes.get(charge["id"], {}).get("amount", 0),
        livemode=False,
    )


def invoice_facts(invoice):
    parent = invoice["parent"] or {}
    details = parent.get("subscription_details") or {}
    lines = invoice["lines"]["data"]
    prices = [(line.get("pricing") or {}).get("price_details", {}).get("price") for line in lines]
    return InvoiceFacts(
        invoice_id=invoice["id"],
        subscription_id=details.get("subscription"),
        billing_reason=invoice["billing_reason"],
        amount_due_minor=invoice["amount_due"],
        price_ids=tuple(price for price in prices if price),
    )


def subscription_facts(subscription):
    return SubscriptionFacts(
        subscription_id=subscription["id"],
        created=subscription["created"],
        ended_at=subscription["ended_at"],
        status=subscription["status"],
    )


def first_of(metadata, keys):
    return next((metadata[key] for key in keys if key in metadata), None)


def test_the_day_has_enough_charges(day):
    """At least 520 charges succeed, some fail, and the answers count what the book holds."""
    charges = charges_of(day.book).values()
    succeeded = [charge for charge in charges if charge["status"] == "succeeded"]

    assert len(succeeded) >= 520
    assert day.answers.charges_succeeded == len(succeeded)
    assert day.answers.charges_failed == len(charges) - len(succeeded) > 0


def test_the_known_answers_are_in_the_book(day):
    """Each true duplicate is a succeeded charge of the stated money, later than the one it repeats."""
    charges = charges_of(day.book)

    for one in day.answers.duplicates:
        charge, kept = charges[one.charge_id], charges[one.kept_charge_id]
        assert (charge["status"], kept["status"]) == ("succeeded", "succeeded")
        assert (charge["amount"], charge["currency"]) == (one.amount_minor, one.currency)
        assert (kept["created"], kept["id"]) < (charge["created"], charge["id"])
        assert charge["payment_intent"] != kept["payment_intent"]
        assert not charge["disputed"]


def test_there_are_twelve_duplicates_of_every_kind(day):
    """The day has three true duplicates of each of the policy's four kinds, one of them for a person."""
    kinds = Counter(one.kind for one in day.answers.duplicates)

    assert sorted(kinds.values()) == [3, 3, 3, 3]
    assert len(day.answers.to_refund()) == 11
    assert len(day.answers.to_review()) == 1


def test_look_alikes_and_duplicates_never_overlap(day):
    """Look-alikes of each kind are in the book, and none is a duplicate or is listed twice."""
    look_alikes = [one.charge_id for one in day.answers.look_alikes]
    duplicates = {one.charge_id for one in day.answers.duplicates}

    assert {one.kind for one in day.answers.look_alikes} == set(LOOK_ALIKES)
    assert len(set(look_alikes)) == len(look_alikes)
    assert not duplicates & day.answers.never_refunded()
    assert set(look_alikes) <= set(charges_of(day.book))


def test_the_policy_finds_exactly_the_known_answers(day):
    """Fed with all charges of the day, the detector finds the 12 duplicates and nothing else."""
    terms = load_terms().duplicates
    findings = find_duplicates(payments_of(day.book, terms), terms)
    found = {
        one.charge_id: (
            one.kept_charge_id,
            one.kind.value,
            "refund" if one.confidence >= terms.refund_at else "review",
        )
        for one in findings
    }

    assert found == {
        one.charge_id: (one.kept_charge_id, one.kind, one.outcome) for one in day.answers.duplicates
    }


def test_what_was_created_lies_within_the_played_day(day):
    """Charges and events carry times of the simulated day, or of the month before it."""
    start, end = day.answers.started_at, day.answers.started_at + DAY_SECONDS
    created = [charge["created"] for charge in charges_of(day.book).values()]

    assert max(created) <= end
    assert min(created) >= start - 30 * DAY_SECONDS
    assert sum(start <= moment for moment in created) >= 450


def test_every_event_was_delivered(day):
    """Through repeats, delays, failures and a rolled secret each event arrives and is acknowledged."""
    events = [event for _, event in day.book.events_after(0, 100_000)]
    arrived = Counter(day.receiver.ids())

    assert set(arrived) == {event["id"] for event in events}
    assert all(event["pending_webhooks"] == 0 for event in events)
    assert sum(arrived.values()) > len(events)
    assert day.counts["waiting"] == 0


def test_deliveries_were_reordered(day):
    """Some events arrive after events that were emitted later."""
    emitted = [event["id"] for _, event in day.book.events_after(0, 100_000)]

    assert list(dict.fromkeys(day.receiver.ids())) != emitted


def test_the_rolled_secret_signs_the_afternoon(day):
    """Before noon only the old secret signs; afterwards the new one as well."""
    _, first_body, first_signature = day.receiver.seen[0]
    _, last_body, last_signature = day.receiver.seen[-1]

    assert first_signature.count("v1=") == 1
    assert last_signature.count("v1=") == 2
    assert Webhook.construct_event(first_body, first_signature, OLD_SECRET)
    assert Webhook.construct_event(last_body, last_signature, NEW_SECRET)
    assert Webhook.construct_event(last_body, last_signature, OLD_SECRET)


def test_a_repeated_delivery_carries_the_same_bytes(day):
    """All deliveries of one event carry one body, byte for byte."""
    bodies = {}
    for event, body, _ in day.receiver.seen:
        bodies.setdefault(event["id"], set()).add(body)

    assert all(len(each) == 1 for each in bodies.values())


def test_progress_counts_to_the_end(day):
    """Progress rises by one per story to the total, with a label for people."""
    total = day.progress[-1][1]

    assert [done for done, _, _ in day.progress] == list(range(1, total + 1))
    assert all(label and "_" not in label for _, _, label in day.progress)


def test_the_answers_are_written_and_read_back(day, tmp_path):
    """The answers survive a round trip through their JSON file, and print as a summary."""
    day.answers.write(tmp_path / "answers.json")

    assert read_answers(tmp_path / "answers.json") == day.answers
    assert "12 duplicate charges" in day.answers.summary()
    assert "11 to refund" in day.answers.summary()
