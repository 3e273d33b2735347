"""The page for customers says what the terms say, and nothing that they do not."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from ops.policy_page import PAGE_FORMATS, render_page
from policy.clauses import Clause
from policy.request_terms import MONTHS_OF_YEAR
from policy.terms_file import load_terms, read_terms
from tests.ops.command_line.terms_drafts import REQUEST_NUMBERS, SWITCHES, VERSION, WINDOWS, draft

TERMS = load_terms()
VOID = {"meta"}
HOSTILE = """<script>alert(1)</script> & *one* _two_ [three](http://example.com) `four` "five" """


class _Page(HTMLParser):
    """Reads a page strictly: every element is closed where it must be; collects what is seen."""

    def __init__(self, document):
        super().__init__(convert_charrefs=True)
        self.open, self.seen, self.attributes, self.tags = [], [], [], Counter()
        self.feed(document)
        self.close()
        assert [] == self.open

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag == self.open.pop()

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.seen.append(data)

    @property
    def text(self):
        return " ".join("".join(self.seen).split())


def page_text(terms, page_format, contact=None):
    """What a reader sees, in words with one blank between them."""
    document = render_page(terms, page_format, contact)
    if page_format == "markdown":
        document = MarkdownIt("commonmark", {"html": False}).render(document)
    return _Page(document).text


def numbers_of(text):
    return {int(number) for number in re.findall(r"\d+", text)}


@pytest.mark.parametrize("page_format", PAGE_FORMATS)
def test_every_number_comes_from_the_terms(tmp_path, page_format):
    """With every number of the terms changed, the page shows the changed ones and no other."""
    titles = {clause.value: f"Title of {clause.name.lower()}" for clause in Clause}
    path = draft(tmp_path, **REQUEST_NUMBERS, **WINDOWS, **titles)
    text = page_text(read_terms(path), page_format)
    for clause in Clause:
        text = text.replace(clause.value, "").replace(f"Title of {clause.name.lower()}", "")
    day, of_the_year = {3, 2031}, {MONTHS_OF_YEAR, MONTHS_OF_YEAR - 1}
    wanted = {*REQUEST_NUMBERS.values(), *WINDOWS.values()}

    assert wanted | day | of_the_year == numbers_of(text.replace(VERSION, ""))


@pytest.mark.parametrize("page_format", PAGE_FORMATS)
@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch_is_told(tmp_path, page_format, switch):
    """A switch that is turned changes what the page says, not only its date."""
    shipped = page_text(TERMS, page_format)
    value = getattr(TERMS.requests, switch)
    turned = draft(tmp_path, "2025-09-14", **{switch: not value})

    assert shipped != page_text(read_terms(turned), page_format)


def test_both_fees(tmp_path):
    """Each of the four ways to bear the processor's fee has a sentence of its own."""
    told = set()
    for little in (True, False):
        for error in (True, False):
            path = draft(tmp_path, fee_kept_on_little_use=little, fee_kept_on_our_error=error)
            told.add(page_text(read_terms(path), "html"))

    assert 4 == len(told)


@pytest.mark.parametrize("page_format", PAGE_FORMATS)
def test_every_clause_is_there_once(page_format):
    """Each clause stands on the page once, with its title from the terms."""
    document = render_page(TERMS, page_format)
    text = page_text(TERMS, page_format)
    mark = {"html": '<dt id="{}">', "markdown": "(`{}`):"}[page_format]

    assert [1] * len(Clause) == [document.count(mark.format(clause)) for clause in Clause]
    assert [] == [clause for clause in Clause if TERMS.title(clause) not in text]


def test_the_page_stands_alone():
    """One document in one language, fit for a phone, that loads nothing and runs nothing."""
    page = _Page(render_page(TERMS, "html"))
    places = {value for _, name, value in page.attributes if name in ("href", "src")}

    assert ("html", "lang", "en") in page.attributes
    assert ("meta", "name", "viewport") in page.attributes
    assert ("meta", "charset", "utf-8") in page.attributes
    assert (1, 1, 1) == (page.tags["title"], page.tags["h1"], page.tags["main"])
    assert {f"#{clause}" for clause in Clause} == places
    assert 0 == page.tags["script"] + page.tags["link"] + page.tags["img"]
    assert "url(" not in render_page(TERMS, "html")
    assert "@import" not in render_page(TERMS, "html")


@pytest.mark.parametrize("page_format", PAGE_FORMATS)
def test_titles_are_text(tmp_path, page_format):
    """A title or a contact that looks like markup is shown as it was written."""
    path = draft(tmp_path, APPEAL=HOSTILE)
    text = page_text(read_terms(path), page_format, HOSTILE)

    assert 2 == text.count(HOSTILE.strip())


def test_a_title_is_one_line(tmp_path):
    """Line breaks and what cannot be seen are taken out of titles."""
    path = draft(tmp_path)
    text = path.read_text(encoding="utf-8")
    written = re.sub(r'"APPEAL" = .*', r'"APPEAL" = "One\\n# two\\u0000\\u202e"', text)
    path.write_text(written, encoding="utf-8")

    document = render_page(read_terms(path), "markdown")

    assert r"**One \# two** (`APPEAL`)" in document


def test_no_days_at_all(tmp_path):
    """A window of no days ends with the day of the purchase; an arrival on one day is no span."""
    path = draft(tmp_path, window_days=0, arrival_business_days_min=1, arrival_business_days_max=1)
    text = page_text(read_terms(path), "html")

    assert "until the end of the day of the purchase." in text
    assert "Count on 1 working day after" in text


@pytest.mark.parametrize(
    ("args", "begins"),
    [
        pytest.param([], "<!doctype html>\n", id="HTML by itself"),
        pytest.param(["2025-09-14", "--format", "html"], "<!doctype html>\n", id="HTML"),
        pytest.param(["--format", "markdown"], "# Refund terms\n\n", id="Markdown"),
    ],
)
def test_command(bare_redress, args, begins):
    """The command prints the document and nothing else; no setting is read."""
    ran = bare_redress("policy", "page", *args, "--contact", "help@example.com")

    assert (0, "") == (ran.exit_code, ran.stderr)
    assert ran.stdout.startswith(begins)
    assert "help@example.com" in ran.stdout
    assert ran.stdout.endswith("\n")
    assert not ran.stdout.endswith("\n\n")


def test_no_contact():
    """Without a contact the page names no place to ask."""
    assert "Ask for a refund here" not in render_page(TERMS, "html")
