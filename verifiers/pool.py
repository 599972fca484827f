"""Verdicts in bulk from worker processes that can be killed.

A verifier reads text that a policy in training wrote, and sooner or later some of it makes a verifier hang,
crash or eat the machine's memory. Here that costs the one item: its worker is killed at the deadline by the
parent's clock (no signals in the caller, so any thread may call), every other item keeps its verdict, and the
order of results is the order of items.

Each worker belongs to a *lane*, a thread that sends it items and waits for their verdicts. Lanes draw from a
*board*, which holds the queue, the cache and the counts. Workers are fresh interpreters (never forks: the
trainer's process holds gigabytes and a GPU context), started when first needed, and die with their lane.
"""

from __future__ import annotations

import atexit
import os
import pickle
import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from verifiers.lanes import Item, Lane, PoolError, Settings
from verifiers.registry import resolve
from verifiers.types import Problem, Verdict

STALLED = 0.5  # seconds after which the items behind a slow one are handed to other workers
CHUNK_SECONDS = 0.02  # work sent to a worker in one message
MAX_CHUNK = 64


@dataclass(slots=True)
class PoolStats:
    """What a pool has done so far."""

    verdicts: int = 0
    """Verdicts given, those from the cache included."""
    cache_hits: int = 0
    restarts: int = 0
    """Workers that replaced one that was killed or died."""
    timeouts: int = 0
    crashes: int = 0
    memory: int = 0


class VerifierPool:
    """Judges batches of (problem, response) in worker processes.

    `spec` and `options` are those of `verifiers.load`. `workers` defaults to the cores that this process may
    use, shared among the processes of one launch on this machine. `deadline` is seconds per item; `memory_mb`
    is what judging may take on top of the loaded verifier; `cache` is how many verdicts are remembered
    (0: none), so that a response that comes back in a later epoch is not judged again.

    What an item did decides its verdict: past its deadline, 0.0 "timeout"; out of memory, 0.0 "memory"; its
    worker dead, 0.0 "crash" (both only if it happens again, alone on a fresh worker); the verifier raised,
    None "error".

    A verifier may have `warm_up()`, called once in each worker before its first item, `close()`, called when
    the pool closes, and `deadline`, the seconds that it needs at least because it keeps deadlines itself.

    Any thread may call; from asyncio use `asyncio.wrap_future(pool.submit(…))`; a forked child that inherits
    a pool starts workers of its own.

    >>> with VerifierPool("math") as pool:
    ...     verdicts = pool.score([(problem, response) for response in responses])
    """

    def __init__(
        self,
        spec: str,
        options: Mapping[str, Any] | None = None,
        *,
        workers: int | None = None,
        deadline: float = 10.0,
        memory_mb: int = 2048,
        cache: int = 100_000,
    ) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers is {workers}; expected at least 1")
        if deadline <= 0 or memory_mb <= 0 or cache < 0:
            raise ValueError(
                f"deadline={deadline}, memory_mb={memory_mb}, cache={cache}: expected > 0, > 0, >= 0"
            )
        resolve(spec)
        self._settings = Settings(
            spec, dict(options or {}), workers or default_workers(), deadline, memory_mb, cache
        )
        self._board = Board(self._settings)
        self._finalizer = weakref.finalize(self, self._board.close, wait=False)
        self._finalizer.atexit = False  # `_close_all` does it then, and waits
        _pools.add(self)

    @property
    def stats(self) -> PoolStats:
        with self._board.changed:
            return replace(self._board.stats)

    def submit(self, problem: Problem, response: str) -> Future[Verdict]:
        """Return the verdict-to-be of one response. Raises `TypeError` for what cannot be sent to a worker,
        `PoolError` where the pool is closed or its verifier does not load."""
        return self._board.submit(_pack(problem, response))

    def score(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """Return the verdicts of `items`, in their order. Raises as `submit` does."""
        futures: list[Future[Verdict]] = []
        try:
            futures.extend(self.submit(problem, response) for problem, response in items)
            return [future.result() for future in futures]
        except BaseException:  # an interrupt as well: leave no work behind
            for future in futures:
                future.cancel()
            raise

    def close(self) -> None:
        """End the workers. Verdicts still awaited raise `PoolError`."""
        self._board.close(wait=True)

    def __enter__(self) -> VerifierPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._settings,)

    def _after_fork(self) -> None:
        self._board.disown()
        self._finalizer.detach()
        closed = self._board.closed
        self._board = Board(self._settings, self._board.cache)
        self._board.closed = closed
        self._finalizer = weakref.finalize(self, self._board.close, wait=False)
        self._finalizer.atexit = False


def default_workers() -> int:
    """Cores that this process may use, divided by the processes that share them (torchrun, accelerate)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


class Board:
    """What callers and lanes share: the queue, the verdicts known, the counts. Guarded by `changed`."""

    def __init__(self, settings: Settings, cache: OrderedDict[bytes, Verdict] | None = None) -> None:
        self.settings = settings
        self.changed = threading.Condition()
        self.queue: deque[Item] = deque()
        self.waiting: dict[bytes, Item] = {}  # by key, so that equal items are judged once
        self.cache = OrderedDict() if cache is None else cache
        self.stats = PoolStats()
        self.lanes: list[Lane] = []
        self.idle = 0
        self.seconds_per_item = CHUNK_SECONDS / 4  # running mean; the first guess makes chunks of four
        self.broken: PoolError | None = None
        self.closed = False

    def submit(self, payload: bytes) -> Future[Verdict]:
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
            elif (item := self.waiting.get(key)) is not None:
                item.futures.append(future)
                self.stats.cache_hits += 1
            else:
                self._enqueue(Item(payload, key, [future]))
        if known is not None:
            future.set_result(known)
        return future

    def _enqueue(self, item: Item) -> None:
        self.queue.append(item)
        if self.settings.cache:
            self.waiting[item.key] = item
        if len(self.queue) <= self.idle or len(self.lanes) == self.settings.workers:
            self.changed.notify()
        else:
            lane = Lane(self)
            self.lanes.append(lane)
            lane.start()

    def take(self, lane: Lane) -> list[Item]:
        """Wait for work; an empty list means that the pool is closed."""
        with self.changed:
            lane.chunk = []
            while not self.closed:
                chunk = self._next_chunk(lane)
                if chunk:
                    return chunk
                if self._reclaim():
                    continue
                self.idle += 1
                self.changed.wait(STALLED if any(len(other.chunk) > 1 for other in self.lanes) else None)
                self.idle -= 1
            return []

    def _next_chunk(self, lane: Lane) -> list[Item]:
        fair = -(-len(self.queue) // max(1, len(self.lanes)))
        size = min(MAX_CHUNK, fair, max(1, int(CHUNK_SECONDS / self.seconds_per_item)))
        chunk: list[Item] = []
        while self.queue and len(chunk) < size:
            item = self.queue.popleft()
            if not item.done and not self.given_up(item):
                item.lane = lane
                chunk.append(item)
        if chunk:
            lane.chunk, lane.position, lane.since = chunk, 0, time.monotonic()
        return chunk

    def given_up(self, item: Item) -> bool:
        """Whether everybody who waited for `item` has cancelled; it is then off the board."""
        with self.changed:
            if not all(future.cancelled() for future in item.futures):
                return False
            item.done = True
            self.waiting.pop(item.key, None)
            return True

    def _reclaim(self) -> bool:
        """Put the items behind a slow one back on the queue; whoever judges them first is believed."""
        now = time.monotonic()
        found = False
        for lane in self.lanes:
            if now - lane.since > STALLED:
                behind = [i for i in lane.chunk[lane.position + 1 :] if i.lane is lane and not i.done]
                found |= bool(behind)
                self._requeue(behind)
        return found

    def _requeue(self, items: Iterable[Item]) -> None:
        for item in reversed(list(items)):
            item.lane = None
            self.queue.appendleft(item)

    def give_back(self, lane: Lane, items: Sequence[Item]) -> None:
        """Take back what a worker that is no more was to judge."""
        with self.changed:
            self._requeue(item for item in items if item.lane is lane and not item.done)
            self.changed.notify(len(items))

    def settle(self, item: Item, outcome: Verdict | Exception, seconds: float | None = None) -> None:
        """Hand a verdict, or the caller's own error, to whoever waits for `item`. The first one counts."""
        with self.changed:
            if seconds is not None:
                self.seconds_per_item += 0.05 * (min(seconds, 1.0) - self.seconds_per_item)
            if item.done:
                return
            item.done = True
            self.waiting.pop(item.key, None)
            if isinstance(outcome, Verdict):
                self.stats.verdicts += len(item.futures)
                if self.settings.cache and outcome.status != "error":
                    self.cache[item.key] = outcome
                    if len(self.cache) > self.settings.cache:
                        self.cache.popitem(last=False)
        for future in item.futures:
            if not future.set_running_or_notify_cancel():
                continue
            if isinstance(outcome, Verdict):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

    def count(self, what: str) -> None:
        """Add one to a field of `PoolStats`."""
        with self.changed:
            setattr(self.stats, what, getattr(self.stats, what) + 1)

    def fail(self, error: PoolError) -> None:
        """No worker can be had: tell everybody who waits, and whoever comes."""
        with self.changed:
            self.broken = self.broken or error
            lost = self._unsettled()
        for item in lost:
            self.settle(item, error)

    def close(self, wait: bool) -> None:
        with self.changed:
            if self.closed:
                return
            self.closed = True
            lost = self._unsettled()
            busy = [lane.worker for lane in self.lanes if lane.chunk]
            self.changed.notify_all()
        for item in lost:
            self.settle(item, PoolError("the pool was closed before this verdict was given"))
        for worker in busy:
            if worker is not None:
                worker.kill()  # its lane then finds the line closed
        if wait:
            for lane in self.lanes:
                if lane is not threading.current_thread():
                    lane.join()

    def _unsettled(self) -> list[Item]:
        items = [*self.queue, *(item for lane in self.lanes for item in lane.chunk)]
        self.queue.clear()
        return items

    def disown(self) -> None:
        """In a forked child: let go of the parent's workers without disturbing them."""
        for lane in self.lanes:
            if lane.worker is not None:
                lane.worker.channel.close()
                lane.worker.process.returncode = 0  # not our child


_pools: weakref.WeakSet[VerifierPool] = weakref.WeakSet()


def _rebuild(settings: Settings) -> VerifierPool:
    values = {name: getattr(settings, name) for name in ("workers", "deadline", "memory_mb", "cache")}
    return VerifierPool(settings.spec, settings.options, **values)


def _close_all() -> None:
    for pool in list(_pools):
        pool.close()


def _renew_all() -> None:
    for pool in list(_pools):
        pool._after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


def _pack(problem: Problem, response: str) -> bytes:
    if not isinstance(problem, Problem) or not isinstance(response, str):
        found = f"({type(problem).__name__}, {type(response).__name__})"
        raise TypeError(f"expected a (Problem, str) pair to judge, found {found}")
    fields = (problem.id, problem.prompt, problem.reference, dict(problem.meta), response)
    try:
        return pickle.dumps(fields, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise TypeError(
            f"problem {problem.id!r} cannot be sent to a worker ({type(error).__name__}: {error}); its "
            f"reference is a {type(problem.reference).__name__}, expected JSON-like data"
        ) from error
