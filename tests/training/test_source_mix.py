"""Several training sources: how many groups of each, which of their problems, and what a checkpoint keeps of it."""

from collections import Counter

import numpy as np
import pytest

from rlvr.config import Config, ConfigError
from rlvr.training.curriculum import Curriculum, Outcome, draw
from rlvr.training.source_mix import SourceMix, rounded
from verifiers import Problem

SIZES = {"math": 10, "code": 4}


def problems(sizes=SIZES) -> list[Problem]:
    return [
        Problem(f"{name}-{i}", "?", "1", {"level": i % 2}, source=name)
        for name, n in sizes.items()
        for i in range(n)
    ]


def mix_of(weights=(None, None), clock=lambda: 0, seed=0, sizes=SIZES, **curriculum) -> SourceMix:
    sources = [{"file": f"{name}.jsonl", "weight": w} for name, w in zip(sizes, weights, strict=True)]
    config = Config.model_validate(
        {
            "problems": {"train": sources, "heldout": {"world": "heldout"}},
            "train": {"curriculum": curriculum},
            "seed": seed,
        }
    )
    return SourceMix.of(config, problems(sizes), clock)


def sources_of(drawn: list[int]) -> Counter[str]:
    return Counter(problems()[i].source for i in drawn)


@pytest.mark.parametrize("groups", [1, 3, 8, 17])
@pytest.mark.parametrize("shares", [[0.7, 0.3], [0.5, 0.5], [0.9, 0.06, 0.04], [1 / 3] * 3, [1.0]])
def test_every_step_has_each_share_rounded_and_so_has_their_sum(shares, groups):
    counts = rounded(np.array(shares), groups, np.arange(400), seed=5)
    wanted = groups * np.array(shares)
    assert (counts.sum(axis=1) == groups).all()
    assert (np.abs(counts - wanted) < 1 + 1e-9).all()
    over = np.abs(np.cumsum(counts, axis=0) - wanted * np.arange(1, 401)[:, None])
    assert over.max() < 4  # 400 independent roundings would be some 10 off
    assert len({tuple(row) for row in counts}) > 1 or np.allclose(wanted, wanted.round())


def test_a_share_that_is_whole_is_the_same_in_every_step():
    assert (rounded(np.array([0.75, 0.25]), 8, np.arange(50), seed=1) == [6, 2]).all()


def test_weights_are_relative_and_by_default_the_numbers_of_problems():
    assert mix_of((7, 3)).shares.tolist() == mix_of((0.7, 0.3)).shares.tolist() == pytest.approx([0.7, 0.3])
    assert mix_of().shares.tolist() == pytest.approx([10 / 14, 4 / 14])


@pytest.mark.parametrize("curriculum", [{}, {"kind": "adaptive"}, {"kind": "staged", "level": "level"}])
def test_the_numbers_of_groups_follow_the_weights_under_every_curriculum(curriculum):
    step = 0
    mixed = mix_of((1, 1), lambda: step, **curriculum)
    drawn = Counter[str]()
    for step in range(20):
        chosen, spares = mixed.draw(step, 6)
        drawn += sources_of(chosen)
        assert len(spares) == len(chosen)
        for index, rest in zip(chosen, spares, strict=True):
            assert all(problems()[spare].source == problems()[index].source for spare in rest)
        rate = {"math": 8, "code": 0}
        mixed.observe(step + 1, [Outcome(i, rate[problems()[i].source], 8) for i in chosen])
    assert drawn == {"math": 60, "code": 60}


def test_no_problem_comes_again_before_its_source_is_exhausted():
    mixed = mix_of((0.6, 0.4))
    order = [index for step in range(60) for index in mixed.draw(step, 3)[0]]
    for name, size in SIZES.items():
        own = [i for i in order if problems()[i].source == name]
        epochs = [own[start : start + size] for start in range(0, len(own) - size, size)]
        assert len(epochs) > 5 and all(len(set(epoch)) == size for epoch in epochs)


def test_the_sources_of_a_step_do_not_lie_in_blocks():
    """Else one process of two would have all the programs."""
    mixed = mix_of((1, 1))
    orders = {tuple(problems()[i].source for i in mixed.draw(step, 4)[0]) for step in range(20)}
    assert len(orders) > 3


def test_one_source_is_drawn_as_without_a_mixture():
    config = Config.model_validate(
        {"problems": {"train": {"world": "train"}, "heldout": {"world": "heldout"}}}
    )
    plain = [Problem(str(i), "?", "1") for i in range(20)]
    mixed = SourceMix.of(config, plain, lambda: 0)
    alone = Curriculum(config.train.curriculum, [0] * 20, 0, lambda: 0)
    for step in range(7):
        chosen, spares = mixed.draw(step, 6)
        first, rest = alone.draw(step, 6)
        assert chosen == first == draw(20, 6, 6 * step, seed=0)
        assert list(spares[0]) == rest and list(spares[5]) == []  # all places take from one pile


def test_draws_are_a_function_of_seed_and_step():
    first, again = mix_of((0.7, 0.3)), mix_of((0.7, 0.3))
    drawn = [first.draw(step, 5)[0] for step in range(10)]
    assert again.draw(7, 5)[0] == drawn[7]
    assert [mix_of((0.7, 0.3), seed=1).draw(step, 5)[0] for step in range(10)] != drawn


@pytest.mark.parametrize("curriculum", [{"kind": "adaptive"}, {"kind": "staged", "level": "level"}])
def test_a_checkpoint_keeps_what_each_source_learned(curriculum):
    step = 0
    mixed = mix_of((1, 1), lambda: step, **curriculum)
    for step in range(6):
        mixed.observe(step + 1, [Outcome(i, 1 if i % 2 else 8, 8) for i in mixed.draw(step, 6)[0]])
    step = 6
    state = mixed.state_dict()
    other = mix_of((1, 1), lambda: step, **curriculum)
    untouched = other.draw(6, 6)[0]
    other.load_state_dict(state)
    assert other.draw(6, 6)[0] == mixed.draw(6, 6)[0] != untouched
    assert other.state_dict() == state
    assert set(state["sources"]) == {"math", "code"}


def test_each_source_has_a_stage_of_its_own():
    step = 0
    mixed = mix_of((1, 1), lambda: step, kind="staged", level="level")
    for step in range(8):
        chosen = mixed.draw(step, 6)[0]
        mixed.observe(step + 1, [Outcome(i, 8 if problems()[i].source == "math" else 0, 8) for i in chosen])
    step = 8
    mixed.draw(8, 6)
    assert mixed.metrics() == {"curriculum/stage/math": 1.0, "curriculum/stage/code": 0.0}


def test_a_source_without_a_problem_left_is_named():
    with pytest.raises(ConfigError, match="none of the problems of code is left to train on"):
        SourceMix.of(
            Config.model_validate(
                {
                    "problems": {
                        "train": [{"file": "math.jsonl"}, {"file": "code.jsonl"}],
                        "heldout": {"world": "heldout"},
                    }
                }
            ),
            problems({"math": 3}),
            lambda: 0,
        )
