"""The parent's side of a pool's workers: a thread for each that feeds it, waits for it, and replaces it."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifiers.types import Status, Verdict
from verifiers.worker import Channel

if TYPE_CHECKING:
    from verifiers.pool import Board

START_UP = 120.0  # seconds a worker may take to import its verifier
FAREWELL = 2.0  # seconds a worker may take to close its verifier
TICK = 0.5  # seconds between looks at a worker that is judging

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from verifiers.worker import main; main()"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

_COUNTED = {"timeout": "timeouts", "crash": "crashes", "memory": "memory"}


class PoolError(RuntimeError):
    """The pool gives no verdicts: its verifier does not load, its workers do not start, or it is closed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A pool's arguments, as `VerifierPool` explains them."""

    spec: str
    options: dict[str, Any]
    workers: int
    deadline: float
    memory_mb: int
    cache: int


@dataclass(slots=True, eq=False)
class Item:
    """One response to judge, and who waits for its verdict."""

    payload: bytes
    key: bytes
    futures: list[Future[Verdict]] = field(default_factory=list)
    lane: Lane | None = None  # whose verdict, or whose failure to give one, counts
    done: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker gave no verdict and is of no more use."""

    status: Status
    detail: str


class Lane(threading.Thread):
    """Draws items from the board and has its worker judge them, until the board is closed.

    The thread outlives its workers: on Linux the kernel kills a process whose starting *thread* ends.
    """

    def __init__(self, board: Board) -> None:
        super().__init__(name="verifier-lane", daemon=True)
        self.board = board
        self.worker: Worker | None = None
        self.chunk: list[Item] = []  # the board reads these three to see who is stuck, and with what
        self.position = 0
        self.since = 0.0

    def run(self) -> None:
        while chunk := self.board.take(self):
            try:
                self._judge(chunk)
            except PoolError as error:
                self.board.fail(error)
            except Exception as error:  # nobody must wait for ever because of a fault of ours
                self.board.fail(PoolError(f"a lane of the pool failed: {type(error).__name__}: {error}"))
                raise
        if self.worker is not None:
            self.worker.end()

    def _judge(self, chunk: list[Item]) -> None:
        worker = self._send(chunk)
        for self.position, item in enumerate(chunk):
            began = self.since = time.monotonic()
            outcome = self._outcome(worker, item)
            if not isinstance(outcome, Lost):
                self.board.settle(item, outcome, time.monotonic() - began)
                continue
            self._drop()
            self.board.give_back(self, chunk[self.position + 1 :])
            if item.lane is self and not item.done:  # else another lane has it
                self._blame(item, outcome)
            return

    def _blame(self, item: Item, lost: Lost) -> None:
        """Give `item` its verdict; a worker that earlier items wore out must not cost this one, so unless it
        hung it is judged once more, alone on a fresh worker."""
        outcome: Verdict | TypeError | Lost = lost
        if lost.status != "timeout":
            self.chunk, self.position, self.since = [item], 0, time.monotonic()
            outcome = self._outcome(self._send([item]), item)
            if isinstance(outcome, Lost):
                self._drop()
        if isinstance(outcome, Lost):
            self.board.count(_COUNTED[outcome.status])
            outcome = Verdict(0.0, outcome.status, detail=outcome.detail)
        self.board.settle(item, outcome)

    def _outcome(self, worker: Worker, item: Item) -> Verdict | TypeError | Lost:
        return worker.outcome(lambda: self.board.given_up(item))

    def _send(self, items: list[Item]) -> Worker:
        """Raises `PoolError` where no worker can be had."""
        worker = self.worker or self._start()
        with contextlib.suppress(OSError):  # a dead worker shows when its verdict is awaited
            worker.channel.send(pickle.dumps([item.payload for item in items]), START_UP)
        return worker

    def _start(self) -> Worker:
        settings = self.board.settings
        for last in (False, True):
            if self.board.closed:
                raise PoolError("the pool is closed")
            try:
                self.worker = Worker(settings)
                self.worker.prepare(settings)
                return self.worker
            except (EOFError, OSError) as error:  # TimeoutError is an OSError
                how = self.worker.obituary() if self.worker and isinstance(error, EOFError) else repr(error)
                self._drop(counts=False)
                if last:
                    raise PoolError(
                        f"a worker for the verifier {settings.spec!r} does not start ({how}); what it "
                        "printed stands on standard error"
                    ) from error
        raise AssertionError("unreachable")

    def _drop(self, counts: bool = True) -> None:
        if self.worker is not None:
            self.worker.kill()
            self.worker.channel.close()
            self.worker = None
        if counts:
            self.board.count("restarts")


class Worker:
    """A process that runs `verifiers.worker`, in a session of its own so that an interrupt at the terminal
    does not reach it, and so that it is killed together with what it started."""

    def __init__(self, settings: Settings) -> None:
        ours, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[1])
        path = sys.path if root in sys.path else [*sys.path, root]
        arguments = [json.dumps(path), str(theirs.fileno()), str(os.getpid())]
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, *arguments],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=os.environ | _ONE_THREAD | {"PYTHONHASHSEED": "0"},  # the same verdicts in every worker
            )
        self.channel = Channel(ours)
        self.deadline = settings.deadline

    def prepare(self, settings: Settings) -> None:
        """Have it load the verifier. Raises `PoolError` with the reason where it cannot, `EOFError` where the
        process died, `TimeoutError` where it takes too long."""
        order = {"spec": settings.spec, "options": settings.options, "memory_mb": settings.memory_mb}
        self.channel.send(pickle.dumps(order), START_UP)
        reply = json.loads(self._receive(START_UP))
        if "failed" in reply:
            raise PoolError(f"the verifier {settings.spec!r} does not load in a worker: {reply['failed']}")
        self.deadline = max(settings.deadline, reply["deadline"])

    def outcome(self, given_up: Callable[[], bool]) -> Verdict | TypeError | Lost:
        """Wait for the next verdict, unless nobody waits for it any more; a `TypeError` is for the caller
        whose problem could not be read."""
        try:
            message = self._receive(self.deadline, given_up)
        except TimeoutError:
            return Lost("timeout", f"no verdict within {self.deadline:g} s")
        except EOFError:
            return Lost("crash", f"the worker that judged it died: {self.obituary()}")
        try:
            reply = json.loads(message)
            if isinstance(reply, list):
                return Verdict(*reply)
            if "unreadable" in reply:
                return TypeError(f"a problem cannot be read in a worker: {reply['unreadable']}")
        except (ValueError, TypeError):
            return Lost("crash", "the worker that judged it wrote something that is no verdict")
        return Lost("memory", "judging it took more memory than the pool allows")

    def _receive(self, timeout: float, given_up: Callable[[], bool] = lambda: False) -> bytes:
        """Time counts in ticks, so that a wait during which this very process was stopped (a suspended job, a
        frozen container) is not held against the worker, which was stopped as well."""
        waited = 0.0
        while True:
            tick = min(TICK, timeout - waited)
            began = time.monotonic()
            try:
                return self.channel.receive(tick)
            except TimeoutError:
                waited += min(time.monotonic() - began, 2 * TICK)
                if waited >= timeout or given_up():
                    raise
                if self.process.poll() is not None:  # dead; a forked child may hold its end of the line
                    return self.channel.receive(0.001)

    def obituary(self) -> str:
        try:
            code = self.process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            return "it closed its line"
        if code >= 0:
            return f"exit code {code}"
        return f"signal {-code} ({signal.strsignal(-code)})"

    def end(self) -> None:
        """Let it close its verifier and go; kill it where it lingers."""
        self.channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(FAREWELL)
        self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
