from collections import Counter

import numpy as np
import pytest

from rlvr.config import ConfigError, CurriculumConfig
from rlvr.training.curriculum import Curriculum, Outcome, draw, levels_of, weighted_order
from verifiers import Problem


def test_an_epoch_holds_every_problem_once():
    drawn = [i for step in range(5) for i in draw(10, 4, 4 * step, seed=1)]
    assert Counter(drawn) == dict.fromkeys(range(10), 2)
    assert sorted(drawn[:10]) == list(range(10))


def test_epochs_and_seeds_differ():
    assert draw(1000, 16, 0, seed=1) != draw(1000, 16, 0, seed=2)
    assert draw(8, 8, 0, seed=1) != draw(8, 8, 8, seed=1)


def test_a_step_is_the_same_whenever_it_is_asked_for():
    assert draw(100, 8, 8 * 37, seed=3) == draw(100, 8, 8 * 37, seed=3)


def test_fewer_problems_than_groups():
    assert sorted(Counter(draw(3, 7, 0, seed=0)).values()) == [2, 2, 3]
    assert draw(1, 8, 40, seed=0) == [0] * 8


class Run:
    """A curriculum with the clock of a trainer, fed from known pass rates."""

    def __init__(self, rates, levels=None, seed=0, **config) -> None:
        self.rates, self.step = rates, 0
        self.curriculum = Curriculum(
            CurriculumConfig(**config), levels or [0] * len(rates), seed, lambda: self.step
        )

    def steps(self, n, groups=4, group_size=16) -> list[list[int]]:
        drawn = []
        for _ in range(n):
            first, _ = self.curriculum.draw(self.step, groups)
            counts = np.random.default_rng([self.step]).binomial(group_size, [self.rates[i] for i in first])
            outcomes = [Outcome(i, int(c), group_size) for i, c in zip(first, counts, strict=True)]
            self.curriculum.observe(self.step + 1, outcomes)
            self.step += 1
            drawn.append(first)
        return drawn


def test_uniform_is_the_plain_order_and_its_refill_is_fresh():
    curriculum = Run([0.5] * 20).curriculum
    first, rest = curriculum.draw(2, 6)
    assert first == draw(20, 6, 12, seed=0)
    assert sorted(first + rest) == list(range(20))


def test_adaptive_draws_what_is_neither_solved_nor_out_of_reach():
    rates = [0.0] * 20 + [0.5] * 20 + [1.0] * 20
    drawn = Counter(
        i // 20 for step in Run(rates, kind="adaptive", forgetting=0.98).steps(100)[50:] for i in step
    )
    assert drawn[1] > 2 * (drawn[0] + drawn[2])


def test_the_uniform_share_keeps_every_problem_within_reach():
    run = Run([0.0] * 10 + [0.5] * 10, kind="adaptive", uniform_share=0.5)
    assert {i for step in run.steps(100) for i in step} == set(range(20))


def test_levels_tell_something_about_problems_never_drawn():
    levels = [0] * 500 + [1] * 500
    run = Run([1.0] * 500 + [0.5] * 500, levels=levels, kind="adaptive", level="difficulty")
    late = Counter(levels[i] for step in run.steps(30)[15:] for i in step)
    assert late[1] > 2 * late[0]


def test_stages_open_as_the_newest_is_mastered():
    levels = [0] * 10 + [1] * 10 + [2] * 10
    run = Run([0.9] * 10 + [0.9] * 10 + [0.1] * 10, levels=levels, kind="staged", level="difficulty")
    drawn = [{levels[i] for i in step} for step in run.steps(20)]
    assert drawn[0] == {0} and {2} & drawn[-1] and not any(2 in step for step in drawn[:2])
    assert run.curriculum.metrics() == {"curriculum/stage": 2.0}
    stuck = Run([0.2] * 20, levels=[0] * 10 + [1] * 10, kind="staged", level="difficulty")
    assert all(i < 10 for step in stuck.steps(20) for i in step)


@pytest.mark.parametrize("kind", ["uniform", "adaptive", "staged"])
@pytest.mark.parametrize("sampled_ahead", [False, True])
def test_a_resumed_run_draws_what_the_untouched_one_does(kind, sampled_ahead):
    rates, levels = np.linspace(0, 1, 40).tolist(), [i // 10 for i in range(40)]

    def fresh() -> Run:
        return Run(rates, levels=levels, kind=kind, level="difficulty", forgetting=0.8)

    untouched = fresh().steps(12)
    stopped = fresh()
    stopped.steps(6)
    if sampled_ahead:  # interrupted after the verdicts of a step that was never committed
        stopped.curriculum.observe(7, [Outcome(3, 16, 16)])
    state = stopped.curriculum.state_dict()
    resumed = fresh()
    resumed.step = 6
    resumed.curriculum.load_state_dict(state)
    assert resumed.steps(6) == untouched[6:]


def test_a_weighted_order_draws_by_weight_without_replacement():
    weights = np.array([0.0, 1.0, 3.0, 0.0])
    random = np.random.default_rng(0)
    orders = [weighted_order(weights, random) for _ in range(4000)]
    assert all(sorted(order) == [1, 2] for order in orders)
    share = sum(order[0] == 2 for order in orders) / 4000
    assert abs(share - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 4000)


def test_levels_are_ranks_of_a_column():
    problems = [Problem(str(i), "x", "1", {"terms": terms}) for i, terms in enumerate([4, 2, 9, 2])]
    assert levels_of(problems, "terms") == [1, 0, 2, 0]
    assert levels_of(problems, None) == [0, 0, 0, 0]
    with pytest.raises(ConfigError, match="problem 0 has no column 'level'; found terms"):
        levels_of(problems, "level")
    with pytest.raises(ConfigError, match="cannot be ordered"):
        levels_of([*problems, Problem("m", "x", "1", {"terms": "many"})], "terms")


def test_stages_need_a_column():
    with pytest.raises(ValueError, match="needs `level`"):
        CurriculumConfig(kind="staged")


def test_a_level_that_was_never_drawn_does_not_add_the_next_one():
    """Nothing is known of it: its prior of one half is above an `advance_at` of 0.4."""
    curriculum = Curriculum(
        CurriculumConfig(kind="staged", level="grade", advance_at=0.4), [0, 0, 1, 1, 2, 2], 0, lambda: 1
    )
    curriculum.observe(1, [Outcome(0, 8, 8), Outcome(1, 8, 8)])
    assert curriculum.state_dict()["stage"] == 1
