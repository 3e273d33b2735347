"""Stripe's answers as Stripe wrote them, not through the SDK's objects, which write some numbers otherwise."""

import json
from dataclasses import dataclass
from typing import Any

from workers.gateway_errors import Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of one of Stripe's lists, in its order (the newest first), and whether there is more beyond it."""

    data: list[dict[str, Any]]
    has_more: bool


def read_answer(answer: Any) -> dict[str, Any]:
    """The JSON object of an answer; Unknown when it is none."""
    loaded = json.loads(answer.body)
    if not isinstance(loaded, dict):
        raise Unknown("unreadable_answer")
    return loaded


def read_page(answer: Any) -> ListPage:
    """The page of a list; Unknown when the answer is none."""
    loaded = read_answer(answer)
    data = loaded["data"]
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise Unknown("unreadable_answer")
    return ListPage(data=data, has_more=bool(loaded["has_more"]))
