"""The played shop's own product: what it reports to `redress`, asks of it and is told (docs/api.md)."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ops.sandbox.book import Json
from ops.sandbox.keep_alive import KeepAliveClient
from ops.sandbox.shop_till import ANSWER_SECONDS_MAX, accepted


class ShopProduct:
    """Calls the product API at `base_url` with a token; raises ShopRefused or HttpUnanswered."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._client = KeepAliveClient(ANSWER_SECONDS_MAX)

    def close(self) -> None:
        """Close the connection of the calling thread."""
        self._client.close()

    def report_usage(self, entries: Sequence[Mapping[str, Any]]) -> Json:
        """Report credits that were used; returns how many were new, known and not covered."""
        return self._post("/api/credits/usage", {"entries": entries})

    def ask(self, request: Mapping[str, Any]) -> int:
        """Hand a customer's refund request in; returns its id."""
        return int(self._post("/api/refund-requests", request)["request_id"])

    def request(self, request_id: int) -> Json:
        """Return a request as it stands, with its decision."""
        return self._get(f"/api/refund-requests/{request_id}")

    def claim_credits(self, claim: Mapping[str, Any]) -> int:
        """Ask credits back that something failed took; returns the claim's id."""
        return int(self._post("/api/credits/claims", claim)["claim_id"])

    def claim(self, claim_id: int) -> Json:
        """Return a claim as it stands, with its decision."""
        return self._get(f"/api/credits/claims/{claim_id}")

    def ask_for_plan(self, wanted: Mapping[str, Any]) -> int:
        """Ask for another plan of a subscription; returns the change's id."""
        return int(self._post("/api/plan-changes", wanted)["change_id"])

    def withdraw_plan(self, change_id: int, reason: str) -> Json:
        """Take a change of plan back that has not taken effect."""
        return self._post(f"/api/plan-changes/{change_id}/withdraw", {"reason": reason})

    def customer(self, customer_id: str) -> Json:
        """Return a customer's standing and credits."""
        return self._get(f"/api/customers/{customer_id}")

    def _post(self, path: str, body: Mapping[str, Any]) -> Json:
        sent = orjson.dumps(body)
        return accepted(path, self._client.send("POST", self._base_url + path, sent, self._headers))

    def _get(self, path: str) -> Json:
        return accepted(path, self._client.send("GET", self._base_url + path, None, self._headers))
