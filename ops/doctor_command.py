"""`redress doctor`: looks at every part, says what is wrong, and which command mends it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import click

from ledger.ledger_owner import ForeignLedger
from ops.catalogue_diagnosis import diagnose_catalogue
from ops.diagnosis import Diagnosis, Level
from ops.endpoint_diagnosis import diagnose_endpoint
from ops.ledger_diagnoses import diagnose_ledger
from ops.machine_diagnoses import diagnose_folder, diagnose_redis, diagnose_stripe
from ops.merchant_words import about_merchant
from ops.operator_context import NoLedgerYet, OperatorContext
from ops.portal_diagnosis import diagnose_portal
from ops.terminal import json_option, print_json, print_table, say
from ops.terms_diagnosis import diagnose_shadow, diagnose_terms
from runtime.merchants import every_merchant
from runtime.settings import Settings, SettingsError


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
    """Every check in turn, of every merchant unless one is named; a check that cannot be made is a finding too."""
    yield from _about_one(operator)
    try:
        settings = operator.settings()
    except SettingsError:
        return  # told above
    try:
        merchants = every_merchant(operator.surroundings())
    except SettingsError as error:
        for problem in error.problems:
            yield Diagnosis(
                subject="merchants",
                level=Level.FAIL,
                found=problem,
                mend="mend the file that REDRESS_MERCHANTS names (docs/merchants.md)",
            )
        return
    yield from _about_connect(settings, merchants)
    for name in merchants:
        for one in _about_one(operator.about(name)):
            yield replace(
                one, subject=f"{name}: {one.subject}", mend=about_merchant(one.mend, name)
            )


def _about_connect(settings: Settings, merchants: Mapping[str, Settings]) -> Iterator[Diagnosis]:
    connected = [name for name, one in merchants.items() if one.stripe_connected_account]
    if connected and not settings.stripe_connect_webhook_secrets:
        yield Diagnosis(
            subject="webhook endpoint (Connect)",
            level=Level.WARN,
            found=f"no secret is set, so that events of {', '.join(connected)} are only found by reading Stripe's lists",
            mend="run `redress endpoint create --connect --url …` and set STRIPE_CONNECT_WEBHOOK_SECRETS",
        )


def _about_one(operator: OperatorContext) -> Iterator[Diagnosis]:
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
    yield from diagnose_terms(settings.redress_terms)
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
    except ForeignLedger as error:
        yield Diagnosis(
            subject="database",
            level=Level.FAIL,
            found=str(error),
            mend="set it as the sentence says",
        )
