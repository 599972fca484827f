"""Ctrl-C, SIGTERM and SIGHUP: the first asks the run to stop in an orderly way, the second stops it at once.

The first raises `Interrupted` wherever the main thread is, except inside `held()`, where it waits for the block's
end: the trainer holds it from the beginning of an update until weights, optimiser and step count agree again. In a
launch of several processes no process may leave alone: a signal cuts short only what each does for itself
(`processes.independently`), the other processes learn of it through the store (`check_stop`), and
`processes.stop_if_asked` raises it at the same place in all of them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Protocol, TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.5
"""Seconds between two looks at whether another process has been asked to stop."""
KEY = "rlvr/asked to stop"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop. `code` is the exit code of the signal: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


class Store(Protocol):
    """What the processes of a launch share outside collectives: torch.distributed's key-value store."""

    def set(self, key: str, value: str, /) -> None: ...
    def check(self, keys: list[str], /) -> bool: ...
    def get(self, key: str, /) -> bytes: ...


class _State:
    alone = True
    independent = False
    holding = 0
    asked: int | None = None
    """The first signal of this process."""
    remote_signal: int | None = None
    """That of another process of the launch."""
    store: Store | None = None
    looked = 0.0

    @classmethod
    def may_leave(cls) -> bool:
        return (cls.alone or cls.independent) and not cls.holding


def _handle(number: int, frame: FrameType | None) -> None:
    if _State.asked is not None:
        os.write(2, b"\nrlvr: stopped at once; everything written is complete, the same command continues.\n")
        os._exit(128 + number)
    _State.asked = number
    if _State.may_leave():
        raise Interrupted(number)


@contextmanager
def orderly() -> Iterator[None]:
    """Handle the signals inside the block, in the main thread; one that is ignored (nohup) stays so."""
    _State.asked = _State.remote_signal = _State.store = None
    _State.holding, _State.looked = 0, 0.0
    _State.alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    before = {s: signal.getsignal(s) for s in SIGNALS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _State.asked = _State.remote_signal = _State.store = None


def hold() -> None:
    """From now on a first signal waits for `release`."""
    _State.holding += 1


def release() -> None:
    """Undo one `hold`. Raises Interrupted if a signal has come meanwhile."""
    _State.holding = max(0, _State.holding - 1)
    if _State.asked is not None and _State.may_leave():
        raise Interrupted(_State.asked)


def reset() -> None:
    """Forget every `hold`: an exception has left the code that held."""
    _State.holding = 0


def asked() -> int | None:
    """The signal that asked the run to stop, of this process or, if it is known, of another one of the launch."""
    return _State.asked or _State.remote_signal


@contextmanager
def independently(store: Store | None) -> Iterator[None]:
    """A block in which one of several processes works for itself: a signal ends the block, and `asked` says so."""
    _State.store = store
    try:
        with suppress(Interrupted):
            _State.independent = True
            yield
            _State.independent = False
    finally:
        _State.independent = False


def check_stop() -> None:
    """Stop here if this process, or another one of the launch, has been asked to; called in every long loop.

    What the signal itself raised may have been lost: Python ignores exceptions in a finalizer (`__del__`, a callback
    of the garbage collector), and a library may catch everything.

    Raises:
        Interrupted: where this process may leave: it is alone, or in an `independently` block, and nothing is held.
    """
    if _State.may_leave():
        if _State.independent:
            exchange()
        if number := asked() if _State.independent else _State.asked:
            raise Interrupted(number)


def exchange() -> None:
    """Pass a signal on to the other processes, or learn of theirs; at intervals, as it asks another machine."""
    now = time.monotonic()
    if _State.store is None or now - _State.looked < POLL_SECONDS:
        return
    _State.looked = now
    if _State.asked is not None:
        _State.store.set(KEY, str(_State.asked))
    elif _State.store.check([KEY]):
        _State.remote_signal = int(_State.store.get(KEY))


def result(future: Future[T]) -> T:
    """The result of `future`; a stop asked of another process is noticed meanwhile."""
    while True:
        try:
            return future.result(timeout=POLL_SECONDS)
        except TimeoutError:
            if future.done():  # the future's own exception
                raise
            check_stop()


@contextmanager
def held() -> Iterator[None]:
    """A block that a first signal does not interrupt."""
    hold()
    try:
        yield
    finally:
        release()


@contextmanager
def free() -> Iterator[None]:
    """Inside a `hold`, a block that a first signal may interrupt."""
    release()
    try:
        yield
    finally:
        hold()
