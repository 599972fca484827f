"""A training loop as `training.train` builds it, and what its update must equal: each row read by itself."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from rlvr.config import SamplingConfig, TrainConfig
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.run import Run
from rlvr.terminal import Terminal
from rlvr.training.build import build
from rlvr.training.checkpoints import Checkpoints
from rlvr.training.loop import Loop
from rlvr.training.packing import Prompted
from rlvr.training.step_batch import StepBatch
from rlvr.worlds import carry
from tests.conftest import quickstart_config
from verifiers.pool import VerifierPool


def loop_of(
    folder: Path,
    pool: VerifierPool,
    sampling: SamplingConfig | None = None,
    model: str = "tiny",
    layout: str = "packed",
    **train: Any,
) -> Loop:
    """The loop before its first step, on the embedded model, the world `carry` and the verifier of `pool`.

    Args:
        layout: of the update; "padded": as for a model whose attention takes no block mask.
    """
    settings: dict[str, Any] = {"steps": 2, "groups_per_step": 4, "group_size": 8} | train
    config = quickstart_config(
        model=model,
        train=TrainConfig(**settings),
        verifier="math",
        verifier_options={},
        sampling=sampling or SamplingConfig(max_new_tokens=32),
    )
    evaluator = Evaluator(config, Evidence(config.evidence), pool, Terminal(quiet=True))
    if helped := config.train.evidence or config.train.distill:
        evaluator = replace(evaluator, training_evidence=Evidence(helped.on(config.evidence)))
    run = Run(folder)
    (folder / "rollouts").mkdir(parents=True, exist_ok=True)
    loop = build(
        config,
        carry.problems("train", 50),
        evaluator,
        run,
        Checkpoints(run.checkpoints, 2, evaluator.terminal.say),
        due=lambda step: False,
        evaluate=lambda sampler, step: {},
        advance=lambda *_, **__: None,
    )
    if layout == "padded":
        loop.forward.kind = None
    return loop


def row_by_row(
    model: Any, groups: Sequence[Prompted], temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Each sample alone, without padding, by the model's own forward: (N,) log-probabilities of the policy's tokens,
    and the values before them, where the model has a value head."""
    logprobs, values = [], []
    head = getattr(model, "value_head", None)
    for group in groups:
        for sample in group.samples:
            if not sample.token_ids:
                continue
            ids = torch.tensor([[*group.prompt, *sample.token_ids]])
            output = model(input_ids=ids, output_hidden_states=head is not None)
            predicting, own = slice(len(group.prompt) - 1, -1), torch.tensor(sample.mask)
            logp = (output.logits[0, predicting] / temperature).log_softmax(-1)
            logprobs.append(logp[range(len(own)), sample.token_ids][own])
            if head is not None:
                values.append(head(output.hidden_states[-1][0, predicting])[own])
    return torch.cat(logprobs), torch.cat(values) if values else None


def prompted(batch: StepBatch) -> list[Prompted]:
    return [group.prompted for group in batch.groups]


def gradient_of(model: torch.nn.Module) -> torch.Tensor:
    """The gradient in all trained weights, flat; 0 where a weight has none."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in trained])


def gradient(model: torch.nn.Module, loss: torch.Tensor) -> torch.Tensor:
    """The gradient of a loss alone."""
    model.zero_grad()
    loss.backward()
    return gradient_of(model)


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    """|found − expected| / |expected|, which must not be zero."""
    norm = expected.norm()
    assert norm > 0
    return float((found - expected).norm() / norm)


def move(model: torch.nn.Module, scale: float, seed: int = 0) -> None:
    """Noise on every trained weight: another policy than the one that sampled."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(scale * torch.randn(parameter.shape, generator=generator))
