"""The page about the refund terms for customers, as HTML or Markdown.

Every number, switch and clause title comes from the terms, so that the page and the rules cannot
drift apart; the words around them say what policy/request_rules.py does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ops.page_sentences import PAGE_SECTIONS, after_amounts, sentences
from ops.page_templates import page_templates
from policy.clauses import Clause
from policy.terms_file import Terms

_TEMPLATES: Final[Mapping[str, str]] = {
    "html": "policy_page.html",
    "markdown": "policy_page.md",
}
PAGE_FORMATS: Final = tuple(_TEMPLATES)
#: What Markdown would read as its own, or as HTML.
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~&!])")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEntry:
    """One clause on the page."""

    clause: Clause
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSection:
    """One section: what it is about, its clauses, and what holds for all of them."""

    heading: str
    lead: str
    entries: tuple[PageEntry, ...]
    close: tuple[str, ...]


def render_page(terms: Terms, page_format: str, contact: str | None = None) -> str:
    """The page as a document of `page_format`, one of PAGE_FORMATS.

    `contact` is where customers ask, which is no part of the terms.
    """
    templates = page_templates()
    templates.filters["markdown"] = _markdown
    return templates.get_template(_TEMPLATES[page_format]).render(
        day=_day(terms),
        version=terms.version,
        contact=None if contact is None else _one_line(contact),
        sections=page_sections(terms),
    )


def page_sections(terms: Terms) -> list[PageSection]:
    """The parts of the page, in order."""
    told = sentences(terms)
    return [
        PageSection(
            heading=section.heading,
            lead=section.lead,
            entries=tuple(
                PageEntry(clause=clause, title=_one_line(terms.title(clause)), text=told[clause])
                for clause in section.clauses
            ),
            close=after_amounts(terms) if Clause.FEES in section.clauses else (),
        )
        for section in PAGE_SECTIONS
    ]


def _day(terms: Terms) -> str:
    """The day from which the terms hold, as people write it: `14 September 2025`."""
    moment = datetime.fromtimestamp(terms.effective, UTC)
    return f"{moment.day} {moment:%B %Y}"


def _one_line(text: str) -> str:
    """A text from outside without line breaks and what cannot be seen."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def _markdown(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)
