"""What callers and worker threads of a pool share: the queue, the known verdicts and the counters."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import blake2b

from verifiers.pool.worker_thread import PoolError, Settings, Task, WorkerThread
from verifiers.types import Verdict

STALLED = 0.5  # seconds after which the tasks behind a slow one are handed to other workers
CHUNK_SECONDS = 0.02  # work sent to a worker in one message
MAX_CHUNK = 64


@dataclass(slots=True)
class PoolStats:
    """What a pool has done so far."""

    verdicts: int = 0
    """Verdicts given, including those from the cache."""
    cache_hits: int = 0
    restarts: int = 0
    """Workers that replaced one that was killed or died."""
    timeouts: int = 0
    crashes: int = 0
    memory: int = 0


class Scheduler:
    """Hands tasks to worker threads and verdicts to callers. `changed` guards all attributes."""

    def __init__(self, settings: Settings, cache: OrderedDict[bytes, Verdict] | None = None) -> None:
        self.settings = settings
        self.changed = threading.Condition()
        self.queue: deque[Task] = deque()
        self.waiting: dict[bytes, Task] = {}  # by key, so that equal tasks are judged once
        self.cache = OrderedDict() if cache is None else cache
        self.stats = PoolStats()
        self.threads: list[WorkerThread] = []
        self.idle = 0
        self.seconds_per_task = CHUNK_SECONDS / 4  # running mean; the first guess makes chunks of four
        self.broken: PoolError | None = None
        self.closed = False

    def submit(self, payload: bytes) -> Future[Verdict]:
        """Return the future verdict on `payload`. Raises `PoolError` if the pool is closed or has failed."""
        future: Future[Verdict] = Future()
        key = blake2b(payload, digest_size=16).digest()
        with self.changed:
            if self.closed:
                raise PoolError("the pool is closed")
            if self.broken is not None:
                raise PoolError(str(self.broken))
            known = self.cache.get(key)
            if known is not None:
                self.cache.move_to_end(key)
                self.stats.cache_hits += 1
                self.stats.verdicts += 1
            elif (task := self.waiting.get(key)) is not None:
                task.futures.append(future)
                self.stats.cache_hits += 1
            else:
                self._enqueue(Task(payload, key, [future]))
        if known is not None:
            future.set_result(known)
        return future

    def _enqueue(self, task: Task) -> None:
        self.queue.append(task)
        if self.settings.cache:
            self.waiting[task.key] = task
        if len(self.queue) <= self.idle or len(self.threads) == self.settings.workers:
            self.changed.notify()
        else:
            thread = WorkerThread(self)
            self.threads.append(thread)
            thread.start()

    def take(self, thread: WorkerThread) -> list[Task]:
        """Wait for work and return it; an empty list means that the pool is closed."""
        with self.changed:
            thread.chunk = []
            while not self.closed:
                chunk = self._next_chunk(thread)
                if chunk:
                    return chunk
                if self._reclaim():
                    continue
                self.idle += 1
                self.changed.wait(STALLED if any(len(other.chunk) > 1 for other in self.threads) else None)
                self.idle -= 1
            return []

    def _next_chunk(self, thread: WorkerThread) -> list[Task]:
        fair = -(-len(self.queue) // max(1, len(self.threads)))
        size = min(MAX_CHUNK, fair, max(1, int(CHUNK_SECONDS / self.seconds_per_task)))
        if thread.at_once > 1:  # a service: as many as it is asked at once, however long one takes
            size = min(fair, thread.at_once)
        chunk: list[Task] = []
        while self.queue and len(chunk) < size:
            task = self.queue.popleft()
            if not task.done and not self.is_cancelled(task):
                task.thread = thread
                chunk.append(task)
        if chunk:
            thread.chunk, thread.position, thread.since = chunk, 0, time.monotonic()
        return chunk

    def is_cancelled(self, task: Task) -> bool:
        """Whether every caller that waited for `task` has cancelled; the task is then dropped."""
        with self.changed:
            if not all(future.cancelled() for future in task.futures):
                return False
            task.done = True
            self.waiting.pop(task.key, None)
            return True

    def _reclaim(self) -> bool:
        """Put the tasks behind a slow one back on the queue; the first verdict on a task counts."""
        now = time.monotonic()
        found = False
        for thread in self.threads:
            if now - thread.since > STALLED and thread.at_once == 1:
                behind = [
                    task
                    for task in thread.chunk[thread.position + 1 :]
                    if task.thread is thread and not task.done
                ]
                found |= bool(behind)
                self._requeue(behind)
        return found

    def _requeue(self, tasks: Iterable[Task]) -> None:
        for task in reversed(list(tasks)):
            task.thread = None
            self.queue.appendleft(task)

    def give_back(self, thread: WorkerThread, tasks: Sequence[Task]) -> None:
        """Put the unjudged tasks of a lost worker back on the queue."""
        with self.changed:
            self._requeue(task for task in tasks if task.thread is thread and not task.done)
            self.changed.notify(len(tasks))

    def settle(self, task: Task, outcome: Verdict | Exception, seconds: float | None = None) -> None:
        """Give a verdict, or the caller's own error, to every caller that waits for `task`.

        Only the first outcome of a task counts. `seconds` is what judging it took.
        """
        with self.changed:
            if seconds is not None:
                self.seconds_per_task += 0.05 * (min(seconds, 1.0) - self.seconds_per_task)
            if task.done:
                return
            task.done = True
            self.waiting.pop(task.key, None)
            if isinstance(outcome, Verdict):
                self.stats.verdicts += len(task.futures)
                if self.settings.cache and outcome.status != "error":
                    self.cache[task.key] = outcome
                    if len(self.cache) > self.settings.cache:
                        self.cache.popitem(last=False)
        for future in task.futures:
            if not future.set_running_or_notify_cancel():
                continue
            if isinstance(outcome, Verdict):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

    def count(self, counter: str) -> None:
        """Add one to a field of `PoolStats`."""
        with self.changed:
            setattr(self.stats, counter, getattr(self.stats, counter) + 1)

    def fail(self, error: PoolError) -> None:
        """No worker can be started: raise `error` for all current and future callers."""
        with self.changed:
            self.broken = self.broken or error
            unsettled = self._take_unsettled()
        for task in unsettled:
            self.settle(task, error)

    def close(self, wait: bool) -> None:
        """Refuse new tasks, fail the unsettled ones, end the workers; with `wait`, until they are gone."""
        with self.changed:
            if self.closed:
                return
            self.closed = True
            unsettled = self._take_unsettled()
            busy = [thread.worker for thread in self.threads if thread.chunk]
            self.changed.notify_all()
        for task in unsettled:
            self.settle(task, PoolError("the pool was closed before this verdict was given"))
        for worker in busy:
            if worker is not None:
                worker.kill()  # its thread then finds the connection closed
        if wait:
            for thread in self.threads:
                if thread is not threading.current_thread():
                    thread.join()

    def _take_unsettled(self) -> list[Task]:
        """Empty the queue; return its tasks and those that workers have at hand."""
        tasks = [*self.queue, *(task for thread in self.threads for task in thread.chunk)]
        self.queue.clear()
        return tasks

    def disown(self) -> None:
        """In a forked child: release the parent's workers without disturbing them."""
        for thread in self.threads:
            if thread.worker is not None:
                thread.worker.channel.close()
                thread.worker.process.returncode = 0  # it is not a child of this process
