"""Frames between the verifier and a sandboxed process, and the short messages between verifier and zygote.

To the process: kind (1 byte), length (4 bytes), payload. From the process the same, after the nonce of the run. The
nonce only detects stray and blind writes; a forged frame gains nothing, because the expected values are elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from os import read as _read
from os import write as _write
from struct import Struct

NONCE_BYTES = 16
MAX_FRAME = (32 << 20) + 1024

# to the process
JOB, CALL, REPLY, RAISED = b"J", b"C", b"v", b"e"
# from it
BROKEN = b"!"  # a layer failed, before any untrusted code ran
READY = b"R"  # all layers are set up; the next instruction is the program's
VALUE = b"V"
EXCEPTION = b"E"  # (type name, message)
THROWN = b"T"  # between tests and program: (type name, message, built-in base)
UNSERIALISABLE = b"X"  # (type name, why)
LOAD_FAILED = b"L"  # the program itself raised before any call: (type name, message)
ASK = b"C"  # tests and program ask each other: (what, object, name, args, kwargs, replaced)
PASSED = b"P"  # the tests ran to the end: number of calls
BAD_TESTS = b"U"  # the tests cannot be run, whatever the candidate does: (type name, message, …)

HEAD = Struct(">cI")
RUN = Struct(">ccQIQ")  # op "r", mode, memory in bytes, CPU seconds, file bytes
KILL = RUN.pack(b"k", b"-", 0, 0, 0)
ENDED = Struct(">ciQ")  # why, wait status, peak resident bytes
ENDED_ITSELF, KILLED, OVER_MEMORY, OVER_FILES, OVER_THREADS = b"-", b"k", b"m", b"f", b"t"

CALLS, STDIN, TESTS = b"c", b"s", b"t"


class FrameReader:
    """Inside the sandbox: reads frames from blocking descriptors, one after the other."""

    def __init__(self, *fds: int) -> None:
        self.fds = list(fds)

    def next(self) -> tuple[bytes, bytes] | None:
        """The next (kind, payload), or None at the end."""
        head = self._exactly(HEAD.size)
        if len(head) < HEAD.size:
            return None
        kind, size = HEAD.unpack(head)
        payload = self._exactly(size)
        return (kind, payload) if len(payload) == size else None

    def _exactly(self, size: int) -> bytes:
        chunks = []
        while size > 0 and self.fds:
            chunk = _read(self.fds[0], min(size, 1 << 20))
            if not chunk:
                self.fds.pop(0)
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)


class FrameWriter:
    """Inside the sandbox: writes frames to a blocking descriptor."""

    def __init__(self, fd: int, nonce: bytes) -> None:
        self.fd, self.nonce = fd, nonce

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        data = memoryview(self.nonce + HEAD.pack(kind, len(payload)) + payload)
        while data:
            data = data[_write(self.fd, data) :]


def frame(kind: bytes, payload: bytes) -> bytes:
    """One frame to the process."""
    return HEAD.pack(kind, len(payload)) + payload


class FrameSplitter:
    """In the verifier: splits the bytes from a process into frames."""

    def __init__(self, nonce: bytes) -> None:
        self.nonce, self.buffer = nonce, bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Add `data`; yield the frames that are now complete.

        Raises ValueError for bytes that cannot begin a frame, OverflowError for a frame over MAX_FRAME.
        """
        self.buffer += data
        at = 0
        while at < len(self.buffer):
            seen = self.buffer[at : at + NONCE_BYTES]
            if seen != self.nonce[: len(seen)]:
                raise ValueError("bytes on the result channel that are not a frame")
            start = at + NONCE_BYTES + HEAD.size
            if len(self.buffer) < start:
                break
            kind, size = HEAD.unpack_from(self.buffer, at + NONCE_BYTES)
            if size > MAX_FRAME:
                raise OverflowError(f"a frame of {size} bytes")
            if len(self.buffer) < start + size:
                break
            yield kind, bytes(self.buffer[start : start + size])
            at = start + size
        del self.buffer[:at]
