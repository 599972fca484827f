"""Our update against TRL's own, on the same samples: losses and gradients must agree."""

import pytest
import torch
from trl.trainer.grpo_trainer import GRPOTrainer

from rlvr import problems as sources
from rlvr.config import TrainConfig
from rlvr.evaluation import Examiner
from rlvr.evidence import Evidence
from rlvr.policy import load_policy
from rlvr.problems import SourceConfig
from rlvr.terminal import Terminal
from rlvr.training import arguments
from rlvr.training.batch import split_groups
from rlvr.training.packing import block_mask, pack
from rlvr.training.trainer import Trainer
from tests.conftest import quickstart_config
from verifiers.pool import VerifierPool

GROUPS, G = 4, 4
LOSSES = ["grpo", "dr_grpo", "dapo", "bnpo", "luspo", "cispo", "sapo"]


@pytest.fixture(scope="module")
def pool():
    with VerifierPool("math", workers=1) as pool:
        yield pool


def model_of(trainer: Trainer) -> torch.nn.Module:
    assert trainer.model is not None
    return trainer.model


def build(tmp_path, pool, **trl) -> Trainer:
    train = TrainConfig(steps=1, groups_per_step=GROUPS, group_size=G, trl=trl)
    config = quickstart_config(train=train, verifier="math", verifier_options={})
    policy = load_policy(config, "policy", for_training=True)
    problems = sources.load(SourceConfig(world="train", limit=50), "train", None)
    examiner = Examiner(config, Evidence(config.evidence), pool, Terminal(quiet=True))
    args = arguments.grpo_config(config, tmp_path / "c", longest_prompt=10)
    trainer = Trainer(policy, problems, config, examiner, args, tmp_path / "rollouts")
    model_of(trainer).train()
    trainer.current_gradient_accumulation_steps = 1
    return trainer


def sampled(trainer: Trainer) -> dict:
    """One step's batch, with some groups made informative and the others left without variance."""
    batch = trainer._generate_and_score_completions(trainer._draw())
    torch.manual_seed(0)
    advantages = torch.randn(GROUPS, G)
    advantages[1] = 0
    batch["advantages"] = (advantages - advantages.mean(1, keepdim=True)).flatten()
    return batch


def gradient(trainer: Trainer, loss: torch.Tensor) -> torch.Tensor:
    model_of(trainer).zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model_of(trainer).parameters() if p.grad is not None])


@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("loss_type", LOSSES)
def test_gradient_equals_trls(tmp_path, pool, loss_type, beta):
    trainer = build(tmp_path, pool, loss_type=loss_type, beta=beta)
    assert trainer.why_padded is None
    batch = sampled(trainer)
    # an older policy, so that importance ratios are not one and clipping acts
    old, _, _ = GRPOTrainer._get_per_token_logps_and_entropies(
        trainer,
        trainer.model,
        torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1),
        torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1),
        batch["completion_ids"].shape[1],
    )
    torch.manual_seed(1)
    batch["old_per_token_logps"] = old.detach() + 0.3 * torch.randn_like(old)
    ours = trainer._compute_loss(trainer.model, batch)
    ours_gradient = gradient(trainer, ours)
    trainer.why_padded = "the reference"
    theirs = GRPOTrainer._compute_loss(trainer, trainer.model, batch)
    theirs_gradient = gradient(trainer, theirs)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4, abs=1e-6)
    assert (ours_gradient - theirs_gradient).norm() / theirs_gradient.norm() < 1e-4


def test_sequence_level_importance_equals_trls(tmp_path, pool):
    trainer = build(tmp_path, pool, loss_type="grpo", importance_sampling_level="sequence")
    batch = sampled(trainer)
    ours = gradient(trainer, trainer._compute_loss(trainer.model, batch))
    trainer.why_padded = "the reference"
    theirs = gradient(trainer, GRPOTrainer._compute_loss(trainer, trainer.model, batch))
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


def test_a_step_without_signal_has_a_gradient_of_exactly_zero(tmp_path, pool):
    trainer = build(tmp_path, pool)
    batch = sampled(trainer)
    batch["advantages"] = torch.zeros_like(batch["advantages"])
    assert gradient(trainer, trainer._compute_loss(trainer.model, batch)).abs().max() == 0


def test_accumulating_micro_steps_changes_nothing(tmp_path, pool):
    trainer = build(tmp_path, pool)
    batch = sampled(trainer)
    whole = gradient(trainer, trainer._compute_loss(trainer.model, batch))
    model_of(trainer).zero_grad()
    for part in split_groups(batch, 2):
        trainer._compute_loss(trainer.model, part).backward()
    parts = torch.cat([p.grad.flatten() for p in model_of(trainer).parameters() if p.grad is not None])
    assert (whole - parts).norm() / whole.norm() < 1e-5


def test_the_engines_logprobs_are_the_trainers(tmp_path, pool):
    """What was sampled with is what is trained on, so the first importance ratio is one."""
    trainer = build(tmp_path, pool)
    batch = sampled(trainer)
    logprobs, _, _ = trainer._get_per_token_logps_and_entropies(
        trainer.model,
        torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1),
        torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1),
        batch["completion_ids"].shape[1],
    )
    assert trainer._sampled is not None
    for row, completion in zip(logprobs, trainer._sampled.completions, strict=True):
        assert row[: len(completion.logprobs)].tolist() == pytest.approx(completion.logprobs, abs=1e-4)


def test_packing_by_hand():
    prompt = torch.tensor([[0, 5, 6], [0, 5, 6]])
    completion = torch.tensor([[7, 8], [9, 0]])
    packed = pack(prompt, (prompt > 0).long(), completion, (completion > 0).long(), group_size=2)
    # prompt without its last token; that token and 7 (predicting 7, 8); that token again (predicting 9)
    assert packed.input_ids.tolist() == [[5, 6, 7, 6]]
    assert packed.position_ids.tolist() == [[0, 1, 2, 1]]
    assert packed.select.tolist() == [1, 2, 3]
    assert packed.targets.tolist() == [7, 8, 9]
    assert packed.place.tolist() == [0, 1, 2]
    assert packed.attention_mask[0, 0].tolist() == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, False, False, True],
    ]


def test_nothing_sees_padding_and_no_row_is_blind():
    mask = block_mask(torch.tensor([[0, 1, -1, -1]]))[0, 0]
    assert not mask[:2, 2:].any()
    assert mask.any(dim=1).all()  # a query that sees nothing would be NaN
