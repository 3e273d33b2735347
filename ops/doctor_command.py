"""`redress doctor`: looks at every part, says what is wrong, and which command mends it."""

from collections.abc import Iterator

import click

from ops.catalogue_diagnosis import diagnose_catalogue
from ops.diagnosis import Diagnosis, Level
from ops.endpoint_diagnosis import diagnose_endpoint
from ops.ledger_diagnoses import diagnose_ledger
from ops.machine_diagnoses import diagnose_folder, diagnose_redis, diagnose_stripe
from ops.operator_context import NoLedgerYet, OperatorContext
from ops.portal_diagnosis import diagnose_portal
from ops.shadow_diagnosis import diagnose_shadow
from ops.terminal import json_option, print_json, print_table, say
from runtime.settings import SettingsError


@click.command(epilog="Example: redress doctor --json")
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Check every part and say what to do. Exit code 1 if anything fails."""
    found = list(diagnose(ctx.ensure_object(OperatorContext)))
    failed = any(one.level is Level.FAIL for one in found)
    if as_json:
        print_json({"ok": not failed, "checks": [one.document() for one in found]})
    else:
        print_table(
            ("check", "", "found"),
            [(one.subject, one.level.value, one.found) for one in found],
            whole=("check", ""),
            wrap_last=True,
        )
        for one in found:
            if one.mend:
                say(f"{one.subject}: {one.mend}")
    if failed:
        ctx.exit(1)


def diagnose(operator: OperatorContext) -> Iterator[Diagnosis]:
    """Every check in turn; one that cannot be made is a finding too, and stops none of the others."""
    try:
        settings = operator.settings()
    except SettingsError as error:
        for problem in error.problems:
            yield Diagnosis(
                subject="settings",
                level=Level.FAIL,
                found=problem,
                mend="set it as docs/settings.md says, then run `redress doctor` again",
            )
        return
    yield Diagnosis(subject="settings", level=Level.OK, found="every variable is usable")
    yield from diagnose_folder(settings)
    yield from diagnose_stripe(settings)
    yield from diagnose_endpoint(settings)
    yield from diagnose_portal(settings)
    try:
        with operator.wiring() as wiring:
            yield from diagnose_ledger(wiring)
            yield from diagnose_catalogue(wiring)
            yield from diagnose_shadow(wiring.settings.redress_shadow_terms)
            yield from diagnose_redis(wiring)
    except NoLedgerYet as error:
        yield Diagnosis(
            subject="database", level=Level.FAIL, found=str(error), mend="run `redress up`"
        )
