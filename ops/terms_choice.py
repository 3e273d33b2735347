"""Which terms a command is about: a version by its name, or a draft by its path."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from ops.operator_context import OperatorContext
from policy.terms_file import Terms, TermsError, load_terms, read_terms
from runtime.limits import TERMS_FILE_BYTES_MAX

_SUFFIX: Final = ".toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenTerms:
    """Terms, and how they were named."""

    named: str
    terms: Terms


class TermsChoice(click.ParamType[ChosenTerms]):
    """`2025-09-14`, or the path of a file of terms: one with a slash, or that ends with `.toml`."""

    name = "version"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> ChosenTerms:
        """The terms, or a usage error that names the known versions, or file, key and reason."""
        named = str(value)
        try:
            return ChosenTerms(named=named, terms=_terms(named, _folder(ctx)))
        except TermsError as refused:
            self.fail(str(refused), param, ctx)
        except OSError as unreadable:
            self.fail(f"{named} cannot be read ({unreadable.strerror})", param, ctx)


def chosen_or_newest(chosen: ChosenTerms | None, folder: Path | None) -> Terms:
    """The terms that were named, or else the newest of the folder. Raises TermsError."""
    return load_terms(folder=folder) if chosen is None else chosen.terms


def _folder(ctx: click.Context | None) -> Path | None:
    operator = None if ctx is None else ctx.find_object(OperatorContext)
    return None if operator is None else operator.terms_folder()


def _terms(named: str, folder: Path | None) -> Terms:
    if "/" not in named and not named.endswith(_SUFFIX):
        return load_terms(named, folder)
    path = Path(named)
    # What is no plain file may never end.
    if not path.is_file():
        raise TermsError(f"there is no file {named}")
    if path.stat().st_size > TERMS_FILE_BYTES_MAX:
        raise TermsError(f"{named} is larger than {TERMS_FILE_BYTES_MAX} bytes")
    return read_terms(path)
