"""How many problems and samples a claim needs (docs/metrics.md, "How sure are we")."""

from __future__ import annotations

import math

Z = 1.959963984540054  # two-sided 95 %


def sample_size(half_width: float, between_var: float, mean_pq: float, n: int) -> tuple[int, int]:
    """(total samples on a fixed benchmark, problems from a population at n samples each) for value ±
    half_width.

    `between_var` is the variance of success rates between problems, `mean_pq` the mean of p(1-p).
    """
    if half_width <= 0 or n < 1:
        raise ValueError(f"half width must be positive and n at least 1, got {half_width} and {n}")
    scale = (Z / half_width) ** 2
    return math.ceil(scale * mean_pq), math.ceil(scale * (between_var + mean_pq / n))


def half_width(between_var: float, mean_pq: float, problems: int, n: int) -> tuple[float, float]:
    """(fixed benchmark, population) half-width of the 95 % interval that `problems` × n samples reach."""
    if problems < 1 or n < 1:
        raise ValueError(f"problems and n must be at least 1, got {problems} and {n}")
    fixed = Z * math.sqrt(mean_pq / (problems * n))
    return fixed, Z * math.sqrt((between_var + mean_pq / n) / problems)


def planning_inputs(pass_1: float, pass_2: float) -> tuple[float, float]:
    """(between_var, mean_pq) from any published curve: mean(pq) = pass@2 - pass@1, exact for the unbiased
    estimators.
    """
    mean_pq = pass_2 - pass_1
    return max(pass_1 - mean_pq - pass_1**2, 0.0), mean_pq
