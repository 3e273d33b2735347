"""A file of events for a replay: JSON lines of ours or of Stripe's, or what `stripe events list` prints.

A line is one of Stripe's event objects, or an event as `redress export events` writes it, its body under
`payload`. What Stripe's CLI prints is one JSON document over many lines, a list with its events under `data`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
import orjson

from ledger.event_queries import EventFilter
from ledger.events import NewEvent
from ledger.parsing import Expected, parse_event
from runtime.limits import BODY_BYTES_MAX
from runtime.operator_limits import REPLAY_STEP_ROWS
from workers.replay_sources import Batch, fits

#: One document is read as a whole: 100 pages of Stripe's CLI have some 40 MB.
DOCUMENT_BYTES_MAX: Final = 256 * 1024**2


class FileRefused(click.ClickException):
    """A file is none that events can be read from; the text names the file, the line and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """A file of events. `digest` names its bytes, so that a replay goes on with the same file only."""

    path: Path
    wanted: EventFilter
    expected: Expected
    digest: str

    def batches(self, after: str) -> Iterator[Batch]:
        """Everything after the place `after` (a count of events), a batch at a time. Raises FileRefused."""
        skipped = int(after or 0)
        numbered = enumerate(_events(self.path), start=1)
        rest = ((place, event) for place, event in numbered if place > skipped)
        while some := list(islice(rest, REPLAY_STEP_ROWS)):
            read = [self._read(event, where) for _, (event, where) in some]
            meant = tuple(event for event in read if fits(self.wanted, event))
            yield Batch(cursor=str(some[-1][0]), events=meant)

    def _read(self, event: Any, where: str) -> NewEvent:
        read = parse_event(orjson.dumps(event), self.expected, "import")
        if read.kind == "unreadable":
            raise FileRefused(f"{where}: no event that can be read: {read.note}")
        return read


def open_event_file(path: Path, wanted: EventFilter, expected: Expected) -> EventFile:
    """The file, read once to its end for its digest. Raises FileRefused."""
    if not path.is_file():
        raise FileRefused(f"There is no file {path}.")
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return EventFile(path=path, wanted=wanted, expected=expected, digest=digest)


def _events(path: Path) -> Iterator[tuple[Any, str]]:
    """Each event's object and the place where it stands; events of a list are turned oldest first."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            where = f"{path.name}:{number}"
            if not line.strip():
                continue
            loaded = _load(line)
            if loaded is None and number == 1:
                yield from _of_document(path)
                return
            if loaded is None:
                raise FileRefused(f"{where}: no JSON; a file of events has one in each line")
            for event in _of_value(loaded, where):
                yield event, where


def _load(line: bytes) -> Any:
    if len(line) > BODY_BYTES_MAX * REPLAY_STEP_ROWS:
        return None
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _of_document(path: Path) -> Iterator[tuple[Any, str]]:
    if path.stat().st_size > DOCUMENT_BYTES_MAX:
        raise FileRefused(
            f"{path.name}: one document of more than {DOCUMENT_BYTES_MAX // 1024**2} MiB; make lines of it by"
            f" `jq -c '.data[]' {path.name} > events.jsonl`"
        )
    try:
        loaded = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as broken:
        raise FileRefused(
            f"{path.name}: neither JSON lines nor one JSON document ({broken})"
        ) from None
    for place, event in enumerate(_of_value(loaded, path.name), start=1):
        yield event, f"{path.name}, event {place}"


def _of_value(loaded: Any, where: str) -> Sequence[Any]:
    """The events of one JSON value: a list of Stripe's, an event of ours or of Stripe's."""
    if isinstance(loaded, dict) and loaded.get("object") == "list":
        data = loaded.get("data")
        if not isinstance(data, list):
            raise FileRefused(f"{where}: a list without `data`")
        return data[::-1]  # Stripe lists the newest first
    if isinstance(loaded, dict) and isinstance(loaded.get("payload"), dict):
        return [loaded["payload"]]
    if isinstance(loaded, dict) and isinstance(loaded.get("type"), str):
        return [loaded]
    raise FileRefused(
        f"{where}: neither an event nor a list of events; both are what Stripe's API or `redress export"
        " events --payload` gives"
    )
