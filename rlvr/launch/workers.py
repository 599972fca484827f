"""Workers: `rlvr eval … --processes N` is the same command N times, which share out its blocks through the folder that
they write to (`rollouts.shares`). They have no process group, so one that is lost is started again alone."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from rlvr.launch import signals
from rlvr.launch.processes import WORKER
from rlvr.launch.start import check, cores

RESTARTS = 3
"""Times that a worker which was lost is started again."""
LOOK_SECONDS = 0.1
INTERRUPTED = tuple(128 + number for number in signals.SIGNALS)
LAST_WORDS = 4000
"""Bytes of what a worker said that are shown when it is lost."""


def start(count: int, words: Sequence[str], bad_input: int, stopped: int) -> int:
    """Run `rlvr` with these words in `count` workers of this machine, each with its share of the GPUs. The first
    speaks, merges and reports; of the others the last words are shown where they fail.

    Args:
        bad_input, stopped: exit codes that another try would not change. The first is that of all workers, if of any.

    Returns:
        The exit code: that of the first worker; 128 + n after signal n.

    Raises:
        UserError: this machine cannot hold so many.
    """
    check(count, "ddp")
    first, *others = workers = [_Worker(number, count, words) for number in range(count)]
    final = {0, bad_input, stopped, *INTERRUPTED}
    try:
        for worker in workers:
            worker.start()
        while (code := first.code()) is None or (code not in final and first.again()):
            for worker in others:
                if worker.code() not in (None, *final):
                    worker.again()
            time.sleep(LOOK_SECONDS)
        for worker in others:
            if worker.code() and (code == 0 or worker.code() == stopped):
                worker.speak()
        return code if code >= 0 else 128 - code
    except signals.Interrupted as stop:
        return stop.code
    finally:
        for worker in workers:
            _end(worker.process)


def alone(words: Sequence[str]) -> int:
    """Run `rlvr` with these words in one process: its exit code, 128 + n after signal n."""
    process = _process(words, os.environ)
    try:
        while (code := process.poll()) is None:
            time.sleep(LOOK_SECONDS)
        return code if code >= 0 else 128 - code
    except signals.Interrupted as stop:
        return stop.code
    finally:
        _end(process)


@dataclass
class _Worker:
    number: int
    count: int
    words: Sequence[str]
    lost: int = 0
    process: subprocess.Popen[bytes] | None = None
    said: IO[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {WORKER: f"{self.number}/{self.count}"} | _devices(self.number, self.count)
        environment.setdefault("OMP_NUM_THREADS", str(max(1, cores() // self.count)))
        if self.number:
            self.said = tempfile.TemporaryFile()  # noqa: SIM115 (for as long as the worker is there)
        self.process = _process(self.words, environment, self.said)

    def code(self) -> int | None:
        return self.process.poll() if self.process else None

    def again(self) -> bool:
        """Start it again after it was lost, unless that has been too often."""
        code = self.code() or 0
        if self.lost > RESTARTS:
            return False
        self.lost += 1
        self.speak()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        more = f"it is started again ({self.lost} of {RESTARTS} times)"
        if too_often := self.lost > RESTARTS:
            more = "it is not started again; what was written is complete, and the same command continues"
        print(f"rlvr: worker {self.number} of {self.count} ended {how}: {more}", file=sys.stderr)
        if not too_often:
            self.start()
        return not too_often

    def speak(self) -> None:
        """Show its last words, if they have not been seen."""
        if self.said:
            self.said.seek(max(0, self.said.seek(0, os.SEEK_END) - LAST_WORDS))
            sys.stderr.write(self.said.read().decode(errors="replace"))


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """Ask it to stop, if it still works, and wait for it."""
    if process:
        process.terminate()
        process.wait()


def _devices(number: int, count: int) -> dict[str, str]:
    """The environment in which a worker sees its share of the GPUs alone."""
    import torch

    if not torch.cuda.is_available():
        return {}
    every = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    every = every if every != [""] else [str(i) for i in range(torch.cuda.device_count())]
    each = len(every) // count
    return {"CUDA_VISIBLE_DEVICES": ",".join(every[number * each : (number + 1) * each])}


def _process(
    words: Sequence[str], environment: Mapping[str, str], said: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """`rlvr` with these words. Ctrl-C, which a terminal sends to all of its processes, reaches this one alone, which
    passes it on."""
    command = [sys.executable, "-m", "rlvr", *words]
    return subprocess.Popen(command, env=dict(environment), stderr=said, start_new_session=True)


def follow_parent() -> None:
    """End this process at once if the one that started it dies, and with it the lock that it works under (Linux)."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
