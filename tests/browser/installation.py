"""`redress up` with its sandbox, a shop that sells, and the cases that a person then has to look at."""

import http.client
import json
import os
import re
import socket
import subprocess

from sqlalchemy import select

from ledger.tables import cases, events
from ops.sandbox.delivery_signatures import signature_header
from runtime.clock import SystemClock
from tests.processes.machine import wait_until
from tests.processes.shop import Shop
from tests.processes.up_process import REDRESS, REFUND_SECONDS_MAX, Up

_LINK = re.compile(r"http://localhost:\d+/welcome/[\w-]+")


class Installation:
    """Everything runs as at a merchant's; `link` lets the first person in."""

    def __init__(self, folder):
        self.folder = folder
        self.up = Up(folder)
        self.up.serve("--no-demo")
        self.shop = Shop(self.up.sandbox_url)
        self.link = _LINK.search(self.up.output)[0]
        self.url = self.link.partition("/welcome")[0]
        self.store = self.up.store
        wait_until(self._is_open, REFUND_SECONDS_MAX, why=lambda: self.up.output)

    def redress(self, *arguments):
        """One command on the same ledger; what it prints with `--json`."""
        data = {name: text for name, text in self.up.environ.items() if name != "COLUMNS"}
        done = subprocess.run(
            [REDRESS, *arguments, "--json"],
            env=data | {"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    def case_to_look_at(self, reason="failure"):
        """The number of a new case that waits for a person: money can go back, and a fact is not known."""
        charge_id = self.shop.pay_once()
        self.settled(charge_id)
        self.redress(
            *("requests", "add", "--email", "ada@example.com", "--date", "2026-01-02"),
            *("--product", "images-100", "--reason", reason, "--charge", charge_id),
        )
        return self.wait_for(
            select(cases.c.id).where(cases.c.charge_id == charge_id, cases.c.state == "review")
        )

    def deliver(self, event):
        """Deliver an event as Stripe does."""
        body = json.dumps(event).encode()
        secrets = (self.up.data / "sandbox-webhook-secrets").read_text().split(",")
        signature = signature_header(body, secrets, SystemClock().now_ms() // 1000)
        connection = http.client.HTTPConnection("127.0.0.1", self.up.web_port)
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
        connection.request("POST", "/webhooks/stripe", body, headers)
        assert 200 == connection.getresponse().status
        connection.close()

    def settled(self, object_id):
        """The row of the event about an object, once it is decided."""
        return self.wait_for(
            select(events.c.id).where(events.c.object_id == object_id, events.c.state == "decided")
        )

    def wait_for(self, query):
        """What a query finds, once it does."""

        def found():
            with self.store.read() as connection:
                return connection.execute(query).scalar()

        return wait_until(found, REFUND_SECONDS_MAX, why=lambda: self.up.output)

    def _is_open(self):
        try:
            with socket.create_connection(("127.0.0.1", self.up.ops_port), 1):
                return True
        except OSError:
            return False

    def close(self):
        """End everything."""
        self.shop.close()
        self.up.close()
