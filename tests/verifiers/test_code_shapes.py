"""The same tests in every shape that rows have give the same reference; what contradicts itself is refused."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.code.formats import BadReferenceError
from verifiers.code.options import read_options, rules
from verifiers.code.shapes import FAMILIES, Hints, found, reference

PROPERTY = settings(deadline=None, derandomize=True, max_examples=40)
CALLS = [([1, 2], 3), (["a", "b"], "ab"), ([[1], [2]], [1, 2]), ([None, True], False)]
ARGS, RESULTS = [list(args) for args, _ in CALLS], [result for _, result in CALLS]
AS_CALLS = {"entry": "f", "tests": [{"args": args, "expected": result} for args, result in CALLS]}
LINES = [("1 2\n", "3\n"), ("5\n", "5\n")]
AS_STDIN = {"entry": None, "tests": [{"stdin": given, "stdout": expected} for given, expected in LINES]}
INS, OUTS = [given for given, _ in LINES], [expected for _, expected in LINES]
PYTHON = "assert f(1, 2) == 3"


def made(value: Any, **hints: Any) -> dict[str, Any]:
    result = reference(found(value), Hints(**hints))
    if "tests" in result:  # no arguments by name are none
        result["tests"] = [{k: v for k, v in test.items() if k != "kwargs" or v} for test in result["tests"]]
    return result


CALL_SHAPES = [
    {"inputs": ARGS, "outputs": RESULTS, "fn_name": "f"},
    {"inputs": json.dumps(ARGS), "outputs": json.dumps(RESULTS), "fn_name": "f"},
    {"inputs": ARGS, "outputs": RESULTS, "metadata": {"func_name": "f"}},
    {"inputs": ARGS, "outputs": RESULTS, "metadata": json.dumps({"func_name": " f "})},
    {"inputs": ARGS, "outputs": [[result] for result in RESULTS], "fn_name": "f"},
    [{"args": args, "expected": result, "entry": "f"} for args, result in CALLS],
    [{"input": args, "output": result, "type": "function_call", "fn_name": "f"} for args, result in CALLS],
    {"entry_point": "f", "tests": [{"args": args, "expected": result} for args, result in CALLS]},
    {"fn_name": "f", "test_cases": [{"input": "\n".join(map(json.dumps, args)), "output": json.dumps(result)}
                                    for args, result in CALLS]},
]  # fmt: skip
STDIN_SHAPES = [
    {"inputs": INS, "outputs": OUTS}, {"input": INS, "output": OUTS}, {"test_inputs": INS, "test_outputs": OUTS},
    [{"input": given, "output": expected} for given, expected in LINES],
    [{"stdin": given, "stdout": expected} for given, expected in LINES],
    [{"input": given, "expected_output": expected, "type": "stdin_stdout"} for given, expected in LINES],
    [[given, expected] for given, expected in LINES],
    "\n".join(json.dumps({"input": given, "output": expected}) for given, expected in LINES),
]  # fmt: skip


@pytest.mark.parametrize("shape", CALL_SHAPES, ids=range(len(CALL_SHAPES)))
def test_calls_in_every_shape(shape: Any) -> None:
    for text in (shape, json.dumps(shape), f"```json\n{json.dumps(shape)}\n```"):
        assert made(text) == AS_CALLS
        assert made(text, starter="def f(a, b):") == AS_CALLS
    assert made(shape, entry="g")["entry"] == "g"


@pytest.mark.parametrize("shape", STDIN_SHAPES, ids=range(len(STDIN_SHAPES)))
def test_programs_that_read_lines_in_every_shape(shape: Any) -> None:
    for text in (shape, shape if isinstance(shape, str) else json.dumps(shape)):
        assert made(text) == AS_STDIN


@pytest.mark.parametrize("key", [key for family in FAMILIES for key in family])
def test_tests_below_every_key(key: str) -> None:
    cases = [{"input": given, "output": expected} for given, expected in LINES]
    for value in (cases, json.dumps(cases), {"test_cases": cases}, {"inputs": INS, "outputs": OUTS}):
        assert made({key: value, "difficulty": "easy"}) == AS_STDIN
    assert made({"extra_info": {key: cases}}) == AS_STDIN
    assert made({key: [PYTHON]}, entry="f") == {"entry": "f", "test_code": PYTHON}


def test_the_tests_of_one_family_are_read_together_and_the_first_family_alone() -> None:
    one, two = [{"input": given, "output": expected} for given, expected in LINES]
    packed = base64.b64encode(zlib.compress(pickle.dumps(json.dumps([two])))).decode()
    assert made({"public_test_cases": [one], "private_test_cases": packed}) == AS_STDIN
    assert made({"tests": [one, two], "examples": [one]}) == AS_STDIN
    assert made({"input_output": {"inputs": INS, "outputs": OUTS}, "tests": [one]}) == AS_STDIN


def test_arguments_by_name() -> None:
    expected = {"entry": "f", "tests": [{"args": [], "kwargs": {"a": 1, "b": [2]}, "expected": 3}]}
    for shape in ({"fn_name": "f", "inputs": [{"a": 1, "b": [2]}], "outputs": [3]},
                  {"fn_name": "f", "tests": [{"input": "a = 1, b = [2]", "output": "3"}]},
                  [{"entry": "f", "kwargs": {"a": 1, "b": [2]}, "expected": 3}]):  # fmt: skip
        assert made(shape) == expected
    assert made([{"input": "a = 1", "output": "x y"}], entry="f")["tests"] == [
        {"args": [], "expected": "x y", "kwargs": {"a": 1}}
    ]


@pytest.mark.parametrize("quoted", [True, False])
def test_texts_in_quotes_are_texts_only_where_all_are_in_quotes(quoted: bool) -> None:
    inputs = [['"a"', '"b"' if quoted else "b"], [1, '"c"']]
    tests = made({"fn_name": "f", "inputs": inputs, "outputs": ['"d"', 7]})["tests"]
    if quoted:
        assert tests == [{"args": ["a", "b"], "expected": "d"}, {"args": [1, "c"], "expected": 7}]
    else:
        assert tests == [{"args": ['"a"', "b"], "expected": '"d"'}, {"args": [1, '"c"'], "expected": 7}]


@PROPERTY
@given(st.lists(st.integers() | st.lists(st.integers(), max_size=2), min_size=1, max_size=4), st.sampled_from(
    ["", "def f(x):", "def f(x) -> int:", "def f(x) -> list:", "def f(x) -> List[int]:", "def f(x) -> Sequence[int]:"]
), st.sampled_from([None, True, False]))  # fmt: skip
def test_a_result_stands_in_a_list_of_its_own_where_all_do_and_nothing_says_otherwise(
    results: list[Any], starter: str, said: bool | None
) -> None:
    all_single = all(isinstance(result, list) and len(result) == 1 for result in results)
    returns_list = any(word in starter for word in ("list", "List", "Sequence"))
    unwrapped = all_single and (said if said is not None else not returns_list)
    tests = made(
        {"inputs": [[1]] * len(results), "outputs": results}, entry="f", starter=starter, wrapped=said
    )["tests"]
    assert [test["expected"] for test in tests] == [result[0] if unwrapped else result for result in results]


def test_methods_of_a_class() -> None:
    case = {"input": "[1, 2]\n3", "output": "6", "testtype": "functional"}
    tests = [{"args": [[1, 2], 3], "expected": 6}]
    starter = (
        "class Solution:\n    def other(self):\n        pass\n    def total(self, xs: list, x: int) -> int:\n"
    )
    for hints in ({"starter": starter}, {"entry": "total"}, {"entry": "Solution.total"}):
        assert made([case], **hints) == {"entry": "Solution.total", "tests": tests}
    assert made([case | {"testtype": "call"}], starter="def total(xs, x):") == {
        "entry": "total",
        "tests": tests,
    }
    assert (
        made([case | {"testtype": "function"}], solution=starter, entry="total")["entry"] == "Solution.total"
    )
    with pytest.raises(BadReferenceError, match="nothing names it"):
        made([case])


def test_python_tests_with_their_setup() -> None:
    for value in (
        PYTHON,
        [PYTHON],
        {"test_code": PYTHON},
        {"test": PYTHON},
        f"```python\n{PYTHON}\n```",
        {"code": PYTHON},
    ):
        assert made(value) == {"entry": "f", "test_code": PYTHON}
    value = {"test_list": [PYTHON, "assert f(2, 2) == 4"], "setup_code": "import math", "entry_point": "g"}
    assert made(value) == {
        "entry": "g",
        "test_code": f"{PYTHON}\nassert f(2, 2) == 4",
        "setup": "import math",
    }
    with pytest.raises(BadReferenceError, match="partly Python"):
        made({"tests": [PYTHON, {"input": "1", "output": "2"}]})


def test_numbers_of_inputs_and_outputs() -> None:
    assert made({"inputs": [*INS, "9"], "outputs": OUTS}) == AS_STDIN  # inputs beyond the outputs
    for ins, outs in ((INS, []), ([], OUTS)):
        with pytest.raises(BadReferenceError, match="expected the same number"):
            found({"inputs": ins, "outputs": outs})
    assert found({"inputs": [], "outputs": []}) == found("") == found(7) == found({"a": 1}) == []
    assert made([{"input": ["1 2", "3"], "output": [6, 7], "type": "stdin"}])["tests"] == [
        {"stdin": "1 2\n3", "stdout": "6\n7"}
    ]


def test_options_are_read_and_refused_by_name() -> None:
    good = {"abs_tol": 0.1, "rel_tol": 0, "strict": True, "any_order": True, "ignore_case": True, "tol": None}
    read = read_options(good | {"other": 1})
    assert read == {key: value for key, value in good.items() if value is not None}
    made_rules = rules(read)
    assert (made_rules.abs_tol, made_rules.rel_tol, made_rules.equality) == (0.1, 0, "strict")
    assert made_rules.any_order is True and made_rules.ignore_case is True
    plain = rules({})
    assert (plain.abs_tol, plain.rel_tol, plain.equality, plain.any_order) == (None, None, "python", False)
    assert (plain.compare, plain.ignore_case) == ("tokens", False)
    assert read_options({"tol": 0.5}) == {"abs_tol": 0.5, "rel_tol": 0.5}
    assert read_options({"tol": 0.5, "rel_tol": 0.1}) == {"abs_tol": 0.5, "rel_tol": 0.1}
    for key, bad in (
        ("abs_tol", -1),
        ("rel_tol", "a"),
        ("strict", "yes"),
        ("tol", -0.1),
        ("ignore_case", 3),
        ("in_place", -1),
    ):
        with pytest.raises(BadReferenceError, match=rf"reference\['{key}'\] is .*; expected"):
            read_options({key: bad})
