"""The alert rules and the dashboard, by Prometheus' own tool: each rule is raised by what it is for and by nothing else."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from ops.cli import cli
from tests.ops.metrics.conftest import scraped_names

ROOT = Path(__file__).parents[3]
PROMTOOL = ROOT / ".venv" / "promtool"
RULES = ROOT / "docs" / "operations" / "alerts.yml"
RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DASHBOARD = json.loads((ROOT / "docs" / "operations" / "grafana.json").read_text(encoding="utf-8"))
NAMES = re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8"))
METRIC = re.compile(r"redress_[a-z_]+")

#: Hours in which nothing is wrong; a minute between the values.
GOOD = {
    'redress_up{merchant="",part="database"}': "1x250",
    'redress_up{merchant="",part="redis"}': "1x250",
    'redress_oldest_waiting_seconds{merchant=""}': "3x250",
    'redress_overdue_lease_seconds{merchant=""}': "0x250",
    'redress_queue_workers{merchant="",queue="events"}': "1x250",
    'redress_decision_lag_seconds_bucket{merchant="",le="1.0"}': "0+10x250",
    'redress_decision_lag_seconds_bucket{merchant="",le="300.0"}': "0+10x250",
    'redress_decision_lag_seconds_bucket{merchant="",le="+Inf"}': "0+10x250",
    'redress_inbox_events{merchant="",state="parked"}': "0x250",
    'redress_deliveries_total{merchant="",outcome="not_stored"}': "4x250",
    'redress_deliveries_refused_total{merchant="",reason="mismatch"}': "0+1x250",
    'redress_brake_on{merchant=""}': "0x250",
    'redress_refund_intents_held{merchant=""}': "0x250",
    'redress_refund_intents{merchant="",state="unknown"}': "0x250",
    'redress_stripe_calls_total{merchant="",outcome="ok"}': "0+60x250",
    'redress_stripe_calls_total{merchant="",outcome="unknown"}': "0+1x250",
    'redress_backfill_distance_seconds{merchant="",list="events"}': "120x250",
    'redress_backfill_distance_seconds{merchant="",list="undelivered"}': "90000x250",
    'redress_books_agree{merchant=""}': "1x250",
    'redress_reconciliation_ended_seconds{merchant=""}': "1x250",
    'redress_case_overdue_seconds{merchant=""}': "0x250",
    'redress_notices_failed{merchant=""}': "0x250",
    'redress_programme_reached{merchant="",programme="Visa VAMP, excessive"}': "0x250",
}
#: What is otherwise on the day on which each rule must be raised; None: the series is not there.
BAD = {
    "RedressExporterAway": {series: None for series in GOOD if series.startswith("redress_up")},
    "RedressPartAway": {'redress_up{merchant="",part="redis"}': "0x250"},
    "RedressEventsWait": {'redress_oldest_waiting_seconds{merchant=""}': "61x250"},
    "RedressLeaseOverdue": {'redress_overdue_lease_seconds{merchant=""}': "61x250"},
    "RedressNoWorkers": {'redress_queue_workers{merchant="",queue="events"}': "0x250"},
    "RedressDecisionsSlow": {
        'redress_decision_lag_seconds_bucket{merchant="",le="1.0"}': "0+9x250",
        'redress_decision_lag_seconds_bucket{merchant="",le="300.0"}': "0+9x250",
        'redress_decision_lag_seconds_bucket{merchant="",le="1800.0"}': "0+10x250",
    },
    "RedressEventsParked": {'redress_inbox_events{merchant="",state="parked"}': "1x250"},
    "RedressNotStored": {'redress_deliveries_total{merchant="",outcome="not_stored"}': "0+1x250"},
    "RedressDeliveriesRefused": {
        'redress_deliveries_refused_total{merchant="",reason="mismatch"}': "0+4x250"
    },
    "RedressBrakeOn": {'redress_brake_on{merchant=""}': "1x250"},
    "RedressRefundsHeld": {'redress_refund_intents_held{merchant=""}': "1x250"},
    "RedressRefundsUnknown": {'redress_refund_intents{merchant="",state="unknown"}': "1x250"},
    "RedressStripeFails": {'redress_stripe_calls_total{merchant="",outcome="unknown"}': "0+61x250"},
    "RedressListsBehind": {
        'redress_backfill_distance_seconds{merchant="",list="events"}': "3601x250"
    },
    "RedressBooksDisagree": {'redress_books_agree{merchant=""}': "0x250"},
    "RedressNotCompared": {'redress_reconciliation_ended_seconds{merchant=""}': "1x3100"},
    "RedressCaseLate": {'redress_case_overdue_seconds{merchant=""}': "1x250"},
    "RedressNoticesFailed": {'redress_notices_failed{merchant=""}': "1x250"},
    "RedressProgrammeReached": {
        'redress_programme_reached{merchant="",programme="Visa VAMP, excessive"}': "1x250"
    },
}
#: When it is looked, if not after 200 minutes: some things take two days to be wrong.
LOOK = {"RedressNotCompared": "3000m"}


def promtool(*words):
    """Run it; `make test` fetches it."""
    assert PROMTOOL.exists(), f"{PROMTOOL} is missing: `make .venv/.promtool` fetches it"
    return subprocess.run(
        [PROMTOOL, *map(str, words)], capture_output=True, text=True, timeout=120, check=False
    )


def firing(tmp_path, series, alerts, at):
    """Whether promtool finds one of these alerts raised at a time."""
    named = "|".join(alerts)
    tests = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m" if at == "200m" else "10m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values}
                    for name, values in series.items()
                    if values is not None
                ],
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname=~"{named}",alertstate="firing"}}) or vector(0)',
                        "eval_time": at,
                        "exp_samples": [{"labels": "{}", "value": 0}],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "rules_test.yml"
    file.write_text(json.dumps(tests))
    ran = promtool("test", "rules", file)
    assert ran.returncode in (0, 1), ran.stderr
    return "FAILED" in ran.stdout + ran.stderr


def test_rules_are_sound():
    """Promtool reads every rule, and each names its part of the runbook."""
    ran = promtool("check", "rules", RULES)

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    assert set(NAMES) == set(BAD)
    assert [] == [name for name in NAMES if f"### {name}\n" not in RUNBOOK]
    for name in NAMES:
        assert f"runbook: docs/operations.md#{name.lower()}" in RULES.read_text(encoding="utf-8")


def test_nothing_is_raised_on_a_good_day(tmp_path):
    """While nothing is wrong no rule is raised."""
    assert not firing(tmp_path, GOOD, set(NAMES) - set(LOOK), "200m")


@pytest.mark.parametrize("alert", NAMES)
def test_each_rule_is_raised_by_what_it_is_for(tmp_path, alert):
    """By the one thing that is otherwise on its own bad day."""
    assert firing(tmp_path, GOOD | BAD[alert], [alert], LOOK.get(alert, "200m"))


def test_names_are_those_that_are_served(sqlite_store, tmp_path):
    """Rules, dashboard and runbook speak of no metric that is not there."""
    known = scraped_names(sqlite_store, tmp_path)
    dashboard = "\n".join(
        target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
    )

    for text in (RULES.read_text(encoding="utf-8"), dashboard):
        assert set() == set(METRIC.findall(text)) - known


def test_dashboard_asks_what_prometheus_understands(tmp_path):
    """Every question of the dashboard is sound PromQL, and every panel has a title of its own."""
    panels = DASHBOARD["panels"]
    rules = [
        {
            "record": f"panel:{panel['id']}:{target['refId']}",
            "expr": target["expr"].replace("$merchant", ".*"),
        }
        for panel in panels
        for target in panel["targets"]
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    ran = promtool("check", "rules", file)

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    assert (
        len(panels)
        == len({panel["title"] for panel in panels})
        == len({panel["id"] for panel in panels})
    )


def test_runbook_names_commands_that_there_are():
    """Each command of the runbook exists, with the options that it is given."""
    for words in sorted(set(re.findall(r"`redress ([^`…]+)`", RUNBOOK))):
        command, names = (
            cli,
            [word for word in words.split() if word.islower() and not word.startswith("-")],
        )
        for name in names:
            found = command.get_command(None, name) if hasattr(command, "get_command") else None
            if found is None:
                break
            command = found
        options = {option for parameter in command.params for option in parameter.opts}
        asked = {word for word in words.split() if word.startswith("--")}
        assert command is not cli, words
        assert set() == asked - options, words
