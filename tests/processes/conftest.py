"""Machines of real processes; when a test fails, the ends of all logs are part of its report."""

import pytest

from tests.processes.machine import SHOWN_ON_FAILURE


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Show what the processes last said."""
    report = yield
    if report.failed:
        for shown in SHOWN_ON_FAILURE:
            report.sections += [(f"log of {name}", tail) for name, tail in shown.last_words()]
    return report
