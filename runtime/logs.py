"""One pipeline for every log line: context, redaction, JSON on stdout.

Our own loggers (structlog or standard), Flask's, werkzeug's, RQ's, granian's, stripe's and Python's
warnings all end in the root logger's one handler. Each line is one JSON object with `at` (UTC),
`level`, `logger`, `message`, `pid`, what `structlog.contextvars` holds (bind `event_id` there), and
the fields that `runtime.redaction` allows. Tracebacks come without local variables.
"""

import logging
import os
import sys
import threading
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from runtime.log_writer import LogWriter
from runtime.redaction import redact

# Libraries whose INFO tells bodies, bound values or four lines per job.
_QUIET: Final = ("alembic", "rq", "rq.worker", "sqlalchemy", "stripe", "urllib3", "werkzeug")


def configure_logs(
    level: str, stream: TextIO | None = None, *, console: bool = False, merchant: str = ""
) -> LogWriter:
    """Send every logger of this process through the pipeline, from `level` ("info", …) on.

    Call it once, first thing, in each process; again in a child that shall not share its parent's
    writer. `stream` is stdout unless given. `console` renders for people instead of machines. Each line
    names the `merchant`, where the process is a further one's.
    Returns the writer; its `close` writes what waits (also done at exit).
    """
    writer = LogWriter(stream or sys.stdout)
    handler = _PipelineHandler(writer)
    handler.setFormatter(_formatter(console=console, merchant=merchant))
    for old in logging.root.handlers[:]:
        logging.root.removeHandler(old)
    logging.root.addHandler(handler)
    logging.root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.root.level, logging.WARNING))
    bring_in_loggers()
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_thread_death
    structlog.configure(
        processors=[*_context(merchant), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    return writer


def bring_in_loggers() -> None:
    """Take their own handlers from loggers that have any, so that the root's is the only one.

    `configure_logs` calls it; call it again after a library has set its logging up by itself.
    """
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.propagate = True
            for handler in logger.handlers[:]:
                logger.removeHandler(handler)


class _PipelineHandler(logging.Handler):
    """Renders in the caller's thread, where context and exception are, and writes elsewhere."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 -- a line that cannot be told must not end the work
            # The standard library would print the arguments to stderr, unredacted.
            fields = {"level": "error", "message": "a log record could not be rendered"}
            name = {"logger": record.name, "error_type": type(error).__name__}
            line = _render_json(None, "", {**fields, **name})
        self._writer.put(line)


def _formatter(*, console: bool, merchant: str) -> logging.Formatter:
    exception: Processor = structlog.processors.format_exc_info
    render: Processor = structlog.dev.ConsoleRenderer(
        event_key="message",
        timestamp_key="at",
        exception_formatter=structlog.dev.plain_traceback,
    )
    if not console:
        exception = structlog.processors.ExceptionRenderer(
            ExceptionDictTransformer(show_locals=False)
        )
        render = _render_json
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_context(merchant), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            exception,
            structlog.processors.EventRenamer("message"),
            _redact,
            render,
        ],
    )


def log_of(logger: Any, merchant: str) -> Any:
    """A logger of structlog's whose lines name a further merchant, where one thread speaks for several."""
    return logger.bind(merchant=merchant) if merchant else logger


def speak_for(merchant: str) -> None:
    """Have what this thread (or task) logs from here on name a further merchant, where one process serves several."""
    if merchant:
        structlog.contextvars.bind_contextvars(merchant=merchant)


def _context(merchant: str) -> list[Processor]:
    def name_merchant(_logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
        if merchant:
            fields["merchant"] = merchant
        return fields

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _add_pid,
        name_merchant,
    ]


def _add_pid(_logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
    fields["pid"] = os.getpid()
    return fields


def _redact(_logger: WrappedLogger, _name: str, fields: EventDict) -> MutableMapping[str, Any]:
    return dict(redact(fields))


def _render_json(_logger: WrappedLogger, _name: str, fields: Mapping[str, Any]) -> str:
    return orjson.dumps(fields).decode()


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("uncaught").critical("ended by an error", exc_info=(kind, error, trace))


def _log_thread_death(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger("uncaught").error("a thread ended by an error", exc_info=info)
