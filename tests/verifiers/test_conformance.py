"""The conformance kit finds what it looks for, and nothing else; and so does its pytest plug-in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from verifiers import BadOption, Problem, Verdict, fuzz
from verifiers.conformance import PROPERTIES, ConformanceError, Example, check
from verifiers.pytest_plugin import NAMES, ConformanceTests
from verifiers.types import STATUSES, Status

REPO = Path(__file__).resolve().parents[2]
HERE = str(Path(__file__).resolve().parent)


@pytest.fixture(autouse=True, scope="module")
def importable():
    sys.path.insert(0, HERE)
    yield
    sys.path.remove(HERE)


def broken(name: str, **arguments: object) -> set[str]:
    report = check(f"specimens:{name}", **{"fuzz": 600, "deadline": 1.0} | arguments)  # type: ignore[arg-type]
    assert report.ok == (not report.findings) and report.skipped == {}
    return {finding.property for finding in report.findings}


def test_a_good_verifier_passes_on_ten_thousand_texts():
    report = check("specimens:Good", fuzz=10_000)
    assert report.passed == list(PROPERTIES) and report.ok, str(report)
    report.raise_if_failed()


@pytest.mark.parametrize(
    "specimen, properties",
    [
        ("TooStrict", {"examples"}),
        ("Raises", {"total"}),
        ("Contradictory", {"total"}),
        ("Hangs", {"bounded"}),
        ("Dies", {"bounded"}),
        ("Moody", {"deterministic", "threads"}),
        ("OneWay", {"examples", "symmetric", "hedges"}),
        ("ReadsTrace", {"last_answer"}),
        ("Blames", {"blame"}),
        ("Shares", {"threads"}),
    ],
)
def test_each_fault_is_found_and_only_that(specimen: str, properties: set[str]):
    assert broken(specimen) == properties


@pytest.mark.parametrize("score", [0.0, 1.0, None])
@pytest.mark.parametrize("status", STATUSES)
def test_what_total_lets_pass(status: Status, score: float | None):
    """A score for what the policy caused, none for what it did not, 1 for what is right alone; an error is no verdict,
    be it of the verifier on this answer only."""
    verdict = Verdict(score, status)
    kit = SimpleNamespace(hostile=[(Problem("p", "", "7"), "text")], judged=[verdict])
    fits = {"correct": [1.0], "no_trace": [0.0, 1.0], "unverifiable": [None], "error": [], "answer_error": []}
    assert (list(PROPERTIES["total"](kit)) == []) is (score in fits.get(status, [0.0]))  # type: ignore[arg-type]


def test_a_verifier_that_takes_any_number_in_the_text_is_found():
    report = check("specimens:AnyNumber", fuzz=100)
    assert {finding.property for finding in report.findings} == {"hedges"}
    assert "the hedge '7 or 8' was accepted for '7'" in str(report)
    with pytest.raises(ConformanceError, match="7 or 8"):
        report.raise_if_failed()


def test_classes_instances_and_options():
    from specimens import Good, Picky  # type: ignore[import-not-found]

    for verifier, options in ((Good, {}), (Good(), {}), (Picky("sweet"), {}), (Picky, {"taste": "sour"})):
        assert check(verifier, options=options, fuzz=50).ok
    with pytest.raises(BadOption, match="needs the option 'taste'"):
        check(Picky)

    class Inner(Good):
        pass

    with pytest.raises(TypeError, match="defined in a function"):
        check(Inner)
    with pytest.raises(TypeError, match="cannot be sent to a worker"):
        check(Inner())
    with pytest.raises(TypeError, match="not with an instance"):
        check(Good(), options={"x": 1})


def test_what_cannot_be_checked_is_said():
    report = check("naughty:Naughty", fuzz=50, only=["last_answer", "symmetric", "hedges", "total"])
    assert set(report.skipped) == {"last_answer", "symmetric", "hedges"} and report.passed == ["total"]
    assert "hedges: not checked, there are no examples" in str(report)
    report = check("naughty:Naughty", fuzz=50, examples=[Example("a", "a", "b")], only=["last_answer"])
    assert report.skipped == {"last_answer": "the whole response is the answer"}


def test_fuzzed_texts_are_many_different_and_always_the_same():
    first, second = list(fuzz.texts(3000)), list(fuzz.texts(3000))
    assert first == second and len(first) == 3000 and len(set(first)) > 2500
    assert list(fuzz.texts(5)) == fuzz.BOMBS[:5]


@pytest.mark.parametrize("name", ["math", "math+reasoning", "reasoning"])
def test_built_in_verifiers_conform(name: str):
    answers = (
        ("7", "7", "8"),
        ("1/2", "0.5", "0.25"),
        ("x^2+1", "1+x^2", "x^2"),
        ("(1,2)", "(1, 2)", "(2,1)"),
    )
    examples = [] if name == "reasoning" else [Example(*example) for example in answers]
    report = check(name, examples=examples, fuzz=2500)
    assert report.ok, str(report)


class TestGood(ConformanceTests):
    verifier = "specimens:Good"
    fuzz = 300


def test_the_plugin_names_every_property():
    assert set(NAMES) == set(PROPERTIES)


def test_the_plugin_in_an_authors_own_suite(tmp_path: Path):
    (tmp_path / "test_mine.py").write_text(
        "from verifiers.pytest_plugin import ConformanceTests\n"
        "class TestBlames(ConformanceTests):\n"
        "    verifier, fuzz = 'specimens:Blames', 50\n"
        "def test_by_fixture(check_verifier):\n"
        "    check_verifier('specimens:Good', fuzz=50)\n"
        "def test_by_fixture_fails(check_verifier):\n"
        "    check_verifier('specimens:TooStrict', fuzz=50)\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{REPO}{os.pathsep}{HERE}"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "verifiers.pytest_plugin",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    run = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert "2 failed, 9 passed" in run.stdout, run.stdout
    assert "test_conforms[blame]" in run.stdout and "right answer 'half' to 'half' got 0.0" in run.stdout
