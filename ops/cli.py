"""`redress`: the operators' command line. Commands are loaded by name, each only when it is asked for.

Exit codes: 0 done, 1 refused or failed, 2 wrong use. Whatever goes wrong is told in sentences on
stderr, never as a traceback, unless `--debug` asks for one.
"""

import importlib
import logging
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from ops.merchant_words import about_merchant
from ops.operator_context import OperatorContext

#: name → (where the command is, its line in `redress --help`). Help must not import what it lists.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "up": ("ops.up_command:up", "Run everything on this machine."),
    "watch": ("ops.watch_command:watch", "Watch it work, live."),
    "doctor": ("ops.doctor_command:doctor", "Check every part and say what to do."),
    "merchants": ("ops.merchants_command:merchants", "Say how every merchant stands."),
    "events": ("ops.events_commands:events", "List, show and replay Stripe's events."),
    "replay": ("ops.replay_command:replay", "Short for `events replay`."),
    "reconcile": ("ops.reconcile_commands:reconcile_group", "Compare the ledger with Stripe."),
    "refunds": ("ops.refunds_commands:refunds", "List refunds and tell their whole story."),
    "requests": ("ops.requests_commands:requests_group", "Take refund requests in."),
    "cases": ("ops.cases_commands:cases", "Work the review queue: approve, deny, hear appeals."),
    "outage": ("ops.outage_commands:outage", "Refund the share of the price that an outage took."),
    "plan": ("ops.plan_commands:plan", "Preview a change of plan, and ask for one."),
    "policy": ("ops.policy_commands:policy", "Show the refund terms, and what they decide."),
    "queue": ("ops.queue_commands:queue", "Say what waits where."),
    "brake": ("ops.brake_commands:brake", "Stop all money at once, and release it."),
    "credits": ("ops.credits_commands:credits_group", "Show a customer's credits, and give some."),
    "accounts": ("ops.accounts_commands:accounts", "Show how customers stand, and change it."),
    "lists": ("ops.lists_commands:lists", "Say whom suspicion lets through or looks at."),
    "fraud": ("ops.fraud_commands:fraud", "Tell dispute ratios, and how warnings ended."),
    "disputes": ("ops.disputes_commands:disputes", "Follow disputes, and answer the bank."),
    "tokens": ("ops.tokens_commands:tokens", "Say who may call the product API."),
    "notices": ("ops.notices_commands:notices", "List what was told to whom, and retry."),
    "endpoint": ("ops.endpoint_commands:endpoint", "Make, check and rotate Stripe's endpoint."),
    "operators": ("ops.operators_commands:operators", "Say who may use the dashboard."),
    "export": ("ops.export_commands:export", "Write events, decisions, refunds, audit to files."),
    "forget": ("ops.forget_command:forget", "Erase one customer's personal data."),
    "completion": ("ops.completion_command:completion", "Complete `redress` in your shell."),
    "sandbox": ("ops.process_commands:sandbox", "Serve a stand-in for Stripe."),
    "web": ("ops.process_commands:web", "Receive Stripe's webhooks."),
    "worker": ("ops.process_commands:worker", "Work through the events."),
    "effects": ("ops.process_commands:effects", "Send the refunds."),
    "notifier": ("ops.process_commands:notifier", "Send the e-mails and webhooks."),
    "dashboard": ("ops.dashboard_command:dashboard", "Serve the dashboard."),
    "metrics": ("ops.metrics_command:metrics", "Serve Prometheus' metrics."),
    "migrate": ("ops.process_commands:migrate", "Bring the database up to date."),
    "sweeper": ("ops.process_commands:sweeper", "Find what was stranded and ring for it."),
}


class Commands(click.Group):
    """A group whose commands are imported when they are called, and whose errors are sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """The names, in the order of the table: what is wanted most comes first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's signature
        """Import one command; None when the table has no such name."""
        if cmd_name not in COMMANDS:
            return None
        module_name, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module_name), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- click's signature
        """Write the table's own lines, so that help imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the commands' names from the table: a key press must not import all of them."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=line)
            for name, (_, line) in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        """Run a command line and end the process with its exit code."""
        operator = extra.pop("obj", None) or OperatorContext()
        extra["standalone_mode"] = False
        raise SystemExit(self._run(operator, args, others, extra))

    def _run(
        self,
        operator: OperatorContext,
        args: Sequence[str] | None,
        others: tuple[Any, ...],
        extra: dict[str, Any],
    ) -> int:
        for place, argument in enumerate(sys.argv[1:] if args is None else args, start=1):
            if not _is_text(argument):
                wrong = f"argument {place} is no valid UTF-8"
                click.echo(f"redress: {wrong}. See `redress --help`.", err=True)
                return 2
        try:
            ended: object = super().main(args, *others, obj=operator, **extra)
        except click.exceptions.NoArgsIsHelpError as help_wanted:
            help_wanted.show()
            return 2
        except click.UsageError as misuse:
            click.echo(about_merchant(_misuse_sentence(misuse), operator.merchant or ""), err=True)
            return 2
        except Exception as error:  # noqa: BLE001 -- whatever it is, the operator gets a sentence
            if operator.debug:
                traceback.print_exception(error)
            for sentence in _sentences(error):
                told = about_merchant(_one_line(sentence), operator.merchant or "")
                click.echo(f"redress: {told}", err=True)
            return 1
        # Outside its standalone mode click returns the code of ctx.exit(), else the command's value.
        return ended if isinstance(ended, int) else 0


def _misuse_sentence(misuse: click.UsageError) -> str:
    path = misuse.ctx.command_path if misuse.ctx else "redress"
    problem = _one_line(misuse.format_message()).rstrip(".")
    return f"{path}: {problem}. See `{path} --help`."


def _is_text(argument: str) -> bool:
    """Whether the shell handed over text: Python keeps bytes that are none as lone surrogates."""
    return argument.isascii() or not any("\ud800" <= char <= "\udfff" for char in argument)


def _one_line(sentence: str) -> str:
    """A sentence that repeats what was typed: without its line breaks and control characters."""
    from runtime.redaction import scrub_text  # noqa: PLC0415 -- help repeats nothing

    return " ".join(scrub_text(sentence).split())


def _sentences(error: Exception) -> Sequence[str]:
    # Imported here because it knows the errors of libraries that help must not wait for.
    from ops.failure_sentences import failure_sentences  # noqa: PLC0415 -- see above

    return failure_sentences(error)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: redress up. Settings come from the environment; docs/settings.md lists them.",
)
@click.option(
    "--merchant", metavar="NAME", help="Whom of the file REDRESS_MERCHANTS the command is about."
)
@click.option("--debug", is_flag=True, help="On an unexpected error, show where it happened.")
@click.version_option(version("redress"), prog_name="redress")
@click.pass_obj
def cli(operator: OperatorContext, merchant: str | None, *, debug: bool) -> None:
    """Take Stripe's webhooks, find duplicate charges, refund each once, and show why."""
    operator.debug = debug
    operator.merchant = merchant
    # Commands say themselves what went wrong; a log line on stderr would say it twice. The commands
    # that are processes set up a log of their own.
    logging.lastResort = None


def main() -> None:
    """Run `redress` as the console script does."""
    cli.main(prog_name="redress")
