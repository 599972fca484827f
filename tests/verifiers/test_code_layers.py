"""A layer that holds when it is probed and fails later, in a program's own process, makes the verdict None."""

from __future__ import annotations

import subprocess
import sys

import pytest
import strangers

from verifiers.code import sandbox

LEVELS = sandbox.LEVELS[1 : sandbox.LEVELS.index(sandbox.level()) + 1]
JUDGE = """
import ctypes, os
from verifiers import Problem
from verifiers.code import CodeVerifier, landlock, libc, sandbox, seccomp
from verifiers.code.seccomp import _ALLOW, _ARGUMENT, _EQUAL, _ERRNO, _INSTRUCTION, _LOAD, _NR, _RETURN

level = {level!r}
COLUMN = 0 if libc.MACHINE == "x86_64" else 1
CALLS = {{"landlock_restrict_self": (446, 446), "capset": (126, 91), "prctl": (157, 167), "unshare": (272, 97)}}

def deny(name, first):
    "From now on, this process and its children are refused the call, with this first argument where one is given."
    refusal = [] if first is None else [(_LOAD, 0, 0, _ARGUMENT[0]), (_EQUAL, 0, 1, first)]
    refusal.append((_RETURN, 0, 0, _ERRNO | 1))
    steps = [(_LOAD, 0, 0, _NR), (_EQUAL, 0, len(refusal), CALLS[name][COLUMN]), *refusal, (_RETURN, 0, 0, _ALLOW)]
    code = b"".join(_INSTRUCTION.pack(*step) for step in steps)
    held = ctypes.create_string_buffer(code, len(code))
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    libc.prctl(libc.PR_SET_SECCOMP, 2, ctypes.byref(seccomp._Program(len(steps), ctypes.addressof(held))))

def exhaust_landlock():
    "A process may be restricted 16 times; this one, and so its children, have been."
    rules = landlock._RulesetAttr(landlock.MAKE_SYM, 0, 0)
    fd = libc.syscall("landlock_create_ruleset", ctypes.byref(rules), 8, 0)
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    for _ in range(16):
        landlock.enforce(fd)

problem = Problem("p", "", {{"entry": "f", "tests": [{{"expected": 1}}]}})
programs = ["def f():\\n    return 1\\n", "def f():\\n    return 2\\n"]
before = CodeVerifier(level=level)
print(*[before.verify(problem, "", program).score for program in programs])
before.close()
{failure}
verifier = CodeVerifier(level=level)
for program in programs:
    verdict = verifier.verify(problem, "", program)
    print(verdict.score, verdict.status, verdict.detail)
verifier.close()
"""
FAILURES = [
    ("standard", "deny('landlock_restrict_self', None)", "landlock_restrict_self"),
    ("standard", "exhaust_landlock()", "landlock_restrict_self"),
    ("standard", "deny('prctl', libc.PR_SET_SECCOMP)", "prctl(22)"),
    ("standard", "deny('prctl', libc.PR_SET_PDEATHSIG)", "prctl(1)"),
    ("standard", "deny('capset', None)", "capset"),
    ("strong", "deny('prctl', libc.PR_SET_SECCOMP)", "prctl(22)"),
    ("strong", "deny('capset', None)", "capset"),
    ("strong", "deny('unshare', None)", "unshare"),
]


@pytest.mark.parametrize(("level", "failure", "word"), FAILURES)
def test_a_layer_that_fails_in_the_programs_process_gives_no_verdict(level, failure, word):
    """Really: by a filter that the judge and all below it are under, or by a limit that is spent."""
    if level not in LEVELS:
        pytest.skip(f"no level {level} here")
    script = JUDGE.format(level=level, failure=failure)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=strangers.REPO, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    stood, *failed = done.stdout.splitlines()
    assert stood == "1.0 0.0"  # the layers stand on this machine
    assert len(failed) == 2
    assert all(line.startswith("None error sandbox: ") and word in line for line in failed), failed
