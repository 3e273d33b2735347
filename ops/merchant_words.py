"""Commands that are told in sentences are about the merchant that the sentence is about.

Who works with `--merchant NAME` copies what he is told: without the name it would act on the first merchant's ledger.
"""

import re
from typing import Final

import click

from ops.operator_context import OperatorContext

#: What serves all merchants is called without a name.
_COMMAND: Final = re.compile(r"`redress (?!(?:up|web|merchants)\b|-)")


def about_merchant(sentence: str, merchant: str) -> str:
    """The sentence with each `redress …` in it about this merchant; "" is the environment's own."""
    return _COMMAND.sub(f"`redress --merchant {merchant} ", sentence) if merchant else sentence


def about_named_merchant(sentence: str) -> str:
    """The same for the merchant that the running command was told by `--merchant`, if it was told one."""
    ctx = click.get_current_context(silent=True)
    operator = None if ctx is None else ctx.find_object(OperatorContext)
    return sentence if operator is None else about_merchant(sentence, operator.merchant or "")
