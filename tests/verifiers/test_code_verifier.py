"""Verdicts on programs, at every level that this machine allows."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from judging import descendants

from verifiers.code import CodeVerifier, attacks, launcher, runner, sandbox, wire
from verifiers.types import Problem

AVAILABLE = sandbox.LEVELS[: sandbox.LEVELS.index(sandbox.level()) + 1]
RIGHT = "def add(a, b):\n    return a + b\n"


def functions(entry="add", tests=None, **more):
    tests = tests or [
        {"args": [1, 2], "expected": 3},
        {"args": [2, 2], "expected": 4},
        {"args": [0, 0], "expected": 0},
    ]
    return Problem("p", "", {"entry": entry, "tests": tests, "time_limit": 1, "memory_mb": 256, **more})


def stdin(*tests, **more):
    tests = [{"stdin": given, "stdout": expected} for given, expected in tests]
    return Problem("p", "", {"entry": None, "tests": tests, "time_limit": 1, "memory_mb": 256, **more})


def assertions(code, entry="f", prompt=""):
    return Problem("p", prompt, {"entry": entry, "test_code": code, "time_limit": 2, "memory_mb": 256})


@pytest.fixture(scope="module", params=AVAILABLE)
def verifier(request):
    made = CodeVerifier(level=request.param, allow_weak=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def best():
    made = CodeVerifier(allow_weak=True)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("program", "status"),
    [
        (RIGHT, "correct"),
        ("def add(a, b):\n    return 3\n", "incorrect"),
        ("def add(a, b):\n    return str(a + b)\n", "incorrect"),
        ("def add(a, b):\n    raise ValueError('no')\n", "crash"),
        ("def add(a, b)\n", "crash"),
        ("def plus(a, b):\n    return a + b\n", "crash"),
        ("import os\nos._exit(0)\n", "crash"),
        ("def add(a, b):\n    while True: pass\n", "timeout"),
        ("import time\ntime.sleep(60)\n", "timeout"),
        ("def add(a, b):\n    return len(bytearray(4 << 30))\n", "memory"),
        ("def add(a, b):\n    return len([bytearray(1 << 20) for i in range(700)])\n", "memory"),
        ("def add(a, b):\n    return 'x' * (40 << 20)\n", "incorrect"),
        (None, "no_answer"),
        ("x\0", "crash"),
    ],
)
def test_function_rows(verifier, program, status):
    patience = 10 if status == "memory" else 1  # a busy machine takes its time to hand memory out
    verdict = verifier.verify(functions(time_limit=patience), "", program)
    assert (verdict.status, verdict.score) == (status, float(status == "correct")), verdict.detail


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("print(int(input()) + 1)", "correct"),
        ("print(int(open(0).read()) + 1)\nexit()", "correct"),
        ("import sys\nprint(int(sys.stdin.buffer.read()) + 1)\nraise SystemExit", "correct"),
        ("print(int(open('/dev/stdin').read()) + 1)", "correct"),
        (
            "import threading\nn = int(input())\nthreading.Thread(target=lambda: print(n + 1)).start()",
            "correct",
        ),
        ("print(2)", "incorrect"),
        ("print(int(input()) + 1)\nraise SystemExit(3)", "crash"),
        ("print(int(input()) + 1)\n1 / 0", "crash"),
        ("while True: pass", "timeout"),
        ("while True: print('x' * 100000)", "output"),
        ("x = [bytearray(1 << 20) for i in range(700)]", "memory"),
    ],
)
def test_stdin_rows(verifier, program, status):
    patience = 10 if status == "memory" else 1
    verdict = verifier.verify(stdin(("1\n", "2\n"), ("5", "6"), time_limit=patience), "", program)
    assert (verdict.status, verdict.score) == (status, float(status == "correct")), verdict.detail


@pytest.fixture
def one_busy_cpu():
    """This process, and what it starts, on one CPU that another process never leaves idle."""
    if not hasattr(os, "sched_setaffinity") or not Path("/proc/self/schedstat").exists():
        pytest.skip("CPUs cannot be chosen here, or the kernel does not count waiting")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield
    busy.kill()
    busy.wait()
    os.sched_setaffinity(0, before)


@pytest.mark.serial
@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("while time.process_time() < 0.2: pass", "correct"),  # within its 0.25 s, which take 0.4 s here
        ("time.sleep(2)", "timeout"),  # who sleeps is not starved
        ("while True: pass", "timeout"),
    ],
)
def test_waiting_for_a_cpu_is_not_a_programs_own_time(one_busy_cpu, program, status):
    verifier = CodeVerifier(allow_weak=True)
    code = f"import time\ndef f():\n    {program}\n    return 1\n"
    began = time.monotonic()
    verdict = verifier.verify(functions("f", [{"expected": 1}], time_limit=0.25), "", code)
    assert verdict.status == status, verdict
    assert time.monotonic() - began < 0.25 + runner.STARVED_SECONDS + 4
    verifier.close()


CHECK = "def check(candidate):\n    assert candidate([2, 1]) == [1, 2]\n"


@pytest.mark.parametrize(
    ("tests", "program", "status"),
    [
        (CHECK + "check(f)\n", "f = sorted", "correct"),
        (CHECK, "f = sorted", "correct"),
        (CHECK, "def f(x): return None", "incorrect"),
        (CHECK, "def f(x): x.sort(); return x", "correct"),
        ("x = [2, 1]\nf(x)\nassert x == [1, 2]\n", "def f(x): x.sort()", "correct"),
        # what a call does to its arguments is seen by the statements after it, not within its own
        ("x = [2, 1]\nf(x); assert x == [1, 2]\n", "def f(x): x.sort()", "correct"),
        ("x = [2, 1]\nassert f(x) == sorted(x)\n", "def f(x): x.clear(); return x", "incorrect"),
        (
            "x = [2, 1]\nassert f(x) == sorted(x)\nassert x == [1, 2]",
            "def f(x): x.sort(); return x",
            "correct",
        ),
        (
            "def ok(x):\n    return f(x) == sorted(x)\nassert ok([2])",
            "def f(x): x.clear(); return x",
            "incorrect",
        ),
        (
            "x = [2]\nif f(x) != sorted(x):\n    raise ValueError",
            "def f(x): x.clear(); return x",
            "incorrect",
        ),
        ("x = [3, 2, 1]\nwhile len(x) > 0:\n    f(x)\n", "def f(x): x.pop()", "correct"),
        ("x = []\nassert f(x) == 1 and f(x) == 2\n", "def f(x): x.append(1); return len(x)", "correct"),
        (
            "'Text.'\nfrom __future__ import annotations\nx = [2]\ntry:\n    f(x)\nfinally:\n    assert x == [3]\n",
            "def f(x): x[0] = 3",
            "correct",
        ),
        ("x = [2]\nmatch f(x):\n    case None:\n        assert x == [3]\n", "def f(x): x[0] = 3", "correct"),
        ("assert set(f(1)) == {1, 2}\n", "def f(x): return (2, 1, 1)", "correct"),
        ("assert set(f(1)) == {1, 2}\n", "def f(x):\n    yield 1\n    yield 2", "correct"),
        ("assert set(f(1)) == {1, 2}\n", "def set(x): return {1, 2}\ndef f(x): return 0", "incorrect"),
        ("assert abs(f(1) - 0.1) < 1e-6\n", "def f(x): return 0.1000000001", "correct"),
        (
            "try:\n    f(0)\nexcept ZeroDivisionError:\n    pass\nelse:\n    assert False\n",
            "def f(x): return 1 / x",
            "correct",
        ),
        (
            "try:\n    f(0)\nexcept ZeroDivisionError:\n    pass\nelse:\n    assert False\n",
            "def f(x): return 1",
            "incorrect",
        ),
        ("assert f(1) == 1\n", "def f(x): raise KeyError('k')", "crash"),
        ("assert f(1) == 1\n", "import os\ndef f(x): os._exit(0)", "crash"),
        ("assert f(1) == 1\n", "def f(x):\n    while True: pass", "timeout"),
        ("assert f(1) == 1\n", "class L:\n    __eq__ = lambda s, o: True\ndef f(x): return L()", "incorrect"),
        ("assert f(x=1, y=2) == 3\n", "def f(x, y): return x + y", "correct"),
        (
            "assert g(f(1)) == 3\nassert g(5) == 6\n",
            "def f(x): return x + 1\ndef g(x): return x + 1",
            "correct",
        ),
        ("assert sum(f(f(1))) == 3\n", "def f(x): return iter([1, 2])", "correct"),
        ("assert f(f(1)) == 1\n", "def f(x):\n    for _ in range(57): x = [x]\n    return x", "incorrect"),
        (
            "def right(x):\n    assert f(x) == x\n    return True\nassert all(map(right, [1, 2]))\n",
            "def f(x): raise StopIteration",
            "crash",
        ),
        ("pass\n", "def f(x): return 1", "unverifiable"),
        ("assert f( == 1\n", "def f(x): return 1", "unverifiable"),
        ("import not_there\nassert f(1) == 1\n", "def f(x): return 1", "unverifiable"),
        ("assert f(lambda: 1) == 1\n", "def f(x): return x()", "correct"),
        ("assert f(lambda: 1) == 1\n", "def f(x): return x", "incorrect"),
        ("assert f(object()) == 1\n", "def f(x): return 1", "unverifiable"),
    ],
)
def test_assertion_rows(best, tests, program, status):
    verdict = best.verify(assertions(tests), "", program)
    assert verdict.status == status, verdict.detail
    assert verdict.score == {"correct": 1.0, "unverifiable": None}.get(status, 0.0)


CLOSE = "def check(candidate):\n    assert not abs(candidate(2) - 4) > 1e-6\n"
EACH = "def check(candidate):\n    assert not any(abs(x - 4) > 1e-6 for x in candidate(2)['banana'])\n"
NAN = "def f(x):\n    return float('nan')\n"


@pytest.mark.parametrize(
    "tests, program, score",
    [
        (CLOSE, NAN, 0.0),
        (CLOSE, "def f(x):\n    return x * x\n", 1.0),
        (EACH, "def f(x):\n    return {'banana': [float('nan')]}\n", 0.0),
        (EACH, "def f(x):\n    return {'banana': [4.0]}\n", 1.0),
        ("import math\ndef check(candidate):\n    assert math.isnan(candidate(0))\n", NAN, 1.0),
        ("def check(candidate):\n    r = candidate(0)\n    assert r != r\n", NAN, 1.0),
        ("def check(candidate):\n    assert not candidate(float('inf')) > 1\n", NAN, 1.0),
    ],
)
def test_nan_is_right_only_where_the_tests_speak_of_it(best, tests, program, score):
    assert best.verify(assertions(tests), "", program).score == score


def test_helpers_of_the_prompt_are_the_prompts_not_the_candidates(best):
    prompt = 'def value(x):\n    return x * 2\n\ndef f(x):\n    """x with value(x) = 4"""\n'
    problem = assertions("assert value(f()) == 4\n", prompt=prompt)
    assert best.verify(problem, "", "def f():\n    return 2\n").score == 1.0
    assert best.verify(problem, "", "def f():\n    return 9\ndef value(x):\n    return 4\n").score == 0.0


def test_expected_values_never_enter_the_programs_process(best):
    program = (
        "import gc\n"
        "def add(a, b):\n"
        "    for held in gc.get_objects():\n"
        "        for o in held if isinstance(held, (list, tuple, dict)) else ():\n"
        "            if isinstance(o, str) and o.startswith('token-') and len(o) > 10:\n"
        "                return o\n"
    )
    problem = functions(tests=[{"args": [1, 2], "expected": "token-0123456789"}])
    assert best.verify(problem, "", program).status == "incorrect"


def test_partial_credit_is_told_and_the_verdict_stays_whole(best):
    verdict = best.verify(functions(), "", "def add(a, b):\n    return 4\n")
    assert verdict.score == 0.0
    assert "passed 1 of 3" in verdict.detail


@pytest.mark.parametrize(
    ("feedback", "shown"),
    [("status", []), ("input", ["[1, 2]", "got 9"]), ("expected", ["[1, 2]", "got 9", "expected 3"])],
)
def test_feedback_shows_what_was_asked_for(feedback, shown):
    verifier = CodeVerifier(allow_weak=True, feedback=feedback, partial=False)
    detail = verifier.verify(functions(), "", "def add(a, b):\n    return 9\n").detail
    verifier.close()
    for part in ("[1, 2]", "got 9", "expected 3"):
        assert (part in detail) is (part in shown), detail
    assert "\n" not in detail


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("1/2", "mapping"),
        ({}, "tests"),
        ({"entry": "f", "tests": []}, "empty"),
        ({"entry": "f", "tests": [{"args": 1, "expected": 1}]}, "args"),
        ({"tests": [{"args": [1], "expected": 1}]}, "stdin"),
        ({"entry": "f", "tests": [{"args": [], "expected": 1}], "time_limit": -1}, "time_limit"),
        ({"entry": "f", "tests": [{"args": [object()], "expected": 1}]}, "object"),
        ({"test_code": "assert f(1)"}, "entry"),
    ],
)
def test_a_reference_that_cannot_be_used_is_nobodys_fault(best, reference, words):
    verdict = best.verify(Problem("p", "", reference), "", RIGHT)
    assert (verdict.score, verdict.status) == (None, "unverifiable")
    assert words in verdict.detail


def test_below_standard_nothing_is_judged_unless_allowed():
    verdict = CodeVerifier(level="weak").verify(functions(), "", RIGHT)
    assert (verdict.score, verdict.status) == (None, "error")
    assert "weak" in verdict.detail


def test_a_layer_that_fails_gives_no_verdict(monkeypatch):
    monkeypatch.setattr(sandbox, "layers_for", lambda wanted: frozenset({"landlock", "seccomp"}))
    monkeypatch.setenv("TMPDIR", "/")
    verifier = CodeVerifier(level="standard")
    monkeypatch.setattr(launcher, "_BOOT", "raise SystemExit(1)")
    verdict = verifier.verify(functions(), "", RIGHT)
    assert (verdict.score, verdict.status) == (None, "error")
    assert "zygote" in verdict.detail


def test_a_zygote_that_died_with_nothing_to_do_is_replaced():
    verifier = CodeVerifier(allow_weak=True)
    assert verifier.verify(functions(), "", RIGHT).score == 1.0
    (zygote,) = verifier._programs._all
    zygote.process.kill()
    zygote.process.wait()
    assert verifier.verify(functions(), "", RIGHT).score == 1.0
    verifier.close()


@pytest.mark.parametrize(
    "program", ["import os\nos.write(4, b'x' * 60000)", "import os\nos.write(4, b'')\nos._exit(0)"]
)
def test_garbage_on_the_result_channel_is_the_programs_fault_at_any_moment(best, program):
    """Also when it arrives in the same read as the word that the layers stand."""
    for _ in range(10):
        assert best.verify(functions(), "", program).score == 0.0


@pytest.mark.parametrize("others", [0, 1, 2, 3, 300])
def test_a_program_has_its_own_descriptors_and_no_others(others):
    """Whatever number the zygote's socket had in the judge."""
    program = (
        "import os\n"
        "def held():\n"
        "    found = []\n"
        "    for fd in range(2000):\n"
        "        try: found.append((os.fstat(fd), fd)[1])\n"
        "        except OSError: pass\n"
        "    return found\n"
    )
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(others)]
    judge = CodeVerifier(allow_weak=True)
    try:
        problem = functions("held", [{"expected": [0, 1, 2, 3, 4]}])
        verdict = judge.verify(problem, "", program)
        assert verdict.score == 1.0, verdict.detail
        asserting = assertions("assert held() == [0, 1, 2, 3, 4, 5]\n", "held")
        assert judge.verify(asserting, "", program).score == 1.0
        shown = judge.verify(stdin(("", "[0, 1, 2, 3, 4]")), "", program + "print(held())\n")
        assert shown.score == 1.0, shown.detail
    finally:
        judge.close()
        for fd in opened:
            os.close(fd)


def test_frames_before_garbage_are_delivered():
    nonce = b"n" * wire.NONCE_BYTES
    splitter = wire.FrameSplitter(nonce)
    good = nonce + wire.frame(wire.READY, b"")
    frames = []
    with pytest.raises(ValueError, match="not a frame"):
        for frame in splitter.feed(good + b"garbage"):
            frames.append(frame)
    assert frames == [(wire.READY, b"")]
    whole = wire.FrameSplitter(nonce)
    assert [f for byte in good + good for f in whole.feed(bytes([byte]))] == [(wire.READY, b"")] * 2


def test_a_program_cannot_turn_its_zero_into_none(best):
    """Frames that say "a layer failed" count only before the program has begun."""
    program = (
        "import gc, os\n"
        "def add(a, b):\n"
        "    for o in gc.get_objects():\n"
        "        if type(o).__name__ == 'FrameWriter':\n"
        "            os.write(o.fd, o.nonce + b'!' + bytes(4))\n"
        "    os._exit(1)\n"
    )
    assert best.verify(functions(), "", program).score == 0.0


@pytest.mark.skipif(sandbox.level() == "weak", reason="nothing to withstand attacks with")
@pytest.mark.parametrize("level", [x for x in AVAILABLE if x != "weak"])
def test_our_own_attacks_come_to_nothing(level):
    results = attacks.self_attack(level)
    assert len(results) >= 12
    assert [attack for attack in results if not attack.held] == []


def test_every_layer_is_reported():
    layers = sandbox.probe()
    assert {layer.state for layer in layers} <= {"on", "off", "failed"}
    assert all(layer.reason for layer in layers if layer.state != "on")
    assert sandbox.level(()) == "weak"


def descriptors():
    folder = Path("/proc/self/fd")
    return {fd.name for fd in folder.iterdir()} if folder.is_dir() else set()


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = descriptors()
    verifier = CodeVerifier(allow_weak=True)
    programs = [
        RIGHT,
        "while True: pass",
        "import os\nos._exit(0)",
        "open('x', 'w').write('x')\n" + RIGHT,
        "1/0",
    ]
    problem = functions(time_limit=0.3)
    for program in programs * 3:
        verifier.verify(problem, "", program)
        verifier.verify(stdin(("", ""), time_limit=0.3), "", program)
        verifier.verify(assertions("assert add(1, 2) == 3\n", "add"), "", RIGHT)
    verifier.close()
    assert list(tmp_path.iterdir()) == []
    assert descriptors() == before


def test_threads_share_workers():
    verifier, scores = CodeVerifier(allow_weak=True, workers=2), []

    def judge(right):
        for _ in range(5):
            program = RIGHT if right else "def add(a, b):\n    return 0\n"
            scores.append((right, verifier.verify(functions(), "", program).score))

    threads = [threading.Thread(target=judge, args=(i % 2 == 0,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verifier.close()
    assert len(scores) == 20
    assert all(score == float(right) for right, score in scores)


def judge_in_child(verifier, queue):
    queue.put(verifier.verify(functions(), "", RIGHT).score)
    verifier.close()


def test_it_works_before_and_after_a_fork(best):
    assert best.verify(functions(), "", RIGHT).score == 1.0
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=judge_in_child, args=(best, queue))
    process.start()
    assert queue.get(timeout=30) == 1.0
    process.join()
    assert best.verify(functions(), "", RIGHT).score == 1.0


def test_it_can_be_sent_to_a_worker():
    verifier = pickle.loads(pickle.dumps(CodeVerifier(allow_weak=True, feedback="status")))
    assert verifier.feedback == "status"
    assert verifier.verify(functions(), "", RIGHT).score == 1.0
    verifier.close()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_zygotes_and_programs_die_with_a_killed_judge(tmp_path):
    script = (
        "import os, sys, threading, time\n"
        "from verifiers.code import CodeVerifier\n"
        "from verifiers.types import Problem\n"
        "v = CodeVerifier(allow_weak=True)\n"
        "p = Problem('p', '', {'entry': 'f', 'tests': [{'args': [], 'expected': 1}], 'time_limit': 60})\n"
        "threading.Thread(target=v.verify, args=(p, '', 'while True: pass'), daemon=True).start()\n"
        "while not v._programs._all: time.sleep(0.05)\n"
        "print(next(iter(v._programs._all)).process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    judge = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert judge.stdout is not None
    zygote = int(judge.stdout.readline())
    expected, below = (
        2 if sandbox.level() == "strong" else 1,
        [],
    )  # its init, where it has one, and the program
    deadline = time.monotonic() + 60
    while len(below) < expected and time.monotonic() < deadline:
        below = descendants(zygote)
        time.sleep(0.05)
    assert len(below) == expected
    judge.send_signal(signal.SIGKILL)
    judge.wait()
    judge.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(map(alive, [zygote, *below])):
        time.sleep(0.05)
    assert not any(map(alive, [zygote, *below]))
    assert list(tmp_path.iterdir()) == []


def test_importing_it_starts_and_imports_nothing_heavy():
    code = (
        "import sys, verifiers.code.verifier; print(sorted({'torch', 'numpy', 'sympy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64"])
def test_the_filter_is_built_for_known_machines_only(machine, monkeypatch):
    from verifiers.code import seccomp

    monkeypatch.setattr(seccomp, "MACHINE", machine)
    if machine == "riscv64":
        with pytest.raises(OSError, match="riscv64"):
            seccomp.program()
        return
    code = seccomp.program()
    assert len(code) % 8 == 0
    for at in range(0, len(code), 8):  # every jump stays inside, and the last instruction returns
        operation, yes, no = code[at], code[at + 2], code[at + 3]
        if operation & 7 == 5:
            assert at // 8 + 1 + max(yes, no) < len(code) // 8
    assert code[-8] == 6


def test_on_another_system_it_imports_and_says_weak():
    code = (
        "import sys; sys.platform = 'darwin'\n"
        "from verifiers.code import CodeVerifier, sandbox\n"
        "layers = (sandbox.Layer('namespaces', 'off', 'Linux only'), sandbox.Layer('limits', 'on'))\n"
        "print(sandbox.level(layers))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "weak", done.stderr


def test_it_runs_without_what_only_linux_has(monkeypatch):
    """As on macOS: no pidfd, no memfd, no waitid, none of the Linux limits."""
    missing = "import sys, os; sys.platform = 'darwin'; del os.pidfd_open, os.waitid;"
    monkeypatch.setattr(launcher, "_BOOT", missing + launcher._BOOT)
    monkeypatch.delattr("os.memfd_create")
    verifier = CodeVerifier(level="weak", allow_weak=True)
    slow = "def add(a, b):\n    while True: pass\n"
    assert verifier.verify(functions(), "", RIGHT).status == "correct"
    assert verifier.verify(functions(), "", slow).status == "timeout"
    assert verifier.verify(stdin(("1", "2")), "", "print(int(input()) + 1)").status == "correct"
    assert verifier.verify(assertions("assert f(1) == 2\n"), "", "def f(x): return x + 1").status == "correct"
    verifier.close()


@pytest.mark.parametrize(
    ("tests", "program", "score"),
    [
        ("x = [3, 1]\nr = f(x)\nassert r == sorted(x)\n", "def f(x):\n    x.clear()\n    return []\n", 0.0),
        ("x = [3, 1]\nr = f(x)\nassert r == sorted(x)\n", "def f(x):\n    x.sort()\n    return x\n", 1.0),
        ("x = [3, 1]\nf(x)\nassert x == sorted(x)\n", "def f(x):\n    x.sort()\n", 1.0),
        ("x = [3, 1]\nr = f(x)\nassert r == 1 and x == [3]\n", "def f(x):\n    return x.pop()\n", 1.0),
        ("x = {1: 2}\nr = f(x)\nassert r == len(x)\n", "def f(x):\n    x.clear()\n    return 0\n", 0.0),
    ],
)
def test_an_argument_that_was_emptied_judges_nothing(best, tests, program, score):
    assert best.verify(assertions(tests), "", program).score == score
