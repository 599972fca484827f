"""What a linear map can read of the exact posterior from a network's activations, by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from rlvr.analysis.samples import Floats
from rlvr.theory import predictor
from rlvr.theory.check import Check, Line

RIDGE = 1e-3


def fitted(inside: Floats, target: Floats) -> Floats:
    """(width + 1, K) of the map from activations (N, width), with a constant, to their targets (N, K): ridge
    regression."""
    design = _with_constant(inside)
    penalty = RIDGE * len(design) * np.eye(design.shape[1])
    return np.asarray(np.linalg.solve(design.T @ design + penalty, design.T @ target), dtype=np.float64)


def said(weights: Floats, inside: Floats) -> Floats:
    """(N, K) what the map makes of activations."""
    return _with_constant(inside) @ weights


def _with_constant(inside: Floats) -> Floats:
    return np.concatenate([inside, np.ones((len(inside), 1))], axis=1)


def r_squared(inside: Floats, target: Floats) -> float:
    """Share of the target's variance that a linear map of the activations tells, on the half of the sequences that it
    was not fitted on.

    Args:
        inside: (B, T, width) of one layer.
        target: (B, T, K)
    """
    half = len(inside) // 2
    first, second = (
        (inside[part].reshape(-1, inside.shape[-1]), target[part].reshape(-1, target.shape[-1]))
        for part in (slice(half), slice(half, None))
    )
    missed = second[1] - said(fitted(*first), second[0])
    around = second[1] - first[1].mean(0)
    return float(1 - (missed**2).sum() / (around**2).sum())


def shuffled(target: Floats, seed: int = 0) -> Floats:
    """The control: each sequence gets another one's posterior, position by position, what the position tells stays."""
    return target[np.random.default_rng(seed).permutation(len(target))]


def add(check: Check, name: str, model: Any, sequences: Tensor, exact: Floats, least: float | None) -> None:
    """R² by layer, of the exact posterior and of a control; as lines and as a figure.

    Args:
        least: that the last layer has to reach; None: nothing is asked of it.
    """
    layers = predictor.hidden(model, sequences)
    found = [r_squared(layer, exact) for layer in layers]
    control = [r_squared(layer, shuffled(exact)) for layer in layers]
    last = "  behind the last layer"
    check.lines += [
        Line(f"{name}: R² behind the embedding", found[0]),
        *(Line(f"  behind layer {n}", r) for n, r in enumerate(found[1:-1], start=1)),
        Line(last, found[-1], 1.0) if least is None else Line.at_least(last, found[-1], least, "", 1.0),
        Line.at_most("  the control, last layer", control[-1], 0.2, "", 0.0),
    ]
    check.curves[f"{name}: R²"] = {
        "layer": [*map(float, range(len(found)))], "control": control, "linear map": found,
    }  # fmt: skip
