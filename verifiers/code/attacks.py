"""Attacks of our own, for `rlvr check` and the tests: what a program might try, and what must come of it.

Each program acts and then gives the wrong answer -1; a sandbox holds when the verdict is 0.0 and nothing happened
outside. `{file}` is a secret, `{folder}` a folder that anybody may write in, `{port}` and `{name}` are listeners,
`{pid}` is a process of this user.
"""

from __future__ import annotations

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
