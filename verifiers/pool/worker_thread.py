"""The parent's side of one worker: a thread that sends it tasks, waits for verdicts and replaces it when it is lost."""

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

from verifiers.judging import VerifierFailed
from verifiers.pool.worker_process import Channel
from verifiers.types import Status, Verdict

if TYPE_CHECKING:
    from verifiers.pool.scheduler import Scheduler

START_UP = 120.0  # seconds a worker may take to import its verifier
CLOSING = 2.0  # seconds a worker may take to close its verifier
TICK = 0.5  # seconds between checks on a worker that is judging

_BOOT = (  # the package is looked for in its own folder first: another one may have its name
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import verifiers; del sys.path[0]; "
    "from verifiers.pool.worker_process import main; main()"
)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

_COUNTERS = {"timeout": "timeouts", "crash": "crashes", "memory": "memory"}


class PoolError(RuntimeError):
    """The pool gives no verdicts: its verifier does not load, its workers do not start, or it is closed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of a `VerifierPool`; see there."""

    spec: str
    options: dict[str, Any]
    workers: int
    deadline: float
    memory_mb: int
    cache: int


@dataclass(slots=True, eq=False)
class Task:
    """One response to judge, and the futures that wait for its verdict."""

    payload: bytes
    key: bytes
    futures: list[Future[Verdict]] = field(default_factory=list)
    thread: WorkerThread | None = None  # the one whose verdict, or whose failure to give one, counts
    done: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker gave no verdict and has to be replaced."""

    status: Status
    detail: str


class WorkerThread(threading.Thread):
    """Takes tasks from the scheduler and has its worker judge them, until the pool is closed.

    The thread outlives its workers: on Linux the kernel kills a process whose starting *thread* ends.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(name="verifier-worker", daemon=True)
        self.scheduler = scheduler
        self.worker: Worker | None = None
        # The scheduler reads these three to see which thread is stuck, and on which task:
        self.chunk: list[Task] = []
        self.position = 0
        self.since = 0.0

    @property
    def at_once(self) -> int:
        """Responses that its worker judges at the same time; 1 before there is one."""
        return self.worker.at_once if self.worker else 1

    def run(self) -> None:
        while chunk := self.scheduler.take(self):
            try:
                self._process(chunk)
            except PoolError as error:
                self.scheduler.fail(error)
            except Exception as error:  # no caller may wait for ever because of a bug in the pool
                reason = f"a worker thread of the pool failed: {type(error).__name__}: {error}"
                self.scheduler.fail(PoolError(reason))
                raise
        if self.worker is not None:
            self.worker.end()

    def _process(self, chunk: list[Task]) -> None:
        worker = self._send(chunk)
        for self.position, task in enumerate(chunk):
            began = self.since = time.monotonic()
            outcome = self._outcome(worker, task)
            if not isinstance(outcome, Lost):
                self.scheduler.settle(task, outcome, time.monotonic() - began)
                continue
            self._drop()
            self.scheduler.give_back(self, chunk[self.position + 1 :])
            if task.thread is self and not task.done:  # else another thread has it
                self._settle_lost(task, outcome)
            return

    def _settle_lost(self, task: Task, lost: Lost) -> None:
        """Settle a task whose worker was lost.

        Unless it ran into the deadline, it is tried once more, alone on a fresh worker: earlier tasks may have used
        up the first one.
        """
        outcome: Verdict | TypeError | VerifierFailed | Lost = lost
        if lost.status != "timeout":
            self.chunk, self.position, self.since = [task], 0, time.monotonic()
            outcome = self._outcome(self._send([task]), task)
            if isinstance(outcome, Lost):
                self._drop()
        if isinstance(outcome, Lost):
            self.scheduler.count(_COUNTERS[outcome.status])
            outcome = Verdict(0.0, outcome.status, detail=outcome.detail)
        self.scheduler.settle(task, outcome)

    def _outcome(self, worker: Worker, task: Task) -> Verdict | TypeError | VerifierFailed | Lost:
        return worker.outcome(lambda: self.scheduler.is_cancelled(task))

    def _send(self, tasks: list[Task]) -> Worker:
        """Raises `PoolError` if no worker can be started."""
        worker = self.worker or self._start()
        with contextlib.suppress(OSError):  # a dead worker shows when its verdict is awaited
            worker.channel.send(pickle.dumps([task.payload for task in tasks]), START_UP)
        return worker

    def _start(self) -> Worker:
        settings = self.scheduler.settings
        for last in (False, True):
            if self.scheduler.closed:
                raise PoolError("the pool is closed")
            try:
                self.worker = Worker(settings)
                self.worker.prepare(settings)
                return self.worker
            except (EOFError, OSError) as error:  # TimeoutError is an OSError
                died = self.worker if isinstance(error, EOFError) else None
                reason = died.exit_reason() if died else repr(error)
                self._drop(counts=False)
                if last:
                    raise PoolError(
                        f"a worker for the verifier {settings.spec!r} does not start ({reason}); see standard error "
                        "for what it printed"
                    ) from error
        raise AssertionError("unreachable")

    def _drop(self, counts: bool = True) -> None:
        if self.worker is not None:
            self.worker.kill()
            self.worker.channel.close()
            self.worker = None
        if counts:
            self.scheduler.count("restarts")


class Worker:
    """The parent's handle on a process that runs `worker_process`.

    The process has a session of its own, so that an interrupt at the terminal does not reach it and that it is killed
    together with every process it started.
    """

    def __init__(self, settings: Settings) -> None:
        own_end, worker_end = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])
        arguments = [json.dumps([root, *sys.path]), str(worker_end.fileno()), str(os.getpid())]
        with worker_end:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, *arguments],
                stdin=subprocess.DEVNULL,
                pass_fds=[worker_end.fileno()],
                start_new_session=True,
                env=os.environ | _ONE_THREAD | {"PYTHONHASHSEED": "0"},  # the same verdicts in every worker
            )
        self.channel = Channel(own_end)
        self.deadline = settings.deadline
        self.spec = settings.spec
        self.at_once = 1
        """Responses that the verifier judges at the same time; more than 1 for a service."""

    def prepare(self, settings: Settings) -> None:
        """Let the worker load the verifier.

        Raises `PoolError` with the reason if it does not load, `EOFError` if the process died, `TimeoutError` if it
        takes too long.
        """
        order = {"spec": settings.spec, "options": settings.options, "memory_mb": settings.memory_mb}
        self.channel.send(pickle.dumps(order), START_UP)
        reply = json.loads(self._receive(START_UP))
        if "failed" in reply:
            raise PoolError(f"the verifier {settings.spec!r} does not load in a worker: {reply['failed']}")
        self.deadline = max(settings.deadline, reply["deadline"])
        self.at_once = reply["at_once"]

    def outcome(self, is_cancelled: Callable[[], bool]) -> Verdict | TypeError | VerifierFailed | Lost:
        """Wait for the next verdict, until the deadline or until `is_cancelled`.

        For the caller, a `TypeError` is returned if the worker could not unpickle the problem, and a `VerifierFailed`
        if the verifier's own code raised, or its service did not answer in time.
        """
        try:
            message = self._receive(self.deadline, is_cancelled)
        except TimeoutError:
            if self.at_once > 1:
                return VerifierFailed(
                    f"verifier {self.spec!r} gave no answer within {self.deadline:g} s, although its calls have "
                    "time-outs: does it block where it should await?"
                )
            if self._is_stopped():  # nothing that a response does can stop it: judged once more
                return Lost("crash", f"the worker that judged it was stopped for {self.deadline:g} s")
            return Lost("timeout", f"no verdict within {self.deadline:g} s")
        except EOFError:
            return Lost("crash", f"the worker that judged it died: {self.exit_reason()}")
        try:
            reply = json.loads(message)
            if isinstance(reply, list):
                return Verdict(*reply)
            if "unreadable" in reply:
                return TypeError(f"a problem cannot be read in a worker: {reply['unreadable']}")
            if "raised" in reply:
                return VerifierFailed(reply["raised"])
        except (ValueError, TypeError):
            return Lost("crash", "the worker that judged it sent a malformed verdict")
        return Lost("memory", "judging it took more memory than the pool allows")

    def _receive(self, timeout: float, is_cancelled: Callable[[], bool] = lambda: False) -> bytes:
        """Time is counted in ticks: time during which this process itself was stopped (a suspended job, a frozen
        container) does not count, because the worker was stopped as well."""
        waited = 0.0
        while True:
            tick = min(TICK, timeout - waited)
            began = time.monotonic()
            try:
                return self.channel.receive(tick)
            except TimeoutError:
                waited += min(time.monotonic() - began, 2 * TICK)
                if waited >= timeout or is_cancelled():
                    raise
                if (
                    self.process.poll() is not None
                ):  # dead; a child that it forked may still hold the connection open
                    return self.channel.receive(0.001)

    def _is_stopped(self) -> bool:
        """Whether somebody has stopped the process (SIGSTOP); False on systems that do not say."""
        try:
            state = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        return state.rpartition(")")[2].split()[0] in ("T", "t")

    def exit_reason(self) -> str:
        """How the process ended, for a person."""
        try:
            code = self.process.wait(CLOSING)
        except subprocess.TimeoutExpired:
            return "it closed its connection"
        if code >= 0:
            return f"exit code {code}"
        return f"signal {-code} ({signal.strsignal(-code)})"

    def end(self) -> None:
        """Let the worker close its verifier and exit; kill it if it does not."""
        self.channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(CLOSING)
        self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
