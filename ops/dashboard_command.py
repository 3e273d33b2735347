"""`redress dashboard`: the pages for people, on a port of their own."""

from contextlib import ExitStack

import click

from ledger.ledger_owner import claim_ledger
from ledger.schema_revision import schema_problem
from ops.operator_context import OperatorContext
from runtime.logs import configure_logs


@click.command(epilog="Example: redress dashboard")
@click.pass_obj
def dashboard(operator: OperatorContext) -> None:
    """Serve the dashboard of every merchant on REDRESS_OPS_PORT.

    People open it at REDRESS_DASHBOARD_URL, and sign in with passkeys; `redress operators invite` lets them in.
    """
    from ops.dashboard.dashboard_app import create_dashboard  # noqa: PLC0415 - loads Flask
    from ops.dashboard.house import House  # noqa: PLC0415 - as above
    from runtime.wiring import open_wiring  # noqa: PLC0415 - as above
    from webhooks.front import Front  # noqa: PLC0415 - as above
    from webhooks.server import serve_front  # noqa: PLC0415 - as above

    settings = operator.settings()
    if settings.redress_merchant:
        raise click.ClickException(
            "One `redress dashboard` shows all merchants; start it without --merchant."
        )
    configure_logs("info")
    with ExitStack() as held:
        wirings = {
            name: held.enter_context(open_wiring(one, operator.clock))
            for name, one in operator.everyone().items()
        }
        problem = schema_problem(wirings[""].store)
        if problem is not None:
            raise click.ClickException(f"the database is {problem}: run `redress migrate`")
        claim_ledger(wirings[""].store, "")
        house = House(settings=settings, clock=operator.clock, wirings=wirings)
        front = Front({}, create_dashboard(house))
        held.callback(front.close)
        serve_front(front, settings, settings.redress_ops_port)
