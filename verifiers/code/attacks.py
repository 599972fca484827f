"""Our own attacks on the sandbox, for `rlvr check` and the tests: what a program might try, and whether it succeeded.

Each program acts and then gives the wrong answer -1; a sandbox holds when the verdict is 0.0 and nothing happened
outside. In a program `{file}` is a secret, `{folder}` a folder that anybody may write in, `{port}` and `{name}` are
listeners, `{pid}` is a process of this user: see `Canaries`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from verifiers.code.sandbox import Level
from verifiers.code.verifier import CodeVerifier
from verifiers.types import Problem

READ_SECRET = """
def answer():
    return open({file!r}).read()
"""
READ_SECRET_BY_SYSTEM_CALL = """
import ctypes, os
def answer():
    libc = ctypes.CDLL(None)
    fd = libc.open({file!r}.encode(), 0)
    return os.read(fd, 100).decode() if fd >= 0 else -1
"""
READ_ENVIRONMENT = """
import glob, os
def answer():
    found = dict(os.environ)
    for path in ["/proc/self/environ", "/proc/%d/environ" % os.getppid(), *glob.glob("/proc/[0-9]*/environ")]:
        try:
            found[path] = open(path, errors="replace").read()
        except OSError:
            pass
    return next((v[v.index("rlvr-secret"):][:28] for v in found.values() if "rlvr-secret" in v), -1)
"""
READ_PARENT_MEMORY = """
import os, re
def answer():
    pid = os.getppid()
    for line in open("/proc/%d/maps" % pid):
        low, high = (int(x, 16) for x in line.split()[0].split("-"))
        with open("/proc/%d/mem" % pid, "rb", 0) as memory:
            memory.seek(low)
            found = re.search(rb"rlvr-secret[0-9a-f]{{16}}", memory.read(high - low))
        if found:
            return found.group().decode()
    return -1
"""
WRITE_OUTSIDE = """
import os
try:
    open(os.path.join({folder!r}, "written"), "w").write("x")
except OSError:
    pass
try:
    os.chmod({folder!r}, 0o700)
except OSError:
    pass
def answer():
    return -1
"""
START_PROCESS = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("/proc/self/comm", "w").write({name!r})
        time.sleep(30)
    os._exit(0)
def answer():
    return -1
"""
START_PROGRAM = """
import subprocess
def answer():
    return subprocess.run(["cat", {file!r}], capture_output=True, text=True).stdout
"""
CONNECT = """
import socket
for family, kind, where in ((2, 1, ("127.0.0.1", {port})), (1, 1, "\\0" + {name!r}), (1, 2, "\\0" + {name!r} + "-d")):
    try:
        s = socket.socket(family, kind)
        s.connect(where)
        s.send(b"x")
    except OSError:
        pass
try:
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    a.sendto(b"x", "\\0" + {name!r} + "-d")
except OSError:
    pass
def answer():
    return -1
"""
SIGNAL_OTHERS = """
import os, signal
for pid in ({pid}, os.getppid()):  # never -1: an attack that gets through must do no harm
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
try:
    os.setpriority(os.PRIO_PROCESS, {pid}, 19)
except OSError:
    pass
def answer():
    return -1
"""
TRACE_OTHERS = """
import ctypes, os
libc = ctypes.CDLL(None)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
if libc.ptrace(0x4206, {pid}, None, None) == 0:
    os.kill({pid}, 9)
def answer():
    return -1
"""
FILL_DISK = """
import os
try:
    for i in range(100):
        with open("fill%d" % i, "wb") as f:
            for _ in range(15):
                f.write(bytes(1 << 20))
except OSError:
    pass
def answer():
    return -1
"""
EAT_MEMORY = """
def answer():
    return len([bytearray(1 << 20) for _ in range(4096)])
"""
NEVER_END = """
import signal
for s in range(1, 65):
    try:
        signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
def answer():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""
FORGE_FRAMES = """
import gc, os
def answer():
    for o in gc.get_objects():
        nonce = getattr(o, "nonce", None)
        if isinstance(nonce, bytes):
            for kind in b"!RVP":
                os.write(o.fd, nonce + bytes([kind]) + (1).to_bytes(4, "big") + b"T")
    os._exit(0)
"""
WRITE_EVERYWHERE = """
import os
def answer():
    for fd in range(3, 1100):
        try:
            os.write(fd, b"k" * 90)
        except OSError:
            pass
    os._exit(0)
"""
LYING_RESULT = """
class Liar(str):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = lambda self: 0
    __reduce__ = lambda self: (print, ("unpickled",))
def answer():
    return Liar("x")
"""

PROGRAMS = {
    "read a secret file": READ_SECRET,
    "read it by a bare system call": READ_SECRET_BY_SYSTEM_CALL,
    "read an environment": READ_ENVIRONMENT,
    "read the parent's memory": READ_PARENT_MEMORY,
    "write and chmod outside": WRITE_OUTSIDE,
    "leave a process behind": START_PROCESS,
    "start a program": START_PROGRAM,
    "reach a socket": CONNECT,
    "kill and renice others": SIGNAL_OTHERS,
    "trace others": TRACE_OTHERS,
    "fill the disk": FILL_DISK,
    "eat memory": EAT_MEMORY,
    "never end": NEVER_END,
    "forge the protocol": FORGE_FRAMES,
    "write to every descriptor": WRITE_EVERYWHERE,
    "return an object that lies": LYING_RESULT,
}


@dataclass(frozen=True)
class Attack:
    """One attack and its outcome."""

    name: str
    held: bool
    reason: str = ""
    """What the program did and must not be able to do; empty when the sandbox held."""


def self_attack(wanted: Level | Literal["auto"] = "auto") -> list[Attack]:
    """Run `PROGRAMS` at a level, by default this machine's, and look for what they did; takes seconds."""
    verifier = CodeVerifier(level=wanted, allow_weak=True)
    results = []
    try:
        for name, program in PROGRAMS.items():
            with canaries() as canary:
                reference = {
                    "entry": "answer",
                    "tests": [{"expected": canary.secret}],
                    "time_limit": 2,
                    "memory_mb": 256,
                }
                verdict = verifier.verify(Problem(name, "", reference), "", canary.fill(program))
                damage = canary.damage()
            if verdict.score != 0.0:
                damage.insert(0, f"scored {verdict.score}: {verdict.detail}")
            results.append(Attack(name, not damage, "; ".join(damage)))
    finally:
        verifier.close()
    return results


@contextlib.contextmanager
def canaries() -> Iterator[Canaries]:
    """Targets for one attack, removed at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="rlvr-canary-") as folder, contextlib.ExitStack() as stack:
        yield Canaries(folder, stack)


class Canaries:
    """Targets that a program must not reach: a secret, a folder, listeners and a process."""

    def __init__(self, folder: str, stack: contextlib.ExitStack) -> None:
        self.secret = "rlvr-secret" + secrets.token_hex(8)
        self.folder = Path(folder, "open")
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self.file = Path(folder, "secret")
        self.file.write_text(self.secret)
        self.name = f"rlvr-{secrets.token_hex(8)}"  # its first 15 characters are a process name
        self.listeners = [
            stack.enter_context(socket.socket(*kind))
            for kind in (
                (socket.AF_INET, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_DGRAM),
            )
        ]
        places: list[Any] = [("127.0.0.1", 0), str(self.folder.parent / "s"), str(self.folder.parent / "d")]
        if os.uname().sysname == "Linux":
            places[1:] = ["\0" + self.name, "\0" + self.name + "-d"]
        for listener, place in zip(self.listeners, places, strict=True):
            listener.bind(place)
            listener.setblocking(False)
        for listener in self.listeners[:2]:
            listener.listen()
        environment = {"RLVR_CANARY": self.secret}
        self.process = subprocess.Popen(
            ["sleep", "60"], stdin=-3, stdout=-3, env=environment, start_new_session=True
        )
        stack.callback(self.process.wait)
        stack.callback(self.process.kill)

    def fill(self, program: str) -> str:
        """The program with the names of its targets."""
        return program.format(
            file=str(self.file),
            folder=str(self.folder),
            port=self.listeners[0].getsockname()[1],
            name=self.name,
            pid=self.process.pid,
        )

    def damage(self) -> list[str]:
        """What the program did and must not be able to do, in words."""
        found = []
        if list(self.folder.iterdir()) or stat.S_IMODE(self.folder.stat().st_mode) != 0o777:
            found.append("the folder was changed")
        if self.process.poll() is not None:
            found.append("another process was killed")
        elif os.getpriority(os.PRIO_PROCESS, self.process.pid) != os.getpriority(os.PRIO_PROCESS, 0):
            found.append("another process was reniced")
        for comm in Path("/proc").glob("[0-9]*/comm"):
            with contextlib.suppress(OSError):  # most have ended since
                if comm.read_text().strip() == self.name[:15]:
                    found.append("a process was left behind")
                    os.kill(int(comm.parent.name), signal.SIGKILL)
        for listener in self.listeners:
            with contextlib.suppress(BlockingIOError):
                listener.accept() if listener.type == socket.SOCK_STREAM else listener.recv(1)
                found.append("a socket was reached")
        return found
