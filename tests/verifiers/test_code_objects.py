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
