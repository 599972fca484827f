"""The world of rules: evidence as a sum of nats, and checks that notice a policy that does not heed it."""

import math
from pathlib import Path

import numpy as np
import pytest

from rlvr.exact.table import Table
from rlvr.theory import rules
from rlvr.theory.networks import Base
from rlvr.worlds.rules import OTHER, Rules, answer, other_odds
from verifiers import Problem

WORLD = Rules()
PROBLEMS = WORLD.problems()


def by_law(forget: str = "") -> Base:
    """A policy that is the law itself, or one that does not read `forget`."""
    tables = []
    for problem in PROBLEMS:
        read = Problem(problem.id, problem.prompt, problem.reference, dict(problem.meta))
        read.meta["context"] = problem.meta["context"].lstrip(forget) if forget else problem.meta["context"]  # type: ignore[index]
        law = {trace.text: trace.probability for trace in WORLD.support(read)}
        traces = WORLD.support(problem)
        tables.append(Table.of(problem, traces, np.log([law[trace.text] for trace in traces])))
    return Base(Path(), WORLD, PROBLEMS, tables)


@pytest.mark.parametrize(
    ("context", "pieces"),
    [
        ("", 0),
        ("l", 1),
        ("ll", 2),
        ("h", -1),
        ("7,2=2;", 1),
        ("7,2=7;", -1),
        ("l7,2=7;1,2=1;", 1),
        ("ll3,9=9;", 1),
    ],
)
def test_each_statement_and_each_example_is_worth_ln_9(context, pieces):
    assert other_odds(context) == pytest.approx(math.log(0.05 / 0.95) + pieces * math.log(9))


def test_the_law_of_two_steps_by_hand():
    """l5,3,8=: P(smaller) = 1/(1 + 19/9); by the smaller rule 3 then 3, by the usual one 5 then 8."""
    (problem,) = [p for p in WORLD.problems("all") if p.prompt == "l5,3,8="] or [None]
    problem = problem or Problem("x", "l5,3,8=", "3", {"context": "l", "asked": "5,3,8", "rule": "l"})
    small = 9 / 28
    found = {trace.text: trace.probability for trace in WORLD.support(problem)}
    assert found["33"] == pytest.approx(small * 0.98 * 0.98 + (1 - small) * 0.02 * 0.02)
    assert found["58"] == pytest.approx(small * 0.02 * 0.02 + (1 - small) * 0.98 * 0.98)
    assert found["38"] == pytest.approx(small * 0.98 * 0.02 + (1 - small) * 0.02 * 0.98)


def test_every_problem_has_a_law_and_one_right_answer_by_its_rule():
    assert len({problem.id for problem in PROBLEMS}) == len(PROBLEMS) > 1000
    for problem in PROBLEMS:
        traces = WORLD.support(problem)
        assert sum(trace.probability for trace in traces) == pytest.approx(1)
        assert any(trace.right for trace in traces)
        assert all(answer(problem, trace.text) == trace.right for trace in traces)
    stated = next(p for p in PROBLEMS if p.prompt == "l5,3=")
    assert (stated.reference, next(p for p in PROBLEMS if p.prompt == "5,3=").reference) == ("3", "5")


def test_the_checks_accept_the_law_and_notice_who_does_not_read_a_statement():
    check = rules.conditioned(by_law())
    assert check.passed
    assert all(abs(line.found - line.exact) < 1e-6 for line in check.lines if line.exact is not None)
    deaf = rules.conditioned(by_law(forget=OTHER))
    missed = {line.what for line in deaf.lines if line.passed is False}
    assert {"log-odds of the other rule, stated once", "log-odds of the other rule, stated twice"} <= missed
    assert "log-odds of the other rule, nothing stated" not in missed
