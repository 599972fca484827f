"""A step's line, from its definition: what it says of the batch, the loss and the policy, and of which moment it
speaks."""

from __future__ import annotations

from math import comb
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rlvr import rollouts
from rlvr.config import AnalysisConfig, SamplingConfig, TrainConfig
from rlvr.evaluation import pass_rates, training_budget
from rlvr.rollouts import Rollout
from rlvr.run import read_metrics
from rlvr.training.loop import Loop
from tests.conftest import quickstart_config
from tests.training.handles import gradient_of, loop_of
from verifiers.pool import VerifierPool

STEPS = 3
RATE = 1e-3


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


class Watched:
    """A run of three steps, each with a signal, and the weights at its moments."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.evaluated: dict[int, dict[str, torch.Tensor]] = {}
        self.ended: dict[int, dict[str, torch.Tensor]] = {0: weights(loop.plain)}
        loop.log.evaluate = self.evaluate
        loop.log.hooks = [self]
        loop.run()
        self.lines = read_metrics(loop.log.file)

    def evaluate(self, step: int) -> dict[str, float]:
        self.evaluated[step] = weights(self.loop.plain)
        return {"eval/pass@1": 0.1 * step}

    def on_step(self, metrics: dict[str, Any]) -> None:
        self.ended[metrics["step"]] = weights(self.loop.plain)

    def on_evaluation(self, step: int, metrics: dict[str, float]) -> None: ...

    def on_checkpoint(self, step: int, folder: Path) -> None: ...

    def rows(self, step: int) -> list[Rollout]:
        return list(rollouts.read(self.loop.collector.rollouts_to / f"train-{step:06d}.jsonl"))


@pytest.fixture(scope="module")
def watched(tmp_path_factory, pool: VerifierPool) -> Watched:
    return Watched(
        loop_of(
            tmp_path_factory.mktemp("watched") / "run",
            pool,
            steps=STEPS,
            groups_per_step=3,
            group_size=4,
            rows_per_micro_step=4,
            reward="random",
            learning_rate=RATE,
            eval_every=1,
            checkpoint_every=1,
            trl={"lr_scheduler_type": "linear", "beta": 0.05},
        )
    )


def test_an_evaluation_and_a_checkpoint_are_of_the_weights_after_the_step(watched):
    assert not same(watched.ended[0], watched.ended[1])
    for step in range(1, STEPS + 1):
        assert same(watched.evaluated[step], watched.ended[step])
        assert watched.lines[step - 1]["eval/pass@1"] == pytest.approx(0.1 * step)
    kept = {
        int(path.name[11:]): path for path in watched.loop.checkpoints.checkpoints.folder.glob("checkpoint-*")
    }
    assert STEPS in kept
    for step, folder in kept.items():
        saved = load_file(folder / "model.safetensors")
        assert all(torch.equal(value, watched.ended[step][name]) for name, value in saved.items())


def test_the_learning_rate_of_a_step_is_the_one_it_was_taken_with(watched):
    rates = [line["learning_rate"] for line in watched.lines]
    assert rates == pytest.approx([RATE, RATE * 2 / 3, RATE / 3])
    first, before = watched.ended[1], watched.ended[0]
    moved = max(float((first[name] - before[name]).abs().max()) for name in first)
    assert moved == pytest.approx(RATE, rel=0.05)  # AdamW's first step is the rate itself


def test_the_loss_on_policy_is_minus_the_mean_advantage_of_a_token(watched):
    """The ratio is 1, and at the first step the policy is its reference: no KL yet."""
    rows = watched.rows(1)
    tokens = sum(row.tokens for row in rows)
    mean = sum(row.extra["advantage"] * row.tokens for row in rows) / tokens
    assert abs(mean) > 1e-3
    assert watched.lines[0]["loss"] == pytest.approx(-mean, abs=1e-6)
    assert watched.lines[0]["tokens"] == tokens
    assert watched.lines[0]["kl"] == pytest.approx(0, abs=1e-9)
    assert watched.lines[1]["kl"] > 1e-6
    assert [line["importance_ratio"] for line in watched.lines] == pytest.approx([1.0] * STEPS)
    assert [line["clipped_share"] for line in watched.lines] == [0.0] * STEPS


def test_advantages_are_of_the_rewards_of_the_rows_own_group(watched):
    """Standardised: their mean in a group is 0 and their deviation (n − 1) is 1, or all are 0."""
    for step in range(1, STEPS + 1):
        rows = watched.rows(step)
        for first in range(0, len(rows), 4):
            group = rows[first : first + 4]
            assert len({row.problem_id for row in group}) == 1
            values = torch.tensor([row.extra["advantage"] for row in group], dtype=torch.float64)
            assert float(values.sum()) == pytest.approx(0, abs=1e-5)
            assert not values.any() or float(values.std()) == pytest.approx(1, abs=1e-3)


def test_the_entropy_is_that_of_the_policy_before_the_step(watched, tiny):
    """Mean over the tokens of −Σ p log p, each sample read by itself."""
    nats, tokens = 0.0, 0
    for row in watched.rows(1):
        (prompt,) = tiny.encode([row.prompt])
        with torch.no_grad():
            logits = tiny.model(torch.tensor([[*prompt, *row.token_ids]])).logits[0, len(prompt) - 1 : -1]
        p = logits.double().softmax(-1)
        nats += float(-(p * p.clamp(min=1e-300).log()).sum())
        tokens += len(row.token_ids)
    assert watched.lines[0]["entropy"] == pytest.approx(nats / tokens, rel=1e-4)
    sampled = -sum(row.logprobs["step-0"] for row in watched.rows(1)) / tokens
    assert watched.lines[0]["entropy/sampled"] == pytest.approx(sampled, rel=1e-6)


def test_the_second_update_on_a_batch_is_off_policy(tmp_path, pool):
    """Its ratio is not 1, and the sampler's numbers are those of the first: no drift is said of it."""
    loop = loop_of(
        tmp_path / "run", pool, SamplingConfig(max_new_tokens=16), steps=2, groups_per_step=2, group_size=4,
        reward="random", learning_rate=1e-2, checkpoint_every=0, trl={"num_iterations": 2},
    )  # fmt: skip
    loop.run()
    first, second = read_metrics(loop.log.file)
    assert first["importance_ratio"] == pytest.approx(1.0, abs=1e-5)
    assert abs(second["importance_ratio"] - 1) > 1e-3
    assert second["clipped_share"] > 0
    assert "drift/token_mean" in first and "drift/token_mean" not in second
    assert second["reward"] == first["reward"] and second["samples"] == 0


def test_no_two_samples_of_a_run_have_the_same_random_numbers(tmp_path, pool):
    """Sixty groups of fifty problems: some come twice in a step, and all come again in the next."""
    loop = loop_of(tmp_path / "run", pool, SamplingConfig(max_new_tokens=1), groups_per_step=60, group_size=2)
    drawn = [loop.collector.sample(step, step - 1).groups for step in (1, 2)]
    problems = [{group.index for group in groups} for groups in drawn]
    assert problems[0] & problems[1] and len(problems[0]) < 60, "no problem comes again: no test of that"
    for groups in drawn:
        named = [(e.problem.id, e.sample) for group in groups for e in group.episodes]
        assert len(set(named)) == len(named)
    seeds = [e.seed for groups in drawn for group in groups for e in group.episodes]
    assert len(set(seeds)) == len(seeds)


def test_a_gradient_is_of_its_own_step_alone(tmp_path, pool):
    loop = loop_of(
        tmp_path / "run",
        pool,
        SamplingConfig(max_new_tokens=16),
        groups_per_step=2,
        group_size=4,
        reward="random",
    )
    batch = loop.sample(1)
    loop.backward(batch, fresh=True)
    once = gradient_of(loop.plain).clone()
    loop.backward(batch, fresh=True)
    assert once.any() and torch.equal(gradient_of(loop.plain), once)


def test_an_adaptive_bonus_is_paid_from_the_second_step_on(tmp_path, pool):
    """The entropy is below its target of 10 nats, so that the coefficient grows after each step: 0.1, 0.15, 0.2. The
    loss on policy is minus the mean advantage of a token, and minus the bonus times the mean entropy."""
    adaptive = {
        "use_adaptive_entropy": True,
        "entropy_coef": 0.1,
        "entropy_coef_delta": 0.05,
        "entropy_target": 10.0,
    }
    loop = loop_of(
        tmp_path / "run", pool, SamplingConfig(max_new_tokens=16), steps=3, groups_per_step=2, group_size=4,
        reward="random", checkpoint_every=0, trl=adaptive,
    )  # fmt: skip
    loop.run()
    for line, bonus in zip(read_metrics(loop.log.file), (0.0, 0.15, 0.2), strict=True):
        rows = list(rollouts.read(loop.collector.rollouts_to / f"train-{line['step']:06d}.jsonl"))
        mean = sum(row.extra["advantage"] * row.tokens for row in rows) / sum(row.tokens for row in rows)
        assert line["loss"] == pytest.approx(-mean - bonus * line["entropy"], abs=1e-5)
    assert loop.entropy and loop.entropy.coefficient == pytest.approx(0.25)


# ------------------------------------------------------------------ evaluations on the way


def evaluated(file: Path, right: dict[str, int], samples: int = 8) -> dict[str, float]:
    """Figures of an evaluation with so many right samples of each problem; the source is the id's first letter."""
    rows = [
        Rollout(problem, s, "step-1", "?", "", "", True, 1, score=float(s < c), source=problem[0])
        for problem, c in right.items()
        for s in range(samples)
    ]
    rollouts.append(file, rows)
    rollouts.write_settings(file, {"samples": samples, "n_problems": len(right)})
    return pass_rates(file, 4)


def test_the_held_out_figures_are_pass_at_k_of_the_definition(tmp_path):
    """1 − C(n − c, k) / C(n, k), averaged over problems (Chen et al. 2021)."""
    right = {"a1": 8, "a2": 1, "b1": 0, "b2": 4}
    found = evaluated(tmp_path / "step-1.jsonl", right)
    for name, own in {"": right, "/a": {"a1": 8, "a2": 1}, "/b": {"b1": 0, "b2": 4}}.items():
        at = {k: sum(1 - comb(8 - c, k) / comb(8, k) for c in own.values()) / len(own) for k in (1, 4)}
        assert found[f"eval/pass@1{name}"] == pytest.approx(at[1])
        assert found[f"eval/pass@4{name}"] == pytest.approx(at[4])
        assert found[f"eval/samples{name}"] == 8 * len(own)


@pytest.mark.parametrize(
    ("budget", "samples", "each", "expected"),
    [(16, 256, 64, 16), (16, 256, 8, 8), (None, 256, 64, 16), (None, 32, 64, 4), (2, 256, 64, 2)],
)
def test_k_is_the_reports_or_as_many_samples_as_there_are(budget, samples, each, expected):
    config = quickstart_config(
        sampling=SamplingConfig(samples=samples),
        analysis=AnalysisConfig(search_budget=budget),
        train=TrainConfig(eval_every=1, eval_samples=each),
    )
    assert training_budget(config) == expected
