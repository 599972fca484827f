"""Ctrl-C, SIGTERM and SIGHUP: the first asks the run to stop in good order, the second stops it at once.

The first raises `Interrupted` wherever the main thread is, except inside `held()`, where it waits for the block's
end: the trainer holds it from the beginning of an update until weights, optimiser and step count agree again. In a
launch of several processes nobody may leave alone: there it is only noted, and `run.stop_if_asked` raises it at the
same place in all of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop. `code` is what shells make of a signal: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


class _State:
    alone = True
    holding = 0
    asked: int | None = None


def _handle(number: int, frame: FrameType | None) -> None:
    if _State.asked is not None:
        os.write(2, b"\nrlvr: stopped at once; what was written is whole, the same command goes on.\n")
        os._exit(128 + number)
    _State.asked = number
    if _State.alone and not _State.holding:
        raise Interrupted(number)


@contextmanager
def orderly() -> Iterator[None]:
    """Handle the signals inside the block, in the main thread; one that is ignored (nohup) stays so."""
    _State.asked, _State.holding = None, 0
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


def hold() -> None:
    """From now on a first signal waits for `release`."""
    _State.holding += 1


def release() -> None:
    """Undo one `hold`. Raises Interrupted where a signal has come meanwhile."""
    _State.holding = max(0, _State.holding - 1)
    if _State.asked is not None and _State.alone and not _State.holding:
        raise Interrupted(_State.asked)


def reset() -> None:
    """Forget every `hold`: whoever held has been left by an exception."""
    _State.holding = 0


def asked() -> int | None:
    """The signal that asked the run to stop, if one has."""
    return _State.asked


@contextmanager
def held() -> Iterator[None]:
    """A block that a first signal does not cut in two."""
    hold()
    try:
        yield
    finally:
        release()


@contextmanager
def free() -> Iterator[None]:
    """Inside a `hold`, a block that a first signal may cut."""
    release()
    try:
        yield
    finally:
        hold()
