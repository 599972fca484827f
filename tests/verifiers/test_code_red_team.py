"""Programs that go for the machinery, at every level, as this user and as one without rights (see `red_team`)."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import red_team
import strangers

from verifiers.code import sandbox

LEVELS = sandbox.LEVELS[1 : sandbox.LEVELS.index(sandbox.level()) + 1]

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(not LEVELS, reason="this machine has no sandbox for hostile programs"),
]


@pytest.mark.parametrize("name", red_team.CASES)
def test_a_program_gains_nothing(name: str):
    assert red_team.failures(LEVELS[-1], [name]) == []


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS[:-1])
def test_nor_at_the_other_levels(level: sandbox.Level):
    assert red_team.failures(level) == []


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_nor_as_a_user_without_rights(level: sandbox.Level):
    python = strangers.needed_python()
    with strangers.checkout() as folder:
        done = strangers.run([python, "-B", str(folder / "tests/verifiers/red_team.py"), level])
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 0)


UNUSABLE = ("RT-T03", "RT-T06", "RT-T21")
"""Rows whose tests use what nobody defines, or cannot fail: no program has a verdict."""


@pytest.mark.parametrize("user", ["this user", pytest.param("a stranger", marks=pytest.mark.slow)])
@pytest.mark.parametrize("level", LEVELS)
def test_the_rows_of_the_red_team(exams: Path, level: sandbox.Level, user: str, tmp_path: Path):
    rows = exams / "field" / "redteam_dev.jsonl"
    if not rows.is_file():
        pytest.skip("the red team's rows are not beside this checkout (../shared/exams/field)")
    python = sys.executable if user == "this user" else strangers.needed_python()
    run = partial(subprocess.run, capture_output=True, text=True) if user == "this user" else strangers.run
    with strangers.checkout() as folder:
        (folder / "rows.jsonl").write_text(rows.read_text())
        (folder / "rows.jsonl").chmod(0o644)
        script = folder / "tests/verifiers/red_team.py"
        done = run([python, "-B", str(script), level, str(folder / "rows.jsonl")])
    assert (done.stderr, done.returncode) == ("", 0)
    verdicts = {name: (score, status, seconds) for name, score, status, seconds in json.loads(done.stdout)}
    assert len(verdicts) >= 15
    for name, (score, status, seconds) in verdicts.items():
        expected = None if name.startswith(UNUSABLE) else 0.0
        assert score == expected, (name, score, status)
        assert seconds < 12, name  # two time limits of 2 s, and what the machine takes


SCARCE = """
import resource, sys, threading, time
from verifiers import Problem
from verifiers.code import CodeVerifier, sandbox

HOG = '''
import _thread, threading, time
threading.stack_size(32768)
def f(x):
    end = time.time() + 3.5
    while time.time() < end:
        try: _thread.start_new_thread(time.sleep, (30,))
        except RuntimeError: time.sleep(0.001)
    return -1
'''
sandbox.probe()
resource.setrlimit(resource.RLIMIT_NPROC, (90, 90))
limits = {"time_limit": 4, "memory_mb": 256}
problem = Problem("p", "", {"entry": "f", "tests": [{"args": [3], "expected": 9}], **limits})
hog = CodeVerifier(level=sys.argv[1])
thread = threading.Thread(target=lambda: [hog.verify(problem, "", HOG) for _ in range(6)])
thread.start()
time.sleep(0.05)
for _ in range(4):
    beside = CodeVerifier(level=sys.argv[1])
    print(beside.verify(problem, "", "def f(x): return x * x").score)
    beside.close()
thread.join()
hog.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_a_program_that_holds_every_thread_does_not_cost_its_neighbours_their_verdict(level: sandbox.Level):
    """Where a user may have ninety processes and threads in all."""
    python = strangers.needed_python()
    with strangers.checkout() as folder:
        done = strangers.run([python, "-B", "-c", SCARCE, level], env={"PYTHONPATH": str(folder)})
    assert (done.stdout.split(), done.stderr) == (["1.0"] * 4, "")
