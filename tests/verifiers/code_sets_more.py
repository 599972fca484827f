"""Further shapes of rows than those of `code_sets`, each with a right and a wrong program."""

from __future__ import annotations

import base64
import json
import pickle
import zlib

from tests.verifiers.code_sets import (
    ADD,
    EVEN,
    IO,
    MUL,
    ODD,
    PAIRS,
    PAIRS_START,
    PAIRS_WRONG,
    PRODUCT,
    STACK,
    SUM,
    TYPING,
    Case,
    stdin_case,
)

ASSERTS = ["assert add(1, 2) == 3", "assert add(4, 4) == 8"]
PACKED = base64.b64encode(
    zlib.compress(pickle.dumps(json.dumps([{"input": "[7, 7]", "output": "1", "testtype": "functional"}])))
).decode()

MORE = [
    Case(
        "inputs and outputs as columns of JSON text",
        {"question": "Add.", "inputs": json.dumps(IO["inputs"]), "outputs": json.dumps(IO["outputs"])},
        SUM,
        PRODUCT,
    ),
    Case(
        "inputs and outputs as columns of lists",
        {"question": "Add.", "inputs": IO["inputs"], "outputs": IO["outputs"], "solution": SUM},
        SUM,
        PRODUCT,
    ),
    Case(
        "JSON in JSON in text",
        {"prompt": "Add.", "verification_info": json.dumps({"test_cases": json.dumps(json.dumps(IO))})},
        SUM,
        PRODUCT,
    ),
    Case(
        "assertions beside empty inputs",
        {
            "prompt": [{"role": "user", "content": "Write add(a, b)."}],
            "reward_model": {
                "ground_truth": json.dumps({"inputs": [], "outputs": [], "assert_case": ASSERTS})
            },
        },
        ADD,
        MUL,
    ),
    Case(
        "a check with its imports, nested",
        {
            "prompt": [{"role": "user", "content": f"Count pairs.\n```python\n{PAIRS_START}\n```"}],
            "reward_model": {
                "ground_truth": json.dumps(
                    {
                        "import_prefix": "from typing import *\nfrom math import inf\n",
                        "test_code": "def check(candidate):\n    assert candidate(nums=[1, 1]) == 1 < inf\n"
                        "    assert candidate(nums=[4, 5]) == 0\n",
                        "entry_point": "Solution().countPairs",
                    }
                )
            },
        },
        PAIRS,
        PAIRS_WRONG,
    ),
    Case(
        "a list that holds one text of JSON",
        {
            "prompt": [{"role": "user", "content": "Add."}],
            "reward_model": {"ground_truth": [json.dumps(IO)], "style": "rule"},
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "LeetCode's own way of writing inputs",
        {
            "problem_description": "Where two numbers add up to the target.",
            "starter_code": "class Solution:\n"
            "    def twoSum(self, nums: List[int], target: int) -> List[int]:\n        ",
            "input_output": [
                {"input": "nums = [3,3], target = 6", "output": "[0, 1]"},
                {"input": "nums = [1, 5, 3], target = 4", "output": "[0, 2]"},
            ],
        },
        TYPING + "class Solution:\n    def twoSum(self, nums: List[int], target: int) -> List[int]:\n"
        "        return next([i, j] for j in range(len(nums)) for i in range(j) if nums[i] + nums[j] == target)\n",
        "class Solution:\n    def twoSum(self, nums, target):\n        return [0, 1]\n",
        asks="twoSum",
    ),
    Case(
        "arguments by name",
        {
            "question": "Write `clip`.",
            "test_cases": [
                {"fn_name": "clip", "input": {"x": 5, "most": 3}, "output": 3},
                {"fn_name": "clip", "input": {"most": 3, "x": 1}, "output": 1},
            ],
        },
        "def clip(x, most):\n    return min(x, most)\n",
        "def clip(x, most):\n    return most\n",
    ),
    Case(
        "ShareGPT's conversations",
        {
            "conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Add."}],
            "tests": IO,
        },
        SUM,
        PRODUCT,
        asks="Add.",
    ),
    Case(
        "content in parts",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Add."}]}], "tests": IO},
        SUM,
        PRODUCT,
        asks="Add.",
    ),
    Case(
        "pairs of input and output",
        {"instruction": "Add.", "tests": [["1 2\n", "3\n"], ["5 5\n", "10\n"]]},
        SUM,
        PRODUCT,
    ),
    Case(
        "one test in columns `input` and `output`",
        {"question": "Add.", "input": "1 3\n", "output": "4\n"},
        SUM,
        PRODUCT,
    ),
    Case(
        "unit tests as a list of mappings of code",
        {"question": "Write add(a, b).", "unit_tests": [{"code": ASSERTS[0]}, {"code": ASSERTS[1]}]},
        ADD,
        MUL,
    ),
    Case(
        "unit tests as a list of functions",
        {
            "question": "Write add(a, b).",
            "tests": [f"def test_{i}():\n    {line}\n" for i, line in enumerate(ASSERTS)],
        },
        ADD,
        MUL,
    ),
    Case(
        "one JSON object a line",
        {
            "question": "Add.",
            "tests": "\n".join(json.dumps(stdin_case(*c)) for c in [("1 2", "3"), ("2 3", "5")]),
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "starter code in metadata",
        {
            "question": "Count pairs.",
            "metadata": json.dumps({"func_name": "countPairs", "starter_code": PAIRS_START}),
            "tests": [{"input": "[1, 1]", "output": "1", "testtype": "functional"}] * 2,
        },
        TYPING + PAIRS,
        TYPING + PAIRS_WRONG,
        asks="countPairs",
    ),
    Case(
        "packed functional tests",
        {
            "question_id": "q",
            "question_content": "Count pairs.",
            "starter_code": PAIRS_START,
            "public_test_cases": "[]",
            "private_test_cases": PACKED,
            "metadata": json.dumps({"func_name": "countPairs"}),
        },
        TYPING + PAIRS,
        TYPING + PAIRS_WRONG,
        asks="countPairs",
    ),
    Case(
        "numbers in place of text",
        {"question": "Square a number.", "tests": [{"input": 5, "output": 25}, {"input": 3, "output": 9}]},
        "print(int(input()) ** 2)\n",
        "print(int(input()) * 5)\n",
    ),
    Case(
        "lines of output in lists",
        {"problem": "Double two.", "input_output": {"inputs": [["1", "2"]], "outputs": [["2", "4"]]}},
        "for _ in range(2):\n    print(2 * int(input()))\n",
        "for _ in range(2):\n    print(input())\n",
    ),
    Case(
        "ClassEval",
        {
            "task_id": "Own_1",
            "class_name": "Stack",
            "skeleton": 'class Stack:\n    """A stack."""\n    def push(self, item):\n        pass\n',
            "test": "import unittest\n\nclass StackTest(unittest.TestCase):\n    def test_pop(self):\n"
            "        s = Stack()\n        s.push(1)\n        s.push(2)\n"
            "        self.assertEqual(s.pop(), 2)\n        self.assertEqual(len(s), 1)\n",
            "solution_code": STACK,
        },
        STACK,
        STACK.replace(".pop()\n", ".pop(0)\n"),
    ),
    Case(
        "text null where there is no name",
        {"question": "Add.", "input_output": json.dumps({**IO, "fn_name": None}), "starter_code": None},
        SUM,
        PRODUCT,
    ),
    Case(
        "limits in other units",
        {
            "description": "Add.",
            "tests": [stdin_case("1 2", "3"), stdin_case("2 3", "5")],
            "time_limit": "1500 ms",
            "memory_limit": "262144 KB",
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "examples, where nothing else is there",
        {"description": "Add.", "examples": [stdin_case("1 2", "3"), stdin_case("2 3", "5")]},
        SUM,
        PRODUCT,
    ),
    Case(
        "public and hidden tests",
        {
            "description": "Add.",
            "public_tests": {"input": ["2 2\n"], "output": ["4\n"]},
            "hidden_tests": {"input": ["1 2\n"], "output": ["3\n"]},
        },
        SUM,
        PRODUCT,
    ),
    Case(
        "several classes of tests",
        {
            "question": "Write add(a, b).",
            "solution": ADD,
            "test": "import unittest\nfrom solution import add\n\nclass A(unittest.TestCase):\n    def test(self):\n"
            "        self.assertEqual(add(2, 2), 4)\n\n"
            "class TestB:\n    def test(self):\n        assert add(1, 2) == 3\n",
        },
        ADD,
        MUL,
    ),
    Case(
        "tests that print and read back",
        {
            "question": "Write `hello(name)`, which prints a greeting.",
            "solution": "def hello(name):\n    print('Hello, ' + name)\n",
            "test": "from solution import hello\n\ndef test_hello(capsys):\n    hello('Ann')\n"
            "    assert capsys.readouterr().out == 'Hello, Ann\\n'\n",
        },
        "def hello(name):\n    print(f'Hello, {name}')\n",
        "def hello(name):\n    print(name)\n",
    ),
    Case(
        "tests that feed input()",
        {
            "question": "Write `ask()`, which reads a number and returns its double.",
            "solution": "def ask():\n    return 2 * int(input('n? '))\n",
            "test": "from unittest.mock import patch\nfrom solution import ask\n\n"
            "@patch('builtins.input', return_value='4')\n"
            "def test_ask(_):\n    assert ask() == 8\n\ndef test_more(monkeypatch):\n"
            "    monkeypatch.setattr('builtins.input', lambda prompt='': '5')\n    assert ask() == 10\n",
        },
        "def ask():\n    return 2 * int(input('n? '))\n",
        "def ask():\n    return int(input('n? '))\n",
    ),
    Case(
        "wrapped results, a list by its header",
        {
            "question": "The first element, in a list.",
            "input_output": {"fn_name": "head", "inputs": [[[3, 4]], [[5]]], "outputs": [[3], [5]]},
            "starter_code": "def head(xs: List[int]) -> List[int]:\n",
        },
        "def head(xs):\n    return xs[:1]\n",
        "def head(xs):\n    return xs[0]\n",
    ),
    Case(
        "keys that are numbers",
        {
            "question": "Count.",
            "input_output": json.dumps(
                {"fn_name": "count", "inputs": [[[1, 1, 2]]], "outputs": [{"1": 2, "2": 1}]}
            ),
            "starter_code": "def count(xs):\n",
        },
        "def count(xs):\n    return {x: xs.count(x) for x in xs}\n",
        "def count(xs):\n    return {x: 1 for x in xs}\n",
    ),
    Case(
        "an example in the prompt, and messages of an assistant",
        {
            "messages": [
                {"role": "user", "content": "Write evens(xs)."},
                {"role": "assistant", "content": EVEN},
            ],
            "ground_truth": json.dumps(["assert evens([1, 2]) == [2]"]),
        },
        EVEN,
        ODD,
        asks="Write evens(xs).",
    ),
    Case(
        "tests in a fence",
        {"question": "Write add(a, b).", "tests": "```python\n" + "\n".join(ASSERTS) + "\n```"},
        ADD,
        MUL,
    ),
    Case(
        "results as text of Python",
        {
            "question": "Write `flip`.",
            "input_output": {"fn_name": "flip", "inputs": ["(1, 2)"], "outputs": ["(2, 1)"]},
        },
        "def flip(p):\n    return p[::-1]\n",
        "def flip(p):\n    return p\n",
    ),
    Case(
        "Codeforces with a checker",
        {
            "id": "9/C",
            "description": "Two numbers with the given sum.",
            "official_tests": [{"input": "5\n", "output": "2 3\n"}, {"input": "9\n", "output": "4 5\n"}],
            "generated_checker": "import sys\ngiven, _, output = (open(name).read() for name in sys.argv[1:4])\n"
            "print(1 if sum(map(int, output.split())) == int(given) else 0)\n",
            "time_limit": 2.0,
            "memory_limit": 256.0,
        },
        "n = int(input())\nprint(n - 1, 1)\n",
        "print(2, 3)\n",
    ),
    Case(
        "Codeforces with files",
        {
            "id": "9/D",
            "description": "Add.",
            "official_tests": [{"input": "1 2\n", "output": "3\n"}, {"input": "5 5\n", "output": "10\n"}],
            "input_mode": "file",
        },
        "total = sum(map(int, open('input.txt').read().split()))\nopen('output.txt', 'w').write(str(total))\n",
        "open('output.txt', 'w').write('3')\n",
    ),
]
