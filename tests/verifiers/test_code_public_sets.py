"""HumanEval and MBPP in the forms of six public sets: their own solutions pass, and programs of no use do not.

The rows of HumanEval+, MBPP+, KodCode and LeetCodeDataset are made here, from those of HumanEval and MBPP and the
templates that EvalPlus and the others publish: the real ones are on the Hub.
"""

import ast
import copy
import json
import signal
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from verifiers.code import CodeVerifier
from verifiers.code.datasets import READERS
from verifiers.self_test import self_test

LEAST = 0.98
PLUS = """import numpy as np

def is_floats(x) -> bool:
    if isinstance(x, float):
        return True
    if isinstance(x, (list, tuple)):
        return all(isinstance(i, float) for i in x)
    if isinstance(x, np.ndarray):
        return x.dtype == np.float64 or x.dtype == np.float32
    return False

def assertion(out, exp, atol):
    exact_match = out == exp
    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if not exact_match and atol != 0:
        assert type(out) == type(exp), f"out = {out}, exp = {exp}"
        if isinstance(exp, (list, tuple)):
            assert len(out) == len(exp), f"out = {out}, exp = {exp}"
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert exact_match, f"out = {out}, exp = {exp}"

"""


def rows(exams: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (exams / "data" / "dev" / f"{name}.jsonl").open()]


def native(row: dict[str, Any]) -> Callable:
    """The row's own solution, in this process."""
    names: dict[str, Any] = {}
    exec(row.get("reference_program") or row["prompt"] + row["canonical_solution"], names)
    return names[row["entry_point"].strip()]


def called_with(row: dict[str, Any]) -> Iterator[list]:
    """The arguments that the row's tests pass, where they are written out."""
    for node in ast.walk(ast.parse(row["tests"])):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("candidate", row["entry_point"].strip()):
            try:
                yield [ast.literal_eval(arg) for arg in node.args]
            except ValueError:
                continue


def plus(row: dict[str, Any]) -> str | None:
    """A row as EvalPlus writes it: inputs, results, and a comparison by numpy."""
    solution = native(row)
    signal.alarm(20)
    inputs = list(called_with(row))
    results = [solution(*copy.deepcopy(args)) for args in inputs]
    signal.alarm(0)
    if not inputs:
        return None
    body = f"inputs = {inputs!r}\nresults = {results!r}\n"
    return (
        body + "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(CALLED(*inp), exp, 0)\n"
    )


def humaneval(exams):
    return [
        {**row, "task_id": row["id"], "test": row["tests"]} for row in rows(exams, "humaneval")
    ], "humaneval"


def humaneval_plus(exams):
    made = []
    for row in rows(exams, "humaneval"):
        if (body := plus(row)) is not None:
            check = textwrap.indent(body.replace("CALLED", "candidate"), "    ")
            made.append({**row, "task_id": row["id"], "test": f"{PLUS}def check(candidate):\n{check}"})
    return made, "humaneval"


def kodcode(exams):
    made = []
    for row in rows(exams, "humaneval"):
        tests = f"import pytest\nfrom solution import {row['entry_point']}\n{row['tests']}\n\n"
        tests += (
            f"def test_all():\n    check({row['entry_point']})\n\n@pytest.mark.parametrize('times', [1, 2])\n"
        )
        tests += f"def test_again(times):\n    for _ in range(times):\n        check({row['entry_point']})\n"
        whole = row["prompt"] + row["canonical_solution"]
        question = f"Write a function.\n{row['prompt']}"
        made.append({"question_id": row["id"], "question": question, "solution": whole, "test": tests})
    return made, "code"


def leetcode(exams):
    """A class `Solution`, whose header names types that only the row's imports give."""
    made = []
    for row in rows(exams, "humaneval"):
        tree = ast.parse(row["prompt"] + row["canonical_solution"])
        (function,) = [
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name == row["entry_point"]
        ]
        others = [node for node in tree.body if node is not function]
        if any(isinstance(node, ast.FunctionDef) for node in others) or any(
            isinstance(node, ast.Name) and node.id == function.name for node in ast.walk(function)
        ):
            continue
        function.args.args.insert(0, ast.arg("self"))
        imports = "\n".join(map(ast.unparse, others)) + "\nfrom typing import *\nimport math, re, hashlib\n"
        whole = ast.unparse(ast.ClassDef("Solution", [], [], [function], []))
        made.append(
            {
                "task_id": row["id"],
                "prompt": imports,
                "query": f"Write a method.\n```python\nclass Solution:\n    def {function.name}(self, …)\n```",
                "completion": whole,
                "entry_point": f"Solution().{function.name}",
                "test": row["tests"],
            }
        )
    return made, "code"


def mbpp(exams):
    made = []
    for row in rows(exams, "mbpp_sanitized"):
        asserts = [line.strip() for line in row["tests"].split("\n") if line.strip().startswith("assert")]
        made.append(
            {
                "task_id": row["id"],
                "prompt": "Write a function.",
                "code": row["reference_program"],
                "test_imports": ["import math"],
                "test_list": asserts,
            }
        )
    return made, "mbpp"


def mbpp_plus(exams):
    made, _ = mbpp(exams)
    for row, plain in zip(made, rows(exams, "mbpp_sanitized"), strict=True):
        if (body := plus(plain)) is not None:
            row["test"] = PLUS + body.replace("CALLED", plain["entry_point"].strip())
    return [row for row in made if "test" in row], "mbpp"


FORMS = [humaneval, humaneval_plus, kodcode, leetcode, mbpp, mbpp_plus]


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_their_own_solutions_pass_in_every_form(form, exams, record_property):
    made, reader = form(exams)
    assert len(made) >= 100
    verifier = CodeVerifier(allow_weak=True)
    try:
        tested = self_test([READERS[reader](row) for row in made], verifier)
    finally:
        verifier.close()
    print(form.__name__, len(made), tested)
    assert tested.untestable == []
    assert tested.own_accepted / tested.problems >= LEAST, tested
    assert tested.share_wrong_accepted == 0, tested
