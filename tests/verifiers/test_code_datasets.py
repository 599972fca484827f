"""Rows of public data sets become problems that judge as the data set means: right programs pass, wrong ones do not."""

import base64
import json
import os
import pickle
import zlib

import pytest

from verifiers.code import CodeVerifier
from verifiers.code.datasets import apps, humaneval, livecodebench, mbpp
from verifiers.code.formats import BadReferenceError

ADD = "def add(a, b):\n    return a + b\n"
METHOD = "class Solution:\n    def add(self, a, b):\n        return a + b\n"
PLUS = "print(sum(map(int, open(0).read().split())))"


@pytest.fixture(scope="module")
def verifier():
    made = CodeVerifier(allow_weak=True)
    yield made
    made.close()


def apps_row(inputs, outputs, **more):
    tests = {"inputs": inputs, "outputs": outputs} | ({"fn_name": more.pop("fn")} if "fn" in more else {})
    return {"problem_id": 7, "question": "Add.", "input_output": json.dumps(tests), **more}


def lcb_row(cases, **more):
    return {"question_id": "q", "question_content": "Add.", "public_test_cases": json.dumps(cases), **more}


def published(cases):
    """As LiveCodeBench ships its private tests."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


FUNCTIONAL = {"input": "1\n2", "output": "3", "testtype": "functional"}
NAMED = {"metadata": json.dumps({"func_name": "add"})}
LINE = {"input": "1 2\n", "output": "3\n", "testtype": "stdin"}
HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": 'from typing import List\n\n\ndef add(a: int, b: int) -> int:\n    """Add."""\n',
    "test": "\n\ndef check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(b=2, a=2) == 4\n",
    "entry_point": "add",
}
MBPP = {"task_id": 3, "text": "Add.", "test_list": ["assert add(1, 2) == 3", "assert add(2, 2)==4"]}

ROWS = {
    "humaneval, a body": (humaneval(HUMANEVAL), "    return a + b\n", "    return a - b\n"),
    "humaneval, a function": (humaneval(HUMANEVAL), ADD, "def add(a, b):\n    return 3\n"),
    "humaneval, the prompt's own helper": (
        humaneval({**HUMANEVAL, "prompt": "def two():\n    return 2\n\n" + HUMANEVAL["prompt"]}),
        "    return a + b * two() // two()\n",
        "    return two()\n",
    ),
    "mbpp, old columns": (mbpp({**MBPP, "test_setup_code": ""}), ADD, "def add(a, b): return 3"),
    "mbpp, sanitized": (
        mbpp(
            {
                "task_id": 4,
                "prompt": "Add.",
                "test_imports": ["import math"],
                "test_list": ["assert math.isclose(add(1, 2), 3.0)"],
            }
        ),
        ADD,
        "def add(a, b): return 2.9",
    ),
    "mbpp, no imports at all": (mbpp({**MBPP, "test_imports": None}), ADD, "def add(a, b): pass"),
    "mbpp, a set of the result": (
        mbpp({**MBPP, "test_list": ["assert set(add([1], [2, 2])) == set([2, 1])"]}),
        ADD,
        "def add(a, b): return a",
    ),
    "mbpp, several candidates' functions": (
        mbpp({**MBPP, "test_list": ["root = node(1)\nassert add(root, 2) == 3"]}),
        ADD + "def node(x):\n    return x\n",
        ADD + "def node(x):\n    return 0\n",
    ),
    "apps, stdin": (apps(apps_row(["1 2\n", "4\n5"], ["3\n", "9"])), PLUS, "print(3)"),
    "apps, lists of lines": (apps(apps_row([["1", "2"]], [["3", ""]])), PLUS, "print(4)"),
    "apps, a function, values wrapped": (
        apps(apps_row([[1, 2], [0, 0]], [[3], [0]], fn="add")),
        ADD,
        "add = max",
    ),
    "apps, a function, values as they are": (
        apps(apps_row([[1, 2], [0, 0]], [3, 0], fn="add")),
        ADD,
        "add = max",
    ),
    "apps, lists returned, wrapped": (
        apps(apps_row([[[1], [2]], [[], []]], [[[1, 2]], [[]]], fn="add")),
        ADD,
        "add = max",
    ),
    "apps, lists returned, as they are": (
        apps(apps_row([[[1], []], [[1], [2]]], [[1], [1, 2]], fn="add")),
        ADD,
        "def add(a, b): return a[0]",
    ),
    "apps, a method": (
        apps(apps_row([[1, 2]], [3], fn="add", starter_code="class Solution:\n    def add(self, a, b):\n")),
        METHOD,
        METHOD.replace("+", "-"),
    ),
    "taco": (
        apps({"id": 5, "question": "q", "input_output": {"inputs": ["1\n"], "outputs": ["1\n"]}}),
        PLUS,
        "print()",
    ),
    "livecodebench, stdin": (livecodebench(lcb_row([LINE])), PLUS, "print(4)"),
    "livecodebench, functional": (
        livecodebench(lcb_row([FUNCTIONAL], **NAMED)),
        METHOD,
        METHOD.replace("+", "-"),
    ),
    "livecodebench, private tests as published": (
        livecodebench(
            lcb_row([LINE], private_test_cases=published([{**LINE, "input": "5 5", "output": "10"}]))
        ),
        PLUS,
        "print(3)",
    ),
    "livecodebench, private tests decoded, none": (
        livecodebench(lcb_row([LINE], private_test_cases="")),
        PLUS,
        "",
    ),
    "livecodebench, an argument of text with a line's end": (
        livecodebench(lcb_row([{**FUNCTIONAL, "input": '"a\\n"\n"b"\n', "output": '"a\\nb"'}], **NAMED)),
        METHOD,
        METHOD.replace("a + b", "b"),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_right_programs_pass_and_wrong_ones_do_not(verifier, name):
    problem, right, wrong = ROWS[name]
    assert verifier.verify(problem, "", right).score == 1.0, verifier.verify(problem, "", right)
    assert verifier.verify(problem, "", wrong).score == 0.0


@pytest.mark.parametrize("row", [apps_row([], []), {**apps_row([], []), "input_output": ""}])
def test_a_row_without_tests_is_unverifiable(verifier, row):
    verdict = verifier.verify(apps(row), "", PLUS)
    assert (verdict.score, verdict.status) == (None, "unverifiable")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("/nonexistent/evil",)


@pytest.mark.parametrize(
    ("read", "row", "words"),
    [
        (apps, apps_row(["1"], []), "1 inputs and 0 outputs"),
        (apps, {**apps_row([], []), "input_output": "{"}, "row '7': input_output is not JSON"),
        (mbpp, {**MBPP, "test_list": ["assert 1 == 1"]}, "row '3': its assertions do not call a function"),
        (mbpp, {**MBPP, "test_list": ["assert ("]}, "row '3': its assertions are not valid Python"),
        (livecodebench, lcb_row([FUNCTIONAL]), "func_name"),
        (livecodebench, lcb_row([{**FUNCTIONAL, "input": "one"}], **NAMED), "input is not JSON"),
        (livecodebench, lcb_row([LINE], private_test_cases="!!"), "private_test_cases cannot be decoded"),
        (
            livecodebench,
            lcb_row(
                [LINE], private_test_cases=base64.b64encode(zlib.compress(pickle.dumps(Evil()))).decode()
            ),
            "cannot be decoded.*mkdir",
        ),
    ],
)
def test_a_row_that_cannot_be_read_is_named(read, row, words):
    with pytest.raises(BadReferenceError, match=words):
        read(row)


def test_a_body_with_another_margin_than_its_prompt_is_completed(verifier):
    prompt = 'def add(a, b):\n    """Add."""\n'
    problem = humaneval({**HUMANEVAL, "prompt": prompt})
    assert verifier.verify(problem, "", "  c = a + b\n  return (c) \n").score == 1.0
    assert verifier.verify(problem, "", "  c = a - b\n  return (c) \n").score == 0.0
