"""How work grows with its input: a ratio, since seconds say more about the machine than about the code."""

from __future__ import annotations

import time
from collections.abc import Callable


def growth(work: Callable[[str], object], text: str, factor: int = 8) -> float:
    """CPU time of `work` on `text` over that on a `factor`-th of it (both ends kept), each the best of three.

    About `factor` where the work is linear, its square where it is quadratic.
    """
    half = len(text) // factor // 2
    short = text[:half] + text[-half:]
    return _best(work, text) / max(_best(work, short), 2e-3)  # below two milliseconds the clock says little


def _best(work: Callable[[str], object], text: str) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        work(text)
        times.append(time.process_time() - start)
    return min(times)
