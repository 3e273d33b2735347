"""`redress completion`: the script by which a shell completes commands, options and their values."""

from typing import Final

import click
from click.shell_completion import get_completion_class

_VARIABLE: Final = "_REDRESS_COMPLETE"
#: Where each shell looks for it, for the help.
_SHELLS: Final = ("bash", "zsh", "fish")


@click.command(epilog='Example: eval "$(redress completion bash)"')
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes `redress` in a shell.

    bash: put the example's line into ~/.bashrc. zsh: the same with zsh, into ~/.zshrc. fish: write it to
    ~/.config/fish/completions/redress.fish.
    """
    found = get_completion_class(shell)
    if found is None:  # click knows all three
        raise click.ClickException(f"This version of click does not complete {shell}.")
    click.echo(found(ctx.find_root().command, {}, "redress", _VARIABLE).source())
