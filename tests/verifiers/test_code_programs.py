"""Hostile and honest programs at every level that this machine allows, as this user and as one without rights."""

from __future__ import annotations

import re
from pathlib import Path

import judging
import pytest
import strangers

from verifiers.code import CodeVerifier, libc, sandbox, seccomp
from verifiers.types import Problem

LEVELS = [
    level
    for level in sandbox.LEVELS[1:]
    if sandbox.LEVELS.index(level) <= sandbox.LEVELS.index(sandbox.level())
]
BEST_FIRST = [*LEVELS[-1:], *(pytest.param(level, marks=pytest.mark.slow) for level in LEVELS[:-1])]


@pytest.mark.serial
@pytest.mark.parametrize("level", BEST_FIRST)
def test_hostile_programs_gain_nothing_and_honest_ones_pass(level: sandbox.Level):
    assert judging.failures(level) == []


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.parametrize("level", LEVELS)
def test_also_for_a_user_without_rights(level: sandbox.Level):
    python = strangers.needed_python()
    with strangers.checkout() as folder:
        done = strangers.run([python, "-B", str(folder / "tests/verifiers/judging.py"), level])
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 0)


CALL_EVERYTHING = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
SKIP = {skip}
def answer():
    refused = []
    for number in range(480):
        if number in SKIP:
            continue
        ctypes.set_errno(0)
        result = libc.syscall(number, -1, -1, -1, -1, -1, -1)
        if result == -1 and ctypes.get_errno() in (1, 38):
            refused.append(number)
    return refused
"""


PAIRS = """
import socket
def answer():
    made = []
    for kind in ("SOCK_STREAM", "SOCK_DGRAM", "SOCK_SEQPACKET", "SOCK_RAW"):
        try:
            pair = socket.socketpair(socket.AF_UNIX, getattr(socket, kind) | socket.SOCK_CLOEXEC)
        except OSError:
            continue
        made.append(kind)
        for end in pair:
            end.close()
    return made
"""


@pytest.mark.parametrize("level", LEVELS)
def test_a_pair_of_sockets_reaches_its_other_end_alone(level: sandbox.Level):
    """Only streams: a datagram may be sent to any address."""
    verifier = CodeVerifier(allow_weak=True, level=level)
    tests = [{"args": [], "expected": ["SOCK_STREAM"]}]
    verdict = verifier.verify(Problem("pairs", "", {"entry": "answer", "tests": tests}), "", PAIRS)
    verifier.close()
    assert verdict.score == 1.0, verdict


@pytest.mark.skipif(seccomp.MACHINE != "x86_64", reason="the numbers are those of x86-64")
@pytest.mark.parametrize("level", LEVELS)
def test_no_system_call_passes_that_is_not_in_the_table(level: sandbox.Level):
    """Each is made with arguments that mean nothing; what is not refused must stand in the table."""
    tables = seccomp._ALLOWED + seccomp._WITHOUT_EFFECT + seccomp._NOT_SUPPORTED
    allowed = {int(entry.split(":")[1]) for entry in tables.split() if entry.split(":")[1] != "-"}
    by_argument = {
        numbers[0] for name, numbers in seccomp._NUMBERS.items() if name not in ("clone3", "openat2")
    }
    # calls that end, stop or blind whoever makes them, or only ever wait
    # (335 and 336, the kernel's own return probes, pass every filter, and kill who calls them from elsewhere)
    waits = "335 336 0 3 7 11 12 15 23 34 35 37 60 61 128 130 202 219 230 231 232 247 270 271 281 436 441"
    skip = set(map(int, waits.split()))
    verifier = CodeVerifier(level=level)
    must = sorted(set(range(480)) - allowed - by_argument - skip)
    exact = Problem("p", "", {"entry": "answer", "tests": [{"expected": must}], "time_limit": 5})
    program = CALL_EVERYTHING.format(skip=skip | allowed | by_argument)
    verdict = verifier.verify(exact, "", program)
    verifier.close()
    assert verdict.score == 1.0, verdict.detail


def numbers_in(header: Path) -> dict[str, int]:
    """Name → number of a kernel header; `__NR3264_` marks those that have another name on 32 bits."""
    found = re.findall(r"#define\s+__NR(3264)?_(\w+)\s+(\d+)\b", header.read_text())
    return {name: int(number) for _, name, number in found}


@pytest.mark.parametrize(
    ("column", "header"),
    [(1, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), (2, "/usr/include/asm-generic/unistd.h")],
    ids=["x86_64", "aarch64"],
)
def test_the_numbers_of_system_calls_are_the_kernels(column: int, header: str):
    if not Path(header).exists():
        pytest.skip(f"{header} is not installed")
    known = numbers_in(Path(header))
    known.setdefault("newfstatat", known.get("fstatat", -1))
    tables = seccomp._ALLOWED + seccomp._WITHOUT_EFFECT + seccomp._NOT_SUPPORTED
    entries = [tuple(entry.split(":")) for entry in tables.split()]
    for numbers in (seccomp._NUMBERS, libc._NUMBERS):
        entries += [(name, *("-" if n is None else str(n) for n in pair)) for name, pair in numbers.items()]
    ours = {entry[0]: int(entry[column]) for entry in entries if entry[column] != "-"}
    recent = {"fchmodat2", "futex_waitv", "mount_setattr"} - set(known)  # headers older than the call
    assert len(ours) > 120
    assert {name: known.get(name) for name in set(ours) - recent} == {n: ours[n] for n in set(ours) - recent}


def test_the_programs_init_is_neither_the_program_nor_reachable():
    """At the strong level the program is a child of process 1, which no signal of its own reaches."""
    if "strong" not in LEVELS:
        pytest.skip("no namespaces here")
    program = "import os\ndef answer():\n    return [os.getpid() > 1, os.getppid()]\n"
    verifier = CodeVerifier(level="strong")
    problem = Problem("p", "", {"entry": "answer", "tests": [{"expected": [True, 1]}]})
    for _ in range(3):
        assert verifier.verify(problem, "", program).score == 1.0
    verifier.close()


def test_what_outlives_a_program_is_killed_by_its_init(tmp_path: Path):
    """With seccomp off, a program may fork; the init of its namespace still ends everybody before the next verdict."""
    if "strong" not in LEVELS:
        pytest.skip("no namespaces here")
    program = (
        "import os, time\n"
        "def answer():\n"
        "    for _ in range(20):\n"
        "        if os.fork() == 0:\n"
        "            os.setsid()\n"
        "            for _ in range(3): os.fork()\n"
        "            while True: time.sleep(1)\n"
        "    return 1\n"
    )
    verifier = CodeVerifier(allow_weak=True)
    verifier._programs.layers = lambda: frozenset({"namespaces"})
    problem = Problem("p", "", {"entry": "answer", "tests": [{"expected": 1}], "time_limit": 20})
    for _ in range(3):
        assert verifier.verify(problem, "", program).score == 1.0
        (zygote,) = verifier._programs._all
        assert len(judging.descendants(zygote.process.pid)) == 1  # the init alone
    verifier.close()


def test_frames_that_nobody_asked_for_do_not_fill_the_judge():
    """A program that finds its nonce may write frames as fast as it can; the judge keeps a bounded number of them."""
    import resource

    verifier = CodeVerifier(allow_weak=True)
    problem = judging.hostile_problem("stdin", "x", time_limit=3)
    verifier.verify(problem, "", "print(1)")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verdict = verifier.verify(
        problem, "", judging.PROGRAMS["stdin forge: frames without end, of what only functions answer"]
    )
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verifier.close()
    assert verdict.status == "output", verdict
    assert after - before < 256 << 10  # KiB
