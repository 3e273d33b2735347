"""What back-tests came to, kept in the data folder for whoever looks at them later: the dashboard's page of the terms."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = "backtests"
_KEPT_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBacktest:
    """One back-test: when it was made (unix ms), from when on it looked, and its figures as its command's `--json` tells them."""

    made_ms: int
    since_ms: int
    figures: Mapping[str, Any]


def keep_backtest(data: Path, kept: KeptBacktest) -> None:
    """Keep one; of many the oldest go. It holds no personal data."""
    folder = data / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{kept.made_ms}.json"
    path.touch(mode=0o600)
    document = {"made_ms": kept.made_ms, "since_ms": kept.since_ms, "figures": kept.figures}
    path.write_text(json.dumps(document), encoding="utf-8")
    for old in sorted(folder.glob("*.json"))[:-_KEPT_MAX]:
        old.unlink(missing_ok=True)


def kept_backtests(data: Path) -> Sequence[KeptBacktest]:
    """Those that are kept, the newest first; one that cannot be read is passed over."""
    found = []
    for path in sorted((data / _FOLDER).glob("*.json"), reverse=True):
        try:
            found.append(KeptBacktest(**json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, TypeError, OSError):
            continue
    return found
