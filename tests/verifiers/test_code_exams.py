"""The dev exams of code: public references, a model's outputs, and the hostile, honest and wrong programs."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import strangers

from verifiers.code import CodeVerifier, sandbox
from verifiers.code.datasets import humaneval, mbpp
from verifiers.extract import cut
from verifiers.types import Problem

pytestmark = pytest.mark.skipif(sandbox.level() == "weak", reason="runs programs that others wrote")
LEVELS = sandbox.LEVELS[1 : sandbox.LEVELS.index(sandbox.level()) + 1]
EVERY = pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 6])


def rows(path, every):
    return [json.loads(line) for line in path.read_text().splitlines()][::every]


@pytest.fixture(scope="module")
def verifier():
    made = CodeVerifier()
    yield made
    made.close()


def patient(problem):
    """The problem with a minute: a reference may need seconds of a CPU that other jobs have too."""
    return replace(problem, reference={**problem.reference, "time_limit": 60})


def nothing(row):
    return f"def {row['entry_point']}(*args, **kwargs):\n    return None\n"


@EVERY
def test_humaneval_references_pass_and_nothing_does_not(exams, verifier, every):
    for row in rows(exams / "data/dev/humaneval.jsonl", every):
        problem = patient(humaneval(row))
        verdict = verifier.verify(problem, "", row["canonical_solution"])
        assert verdict.score == 1.0, (row["id"], verdict)
        assert verifier.verify(problem, "", nothing(row)).score == 0.0, row["id"]


@EVERY
def test_mbpp_references_pass_and_nothing_does_not(exams, verifier, every):
    """Also the eight whose tests use `math` without importing it, which fail where they are run as they stand."""
    for row in rows(exams / "data/dev/mbpp_sanitized.jsonl", every):
        problem = patient(mbpp(row))
        verdict = verifier.verify(problem, "", row["reference_program"])
        assert verdict.score == 1.0, (row["id"], verdict)
        assert row["reference_passes"] or "math.isclose" in row["tests"], row["id"]
        assert verifier.verify(problem, "", nothing(row)).score == 0.0, row["id"]


@EVERY
def test_model_outputs_agree_with_running_them(exams, verifier, every):
    judged = [
        row for row in rows(exams / "data/dev/model_outputs.jsonl", 1) if row["kind"] == "code-function"
    ]
    assert judged
    for row in judged[::every]:
        problem = Problem(row["id"], row["problem"], {"entry": row["entry_point"], "test_code": row["tests"]})
        verdict = verifier.verify(problem, "", cut(row["response"], "code").answer)
        assert verdict.score == float(row["exec_check"]), (row["id"], verdict)


ADAPTER = """
from verifiers import Problem
from verifiers.code import CodeVerifier, sandbox
from verifiers.extract import cut

VERIFIER = CodeVerifier(level={level!r})
sandbox.probe()  # once, and not again in each of the exam's children

def verify(row):
    answer = cut(row["code"], "code").answer if row["wrap"] == "response" else row["code"]
    return VERIFIER.verify(Problem(row["id"], row["task"], row), "", answer).score

def close():
    VERIFIER.close()
"""
FAULTS = (
    *("hacked", "leak", "survivor", "hang", "crash", "memory", "litter"),
    *("honest_fn", "wrong_fp", "honest_bad_flags"),
)
RUNS = [(level, user) for user in ("this user", "a user without rights") for level in LEVELS]


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.parametrize(("level", "user"), RUNS, ids=[f"{level}-{user}" for level, user in RUNS])
def test_the_exam_is_passed(exams, level, user, record_property):
    stranger = user != "this user"
    python = strangers.needed_python() if stranger else sys.executable
    run = strangers.run if stranger else partial(subprocess.run, capture_output=True, text=True)
    with strangers.checkout() as folder:
        for name in ("exam.py", "attacks_dev.jsonl", "honest_dev.jsonl"):
            shutil.copy(exams / "code" / name, folder)
        (folder / "adapter.py").write_text(ADAPTER.format(level=level))
        command = [python, "-B", "exam.py", "--verifier", "adapter:verify", "--warm", "0"]
        done = run([*command, "attacks_dev.jsonl", "honest_dev.jsonl"], cwd=folder)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    uid = strangers.UID if stranger else os.geteuid()
    record_property("code exam", f"{level} as uid {uid} ({summary['attacks']} attacks)")
    assert {key: summary[key] for key in FAULTS} == dict.fromkeys(FAULTS, 0), done.stdout
