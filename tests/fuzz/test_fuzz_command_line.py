"""Hostile command lines: three exit codes, sentences that name what is wrong, and no traceback."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz.command_line_target import CommandLineTarget
from tests.fuzz.command_lines import command_line


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    made = CommandLineTarget(tmp_path_factory.mktemp("command_line"))
    yield made
    made.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(min_size=8, max_size=60))
@example(data=b"")
def test_any_command_line(target, data):
    """Any line ends with code 0, 1 or 2, tells errors in sentences, and reads without writing."""
    target.check(data)


def test_plain_commands(target):
    """Each command in its plainest form keeps the same promises."""
    for data in target.seeds():
        target.check(data)


def test_grammar_knows_what_writes():
    """Only what is meant to write may: the brake's switch, a replay that runs, a body that is shown."""
    lines = [command_line(bytes([1, number, 0])) for number in range(13)]

    assert [("brake", "on"), ("brake", "off")] == [
        line.command for line in lines if not line.reads_only
    ]
