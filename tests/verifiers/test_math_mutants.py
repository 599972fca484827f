"""An answer that differs from the gold in one thing is refused, unless its value is the same for sure.

What "the same" means is computed here, from the text or the expression, without the verifier: with fractions, and with
mpmath to 40 digits.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mpmath
import pytest

from tests.verifiers import forms
from tests.verifiers.mutants import mutants, rewritings
from verifiers.math import equal

SETS = [
    "data/dev/math500", "data/dev/gsm8k_test", "data/dev/aime24", "data/dev/amc23", "data/dev/aime25", "data/dev/svamp",
    "data/dev/model_outputs", "data/train/gsm8k_train2000", "data/train/math_prm_train1000", "math/cases_dev",
]  # fmt: skip
PLAIN = 150
"""Golds that are digits alone, of which there are thousands."""
OWN = [
    "\\lfloor \\frac{2n+1}{7} \\rfloor", "|x-40|+3", "\\max(a-12, 0)", "3\\cos(5\\pi t+\\frac{\\pi}{6})", "Q(0)e^{-3t}",
    "T(0)+5t", "mean = 5, median = 7", "\\sin\\theta = \\frac{3}{5}, \\cos\\theta = \\frac{4}{5}", "|AB|=3, |BC|=4",
    "A: 3, B: 4", "x>1, y>2", "2^{3^{20}}+1", "e^{3000}-7", "12 \\text{ in}^2", "5 \\text{ million}",
    "0.125", "\\frac{7}{12}", "9:05",
    "(3, -4)", "[2, 5)", "\\{1, 3, 9\\}", "x^2-5x+6", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "y=3x-7", "3:4:5",
    "\\binom{n+1}{3}", "\\gcd(n, 12)", "(-1)^n\\frac{n}{2}", "2\\sqrt{3}+\\sqrt{5}", "\\ln|x-8|", "n! + 3", "101_2",
    "x=1, y=2", "45^\\circ", "f(3)=7", "\\sqrt{(x-9)^2}", "\\frac{x}{|x|}", "a_n=2^{n-1}+3", "-2<x\\le 5", "\\pm 6",
]  # fmt: skip


def _golds(exams: Path) -> Iterator[str]:
    seen: set[str] = set()
    plain = 0
    for name in SETS:
        for line in (exams / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            gold = str(json.loads(line)["gold"])
            if gold in seen or "boxed" in gold or "####" in gold:
                continue
            seen.add(gold)
            plain += gold.isdigit()
            if not gold.isdigit() or plain <= PLAIN:
                yield gold


_INFINITY = re.compile(r"[\[(](?=-\\infty)|(?<=\\infty)[\])]")
_LENGTH = re.compile(r"\|(?=[A-Z]{2}\|)|(?<=[A-Z]{2})\|")
_WORDS = {"million": "*10**6", "hundred": "*100", "halves": "/mpf(2)"}


def _values(text: str) -> list[Any]:
    """The numbers of a list, each of ± a value of its own, sorted. Raises ValueError for other text."""
    found: list[Any] = []
    for part in re.sub(r"\\left|\\right|\\[{}]|[()\[\]]", "", text).split(","):
        for sign in "+-" if "\\pm" in part else "+":
            code = part.replace("\\pm", sign)
            code = re.sub(r"\\text\{ (\w+)\}", lambda match: _WORDS[match[1]], code)
            code = re.sub(r"\\d?frac\{(\d+)\}\{(\d+)\}", r"(mpf(\1)/\2)", code).replace("\\pi", "pi")
            if not re.fullmatch(r"(?:mpf|pi|[\d.+*/() -])*", code):
                raise ValueError(code)
            with mpmath.workdps(40):
                found.append(eval(code, {"mpf": mpmath.mpf, "pi": mpmath.pi}))
    return sorted(found)


def _surely_same(gold: str, mutant: str) -> bool:
    """Whether two texts have the same value, from the texts: numbers, lengths |AB|, infinite ends that are closed."""
    if any(pattern.sub("", gold) == pattern.sub("", mutant) for pattern in (_INFINITY, _LENGTH)):
        return True
    if mutant == f"-{gold}" and gold.startswith(("0\\le", "0<")):  # -0 < x
        return True
    try:
        return _values(gold) == _values(mutant)
    except (ValueError, KeyError, SyntaxError):
        return False


def _accepted(golds: list[str], keep: int) -> tuple[int, list[tuple[str, str, str]]]:
    """How many mutants were tried, and those that were accepted though they may be wrong; one mutant in `keep`."""
    tried, wrong = 0, []
    for number, gold in enumerate(golds):
        for at, (kind, mutant) in enumerate(mutants(gold)):
            if mutant == gold or (at + number) % keep:
                continue
            tried += 1
            if equal(gold, mutant) and not _surely_same(gold, mutant):
                wrong.append((kind, gold, mutant))
    return tried, wrong


def _refused(golds: list[str]) -> tuple[int, list[tuple[str, str, str]]]:
    """How many rewritten golds were tried, and those that were refused in one of the two directions."""
    tried = [(kind, gold, text) for gold in golds for kind, text in rewritings(gold)]
    return len(tried), [
        (k, gold, text) for k, gold, text in tried if not (equal(gold, text) and equal(text, gold))
    ]


def test_golds_that_are_written_anew(exams: Path) -> None:
    tried, wrong = _refused(list(_golds(exams)))
    assert tried > 3_000 and wrong == []


def test_our_own_golds_that_are_written_anew() -> None:
    tried, wrong = _refused(OWN)
    assert tried > 120 and wrong == []


def test_our_own_golds_with_one_thing_changed() -> None:
    tried, wrong = _accepted(OWN, keep=1)
    assert tried > 300 and wrong == []


def test_golds_of_the_sets_with_one_thing_changed(exams: Path) -> None:
    tried, wrong = _accepted(list(_golds(exams)), keep=7)
    assert tried > 800 and wrong == []


@pytest.mark.slow
def test_golds_of_the_sets_with_any_one_thing_changed(exams: Path) -> None:
    tried, wrong = _accepted(list(_golds(exams)), keep=1)
    assert tried > 6_000 and wrong == []


LETTERS = ("x", "n", "xy", "nk", "nx")


def _judge_generated(count: int, seed: int) -> tuple[int, list[str]]:
    """How many pairs of expressions with different values were judged, and those called equal."""
    draw = random.Random(seed)
    at = {letters: list(forms.points(letters)) for letters in LETTERS}
    judged, wrong = 0, []
    for turn in range(count):
        letters = draw.choice(LETTERS)
        gold = forms.written(draw, letters)
        other = forms.written(draw, letters, 2) if turn % 7 == 0 else forms.change(gold, letters, draw)
        if forms.differ(gold, other, at[letters]):
            judged += 1
            if equal(forms.latex(gold), forms.latex(other)):
                wrong.append(f"{forms.latex(gold)}   {forms.latex(other)}")
    return judged, wrong


def test_expressions_with_one_thing_changed() -> None:
    judged, wrong = _judge_generated(250, seed=11)
    assert judged > 180 and wrong == []


@pytest.mark.slow
def test_thousands_of_expressions_with_one_thing_changed() -> None:
    judged, wrong = _judge_generated(6_000, seed=12)
    assert judged > 4_500 and len(wrong) <= 3, wrong  # corners that no search finds
