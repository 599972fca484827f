"""The verifier's side of the sandbox: zygotes, and one sandboxed process with its frames, output and exit.

This module compares nothing and never holds an expected value. It may be used from several threads and after a fork
(a child ignores its parent's zygotes and starts its own).
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from verifiers.code import wire
from verifiers.code.launcher import END_SECONDS, START_SECONDS, SandboxError, Zygote
from verifiers.code.values import decode, encode

MAX_STDOUT = 32 << 20
FILE_BYTES = 16 << 20  # RLIMIT_FSIZE
INTERPRETER_BYTES = 32 << 20  # a bare interpreter with the usual modules
STARVED_SECONDS = 2.0  # up to this much waiting for a CPU does not count as the program's time
_OVERHEAD = 200  # bytes that an empty frame takes in the verifier's memory


class DeadlineError(Exception):
    """The process ran past its deadline."""


class OutputError(Exception):
    """The process wrote more than it may."""


class ForgeryError(Exception):
    """The process wrote something other than frames on its result channel."""


@dataclass(frozen=True)
class Limits:
    """The limits of one process."""

    memory_mb: int = 512
    cpu_seconds: int = 60
    stdout_bytes: int = MAX_STDOUT

    @property
    def resident_bytes(self) -> int:
        """Limit on resident memory, including the interpreter itself."""
        return (self.memory_mb << 20) + INTERPRETER_BYTES


@dataclass(frozen=True)
class End:
    """How a process ended."""

    why: bytes
    """One of wire.ENDED_ITSELF, KILLED, OVER_MEMORY, OVER_FILES, OVER_THREADS."""
    status: int
    """Wait status, as from waitpid."""
    peak_bytes: int

    @property
    def exit_code(self) -> int:
        """The exit status, or minus the number of the signal."""
        return os.waitstatus_to_exitcode(self.status)


class Process:
    """One sandboxed process, from start to end. Create it with `Sandbox.running`."""

    def __init__(self, zygote: Zygote, mode: bytes, nonce: bytes, fds: list[int], limits: Limits) -> None:
        self.zygote, self.limits = zygote, limits
        self.frames: deque[tuple[bytes, bytes]] = deque()
        self._waiting = 0  # bytes in `frames`
        self.stdout = bytearray()
        self.end: End | None = None
        self._fault: OutputError | ForgeryError | None = None
        self._splitter = wire.FrameSplitter(nonce)
        self._result, result_end = os.pipe()
        self._stdout: int | None = None
        passed = [fds[0], result_end]
        passed += fds[1:]
        stdout_end = None
        if mode == wire.STDIN:
            self._stdout, stdout_end = os.pipe()
            passed.append(stdout_end)
        run = wire.RUN.pack(b"r", mode, limits.resident_bytes, limits.cpu_seconds, FILE_BYTES)
        try:
            zygote.control.settimeout(START_SECONDS)
            socket.send_fds(zygote.control, [run], passed)
        except OSError as error:
            self.close()
            raise SandboxError(f"the zygote is gone: {error}") from None
        finally:
            os.close(result_end)
            if stdout_end is not None:
                os.close(stdout_end)
        self._open = {fd for fd in (self._result, self._stdout) if fd is not None}
        self._poller = select.poll()
        for fd in (*self._open, zygote.control.fileno()):
            self._poller.register(fd, select.POLLIN)

    def started(self) -> None:
        """Wait until every layer is set up and the program starts. Raises SandboxError."""
        try:
            first = self.frame(time.monotonic() + START_SECONDS)
        except DeadlineError:
            raise SandboxError(f"the sandbox did not start a program within {START_SECONDS:.0f} s") from None
        if first is None or first[0] != wire.READY:
            why = (
                decode(first[1]) if first and first[0] == wire.BROKEN else f"the process ended as {self.end}"
            )
            raise SandboxError(f"a layer failed: {why}")

    def frame(self, deadline: float) -> tuple[bytes, bytes] | None:
        """The next frame, or None if the process has ended.

        Raises DeadlineError, OutputError, ForgeryError, SandboxError.
        """
        while not self.frames and self.end is None and self._fault is None:
            self._pump(deadline)
        if self.frames:  # valid frames before a fault still count
            kind, payload = self.frames.popleft()
            self._waiting -= len(payload) + _OVERHEAD
            return kind, payload
        if self._fault is not None:
            raise self._fault
        return None

    def wait(self, deadline: float) -> End:
        """Wait for the end. Raises like `frame`."""
        while self.end is None and self._fault is None:
            self._pump(deadline)
        if self._fault is not None:
            raise self._fault
        assert self.end is not None
        return self.end

    def kill(self) -> End:
        """Kill it, wait until the kernel reports its end, return how it ended. Raises SandboxError."""
        if self.end is None:
            try:
                self.zygote.control.sendall(wire.KILL)
            except OSError as error:
                raise SandboxError(f"the zygote is gone: {error}") from None
            deadline = time.monotonic() + END_SECONDS
            try:
                while self.end is None:
                    self._pump(deadline, discard=True)
            except DeadlineError:
                raise SandboxError(f"a killed program did not end within {END_SECONDS:.0f} s") from None
        return self.end

    def close(self) -> None:
        for fd in (self._result, self._stdout):
            if fd is not None:
                os.close(fd)

    def _pump(self, deadline: float, discard: bool = False) -> None:
        left = deadline - time.monotonic()
        if left <= 0:  # a verdict must not depend on the load of the machine
            left += min(STARVED_SECONDS, self.zygote.starved())
        if left <= 0:
            raise DeadlineError
        control = self.zygote.control.fileno()
        for fd, _ in self._poller.poll(left * 1000 + 1):
            if fd == control:
                self._ended()
                if not discard:
                    self._drain()
            elif discard or not self._read(fd):
                self._poller.unregister(fd)
                self._open.discard(fd)

    def _ended(self) -> None:
        message = b""
        try:
            while len(message) < wire.ENDED.size:
                chunk = self.zygote.control.recv(wire.ENDED.size - len(message))
                if not chunk:
                    raise SandboxError("the zygote died")
                message += chunk
        except OSError as error:
            raise SandboxError(f"the zygote died: {error}") from None
        why, status, peak = wire.ENDED.unpack(message)
        self.end = End(why, status, peak)

    def _drain(self) -> None:
        """Read what the ended process left in its pipes; not until their end, which another process may hold open."""
        for fd in list(self._open):
            os.set_blocking(fd, False)
            try:
                while self._read(fd):
                    pass
            except BlockingIOError:
                pass

    def _read(self, fd: int) -> bool:
        data = os.read(fd, 1 << 18)
        if fd == self._stdout:
            self.stdout += data
            if len(self.stdout) > self.limits.stdout_bytes:
                self._fault = OutputError(f"more than {self.limits.stdout_bytes} bytes on standard output")
        else:
            try:
                for kind, payload in self._splitter.feed(data):
                    self.frames.append((kind, payload))
                    self._waiting += len(payload) + _OVERHEAD
                if self._waiting > wire.MAX_FRAME:  # a program that sends answers without a request
                    raise OverflowError(f"more than {wire.MAX_FRAME} bytes of unread frames")
            except OverflowError as error:
                self._fault = OutputError(str(error))
            except ValueError as error:
                self._fault = ForgeryError(str(error))
        return bool(data) and self._fault is None


class Sandbox:
    """Up to `workers` zygotes with the layers that `layers()` returns, started when first needed."""

    def __init__(
        self,
        layers: Callable[[], frozenset[str]],
        workers: int,
        packages: Mapping[str, str] | None = None,
    ) -> None:
        self.layers, self.workers, self.packages = layers, workers, packages
        self._reset()
        _SANDBOXES.add(self)

    def _reset(self) -> None:
        self._idle: list[Zygote] = []
        self._all: set[Zygote] = set()
        self._free = threading.Semaphore(self.workers)
        self._lock = threading.Lock()

    @contextmanager
    def running(self, mode: bytes, nonce: bytes, fds: list[int], limits: Limits) -> Iterator[Process]:
        """A started process, which is killed when the block ends. Raises SandboxError.

        `fds`: the file of the job, then for wire.STDIN its stdin, else optionally a pipe with more frames.
        """
        with self._free:
            zygote = self._take()
            healthy = False
            try:
                process = Process(zygote, mode, nonce, fds, limits)
                try:
                    process.started()
                    yield process
                    process.kill()
                    healthy = True
                finally:
                    if not healthy:
                        healthy = self._rescue(process)
                    process.close()
            finally:
                if healthy:
                    with self._lock:
                        self._idle.append(zygote)
                else:
                    self._all.discard(zygote)
                    zygote.close()

    @staticmethod
    def _rescue(process: Process) -> bool:
        """After an exception: kill the process; whether its zygote can still be used."""
        try:
            process.kill()
        except SandboxError:
            return False
        return True

    def _take(self) -> Zygote:
        with self._lock:
            while self._idle:
                zygote = self._idle.pop()
                if zygote.process.poll() is None:
                    return zygote
                self._all.discard(zygote)  # it was killed while it was idle, perhaps because memory ran out
                zygote.close()
        zygote = Zygote(self.layers(), self.packages)
        with self._lock:
            self._all.add(zygote)
        return zygote

    def close(self) -> None:
        """End all idle zygotes; a busy one ends with its program."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._all.difference_update(idle)
        for zygote in idle:
            zygote.close()

    def _after_fork(self) -> None:
        for zygote in self._all:
            zygote.forget()
        self._reset()


_SANDBOXES: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _forget_all() -> None:
    for sandbox in list(_SANDBOXES):
        sandbox._after_fork()


def _close_all() -> None:
    for sandbox in list(_SANDBOXES):
        sandbox.close()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)


def anonymous_file(data: bytes) -> int:
    """A descriptor of a file without a name that contains `data`, at its beginning."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("rlvr")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


@contextmanager
def open_files(*contents: bytes) -> Iterator[list[int]]:
    """Descriptors of files without names, each at its beginning; closed when the block ends."""
    fds: list[int] = []
    try:
        for content in contents:
            fds.append(anonymous_file(content))
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def job(**fields: Any) -> tuple[bytes, bytes]:
    """(nonce, first frame of a request): what `candidate` or `tester` is to do."""
    nonce = os.urandom(wire.NONCE_BYTES)
    return nonce, wire.frame(wire.JOB, encode({"nonce": nonce, **fields}))


def write_before(fd: int, data: bytes, deadline: float) -> None:
    """Write to a non-blocking pipe. Raises DeadlineError; ignores a reader that has closed the pipe."""
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    view = memoryview(data)
    while view:
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineError
        if poller.poll(left * 1000 + 1):
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return
