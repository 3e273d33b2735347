"""Who may open which page: said beside each view, and whatever says nothing is closed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ledger.operator_tables import Role

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`role` is the least that is needed; None: strangers too. `fresh`: only who has just shown who they are."""

    role: Role | None
    fresh: bool = False


_BY_VIEW: Final[dict[Callable[..., Any], Access]] = {}


def open_to(role: Role | None, *, fresh: bool = False) -> Callable[[View], View]:
    """Say who may open a view."""

    def noted(view: View) -> View:
        _BY_VIEW[view] = Access(role=role, fresh=fresh)
        return view

    return noted


def access_to(view: Callable[..., Any] | None) -> Access | None:
    """What was said of a view; None: nothing, so nobody may."""
    return None if view is None else _BY_VIEW.get(view)
