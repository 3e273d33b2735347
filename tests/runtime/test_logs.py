import io
import json
import logging
import subprocess
import sys
import threading
import warnings

import orjson
import pytest
import structlog
from granian.log import LogLevels
from granian.log import configure_logging as configure_granian
from rq.logutils import setup_loghandlers

from runtime.logs import bring_in_loggers, configure_logs

CANARIES = ("sk_live_canary0123", "whsec_canary4567", "canary@example.com", "4242424242424242")


@pytest.fixture
def sink():
    """The pipeline writing into memory, everything about logging put back afterwards."""
    root, before = logging.root, logging.root.handlers[:]
    level, hooks = root.level, (sys.excepthook, threading.excepthook)
    levels = {name: logging.getLogger(name).level for name in ("rq.worker", "stripe", "werkzeug")}
    show = warnings.showwarning
    stream = io.StringIO()
    stream.writer = configure_logs("info", stream)
    yield stream
    stream.writer.close()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    warnings.showwarning = show
    sys.excepthook, threading.excepthook = hooks
    root.handlers[:] = before
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def lines_of(sink):
    """Every line that the pipeline has written, parsed."""
    assert sink.writer.flush(5)
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_line_has_context_and_allowed_fields(sink):
    """A line of ours is one JSON object with time, level, logger, pid, the bound event and fields."""
    with structlog.contextvars.bound_contextvars(event_id="evt_1"):
        structlog.get_logger("webhooks.receive").info("stored", rows=1, body="{}")

    (line,) = lines_of(sink)
    assert line.pop("at").endswith("Z")
    assert line.pop("pid") > 0
    assert {
        "level": "info",
        "logger": "webhooks.receive",
        "message": "stored",
        "event_id": "evt_1",
        "rows": 1,
        "dropped": 1,
    } == line


def test_standard_loggers_carry_the_same_context(sink):
    """A line of the standard library's logging has the same shape, context and allow-list."""
    with structlog.contextvars.bound_contextvars(event_id="evt_1"):
        logging.getLogger("lib").warning("%s of %d", "part", 2, extra={"rows": 3, "body": "{}"})

    (line,) = lines_of(sink)
    assert ("part of 2", "evt_1", 3, 1, "warning") == tuple(
        line[name] for name in ("message", "event_id", "rows", "dropped", "level")
    )


def own_handler(name):
    """A logger that keeps to itself, as libraries make them."""
    logger = logging.getLogger(name)
    logger.addHandler(logging.StreamHandler(sys.stdout))
    logger.propagate = False
    return logger


def fail(canary):
    """Raise with a canary in a local variable, in the text and in the cause."""
    hidden = f"{canary} {len(canary)}"
    try:
        {}[canary]
    except KeyError as cause:
        raise ValueError(f"could not use {hidden}") from cause


@pytest.mark.parametrize("canary", CANARIES)
def test_canaries_never_appear(sink, canary, capsys):
    """No secret shows: not by message, argument, field, traceback or local."""
    ours, theirs = structlog.get_logger("ours"), logging.getLogger("rq.worker")

    ours.warning(f"message {canary}", reason=canary, secret=canary, note={"deep": [canary]})
    ours.warning("positional %s", canary)
    theirs.warning("std %s", canary, extra={"reason": canary, "token": canary})
    for logger in (ours, theirs):
        try:
            fail(canary)
        except ValueError:
            logger.exception("failed with %s", canary)

    lines = lines_of(sink)
    assert len(lines) == 5
    assert canary not in sink.getvalue()
    assert canary not in "".join(capsys.readouterr())


@pytest.mark.parametrize("canary", CANARIES)
def test_line_that_cannot_be_rendered_is_told_without_its_arguments(sink, canary, capsys):
    """A format that does not fit its arguments becomes a line that names the logger only."""
    (pipeline,) = [handler for handler in logging.root.handlers if "Pipeline" in repr(handler)]
    lonely = logging.Logger("lonely")  # noqa: LOG001 -- beside the tree, away from pytest's handlers
    lonely.addHandler(pipeline)

    lonely.error("bad format %d", canary)

    (line,) = lines_of(sink)
    assert ("lonely", "TypeError") == (line["logger"], line["error_type"])
    assert canary not in sink.getvalue() + "".join(capsys.readouterr())


def test_tracebacks_have_frames_and_no_locals(sink):
    """A traceback tells type, scrubbed text, cause and frames, and no local variable."""
    try:
        fail("private value")
    except ValueError:
        structlog.get_logger("ours").exception("failed")

    (line,) = lines_of(sink)
    first, cause = line["exception"]
    assert ("ValueError", "KeyError") == (first["exc_type"], cause["exc_type"])
    assert "fail" in [frame["name"] for frame in first["frames"]]
    assert not any("locals" in frame for frame in first["frames"])


@pytest.mark.parametrize("name", ["rq.worker", "werkzeug", "flask.app", "_granian", "stripe", "py"])
def test_every_library_ends_in_the_one_pipeline(sink, name):
    """Loggers with handlers of their own and no propagation are brought in."""
    logger = own_handler(name)
    bring_in_loggers()

    logger.warning("hello")

    assert [(name, "hello")] == [(line["logger"], line["message"]) for line in lines_of(sink)]
    assert not logger.handlers


def test_rq_adds_no_handlers_of_its_own(sink, capsys):
    """RQ's own set-up, run when a worker starts, finds the pipeline and leaves it alone."""
    setup_loghandlers("WARNING")

    logging.getLogger("rq.worker").warning("killed horse")

    assert ["killed horse"] == [line["message"] for line in lines_of(sink)]
    assert ("", "") == tuple(capsys.readouterr())


def test_granian_changes_levels_only(sink, capsys):
    """granian, configured incrementally, logs through the pipeline and closes no handler of ours."""
    keep = {"incremental": True, "handlers": {}, "loggers": {"_granian": {}}}
    configure_granian(LogLevels.warning, keep)

    logging.getLogger("_granian").warning("from granian")
    structlog.get_logger("ours").info("from us")

    assert ["from granian", "from us"] == [line["message"] for line in lines_of(sink)]
    assert ("", "") == tuple(capsys.readouterr())


@pytest.mark.parametrize("name", ["stripe", "rq.worker", "sqlalchemy.engine", "werkzeug"])
def test_talkative_libraries_are_heard_from_warnings_on(sink, name):
    """Libraries whose INFO would tell bodies or drown the rest are logged from warnings on."""
    logging.getLogger(name).info("quiet")
    logging.getLogger(name).warning("loud")

    assert ["loud"] == [line["message"] for line in lines_of(sink)]


def test_odd_values_render(sink):
    """Values that JSON cannot hold never lose a line."""
    structlog.get_logger("ours").info("odd \ud800", count=2**70, note=object(), reason={1: {2}})

    (line,) = lines_of(sink)
    assert ("odd ?", str(2**70), "<object>", {"1": [2]}) == tuple(
        line[name] for name in ("message", "count", "note", "reason")
    )


@pytest.mark.usefixtures("sink")
def test_console_lines_are_redacted_too():
    """What is rendered for people passes the same allow-list and scrub, without local variables."""
    stream = io.StringIO()
    writer = configure_logs("info", stream, console=True)
    try:
        fail(CANARIES[0])
    except ValueError:
        structlog.get_logger("ours").exception("failed", reason=CANARIES[1], secret=CANARIES[2])
    writer.close()

    assert "failed" in stream.getvalue()
    assert "ValueError: could not use [key]" in stream.getvalue()
    assert not any(canary in stream.getvalue() for canary in CANARIES)


DIE = """
import sys, threading, warnings
from runtime.logs import configure_logs
configure_logs("info")
secret = "whsec_canary4567"
warnings.warn("warned of " + secret)
def die():
    raise ValueError("with " + secret)
thread = threading.Thread(target=die)
thread.start()
thread.join()
die()
"""


def test_warnings_and_uncaught_errors_are_lines_and_leak_nothing():
    """Warnings, and what ends a thread or the process, are told through the pipeline, and nothing on stderr."""
    ended = subprocess.run([sys.executable, "-c", DIE], capture_output=True, text=True, check=False)

    warned, *messages = [orjson.loads(line)["message"] for line in ended.stdout.splitlines()]
    assert "UserWarning: warned of [key]" in warned
    assert ["a thread ended by an error", "ended by an error"] == messages
    assert (1, "") == (ended.returncode, ended.stderr)
    assert "canary" not in ended.stdout
