"""Credits come from what was paid: once, for what the catalogue describes, whatever the order of the events."""

import itertools

import pytest
from sqlalchemy import select

from ledger.credit_tables import credit_entries
from ledger.event_queries import EventFilter
from ledger.issue_tables import credit_issues
from ledger.replaying import ReplayAuthor, ReplayOrder, plan_replay, replay_step
from ledger.states import LookUpState
from ledger.stripe_tables import invoices
from ledger.tables import look_ups
from policy.catalogue import CatalogueError
from policy.request_facts import Reason
from tests.fakes.worker_world import CrashAt, Crashed
from workers import crash_points
from workers.case_following import Desk
from workers.case_rulings import rule_on_case
from workers.catalogue_book import CatalogueBook
from workers.credit_issuing import issue_due
from workers.terms_book import TermsBook

DAY = 86_400
CATALOGUE = """
[offers."images-500"]
name = "500 image credits"
kind = "credit_pack"
credits = 500
validity_days = 365
"""


def price_of(world, interval="month", **metadata):
    """A price of a product of its own, with metadata that may describe it; returns its id."""
    product = world.v1.products.create({"name": "Plan"})
    given = {"product": product.id, "currency": "usd", "unit_amount": 2000, "metadata": metadata}
    return world.v1.prices.create(given | {"recurring": {"interval": interval}}).id


def subscribe(world, price, quantity=1):
    """A new customer's subscription, its first invoice paid; returns the customer's and its own id."""
    customer = world.customer()
    card = world.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    world.v1.payment_methods.attach(card.id, {"customer": customer})
    items = [{"price": price, "quantity": quantity}]
    given = {"customer": customer, "items": items, "default_payment_method": card.id}
    return customer, world.v1.subscriptions.create(given).id


def granted(world):
    """Every grant as (customer, credits)."""
    query = select(credit_entries.c.customer_id, credit_entries.c.credits).order_by(
        credit_entries.c.id
    )
    with world.store.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def states(world):
    """Where each purchase stands, and how many of its issues were made."""
    return [(row.state, row.issued) for row in world.rows(credit_issues)]


@pytest.fixture
def catalogue(tmp_path):
    """A catalogue file with one pack."""
    path = tmp_path / "catalogue.toml"
    path.write_text(CATALOGUE, encoding="utf-8")
    return path


def test_monthly_plan(world):
    """A paid invoice issues the month's credits for each seat, and each renewal the next month's."""
    customer, subscription = subscribe(world, price_of(world, redress_credits="100"), quantity=3)
    world.settle(30)
    first = granted(world)
    world.clock.advance(30 * DAY)
    world.control(f"subscriptions/{subscription}/renew", {})
    world.settle(30)

    assert [(customer, 300)] == first
    assert [(customer, 300)] * 2 == granted(world)
    assert [("done", 1)] * 2 == states(world)


def test_annual_plan_issues_by_the_month(world):
    """A yearly plan issues twelve times, the first at once, each on the day of the month of its payment."""
    customer, _ = subscribe(world, price_of(world, "year", redress_credits="100"))
    world.settle(30)
    counts = [len(granted(world))]
    (paid_at,) = [row.paid_at for row in world.rows(credit_issues)]
    for _ in range(11):
        world.clock.advance(31 * DAY)
        issue_due(world.context)
        counts.append(len(granted(world)))
    issue_due(world.context)
    times = [row.at for row in world.rows(credit_entries)]

    assert list(range(1, 13)) == counts
    assert [(customer, 100)] * 12 == granted(world)
    assert [("done", 12)] == states(world)
    assert paid_at == times[0]
    assert {28, 29, 30, 31} >= {(b - a) // DAY for a, b in itertools.pairwise(times)}


def test_ended_plan_issues_no_more(world):
    """When the subscription has ended, the months after it bring nothing."""
    _, subscription = subscribe(world, price_of(world, "year", redress_credits="100"))
    world.settle(30)
    world.v1.subscriptions.cancel(subscription)
    world.settle(30)
    world.clock.advance(32 * DAY)
    issue_due(world.context)

    assert 1 == len(granted(world))
    assert [("stopped", 1)] == states(world)


def test_pack_by_its_product(world, catalogue):
    """A charge that names a product of the catalogue's file issues its pack, which expires as it says."""
    world.context = world.fresh_context(catalogue=CatalogueBook(catalogue))
    customer = world.customer()
    world.pay(customer, metadata={"order_id": "o-1", "product": "images-500"})
    world.pay(customer, metadata={"order_id": "o-2", "product": "images-900"})
    world.pay(None, metadata={"order_id": "o-3", "product": "images-500"})
    world.settle(30)
    (row,) = world.rows(credit_entries)

    assert [(customer, 500)] == granted(world)
    assert 365 * DAY == row.expires_at - row.at


def test_what_nobody_describes(world):
    """A price without our metadata, or with some that cannot be followed, issues nothing and waits for nothing."""
    subscribe(world, price_of(world))
    subscribe(world, price_of(world, redress_credits="many"))
    world.settle(30)

    assert [] == granted(world)
    assert [] == states(world)


def test_unpaid_invoice_brings_nothing(world):
    """Only what was paid issues credits."""
    customer = world.customer()
    card = world.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    world.v1.payment_methods.attach(card.id, {"customer": customer})
    items = [{"price": price_of(world, redress_credits="100")}]
    given = {"customer": customer, "items": items, "default_payment_method": card.id}
    world.v1.subscriptions.create(given | {"payment_behavior": "default_incomplete"})
    world.settle(30)

    assert {"open"} == {row.status for row in world.rows(invoices)}
    assert [] == granted(world)


@pytest.mark.parametrize("described", [True, False], ids=["an offer", "no offer"])
def test_price_told_later(world, described):
    """An invoice that comes before its price waits; Stripe is asked, and the answer settles it."""
    metadata = {"redress_credits": "100"} if described else {}
    subscribe(world, price_of(world, **metadata))
    told = [event for event in world.new_events() if event["type"] != "price.created"]
    world.receive(*told)
    world.drain()
    waiting = states(world)
    world.work()

    assert [("waiting", 0)] == waiting
    assert [("done", 1) if described else ("stopped", 0)] == states(world)
    assert (1 if described else 0) == len(granted(world))
    assert "price" in {row.object_type for row in world.rows(look_ups)}
    assert {LookUpState.ANSWERED.value} == {row.state for row in world.rows(look_ups)}


def test_price_event_settles_it(world):
    """The event of the price settles a purchase that waits as well."""
    subscribe(world, price_of(world, redress_credits="100"))
    told = world.new_events()
    late = [event for event in told if event["type"] == "price.created"]
    world.receive(*[event for event in told if event not in late])
    world.drain()
    world.receive(*late)
    world.drain()
    world.work()

    assert [("done", 1)] == states(world)
    assert 1 == len(granted(world))


def test_order_and_repetition_change_nothing(world):
    """Whatever order the events come in, and however often, a payment brings its credits once."""
    customer, _ = subscribe(world, price_of(world, redress_credits="100"))
    told = [
        event
        for event in world.new_events()
        if event["type"]
        in {"price.created", "invoice.paid", "invoice.finalized", "charge.succeeded"}
    ]
    for event in [*reversed(told), *told]:
        world.receive(event)
        world.work()

    assert [(customer, 100)] == granted(world)


@pytest.mark.parametrize("point", [crash_points.DRAIN_JUDGED, crash_points.DRAIN_COMMITTED])
def test_crashes(world, point):
    """A worker that dies before or after its commit leaves no credits lost and none twice."""
    customer, _ = subscribe(world, price_of(world, redress_credits="100"))
    world.deliver()
    world.restart(CrashAt(point))
    with pytest.raises(Crashed):
        world.drain()
    world.restart()
    world.settle(60)

    assert [(customer, 100)] == granted(world)


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (b"\xff", "catalogue.toml: cannot be read: UnicodeDecodeError"),
        (b"#" * (1024**2 + 1), "catalogue.toml: is larger than 1048576 bytes"),
        (b"[offers.x]", "catalogue.toml: offers.x.credits: is missing"),
    ],
)
def test_unusable_file(tmp_path, content, refused):
    """A catalogue that cannot be followed is refused when the process starts."""
    path = tmp_path / "catalogue.toml"
    path.write_bytes(content)

    with pytest.raises(CatalogueError) as wrong:
        CatalogueBook(path)
    assert refused == str(wrong.value)


def test_missing_file(tmp_path):
    """So is one that is not there any more."""
    with pytest.raises(CatalogueError, match="cannot be read: FileNotFoundError"):
        CatalogueBook(tmp_path / "catalogue.toml")


def replay(world, event_type):
    """Have an operator replay the events of one type."""
    order = ReplayOrder(wanted=EventFilter(types=(event_type,)), livemode=False, account=None)
    author = ReplayAuthor(actor="ada", reason="the catalogue was mended", origin="cli")
    with world.store.write() as connection:
        plan = plan_replay(connection, order)
        replay_step(
            connection,
            order,
            author,
            last_row=plan.last_row,
            count_max=100,
            now_ms=world.clock.now_ms(),
        )
    assert plan.events
    world.settle(30)


def mend_catalogue(world, path, *names):
    """Describe these prices or products in a catalogue's file, and start the processes again."""
    offers = [CATALOGUE.replace("images-500", name) for name in names]
    path.write_text("".join(offers), encoding="utf-8")
    world.context = world.fresh_context(catalogue=CatalogueBook(path))


@pytest.mark.parametrize("told_late", [False, True], ids=["price told first", "price told late"])
def test_replay_after_the_catalogue_was_mended(world, tmp_path, told_late):
    """What was paid before its price was described is issued by a replay of its event, once."""
    price = price_of(world)
    customer, _ = subscribe(world, price)
    told = world.new_events()
    late = [event for event in told if told_late and event["type"] == "price.created"]
    world.receive(*[event for event in told if event not in late])
    world.settle(30)
    before = granted(world)
    mend_catalogue(world, tmp_path / "mended.toml", price)
    replay(world, "invoice.paid")
    replay(world, "invoice.paid")

    assert [] == before
    assert [(customer, 500)] == granted(world)
    assert [("done", 1)] == states(world)


def test_replay_of_a_pack(world, tmp_path):
    """So is a pack, by a replay of the charge that names it."""
    customer = world.customer()
    world.pay(customer, metadata={"order_id": "o-1", "product": "images-500"})
    world.settle(30)
    before = granted(world)
    mend_catalogue(world, tmp_path / "mended.toml", "images-500")
    replay(world, "charge.succeeded")
    replay(world, "charge.succeeded")

    assert [] == before
    assert [(customer, 500)] == granted(world)


def test_replay_of_what_was_paid_back(world, tmp_path):
    """What was paid back since brings nothing by a replay."""
    price = price_of(world)
    subscribe(world, price)
    world.settle(30)
    charge = next(world.sandbox.book.newest_first("charges"))["id"]
    world.v1.refunds.create({"charge": charge})
    world.settle(30)
    mend_catalogue(world, tmp_path / "mended.toml", price)
    replay(world, "invoice.paid")

    assert [] == granted(world)


class CountedBook(CatalogueBook):
    """A catalogue that counts how often it is asked."""

    looks = 0

    def look(self, connection, price_ids):
        """Count, and look."""
        self.looks += 1
        return super().look(connection, price_ids)


def test_catalogue_is_asked_once(world):
    """A paid invoice asks the catalogue once."""
    book = CountedBook()
    world.context = world.fresh_context(catalogue=book)
    price = price_of(world, redress_credits="100")
    world.settle(30)
    before = book.looks
    customer, _ = subscribe(world, price)
    world.settle(30)

    assert [(customer, 100)] == granted(world)
    assert 1 == book.looks - before


def test_refunded_before_it_was_told_of(shop):
    """A purchase that was refunded before the events that tell of its invoice brings nothing afterwards."""
    customer, _ = subscribe(shop, price_of(shop, redress_credits="100"))
    told = shop.new_events()
    kept = [event for event in told if event["type"].startswith("invoice.")]
    shop.receive(*[event for event in told if event not in kept])
    shop.settle(30)
    charge = next(shop.sandbox.book.newest_first("charges"))["id"]
    shop.ask(charge, reasons=(Reason.FAILURE,))
    shop.settle(60)
    with shop.store.write() as connection:
        desk = Desk(connection=connection, settings=shop.settings, now_ms=shop.clock.now_ms())
        rule_on_case(desk, TermsBook(), shop.case().case_id, amount_minor=2000)
    shop.settle(60)
    shop.receive(*kept)
    shop.settle(60)

    assert kept
    assert 1 == len(shop.refunds())
    assert 0 == shop.left(customer)
