"""What every list page does alike: so many rows, a link to those after them, and the filters kept in it."""

from collections.abc import Callable, Mapping, Sequence
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
    return page_after(found, lambda row: {key: str(getattr(row, place_of))}, key)


def page_after(
    found: Sequence[Row], place: Callable[[Row], Mapping[str, str | None]], key: str
) -> Page[Row]:
    """As `page_of_rows`, where more than one parameter of the address says where to go on; `key` is one that always does."""
    rows = found[:ROWS]
    older = this_page(**place(rows[-1])) if len(found) > ROWS else None
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
