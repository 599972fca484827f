"""A machine that does other things too: threads that wait without a CPU, and whether this process's threads have to."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

_TASKS = Path("/proc/self/task")


def wait_asleep() -> None:
    """Have torch's threads sleep while they wait for each other, unless the environment says how they wait.

    By default they spin at the end of every product. Where another process has one of the CPUs, all spin until the one
    that is not scheduled has its turn, product by product: a few-shot step's sampling takes 3.5 times as long beside
    one busy process and 8 times beside two; asleep 1.3 and 2.1 times, and alone about as long as before
    (docs/speed.md). Read once, when torch is loaded.
    """
    if not any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")):
        os.environ["OMP_WAIT_POLICY"] = "passive"


class CpuWait:
    """The share of its time for which this process waits for a CPU, from one look to the next. Linux only."""

    def __init__(self) -> None:
        self._before = self._read()

    def share(self) -> float | None:
        """Waited / (waited + ran), summed over threads, since the last look; None where the kernel does not tell.

        About 0 on a machine of its own. Beside one busy process on two CPUs about a quarter.
        """
        now, before = self._read(), self._before
        self._before = now
        if now is None or before is None:
            return None
        waited = sum(seconds - before[0].get(thread, 0.0) for thread, seconds in now[0].items())
        ran = now[1] - before[1]
        return waited / (waited + ran) if waited + ran > 0 else 0.0

    @staticmethod
    def _read() -> tuple[dict[str, float], float] | None:
        """Seconds that each thread has waited for a CPU (proc(5), schedstat), and that all of them have run."""
        waited: dict[str, float] = {}
        for thread in _TASKS.iterdir() if _TASKS.is_dir() else ():
            try:
                waited[thread.name] = int((thread / "schedstat").read_text().split()[1]) / 1e9
            except (ProcessLookupError, FileNotFoundError):
                continue  # it has ended; on kernels without schedstat every thread is like that
            except (OSError, ValueError, IndexError):
                return None
        return (waited, time.process_time()) if waited else None


STEPS, BUSY = 10, 0.2
"""Steps of a mean, and the share of waiting from which on it is said: alone on a machine it is about 0; one other busy
process on two CPUs makes it a quarter, on sixteen CPUs, where it matters less, a thirtieth."""


class BusyMachine:
    """Says once that something else takes the CPUs, and again when that has ended and come back.

    No alarm of the run: what it says depends on the machine, and is in no line that a resumed run must repeat.
    """

    def __init__(self, share: Callable[[], float | None] | None = None) -> None:
        """`share`: of waiting since the last call; this process's by default."""
        self._share, self._shares, self._said = share or CpuWait().share, deque[float](maxlen=STEPS), False

    def step(self) -> tuple[float | None, str | None]:
        """The share of waiting since the last step, and what is to be said of it."""
        share = self._share()
        if share is None:
            return None, None
        self._shares.append(share)
        mean = sum(self._shares) / len(self._shares)
        busy = len(self._shares) == STEPS and mean >= BUSY
        new, self._said = busy and not self._said, busy or (self._said and mean >= BUSY / 2)
        if not new:
            return share, None
        return share, (
            f"The machine is busy with something else: the trainer's threads wait for a CPU {100 * mean:.0f} % of the "
            "time, and steps take longer. Try: stop the other processes, or OMP_NUM_THREADS at the number of free CPUs"
        )
