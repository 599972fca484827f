"""Naming a verifier (all three ways), what a bad name or option says, and what importing costs."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import verifiers
from verifiers import BadOption, Problem, UnknownVerifier, Verdict, VerifierFailed

REPO = Path(__file__).resolve().parents[2]
HERE = str(Path(__file__).resolve().parent)


class Shout:
    name = "shout"
    answer_format = "text"

    def __init__(self, mark: str = "!", *, times: int = 1) -> None:
        self.ending = mark * times

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        right = answer == problem.reference.upper() + self.ending
        return Verdict(float(right), "correct" if right else "incorrect", answer)


class Picky(Shout):
    judges_missing_answers = True

    def __init__(self, seriously: bool) -> None:
        super().__init__()

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        assert answer is None
        return Verdict(0.0, "no_answer", detail="looked all the same")


shout = Shout("?")
SHOUT = f"{__name__}:Shout"
PROBLEM = Problem("p", "Shout hello.", "hello")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs a distribution with an entry point, as pip lays it out."""

    def install(entry: str, distribution: str = "plugin") -> None:
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[rlvr.verifiers]\n{entry}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()

    return install


def test_a_path_to_a_class_is_instantiated_with_the_options():
    assert verifiers.score(SHOUT, PROBLEM, " HELLO!").score == 1.0
    assert verifiers.score(SHOUT, PROBLEM, "HELLO??", mark="?", times=2).score == 1.0
    assert verifiers.score(SHOUT, PROBLEM, "HELLO").status == "incorrect"


def test_a_path_to_an_instance_is_taken_as_it_is():
    assert verifiers.load(f"{__name__}:shout") is shout
    with pytest.raises(BadOption, match="takes no options"):
        verifiers.load(f"{__name__}:shout", mark="!")


def test_an_installed_plugin_is_found_by_its_entry_point(plugin):
    plugin(f"shout = {SHOUT}")
    assert verifiers.installed()["shout"] == SHOUT
    assert verifiers.score("shout", PROBLEM, "HELLO!").score == 1.0
    with pytest.raises(UnknownVerifier, match=r"'shot'.*did you mean 'shout'"):
        verifiers.load("shot")


def test_two_plugins_of_one_name_are_refused_rather_than_chosen_between(plugin):
    plugin(f"shout = {SHOUT}", "plugin_a")
    plugin("shout = elsewhere:Shout", "plugin_b")
    with pytest.raises(UnknownVerifier, match="two installed plug-ins"):
        verifiers.load("shout")


def test_a_plugin_cannot_take_over_a_built_in_name(plugin):
    plugin(f"math = {SHOUT}")
    assert verifiers.installed()["math"] == "verifiers.math:MathVerifier"


def test_an_unknown_name_teaches():
    with pytest.raises(UnknownVerifier) as caught:
        verifiers.load("maths")
    for words in ("'maths'", "did you mean 'math'", "rlvr.verifiers", "package.module:MyVerifier"):
        assert words in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "spec, words",
    [
        ("no_such_module:V", "No module named 'no_such_module'"),
        (f"{__name__}:Nobody", "no attribute 'Nobody'"),
        (
            "json:dumps",
            r"json:dumps is not a verifier: a function is one as `def reward\(problem, response\)",
        ),
        ("json:JSONDecoder", "the class JSONDecoder has no method 'verify'"),
        (f"{__name__}:PROBLEM", "no attribute 'name'"),
        (":V", "':V'"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(spec: str, words: str):
    with pytest.raises(UnknownVerifier, match=words):
        verifiers.load(spec)


def test_options_are_checked_by_name():
    with pytest.raises(BadOption, match=r"no option 'marks'; it takes mark, times \(did you mean 'mark'"):
        verifiers.load(SHOUT, marks="?")
    with pytest.raises(BadOption, match="needs the option 'seriously'"):
        verifiers.load(f"{__name__}:Picky")


def test_an_unknown_answer_format_is_an_error_when_the_verifier_is_loaded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Shout, "answer_format", "boxd")
    with pytest.raises(UnknownVerifier, match="answer_format is 'boxd'; expected one of"):
        verifiers.load(SHOUT)


def test_a_missing_answer_is_judged_only_by_who_asks_for_it():
    assert verifiers.score(SHOUT, PROBLEM, "  ").status == "no_answer"
    assert verifiers.score(Picky(True), PROBLEM, "  ").detail == "looked all the same"


def test_what_a_verifier_of_ones_own_raises_stops_whoever_asked_and_is_told_with_its_place():
    with pytest.raises(VerifierFailed) as caught:
        verifiers.score(SHOUT, Problem("p", "", reference=None), "HELLO!")
    line = "right = answer == problem.reference.upper() + self.ending"
    number = Path(__file__).read_text().splitlines().index(f"        {line}") + 1
    assert str(caught.value) == (
        "verifier 'shout' failed on problem 'p': AttributeError: 'NoneType' object has no attribute 'upper' "
        f"({__file__}, line {number}, in verify: {line})"
    )


@pytest.mark.parametrize("name", sorted(verifiers.installed()))
def test_every_built_in_name_loads_and_bears_its_name(name: str):
    assert verifiers.load(name).name == name


def test_importing_is_cheap_and_brings_nothing_heavy():
    """Cheap: five files of ours, and few modules of Python's own. (A bound in seconds says what machine it is.)"""
    code = (
        f"import sys; sys.path.insert(0, {str(REPO)!r}); before = set(sys.modules); import verifiers\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    brought = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    modules = set(brought.stdout.split())
    heavy = {"torch", "sympy", "numpy", "scipy", "rlvr", "subprocess", "importlib.metadata"}
    assert heavy & modules == set()
    ours = {name for name in modules if name.partition(".")[0] == "verifiers"}
    assert ours == {"verifiers"} | {
        f"verifiers.{name}" for name in ("judging", "messages", "registry", "types")
    }
    assert len(modules - ours) < 80


def test_the_other_package_named_verifiers_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert verifiers.shadowed() is None
    info = tmp_path / "verifiers-0.1.14.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: verifiers\nVersion: 0.1.14\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "0.1.14" in (verifiers.shadowed() or "")
    with pytest.raises(
        AttributeError, match=r"no attribute 'Rubric'; another package named 'verifiers' \(0.1.14\)"
    ):
        verifiers.Rubric  # noqa: B018
