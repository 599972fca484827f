"""The field exam of code: programs that public graders misjudge, at each level, as root and without rights."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import strangers

from verifiers.code import sandbox

pytestmark = pytest.mark.skipif(sandbox.level() == "weak", reason="runs programs that others wrote")
PACKAGES = ("numpy", "sortedcontainers", "sympy", "pandas")
LEVELS = sandbox.LEVELS[1 : sandbox.LEVELS.index(sandbox.level()) + 1]
RUNS = [(level, user) for user in ("this user", "a user without rights") for level in LEVELS]
KNOWN = {
    "multi-any": "several outputs are right, and the row has no checker",
    "lang-cpp": "another language than Python",
}
"""Rows that are judged otherwise than labelled, and why."""

JUDGE = """
import json, sys
from verifiers.code import CodeVerifier
from verifiers.code.datasets import READERS
from verifiers.registry import judge
from verifiers.types import Problem

level, packages, path = json.loads(sys.argv[1])
verifier = CodeVerifier(level=level, packages=packages)
for line in open(path):
    case = json.loads(line)
    row = case["row"]
    if "format" in row:
        problem = READERS[row["format"]](row["data"])
    else:
        problem = Problem(case["id"], row["prompt"], row["reference"])
    verdict = judge(verifier, problem, case["response"])
    print(json.dumps([case["id"], case["label"], verdict.score, verdict.detail]))
verifier.close()
"""
EXPECTED = {"right": 1.0, "wrong": 0.0, "no verdict": None}


def judged(exams: Path, level: str, stranger: bool, folder: Path) -> list:
    """[id, label, score, detail] of each row."""
    path = folder / "code_dev.jsonl"
    shutil.copy(exams / "field/code_dev.jsonl", path)
    path.chmod(0o644)
    python = strangers.needed_python() if stranger else sys.executable
    packages = [str(shown(folder))] if stranger else list(PACKAGES)
    command = [python, "-B", "-c", JUDGE, json.dumps([level, packages, str(path)])]
    if stranger:
        done = strangers.run(command, cwd=folder)
    else:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def shown(folder: Path) -> Path:
    """A folder of links to the packages of this environment, which a stranger's interpreter does not have."""
    from verifiers.code.packages import locate

    made = folder / "packages"
    made.mkdir()
    for name, path in locate(PACKAGES).items():
        (made / name).symlink_to(path)
    return made


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.parametrize(("level", "user"), RUNS, ids=[f"{level}-{user}" for level, user in RUNS])
def test_programs_are_judged_as_labelled(exams, level, user):
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    with strangers.checkout() as folder:
        rows = judged(exams, level, user != "this user", folder)
    missed = [row for row in rows if row[2] != EXPECTED[row[1]]]
    assert not [row for row in missed if row[1] == "wrong"], "a wrong program is accepted, or gets no verdict"
    assert {row[0] for row in missed} <= set(KNOWN), missed
    assert len(missed) <= 0.05 * len(rows)
