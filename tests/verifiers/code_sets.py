"""Rows made by us in the published forms of open code sets, each with a right and a wrong program.

Written before any of the readers that they test, from the sets' own descriptions. `source` is what a config says beside
the file's name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One row of a set, and two programs for it."""

    name: str
    row: dict[str, Any]
    right: str
    wrong: str
    source: dict[str, Any] = field(default_factory=lambda: {"format": "code"})
    asks: str = ""
    """Text that the prompt must hold: the name that the policy is judged by."""


def stdin_case(given: str, expected: str) -> dict[str, str]:
    return {"type": "stdin_stdout", "input": f"{given}\n", "output": f"{expected}\n"}


SUM = "print(sum(map(int, input().split())))\n"
PRODUCT = "a, b = map(int, input().split())\nprint(a * b)\n"
PAIRS = """class Solution:
    def countPairs(self, nums: List[int]) -> int:
        return sum(nums[i] == nums[j] for j in range(len(nums)) for i in range(j))
"""
PAIRS_WRONG = PAIRS.replace("range(j))", "range(len(nums)))")
PAIRS_START = "class Solution:\n    def countPairs(self, nums: List[int]) -> int:\n        "
TYPING = "from typing import List\n"
STACK = """class Stack:
    def __init__(self):
        self.items = []
    def push(self, item):
        self.items.append(item)
    def pop(self):
        if not self.items:
            raise IndexError("pop from an empty stack")
        return self.items.pop()
    def __len__(self):
        return len(self.items)
"""
ADD = "def add(a, b):\n    return a + b\n"
MUL = "def add(a, b):\n    return a * b\n"
EVEN = "def evens(xs):\n    return [x for x in xs if x % 2 == 0]\n"
ODD = "def evens(xs):\n    return [x for x in xs if x % 2]\n"
IO = {"inputs": ["1 2\n", "5 5\n"], "outputs": ["3\n", "10\n"]}
MEAN_PLUS = """import numpy as np

def is_floats(x) -> bool:
    if isinstance(x, float):
        return True
    if isinstance(x, (list, tuple)) and x:
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

CASES = [
    Case(
        "HumanEval",
        {
            "task_id": "Own/0",
            "prompt": 'from typing import List\n\n\ndef evens(xs: List[int]) -> List[int]:\n    """Even numbers."""\n',
            "entry_point": "evens",
            "canonical_solution": "    return [x for x in xs if x % 2 == 0]\n",
            "test": "def check(candidate):\n    assert candidate([1, 2, 4]) == [2, 4]\n",
        },
        EVEN,
        ODD,
        {"format": "humaneval"},
    ),
    Case(
        "HumanEval+, a number",
        {
            "task_id": "Own/1",
            "prompt": 'def mean(xs):\n    """The mean of some numbers."""\n',
            "entry_point": "mean",
            "canonical_solution": "    return sum(xs) / len(xs)\n",
            "test": MEAN_PLUS
            + """
def check(candidate):
    inputs = [[[1, 2]], [[0.1, 0.2, 0.3]]]
    results = [1.5, 0.2]
    for i, (inp, exp) in enumerate(zip(inputs, results)):
        assertion(candidate(*inp), exp, 0)
""",
        },
        "def mean(xs):\n    return sum(xs) / len(xs)\n",
        "def mean(xs):\n    return float(max(xs))\n",
        {"format": "humaneval"},
    ),
    Case(
        "HumanEval+, lists of numbers",
        {
            "task_id": "Own/2",
            "prompt": 'def halves(xs):\n    """Half of each."""\n',
            "entry_point": "halves",
            "canonical_solution": "    return [x * 0.5 for x in xs]\n",
            "test": MEAN_PLUS
            + """
def check(candidate):
    inputs = [[[1, 2]], [[0.1]], [[]]]
    results = [[0.5, 1.0], [0.05], []]
    for i, (inp, exp) in enumerate(zip(inputs, results)):
        assertion(candidate(*inp), exp, 0)
""",
        },
        "def halves(xs):\n    return [x / 2 for x in xs]\n",
        "def halves(xs):\n    return [x * 0.4999 for x in xs]\n",
        {"format": "humaneval"},
    ),
    Case(
        "MBPP",
        {
            "task_id": 901,
            "text": "Write a function that adds two numbers.",
            "code": ADD,
            "test_list": ["assert add(1, 2) == 3", "assert add(2, 2) == 4"],
            "test_setup_code": "",
            "challenge_test_list": [],
        },
        ADD,
        MUL,
        {"format": "mbpp"},
    ),
    Case(
        "MBPP+",
        {
            "task_id": 902,
            "prompt": "Write a function to find the shared elements of two tuples.",
            "code": "def shared(a, b):\n    return tuple(set(a) & set(b))\n",
            "test_imports": [],
            "test_list": ["assert set(shared((3, 4), (5, 4))) == set((4,))"],
            "test": MEAN_PLUS
            + """
inputs = [[(3, 4), (5, 4)], [(1, 2, 3), (2, 3)]]
results = [(4,), (2, 3)]
for i, (inp, exp) in enumerate(zip(inputs, results)):
    assertion(set(shared(*inp)), set(exp), 0)
""",
        },
        "def shared(a, b):\n    return tuple(set(a) & set(b))\n",
        "def shared(a, b):\n    return (4,)\n",
        {"format": "mbpp"},
    ),
    Case(
        "APPS, stdin",
        {
            "problem_id": 11,
            "question": "Add two numbers.",
            "solutions": json.dumps([SUM]),
            "input_output": json.dumps(IO),
            "starter_code": "",
            "difficulty": "introductory",
            "url": "",
        },
        SUM,
        PRODUCT,
        {"format": "apps"},
    ),
    Case(
        "APPS, a function",
        {
            "problem_id": 12,
            "question": "Square a number.",
            "solutions": json.dumps(["def sq(n):\n    return n * n\n"]),
            "input_output": json.dumps({"fn_name": "sq", "inputs": [[3], [4]], "outputs": [[9], [16]]}),
            "starter_code": "\ndef sq(n):\n\t",
            "url": "https://www.codewars.com/kata/1",
        },
        "def sq(n):\n    return n * n\n",
        "def sq(n):\n    return n * 3\n",
        {"format": "apps"},
        asks="def sq(n)",
    ),
    Case(
        "APPS, a method with JSON as text",
        {
            "problem_id": 13,
            "question": "A text, twice.",
            "input_output": json.dumps(
                {"fn_name": "twice", "inputs": [['"ab"'], ['"x"']], "outputs": ['"abab"', '"xx"']}
            ),
            "starter_code": "class Solution:\n    def twice(self, s: str) -> str:\n        ",
            "url": "https://leetcode.com/problems/twice/",
        },
        "class Solution:\n    def twice(self, s):\n        return s + s\n",
        "class Solution:\n    def twice(self, s):\n        return s\n",
        {"format": "apps"},
        asks="def twice",
    ),
    Case(
        "TACO, results that are lists of one",
        {
            "question": "The largest element, in a list.",
            "solutions": json.dumps(["def top(xs):\n    return [max(xs)]\n"]),
            "input_output": json.dumps(
                {"fn_name": "top", "inputs": [[[1, 2]], [[5, 4]]], "outputs": [[2], [5]]}
            ),
            "starter_code": "",
            "source": "leetcode",
            "time_limit": None,
            "memory_limit": None,
        },
        "def top(xs):\n    return [max(xs)]\n",
        "def top(xs):\n    return max(xs)\n",
        {"format": "apps"},
        asks="top",
    ),
    Case(
        "TACO, stdin, limits as text",
        {
            "question": "Add.",
            "solutions": json.dumps([SUM]),
            "input_output": json.dumps(IO),
            "starter_code": "",
            "source": "codeforces",
            "time_limit": "2.0 seconds",
            "memory_limit": "256.0 megabytes",
        },
        SUM,
        PRODUCT,
        {"format": "apps"},
    ),
    Case(
        "LiveCodeBench, functional",
        {
            "question_id": "3001",
            "question_content": "Count pairs (i, j), i < j, with nums[i] == nums[j].",
            "starter_code": PAIRS_START,
            "public_test_cases": json.dumps(
                [{"input": "[1, 1, 1]", "output": "3", "testtype": "functional"}]
            ),
            "private_test_cases": json.dumps([{"input": "[2, 3]", "output": "0", "testtype": "functional"}]),
            "metadata": json.dumps({"func_name": "countPairs"}),
        },
        TYPING + PAIRS,
        TYPING + PAIRS_WRONG,
        {"format": "livecodebench"},
        asks="countPairs",
    ),
    Case(
        "LiveCodeBench, stdin",
        {
            "question_id": "abc1",
            "question_content": "Add.",
            "starter_code": "",
            "public_test_cases": json.dumps([{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]),
            "private_test_cases": "[]",
            "metadata": "{}",
        },
        SUM,
        PRODUCT,
        {"format": "livecodebench"},
    ),
    Case(
        "open-r1 verifiable-coding-problems",
        {
            "source": "apps",
            "problem_id": "vfc_1",
            "problem": "Solve the following: add two numbers.",
            "gold_standard_solution": f"```python\n{SUM}```",
            "verification_info": {
                "language": "python",
                "test_cases": [
                    {"fn_name": None, "input": "1 2\n", "output": "3\n", "type": "stdin_stdout"},
                    {"fn_name": None, "input": "5 5\n", "output": "10\n", "type": "stdin_stdout"},
                ],
            },
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "SYNTHETIC-1, stdin",
        {
            "problem_id": "vcp_1",
            "task_type": "verifiable_code",
            "prompt": "Add two numbers.",
            "gold_standard_solution": f"```python\n{SUM}```",
            "verification_info": json.dumps(
                {
                    "language": "python",
                    "test_cases": [stdin_case("1 2", "3"), stdin_case("5 5", "10")],
                }
            ),
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "SYNTHETIC-1, a function",
        {
            "problem_id": "vcp_2",
            "task_type": "verifiable_code",
            "prompt": "Write `add`.",
            "gold_standard_solution": f"```python\n{ADD}```",
            "verification_info": json.dumps(
                {
                    "language": "python",
                    "test_cases": [
                        {"type": "function_call", "fn_name": "add", "input": [1, 2], "output": [3]},
                        {"type": "function_call", "fn_name": "add", "input": [4, 4], "output": [8]},
                    ],
                }
            ),
        },
        ADD,
        MUL,
    ),
    Case(
        "DeepCoder, LiveCodeBench part",
        {
            "problem": "Count pairs.",
            "starter_code": PAIRS_START,
            "solutions": [f"```python\n{TYPING}{PAIRS}```"],
            "tests": json.dumps(
                [
                    {"input": "[1, 1]", "output": "1", "testtype": "functional"}
                    | {"metadata": {"func_name": "countPairs"}},
                    {"input": "[4, 5, 4]", "output": "1", "testtype": "functional"}
                    | {"metadata": {"func_name": "countPairs"}},
                ]
            ),
        },
        TYPING + PAIRS,
        TYPING + PAIRS_WRONG,
        asks="countPairs",
    ),
    Case(
        "DeepCoder, TACO part",
        {"problem": "Add.", "solutions": [SUM], "tests": json.dumps(IO)},
        SUM,
        PRODUCT,
    ),
    Case(
        "DeepCoder, PrimeIntellect part",
        {
            "problem": "Add.",
            "solutions": [f"```python\n{SUM}```"],
            "tests": json.dumps([stdin_case("1 2", "3"), stdin_case("3 3", "6")]),
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "CodeContests",
        {
            "name": "1_A. Add",
            "description": "Add two numbers.",
            "public_tests": {"input": ["1 2\n"], "output": ["3\n"]},
            "private_tests": {"input": ["5 5\n"], "output": ["10\n"]},
            "generated_tests": {"input": [], "output": []},
            "source": 2,
            "solutions": {"language": [2, 3], "solution": ["int main() {}", SUM]},
            "time_limit": {"seconds": 2, "nanos": 500000000},
            "memory_limit_bytes": 256000000,
            "input_file": "",
            "output_file": "",
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "CodeContests, no time limit",
        {
            "name": "2_B. Add",
            "description": "Add two numbers.",
            "public_tests": {"input": [], "output": []},
            "private_tests": {"input": ["5 5\n"], "output": ["10\n"]},
            "generated_tests": {"input": ["0 1\n"], "output": ["1\n"]},
            "solutions": {"language": [], "solution": []},
            "time_limit": None,
            "memory_limit_bytes": 0,
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "LeetCodeDataset",
        {
            "task_id": "count-pairs",
            "question_id": 1,
            "prompt": "import math\nfrom typing import *\nfrom collections import *\ninf = float('inf')\n",
            "completion": PAIRS,
            "entry_point": "Solution().countPairs",
            "test": "def check(candidate):\n    assert candidate(nums = [1,1,1]) == 3\n"
            "    assert candidate(nums = [4,5]) == 0\n",
            "query": f"Count pairs.\n\n```python\n{PAIRS_START}\n```\n",
            "starter_code": PAIRS_START,
        },
        PAIRS,
        PAIRS_WRONG,
        {"format": "code", "prompt": "query"},
        asks="countPairs",
    ),
    Case(
        "KodCode, one function",
        {
            "question_id": "Own_1_I",
            "question": "Write `evens`, which keeps the even numbers of a list.",
            "solution": EVEN,
            "test": "from solution import evens\n\ndef test_some():\n    assert evens([1, 2, 4]) == [2, 4]\n\n"
            "def test_none():\n    assert evens([]) == []\n",
            "test_info": [
                {
                    "function_name": "evens",
                    "function_declaration": "def evens(xs):",
                    "docstring": "",
                    "parameter_list": "(xs)",
                }
            ],
        },
        EVEN,
        ODD,
    ),
    Case(
        "KodCode, pytest.raises",
        {
            "question_id": "Own_2_I",
            "question": "Write `first`, which raises ValueError for an empty list.",
            "solution": "def first(xs):\n    if not xs:\n        raise ValueError('empty')\n    return xs[0]\n",
            "test": "import pytest\nfrom solution import first\n\ndef test_first():\n    assert first([3, 4]) == 3\n\n"
            "def test_empty():\n    with pytest.raises(ValueError, match='empty'):\n        first([])\n",
            "test_info": [{"function_name": "first", "function_declaration": "def first(xs):"}],
        },
        "def first(xs):\n    if not xs:\n        raise ValueError('empty')\n    return xs[0]\n",
        "def first(xs):\n    return xs[0] if xs else None\n",
    ),
    Case(
        "KodCode, a class",
        {
            "question_id": "Own_3_I",
            "question": "Write `Stack`.",
            "solution": STACK,
            "test": "import pytest\nfrom solution import Stack\n\n@pytest.fixture\ndef stack():\n    s = Stack()\n"
            "    s.push(1)\n    s.push(2)\n    return s\n\ndef test_pop(stack):\n    assert stack.pop() == 2\n"
            "    assert len(stack) == 1\n\ndef test_empty():\n"
            "    with pytest.raises(IndexError):\n        Stack().pop()\n",
            "test_info": [{"function_name": "Stack", "function_declaration": "class Stack:"}],
        },
        STACK,
        STACK.replace(".pop()\n", ".pop(0)\n"),
    ),
    Case(
        "KodCode, parametrize and approx",
        {
            "question_id": "Own_4_I",
            "question": "Write `mean`.",
            "solution": "def mean(xs):\n    return sum(xs) / len(xs)\n",
            "test": "import pytest\nfrom solution import mean\n\n@pytest.mark.parametrize('xs, m', [([1, 2], 1.5), "
            "([0.1, 0.2], 0.15)])\ndef test_mean(xs, m):\n    assert mean(xs) == pytest.approx(m)\n",
            "test_info": [{"function_name": "mean", "function_declaration": "def mean(xs):"}],
        },
        "def mean(xs):\n    return sum(xs) / len(xs)\n",
        "def mean(xs):\n    return max(xs)\n",
    ),
    Case(
        "AceCode",
        {
            "id": "oss_1",
            "source": "oss",
            "question": "Write a function `add` that adds two numbers.",
            "test_cases": ["assert add(1, 2) == 3", "assert add(4, 4) == 8"],
            "inferences": [],
        },
        ADD,
        MUL,
    ),
    Case(
        "open-instruct RLVR code",
        {
            "messages": [{"role": "user", "content": "Write a function add(a, b)."}],
            "ground_truth": ["assert add(1, 2) == 3", "assert add(4, 4) == 8"],
            "dataset": "code",
        },
        ADD,
        MUL,
    ),
    Case(
        "PRIME Eurus-2-RL",
        {
            "data_source": "taco",
            "prompt": [
                {"role": "system", "content": "Think in steps."},
                {"role": "user", "content": "Add two numbers."},
            ],
            "ability": "code",
            "reward_model": {"style": "rule", "ground_truth": json.dumps(IO)},
            "extra_info": {"split": "train", "index": 0},
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "code-r1, assertions under `functional`",
        {
            "data_source": "code",
            "prompt": [{"role": "user", "content": "Write the function evens(xs)."}],
            "reward_model": {
                "style": "rule",
                "ground_truth": json.dumps(
                    {"functional": "def check(f):\n    assert f([1, 2]) == [2]\n\ncheck(evens)\n"}
                ),
            },
            "extra_info": {"index": 3},
        },
        EVEN,
        ODD,
    ),
    Case(
        "verl prime_code, arguments as lines of JSON",
        {
            "prompt": [{"role": "user", "content": "Write add(a, b)."}],
            "reward_model": {
                "ground_truth": json.dumps(
                    {"fn_name": "add", "inputs": ["1\n2", "4\n4"], "outputs": ["3", "8"]}
                )
            },
        },
        ADD,
        MUL,
    ),
    Case(
        "Codeforces, columns",
        {
            "id": "1/A",
            "prompt": "Add two numbers.",
            "official_tests": [
                {"input": "1 2\n", "output": "3\n"},
                {"input": "5 5\n", "output": "10\n"},
            ],
            "time_limit": 2.0,
            "memory_limit": 256.0,
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "BigCodeBench",
        {
            "task_id": "Own/7",
            "complete_prompt": 'import re\n\ndef task_func(text):\n    """Count the words."""\n',
            "instruct_prompt": "Write task_func(text), which counts the words.",
            "canonical_solution": "    return len(re.findall(r'\\w+', text))\n",
            "test": "import unittest\n\nclass TestCases(unittest.TestCase):\n"
            "    def setUp(self):\n        self.text = 'a b'\n"
            "    def test_two(self):\n        self.assertEqual(task_func(self.text), 2)\n"
            "    def test_none(self):\n        self.assertEqual(task_func(''), 0)\n",
            "entry_point": "task_func",
        },
        "import re\ndef task_func(text):\n    return len(re.findall(r'\\w+', text))\n",
        "def task_func(text):\n    return len(text)\n",
        {"format": "code", "prompt": "instruct_prompt"},
    ),
    Case(
        "NeMo Gym code_gen",
        {
            "responses_create_params": {"input": [{"role": "user", "content": "Add two numbers."}]},
            "verifier_metadata": {"problem_id": "p9", "unit_tests": IO},
        },
        SUM,
        PRODUCT,
        {"format": "code", "prompt": "responses_create_params.input"},
    ),
    Case(
        "own JSONL",
        {
            "id": "own-1",
            "prompt": "Write add(a, b).",
            "entry": "add",
            "tests": [{"args": [1, 2], "expected": 3}, {"args": [4, 4], "expected": 8}],
        },
        ADD,
        MUL,
    ),
    Case(
        "reasoning traces with unit tests as text",
        {
            "id": "u1",
            "instruction": "Write add(a, b).",
            "response": ADD,
            "tests": "assert add(1, 2) == 3\nassert add(4, 4) == 8\n",
        },
        ADD,
        MUL,
    ),
    Case(
        "a Python literal instead of JSON",
        {"problem_id": 21, "question": "Add.", "input_output": str(IO), "starter_code": ""},
        SUM,
        PRODUCT,
        {"format": "apps"},
    ),
    Case(
        "more inputs than outputs",
        {
            "problem_id": 22,
            "question": "Add.",
            "input_output": json.dumps({"inputs": [*IO["inputs"], "7 7\n"], "outputs": IO["outputs"]}),
            "starter_code": "",
        },
        SUM,
        PRODUCT,
        {"format": "apps"},
    ),
    Case(
        "an integer of 5,000 digits",
        {
            "problem_id": 23,
            "question": "Write power(n), 10 ** n.",
            "input_output": '{"fn_name": "power", "inputs": [[3], [5000]], "outputs": [1000, 1'
            + "0" * 5000
            + "]}",
            "starter_code": "def power(n):\n",
        },
        "def power(n):\n    return 10 ** n\n",
        "def power(n):\n    return 1000\n",
        {"format": "apps"},
    ),
    Case(
        "unittest against the module",
        {
            "question": "Write add(a, b).",
            "solution": ADD,
            "test": "import unittest\nimport solution\n\nclass T(unittest.TestCase):\n    def test_add(self):\n"
            "        self.assertEqual(solution.add(1, 2), 3)\n"
            "        self.assertAlmostEqual(solution.add(0.1, 0.2), 0.3)\n"
            "\nif __name__ == '__main__':\n    unittest.main()\n",
            "entry_point": "add",
        },
        ADD,
        MUL,
    ),
    Case(
        "tests that pass a function and get one",
        {
            "question": "Write compose(f, g).",
            "solution": "def compose(f, g):\n    return lambda x: f(g(x))\n",
            "test": "from solution import compose\n\ndef test_compose():\n"
            "    assert compose(lambda x: x + 1, lambda x: 2 * x)(5) == 11\n",
        },
        "def compose(f, g):\n    return lambda x: f(g(x))\n",
        "def compose(f, g):\n    return lambda x: g(f(x))\n",
    ),
]
