"""Whether the machine is busy with something else: how long this process's threads were ready to run and had no CPU."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

_TASKS = Path("/proc/self/task")


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
