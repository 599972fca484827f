# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
"""Parts of the sandbox, of the tests' process and of a pool's worker, each by itself and without one of them running.

The seccomp filter is read by a small interpreter of BPF, with system call numbers from the kernel's own tables.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
import types
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from pathlib import Path
from struct import Struct
from typing import Any

import pytest

from verifiers import Problem, VerifierFailed
from verifiers.code import (
    candidate,
    landlock,
    launcher,
    nodes,
    packages,
    processes,
    remote,
    seccomp,
    tester,
    values,
    wire,
    zygote,
)
from verifiers.code.interpreter import echoing
from verifiers.code.runner import (
    FILE_BYTES,
    MAX_STDOUT,
    Limits,
    anonymous_file,
    job,
    open_files,
    write_before,
)
from verifiers.code.verifier import CodeVerifier
from verifiers.pool.worker_process import Channel
from verifiers.pool.worker_thread import Lost, Worker

# --- seccomp ----------------------------------------------------------------------------------------------

_ALLOW, _KILL, _EPERM = "allow", "kill", errno.EPERM
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def _answer(code: bytes, machine: str, number: int, *args: int, arch: int | None = None) -> str | int:
    """What a filter says of a system call: allow, kill, or the errno that the caller gets (0: it seems to succeed)."""
    data = Struct("=iIQ6Q").pack(
        number, _ARCH[machine] if arch is None else arch, 0, *args, *[0] * (6 - len(args))
    )
    steps = list(Struct("=HBBI").iter_unpack(code))
    at = accumulator = 0
    while True:
        op, then, other, k = steps[at]
        at += 1
        if op == 0x20:
            (accumulator,) = Struct("=I").unpack_from(data, k)
        elif op == 0x54:
            accumulator &= k
        elif op == 0x06:
            return _ALLOW if k == 0x7FFF0000 else _KILL if k == 0x80000000 else k & 0xFFFF
        else:
            holds = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[op]
            at += then if holds else other


_BOTH: list[tuple[str, tuple[int, int], list[tuple[tuple[int, ...], str | int]]]] = [
    ("mmap", (9, 222), [((0, 0, 0, 0x22), _ALLOW), ((0, 0, 0, 0x02), _ALLOW), ((0, 0, 0, 0x01), _ALLOW), ((0, 0, 0, 0x21), _EPERM), ((0, 0, 0, 0x4021), _EPERM)]),
    ("clone", (56, 220), [((0x3D0F00,), _ALLOW), ((0x10F00,), _ALLOW), ((17,), _EPERM), ((0x10B00,), _EPERM), ((0x10E00,), _EPERM), ((0x10D00,), _EPERM), ((0xF00,), _EPERM), ((0,), _EPERM)]),
    ("socketpair", (53, 199), [((1, 1), _ALLOW), ((1, 0o2000001), _ALLOW), ((1, 2), _EPERM), ((2, 1), _EPERM), ((1, 5), _EPERM)]),
    ("openat", (257, 56), [((0, 0, 0), _ALLOW), ((0, 0, 1), _ALLOW), ((0, 0, 2), _ALLOW), ((0, 0, 0o1001), _ALLOW), ((0, 0, 0o1000), _EPERM), ((0, 0, 0o1002), _ALLOW)]),
    ("fcntl", (72, 25), [((0, 3), _ALLOW), ((0, 1), _ALLOW), ((0, 1030), _ALLOW), ((0, 6), 0), ((0, 7), 0), ((0, 38), 0), ((0, 8), _EPERM), ((0, 10), _EPERM), ((0, 1024), _EPERM)]),
    ("ioctl", (16, 29), [((0, 0x5401), _ALLOW), ((0, 0x5413), _ALLOW), ((0, 0x541B), _ALLOW), ((0, 0x5412), _EPERM), ((0, 0x8912), _EPERM)]),
    ("prctl", (157, 167), [((15,), _ALLOW), ((3,), _ALLOW), ((16,), _ALLOW), ((1,), _EPERM), ((4,), _EPERM), ((22,), _EPERM), ((38,), _EPERM)]),
    ("prlimit64", (302, 261), [((0,), _ALLOW), ((1,), _EPERM), ((999,), _EPERM)]), ("kill", (62, 129), [((0x5EC0ED1D, 9), _ALLOW), ((1, 9), _EPERM), ((0xFFFFFFFF, 9), _EPERM), ((0, 9), _EPERM)]), ("tgkill", (234, 131), [((0x5EC0ED1D, 1, 9), _ALLOW), ((1, 1, 9), _EPERM)]),
    ("clone3", (435, 435), [((0,), errno.ENOSYS)]), ("openat2", (437, 437), [((0,), errno.ENOSYS)]), ("close_range", (436, 436), [((3, 9, 0), _ALLOW), ((3, 9, 4), _ALLOW), ((3, 9, 2), _EPERM)]), ("utimensat", (280, 88), [((0, 0, 0), _EPERM), ((0, 0, 1), 0)]),
]  # fmt: skip
# name: on x86-64, on aarch64
_FREELY = "read:0:63 write:1:64 close:3:57 fstat:5:80 lseek:8:62 munmap:11:215 brk:12:214 mprotect:10:226 rt_sigaction:13:134 futex:202:98 getpid:39:172 exit_group:231:94 getrandom:318:278 clock_gettime:228:113 nanosleep:35:101 dup:32:23 getdents64:217:61 uname:63:160 unlinkat:263:35 mkdirat:258:34 sysinfo:99:179 getuid:102:174"
_NEVER = (
    "execve:59:221 execveat:322:281 ptrace:101:117 socket:41:198 connect:42:203 bind:49:200 listen:50:201 accept:43:202 sendmsg:46:211 mount:165:40 umount2:166:39 chroot:161:51 pivot_root:155:41 setuid:105:146 setgid:106:144 unshare:272:97 setns:308:268 process_vm_readv:310:270 "
    "process_vm_writev:311:271 bpf:321:280 perf_event_open:298:241 keyctl:250:219 memfd_create:319:279 io_uring_setup:425:425 userfaultfd:323:282 shmget:29:194 shmat:30:196 msgget:68:186 setpriority:141:140 sched_setaffinity:203:122 reboot:169:142 init_module:175:105 pidfd_open:434:434 "
    "pidfd_getfd:438:438 tkill:200:130 rt_sigqueueinfo:129:138 fchown:93:55 linkat:265:37 mknodat:259:33 personality:135:92 setsid:112:157 capset:126:91 inotify_init1:294:26 quotactl:179:60 swapon:167:224"
)
_SKIPPED = "fchmod:91:52 fchmodat:268:53 fsync:74:82 fdatasync:75:83 flock:73:32 msync:26:227"
_UNKNOWN = "setxattr:188:5 getxattr:191:8 fgetxattr:193:10 listxattr:194:11 removexattr:197:14"


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_what_the_filter_says_of_each_system_call(
    machine: str, column: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seccomp, "MACHINE", machine)
    code = seccomp.program()
    for table, expected in ((_FREELY, _ALLOW), (_NEVER, _EPERM), (_SKIPPED, 0), (_UNKNOWN, errno.ENOTSUP)):
        for entry in table.split():
            assert _answer(code, machine, int(entry.split(":")[1 + column])) == expected, entry
    for name, numbers, cases in _BOTH:
        for args, expected in cases:
            assert _answer(code, machine, numbers[column], *args) == expected, (name, args)
    assert _answer(code, machine, 0, arch=0x40000003) == _KILL and _answer(code, machine, 9999) == _EPERM
    if machine == "x86_64":
        assert [_answer(code, machine, number) for number in (57, 58, 0x40000000, 0x40000001, 86, 76)] == [
            _EPERM
        ] * 6 and _answer(code, machine, 90) == 0
    monkeypatch.setattr(seccomp, "MACHINE", "riscv64")
    assert not seccomp.supported()
    with pytest.raises(OSError):
        seccomp.program()


def test_landlocks_rights() -> None:
    """The bits of linux/landlock.h: reading gives no right to execute or write, writing none to make devices or sockets."""
    assert (
        landlock.EXECUTE,
        landlock.WRITE_FILE,
        landlock.READ_FILE,
        landlock.READ_DIR,
        landlock.TRUNCATE,
    ) == (1, 2, 4, 8, 1 << 14)
    assert (
        landlock.READ == 4 | 8 and landlock.WRITE & 1 == 0 and landlock.WRITE & landlock.READ == landlock.READ
    )
    for allowed in (2, 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 12, 1 << 13, 1 << 14):
        assert landlock.WRITE & allowed, allowed
    for denied in (1 << 6, 1 << 9, 1 << 10, 1 << 11):  # devices, sockets, pipes
        assert not landlock.WRITE & denied, denied
    assert landlock._HANDLED_BY_ABI == {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}


# --- the zygote's own files and limits --------------------------------------------------------------------


def test_folders_are_measured_and_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c.txt").write_bytes(b"x" * 100_000)
    (folder / "link").symlink_to("/etc")
    assert (
        not zygote.folder_over(str(folder), 1 << 20, 10)
        and zygote.folder_over(str(folder), 50_000, 10)
        and zygote.folder_over(str(folder), 1 << 20, 3)
        and not zygote.folder_over(str(folder), 1 << 20, 4)
    )
    (folder / "a").chmod(0o500)
    zygote.empty_folder(str(folder))
    assert (
        list(folder.iterdir()) == [] and Path("/etc").is_dir() and not zygote.folder_over(str(folder), 0, 0)
    )
    readable = zygote.readable_paths()
    assert (
        "/dev/null" in readable
        and "/dev/urandom" in readable
        and "/dev/zero" not in readable
        and str(Path(os.__file__).parent) in readable
        and "/home" not in readable
        and "/etc" not in readable
        and "/proc" not in readable
    )


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
def test_usage_of_a_process() -> None:
    proc = os.open("/proc", os.O_RDONLY)
    try:
        threads, resident = zygote.usage(os.getpid(), proc)
    finally:
        os.close(proc)
    assert (
        threads >= 1
        and abs(resident - int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        < 64 << 20
    )


def test_limits_and_files_of_a_process() -> None:
    assert (Limits().memory_mb, Limits().cpu_seconds, Limits().stdout_bytes, MAX_STDOUT, FILE_BYTES) == (
        512,
        60,
        32 << 20,
        32 << 20,
        16 << 20,
    )
    with open_files(b"abc", b"") as (one, two):
        assert os.read(one, 9) == b"abc" and os.read(two, 9) == b""
    fd = anonymous_file(b"x" * 200_000)
    assert os.fstat(fd).st_size == 200_000 and os.lseek(fd, 0, os.SEEK_CUR) == 0
    os.close(fd)
    nonce, request = job(code=["x"], entry="f")
    assert (
        len(nonce) == 16
        and values.decode(request[5:], build=True) == {"nonce": nonce, "code": ["x"], "entry": "f"}
        and request[:1] == wire.JOB
        and job()[0] != job()[0]
    )
    read, write = os.pipe()
    os.set_blocking(write, False)
    write_before(write, b"ab", time.monotonic() + 60)
    assert os.read(read, 9) == b"ab"
    os.close(read)
    write_before(write, b"ab", time.monotonic() + 60)  # nobody reads any more
    os.close(write)
    command = launcher.interpreter("zygote")
    assert command[-1] == "zygote" and {"-s", "-S", "-P", "-B"} <= set(command)


# --- what a program is asked ------------------------------------------------------------------------------


def _module(source: str) -> types.ModuleType:
    module = types.ModuleType("solution")
    module.__dict__["__name__"] = "solution"
    exec(source, module.__dict__)
    return module


def test_which_function_is_called() -> None:
    one = _module(
        "def f(): return 1\nclass A:\n    def m(self): return 2\nclass Solution:\n    def s(self): return 3\n    def m(self): return 4\n"
    )
    assert [candidate.resolve(one, path)() for path in ("f", "A.m", "Solution.s", "s", "m", "X.f")] == [
        1,
        2,
        3,
        3,
        4,
        1,
    ]
    only = _module(
        "class A:\n    def m(self): return 2\nclass B:\n    def n(self): return 5\n    def k(self): pass\nclass C:\n    def k(self): pass\n"
    )
    assert candidate.resolve(only, "m")() == 2 and candidate.resolve(only, "n")() == 5
    for path in ("k", "absent"):
        with pytest.raises(NameError):
            candidate.resolve(only, path)
    with pytest.raises(AttributeError):
        candidate.resolve(one, "A.absent")


def test_arguments_that_are_nodes_and_results_that_are_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "solution", types.ModuleType("solution"))
    judged = candidate._judged
    assert (
        judged(lambda a, b: a + b, [1], {"b": 2}, {}) == 3
        and judged(lambda a: a.append(4), [[1]], {}, {"in_place": 0}) == [1, 4]
        and judged(lambda a, b: b.append(4) or 9, [[1], [2]], {}, {"in_place": 1}) == [2, 4]
    )
    header = {"head": "Optional[ListNode]", "k": "int", "return": "Optional[ListNode]"}
    assert (
        judged(lambda head, k: head.next.val + k, [[1, 5], 2], {}, {"signature": header}) == 7
        and judged(lambda head, k: None, [[1], 2], {}, {"signature": header}) == []
        and judged(lambda head: head.val, [], {"head": [3]}, {"signature": header}) == 3
    )

    def annotated(root: nodes.TreeNode, other: list) -> int:
        return root.val + other[0]

    class Solution:
        def f(self, root: nodes.TreeNode) -> int:
            return root.left.val

    assert (
        judged(annotated, [[4], [1]], {}, {}) == 5
        and judged(Solution().f, [[1, 2]], {}, {}) == 2
        and judged(lambda x: x[0], [[4]], {}, {}) == 4
    )
    assert [candidate._exit_status(code) for code in (None, 0, 1, 256, 3.5, "bad", 255)] == [
        0,
        0,
        1,
        0,
        1,
        1,
        255,
    ]
    with pytest.raises(SyntaxError):
        candidate._compiled(["def (", "x ="], "f")
    assert candidate._compiled(["def (", "x = 1"], "f").co_filename == "f"
    assert values.decode(candidate.describe(ValueError("x" * 999))) == ("ValueError", "x" * 300)


def test_the_last_expression_is_shown() -> None:
    for source, shown in (
        ("2 + 2", "displayhook(2 + 2)"),
        ("x = 2\nx", "displayhook(x)"),
        ("x = 2", "x = 2"),
        ("", ""),
        ("def (", "def ("),
        ("x = 1; x + 1", "displayhook(x + 1)"),
        ("print(1)\n", "displayhook(print(1))"),
    ):
        assert echoing(source).strip().endswith(shown.strip()), source
    out: list[Any] = []
    space = {"__import__": lambda _: types.SimpleNamespace(displayhook=out.append)}
    exec(echoing("é = 'ß'; (é,\n 2)"), {"__builtins__": space})
    assert out == [("ß", 2)]


# --- tests and program speak with each other --------------------------------------------------------------


class _Pair:
    """A tests' line and a program's line in one process, each with its own thread's pipes."""

    def __init__(self, source: str, made_by: tuple[str, ...] = (), follow: bool = True) -> None:
        self.pipes = [*os.pipe(), *os.pipe()]
        to_program_r, to_program_w, to_tests_r, to_tests_w = self.pipes
        self.tests = tester.TestsLine(wire.FrameReader(to_tests_r), _Turned(to_program_w), follow)
        self.tests.made_by = frozenset(made_by)
        module = _module(source)
        from verifiers.code.served import ProgramLine

        self.program = ProgramLine(wire.FrameReader(to_program_r), _Turned(to_tests_w), module, None)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while (request := self.program.requests.next()) is not None:
            self.program.answer(request[1])

    def __getitem__(self, name: str) -> remote.Remote:
        return remote.Remote(self.tests, name, remote.RETURNED)

    def close(self) -> None:
        os.close(self.pipes[1])
        self.thread.join(10)
        for fd in (self.pipes[0], *self.pipes[2:]):
            os.close(fd)


class _Turned(wire.FrameWriter):
    """Sends frames as the verifier passes them on: an ASK is the other's CALL, a VALUE its REPLY."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd, b"")

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        super().send({wire.ASK: wire.CALL, wire.VALUE: wire.REPLY, wire.THROWN: wire.RAISED}[kind], payload)


_SOURCE = """
from collections import namedtuple
from datetime import date
class Stack:
    def __init__(self, *items): self.items = list(items)
    def push(self, x): self.items.append(x)
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)
    def __add__(self, other): return Stack(*self.items, *other.items)
    def __mul__(self, k): return Stack(*[x * k for x in self.items])
    def __eq__(self, other): return self.items == other.items
    def __getitem__(self, i): return self.items[i]
    def __iter__(self): return iter(self.items)
    def __contains__(self, x): return x in self.items
    def __lt__(self, other): return len(self) < len(other)
    def __enter__(self): return self
    def __exit__(self, *e): self.items.clear()
    def __repr__(self): return 'Stack'
    def __bool__(self): return True
class Liar:
    def __eq__(self, other): return True
    def __add__(self, other): return other
    def __contains__(self, x): return True
    def __lt__(self, other): return True
def add(a, b=1): return a + b
def grow(xs): xs.append(9)
def grown(xs):
    xs.append(9)
    return xs
def empty(xs):
    xs.clear()
    return 5
def apply(f, x): return f(x)
def fail(): raise KeyError('gone')
class MyError(ValueError): pass
def mine(): raise MyError('own')
def liar(): return Liar()
def closure(k): return lambda x: x + k
def counting():
    n = 0
    while True:
        yield n
        n += 1
def pair(): return namedtuple('Pair', 'a b')(1, 2)
def day(d): return d.replace(day=1)
def nan(): return float('nan')
def same(x): return x
async def later(): return 7
"""


@pytest.fixture
def pair():
    made = _Pair(_SOURCE, ("Stack",))
    yield made
    made.close()


def test_values_pass_as_copies_and_objects_stay(pair: _Pair) -> None:
    assert (
        pair["add"](1) == 2
        and pair["add"](1, b=5) == 6
        and pair["apply"](lambda x: x * 3, 4) == 12
        and pair["closure"](3)(4) == 7
        and list(zip(range(3), pair["counting"](), strict=False)) == [(0, 0), (1, 1), (2, 2)]
    )
    for value in (
        Fraction(1, 3),
        Decimal("1.50"),
        date(2020, 1, 2),
        datetime(2020, 1, 2, 3),
        timedelta(1, 2, 3),
        10**30,
        {1: {2}},
        (1, [2]),
        int,
        len,
        range(3),
        1 + 2j,
        b"x",
    ):
        back = pair["same"](value)
        assert back == value and type(back) is type(value), value
    named = pair["pair"]()
    assert (
        (named.a, named.b) == (1, 2) == named
        and type(named).__name__ == "Pair"
        and pair["day"](date(2020, 5, 7)) == date(2020, 5, 1)
    )
    stack = pair["Stack"](1, 2)
    stack.push(3)
    assert (
        len(stack) == 3
        and stack.pop() == 3
        and list(stack) == [1, 2]
        and stack[0] == 1
        and 2 in stack
        and 9 not in stack
        and stack.items == [1, 2]
        and isinstance(stack, pair["Stack"])
        and not isinstance(5, pair["Stack"])
        and repr(stack) == "Stack"
    )
    assert (
        stack + pair["Stack"](5) == pair["Stack"](1, 2, 5)
        and stack * 2 == pair["Stack"](2, 4)
        and stack != pair["Stack"](1)
        and pair["Stack"]() < stack
        and stack == stack
    )
    with stack as entered:
        assert entered == stack
    assert len(stack) == 0
    stack.items = [7]
    assert stack.items == [7]
    import asyncio

    assert asyncio.run(pair["later"]()) == 7


def test_what_the_program_does_to_arguments_is_seen_between_statements(pair: _Pair) -> None:
    xs = [1]
    assert pair["grow"](xs) is None and xs == [1]
    pair.tests.settle()
    assert xs == [1, 9] and not pair.tests.altered
    ys = [1]
    assert pair["empty"](ys) == 5 and pair.tests.altered
    pair.tests.settle()
    assert ys == []
    blind = _Pair(_SOURCE, follow=False)
    zs = [1]
    blind["empty"](zs)
    blind["grow"](zs)
    blind.tests.settle()
    assert zs == [1, 9]
    blind.close()
    pair["nan"]()
    assert pair.tests.returned_nan and not blind.tests.returned_nan and pair.tests.calls == 3


def test_exceptions_and_lies(pair: _Pair) -> None:
    with pytest.raises(KeyError, match="gone") as caught:
        pair["fail"]()
    assert caught.value.from_candidate is True
    with pytest.raises(ValueError, match="own") as own:
        pair["mine"]()
    assert type(own.value).__name__ == "MyError"
    assert (
        pair.tests.exception_class("MyError") is type(own.value)
        and pair.tests.exception_class("add") is None
        and pair.tests.exception_class("nothing") is None
    )
    liar = pair["liar"]()
    assert liar != 5 and not liar == "x" and liar != None  # noqa: E711
    for operation in (
        lambda: liar + 5,
        lambda: 5 in liar,
        lambda: liar < 5,
        lambda: list(liar),
        lambda: liar[0],
        lambda: len(liar),
    ):
        with pytest.raises(TypeError):
            operation()
    with pytest.raises(remote.UnsupportedError):
        _ = pair["Stack"]() == 5
    with pytest.raises(NameError):
        pair["absent"]()
    with pytest.raises(tester._UnsendableError):
        pair["add"](count(), object())


def test_small_parts_of_the_tests_process() -> None:
    takes = [lambda a: 0, lambda a, b=1: 0, lambda: 0, lambda a, b: 0, lambda a=1: 0]
    assert [tester._takes_one(function) for function in takes] == [True, True, False, False, True]
    nan = float("nan")
    assert [
        tester._holds_nan(x)
        for x in (nan, [1, nan], {"a": (nan,)}, 1.0, [1], "nan", complex(nan, 1), {nan}, [[[[[nan]]]]])
    ] == [True, True, True, False, False, False, True, True, False]
    assert all(
        map(tester._speak_of_nan, ("math.nan", "float('inf')", "x != x", "isfinite(y)", "NaN", "infinity"))
    ) and not any(map(tester._speak_of_nan, ("assert f(1) == 2", "nanotech == 2", "x != y", "info")))
    for old, new, after in (
        ([1], [2, 3], [2, 3]),
        ({1: 2}, {3: 4}, {3: 4}),
        ({1}, {2}, {2}),
        ([1], {2}, [1]),
        ((1,), (2,), (1,)),
        ({1}, {2: 3}, {1}),
    ):
        tester._update(old, new)
        assert old == after
    code = tester._statement_by_statement(
        "def check(candidate):\n    x = [1]\n    candidate(x)\n    assert x\nif True:\n    y = 1\n"
    )
    log: list[str] = []
    space: dict[str, Any] = {
        "__settle__": lambda: log.append("settle"),
        "__note_check__": lambda: log.append("check"),
    }
    exec(code, space)
    before = len(log)
    space["check"](lambda x: log.append("call"))
    assert (
        log[before] == "check"
        and log[before:].index("call") < len(log[before:]) - 1 - log[before:][::-1].index("settle")
        and "settle" in log[:before]
    )


def test_processes_are_threads() -> None:
    assert {
        "multiprocessing",
        "concurrent.futures",
        "ProcessPoolExecutor",
    } == processes.NAMES and processes.MOST == 8
    waker = processes._Notifier()
    assert waker.empty()
    waker.put(None)
    assert not waker.empty()
    waker.get()
    assert waker.empty()


# --- packages ---------------------------------------------------------------------------------------------


def test_which_packages_are_shown(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "one.py").touch()
    for hidden in ("__pycache__", "bin", ".git"):
        (tmp_path / hidden).mkdir()
    (tmp_path / "x.pth").touch()
    assert (
        packages.locate([f"{tmp_path}/"])
        == {"mine": str((tmp_path / "mine").resolve()), "one.py": str((tmp_path / "one.py").resolve())}
        and packages.locate([]) == {}
    )
    found = packages.locate(["mpmath"])
    assert (
        "mpmath" in found
        and not any(name.startswith(".") or name == "bin" for name in found)
        and "mpmath" in packages.locate(["sympy"])
    )
    for bad, words in (
        ("mpmath", "list of names"),
        ([""], "list of names"),
        ([5], "list of names"),
        (["no_such_package_x"], "not installed"),
        ([f"{tmp_path}/none"], "no folder"),
        ([f"{tmp_path}/bin"], "nothing in"),
    ):
        with pytest.raises(packages.MissingPackageError, match=words):
            packages.locate(bad)


def test_the_verifiers_own_arguments_and_verdicts_without_a_run() -> None:
    for bad, words in (
        ({"level": "best"}, "level"),
        ({"feedback": "all"}, "feedback"),
        ({"workers": 0}, "workers"),
        ({"time_limit": 0}, "time_limit"),
        ({"compare": "words"}, "compare"),
        ({"any_order": "all"}, "any_order"),
    ):
        with pytest.raises(ValueError, match=words):
            CodeVerifier(**bad)
    verifier = CodeVerifier(allow_weak=True, total_seconds=50.0, max_time_limit=5.0)
    assert verifier.deadline == 80.0 and (verifier.name, verifier.answer_format, verifier.gold) == (
        "code",
        "code",
        "solution",
    )
    good = {"tests": [{"stdin": "", "stdout": "1"}]}
    for reference, answer, expected, words in (
        (None, "x", (None, "unverifiable"), "NoneType"),
        ({**good, "time_limit": 6}, "x", (None, "unverifiable"), "max_time_limit"),
        (good, None, (0.0, "no_answer"), "no complete program"),
        (good, "\0", (0.0, "crash"), "null"),
        (good, "x" * (1 << 21), (0.0, "crash"), "limit"),
    ):
        verdict = verifier.verify(Problem("p", "", reference), "", answer)
        assert (verdict.score, verdict.status) == expected and words in verdict.detail
    problem = Problem("p", "", {"entry": "f", "tests": []}, {"solutions": ("x = 1", "y")})
    assert (
        verifier.as_response(problem) == "```python\nx = 1\n```\n"
        and verifier.as_response(Problem("p", "", {})) is None
        and not verifier.comparable(problem, Problem("q", "", good))
        and verifier.comparable(Problem("p", "", good), Problem("q", "", good))
    )
    import pickle

    copy = pickle.loads(
        pickle.dumps(
            CodeVerifier(
                level="weak",
                feedback="expected",
                partial=False,
                abs_tol=0.5,
                total_seconds=9.0,
                statement=False,
                max_memory_mb=77,
            )
        )
    )
    assert (
        copy._wanted,
        copy.feedback,
        copy._runner.partial,
        copy._defaults,
        copy.deadline,
        copy._statement,
        copy._most["memory_mb"],
    ) == ("weak", "expected", False, {"abs_tol": 0.5}, 39.0, False, 77)
    weak = CodeVerifier(level="weak").verify(Problem("p", "", good), "", "x")
    assert (weak.score, weak.status) == (None, "error") and "weak" in weak.detail


# --- a pool's worker --------------------------------------------------------------------------------------


def _worker(end: socket.socket, ended: bool = True) -> Worker:
    worker = Worker.__new__(Worker)
    worker.channel, worker.deadline, worker.spec, worker.at_once = Channel(end), 0.05, "v", 1
    worker.process = subprocess.Popen(
        [sys.executable, "-c", "raise SystemExit(3)"] if ended else ["sleep", "60"],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    if ended:
        worker.process.wait()
    return worker


def test_what_becomes_of_a_workers_reply() -> None:
    ours, theirs = socket.socketpair()
    worker, other = _worker(ours, ended=False), Channel(theirs)
    try:
        replies = [
            [0.5, "incorrect", "a", "d", 0.5, None, 0.7],
            {"unreadable": "x"},
            {"raised": "why"},
            {"memory": True},
            [7, "correct"],
            [1.0, "no status"],
        ]
        for reply in replies:
            other.send(json.dumps(reply).encode())
        other.send(b"junk")
        said = [worker.outcome(lambda: False) for _ in range(7)]
        assert (
            (said[0].score, said[0].status, said[0].pass_mark) == (0.5, "incorrect", 0.7)
            and isinstance(said[1], TypeError)
            and isinstance(said[2], VerifierFailed)
            and str(said[2]) == "why"
        )
        assert (
            said[3] == Lost("memory", "judging it took more memory than the pool allows")
            and [s.status for s in said[4:]] == ["crash"] * 3
        )
        late = worker.outcome(lambda: False)
        assert late == Lost("timeout", "no verdict within 0.05 s")
        worker.at_once = 2
        assert isinstance(worker.outcome(lambda: False), VerifierFailed)
        orders = {"spec": "v", "options": {"a": 1}, "memory_mb": 5}
        settings = types.SimpleNamespace(**orders, deadline=3.0)
        other.send(json.dumps({"deadline": 9.0, "at_once": 4}).encode())
        worker.prepare(settings)
        assert (worker.deadline, worker.at_once) == (9.0, 4)
        other.send(json.dumps({"deadline": 1.0, "at_once": 1}).encode())
        worker.prepare(settings)
        assert worker.deadline == 3.0
        import pickle

        assert pickle.loads(other.receive(5)) == orders
        other.send(json.dumps({"failed": "no such module"}).encode())
        with pytest.raises(RuntimeError, match="does not load in a worker: no such module"):
            worker.prepare(settings)
    finally:
        worker.kill()
        other.close()
        ours.close()
    ours, theirs = socket.socketpair()
    dead = _worker(ours)
    theirs.close()
    gone = dead.outcome(lambda: False)
    assert (
        isinstance(gone, Lost)
        and gone.status == "crash"
        and gone.detail.endswith("exit code 3")
        and dead.exit_reason() == "exit code 3"
    )
    ours.close()
