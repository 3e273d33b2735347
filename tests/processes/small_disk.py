"""A disk of a few megabytes that can be filled to its last byte: a tmpfs of its own.

Mounting needs root. Anybody else's tmpfs lives in a namespace that a sleeping process holds open; its
files are reached through that process's folder in /proc, so nobody else has to enter the namespace.
"""

import contextlib
import errno
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from runtime.embedded_redis import end_with_parent

_FILLER = "filler"
_MOUNT = 'mount -t tmpfs -o "size=$1m,mode=777" tmpfs "$2"'
_HOLD = f"{_MOUNT} && echo mounted && exec cat"


class NoSmallDiskError(Exception):
    """This user may neither mount a disk nor make a namespace to mount one in."""


class SmallDisk:
    """`folder` is empty and holds `mebibytes`; `close` takes it away with all that is in it.

    Everybody may use it, PostgreSQL's own user too, so it does not lie in a test's private folder.
    """

    def __init__(self, mebibytes):
        folder = Path(tempfile.mkdtemp(prefix="redress-disk-", dir="/tmp"))
        folder.chmod(0o755)
        self._mounted = folder
        self._holder = None
        given = ["mount", str(mebibytes), str(folder)]
        if os.geteuid() == 0:
            self._mount(["sh", "-c", _MOUNT, *given])
            self.folder = folder
        else:
            self._hold(
                ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _HOLD, *given]
            )
            self.folder = Path(f"/proc/{self._holder.pid}/root{folder}")

    def fill(self):
        """Take every byte that is left."""
        with self._filler.open("ab") as filler, contextlib.suppress(OSError):
            left = os.statvfs(self.folder)
            os.posix_fallocate(filler.fileno(), filler.tell(), left.f_bavail * left.f_frsize)
        with self._filler.open("ab", buffering=0) as filler:
            # What was freed or rounded meanwhile, page by page.
            while _written(filler):
                pass

    def free(self):
        """Give all of that back."""
        self._filler.unlink(missing_ok=True)

    def close(self):
        """Unmount it, even if somebody still has a file open."""
        if self._holder is not None:
            self._holder.communicate()
        else:
            subprocess.run(["umount", "--lazy", self._mounted], check=False, capture_output=True)
        self._mounted.rmdir()

    @property
    def _filler(self):
        return self.folder / _FILLER

    def _mount(self, command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self._mounted.rmdir()
            raise NoSmallDiskError(f"root may not mount a tmpfs here: {done.stderr.strip()}")

    def _hold(self, command):
        if shutil.which("unshare") is None:
            raise NoSmallDiskError("mounting a tmpfs needs root, or the command unshare")
        self._holder = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call on a loaded library
        )
        said = self._holder.stdout.readline().strip()
        if said != "mounted":
            self._holder.communicate()
            self._mounted.rmdir()
            raise NoSmallDiskError(f"mounting needs root or a user namespace: {said}")


def _written(filler):
    try:
        return filler.write(b"\0" * 4096) > 0
    except OSError as full:
        if full.errno != errno.ENOSPC:
            raise
        return False
