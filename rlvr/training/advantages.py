"""Verdicts → advantages. Pure functions of the rewards of whole groups."""

from __future__ import annotations

import torch

EPSILON = 1e-4
"""Added to a standard deviation before dividing by it, as TRL does."""


def grpo(rewards: torch.Tensor, scale: str = "group") -> torch.Tensor:
    """Group-relative advantages: reward minus the group's mean, over a standard deviation.

    Args:
        rewards: (groups, G); NaN where there was no verdict. Such samples get advantage 0 and do not count in
            the group's mean and deviation: what the policy did not cause must not move it.
        scale: divide by the deviation of the "group" (GRPO, Shao et al. 2024, arXiv 2402.03300, §4.1), of the
            whole "batch", or by nothing, "none" (Dr. GRPO, Liu et al. 2025, arXiv 2503.20783, §3.2).

    Returns:
        (groups, G), finite. A group whose rewards are all equal has advantages exactly 0.
    """
    centred = rewards - rewards.nanmean(dim=1, keepdim=True)
    if scale == "group":
        centred = centred / (_std(rewards, dim=1) + EPSILON)
    elif scale == "batch":
        centred = centred / (_std(rewards.reshape(1, -1), dim=1) + EPSILON)
    elif scale != "none":
        raise ValueError(f"scale is {scale!r}; expected 'group', 'batch' or 'none'")
    centred = centred.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    return centred.masked_fill(zero_variance(rewards)[:, None], 0.0)


def rloo(rewards: torch.Tensor) -> torch.Tensor:
    """REINFORCE leave-one-out: reward minus the mean of the group's *other* rewards (Kool et al. 2019; Ahmadian et
    al. 2024, arXiv 2402.14740, §3). The baseline does not depend on the sample, so the gradient is unbiased.

    Args:
        rewards: (groups, G); NaN where there was no verdict, treated as in `grpo`.

    Returns:
        (groups, G), finite; 0 where a group has fewer than two rewards or all are equal.
    """
    known = (~rewards.isnan()).sum(dim=1, keepdim=True)
    correction = known / (known - 1).clamp(min=1)  # r − mean of the others = (r − mean) · m / (m − 1)
    return grpo(rewards, scale="none") * correction


def reinforce(rewards: torch.Tensor) -> torch.Tensor:
    """REINFORCE (Williams 1992) with the batch's mean reward as its baseline.

    A group whose rewards are all equal still moves the policy, up or down as it did better or worse than the batch.

    Args:
        rewards: (groups, G); NaN where there was no verdict: advantage 0, not counted in the mean.

    Returns:
        (groups, G), finite.
    """
    return (rewards - rewards.nanmean()).nan_to_num(nan=0.0)


def rejection(rewards: torch.Tensor) -> torch.Tensor:
    """Weight 1 for a rewarded sample, 0 for any other: cross-entropy on what was accepted.

    With samples of the base this is rejection-sampling fine-tuning (RFT, Yuan et al. 2023, arXiv 2308.01825; one
    round of STaR or RAFT): maximum likelihood of p0(z | x, V = 1), no reinforcement.
    """
    return (rewards > 0).float()


def advantages(algorithm: str, rewards: torch.Tensor, scale: str = "group") -> torch.Tensor:
    """(groups, G) advantages of `train.algorithm`; `scale` belongs to grpo. Raises KeyError for one unknown."""
    functions = {"rloo": rloo, "reinforce": reinforce, "rejection": rejection}
    return grpo(rewards, scale) if algorithm == "grpo" else functions[algorithm](rewards)


def zero_variance(rewards: torch.Tensor) -> torch.Tensor:
    """(groups,) True where a group's known rewards are all equal (or none is known): it teaches nothing."""
    known = ~rewards.isnan()
    high = rewards.masked_fill(~known, -torch.inf).amax(dim=1)
    low = rewards.masked_fill(~known, torch.inf).amin(dim=1)
    return (high <= low) | ~known.any(dim=1)


def _std(rewards: torch.Tensor, dim: int) -> torch.Tensor:
    """Standard deviation over the known rewards, ddof 1, dimension kept."""
    known = (~rewards.isnan()).sum(dim=dim, keepdim=True)
    spread = (rewards - rewards.nanmean(dim=dim, keepdim=True)).square().nansum(dim=dim, keepdim=True)
    return (spread / (known - 1).clamp(min=1)).sqrt()
