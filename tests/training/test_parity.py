"""The loss and its gradient three ways on the same samples: ours, TRL's, and `scripts/grpo_from_scratch.py`."""

import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from trl.trainer.grpo_trainer import GRPOTrainer

from rlvr import problems as sources
from rlvr.config import LoraSection, SamplingConfig, SourceConfig, TrainConfig
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.policy import load_policy
from rlvr.terminal import Terminal
from rlvr.training import arguments
from rlvr.training.attention import block_mask
from rlvr.training.batch import split_groups
from rlvr.training.packing import pack
from rlvr.training.trainer import Trainer
from tests.conftest import REPO, quickstart_config
from tests.training.handles import model_of
from verifiers.pool import VerifierPool

GROUPS, G = 4, 4
LOSSES = ["grpo", "dr_grpo", "dapo", "bnpo", "luspo", "cispo", "sapo", "vespo"]
TOLERANCE = 1e-4


def load_oracle():
    spec = importlib.util.spec_from_file_location(
        "grpo_from_scratch", REPO / "scripts" / "grpo_from_scratch.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


oracle = load_oracle()


@pytest.fixture(scope="module")
def pool():
    with VerifierPool("math", workers=1) as pool:
        yield pool


def build(
    folder: Path, pool: VerifierPool, micro_steps: int = 1, lora=None, temperature=1.0, **trl
) -> Trainer:
    train = TrainConfig(
        steps=1,
        groups_per_step=GROUPS,
        group_size=G,
        groups_per_micro_step=GROUPS // micro_steps,
        lora=lora,
        trl=trl,
    )
    sampling = SamplingConfig(max_new_tokens=32, temperature=temperature)
    config = quickstart_config(train=train, sampling=sampling, verifier="math", verifier_options={})
    policy = load_policy(config, "policy", for_training=True)
    problems = sources.load(SourceConfig(world="train", limit=50), "train", None)
    evaluator = Evaluator(config, Evidence(config.evidence), pool, Terminal(quiet=True))
    args = arguments.grpo_config(config, folder / "c", longest_prompt=10)
    (folder / "rollouts").mkdir(parents=True, exist_ok=True)
    trainer = Trainer(policy, problems, config, evaluator, args, folder / "rollouts")
    model_of(trainer).train()
    trainer.current_gradient_accumulation_steps = micro_steps
    return trainer


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, pool) -> dict:
    """A step's batch with everything that a loss must get right in it: see `awkward`."""
    trainer = build(tmp_path_factory.mktemp("drawn"), pool)
    return awkward(trainer, trainer._generate_and_score_completions(trainer._draw()))


def awkward(trainer: Trainer, batch: dict) -> dict:
    """An older policy (ratios far enough from one that clipping acts), a reference policy, a group without
    variance, and truncated completions whose tokens are masked."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        now = log_probs(trainer, batch)
    advantages = torch.randn(GROUPS, G, generator=generator)
    advantages[1] = 0
    mask = batch["completion_mask"].clone()
    mask[[2, 5, 9]] = 0
    assert mask.sum() < batch["completion_mask"].sum()
    return batch | {
        "advantages": (advantages - advantages.mean(1, keepdim=True)).flatten(),
        "completion_mask": mask,
        "unmasked": batch["completion_mask"],
        "num_items_in_batch": mask.sum(),
        "old_per_token_logps": now + 0.3 * torch.randn(now.shape, generator=generator),
        "ref_per_token_logps": now + 0.2 * torch.randn(now.shape, generator=generator),
    }


def log_probs(trainer: Trainer, batch: dict) -> torch.Tensor:
    logprobs, _, _ = trainer._get_per_token_logps_and_entropies(
        trainer.model,
        torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1),
        torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1),
        batch["completion_ids"].shape[1],
    )
    return logprobs


def as_oracle_samples(batch: dict) -> list:
    """The rows of a batch, padding cut off."""
    samples = []
    for i, advantage in enumerate(batch["advantages"].tolist()):
        length = int(batch["unmasked"][i].sum())
        samples.append(
            oracle.Sample(
                prompt=batch["prompt_ids"][i][batch["prompt_mask"][i].bool()].tolist(),
                completion=batch["completion_ids"][i, :length].tolist(),
                advantage=advantage,
                old=batch["old_per_token_logps"][i, :length],
                ref=batch["ref_per_token_logps"][i, :length],
                counts=bool(batch["completion_mask"][i].any()),
            )
        )
    return samples


def objective(trainer: Trainer) -> Any:
    return oracle.Objective(
        loss=trainer.loss_type,
        sequence=trainer.importance_sampling_level == "sequence",
        beta=trainer.beta,
        unbiased_kl=trainer.args.use_bias_correction_kl,
        low=trainer.epsilon_low,
        high=trainer.epsilon_high,
        temperature=trainer.temperature,
        max_new_tokens=trainer.max_completion_length,
    )


def gradient(trainer: Trainer, losses: list) -> tuple[float, torch.Tensor]:
    """Sum of the losses that the functions give, and its gradient in the trained parameters."""
    model_of(trainer).zero_grad()
    total = 0.0
    for loss_of in losses:
        loss = loss_of()
        loss.backward()
        total += loss.item()
    trained = [p for p in model_of(trainer).parameters() if p.requires_grad]
    return total, torch.cat(
        [(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in trained]
    )


def three_ways(trainer: Trainer, batch: dict) -> dict[str, tuple[float, torch.Tensor]]:
    """Loss and gradient of one step by each implementation, over the trainer's micro-steps."""
    packed = trainer.attention
    assert packed is not None
    micro_steps = trainer.current_gradient_accumulation_steps
    parts = split_groups(batch, micro_steps)
    model = trainer.model
    ours = gradient(trainer, [lambda p=p: trainer._compute_loss(model, p) for p in parts])
    trainer.attention = None
    theirs = gradient(trainer, [lambda p=p: GRPOTrainer._compute_loss(trainer, model, p) for p in parts])
    trainer.attention = packed
    rows = as_oracle_samples(batch)
    asked = objective(trainer)
    # bnpo divides by the tokens of a micro-step: the one loss that depends on how a step is cut
    pieces = micro_steps if trainer.loss_type == "bnpo" else 1
    size = len(rows) // pieces
    textbook = gradient(
        trainer,
        [
            lambda r=rows[i : i + size]: oracle.loss(model, r, asked) / pieces
            for i in range(0, len(rows), size)
        ],
    )
    return {"ours": ours, "trl": theirs, "from scratch": textbook}


def assert_agree(results: dict[str, tuple[float, torch.Tensor]]) -> None:
    (reference_loss, reference) = results["from scratch"]
    assert reference.norm() > 0
    for name, (loss, found) in results.items():
        assert loss == pytest.approx(reference_loss, rel=TOLERANCE, abs=1e-6), name
        assert (found - reference).norm() / reference.norm() < TOLERANCE, name


def test_the_batch_holds_what_it_should(tmp_path, pool, drawn):
    trainer = build(tmp_path, pool)
    ratio = (log_probs(trainer, drawn) - drawn["old_per_token_logps"]).exp()[drawn["completion_mask"].bool()]
    assert 0.2 < ((ratio < 0.8) | (ratio > 1.28)).float().mean() < 0.8
    assert (drawn["advantages"].view(GROUPS, G) == 0).all(1).sum() == 1
    assert (drawn["completion_mask"].sum(1) == 0).sum() == 3


@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("loss_type", LOSSES)
def test_losses_and_gradients(tmp_path, pool, drawn, loss_type, beta):
    assert_agree(three_ways(build(tmp_path, pool, loss_type=loss_type, beta=beta), drawn))


def test_kl_without_the_ratio(tmp_path, pool, drawn):
    assert_agree(three_ways(build(tmp_path, pool, beta=0.1, use_bias_correction_kl=False), drawn))


@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "luspo"])
def test_sequence_level_importance(tmp_path, pool, drawn, loss_type):
    """GSPO clips a completion's geometric mean ratio, which lies close to one: narrower bounds, so that they act."""
    options = {"importance_sampling_level": "sequence", "epsilon": 0.02, "epsilon_high": 0.02}
    assert_agree(three_ways(build(tmp_path, pool, loss_type=loss_type, **options), drawn))


@pytest.mark.parametrize("loss_type", LOSSES)
def test_gradient_accumulation(tmp_path, pool, drawn, loss_type):
    assert_agree(three_ways(build(tmp_path, pool, micro_steps=2, loss_type=loss_type), drawn))


@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo", "bnpo"])
def test_lora(tmp_path, pool, drawn, loss_type):
    trainer = build(tmp_path, pool, lora=LoraSection(r=4), loss_type=loss_type)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model_of(trainer).named_parameters():
        if "lora_B" in name:  # they begin at zero, and half of the gradient with them
            parameter.data.normal_(std=0.05, generator=generator)
    assert_agree(three_ways(trainer, drawn))


@pytest.mark.parametrize("loss_type", ["grpo", "dapo"])
@pytest.mark.parametrize("lora", [None, LoraSection(r=4)])
def test_gradient_checkpointing(tmp_path, pool, drawn, loss_type, lora):
    trainer = build(tmp_path, pool, lora=lora, loss_type=loss_type, gradient_checkpointing=True)
    model = trainer.accelerator.unwrap_model(trainer.model)
    model.gradient_checkpointing_enable({"use_reentrant": False})  # Trainer.train() does this
    assert_agree(three_ways(trainer, drawn))


def test_temperature(tmp_path, pool, drawn):
    assert_agree(three_ways(build(tmp_path, pool, temperature=0.7, loss_type="dapo"), drawn))


def test_entropy_bonus(tmp_path, pool, drawn):
    """The textbook script has none: ours against TRL's."""
    results = three_ways(build(tmp_path, pool, loss_type="dapo", entropy_coef=0.05), drawn)
    results["from scratch"] = results["trl"]
    assert_agree(results)


def test_a_wrong_loss_is_noticed(tmp_path, pool, drawn):
    """The tolerance is not so wide that a slightly different objective passes."""
    trainer = build(tmp_path, pool, loss_type="dapo", beta=0.1)
    right = three_ways(trainer, drawn)
    rows = as_oracle_samples(drawn)
    changed = dataclasses.replace(objective(trainer), high=trainer.epsilon_high + 0.01)
    wrong = gradient(trainer, [lambda: oracle.loss(trainer.model, rows, changed)])
    with pytest.raises(AssertionError):
        assert_agree(right | {"from scratch": wrong})


def test_a_step_without_signal_has_a_gradient_of_exactly_zero(tmp_path, pool, drawn):
    trainer = build(tmp_path, pool)
    batch = drawn | {"advantages": torch.zeros_like(drawn["advantages"])}
    assert gradient(trainer, [lambda: trainer._compute_loss(trainer.model, batch)])[1].abs().max() == 0


@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "bnpo"])
def test_a_micro_step_without_signal_has_no_forward_pass(tmp_path, pool, drawn, loss_type, monkeypatch):
    trainer = build(tmp_path, pool, micro_steps=GROUPS, loss_type=loss_type)
    expected = three_ways(trainer, drawn)["trl"]
    read, packed = [], trainer._packed

    def counted(*args: Any, **kwargs: Any) -> Any:
        read.append(args)
        return packed(*args, **kwargs)

    monkeypatch.setattr(trainer, "_packed", counted)
    parts = split_groups(drawn, GROUPS)
    loss, found = gradient(trainer, [lambda p=p: trainer._compute_loss(trainer.model, p) for p in parts])
    assert len(read) == GROUPS - 1  # one group is without variance
    assert loss == pytest.approx(expected[0], rel=TOLERANCE, abs=1e-6)
    assert (found - expected[1]).norm() / expected[1].norm() < TOLERANCE


def test_without_any_signal_every_weight_has_a_gradient_of_zero(tmp_path, pool, drawn):
    """So that the optimiser's step stays what it is."""
    trainer = build(tmp_path, pool)
    model_of(trainer).zero_grad()
    batch = drawn | {"advantages": torch.zeros_like(drawn["advantages"])}
    trainer._compute_loss(trainer.model, batch).backward()
    assert [
        p.grad.abs().max().item() if p.grad is not None else None for p in model_of(trainer).parameters()
    ] == [0.0 for _ in model_of(trainer).parameters()]


def test_the_engines_logprobs_are_the_trainers(tmp_path, pool):
    """What was sampled with is what is trained on, so the first importance ratio is one."""
    trainer = build(tmp_path, pool)
    logprobs = log_probs(trainer, trainer._generate_and_score_completions(trainer._draw()))
    assert trainer._sampled is not None
    for row, completion in zip(logprobs, trainer._sampled.completions, strict=True):
        assert row[: len(completion.logprobs)].tolist() == pytest.approx(completion.logprobs, abs=1e-4)


@pytest.mark.parametrize("kind", ["mask", "split", "flex"])
def test_packing_by_hand(kind):
    prompt = torch.tensor([[0, 5, 6], [0, 5, 6]])
    completion = torch.tensor([[7, 8], [9, 0]])
    packed = pack(prompt, (prompt > 0).long(), completion, (completion > 0).long(), group_size=2, kind=kind)
    # prompt without its last token; that token and 7 (predicting 7, 8); that token again (predicting 9)
    assert packed.inputs["input_ids"].tolist() == [[5, 6, 7, 6]]
    assert packed.inputs["position_ids"].tolist() == [[0, 1, 2, 1]]
    assert packed.select.tolist() == [1, 2, 3]
    assert packed.targets.tolist() == [7, 8, 9]
    assert packed.place.tolist() == [0, 1, 2]
    if kind == "mask":
        assert packed.inputs["attention_mask"][0, 0].tolist() == [
            [True, False, False, False],
            [True, True, False, False],
            [True, True, True, False],
            [True, False, False, True],
        ]


def test_nothing_sees_padding_and_no_row_is_blind():
    mask = block_mask(torch.tensor([[0, 1, -1, -1]]))[0, 0]
    assert not mask[:2, 2:].any()
    assert mask.any(dim=1).all()  # a query that sees nothing would be NaN
