"""A copy of the program and its simulator in a folder of its own, into which a defect may be put."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.simulation.planting import PACKAGES, ROOT

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "var", "test_*.py", "*.egg-info", ".*")


@contextmanager
def copied(source=ROOT, defect=None):
    """The folder of a fresh copy of `source`, with `defect` in it; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        folder = Path(name)
        for package in (*PACKAGES, "tests/simulation"):
            shutil.copytree(source / package, folder / package, ignore=_LEFT_OUT)
        for file in ("pyproject.toml", "Procfile"):
            shutil.copy2(source / file, folder / file)
        if defect is not None:
            changed = folder / defect.file
            changed.write_text(
                defect.planted(changed.read_text(encoding="utf-8")), encoding="utf-8"
            )
        yield folder


def environment_of(folder):
    """The environment in which Python takes the program from this folder and from nowhere else."""
    return {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
