"""No answer makes a built-in verifier raise, and so none gets "no verdict"; answers of people are still right."""

from __future__ import annotations

import pytest

from verifiers import Problem, load, score
from verifiers.registry import BUILT_IN, judge

LONG = "10^{4400}"


@pytest.mark.parametrize(
    ("verifier", "gold", "answer", "expected"),
    [
        # numbers that Python does not write out
        ("math", "12", f"x+{LONG}", 0.0),
        ("math", "12", f"x^2+1/{LONG}", 0.0),
        ("math", "12", f"f({LONG})", 0.0),
        ("math", f"f({LONG})", f"f({LONG}+10^{{40}})", 0.0),
        ("math", f"x+{LONG}", f"{LONG}+x", 1.0),
        ("math", "12", f"({LONG}x, {LONG})", 0.0),
        ("math", "12", f"a_{{{LONG}}}", 0.0),
        ("numeric", "12", LONG, 0.0),
        ("numeric", "12", "1700!", 0.0),
        ("numeric", LONG, LONG, 1.0),
        ("choice", "C", f"C_{{{LONG}}}", 0.0),
        # numbers that would take minutes or gigabytes
        ("numeric", "\\pi", "\\sqrt[(10^9)!]{-3}", 0.0),
        ("math", "1:2", "\\sqrt[\\frac{50%}{1e4000}]{\\sin(-3)}", 0.0),
        ("numeric", "12.50", "1/2^\\circ!/1e4000", 0.0),
        ("math", "(1, 2)", "f(1e4000)!", 0.0),
        ("math", "\\pi", "\\sum_{k=1}^{1000} \\frac{\\pi}{1e4000}", 0.0),
        # complex numbers that are real
        ("math", "0.333", "0i", 0.0),
        ("math", "12.50", "\\cos(i)", 0.0),
        ("math", "3.14159", "\\pi+0i", 1.0),
        ("numeric", "1", "0i", 0.0),
        ("numeric", "-1", "i^2", 1.0),
        # decimal commas beside what has a spelling of its own
        ("math", "(1, 2)", "0i \\le x \\le 1e9", 0.0),
        ("math", "0.333", "[\\overline{0.1} \\pmod{(7/0, -3)}, \\pi)", 0.0),
        ("math", "12.50", "\\$12,50", 1.0),
        ("math", "12.50", "12,50\\$", 1.0),
        ("math", "12.50", "\\$1,50 y", 0.0),
        ("math", "12.50", "\\$1{,}200,50", 0.0),
    ],
)
def test_answers_that_have_raised(verifier: str, gold: str, answer: str, expected: float):
    verdict = score(verifier, Problem("p", "", gold), f"\\boxed{{{answer}}}")
    assert verdict.score == expected, verdict
    assert len(verdict.answer or "") < 5000
    assert verdict.status != "answer_error"


GOOD = {
    "math": "12",
    "math+reasoning": "12",
    "reasoning": "12",
    "numeric": "12",
    "choice": "C",
    "exact": "12",
    "regex": "1.",
    "format": "12",
    "code": {"entry": "f", "tests": [{"args": [], "expected": 1}]},
}


def bomb(verify, answers):
    def raises(problem, trace, answer):
        if answer in answers:
            raise ZeroDivisionError("on this one")
        return verify(problem, trace, answer)

    return raises


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_what_a_built_in_verifier_raises_on_an_answer_is_the_answers_doing(name: str, monkeypatch):
    """Whichever place still raises: score 0, with a status of its own, once the reference is known to be good."""
    verifier = load(name, **({"allow_weak": True} if name == "code" else {}))
    answer = "```python\nf\n```" if name == "code" else "so \\boxed{12}"
    for broken, expected in ((("f\n", "f", "12", answer), 0.0), (("f\n", "f", "12", answer, None), None)):
        with monkeypatch.context() as patch:
            patch.setattr(type(verifier), "verify", staticmethod(bomb(verifier.verify, broken)))
            verdict = judge(verifier, Problem("p", "", GOOD[name]), answer)
        assert (verdict.score, verdict.status) == (expected, "answer_error" if expected == 0 else "error")
        assert "ZeroDivisionError: on this one" in verdict.detail


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"exact", "regex", "reasoning", "format"}))
def test_a_reference_that_cannot_be_read_is_not(name: str):
    verdict = judge(load(name), Problem("p", "", {"neither": 1}), "so \\boxed{12}\n```python\nf\n```")
    assert verdict.score is None


def test_a_corner_of_two_letters_of_which_one_has_no_value():
    """Found by a fuzz of two million answers: a polynomial in k whose leading coefficient holds the letter i."""
    answer = r"\sum_{k=|y \cdot k|}^{\prod_{k=1}^{-3} \sqrt[10^{4400}]{i}} 42^\circ"
    verdict = load("math+reasoning").verify(Problem("p", "What is it?", "0.333"), answer, answer)
    assert verdict.score == 0.0
