import os
import subprocess
import sys

import pytest

from runtime.data_lock import DataFolderInUse, DataFolderLock

HOLD = (
    "import sys; from pathlib import Path; from runtime.data_lock import DataFolderLock\n"
    "DataFolderLock(Path(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()"
)


def test_second_copy_is_refused_with_the_pid_of_the_first(data):
    """A folder that is in use is refused in one sentence that names the holder's process."""
    with DataFolderLock(data), pytest.raises(DataFolderInUse) as refusal:
        DataFolderLock(data).acquire()

    assert str(refusal.value) == (
        f"The data folder {data} is in use by process {os.getpid()}; stop that one first, or set"
        " REDRESS_DATA to another folder."
    )


def test_released_folder_can_be_taken(data):
    """After its holder gave it up, a folder can be taken again; giving up twice is harmless."""
    lock = DataFolderLock(data)
    lock.acquire()

    lock.release()
    lock.release()

    with DataFolderLock(data):
        assert (data / "redress.lock").read_text() == f"{os.getpid()}\n"


def test_killed_holder_leaves_no_lock(data):
    """A holder that is killed leaves nothing behind that would refuse the next copy."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert "held\n" == holder.stdout.readline()
    with pytest.raises(DataFolderInUse, match=f"process {holder.pid};"):
        DataFolderLock(data).acquire()
    holder.kill()
    holder.communicate()

    with DataFolderLock(data):
        assert (data / "redress.lock").exists()


def test_started_programs_do_not_inherit_the_lock(data):
    """A program that the holder started does not keep the folder after the holder gave it up."""
    lock = DataFolderLock(data)
    lock.acquire()
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        close_fds=False,
    )
    try:
        lock.release()

        with DataFolderLock(data):
            assert child.poll() is None
    finally:
        child.communicate(b"")
