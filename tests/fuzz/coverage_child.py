"""The process in which atheris runs a target; it ends itself, so `coverage_run` starts it and reads it.

Called with the target's name, a folder for its files, and then libFuzzer's own arguments.
"""

import json
import random
import sys
from pathlib import Path

import atheris

from tests.fuzz.input_lengths import LENGTHS


def main() -> None:
    """Instrument our packages, then hand the process to atheris."""
    name, folder, *arguments = sys.argv[1:]
    # Only what we wrote is measured: the libraries' branches would drown ours.
    with atheris.instrument_imports(include=["ledger", "policy", "webhooks", "workers"]):
        from tests.fuzz.chance_run import Progress  # noqa: PLC0415 - instrumented on import
        from tests.fuzz.target_list import TARGETS  # noqa: PLC0415 - as above
    place = Path(folder)
    target = TARGETS[name](place / "files")
    for number, seed in enumerate(target.seeds()):
        (place / "corpus" / f"seed_{number}").write_bytes(seed)
    progress, tried = Progress(), 0

    def check(data: bytes) -> None:
        nonlocal tried
        tried += 1
        target.check(data)
        if not tried & 15:
            progress.tell(tried, target.counts)
            (place / "counts.json").write_text(json.dumps([tried, target.counts]), encoding="utf-8")

    atheris.Setup(
        [sys.argv[0], *arguments, str(place / "corpus")], check, custom_mutator=_half_from_scratch
    )
    atheris.Fuzz()


def _half_from_scratch(data: bytes, bytes_max: int, seed: int) -> bytes:
    """Half of the inputs are new ones of the grammar: small changes alone stay with the parser."""
    randomness = random.Random(seed)
    if randomness.random() < 0.5:
        return randomness.randbytes(randomness.choice(LENGTHS))[:bytes_max]
    return atheris.Mutate(data, bytes_max)


if __name__ == "__main__":
    main()
