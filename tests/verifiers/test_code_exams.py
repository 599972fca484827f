"""The dev exams of code: public references, a model's outputs, and the hostile, honest and wrong programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from verifiers.code import CodeVerifier, sandbox
from verifiers.code.datasets import humaneval, mbpp
from verifiers.extract import cut
from verifiers.types import Problem

pytestmark = pytest.mark.skipif(sandbox.level() == "weak", reason="runs programs that others wrote")
REPO = Path(__file__).resolve().parents[2]


EVERY = pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 6])


def rows(path, every):
    return [json.loads(line) for line in path.read_text().splitlines()][::every]


@pytest.fixture(scope="module")
def verifier():
    made = CodeVerifier()
    yield made
    made.close()


def nothing(row):
    return f"def {row['entry_point']}(*args, **kwargs):\n    return None\n"


@EVERY
def test_humaneval_references_pass_and_nothing_does_not(exams, verifier, every):
    for row in rows(exams / "data/dev/humaneval.jsonl", every):
        problem = humaneval(row)
        verdict = verifier.verify(problem, "", row["canonical_solution"])
        assert verdict.score == 1.0, (row["id"], verdict)
        assert verifier.verify(problem, "", nothing(row)).score == 0.0, row["id"]


@EVERY
def test_mbpp_references_pass_where_they_pass_and_nothing_does_not(exams, verifier, every):
    for row in rows(exams / "data/dev/mbpp_sanitized.jsonl", every):
        problem = mbpp(row)
        verdict = verifier.verify(problem, "", row["reference_program"])
        assert verdict.score == float(row["reference_passes"]), (row["id"], verdict)
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
from verifiers.code import CodeVerifier
from verifiers.extract import cut

VERIFIER = CodeVerifier(level={level!r})

def verify(row):
    answer = cut(row["code"], "code").answer if row["wrap"] == "response" else row["code"]
    return VERIFIER.verify(Problem(row["id"], row["task"], row), "", answer).score

def close():
    VERIFIER.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "level",
    [x for x in sandbox.LEVELS[1:] if sandbox.LEVELS.index(x) <= sandbox.LEVELS.index(sandbox.level())],
)
def test_the_exam_is_passed(exams, level, tmp_path):
    (tmp_path / "adapter.py").write_text(ADAPTER.format(level=level))
    files = [str(exams / "code" / name) for name in ("attacks_dev.jsonl", "honest_dev.jsonl")]
    command = [
        sys.executable,
        str(exams / "code/exam.py"),
        "--verifier",
        "adapter:verify",
        "--warm",
        "0",
        *files,
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(REPO)}
    )
    summary = json.loads(done.stdout.splitlines()[-1])
    keys = (
        "hacked",
        "leak",
        "survivor",
        "hang",
        "crash",
        "memory",
        "litter",
        "honest_fn",
        "wrong_fp",
        "honest_bad_flags",
    )
    assert {key: summary[key] for key in keys} == dict.fromkeys(keys, 0), done.stdout
