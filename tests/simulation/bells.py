"""The queue as it was measured to be: it loses the jobs of those who die with them, and all when flushed.

`runtime.queues.Wakeups` runs as it is, over these few commands of Redis; only the making of an RQ job is
replaced. A job is lost whenever its worker is killed: RQ marks it failed later, and nothing runs it again
(reliability.md §1).
"""

import itertools

from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError

from runtime.queues import EFFECTS, EVENTS, NOTICES, Wakeups


class SimulatedRedis:
    """The flag and the queues. `away` and `full` are what faults set."""

    def __init__(self, scheduler, pushed):
        """`pushed(queue)` is told of each new job, as a worker's blocking pop is."""
        self._scheduler = scheduler
        self._pushed = pushed
        self._values = {}
        self._numbers = itertools.count(1)
        self.queues = {EVENTS: [], EFFECTS: [], NOTICES: []}
        self.away = False
        self.full = False
        self.loss = 0.0
        self.doubling = 0.0

    def set(self, name, value, *, ex, nx=False):
        """SET EX of a value, with NX if asked."""
        if nx and self.get(name) is not None:
            return None
        self._require()
        self._values[name] = value, self._scheduler.now_ms + ex * 1000
        return True

    def get(self, name):
        """GET of a value that has not expired."""
        self._require()
        value, until_ms = self._values.get(name, (None, 0))
        return value if until_ms > self._scheduler.now_ms else None

    def lpos(self, key, job_id):
        """LPOS of a job in one of RQ's queues."""
        self._require()
        ids = [waiting for waiting, _ in self.queues[key.removeprefix("rq:queue:")]]
        return ids.index(job_id) if job_id in ids else None

    def delete(self, name):
        """DEL of a flag."""
        self._require()
        return self._values.pop(name, None) is not None

    def flush(self):
        """FLUSHALL."""
        self._values.clear()
        for queue in self.queues.values():
            queue.clear()

    def push(self, queue_name, job):
        """What RQ's enqueue comes to: a job's id. Raises Redis' own error for a server out of memory."""
        self._require()
        if self.full:
            raise ResponseError("OOM command not allowed when used memory > 'maxmemory'.")
        job_id = f"job-{next(self._numbers)}"
        self.queues[queue_name].append((job_id, job))
        self._pushed(queue_name)
        return job_id

    def pop(self, queue_name):
        """The next job, or None; also while Redis is away, as a worker that waits for it."""
        queue = self.queues[queue_name]
        return queue.pop(0)[1] if queue and not self.away else None

    def _require(self):
        if self.away:
            raise RedisAway("Connection refused.")


class SimulatedWakeups(Wakeups):
    """The real bell over the simulated server; `rng` decides which rings are lost or doubled.

    `struck` is told of each that was.
    """

    def __init__(self, redis, clock, rng, struck):
        super().__init__(redis, clock)
        self._rng = rng
        self._struck = struck

    def _enqueue(self, queue_name, job_name, args, _job_seconds_max):
        assert all(type(one) in (int, str) and len(str(one)) < 64 for one in args)
        copies = 1
        if self._redis.loss or self._redis.doubling:
            drawn = self._rng.random()
            copies = 0 if drawn < self._redis.loss else 1
            copies += drawn > 1 - self._redis.doubling
            if copies != 1:
                self._struck("job run twice" if copies else "redis loses writes")
        self._redis._require()
        ids = [self._redis.push(queue_name, (job_name, *args)) for _ in range(copies)]
        return ids[0] if ids else "lost"
