"""Every algorithm through the real trainer, on the embedded model."""

from typing import Any

import pytest
import torch

from rlvr import problems as sources
from rlvr.config import SourceConfig, TrainConfig
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.policy import load_policy
from rlvr.terminal import Terminal
from rlvr.training import arguments
from rlvr.training.trainer import Trainer
from tests.conftest import quickstart_config
from tests.training.handles import model_of, sampled_of
from verifiers.pool import VerifierPool

GROUPS, G = 4, 8


@pytest.fixture(scope="module")
def pool():
    with VerifierPool("math", workers=1) as pool:
        yield pool


def build(tmp_path, pool, **train) -> Trainer:
    settings: dict[str, Any] = {"steps": 2, "groups_per_step": GROUPS, "group_size": G} | train
    config = quickstart_config(train=TrainConfig(**settings), verifier="math", verifier_options={})
    policy = load_policy(config, "policy", for_training=True)
    problems = sources.load(SourceConfig(world="train", limit=50), "train", None)
    evaluator = Evaluator(config, Evidence(config.evidence), pool, Terminal(quiet=True))
    args = arguments.grpo_config(config, tmp_path / "c", longest_prompt=10)
    (tmp_path / "rollouts").mkdir(exist_ok=True)
    trainer = Trainer(policy, problems, config, evaluator, args, tmp_path / "rollouts")
    model_of(trainer).train()
    trainer.current_gradient_accumulation_steps = 1
    return trainer


def gradient(trainer: Trainer, loss: Any) -> torch.Tensor:
    model_of(trainer).zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model_of(trainer).parameters() if p.grad is not None])


def plain_forward(trainer: Trainer, batch: dict) -> tuple[torch.Tensor, Any]:
    """(rows, T) log-probabilities of the completions and values, one padded row each, by the model's own forward."""
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    width = batch["completion_ids"].shape[1]
    lengths = torch.tensor([[len(c.token_ids)] for c in sampled_of(trainer).completions])
    mask = torch.cat([batch["prompt_mask"], torch.arange(width) < lengths], 1)
    positions = (mask.long().cumsum(1) - 1).clamp(min=0)
    output = model_of(trainer)(
        input_ids=ids, attention_mask=mask.long(), position_ids=positions, output_hidden_states=True
    )
    logp = output.logits[:, -width - 1 : -1].log_softmax(-1)
    head = getattr(model_of(trainer), "value_head", None)
    values = head(output.hidden_states[-1][:, -width - 1 : -1]) if head else None
    return logp.gather(-1, batch["completion_ids"][..., None])[..., 0], values


def test_rejection_is_cross_entropy_on_accepted_samples_of_the_base(tmp_path, pool):
    trainer = build(tmp_path, pool, algorithm="rejection")
    with torch.no_grad():  # the policy has moved away from the base
        for parameter in model_of(trainer).parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    batch = trainer._generate_and_score_completions(trainer._draw())
    accepted = torch.tensor(sampled_of(trainer).rewards) == 1
    assert 0 < accepted.sum() < GROUPS * G
    mask = batch["completion_mask"].bool()
    assert (mask.any(1) == accepted).all()
    loss = trainer._compute_loss(model_of(trainer), batch)
    ours = gradient(trainer, loss)
    theirs = gradient(trainer, -plain_forward(trainer, batch)[0][mask].mean())
    assert (ours - theirs).norm() / theirs.norm() < 1e-4
    untouched = build(tmp_path, pool)
    untouched._generate_and_score_completions(untouched._draw())
    drawn = [[c.token_ids for c in sampled_of(t).completions] for t in (trainer, untouched)]
    assert drawn[0] == drawn[1]  # the base's samples, whatever has become of the policy


@pytest.mark.parametrize("algorithm", ["rloo", "reinforce"])
def test_the_gradient_is_the_weighted_sum_of_log_probabilities(tmp_path, pool, algorithm):
    trainer = build(tmp_path, pool, algorithm=algorithm)
    batch = trainer._generate_and_score_completions(trainer._draw())
    mask = batch["completion_mask"].bool()
    ours = gradient(trainer, trainer._compute_loss(model_of(trainer), batch))
    weighted = (batch["advantages"][:, None] * plain_forward(trainer, batch)[0])[mask]
    theirs = gradient(trainer, -weighted.sum() / mask.sum())  # skipped groups count in the denominator
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


def test_a_control_reward_leaves_the_verdicts_alone(tmp_path, pool):
    trainer = build(tmp_path, pool, reward="random")
    trainer._generate_and_score_completions(trainer._draw())
    sampled = sampled_of(trainer)
    assert sampled.rewards != [v.score for v in sampled.verdicts]
    honest = build(tmp_path, pool)
    honest._generate_and_score_completions(honest._draw())
    assert sampled.verdicts == sampled_of(honest).verdicts
