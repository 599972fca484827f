"""`VerifierPool`: verdicts in bulk from worker processes that can be killed.

A verifier reads text that a policy in training wrote, and sooner or later some of it makes a verifier hang,
crash or use up the machine's memory. In a pool only that response pays: the parent kills its worker at the
deadline (no signals in the caller, so any thread may call), every other response keeps its verdict, and the
order of results is the order of items.

Each worker belongs to a `WorkerThread`, which sends it tasks and waits for their verdicts. The threads take
tasks from a `Scheduler`, which holds the queue, the cache and the counters. Workers are fresh interpreters
(never forks: the trainer's process holds gigabytes and a GPU context), are started when first needed, and end
with their thread.
"""

from __future__ import annotations

import atexit
import os
import pickle
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from verifiers.pool.scheduler import PoolStats, Scheduler
from verifiers.pool.worker_thread import Settings
from verifiers.registry import resolve
from verifiers.types import Problem, Verdict

__all__ = ["MAX_DEFAULT_WORKERS", "VerifierPool", "default_workers"]

MAX_DEFAULT_WORKERS = 8
"""Workers that a pool starts at most where its caller does not say how many; verdicts are cheap, memory is not."""


class VerifierPool:
    """Judges (problem, response) pairs in worker processes.

    Args:
        spec, options: as for `verifiers.load`.
        workers: worker processes; by default `default_workers()`.
        deadline: seconds per response.
        memory_mb: megabytes that judging may take on top of the loaded verifier.
        cache: verdicts to remember, so that a response that comes back in a later epoch is not judged again;
            0 turns the cache off.

    Raises ValueError for a number out of range, `UnknownVerifier` for an unknown name.

    A response that ran past its deadline gets 0.0 "timeout". One that ran out of memory gets 0.0 "memory", one
    whose worker died 0.0 "crash"; both only if it happens again, alone on a fresh worker. Where a verifier of one's
    own raised, or its service gave no answer, the future raises `VerifierFailed`.

    A verifier may have `warm_up()`, called once in each worker before its first response; `close()`, called
    when the pool closes; and `deadline`, the seconds that it needs at least because it enforces deadlines itself.

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
        target = resolve(spec)
        self._settings = Settings(
            target
            if target.startswith("/")
            else spec,  # a file stays the same one, wherever the process goes
            dict(options or {}),
            workers or default_workers(),
            deadline,
            memory_mb,
            cache,
        )
        self._scheduler = Scheduler(self._settings)
        self._finalizer = weakref.finalize(self, self._scheduler.close, wait=False)
        self._finalizer.atexit = False  # at exit `_close_all` closes the pool, and waits
        _pools.add(self)

    @property
    def stats(self) -> PoolStats:
        with self._scheduler.changed:
            return replace(self._scheduler.stats)

    def submit(self, problem: Problem, response: str) -> Future[Verdict]:
        """Return the future verdict on one response.

        Raises `TypeError` for a problem that cannot be sent to a worker, `PoolError` if the pool is closed or its
        verifier does not load.
        """
        return self._scheduler.submit(_pack(problem, response))

    def score(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """Return the verdicts on `items`, in their order. Raises as `submit` does."""
        return all_of(self.submit, items)

    def close(self) -> None:
        """End the workers. Pending futures raise `PoolError`."""
        self._scheduler.close(wait=True)

    def __enter__(self) -> VerifierPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._settings,)

    def _after_fork(self) -> None:
        self._scheduler.disown()
        self._finalizer.detach()
        closed = self._scheduler.closed
        self._scheduler = Scheduler(self._settings, self._scheduler.cache)
        self._scheduler.closed = closed
        self._finalizer = weakref.finalize(self, self._scheduler.close, wait=False)
        self._finalizer.atexit = False


def all_of(
    submit: Callable[[Problem, str], Future[Verdict]], items: Sequence[tuple[Problem, str]]
) -> list[Verdict]:
    """The verdicts on `items`, in their order. Raises what `submit` and the futures raise."""
    futures: list[Future[Verdict]] = []
    try:
        futures.extend(submit(problem, response) for problem, response in items)
        return [future.result() for future in futures]
    except BaseException:  # also on an interrupt: leave no work behind
        for future in futures:
            future.cancel()
        raise


def default_workers() -> int:
    """Workers of a pool whose caller does not say how many: one per core, at most `MAX_DEFAULT_WORKERS`.

    Counted are the cores that this process may use, divided by the processes that share them (LOCAL_WORLD_SIZE,
    which torchrun and accelerate set).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    return max(1, min(MAX_DEFAULT_WORKERS, cores // processes))


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
    try:
        return pickle.dumps((problem.values(), response), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise TypeError(
            f"problem {problem.id!r} cannot be sent to a worker ({type(error).__name__}: {error}); its "
            f"reference is a {type(problem.reference).__name__}, expected JSON-like data"
        ) from error
