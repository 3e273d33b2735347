"""What a form says: reasons and amounts by the rules of the command line, and who orders it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from flask import request

from ops.dashboard.flashes import flash
from ops.dashboard.house import ORIGIN
from ops.dashboard.visitor import visitor
from ops.operator_audit import Actor, ActRefused
from ops.reasons import require_reason
from policy.rulings import RulingRefused

_OPTION: Final = "--"


class FormRefused(Exception):
    """The form cannot be followed; the text is a sentence that says why. Nothing was changed."""


def actor() -> Actor:
    """Who orders it."""
    return Actor(name=visitor().name, origin=ORIGIN)


def reason() -> str:
    """The reason that the form gives. Raises a ClickException without one."""
    return require_reason(request.form.get("reason"))


@contextmanager
def refusals_said() -> Iterator[None]:
    """Say on the next page what could not be done and why, in the commands' own sentences."""
    try:
        yield
    except click.ClickException as refused:
        # Options are the form's fields here.
        flash(refused.format_message().replace(_OPTION, "").replace("TEXT ", ""), wrong=True)
    except RulingRefused as refused:
        sentence = str(refused)
        flash(f"{sentence[:1].upper()}{sentence[1:]}.", wrong=True)
    except (ActRefused, FormRefused) as refused:
        flash(str(refused), wrong=True)
