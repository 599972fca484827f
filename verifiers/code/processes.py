"""Threads in place of processes, which a program may not start: `multiprocessing` and its pools work all the same.

Runs inside the sandbox. `multiprocessing.dummy` is the standard library's own such replacement; what it lacks is here.
"""

from __future__ import annotations

import os
import select
import types
from typing import Any

MOST = 8
"""Threads of a pool: enough to be asked for more, and far below what a program may have."""
NAMES = {"multiprocessing", "concurrent.futures", "ProcessPoolExecutor"}
"""Names in a program that may start processes."""


class _Notifier:
    """What wakes the thread that watches a pool: a pipe, since the queue that it wants needs a semaphore's file."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def put(self, item: Any) -> None:
        os.write(self._writer, b"x")

    def empty(self) -> bool:
        return not select.select([self._reader], [], [], 0)[0]

    def get(self) -> None:
        os.read(self._reader, 1)


def _pool(
    processes: int | None = None, initializer: Any = None, initargs: Any = (), *_: Any, **__: Any
) -> Any:
    from multiprocessing import dummy

    return dummy.Pool(min(processes or MOST, MOST), initializer, initargs)


def become_threads() -> None:
    """From now on, what would start a process starts a thread."""
    import concurrent.futures
    import multiprocessing
    import threading
    from multiprocessing import dummy, pool

    lock = threading.RLock()
    dummy.Value.get_lock = lambda self: lock  # type: ignore[attr-defined]
    for name in (*dummy.__all__, "Array", "Value"):
        setattr(multiprocessing, name, getattr(dummy, name))
    multiprocessing.Pool = _pool  # type: ignore[assignment]
    multiprocessing.SimpleQueue = dummy.Queue  # type: ignore[attr-defined, misc]
    multiprocessing.get_context = lambda method=None: multiprocessing  # type: ignore[assignment, return-value]
    multiprocessing.set_start_method = lambda method, force=False: None  # type: ignore[assignment]
    pool.get_context = lambda: types.SimpleNamespace(SimpleQueue=_Notifier)  # type: ignore[attr-defined]
    concurrent.futures.ProcessPoolExecutor = concurrent.futures.ThreadPoolExecutor  # type: ignore[assignment, misc]
