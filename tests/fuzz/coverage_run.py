"""Runs a target under atheris in a process of its own, and says what came of it."""

import json
import subprocess
import sys
import tempfile
from collections import Counter, deque
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

from tests.fuzz.chance_run import Outcome, say

_INPUT_BYTES_MAX = 64 * 1024
_INPUT_SECONDS_MAX = 30
_MEMORY_MB_MAX = 2048
_LINES_KEPT = 40


def atheris_is_here() -> bool:
    """Whether this machine has atheris (Linux on x86_64)."""
    return find_spec("atheris") is not None


def run_by_coverage(
    name: str, *, seconds: float, runs: int | None, seed: int
) -> tuple[Outcome, Counter[str]]:
    """Let atheris look for inputs; the corpus is in a temporary folder and goes with it."""
    with tempfile.TemporaryDirectory(prefix="redress-fuzz-") as made:
        folder = Path(made)
        for inner in ("corpus", "files", "found"):
            (folder / inner).mkdir()
        limit = f"-runs={runs}" if runs is not None else f"-max_total_time={round(seconds)}"
        command = [
            *(sys.executable, "-m", "tests.fuzz.coverage_child", name, made, limit),
            *(f"-seed={seed}", f"-artifact_prefix={folder / 'found'}/"),
            *(f"-max_len={_INPUT_BYTES_MAX}", f"-timeout={_INPUT_SECONDS_MAX}"),
            *(f"-rss_limit_mb={_MEMORY_MB_MAX}", "-print_final_stats=1"),
        ]
        begun = monotonic()
        told, code = _follow(command)
        tried, counts = _counted(folder / "counts.json", told)
        found = next(iter(sorted((folder / "found").iterdir())), None)
        return Outcome(
            tried=tried,
            seconds=monotonic() - begun,
            found=None if found is None else found.read_bytes(),
            broken="" if code == 0 else _reason(told, code),
        ), counts


def _follow(command: list[str]) -> tuple[list[str], int]:
    """Pass the child's progress lines on, and keep the last of all others."""
    kept: deque[str] = deque(maxlen=_LINES_KEPT)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if " tried, " in line:
                say(line.rstrip())
            elif "[warning" not in line and "[error" not in line:
                kept.append(line.rstrip())
    return list(kept), child.returncode


def _counted(file: Path, told: list[str]) -> tuple[int, Counter[str]]:
    """The child's last count, and libFuzzer's own, which is complete, of the inputs."""
    tried, counts = (
        json.loads(file.read_text(encoding="utf-8")) if file.exists() else (0, Counter())
    )
    for line in told:
        if line.startswith("stat::number_of_executed_units:"):
            tried = int(line.split(":")[-1])
    return tried, Counter(counts)


def _reason(told: list[str], code: int) -> str:
    return "\n".join([f"atheris ended with code {code}; its last lines:", *told])
