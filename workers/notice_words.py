"""The words of an e-mail: templates over the facts of its row, and nothing else.

Each template is a pair of files in `workers/templates/`: `<name>.txt`, whose first line is the subject,
and `<name>.html`. Whatever a fact says, it is one line of printable text, and escaped in HTML.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from ledger.notices import Notice
from policy.canonical_json import Json, load_strict
from policy.money import Money
from policy.request_facts import IntakeField

TEMPLATES: Final = Path(__file__).parent / "templates"

#: What a request has to name, in words for the customer.
INTAKE_WORDS: Final[Mapping[str, str]] = {
    IntakeField.ACCOUNT_EMAIL.value: "the e-mail address of your account",
    IntakeField.PURCHASE_DATE.value: "the day of the purchase",
    IntakeField.PRODUCT.value: "the plan or the credit pack that it is about",
    IntakeField.REASON.value: "why you would like the money back",
}

_SUBJECT: Final = "Subject: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One e-mail's words; the subject is one line."""

    subject: str
    plain: str
    html: str


def words_of(notice: Notice) -> Words:
    """The words of an e-mail. Raises jinja2's errors for facts that its template cannot do without."""
    facts: Any = _printable(load_strict(notice.content))
    name = facts["template"]
    plain = _environment().get_template(f"{name}.txt").render(facts)
    first, _, rest = plain.partition("\n")
    return Words(
        subject=first.removeprefix(_SUBJECT),
        plain=rest.lstrip("\n"),
        html=_environment().get_template(f"{name}.html").render(facts),
    )


def one_line(text: str) -> str:
    """`text` on one line: line breaks, control characters and marks of direction become blanks."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _printable(value: Json) -> Json:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, Mapping):
        return {name: _printable(item) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [_printable(item) for item in value]
    return value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["money"] = lambda fields: str(Money.from_fields(fields))
    environment.filters["asked"] = INTAKE_WORDS.__getitem__
    environment.filters["days"] = _days
    return environment


def _days(span: Sequence[int]) -> str:
    """`5 to 10`, or `5` when both ends are the same."""
    least, most = span
    return f"{least}" if least == most else f"{least} to {most}"
