"""What each key of `train.curriculum` does to which problems are drawn."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from rlvr.config import CurriculumConfig, SourceConfig, TrainConfig
from rlvr.training.curriculum import Outcome
from rlvr.training.source_mix import SourceMix
from tests.conftest import quickstart_config
from tests.contracts.keys import shows
from tests.training.handles import loop_of
from verifiers import Problem
from verifiers.pool import VerifierPool

PROBLEMS = [Problem(f"p{n}", f"problem {n}", "1", {"grade": n // 10}) for n in range(30)]
"""Ten of each of three grades."""
LEARNT, HOPELESS, MIXED = 3, 4, 5


class Draws:
    """The problems of a run's steps, with the verdicts of the steps before."""

    def __init__(self, **keys: Any) -> None:
        self.done = 0
        train = TrainConfig(curriculum=CurriculumConfig.model_validate(keys))
        config = quickstart_config(train=train)
        assert isinstance(config.problems.train, SourceConfig)
        self.mix = SourceMix.of(config, PROBLEMS, lambda: self.done)

    def step(self, **passed: int) -> None:
        """One step in which each of these problems had eight samples, and so many were right."""
        self.done += 1
        self.mix.observe(self.done, [Outcome(int(name[1:]), right, 8) for name, right in passed.items()])

    def shares(self, steps: int = 300, groups: int = 4) -> Counter[int]:
        """How often each problem comes, with what is known now."""
        return Counter(i for number in range(steps) for i in self.mix.draw(number, groups)[0])


def grades(drawn: Counter[int]) -> dict[int, float]:
    found = Counter[int]()
    for problem, times in drawn.items():
        found[problem // 10] += times
    return {grade: found[grade] / found.total() for grade in range(3)}


def known(**keys: Any) -> Draws:
    """Much is known of three problems, and all others are half solved."""
    draws = Draws(**{"kind": "adaptive"} | keys)
    for _ in range(20):
        others = {f"p{n}": 4 for n in range(30)}
        draws.step(**others | {f"p{LEARNT}": 8, f"p{HOPELESS}": 0})
    return draws


@shows("train.curriculum.kind")
def test_which_problems_are_drawn():
    uniform = known(kind="uniform").shares()
    assert set(uniform.values()) == {40}  # 1,200 draws of 30 problems, in whole epochs
    adaptive = known(kind="adaptive").shares()
    assert max(adaptive[LEARNT], adaptive[HOPELESS]) < adaptive[MIXED] / 2
    staged = Draws(kind="staged", level="grade").shares()
    assert grades(staged) == {0: 1.0, 1: 0.0, 2: 0.0}


@shows("train.curriculum.uniform_share")
def test_a_share_of_the_draws_ignores_what_is_known():
    few, many, all_of_them = (known(uniform_share=share).shares()[LEARNT] for share in (0.01, 0.5, 1.0))
    assert few < many < all_of_them
    assert all_of_them == pytest.approx(40, abs=15)  # as often as any other


@shows("train.curriculum.forgetting")
def test_what_was_long_ago_counts_less():
    """A problem that was learnt, and is half solved since three steps."""

    def rate(forgetting: float) -> float:
        draws = Draws(kind="adaptive", forgetting=forgetting)
        for _ in range(10):
            draws.step(p3=8)
        for _ in range(3):
            draws.step(p3=4)
        (curriculum,) = draws.mix.curricula.values()
        curriculum.state_dict()  # what was observed becomes state
        return curriculum.passed[3] / curriculum.judged[3]

    for weight in (1.0, 0.9, 0.5):
        ages = range(13)  # the newest first: three half solved, ten solved
        weights = [weight**age for age in ages]
        passed = sum(w * (0.5 if age < 3 else 1.0) for age, w in zip(ages, weights, strict=True))
        assert rate(weight) == pytest.approx(passed / sum(weights))
    assert rate(0.95) == pytest.approx(rate(CurriculumConfig().forgetting))


@shows("train.curriculum.level", "train.curriculum.advance_at")
def test_a_level_is_added_once_the_newest_is_solved_so_often():
    def after(rate: int, **keys: Any) -> dict[int, float]:
        draws = Draws(**{"kind": "staged", "level": "grade"} | keys)
        for _ in range(5):
            draws.step(**{f"p{n}": rate for n in range(10)})
        return grades(draws.shares())

    assert after(4)[1] == 0  # half is less than 0.7
    assert after(7)[1] == pytest.approx(0.5, abs=0.05) and after(7)[2] == 0
    assert after(4, advance_at=0.4)[1] == pytest.approx(0.5, abs=0.05)
    assert after(7, advance_at=0.95)[1] == 0

    adaptive = Draws(kind="adaptive", level="grade", uniform_share=0.01)
    blind = Draws(kind="adaptive", uniform_share=0.01)
    for draws in (adaptive, blind):
        for _ in range(10):
            draws.step(p0=8, p1=8, p2=8, p10=4, p11=4, p12=4)
    shares = grades(adaptive.shares())
    assert shares[0] < shares[1], "problems that were never drawn are taken for those of their level"
    untold = grades(blind.shares())
    assert shares[0] < untold[0]


@shows("train.curriculum.refill")
def test_groups_without_variance_are_replaced_in_so_many_rounds(tmp_path):
    with VerifierPool("math", workers=1) as pool:
        found = {}
        for rounds in (0, 1, 4):
            loop = loop_of(
                tmp_path / str(rounds),
                pool,
                groups_per_step=6,
                group_size=3,
                curriculum={"kind": "adaptive", "refill": rounds},
            )
            batch = loop.sample(1)
            (own,) = loop.collector.curriculum.curricula.values()
            [(step, outcomes)] = own.pending
            assert step == 1 and len(outcomes) == batch.metrics["groups/drawn"], (
                "it learns of what was replaced too"
            )
            found[rounds] = {key: batch.metrics[f"groups/{key}"] for key in ("drawn", "replaced", "dead")}
    assert found[0]["drawn"] == 6 and found[0]["replaced"] == 0 and found[0]["dead"] > 1
    for rounds in (1, 4):
        assert found[rounds]["drawn"] == 6 + found[rounds]["replaced"]
    assert found[1]["replaced"] == found[0]["dead"], "one round replaces each of those once"
    assert found[4]["replaced"] > found[1]["replaced"]
    assert found[4]["dead"] < found[0]["dead"]
