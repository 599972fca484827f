"""Every option of the code verifier changes a verdict, and a row's own key comes before it."""

import inspect
import re
from pathlib import Path

import pytest

from verifiers import BadOption, load
from verifiers.code import CodeVerifier, sandbox
from verifiers.code.checker import accepts
from verifiers.types import Problem

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/code.md"


def calls(args, expected, **more):
    return Problem(
        "p", more.pop("prompt", ""), {"entry": "f", "tests": [{"args": args, "expected": expected}], **more}
    )


def stdin(expected, prompt=""):
    return Problem("p", prompt, {"tests": [{"stdin": "", "stdout": expected}]})


GIVES = "def f(x):\n    return {}\n".format
SLEEPS = "import time\ndef f(x):\n    time.sleep(1)\n    return x\n"
LARGE = "def f(x):\n    return x + 0 * len(bytearray(200 << 20))\n"
ROTATES = "def f(x):\n    x.append(x.pop(0))\n"

# option: (value, problem, program, score without the option, score with it)
VERDICTS = {
    "time_limit": (0.2, calls([1], 1), SLEEPS, 1.0, 0.0),
    "memory_mb": (64, calls([1], 1), LARGE, 1.0, 0.0),
    "tol": (1e-3, calls([1], 0.5), GIVES("0.5001"), 0.0, 1.0),
    "abs_tol": (1e-3, calls([1], 0.5), GIVES("0.5001"), 0.0, 1.0),
    "rel_tol": (1e-3, calls([1], 500.0), GIVES("500.4"), 0.0, 1.0),
    "equality": ("typed", calls([1], 2), GIVES("2.0"), 1.0, 0.0),
    "any_order": (True, calls([1], [1, 2]), GIVES("[2, 1]"), 0.0, 1.0),
    "compare": ("lines", stdin("1 2"), "print(1)\nprint(2)", 1.0, 0.0),
    "ignore_case": (True, stdin("YES"), "print('Yes')", 0.0, 1.0),
    "imports": (False, calls([1], 3), GIVES("math.floor(3.5)"), 1.0, 0.0),
    "in_place": (True, calls([[1, 2, 3]], [2, 3, 1]), ROTATES, 0.0, 1.0),
    "statement": (False, stdin("YES", "Print YES in any case."), "print('yes')", 1.0, 0.0),
    "packages": (["sortedcontainers"], calls([1], 2), "import sortedcontainers\n" + GIVES("2"), 0.0, 1.0),
    "max_time_limit": (1, calls([1], 2, time_limit=2), GIVES("2"), 1.0, None),
    "max_memory_mb": (64, calls([1], 2, memory_mb=128), GIVES("2"), 1.0, None),
    "total_seconds": (0.2, calls([1], 1), SLEEPS, 1.0, 0.0),
}
ELSEWHERE = {"level", "allow_weak", "workers"}  # tests/verifiers/test_code_level.py, test_code_verifier.py


def verdict(problem, program, **options):
    verifier = CodeVerifier(allow_weak=True, **options)
    try:
        return verifier.verify(problem, "", program)
    finally:
        verifier.close()


@pytest.mark.parametrize("option", VERDICTS)
def test_an_option_changes_the_verdict(option):
    value, problem, program, without, with_it = VERDICTS[option]
    assert verdict(problem, program).score == without
    assert verdict(problem, program, **{option: value}).score == with_it


def test_options_of_the_detail():
    tests = [{"args": [1], "expected": 1}, {"args": [2], "expected": 2}]
    problem = Problem("p", "", {"entry": "f", "tests": tests})
    assert "passed 1 of 2" in verdict(problem, GIVES("2")).detail
    assert "passed 0 of 2" in verdict(problem, GIVES("2"), partial=False).detail
    assert "got 2" in verdict(problem, GIVES("2")).detail
    assert "got" not in verdict(problem, GIVES("2"), feedback="status").detail


def test_every_option_is_tested_and_documented():
    options = set(inspect.signature(CodeVerifier).parameters)
    assert options == {*VERDICTS, "partial", "feedback", *ELSEWHERE}
    documented = set(re.findall(r"`(\w+): ", DOCUMENT.read_text(encoding="utf-8")))
    assert options <= documented


@pytest.mark.parametrize(
    "option", ["abs_tol", "equality", "any_order", "compare", "ignore_case", "imports", "in_place"]
)
def test_a_row_comes_before_the_verifier(option):
    value, problem, program, without, with_it = VERDICTS[option]
    row = Problem("p", "", {**problem.reference, option: value})
    assert verdict(row, program).score == with_it
    other = {"equality": "python", "compare": "tokens", "imports": True, "abs_tol": 0}.get(option, False)
    assert verdict(row, program, **{option: other}).score == with_it
    row = Problem("p", "", {**problem.reference, option: other})
    assert verdict(row, program, **{option: value}).score == without


def test_a_row_comes_before_its_statement_and_that_before_the_verifier():
    prompt = "Print it with an absolute or relative error of at most 1e-3."
    assert verdict(stdin("0.5", prompt), "print(0.5001)").score == 1.0
    assert verdict(stdin("0.5", prompt), "print(0.5001)", tol=1e-9).score == 1.0
    exact = Problem("p", prompt, {**stdin("0.5").reference, "tol": 0})
    assert verdict(exact, "print(0.5001)").score == 0.0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("tol", 2),
        ("rel_tol", -1),
        ("time_limit", 0),
        ("memory_mb", "1 GB"),
        ("equality", "loose"),
        ("compare", "words"),
        ("any_order", "yes"),
        ("ignore_case", "no"),
        ("in_place", -1),
    ],
)
def test_a_bad_value_is_named(option, value):
    with pytest.raises(BadOption, match=option):
        load("code", **{option: value})
    problem = Problem("p", "", {**calls([1], 1).reference, option: value})
    found = verdict(problem, GIVES("1"))
    assert (found.score, found.status) == (None, "unverifiable") and option in found.detail


@pytest.mark.skipif(sandbox.level() == "weak", reason="the sandbox is weak here")
def test_a_checker_that_fails_on_the_expected_output_is_the_rows_fault():
    row = {
        "tests": [{"stdin": "", "stdout": "7"}],
        "checker": "def check(input, expected, output):\n    return 1 / 0\n",
    }
    assert verdict(Problem("p", "", row), "print(7)").status == "unverifiable"
    row["checker"] = "def check(input, expected, output):\n    return int(output) == 7\n"
    assert verdict(Problem("p", "", row), "print(7)").score == 1.0
    assert verdict(Problem("p", "", row), "print('seven')").score == 0.0
    row["checker"] = "def check(input, expected, output)\n"
    assert verdict(Problem("p", "", row), "print(7)").status == "unverifiable"


FULL = [True, 1, 1.0, 100, (True, "right"), "1", "1.0", "100", "yes", "OK", " true\n"]
LESS = [
    False,
    0,
    0.5,
    0.99,
    -1,
    None,
    (0.5, "half of it"),
    (False, "wrong"),
    [],
    "0",
    "0.5",
    "50",
    "no",
    "",
    "wrong",
]


@pytest.mark.parametrize(
    ("said", "right"), [(said, True) for said in FULL] + [(said, False) for said in LESS]
)
def test_a_checker_accepts_by_full_points_alone(said, right):
    assert accepts(said) is right


FORMS = ["def check(input, expected, output):\n    return {}\n", "import sys\nsys.argv\nprint({})\n"]


@pytest.mark.parametrize("form", FORMS)
def test_half_of_the_points_are_no_right_output(form):
    for points, score in ((1, 1.0), (0.5, 0.0)):
        row = {"tests": [{"stdin": "", "stdout": "7\n"}], "checker": form.format(points)}
        assert verdict(Problem("p", "", row), "print(8)").score == score


def test_a_program_cannot_reach_the_checker():
    row = {
        "tests": [{"stdin": "", "stdout": "7"}],
        "checker": "import sys, os\nprint(int(open(sys.argv[3]).read() == '7\\n' and os.listdir('.') != []))\n",
    }
    leaves = "open('checker.py', 'w').write('print(1)')\nimport sys\nsys.argv[:] = []\nprint(8)\n"
    assert verdict(Problem("p", "", row), leaves).score == 0.0
    assert verdict(Problem("p", "", row), "print(7)").score == 1.0
