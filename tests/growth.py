"""How work grows with its input: a ratio, since seconds say more about the machine than about the code."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def growth(work: Callable[[str], object], text: str, factor: int = 8) -> float:
    """CPU time of `work` on `text` over that on a `factor`-th of it (both ends kept).

    About `factor` where the work is linear, its square where it is quadratic.
    """
    half = len(text) // factor // 2
    return times_as_long(work, text, text[:half] + text[-half:])


def times_as_long(work: Callable[[str], object], long: str, short: str) -> float:
    """CPU time of `work` on `long` over that on `short`, each the best of five, in turns.

    Without the garbage collector, whose passes cost what all the tests before have left in memory.
    """
    gc.collect()
    gc.disable()
    try:
        turns = [(_seconds(work, long), _seconds(work, short)) for _ in range(5)]
    finally:
        gc.enable()
    long_one, short_one = (min(times) for times in zip(*turns, strict=True))
    return long_one / max(short_one, 2e-3)  # below two milliseconds the clock says little


def _seconds(work: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    work(text)
    return time.process_time() - start
