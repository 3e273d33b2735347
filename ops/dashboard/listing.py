"""What every list page does alike: so many rows, a link to those after them, and the filters kept in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from flask import abort, request, url_for

from ops.event_filters import ROW_MAX

Row = TypeVar("Row")

#: Rows of one page: what two or three screens show.
ROWS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """The rows of one page; `older` is the next page's address, None at the end; `first` whether it is the first."""

    rows: Sequence[Row]
    older: str | None
    first: bool


def page_of_rows(found: Sequence[Row], place_of: str, key: str = "before") -> Page[Row]:
    """The page of up to ROWS + 1 rows that were read; the row's attribute `place_of` is where the next one goes on."""
    rows = found[:ROWS]
    older = None
    if len(found) > ROWS:
        older = this_page(**{key: str(getattr(rows[-1], place_of))})
    return Page(rows=rows, older=older, first=key not in request.args)


def this_page(**changed: str | None) -> str:
    """The address of the page under way with some of its parameters changed, or left away where None."""
    given = {**request.args.to_dict(), **(request.view_args or {}), **changed}
    return url_for(request.endpoint or "", **{name: text for name, text in given.items() if text})


def wanted(name: str) -> str | None:
    """A filter of the address; None where it is not given."""
    return request.args.get(name, "").strip()[:200] or None


def wanted_row(name: str = "before") -> int | None:
    """A row's number in the address; 400 where it is none."""
    text = wanted(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= ROW_MAX):
        abort(400, f"{name} must be the number of a row.")
    return int(text)
