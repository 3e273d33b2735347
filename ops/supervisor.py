"""Runs the processes of a Procfile on one machine, restarts the ones that die, stops them in order.

Honcho reads the Procfile. Its own manager ends everything when one process ends; a payment processor
on one machine should rather lose a worker for a second, so a process that dies is started again with
a growing pause (docs/decisions/0004).
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from honcho.environ import parse_procfile  # type: ignore[import-untyped]  # has no stubs

from runtime.clock import Clock
from runtime.embedded_redis import end_with_parent
from runtime.limits import RESTART_PAUSE_SECONDS_MAX, STOP_SECONDS_MAX

#: A process that ran this long before it died has done its work; its next restart is at once.
_STEADY_SECONDS = 30.0


@dataclass(slots=True, kw_only=True)
class _Supervised:
    name: str
    words: list[str]
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    deaths: int = 0


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """The processes of one machine; `environ` is what each of them gets, unless it is added with its own."""

    clock: Clock
    environ: Mapping[str, str]
    log_folder: Path
    told: Callable[[str], None]
    _supervised: list[_Supervised] = field(default_factory=list)

    def add(self, name: str, command: str, environ: Mapping[str, str] | None = None) -> None:
        """Have `command` run as `name`; `redress` in it is the command of this very installation."""
        self._supervised.append(
            _Supervised(
                name=name,
                words=shlex.split(command),
                environ=self.environ if environ is None else environ,
            )
        )

    def start(self) -> None:
        """Start every process that was added."""
        self.log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in self._supervised:
            self._start(one)

    def watch(self) -> None:
        """Look once at every process and start again what has died."""
        now = self.clock.monotonic()
        for one in self._supervised:
            if one.process is None:
                if now >= one.restart_at:
                    self._start(one)
            elif one.process.poll() is not None:
                self._note_death(one, now)

    def stop(self) -> None:
        """Ask every process to finish, the first ones first, then end those that do not."""
        for one in self._supervised:
            if one.process is not None and one.process.poll() is None:
                one.process.terminate()
        ends = self.clock.monotonic() + STOP_SECONDS_MAX
        for one in self._supervised:
            if one.process is None:
                continue
            try:
                one.process.wait(timeout=max(0.1, ends - self.clock.monotonic()))
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()
            one.process = None

    def pids(self) -> dict[str, int]:
        """The process ids of what is running, by name."""
        return {
            one.name: one.process.pid
            for one in self._supervised
            if one.process is not None and one.process.poll() is None
        }

    def _start(self, one: _Supervised) -> None:
        log = self.log_folder / f"{one.name}.log"
        with log.open("ab") as output:
            one.process = subprocess.Popen(
                one.words,
                env=dict(one.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the supervisor, which stops them in order
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call on a loaded library
            )
        one.started_at = self.clock.monotonic()

    def _note_death(self, one: _Supervised, now: float) -> None:
        code = one.process.returncode if one.process is not None else None
        one.process = None
        one.deaths = 0 if now - one.started_at > _STEADY_SECONDS else one.deaths + 1
        pause = min(float(2**one.deaths - 1), RESTART_PAUSE_SECONDS_MAX)
        one.restart_at = now + pause
        self.told(
            f"{one.name} ended with code {code}; starting it again in {pause:.0f} s"
            f" (its log: {self.log_folder / one.name}.log)"
        )


def procfile_commands(procfile: Path) -> Mapping[str, str]:
    """The commands of a Procfile by process name."""
    commands: Mapping[str, str] = parse_procfile(procfile.read_text(encoding="utf-8")).processes
    return commands


def child_environ(settings: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The surroundings of the processes: ours, these settings, and our own `redress` found first."""
    own_commands = str(Path(sys.executable).parent)
    path = os.pathsep.join([own_commands, environ.get("PATH", os.defpath)])
    return {**environ, **settings, "PATH": path}
