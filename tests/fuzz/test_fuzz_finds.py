"""Inputs that once broke a promise, kept as files: `found/<target>-<name>.bin`."""

from pathlib import Path

import pytest

from tests.fuzz.target_list import TARGETS

FOUND = Path(__file__).parent / "found"


@pytest.mark.parametrize("name", sorted(file.name for file in FOUND.glob("*.bin")))
def test_found_inputs(tmp_path, name):
    """An input that once broke a promise keeps it now."""
    target_name = next(known for known in TARGETS if name.startswith(f"{known}-"))
    target = TARGETS[target_name](tmp_path)
    try:
        target.check((FOUND / name).read_bytes())
    finally:
        target.close()
