"""The world of strategies: its law against the figures that follow from it by hand."""

import pytest

from rlvr.worlds.strategies import HOLE, Strategies, answer, graded, sound
from verifiers.types import Problem

WORLD = Strategies()
SCORED = [problem for problem in WORLD.problems() if not problem.id.endswith("+0")]


def share(traces, test):
    return sum(trace.probability for trace in traces if test(trace))


@pytest.mark.parametrize("world", [WORLD, Strategies(sloppy_carry=0.99), Strategies(hole=("3+4", "9+1"))])
def test_every_problem_has_sixty_traces_whose_probabilities_add_up(world):
    assert len(world.problems()) == 100
    for problem in world.problems():
        traces = world.support(problem)
        assert len({trace.text for trace in traces}) == 60
        assert sum(trace.probability for trace in traces) == pytest.approx(1, abs=1e-12)


def test_the_rates_are_those_of_the_law():
    """.9 · .001 + .08 · .3 + .02 · .95 = .0439; given a right answer: copy .0205, sloppy .5467, column .4328."""
    for problem in SCORED:
        traces = WORLD.support(problem)
        p = share(traces, lambda trace: trace.right)
        assert p == pytest.approx(0.0439, abs=1e-12)
        for strategy, expected in (("copy", 0.0009), ("sloppy", 0.024), ("column", 0.019)):
            mass = share(traces, lambda trace, s=strategy: trace.right and trace.strategy == s)
            assert mass / p == pytest.approx(expected / 0.0439, abs=1e-9)
        assert share(traces, lambda trace: trace.sound and trace.right) == pytest.approx(0.02 * 0.99 * 0.95)


def test_a_nearly_fixed_carry_makes_one_sloppy_trace_likelier_than_columns():
    problem = Problem("3+9", "3+9=", "2", {"first": 3, "carry": 1})
    best = {
        world.sloppy_carry: max(
            (t for t in world.support(problem) if t.right), key=lambda t: t.probability
        ).strategy
        for world in (WORLD, Strategies(sloppy_carry=0.99))
    }
    assert best == {0.5: "column", 0.99: "sloppy"}


@pytest.mark.parametrize("name", ["3+4", "9+1"])
def test_in_a_hole_no_strategy_is_right(name):
    world = Strategies(hole=("3+4", "9+1"))
    problem = next(problem for problem in world.problems() if problem.id == name)
    assert share(world.support(problem), lambda trace: trace.right) == pytest.approx(HOLE, rel=1e-9)
    elsewhere = next(problem for problem in world.problems() if problem.id == "5+2")
    assert share(world.support(elsewhere), lambda trace: trace.right) == pytest.approx(0.0439)


@pytest.mark.parametrize(
    ("response", "right", "status"),
    [
        ("column carry 1, 2", 1.0, "correct"),
        ("column carry 0, 2", 1.0, "unsound"),
        ("sloppy carry 1, 2", 1.0, "unsound"),
        ("column carry 1, 3", 0.0, "incorrect"),
        ("", 0.0, "incorrect"),
    ],
)
def test_what_the_verifiers_say(response, right, status):
    problem = Problem("3+9", "3+9=", "2", {"carry": 1})
    assert answer(problem, response) == right
    verdict = sound(problem, response)
    assert (verdict.status, verdict.score, verdict.answer_score) == (
        status,
        float(status == "correct"),
        right,
    )


def test_another_split_is_refused():
    with pytest.raises(ValueError, match=r"unknown split 'train' of the world strategies; expected all"):
        WORLD.problems("train")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("copy carry 0, 2", 1.0), ("copy carry 0, 3", 0.8), ("copy carry 0, 9", 0.4), ("copy carry 0, 7", 0.0),
        ("copy", 0), ("", 0),
    ],
)  # fmt: skip
def test_a_graded_reward_is_the_digits_distance_around_the_circle(response, expected):
    assert graded(Problem("3+9", "3+9=", "2"), response) == pytest.approx(expected)
    assert (graded(Problem("3+9", "3+9=", "2"), response) == 1) == bool(
        answer(Problem("3+9", "3+9=", "2"), response)
    )
