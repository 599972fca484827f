"""Patterns that may take for ever are told from those that do not, in a moment, and are the data's fault."""

from __future__ import annotations

import re
import time

import pytest

from verifiers import Problem
from verifiers.backtracking import backtracks
from verifiers.simple import RegexVerifier

ENDLESS = [
    r"(\w+\s?)*",
    r"(a+)+b",
    r"(a|a)*b",
    r"(a|aa)+$",
    r"(a|b|ab)*c",
    r"(x+x+)+y",
    r"Answer: (\w+\s?)*\.",
    r"\d{4}-(\w+\s?)*!",
    r"(.*)*x",
    r"((a*)*)*",
    r"(?:\d+[ ,]?)+kg",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(.*,){20}x",
    r"(a?){30}a{30}",
    r"(\s*\w+\s*)+",
    r"(?=(a+)+b).*",
    r"[^x]*[^x]*[^x]*[^x]*[^x]*x",
]
HARMLESS = [
    "OK",
    r"(\d+,)*\d+",
    r".*",
    r".*foo.*bar.*",
    r"\s*-?\d+(\.\d+)?\s*",
    r"paris|london",
    r"[A-Z][a-z]+( [A-Z][a-z]+)*",
    r"(?:the )?answer is .+",
    r"\d{1,3}(,\d{3})*(\.\d+)?",
    r"a{1000}",
    r"(?=.*a)(?=.*b).*",
    r"\w+@\w+\.\w+",
    r".*\d+.*\d+.*",
    r"(?>a+)+b",
    r"[^\W\d]+x*",
    r"(['\"]).*?\1",
    r"(a)?(?(1)b|c)",
    r"(?i)paris|london",
    r"(?x) a b{2,3}? # both",
    "",
]


@pytest.mark.parametrize("pattern", ENDLESS)
def test_an_endless_pattern_judges_nobody(pattern: str):
    began = time.process_time()
    for answer in ("a", "a" * 5000 + "!", ""):
        verdict = RegexVerifier().verify(Problem("p", "", pattern), "", answer)
        assert (verdict.score, verdict.status) == (None, "unverifiable")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("pattern", HARMLESS)
def test_a_harmless_one_does(pattern: str):
    assert not backtracks(pattern)
    assert not backtracks(pattern, re.IGNORECASE)
    assert RegexVerifier().verify(Problem("p", "", pattern), "", "nothing of this").score is not None
