"""Simulated time and the tasks that live in it: one greenlet each, one running at a time.

A task runs until it says `pause`; then the next thing that is due runs, be it another task or a plain
call. Nothing here knows what the tasks do. The order is the heap's alone, so the same seed gives the same
run: ties in time are broken by a drawn number, which is what makes workers overtake each other.
"""

import contextlib
import heapq
import itertools

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The process ended here, as by kill -9; no handler may catch it."""


class Task:
    """One line of control of one process. `frozen_until_ms` holds it back as SIGSTOP does."""

    def __init__(self, name, run, hub):
        self.name = name
        self.frozen_until_ms = 0
        self.alive = True
        self.turn = 0
        self.light = greenlet(self._body, hub)
        self._run = run

    def _body(self):
        try:
            self._run()
        except Killed:
            pass
        finally:
            self.alive = False


class Scheduler:
    """Runs tasks and calls in the order of simulated time. `now_ms` is the world's true time."""

    def __init__(self, rng, now_ms):
        self.now_ms = now_ms
        self.started_ms = now_ms
        self.steps = 0
        self._rng = rng
        self._hub = getcurrent()
        self._heap = []
        self._numbers = itertools.count()
        self.current = None

    def at(self, at_ms, call):
        """Have `call()` run at a moment (unix ms); the past means now."""
        heapq.heappush(
            self._heap,
            (max(at_ms, self.now_ms), self._rng.random(), next(self._numbers), None, 0, call),
        )

    def after(self, delay_ms, call):
        """Have `call()` run in so many milliseconds."""
        self.at(self.now_ms + delay_ms, call)

    def start(self, name, run):
        """A new task that begins now."""
        task = Task(name, run, self._hub)
        self.wake(task, 0)
        return task

    def pause(self, delay_ms):
        """Let others run for so many milliseconds; called by a task about itself."""
        task = self.current
        self.wake(task, delay_ms)
        self.current = None
        self._hub.switch()
        self.current = task

    def kill(self, task):
        """End a task where it stands; called while no task runs."""
        assert self.current is None
        if not task.alive:
            return
        task.turn += 1
        self.current = task
        with contextlib.suppress(Killed):  # a task that has not begun hands it on
            task.light.throw(Killed)
        self.current = None
        task.alive = False

    def freeze(self, task, delay_ms):
        """Hold a task back for so many milliseconds of the world's time."""
        task.frozen_until_ms = self.now_ms + delay_ms

    def run_until(self, at_ms):
        """Run what is due until a moment, and move the time there."""
        while self._heap and self._heap[0][0] <= at_ms:
            due_ms, _, _, task, turn, call = heapq.heappop(self._heap)
            self.now_ms = max(self.now_ms, due_ms)
            if task is None:
                call()
            elif task.alive and task.turn == turn:
                self._resume(task)
        self.now_ms = max(self.now_ms, at_ms)

    def next_ms(self):
        """When the next thing is due; None when nothing is."""
        return self._heap[0][0] if self._heap else None

    def end(self):
        """Kill every task that is left."""
        for task in {id(entry[3]): entry[3] for entry in self._heap if entry[3]}.values():
            self.kill(task)
        self._heap.clear()

    def _resume(self, task):
        if task.frozen_until_ms > self.now_ms:
            self.wake(task, task.frozen_until_ms - self.now_ms)
            return
        self.steps += 1
        self.current = task
        task.light.switch()
        self.current = None

    def wake(self, task, delay_ms):
        """Have a task go on in so many milliseconds, whatever it was waiting for before."""
        task.turn += 1
        heapq.heappush(
            self._heap,
            (
                self.now_ms + delay_ms,
                self._rng.random(),
                next(self._numbers),
                task,
                task.turn,
                None,
            ),
        )
