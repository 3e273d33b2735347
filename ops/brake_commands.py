"""`redress brake`: one switch stops every refund of every process; what waits is kept."""

from typing import Any

import click

from ledger.brake import Brake, read_brake, set_brake
from ledger.engine import lock_names
from ledger.refund_intents import due_intents, release_held
from ledger.work_counts import count_effects
from ops.moments import moment_text
from ops.operator_context import ORIGIN, OperatorContext, current_actor
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import counted, json_option, print_json, say
from runtime.limits import SWEEP_ROWS_MAX
from runtime.queues import SEND_REFUND_JOB
from workers.brake_lock import MONEY_BRAKES_LOCK


@click.group(epilog="Example: redress brake on --reason 'checking a wrong refund'")
def brake() -> None:
    """Stop all money at once, and release it."""
