"""Programs that go for the machinery: no verdict, traces for the next program, the verifier's time, holes in the tests.

Each case is judged in order by one verifier, as a policy's samples are. Needs no package, so that any user may run it.

python red_team.py LEVEL            prints one line per failure
python red_team.py LEVEL FILE.jsonl  judges rows of others (`id, level, problem, program`): id, score, status, seconds
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

from verifiers.code import CodeVerifier, sandbox
from verifiers.types import Problem

LIMITS = {"time_limit": 1, "memory_mb": 256}


@dataclass(frozen=True)
class Case:
    """Programs for one row, in order, and the score of each; `seconds` is the most that all may take."""

    reference: dict[str, Any]
    programs: tuple[str, ...]
    scores: tuple[float | None, ...]
    prompt: str = ""
    seconds: float = 10.0


def calls(expected: Any, *programs: str, scores: tuple, tests: int = 1, **more: Any) -> Case:
    reference = {"entry": "f", "tests": [{"args": [], "expected": expected}] * tests, **LIMITS}
    return Case(reference, programs, scores, **more)


def prints(expected: str, *programs: str, scores: tuple, tests: int = 1, **more: Any) -> Case:
    reference = {"tests": [{"stdin": "", "stdout": expected}] * tests, **LIMITS}
    return Case(reference, programs, scores, **more)


def asserts(code: str, *programs: str, scores: tuple, entry: str = "f", **more: Any) -> Case:
    return Case({"entry": entry, "test_code": code, **LIMITS}, programs, scores, **more)


KILL = "import os\nos.kill(os.getpid(), {})\n"
FLOCK = """
import fcntl
def f():
    with open('/dev/null') as null:
        try:
            fcntl.flock(null, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 'locked'
    return 'free'
"""
OFD = """
import fcntl, os, struct
def f():
    lock = struct.pack('hhqqi', fcntl.F_WRLCK, 0, 7, 1, 0)
    with open('/dev/null', 'r+b', 0) as null:
        found = fcntl.fcntl(null, 36, lock)
    return 'free' if struct.unpack('hhqqi', found)[0] in (fcntl.F_UNLCK, fcntl.F_WRLCK) else 'locked'
"""
FLAGS = """
import fcntl
def f():
    return [fcntl.fcntl(fd, fcntl.F_GETFL) & 0o6000 for fd in range(3)]
"""
SQLITE = """
import sqlite3
def f():
    with sqlite3.connect('x.db') as base:
        base.execute('create table t (n)')
        base.execute('insert into t values (3)')
        return base.execute('select n from t').fetchone()[0]
"""
MANY_NAMES = """
import os
def f():
    for n in range(300):
        open(f"{'x' * 200}{n}", 'w').close()
    for name in os.listdir():
        os.unlink(name)
    return [True, 0]
"""
SIZE = """
import os
def f():
    found = os.stat('.')
    return [found.st_size <= 4096, int(found.st_mtime)]
"""
UNCOUNTED = """
import ctypes, mmap, os, socket
libc = ctypes.CDLL(None)
def f():
    pair = socket.socketpair()
    tries = {
        'memory file': lambda: os.memfd_create('x'),
        'shared memory': lambda: mmap.mmap(-1, 4096),
        'shared memory of /dev/zero': lambda: open('/dev/zero', 'rb'),
        'socket option': lambda: pair[0].setsockopt(socket.SOL_SOCKET, 26, bytes(16)),
        'timer': lambda: libc.timer_create(1, None, ctypes.byref(ctypes.c_void_p())) and 1 / 0,
    }
    granted = []
    for name, action in tries.items():
        try:
            action()
            granted.append(name)
        except (OSError, ZeroDivisionError):
            pass
    return granted
"""
SLOW = "import time\n{}time.sleep(0.9)\n{}"
THREADS = """
import threading, time
threading.stack_size(1 << 16)
def f():
    for _ in range({}):
        threading.Thread(target=time.sleep, args=(0.6,), daemon=True).start()
    time.sleep(0.5)
    return 1
"""
LIE = "def f(x): return -1.0\n"
CHECK = "def check(candidate):\n    assert candidate(2) == 4\n"

CASES: dict[str, Case] = {
    # ends that no table of named signals knows
    "none: a real-time signal, function": calls(1, KILL.format(40), KILL.format(63), scores=(0.0, 0.0)),
    "none: a real-time signal inside the call": calls(
        1, "def f():\n    import signal; signal.raise_signal(36)\n", scores=(0.0,)
    ),
    "none: a real-time signal, stdin": prints("1", KILL.format(35) + "print(1)", scores=(0.0,)),
    "none: a real-time signal, assertions": asserts("assert f(1) == 1\n", KILL.format(50), scores=(0.0,)),
    # values whose text is refused
    "none: a range without a text": calls(1, "def f(): return range(10 ** 5000)", scores=(0.0,)),
    "none: such ranges inside others": calls(
        1,
        "def f(): return {1: [range(-10 ** 6000, 3, 10 ** 4400)]}",
        "def f(): return [{(range(1 << 20000),): 1}]",
        scores=(0.0, 0.0),
    ),
    "none: a deep or strange value": calls(
        1,
        "def f(): return ([[]] * 3, complex('nan'), b'x' * 999, 1 << 99999, {1 << 99999: {}})",
        scores=(0.0,),
    ),
    # what one program leaves, the next must not find
    "left: a lock of the open file": calls(
        "free",
        "import fcntl\nfcntl.flock(2, fcntl.LOCK_EX)\ndef f(): return 'free'",
        FLOCK,
        scores=(1.0, 1.0),
    ),
    "left: an open file description lock": calls(
        "free",
        "import fcntl, struct\nfor fd in (0, 1, 2):\n"
        "    fcntl.fcntl(fd, 37, struct.pack('hhqqi', fcntl.F_RDLCK, 0, 7, 1, 0))\ndef f(): return 'free'",
        OFD,
        scores=(1.0, 1.0),
    ),
    "left: flags of the open file": calls(
        [0, 0, 0],
        "import fcntl, os\nfor fd in (0, 1, 2):\n"
        "    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)\ndef f(): return [0, 0, 0]",
        FLAGS,
        scores=(1.0, 1.0),
    ),
    "left: the size and time of the scratch folder": calls([True, 0], MANY_NAMES, SIZE, scores=(1.0, 1.0)),
    "kernel: what no size of a process shows": calls([], UNCOUNTED, scores=(1.0,)),
    "left: honest locks go on working": calls(3, SQLITE, SQLITE, scores=(1.0, 1.0)),
    # the verifier's time
    "slow: wrong and slow, function": calls(
        1, SLOW.format("def f():\n    ", "    return 2"), scores=(0.0,), tests=12, seconds=6
    ),
    "slow: wrong and slow, stdin": prints(
        "1", SLOW.format("", "print(2)"), scores=(0.0,), tests=12, seconds=6
    ),
    "slow: right and slow is not cut off": calls(
        1, SLOW.format("def f():\n    ", "    return 1"), scores=(1.0,), tests=4, seconds=30
    ),
    "threads: more than anybody needs": calls(1, THREADS.format(150), THREADS.format(20), scores=(0.0, 1.0)),
    # names of the tests that are not the program's to define
    "names: a module that the tests forgot to import": asserts(
        "assert math.isclose(f(2), 12.5)\n",
        LIE + "class math:\n    isclose = staticmethod(lambda *a, **k: True)",
        "def f(x): return 12.5",
        scores=(0.0, 1.0),
    ),
    "names: a package that is not there": asserts(
        "assert np.allclose(f(2), 12.5)\n",
        LIE + "class np:\n    allclose = staticmethod(lambda *a, **k: True)",
        "def f(x): return 12.5",
        scores=(None, None),
    ),
    "names: a helper that nobody defines": asserts(
        "assert close_enough(f(2), 12.5)\n",
        LIE + "def close_enough(*a): return True",
        "def f(x): return 12.5",
        scores=(None, None),
    ),
    "names: a helper that says what is expected": asserts(
        "for x in range(3):\n    assert f(x) == expected_value(x)\n",
        LIE + "def expected_value(x): return -1.0",
        scores=(None,),
    ),
    "names: a helper that measures the difference": asserts(
        "assert distance(f(2), 12.5) == 0\n",
        LIE + "def distance(*a): return 0",
        scores=(None,),
    ),
    "names: two functions of one task": asserts(
        "assert f(1) == 2\nassert g(f(1)) == 3\nassert g(5) == 6\n",
        "def f(x): return x + 1\ndef g(x): return x + 1",
        "def f(x): return x + 1\ndef g(x): return 3",
        scores=(1.0, 0.0),
    ),
    "names: two functions, one in the prompt alone": asserts(
        "assert decode(f('a')) == 'a'\n",
        "def f(x): return x + '!'\ndef decode(x): return x[:-1]",
        scores=(1.0,),
        prompt="Write f(text), which encodes, and `decode`, which undoes it.",
    ),
    # a check that something else kept from being called
    "check: the program was called before": asserts(
        "cases = f(1)\n" + CHECK, "def f(x): return 0", "def f(x): return 2 * x", scores=(0.0, 1.0)
    ),
    "check: called by the tests themselves": asserts(
        CHECK + "check(f)\n", "def f(x): return 0", "def f(x): return 2 * x", scores=(0.0, 1.0)
    ),
    # tests that no program can fail
    "swallowed: in a try": asserts(
        "try:\n    assert f(2) == 4\nexcept Exception as error:\n    print(error)\n",
        "def f(x): return 0",
        "def f(x): return 4",
        "import os\nos._exit(0)",
        scores=(None, None, None),
    ),
    "swallowed: in a thread": asserts(
        "import threading\ndef run():\n    assert f(2) == 4\n"
        "thread = threading.Thread(target=run)\nthread.start()\nthread.join()\n",
        "def f(x): return 0",
        scores=(None,),
    ),
    "swallowed: by a runner whose result nobody reads": asserts(
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(f(2), 4)\n"
        "suite = unittest.defaultTestLoader.loadTestsFromTestCase(T)\nunittest.TextTestRunner().run(suite)\n",
        "def f(x): return 0",
        scores=(0.0,),
    ),
    # what a row may not ask for
    "row: memory without end": Case(
        {"entry": "f", "tests": [{"expected": 1}], "memory_mb": 10**9}, ("def f(): return 1",), (None,)
    ),
    "row: a tolerance that takes anything": Case(
        {"entry": "f", "tests": [{"expected": 1.0}], "tol": float("inf")}, ("def f(): return 7.0",), (None,)
    ),
    "row: time without end": Case(
        {"entry": "f", "tests": [{"expected": 1}], "time_limit": 1e300}, ("def f(): return 1",), (None,)
    ),
    # a prompt that costs more than the program
    "prompt: many line ends": asserts(
        "assert f(1) == 1\n",
        "x = 1",
        scores=(0.0,),
        prompt="Write f." + "\n" * 40_000 + "It returns 1.",
        seconds=3,
    ),
}


def failures(level: sandbox.Level, names: list[str] | None = None) -> list[str]:
    """What did not get its score or took too long; empty when all is well."""
    verifier, found = CodeVerifier(level=level), []
    try:
        verifier.verify(Problem("first", "", CASES["left: honest locks go on working"].reference), "", "")
        for name in names or CASES:
            case = CASES[name]
            problem, began = Problem(name, case.prompt, case.reference), time.monotonic()
            verdicts = []
            for program in case.programs:
                try:
                    verdicts.append(verifier.verify(problem, "", program))
                except Exception as error:
                    verdicts.append(error)
            took = time.monotonic() - began
            scores = tuple(getattr(verdict, "score", "raised") for verdict in verdicts)
            if scores != case.scores or took > case.seconds:
                shown = "; ".join(repr(v)[:200] for v in verdicts)
                found.append(f"{name}: {scores}, expected {case.scores}; {took:.1f} s: {shown}")
    finally:
        verifier.close()
    return found


def judged(level: sandbox.Level, file: Path) -> Iterator[tuple[str, float | None, str, float]]:
    """(id, score, status, seconds) of each row for `level`; after each, an honest program must still be right."""
    verifier = CodeVerifier(level=level)
    honest = calls(3, SQLITE, scores=(1.0,))
    for row in map(json.loads, file.read_text().splitlines()):
        if row["level"] != level:
            continue
        began = time.monotonic()
        verdict = verifier.verify(Problem(row["id"], **row["problem"]), "", row["program"])
        yield row["id"], verdict.score, verdict.status, time.monotonic() - began
        after = verifier.verify(Problem("honest", "", honest.reference), "", SQLITE)
        if after.score != 1.0:
            yield f"{row['id']}, the honest program after it", after.score, after.status, 0.0
    verifier.close()


if __name__ == "__main__":
    if sys.argv[2:] and sys.argv[2].endswith(".jsonl"):
        print(json.dumps(list(judged(sys.argv[1], Path(sys.argv[2])))))  # type: ignore[arg-type]
    else:
        print(*failures(sys.argv[1], sys.argv[2:] or None), sep="\n")  # type: ignore[arg-type]
