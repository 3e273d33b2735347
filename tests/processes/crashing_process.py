"""`redress worker` or `redress effects`, several times over, with a trap at every boundary between two steps.

A trap is a file in the folder `--traps` that is named for its boundary (`workers.crash_points`) and says
what happens to the first work horse that gets there: "horse" kills it by SIGKILL, "worker" kills its RQ
worker first, "stop" freezes it by SIGSTOP. A trap that was sprung is renamed, so it works once; it then
holds the process id. A worker that died is started again at once, as a supervisor would.
"""

import argparse
import contextlib
import os
import signal
from dataclasses import replace
from pathlib import Path

from ops.process_commands import _worker_context
from runtime.embedded_redis import end_with_parent
from runtime.logs import configure_logs
from runtime.settings import load_settings
from runtime.wiring import open_wiring
from workers import jobs
from workers.rq_process import run_worker

SPRUNG = ".sprung"


class Traps:
    """Crash points that read what to do from a folder."""

    def __init__(self, folder):
        self._folder = folder

    def reach(self, name):
        """Spring the trap of this boundary, if one is set."""
        trap = self._folder / name
        sprung = self._folder / f"{name}{SPRUNG}"
        with contextlib.suppress(FileNotFoundError):
            # Only one of several processes can rename it.
            trap.rename(sprung)
            action = sprung.read_text(encoding="ascii")
            sprung.write_text(str(os.getpid()), encoding="ascii")
            if action == "worker":
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGSTOP if action == "stop" else signal.SIGKILL)


def main():
    """Keep `--count` workers running, each with everything of its own, until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--queue", required=True, choices=["events", "effects"])
    parser.add_argument("--traps", required=True, type=Path)
    parser.add_argument("--count", type=int, default=1)
    given = parser.parse_args()
    # What a supervisor would start takes 2 s of imports each time; a fork from here has them done.
    workers = {_fork(given.queue, given.traps) for _ in range(given.count)}

    def stop(*_):
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        raise SystemExit

    signal.signal(signal.SIGTERM, stop)
    while True:
        died, _ = os.wait()
        workers.discard(died)
        workers.add(_fork(given.queue, given.traps))


def _fork(queue, traps):
    child = os.fork()
    if child:
        return child
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    configure_logs("info")
    with open_wiring(load_settings()) as wiring:
        jobs.use_context(replace(_worker_context(wiring), crash=Traps(traps)))
        run_worker(wiring.redis, queue)
    raise SystemExit


if __name__ == "__main__":
    main()
