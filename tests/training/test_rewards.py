import math

import pytest

from rlvr.config import ShapingConfig, TrainConfig
from rlvr.rollouts.types import Episode, Turn
from rlvr.training.rewards import reward
from verifiers import Problem, Verdict

RIGHT = Verdict(1.0, "correct", "7")
WRONG = Verdict(0.0, "incorrect", "8")
EMPTY = Verdict(0.0, "no_answer", None)
UNKNOWN = Verdict(None, "unverifiable", "7")


def episode(complete: bool, seed: int = 0) -> Episode:
    """Three tokens of the policy, and two of its environment between them, which cost nothing."""
    turns = [Turn("policy", [1, 2], "1 "), Turn("evidence", [8, 9], "no"), Turn("policy", [3], "7")]
    return Episode(Problem("p", "3 + 4 =", "7"), 0, seed, [5], turns, complete)


DONE, CUT = episode(True), episode(False)


def test_the_verdict_is_the_reward():
    train = TrainConfig()
    assert [reward(train, v, DONE) for v in (RIGHT, WRONG, EMPTY)] == [1, 0, 0]
    assert math.isnan(reward(train, UNKNOWN, DONE))


def test_shaping_is_taken_off():
    train = TrainConfig(shaping=ShapingConfig(overlong=0.5, per_token=0.01))
    assert reward(train, RIGHT, DONE) == pytest.approx(0.97)
    assert reward(train, RIGHT, CUT) == pytest.approx(0.47)


def test_format_asks_for_an_answer_and_not_for_the_right_one():
    train = TrainConfig(reward="format")
    assert [reward(train, v, DONE) for v in (RIGHT, WRONG, EMPTY, UNKNOWN)] == [1, 1, 0, 1]


def test_random_is_a_coin_of_the_row_that_knows_no_verdict():
    train = TrainConfig(reward="random", random_rate=0.2)
    coins = [reward(train, RIGHT, episode(True, seed)) for seed in range(4000)]
    assert coins == [reward(train, UNKNOWN, episode(False, seed)) for seed in range(4000)]
    assert abs(sum(coins) / 4000 - 0.2) < 4 * math.sqrt(0.2 * 0.8 / 4000)


TERMS = [{"verifier": "format", "weight": weight, "name": name} for name, weight in (("a", 0.1), ("b", -2.0))]


@pytest.mark.parametrize("kind", ["verdict", "random", "format"])
@pytest.mark.parametrize("missing", ["a", "b"])
def test_without_a_terms_verdict_there_is_no_reward(kind, missing):
    """Whatever is rewarded beside it: a sample that cannot be weighed is left out, not weighed without the term."""
    train = TrainConfig.model_validate({"reward": kind, "rewards": TERMS})
    scored = {"a": RIGHT, "b": Verdict(0.25, "incorrect")}
    assert (
        reward(train, RIGHT, DONE, scored) == reward(TrainConfig(reward=kind), RIGHT, DONE) + 0.1 - 2.0 * 0.25
    )
    assert math.isnan(reward(train, RIGHT, DONE, scored | {missing: UNKNOWN}))
