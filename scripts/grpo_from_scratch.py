"""GRPO in plain PyTorch, from the formulas: nothing is batched, packed, padded, cached or skipped.

    python scripts/grpo_from_scratch.py [--loss dapo] [--sequence] [--beta 0.04] [--model FOLDER]

Read it from top to bottom: problems → samples → verdicts → advantages → loss → step. `tests/training/test_parity.py`
holds the trainer's losses and gradients, and TRL's, against `loss` below on the same samples.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import Any

import torch

import verifiers
from rlvr.worlds import carry

# ------------------------------------------------------------------------------------------------- what there is


@dataclass(frozen=True)
class Objective:
    """Every number that the loss depends on."""

    loss: str = "grpo"
    sequence: bool = False
    """One importance ratio per completion instead of one per token (GSPO, arXiv 2507.18071)."""
    beta: float = 0.0
    """Weight of KL(π ‖ π_ref)."""
    unbiased_kl: bool = True
    """Weigh the KL's estimate by the ratio, so that its gradient is the KL's own (arXiv 2512.02556)."""
    low: float = 0.2
    high: float = 0.2
    """A ratio counts within [1 − low, 1 + high]; `cispo` takes `high` itself as the largest ratio."""
    temperature: float = 1.0
    max_new_tokens: int = 32


@dataclass
class Sample:
    """One completion y of a prompt x, as it was drawn and judged."""

    prompt: list[int]
    completion: list[int]
    advantage: float = 0.0
    old: torch.Tensor | None = None
    """(T,) log π_old(y_t | x, y_<t) of the policy that drew it; None: the policy itself, every ratio is 1."""
    ref: torch.Tensor | None = None
    """(T,) the same under the reference policy; needed where beta > 0."""
    counts: bool = True
    """False: a truncated completion whose tokens are masked. It still counts as a completion."""


# ------------------------------------------------------------------------------------------------- sampling, verdicts


@torch.no_grad()
def draw(model: Any, prompt: list[int], eos: int, objective: Objective) -> Sample:
    """One completion, token by token; the whole text is read again for each."""
    completion: list[int] = []
    while len(completion) < objective.max_new_tokens and completion[-1:] != [eos]:
        logits = model(input_ids=torch.tensor([prompt + completion])).logits[0, -1]
        completion += torch.multinomial((logits / objective.temperature).softmax(-1), 1).tolist()
    return Sample(prompt, completion)


def set_advantages(group: list[Sample], rewards: list[float]) -> None:
    """A_i = (r_i − mean r) / (std r + 1e-4): arXiv 2402.03300, §4.1."""
    r = torch.tensor(rewards)
    for sample, advantage in zip(group, (r - r.mean()) / (r.std() + 1e-4), strict=True):
        sample.advantage = advantage.item()


# ------------------------------------------------------------------------------------------------- loss


def log_probs(model: Any, sample: Sample, temperature: float) -> torch.Tensor:
    """log π(y_t | x, y_<t) of every token of the completion, (T,)."""
    logits = model(input_ids=torch.tensor([sample.prompt + sample.completion])).logits[0]
    predicting = logits[len(sample.prompt) - 1 : -1] / temperature
    return predicting.log_softmax(-1)[range(len(sample.completion)), sample.completion]


def token_losses(logp: torch.Tensor, sample: Sample, objective: Objective) -> torch.Tensor:
    """What each token of one completion adds to the loss, before anything is averaged. (T,)"""
    old = logp.detach() if sample.old is None else sample.old
    advantage = sample.advantage
    log_ratio = logp - old
    if objective.sequence:
        log_ratio = log_ratio.mean().expand_as(logp)  # the geometric mean of the tokens' ratios
    ratio = log_ratio.exp()

    if objective.loss in ("grpo", "dr_grpo", "dapo", "bnpo", "luspo"):  # PPO's clipped surrogate
        clipped = ratio.clamp(1 - objective.low, 1 + objective.high)
        losses = -torch.min(ratio * advantage, clipped * advantage)
    elif objective.loss == "cispo":  # REINFORCE with a truncated weight: arXiv 2506.13585
        losses = -ratio.clamp(max=objective.high).detach() * advantage * logp
    elif objective.loss == "sapo":  # a soft gate instead of a clip: arXiv 2511.20347
        tau = 1.0 if advantage > 0 else 1.05
        losses = -torch.sigmoid(tau * (ratio - 1)) * 4 / tau * advantage
    elif (
        objective.loss == "vespo"
    ):  # REINFORCE under a gamma weight of the completion's ratio: arXiv 2602.10693
        log_w = (logp - old).clamp(-20, 20).sum().clamp(math.log(1e-8), 20).detach()
        k, lam = (2.0, 3.0) if advantage >= 0 else (3.0, 2.0)
        losses = -(lam + k * log_w - lam * log_w.exp()).exp() * advantage * logp
    else:
        raise ValueError(f"loss is {objective.loss!r}")

    if (
        objective.beta
    ):  # the k3 estimator of KL(π ‖ π_ref), never negative: http://joschu.net/blog/kl-approx.html
        assert sample.ref is not None
        kl = (sample.ref - logp).exp() - (sample.ref - logp) - 1
        losses = losses + objective.beta * (ratio * kl if objective.unbiased_kl else kl)
    return losses


def loss(model: Any, samples: list[Sample], objective: Objective) -> torch.Tensor:
    """The loss of one step. What it is divided by is what tells the variants apart:

    - grpo, sapo: each completion by its own tokens, then by the completions (arXiv 2402.03300)
    - dr_grpo: completions × the token limit, a constant (arXiv 2503.20783, §3.2)
    - dapo, cispo, vespo: the tokens of the whole step (arXiv 2503.14476, §3.3)
    - bnpo: the tokens of this call; over several micro-batches the caller averages the results
    - luspo: the completions alone, so that a longer one weighs more (arXiv 2602.05261)
    """
    tokens = sum(len(sample.completion) for sample in samples if sample.counts)
    total = torch.zeros(())
    for sample in samples:
        if not sample.counts:
            continue
        losses = token_losses(log_probs(model, sample, objective.temperature), sample, objective)
        if objective.loss in ("grpo", "sapo"):
            total = total + losses.mean() / len(samples)
        elif objective.loss == "dr_grpo":
            total = total + losses.sum() / (len(samples) * objective.max_new_tokens)
        elif objective.loss == "luspo":
            total = total + losses.sum() / len(samples)
        else:
            total = total + losses.sum() / tokens
    return total


# ------------------------------------------------------------------------------------------------- training


def main() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    parser = argparse.ArgumentParser(description="GRPO in plain PyTorch on two-digit sums.")
    parser.add_argument("--model", default=str(carry.TINY), help="folder or Hub name; the embedded model")
    parser.add_argument("--loss", default="grpo")
    parser.add_argument("--sequence", action="store_true", help="importance ratios per completion (GSPO)")
    parser.add_argument("--beta", type=float, default=0.0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--groups", type=int, default=4, help="problems per step")
    parser.add_argument("--samples", type=int, default=8, help="completions per problem")
    parser.add_argument("--iterations", type=int, default=2, help="updates per drawn batch")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    asked = parser.parse_args()

    torch.manual_seed(0)
    objective = Objective(asked.loss, asked.sequence, asked.beta, high=5.0 if asked.loss == "cispo" else 0.2)
    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    model = AutoModelForCausalLM.from_pretrained(asked.model, dtype=torch.float32).eval()  # eval: no dropout
    reference = AutoModelForCausalLM.from_pretrained(asked.model, dtype=torch.float32).eval()
    optimiser = torch.optim.AdamW(model.parameters(), lr=asked.learning_rate, weight_decay=0.0)
    problems = carry.problems("train")

    for step in range(asked.steps):
        samples, right = [], 0.0
        for problem in problems[step * asked.groups : (step + 1) * asked.groups]:
            prompt = tokenizer(problem.prompt)["input_ids"]
            group = [draw(model, prompt, tokenizer.eos_token_id, objective) for _ in range(asked.samples)]
            texts = [tokenizer.decode(s.completion, skip_special_tokens=True) for s in group]
            rewards = [verifiers.score("math", problem, text).score or 0.0 for text in texts]
            set_advantages(group, rewards)
            samples, right = samples + group, right + sum(rewards)
        with torch.no_grad():
            for sample in samples:
                sample.old = log_probs(model, sample, objective.temperature)
                sample.ref = log_probs(reference, sample, objective.temperature)
        print(f"step {step + 1}: right {right / len(samples):.3f}", end="")
        for _ in range(asked.iterations):
            optimiser.zero_grad()
            value = loss(model, samples, objective)
            value.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            print(f", loss {value.item():+.5f} (gradient {norm:.4f})", end="")
        print()


if __name__ == "__main__":
    main()
