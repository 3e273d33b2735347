"""`redress disputes`: deadlines, the evidence pack, and handing it in at the sandbox over HTTP, whatever the network does."""

import json
import stat

import pytest

from ledger.fraud_tables import dispute_submissions
from ledger.tables import audit
from ops.sandbox.sandbox_server import SandboxServer
from tests.fakes.pack_shop import PackShop
from tests.fakes.worker_world import WorkerWorld, worker_settings

DAY = 86_400
ABOUT_HER = {"ip_address": "203.0.113.9", "device_id": "device-0123456789"}
EMAIL = "buyer@shop.example"


@pytest.fixture
def shop(sqlite_redress, tmp_path, clock):
    """A shop whose command line and workers share a ledger, and a sandbox that the command line calls over HTTP."""
    line, store = sqlite_redress
    world = WorkerWorld(store=store, settings=worker_settings(tmp_path), clock=clock)
    server = SandboxServer(world.sandbox)
    server.start()
    made = PackShop(world, tmp_path)
    line.environ |= {
        "STRIPE_API_KEY": "sk_test_sandbox",
        "STRIPE_API_BASE": server.url,
        "STRIPE_WEBHOOK_SECRETS": "whsec_of_the_test_0001",
        "REDRESS_MODE": "enforce",
    }
    made.line = line
    yield made
    server.stop()
    world.sandbox.book.close()


def bought(shop, customer, **about):
    """A pack by the customer's own card; its charge."""
    told = {"product_id": "images-500", **ABOUT_HER, **about}
    charge = shop.pay(customer, amount=2000, order=None, metadata=told, receipt_email=EMAIL)
    shop.settle(30)
    return charge


def disputed(shop, *, earlier=2, status="needs_response", **about):
    """Payments half a year apart, and a dispute of the last one: the dispute, its charge, those before, the customer."""
    customer = shop.customer()
    before = []
    for _ in range(earlier):
        before.append(bought(shop, customer))
        shop.clock.advance(2 * DAY)
    shop.clock.advance(150 * DAY)
    charge = bought(shop, customer, **about)
    shop.use(customer, 40)
    told = {"charge": charge, "reason": "fraudulent", "status": status}
    dispute = shop.control("disputes", told)["id"]
    shop.settle(30)
    return dispute, charge, before, customer


def at_stripe(shop, dispute):
    return shop.sandbox.book.get("disputes", dispute)


def submit(shop, dispute, *more):
    return shop.line("disputes", "submit", dispute, "--yes", "--reason", "she used it", *more)


def calls(shop, dispute):
    path = f"/v1/disputes/{dispute}"
    log = shop.sandbox.control("GET", "/sandbox/requests", {"path_prefix": path})
    return [row for row in log.json()["data"] if row["method"] == "POST"]


def test_list(shop):
    """What waits, by when, and the case that it belongs to."""
    dispute, charge, _, _ = disputed(shop)

    (found,) = shop.line.json("disputes", "list")["disputes"]

    assert (dispute, charge, "needs_response") == (
        found["dispute_id"],
        found["charge_id"],
        found["status"],
    )
    assert at_stripe(shop, dispute)["evidence_details"]["due_by"] == found["due_by"]
    assert found["case_id"] is not None
    shown = shop.line("disputes", "list").stdout
    assert "8 d 23 h" in shown
    assert 80 >= max(map(len, shown.splitlines()[:2]))
    assert f"`redress disputes evidence {dispute}`" in shown


def test_nothing_waits(redress):
    """An empty list says where to look."""
    assert "No dispute waits for an answer" in redress("disputes", "list").stdout


def test_evidence(shop):
    """Payments, use, terms, decisions, and the two earlier payments that speak for this one."""
    dispute, charge, before, customer = disputed(shop)

    pack = shop.line.json("disputes", "evidence", dispute)

    payment = pack["payment"]
    assert (charge, 2000, "visa") == (
        payment["charge_id"],
        payment["amount_minor"],
        payment["network"],
    )
    assert (
        "500 credits for making AI images and video, delivered online at once, for 20.00 USD"
        == (payment["product_description"])
    )
    assert (customer, EMAIL, ABOUT_HER["ip_address"]) == (
        payment["customer_id"],
        payment["email"],
        payment["ip_address"],
    )
    assert [(40, True)] == [(row["credits"], row["successful"]) for row in pack["usage"]]
    assert [*before, charge] == [row["charge_id"] for row in pack["payments"]]
    assert [False, False, True] == [row["disputed_or_reported"] for row in pack["payments"]]
    assert "2025-09-14" == pack["terms_version"]
    assert {"deny", "review"} & {row["verdict"] for row in pack["decisions"]}
    compelling = pack["compelling_evidence"]
    assert compelling["qualifies"]
    assert set(before) == {row["charge_id"] for row in compelling["prior"]}


def test_no_compelling_evidence(shop):
    """One earlier payment is not enough, and that is said."""
    dispute, _, _, _ = disputed(shop, earlier=1)

    shown = shop.line("disputes", "evidence", dispute).stdout

    assert "no. 1 of 2 payments with this card" in shown
    assert EMAIL not in shown
    assert ABOUT_HER["ip_address"] not in shown


def test_the_page(shop, tmp_path):
    """For a person, readable by nobody else, and nothing in it that a customer wrote is markup."""
    dispute, charge, _, _ = disputed(shop, earlier=0, device_id="<b>device</b>")
    page = tmp_path / "evidence.html"

    assert 0 == shop.line("disputes", "evidence", dispute, "--html", page).exit_code

    written = page.read_text(encoding="utf-8")
    assert 0o600 == stat.S_IMODE(page.stat().st_mode)
    assert charge in written
    assert EMAIL in written
    assert "&lt;b&gt;device&lt;/b&gt;" in written
    assert "<script" not in written
    assert [dispute] == [
        row.object for row in shop.rows(audit) if row.action == "disputes.evidence"
    ]
    assert "They do not qualify. 0 of 2 payments" in written


def test_submit(shop):
    """What goes out is what the pack says; Stripe hands it to the bank, once."""
    dispute, _, before, _ = disputed(shop)

    ran = submit(shop, dispute, "--statement", "She wrote to us about her pictures.")

    assert 0 == ran.exit_code, ran.output
    assert "is with the bank" in ran.stdout
    told = at_stripe(shop, dispute)
    assert ("under_review", 1) == (told["status"], told["evidence_details"]["submission_count"])
    evidence = told["evidence"]
    assert ABOUT_HER["ip_address"] == evidence["customer_purchase_ip"]
    assert "40 credits used, successful" in evidence["access_activity_log"]
    assert evidence["uncategorized_text"].startswith("She wrote to us about her pictures.\n")
    compelling = evidence["enhanced_evidence"]["visa_compelling_evidence_3"]
    assert "services" == compelling["disputed_transaction"]["merchandise_or_services"]
    assert set(before) == {row["charge"] for row in compelling["prior_undisputed_transactions"]}
    (entry,) = [row for row in shop.rows(audit) if row.action == "disputes.submit"]
    assert (dispute, "she used it") == (entry.object, entry.detail)
    shop.settle(30)
    assert "No dispute waits" in shop.line("disputes", "list").stdout
    assert "under review" in shop.line("disputes", "list", "--all").stdout


def test_a_second_answer_is_refused(shop):
    """A bank takes one."""
    dispute, _, _, _ = disputed(shop)
    submit(shop, dispute)

    again = submit(shop, dispute)

    assert 1 == again.exit_code
    assert (
        "is under_review at Stripe: nobody waits for an answer. Nothing was sent." in again.stderr
    )
    assert 1 == len(calls(shop, dispute))


@pytest.mark.parametrize("kind", ["503", "reset", "truncated_json"])
def test_an_answer_that_got_lost(shop, kind):
    """The words are written down; the same call sends them again, or finds that they arrived, and the bank has them once."""
    dispute, _, _, _ = disputed(shop)
    shop.fault(kind, path_prefix=f"/v1/disputes/{dispute}", probability=1)

    lost = submit(shop, dispute)

    assert 1 == lost.exit_code
    assert "call the same again, which is safe" in lost.stderr
    (written,) = shop.rows(dispute_submissions)
    assert "sending" == written.state
    assert "sent, no answer" in shop.line("disputes", "list").stdout
    shop.control("faults", [])

    assert 0 == submit(shop, dispute, "--statement", "other words").exit_code

    (settled,) = shop.rows(dispute_submissions)
    assert ("accepted", written.params, written.idempotency_key) == (
        settled.state,
        settled.params,
        settled.idempotency_key,
    )
    told = at_stripe(shop, dispute)
    assert ("under_review", 1) == (told["status"], told["evidence_details"]["submission_count"])


def test_an_answer_that_never_arrived(shop):
    """The bank decided without it: that is said, and nobody is told that it was handed in."""
    dispute, _, _, _ = disputed(shop)
    shop.fault("503", path_prefix=f"/v1/disputes/{dispute}", probability=1)
    submit(shop, dispute)
    shop.control("faults", [])
    shop.control(f"disputes/{dispute}", {"status": "lost"})

    ran = submit(shop, dispute)

    assert 1 == ran.exit_code
    assert f"the answer never arrived, and {dispute} is lost by now" in ran.stderr
    (written,) = shop.rows(dispute_submissions)
    assert ("refused", "it never arrived") == (written.state, written.note)
    assert 0 == at_stripe(shop, dispute)["evidence_details"]["submission_count"]


def test_asked_before_it_is_sent(shop):
    """Without --yes a person sees the pack and is asked; no is no."""
    dispute, _, _, _ = disputed(shop)

    ran = shop.line("disputes", "submit", dispute, "--reason", "she used it", stdin="n\n")

    assert 1 == ran.exit_code
    assert "Hand this to the bank?" in ran.output
    assert [] == calls(shop, dispute)
    assert [] == list(shop.rows(dispute_submissions))


def test_observe_mode(shop):
    """Nothing leaves in observe mode."""
    dispute, _, _, _ = disputed(shop)

    ran = shop.line(
        "disputes", "submit", dispute, "--yes", "--reason", "x y", REDRESS_MODE="observe"
    )

    assert 1 == ran.exit_code
    assert "REDRESS_MODE is observe" in ran.stderr
    assert [] == calls(shop, dispute)


def test_an_unknown_dispute(shop):
    """It is named, and where to look."""
    for command in (("evidence", "du_none"), ("submit", "du_none", "--yes", "--reason", "x y")):
        ran = shop.line("disputes", *command)

        assert 1 == ran.exit_code
        assert "du_none" in ran.stderr


def test_the_answer_holds_what_was_agreed(shop):
    """A device id that is too short for Visa is not sent; the other main element and the e-mail are enough."""
    dispute, _, _, _ = disputed(shop, device_id="short")
    submit(shop, dispute)

    sent = json.loads(next(iter(shop.rows(dispute_submissions))).params)["evidence"]

    told = sent["enhanced_evidence"]["visa_compelling_evidence_3"]["disputed_transaction"]
    assert "customer_device_id" not in told
    assert ABOUT_HER["ip_address"] == told["customer_purchase_ip"]
