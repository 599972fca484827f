"""Tests of pytest and unittest, and tests that need objects of the program: judged as they would be natively, except
that an object which claims to equal a value gains nothing."""

from pathlib import Path

import pytest

from verifiers.code import CodeVerifier
from verifiers.code.arrays import allclose, isclose
from verifiers.code.stand_ins import Approx
from verifiers.types import Problem


def _table() -> dict[str, tuple[str, str, float | None]]:
    """Name → (tests, program, score), from `programs/objects.txt`."""
    text = (Path(__file__).parent / "programs" / "objects.txt").read_text()
    bases: dict[str, str] = {}
    table = {}
    for section in text.split("=== ")[1:]:
        head, _, body = section.partition("\n")
        score, _, name = head.partition(" | ")
        if score == "base":
            bases[f"${name}"] = body
            continue
        tests, _, program = body.partition("\n---\n")
        first, _, rest = program.partition("\n")
        table[name] = (
            tests,
            bases.get(first, first + "\n") + rest,
            None if score == "None" else float(score),
        )
    return table


JUDGED = _table()
PROMPT = (
    "Write the class `Vector`, and `Area`, `Find_Max`, `f`, `Color`, `Point`, `Node`, `V`, `Stack`, `Counter2`, "
    "`Account` and `TooPoor`."
)


@pytest.fixture(scope="module")
def verifier():
    made = CodeVerifier(allow_weak=True)
    yield made
    made.close()


@pytest.mark.parametrize("name", JUDGED)
def test_tests_are_judged_as_they_would_be_natively_and_lies_gain_nothing(verifier, name):
    tests, program, score = JUDGED[name]
    classes = ("Stack", "Counter2", "Account", "Vector", "Find_Max")
    entry = next((name for name in classes if f"class {name}" in program), "f")
    problem = Problem("p", PROMPT, {"entry": entry, "test_code": tests + "\n", "time_limit": 5})
    verdict = verifier.verify(problem, "", program)
    assert verdict.score == score, verdict
    assert verdict.status != "error"


IN_A_CLASS = (
    "class TestIt:\n    {}\n    def {}:\n        assert f(3) == {}\n"
    "    def test_it(self):\n        assert f(2) == 4\n"
)
UNITTEST = "import unittest\n" + IN_A_CLASS.replace("TestIt", "It(unittest.TestCase)")
FIXTURE = "import pytest\n@pytest.fixture{}\ndef made():\n    yield f(2)\n    assert f(3) == {}\n"
PLAIN = "def {}:\n    assert f(3) == {}\ndef test_it():\n    assert f(2) == 4\n"
AROUND = {
    "after a fixture's yield": FIXTURE.format("", "{}") + "def test_it(made):\n    assert made == 4\n",
    "after the yield of one that nobody names": FIXTURE.format("(autouse=True)", "{}") + "def test_it(): pass\n",
    "a fixture's finalizer": "import pytest\n@pytest.fixture\ndef made(request):\n    def last():\n"
    "        assert f(3) == {}\n    request.addfinalizer(last)\n    return f(2)\n"
    "def test_it(made):\n    assert made == 4\n",
    **{f"{when}_{place}": PLAIN.format(f"{when}_{place}()", "{}")
       for when in ("setup", "teardown") for place in ("function", "module")},
    **{f"{when}_method": IN_A_CLASS.format("", f"{when}_method(self)", "{}") for when in ("setup", "teardown")},
    **{f"{when}_class": IN_A_CLASS.format("@classmethod", f"{when}_class(cls)", "{}")
       for when in ("setup", "teardown")},
    **{name: UNITTEST.format("", f"{name}(self)", "{}") for name in ("setUp", "tearDown")},
    **{name: UNITTEST.format("@classmethod", f"{name}(cls)", "{}") for name in ("setUpClass", "tearDownClass")},
    "addCleanup": "import unittest\nclass It(unittest.TestCase):\n    def test_it(self):\n"
    "        self.addCleanup(lambda: self.assertEqual(f(3), {}))\n        assert f(2) == 4\n",
}  # fmt: skip
"""Tests whose one test passes; what runs before or after it asks for f(3)."""


@pytest.mark.parametrize("place", AROUND)
def test_an_assertion_before_or_after_a_test_counts_as_one_in_it(verifier, place):
    for expected, score in ((9, 1.0), (8, 0.0)):
        problem = Problem(
            "p", "", {"entry": "f", "test_code": AROUND[place].replace("{}", str(expected)), "time_limit": 5}
        )
        verdict = verifier.verify(problem, "", "def f(x):\n    return x * x\n")
        assert verdict.score == score, verdict
        assert score or "AssertionError" in verdict.detail


def test_what_clears_up_after_a_test_without_a_verdict_blames_nobody(verifier):
    tests = IN_A_CLASS.format("", "teardown_method(self)", "9").replace(
        "f(2)", "__import__('pytest').nothing"
    )
    problem = Problem("p", "", {"entry": "f", "test_code": tests, "time_limit": 5})
    assert verifier.verify(problem, "", "def f(x):\n    return 0\n").score is None


def test_a_stand_in_for_approx_is_as_strict_as_pytest():
    for got, expected, options in [
        (1.0000001, 1.0, {}), (1.1, 1.0, {"rel": 0.2}), (1.0, 1.1, {"abs": 0.2}), ([1, 2.0], [1.0, 2], {}),
        ({"a": 1.0}, {"a": 1.0 + 1e-9}, {}), (float("inf"), float("inf"), {}), ((1.0,), (1.0,), {}),
        (float("nan"), float("nan"), {"nan_ok": True}), (1e-13, 0.0, {}),
    ]:  # fmt: skip
        assert (got == Approx(expected, **options)) and (got == pytest.approx(expected, **options))
    for got, expected, options in [
        (1.1, 1.0, {}), (float("nan"), float("nan"), {}), ([1, 2], [1, 2, 3], {}), ({"a": 1}, {"b": 1}, {}),
        (float("inf"), 1.0, {}), (1e-5, 0.0, {}), (1.5, 1.0, {"abs": 0.2}), ("a", 1.0, {}),
    ]:  # fmt: skip
        assert got != Approx(expected, **options) and got != pytest.approx(expected, **options)


def test_a_stand_in_for_allclose_is_as_strict_as_numpy():
    import numpy

    for a, b in [
        (1.0, 1.0 + 1e-9),
        ([1, 2.0], [1.0, 2]),
        (1.0, 1.1),
        ([1.0], 1.0),
        ([[1.0], [2.0]], [[1.0], [2.1]]),
    ]:
        assert allclose(a, b) == bool(numpy.allclose(a, b))
    for a, b in [(float("nan"), float("nan")), (float("inf"), float("inf")), (1e-9, 0.0), (1e-7, 0.0)]:
        assert isclose(a, b) == bool(numpy.isclose(a, b))
    with pytest.raises(ValueError):
        allclose([1, 2], [1, 2, 3])
