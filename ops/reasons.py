"""The reason that every changing command asks for, and that the audit log keeps."""

from typing import Final

import click

REASON_CHARS_MAX: Final = 500

REASON_OPTION: Final = click.option("--reason", help="Why; kept in the audit log.")


def require_reason(reason: str | None) -> str:
    """The reason without surrounding blanks; a usage error when there is none or it is too long."""
    given = (reason or "").strip()
    if not given:
        raise click.UsageError("--reason TEXT is needed: the audit log keeps why this was done.")
    if len(given) > REASON_CHARS_MAX or not given.isprintable():
        raise click.UsageError(
            f"--reason must be one line of at most {REASON_CHARS_MAX} printable characters."
        )
    return given
