"""The losses of RLVR: pure functions of log-probabilities.

A micro-step hands over the policy's tokens flat: (N,) tensors, completion after completion, without prompts, padding
and evidence (what a tool or an environment wrote). Its loss is Σ_t scale_t · ℓ_t, where the *surrogate* ℓ says what a
token teaches and the *scale* how tokens are averaged; a `loss_type` names such a pair, see `LOSSES`. The settings keep
TRL's names and meaning, and the tests compare loss and gradient with TRL's `GRPOTrainer._compute_loss`.

Denominators come from `Totals`, which are of the whole optimiser step. So a group without gradient (every advantage
zero) can be left out of the forward pass, and the sum of the micro-steps' losses, its gradient averaged over the
processes as DDP does, is the loss of the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from trl.trainer.grpo_config import GRPOConfig

from rlvr.config import ConfigError
from rlvr.training.importance import Correction, Tokens, kl_to_reference, off_policy, required

Pair = tuple[Tensor, Tensor]
"""Sum and count of a metric: added over micro-steps and processes, and divided once."""


@dataclass(frozen=True, slots=True)
class Objective:
    """Everything that the loss depends on besides tensors, under the names of TRL's `GRPOConfig`."""

    loss_type: str
    importance_sampling_level: str
    """`token`, or `sequence`: one ratio per completion, the geometric mean of its tokens' (GSPO, arXiv 2507.18071)."""
    epsilon_low: float
    epsilon_high: float
    """A ratio counts within [1 − ε_low, 1 + ε_high]; `cispo` takes ε_high itself as the largest ratio."""
    delta: float | None
    beta: float
    use_bias_correction_kl: bool
    max_completion_length: int
    sapo_temperatures: tuple[float, float]
    """For positive advantages, and for the others."""
    vespo_positive: tuple[float, float]
    vespo_negative: tuple[float, float]
    """(k, λ) for advantages ≥ 0, and for negative ones."""
    off_policy_mask_threshold: float | None
    top_entropy_quantile: float
    entropy_coefficient: float
    """Of this step: where it is adaptive, what `EntropyControl.bonus` says before it."""
    adaptive_entropy: bool
    correction: Correction | None
    """For a sampler that is another engine than the trainer; None: they agree."""

    @classmethod
    def of(cls, args: GRPOConfig, *, other_engine: bool) -> Objective:
        """The objective that TRL's arguments ask for.

        Args:
            other_engine: completions come from another engine than the trainer's (vLLM), whose log-probabilities
                differ; `vllm_importance_sampling_*` then say how this is corrected.

        Raises:
            ConfigError: an unknown level or mode, or one that the loss type does not allow.
        """
        level = args.importance_sampling_level
        if level not in ("token", "sequence"):
            raise ConfigError(
                f"train.trl.importance_sampling_level: found {level!r}; expected 'token' or 'sequence'"
            )
        assert args.max_completion_length is not None
        return cls(
            loss_type=args.loss_type,
            importance_sampling_level=level,
            epsilon_low=args.epsilon,
            epsilon_high=args.epsilon if args.epsilon_high is None else args.epsilon_high,
            delta=args.delta,
            beta=args.beta,
            use_bias_correction_kl=args.use_bias_correction_kl,
            max_completion_length=args.max_completion_length,
            sapo_temperatures=(args.sapo_temperature_pos, args.sapo_temperature_neg),
            vespo_positive=(args.vespo_k_pos, args.vespo_lambda_pos),
            vespo_negative=(args.vespo_k_neg, args.vespo_lambda_neg),
            off_policy_mask_threshold=args.off_policy_mask_threshold,
            top_entropy_quantile=args.top_entropy_quantile,
            entropy_coefficient=0.0 if args.use_adaptive_entropy else args.entropy_coef,
            adaptive_entropy=args.use_adaptive_entropy,
            correction=Correction.of(args) if other_engine else None,
        )

    @property
    def needs_all_groups(self) -> bool:
        """Whether a group whose advantages are all zero still has a gradient, or moves a threshold."""
        bonus = self.adaptive_entropy or self.entropy_coefficient != 0
        return self.beta != 0 or bonus or self.top_entropy_quantile < 1


@dataclass(frozen=True, slots=True)
class Totals:
    """Of the whole optimiser step: all processes and micro-steps, groups left out of the forward pass included."""

    rows: int
    """Completions, those whose tokens are all masked included."""
    tokens: int
    """Policy tokens that are trained on."""
    micro_steps: int
    """Of each process."""
    processes: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What surrogates read; tensors are (N,)."""

    tokens: Tokens
    logp: Tensor
    old: Tensor
    ratio: Tensor
    """π/π_old: the token's, or the completion's for each of its tokens."""
    correction: Tensor | None
    """π_old/π_sampler, truncated or masked."""
    length: Tensor
    """Policy tokens of the token's completion."""
    unit: Tensor
    """Weight of a token in a mean over ratios: 1, or 1/length where a completion has one ratio."""

    @classmethod
    def of(cls, objective: Objective, tokens: Tokens, logp: Tensor) -> Terms:
        old = logp.detach() if tokens.old is None else tokens.old
        ones = torch.ones_like(old)
        length = tokens.row_sum(ones)
        log_ratio, unit = logp - old, ones
        if objective.importance_sampling_level == "sequence":
            log_ratio, unit = tokens.row_sum(log_ratio) / length, 1 / length
        correction = objective.correction.ratio(tokens, old) if objective.correction else None
        return cls(tokens, logp, old, log_ratio.exp(), correction, length, unit)


def loss(
    objective: Objective,
    tokens: Tokens,
    logp: Tensor,
    entropy: Tensor,
    totals: Totals,
    micro_tokens: int | None = None,
    entropy_threshold: Tensor | None = None,
    micro_trained: Tensor | int | None = None,
) -> tuple[Tensor, dict[str, Pair]]:
    """The loss of one micro-step, or of a pass of it, and its metrics.

    Args:
        logp: (N,) log-probabilities of the tokens under the policy, with gradient.
        entropy: (N,) entropies, in nats, of the distributions they are from; with gradient for an entropy bonus.
        micro_tokens: policy tokens of this micro-step on this process, groups left out included; None: N. Only
            `bnpo` reads it.
        entropy_threshold: what `entropy.entropy_threshold` gives; needed where `top_entropy_quantile` < 1.
        micro_trained: tokens of all passes of the micro-step whose entropy is at least that; None: this is the only
            one. The entropy bonus is a mean over them.

    Returns:
        A scalar with gradient, and (sum, count) per metric, detached:

        - `entropy`, `kl`: means over tokens. `entropy/high`: over the tokens that `top_entropy_quantile` keeps.
        - `importance_ratio`, `clipped_share` and its parts `/low` and `/high`: over tokens, or over completions
          where a completion has one ratio. TRL: `clip_ratio/{region,low,high}_mean`, `cispo_clip_ratio`.
        - `sapo/gate`, `vespo/phi`: mean weight of a token's gradient, of a completion's.
        - `sampler/ratio`, `sampler/masked_share`: of the correction for the sampler's engine, over tokens or
          completions as its mode says.
        - `off_policy_share`: of completions, what `off_policy_mask_threshold` leaves out.

    Raises:
        ValueError: something that the objective needs was not given.
    """
    terms = Terms.of(objective, tokens, logp)
    surrogate, scale = LOSSES[objective.loss_type]
    losses, metrics = surrogate(objective, terms)
    metrics |= {"importance_ratio": mean(terms.ratio, terms.unit), "entropy": mean(entropy)}
    trained = torch.ones_like(entropy)  # by their entropy
    if objective.top_entropy_quantile < 1:
        threshold = required(entropy_threshold, "an entropy_threshold")
        trained = (entropy >= threshold).to(entropy.dtype)
        losses = losses * trained
        metrics["entropy/high"] = mean(entropy, trained)
    if objective.off_policy_mask_threshold is not None:
        dropped = off_policy(objective.off_policy_mask_threshold, tokens, logp, terms.old)
        losses = losses * ~dropped
        metrics["off_policy_share"] = mean(dropped, 1 / terms.length)
    if objective.correction and terms.correction is not None:
        if surrogate is not vespo:  # whose weight has it already
            losses = losses * terms.correction
        per = 1 / terms.length if objective.correction.per_completion else torch.ones_like(terms.length)
        metrics["sampler/ratio"] = mean(terms.correction, per)
        metrics["sampler/masked_share"] = mean(terms.correction == 0, per)
    if objective.beta != 0:
        kl = kl_to_reference(logp, required(tokens.ref, "log-probabilities of the reference"))
        if objective.use_bias_correction_kl:  # so that its gradient is the KL's own (arXiv 2512.02556, eq. 7)
            kl = kl * terms.ratio
        losses = losses + objective.beta * kl
        metrics["kl"] = mean(kl)
    micro_tokens = len(logp) if micro_tokens is None else micro_tokens
    total = (losses * scale(objective, terms.length, totals, micro_tokens)).sum()
    if objective.entropy_coefficient != 0:
        number = trained.sum() if micro_trained is None else torch.as_tensor(micro_trained)
        bonus = (entropy * trained).sum() / number.clamp(min=1) / totals.micro_steps
        total = total - objective.entropy_coefficient * bonus
    return total, {name: (s.detach(), count.detach()) for name, (s, count) in metrics.items()}


def mean(values: Tensor, weights: Tensor | None = None) -> Pair:
    """Weighted sum and sum of weights."""
    weights = torch.ones_like(values) if weights is None else weights
    return (values * weights).sum(), weights.sum()


# ------------------------------------------------------------------ surrogates: (N,) losses and their metrics


def clipped(objective: Objective, terms: Terms) -> tuple[Tensor, dict[str, Pair]]:
    """−min(r A, clip(r, 1 − ε_low, 1 + ε_high) A): PPO (Schulman et al. 2017, arXiv 1707.06347, eq. 7), GRPO (Shao et
    al. 2024, arXiv 2402.03300, eq. 3), an ε_high of its own from DAPO (Yu et al. 2025, arXiv 2503.14476, §3.1).

    With a ratio per completion it is GSPO's (Zheng et al. 2025, arXiv 2507.18071, eq. 5). A `delta` also bounds r from
    above where A < 0 (INTELLECT-2, 2025, arXiv 2505.07291). On policy its gradient is REINFORCE's, −A ∇log π; with
    A = 1 for the accepted completions, which alone are given, cross-entropy's.
    """
    advantages = terms.tokens.advantages
    low, high = 1 - objective.epsilon_low, 1 + objective.epsilon_high
    ratio = terms.ratio if objective.delta is None else terms.ratio.clamp(max=objective.delta)
    losses = -torch.min(ratio * advantages, terms.ratio.clamp(low, high) * advantages)
    below, above = (ratio < low) & (advantages < 0), (ratio > high) & (advantages > 0)
    shares = {"clipped_share": below | above, "clipped_share/low": below, "clipped_share/high": above}
    return losses, {name: mean(share, terms.unit) for name, share in shares.items()}


def cispo(objective: Objective, terms: Terms) -> tuple[Tensor, dict[str, Pair]]:
    """−min(r, ε_high) A log π with the weight detached, so that no token loses its gradient (MiniMax-M1, 2025, arXiv
    2506.13585, eq. 4 and 5, without a lower bound; ε_high near 5 in ScaleRL, arXiv 2510.13786)."""
    advantages = terms.tokens.advantages
    weight = terms.ratio.clamp(max=objective.epsilon_high).detach()
    above = (terms.ratio > objective.epsilon_high) & (advantages > 0)
    return -weight * advantages * terms.logp, {"clipped_share": mean(above, terms.unit)}


def sapo(objective: Objective, terms: Terms) -> tuple[Tensor, dict[str, Pair]]:
    """−(4/τ) σ(τ (r − 1)) A: a gate in place of the clip, with a τ for A > 0 and one for the others (Gao et al. 2025,
    arXiv 2511.20347). The gradient of a token is that of r A times 4 σ(1 − σ), which is 1 at r = 1."""
    advantages = terms.tokens.advantages
    temperature = torch.where(advantages > 0, *objective.sapo_temperatures)
    gate = torch.sigmoid(temperature * (terms.ratio - 1))
    return -gate * 4 / temperature * advantages, {"sapo/gate": mean(4 * gate * (1 - gate), terms.unit)}


def vespo(objective: Objective, terms: Terms) -> tuple[Tensor, dict[str, Pair]]:
    """−φ(w) A log π with φ(w) = exp(λ) w^k exp(−λ w), detached, of the completion's whole ratio w = Π π/π_sampler, and
    k, λ by the advantage's sign; φ(1) = 1 (arXiv 2602.10693)."""
    advantages = terms.tokens.advantages
    least, most = math.log(1e-8), 20.0
    with torch.no_grad():
        log_w = terms.tokens.row_sum((terms.logp - terms.old).clamp(-most, most))
        if terms.correction is not None:
            log_w = log_w + terms.tokens.row_sum(terms.correction.log().clamp(least, most))
        log_w = log_w.clamp(least, most)
        (k_pos, rate_pos), (k_neg, rate_neg) = objective.vespo_positive, objective.vespo_negative
        k = torch.where(advantages >= 0, k_pos, k_neg)
        rate = torch.where(advantages >= 0, rate_pos, rate_neg).clamp(min=1e-4)
        phi = (rate + k * log_w - rate * log_w.exp()).exp().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    return -phi * advantages * terms.logp, {"vespo/phi": mean(phi, 1 / terms.length)}


# ------------------------------------------------------------------ scales: what a token's loss is multiplied by


def completion_mean(objective: Objective, length: Tensor, totals: Totals, micro_tokens: int) -> Tensor:
    """Each completion by its own tokens, then by the completions (GRPO, arXiv 2402.03300, eq. 3)."""
    return totals.processes / (totals.rows * length)


def token_limit(objective: Objective, length: Tensor, totals: Totals, micro_tokens: int) -> float:
    """Completions × the token limit, a constant: no length bias (Dr. GRPO, Liu et al. 2025, arXiv 2503.20783, §3.2)."""
    return totals.processes / (totals.rows * objective.max_completion_length)


def completion_sum(objective: Objective, length: Tensor, totals: Totals, micro_tokens: int) -> float:
    """Completions alone, so that a completion weighs as much as it has tokens (LUSPO, arXiv 2602.05261)."""
    return totals.processes / totals.rows


def step_mean(objective: Objective, length: Tensor, totals: Totals, micro_tokens: int) -> float:
    """The tokens of the whole step (DAPO, Yu et al. 2025, arXiv 2503.14476, §3.3)."""
    return totals.processes / max(1, totals.tokens)


def micro_step_mean(objective: Objective, length: Tensor, totals: Totals, micro_tokens: int) -> float:
    """The tokens of the micro-step: TRL's `bnpo`, the one loss that depends on how a step is cut."""
    return 1 / (max(1, micro_tokens) * totals.micro_steps)


Surrogate = Callable[[Objective, Terms], tuple[Tensor, dict[str, Pair]]]
Scale = Callable[[Objective, Tensor, Totals, int], Tensor | float]

LOSSES: dict[str, tuple[Surrogate, Scale]] = {
    "grpo": (clipped, completion_mean),
    "dr_grpo": (clipped, token_limit),
    "dapo": (clipped, step_mean),
    "bnpo": (clipped, micro_step_mean),
    "luspo": (clipped, completion_sum),
    "cispo": (cispo, step_mean),
    "sapo": (sapo, completion_mean),
    "vespo": (vespo, step_mean),
}
