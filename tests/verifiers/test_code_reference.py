"""A reference of code, key by key: what each form becomes, each limit from both sides, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from verifiers.code.formats import MEMORY_MB, TIME_LIMIT, read_reference
from verifiers.code.options import BadReferenceError

CALL = {"entry": "f", "tests": [{"args": [1], "expected": 2}]}
STDIN = {"tests": [{"stdin": "1\n", "stdout": "2\n"}]}
CODE = {"entry": "f", "test_code": "assert f(1) == 2"}


def test_each_form_of_tests() -> None:
    task = read_reference(
        CALL | {"tests": [{"args": (1, 2), "expected": None}, {"kwargs": {"a": 1}, "expected": [3]}]}
    )
    assert task.calls == (([1, 2], {}, None), ([], {"a": 1}, [3]))
    assert (task.entry, task.inputs, task.test_code, task.imports) == ("f", (), None, True)
    task = read_reference({"tests": [{"input": ["1", 2], "output": ["3", 4]}, {"stdin": "", "stdout": ""}]})
    assert (
        task.inputs == (("1\n2", "3\n4"), ("", ""))
        and task.entry is None
        and task.calls == ()
        and task.imports
    )
    for reference in (CODE, {"entry": "f", "tests": CODE["test_code"]}):
        task = read_reference(reference)
        assert (task.test_code, task.calls, task.inputs, task.imports) == (CODE["test_code"], (), (), False)
    assert read_reference(CALL | {"entry": "Solution( ).f"}).entry == "Solution.f"
    assert (
        read_reference(CODE | {"imports": True}).imports
        and not read_reference(CALL | {"imports": False}).imports
    )


def test_what_is_not_said_is_the_default() -> None:
    task = read_reference(CALL)
    assert (task.time_limit, task.memory_mb, task.in_place, task.files) == (TIME_LIMIT, MEMORY_MB, None, None)
    assert (task.setup, task.signature, task.checker) == (None, None, None)
    defaults = {"time_limit": 3.0, "memory_mb": 77, "abs_tol": 0.5, "imports": False}
    task = read_reference(CALL, defaults=defaults)
    assert (task.time_limit, task.memory_mb, task.rules.abs_tol, task.imports) == (3.0, 77, 0.5, False)
    task = read_reference(CALL | {"time_limit": 4, "abs_tol": 0.25}, defaults=defaults)
    assert (task.time_limit, task.memory_mb, task.rules.abs_tol) == (4.0, 77, 0.25)
    assert read_reference(CALL | {"memory_mb": 100.2}).memory_mb == 101
    task = read_reference(CALL | {"setup": "x = 1", "signature": "def f(a):"})
    assert (task.setup, task.signature) == ("x = 1", "def f(a):")


@pytest.mark.parametrize(("key", "top"), [("time_limit", 60.0), ("memory_mb", 4096)])
def test_a_row_may_ask_for_so_much_and_no_more(key: str, top: float) -> None:
    assert getattr(read_reference(CALL | {key: top}), key) == top
    with pytest.raises(BadReferenceError, match=rf"reference\['{key}'\] .* at most {top:g}.* max_{key}"):
        read_reference(CALL | {key: top + 1})
    assert getattr(read_reference(CALL | {key: top + 1}, {key: top + 1}), key) == top + 1
    for bad in (0, -1, "many"):
        with pytest.raises(BadReferenceError, match=key):
            read_reference(CALL | {key: bad})


def test_which_argument_is_judged() -> None:
    for value, expected in ((None, None), (False, None), (True, 0), (0, 0), (1, 1), (3, 3)):
        assert read_reference(CALL | {"in_place": value}).in_place == expected


def test_the_files_that_a_program_reads_and_writes() -> None:
    for mode in (None, "", "stdio", "stdin"):
        assert read_reference(STDIN | {"input_mode": mode, "input_file": "a.in"}).files is None
    assert read_reference(STDIN | {"input_mode": "file"}).files == ("input.txt", "output.txt")
    named = {"input_mode": "file", "input_file": "a.in", "output_file": "b-1.out"}
    assert read_reference(STDIN | named).files == ("a.in", "b-1.out")
    assert read_reference(STDIN | named | {"input_file": "a" * 64}).files == ("a" * 64, "b-1.out")
    for name in ("../a", "a/b", ".a", "", "a" * 65, "a b", 5):
        for key in ("input_file", "output_file"):
            if name:
                with pytest.raises(BadReferenceError, match="no plain name"):
                    read_reference(STDIN | named | {key: name})
    with pytest.raises(BadReferenceError, match="'stdio' or 'file'"):
        read_reference(STDIN | {"input_mode": "pipe"})


def test_with_a_checker_there_need_not_be_an_expected_output() -> None:
    checker = {"checker": "def check(given, expected, got):\n    return True\n"}
    bare = {"tests": [{"stdin": "1"}]}
    assert read_reference(bare | checker).inputs == (("1", ""),)
    assert read_reference(bare | {"tests": [{"stdin": "1", "stdout": "2"}]} | checker).inputs == (("1", "2"),)
    with pytest.raises(BadReferenceError, match=r"\['tests'\]\[0\] has no text"):
        read_reference(bare)
    assert read_reference(STDIN | {"checker": " "}).checker is None


REFUSED: list[tuple[Any, str]] = [
    (None, "reference is NoneType; expected a mapping"),
    ([CALL], "reference is list"),
    ({}, "is NoneType; expected a list"),
    (CALL | {"tests": []}, "is empty; expected a list"),
    (CALL | {"tests": {}}, "is dict; expected a list"),
    ({"test_code": "assert 1"}, r"reference\['entry'\] is missing"),
    (CODE | {"test_code": " "}, "expected Python code"),
    (CODE | {"test_code": ["a"]}, "is list; expected Python code"),
    (CALL | {"entry": 5}, r"\['entry'\] is int; expected str"),
    (CALL | {"setup": 5}, r"\['setup'\] is int"),
    (CALL | {"signature": []}, r"\['signature'\] is list"),
    (CALL | {"tests": [{"args": [1]}]}, r"\['tests'\]\[0\] needs a list in `args`"),
    (CALL | {"tests": [CALL["tests"][0], {"args": 5, "expected": 1}]}, r"\['tests'\]\[1\] needs"),
    (CALL | {"tests": [{"args": [], "kwargs": [1], "expected": 1}]}, "needs a list"),
    (CALL | {"tests": ["x"]}, "needs"),
    ({"tests": [{"stdin": 5, "stdout": "5"}]}, "no text in `stdin`"),
    ({"tests": [{"stdin": "5"}]}, "no text"),
    ({"tests": ["x"]}, "no text"),
]


@pytest.mark.parametrize(("reference", "words"), REFUSED)
def test_what_is_refused(reference: Any, words: str) -> None:
    with pytest.raises(BadReferenceError, match=words):
        read_reference(reference)


GOOD_AND_BAD: dict[str, tuple[list[Any], list[Any]]] = {
    "time_limit": ([0.001, 5, 59.9], [0, -1, True, float("inf"), float("nan"), "5"]),
    "memory_mb": ([1, 0.5], [0, -5, True, float("inf"), [1]]),
    "tol": ([0, 0.5, 0.999], [1, -0.1, True, "0.1", float("nan")]),
    "abs_tol": ([0, 0.5, 0.999], [1, 1.5, -0.1, False]),
    "rel_tol": ([0, 0.5, 0.999], [1, 1.5, -0.1, False]),
    "equality": (["strict", "python"], ["loose", True]),
    "strict": ([True, False, 0, 1], [2, "yes"]),
    "any_order": ([True, False, "deep"], [1, "shallow"]),
    "ignore_case": ([True, False, 0, 1], [2, "no"]),
    "imports": ([True, False, 0, 1], [2, "no"]),
    "in_place": ([True, False, 0, 7], [-1, 1.0, "first"]),
    "compare": (["tokens"], ["words", 1]),
}


@pytest.mark.parametrize("key", GOOD_AND_BAD)
def test_each_option_has_its_values(key: str) -> None:
    good, bad = GOOD_AND_BAD[key]
    for value in good:
        read_reference(CALL | {key: value})
    for value in bad:
        with pytest.raises(BadReferenceError, match=rf"reference\['{key}'\] is .*; expected"):
            read_reference(CALL | {key: value})
