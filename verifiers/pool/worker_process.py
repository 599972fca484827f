"""What a worker process of a pool runs: load one verifier, then judge what arrives until the connection closes.

Tasks arrive as pickle (from the trusted parent), verdicts go back as JSON: whatever the judged text has done to a
worker, nothing that the worker sends can make the parent run code.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import socket
import struct
import sys
from typing import Any

from verifiers.judging import VerifierFailed, in_words, is_service, judge_many
from verifiers.registry import BadOption, UnknownVerifier, load
from verifiers.types import Problem, Verdict, Verifier

MARGIN = 5.0  # seconds that a service's calls may take beyond their own limits
MAX_FRAME = 1 << 30  # bytes; a longer message means that the stream is corrupt
_LENGTH = struct.Struct(">I")


class Channel:
    """Whole messages over a stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()

    def send(self, message: bytes, timeout: float | None = None) -> None:
        """Raises `TimeoutError` if the other side does not read for `timeout` seconds, and `OSError`."""
        self._connection.settimeout(timeout)
        self._connection.sendall(_LENGTH.pack(len(message)) + message)

    def receive(self, timeout: float | None = None) -> bytes:
        """Return the next message.

        Raises `TimeoutError`, after which `receive` may be called again (nothing is lost), and `EOFError` if the other
        side has closed the connection.
        """
        while True:
            buffer = self._buffer
            if len(buffer) >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer)
                if length > MAX_FRAME:
                    raise EOFError(f"a message of {length} bytes announced: the stream is corrupt")
                end = _LENGTH.size + length
                if len(buffer) >= end:
                    message = bytes(buffer[_LENGTH.size : end])
                    del buffer[:end]
                    return message
            self._connection.settimeout(timeout)
            try:
                data = self._connection.recv(1 << 16)
            except ConnectionError as error:
                raise EOFError(str(error)) from error
            if not data:
                raise EOFError("the other side closed the connection")
            buffer += data

    def close(self) -> None:
        self._connection.close()


def main() -> None:
    """Entry point of the process; `argv` is sys.path (JSON), the socket's number, the parent's process id."""
    channel = Channel(socket.socket(fileno=int(sys.argv[2])))
    os.dup2(2, 1)  # what a verifier prints goes to standard error
    _die_with_parent(int(sys.argv[3]))
    with contextlib.suppress(EOFError):  # the parent closed the connection: no more work
        verifier = _load(channel)
        at_once = _capacity(verifier)
        try:
            while True:
                payloads = pickle.loads(channel.receive())
                for start in range(0, len(payloads), at_once):
                    for reply in _replies(verifier, payloads[start : start + at_once]):
                        channel.send(reply)
        finally:
            close = getattr(verifier, "close", None)
            if close is not None:
                close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # nothing is left to tear down, and a verifier's threads must not keep the process alive


def _load(channel: Channel) -> Verifier:
    order = pickle.loads(channel.receive())
    try:
        verifier = load(order["spec"], **order["options"])
        warm_up = getattr(verifier, "warm_up", None)
        if warm_up is not None:
            warm_up()
    except Exception as error:
        known = isinstance(error, UnknownVerifier | BadOption)  # else it is `warm_up` of one's own code
        channel.send(json.dumps({"failed": str(error) if known else in_words(error)}).encode())
        raise EOFError from error
    _limit_memory(order["memory_mb"])
    reply: dict[str, Any] = {"deadline": float(getattr(verifier, "deadline", 0.0)), "at_once": 1}
    if is_service(verifier):
        from verifiers.calls import Calls

        how = Calls.of(verifier)
        reply = {"deadline": max(reply["deadline"], how.longest + MARGIN), "at_once": how.capacity}
    channel.send(json.dumps(reply).encode())
    return verifier


def _capacity(verifier: Verifier) -> int:
    """Responses that it judges at once."""
    if not is_service(verifier):
        return 1
    from verifiers.calls import Calls

    return Calls.of(verifier).capacity


def _replies(verifier: Verifier, payloads: list[bytes]) -> list[bytes]:
    """One for each payload, in order."""
    pairs: list[tuple[Problem, str]] = []
    for payload in payloads:
        try:
            values, response = pickle.loads(payload)
        except Exception as error:
            unreadable = json.dumps({"unreadable": f"{type(error).__name__}: {error}"}).encode()
            return [unreadable] * len(payloads)
        pairs.append((Problem(*values), response))
    try:
        return [_encode(verdict) for verdict in judge_many(verifier, pairs)]
    except MemoryError:
        return [b'{"memory": true}'] * len(payloads)
    except VerifierFailed as failed:
        return [json.dumps({"raised": str(failed)}).encode()] * len(payloads)


def _encode(verdict: Verdict) -> bytes:
    """Raises `VerifierFailed` for a verdict with a field that is no text or number."""
    row: list[Any] = [verdict.score, verdict.status, verdict.answer, verdict.detail]
    row += [verdict.answer_score, verdict.sound, verdict.pass_mark]
    try:
        return json.dumps(row).encode()
    except TypeError as error:
        raise VerifierFailed(f"a field of the verdict is no text or number: {error}") from error


def _limit_memory(memory_mb: int) -> None:
    """Allow `memory_mb` on top of what the loaded verifier takes; beyond it Python raises MemoryError.

    Only the soft limit is set, so that a verifier that runs programs can give them another.
    """
    import resource

    try:
        with open("/proc/self/statm") as statm:  # noqa: PTH123  (pathlib is not imported yet; start-up counts)
            used = int(statm.read().split()[0]) * resource.getpagesize()
    except FileNotFoundError:  # not Linux
        used = 0
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + memory_mb * 2**20
    resource.setrlimit(
        resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends, even inside C code that holds the GIL.

    On other systems than Linux the closed connection ends the process, after the current task.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(0)
