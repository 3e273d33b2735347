"""What the commands about credits are given, and how it is checked."""

from collections.abc import Callable
from typing import Final

import click

from runtime.call_limits import USAGE_CREDITS_MAX, USAGE_TEXT_CHARS_MAX

#: Before the keys that operators give, so that none of them is that of an entry of ours or the product's.
OPERATOR_KEYS: Final = "operator:"

_KEY_CHARS_MAX: Final = USAGE_TEXT_CHARS_MAX - len(OPERATOR_KEYS)


def one_line(name: str, chars_max: int = USAGE_TEXT_CHARS_MAX) -> Callable[..., str]:
    """A callback of click's: the text without surrounding blanks, a usage error if it could not be stored."""

    def checked(_ctx: click.Context, _parameter: click.Parameter, text: str) -> str:
        named = text.strip()
        if not named or len(named) > chars_max or not named.isprintable():
            raise click.UsageError(f"{name} must be 1 to {chars_max} printable characters.")
        return named

    return checked


AMOUNT: Final = click.argument("amount", type=click.IntRange(1, USAGE_CREDITS_MAX))
CUSTOMER: Final = click.argument("customer_id", callback=one_line("CUSTOMER_ID"))
KEY: Final = click.option(
    "--key",
    required=True,
    callback=one_line("--key", _KEY_CHARS_MAX),
    help="Names this act: the same key a second time changes nothing.",
)
EVIDENCE: Final = click.option(
    "--evidence",
    required=True,
    callback=one_line("--evidence"),
    help="What shows the loss: a generation's id, an incident.",
)
