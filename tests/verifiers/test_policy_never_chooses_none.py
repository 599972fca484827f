"""No answer makes a built-in verifier raise, and so none gets "no verdict"; answers of people are still right."""

from __future__ import annotations

import pytest

from verifiers import Problem, score

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
        # complex numbers that are real
        ("math", "0.333", "0i", 0.0),
        ("math", "12.50", "\\cos(i)", 0.0),
        ("math", "3.14159", "\\pi+0i", 1.0),
        ("numeric", "1", "0i", 0.0),
        ("numeric", "-1", "i^2", 1.0),
        # decimal commas beside what has a spelling of its own
        ("math", "12.50", "\\$12,50", 1.0),
        ("math", "12.50", "12,50\\$", 1.0),
        ("math", "12.50", "\\$1,50 y", 0.0),
        ("math", "12.50", "\\$1{,}200,50", 0.0),
    ],
)
def test_answers_that_have_raised(verifier: str, gold: str, answer: str, expected: float):
    verdict = score(verifier, Problem("p", "", gold), f"\\boxed{{{answer}}}")
    assert verdict.score == expected, verdict
    assert len(verdict.answer or "") < 300
