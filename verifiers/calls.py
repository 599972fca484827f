"""Verifiers that ask a service: several calls at once, each with a time-out, tried again where that may help.

A verifier is asked this way if `verify` is `async def`, if it has `verify_many(items)`, `async` or not, or if it is an
`async` function. Its attributes (or the function's) say how; see `Calls`. Unlike a response that makes a verifier hang,
a service that does not answer is nobody's score 0: after the last try the call's exception stops whoever asked.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, fields
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any, TypeVar

from verifiers.judging import VerifierFailed, say
from verifiers.types import Item, Verifier

T = TypeVar("T")

LONGEST_WAIT = 30.0
"""Seconds between two tries at most."""


@dataclass(frozen=True, slots=True)
class Calls:
    """How a service is called. Each field is an optional attribute of the verifier.

    >>> class Judge:
    ...     name, answer_format = "judge", "text"
    ...     concurrency, timeout, transient = 4, 20.0, (OSError, httpx.HTTPError)
    ...     async def verify(self, problem, trace, answer): ...
    """

    concurrency: int = 8
    """Calls under way at once, in each worker process."""
    batch_size: int = 16
    """Responses in one call of `verify_many`."""
    timeout: float = 60.0
    """Seconds for one call; past them it counts as failed with a `TimeoutError`."""
    retries: int = 4
    """Further tries of a call that failed with one of `transient`."""
    backoff: float = 1.0
    """Seconds before the first further try, twice as many before each other, `LONGEST_WAIT` at most."""
    transient: tuple[type[Exception], ...] = (OSError,)
    """Exceptions after which another try may succeed. `TimeoutError` and `ConnectionError` are OSErrors."""

    @classmethod
    def of(cls, verifier: Verifier) -> Calls:
        """Raises ValueError for a number out of range."""
        found: dict[str, Any] = {f.name: getattr(verifier, f.name, f.default) for f in fields(cls)}
        least = {"concurrency": 1, "batch_size": 1, "timeout": 1e-3, "retries": 0, "backoff": 0}
        for name, low in least.items():
            if not isinstance(found[name], int | float) or not found[name] >= low:
                raise ValueError(f"`{name}` is {found[name]!r}; expected a number, at least {low}")
        kinds = found["transient"] if isinstance(found["transient"], tuple) else (found["transient"],)
        if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
            raise ValueError(f"`transient` is {found['transient']!r}; expected a tuple of exception classes")
        found["transient"] = (*kinds, TimeoutError)
        if not hasattr(verifier, "verify_many"):
            found["batch_size"] = 1
        return cls(**found)

    @property
    def capacity(self) -> int:
        """Responses that are being judged at once."""
        return self.concurrency * self.batch_size

    @property
    def longest(self) -> float:
        """Seconds after which `capacity` responses are judged, or have failed for good."""
        return (self.retries + 1) * self.timeout + sum(map(self.wait, range(self.retries)))

    def wait(self, tried: int) -> float:
        """Seconds at most between try number `tried`, from 0, and the next."""
        return min(self.backoff * 2**tried, LONGEST_WAIT)


def ask(verifier: Verifier, items: Sequence[Item]) -> list[Any]:
    """What the verifier says of each item, in order. Raises what a call raised at its last try."""
    said, error = _loop().run(_outcome(_all(verifier, Calls.of(verifier), items)))
    if error is not None:
        raise error
    return said


async def _outcome(call: Coroutine[Any, Any, list[Any]]) -> tuple[list[Any], Exception | None]:
    """The result, or the exception as a value: on its way to another thread a `TimeoutError` would lose its place."""
    try:
        return await call, None
    except Exception as error:
        return [], error


async def _all(verifier: Verifier, how: Calls, items: Sequence[Item]) -> list[Any]:
    free = asyncio.Semaphore(how.concurrency)
    many: Callable[[list[Item]], Any] | None = getattr(verifier, "verify_many", None)

    async def one(part: Sequence[Item]) -> Sequence[Any]:
        async with free:
            if many is None:
                return [await _tried(how, lambda: say(verifier, part[0]), awaits=True)]
            said = await _tried(how, partial(many, list(part)), awaits=iscoroutinefunction(many))
        if len(said) != len(part):
            raise VerifierFailed(
                f"verifier {verifier.name!r}: verify_many returned {len(said)} verdicts for {len(part)} items"
            )
        return said

    parts = [items[i : i + how.batch_size] for i in range(0, len(items), how.batch_size)]
    tasks = [asyncio.ensure_future(one(part)) for part in parts]
    try:
        return [value for said in await asyncio.gather(*tasks) for value in said]
    finally:
        for task in tasks:  # one has failed for good: the others' answers are not wanted any more
            task.cancel()


async def _tried(how: Calls, call: Callable[[], Any], awaits: bool) -> Any:
    """The result of `call`, tried again after a transient failure. One that does not await runs in a thread."""
    for tried in range(how.retries + 1):
        try:
            async with asyncio.timeout(how.timeout):
                said = call() if awaits else await asyncio.to_thread(call)
                return await said if isawaitable(said) else said
        except how.transient as error:
            if isinstance(error, TimeoutError) and not error.args:
                error.args = (f"no answer within {how.timeout:g} s",)
            if tried == how.retries:
                error.add_note(f"in the last of {tried + 1} tries")
                raise
        await asyncio.sleep(how.wait(tried) * random.uniform(0.5, 1.0))
    raise AssertionError("unreachable")


class _Loop:
    """An event loop in a thread of its own: clients that belong to a loop stay usable from call to call, and the caller
    may have a loop itself (a notebook)."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="verifier-calls", daemon=True).start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()


_lock = threading.Lock()
_running: _Loop | None = None


def _loop() -> _Loop:
    global _running
    with _lock:
        if _running is None or _running.pid != os.getpid():  # a forked child has no thread for its parent's
            _running = _Loop()
        return _running
