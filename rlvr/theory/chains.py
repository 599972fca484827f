"""Markov chains: every sequence has transitions of its own, and the network learns to infer them from what it has read.
Our extension of the coins of Genewein et al. 2025 (arXiv 2505.17010): the order of the symbols counts."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rlvr.analysis.samples import Floats
from rlvr.theory import predictor
from rlvr.theory.check import Check, Line
from rlvr.worlds.laws import markov_predictive

SYMBOLS, PRIOR = 3, 0.5
"""The rows of a chain's transitions are from Dirichlet(½, ½, ½)."""
SHORT, LONG = 50, 100


def draw(number: int, random: np.random.Generator) -> Tensor:
    """(number, LONG) each from a chain of its own; the first symbol is any."""
    rows = random.dirichlet([PRIOR] * SYMBOLS, size=(number, SYMBOLS)).cumsum(-1)
    found = np.empty((number, LONG), dtype=np.int64)
    found[:, 0] = random.integers(SYMBOLS, size=number)
    everyone = np.arange(number)
    for t in range(1, LONG):
        below = rows[everyone, found[:, t - 1]] < random.random((number, 1))
        found[:, t] = np.minimum(below.sum(-1), SYMBOLS - 1)  # the last sum may be rounded to below 1
    return torch.from_numpy(found)


def predictive(sequences: Tensor, ordered: bool = True) -> Floats:
    """(B, T) → (B, T, symbols) what Bayes' rule says of each symbol, given those before it.

    Args:
        ordered: otherwise what the counts alone say, whatever came before what.
    """
    read = sequences.numpy()
    everyone = np.arange(len(read))
    counts = np.zeros((len(read), SYMBOLS, SYMBOLS))
    found = np.full((*read.shape, SYMBOLS), 1 / SYMBOLS)
    for t in range(1, read.shape[1]):
        before = read[:, t - 1] if ordered else np.zeros(len(read), dtype=np.int64)
        found[:, t] = markov_predictive(counts[everyone, before], [PRIOR] * SYMBOLS)
        counts[everyone, before, read[:, t]] += 1
    return found


def learnt(steps: int, seed: int = 0) -> Check:
    """The predictor is the Bayes mixture over all chains."""
    check = Check(
        "Chains", "Log loss on many Markov chains makes a network that infers the transitions of the one it reads (our "
        "extension of the coins).",
    )  # fmt: skip
    model = predictor.trained(predictor.network(seed, SYMBOLS), draw, steps, seed)
    sequences = draw(512, np.random.default_rng(1))
    exact = predictive(sequences)
    found = predictor.gap(model, sequences, exact)
    unordered = predictive(sequences, ordered=False)
    counted = (exact * (np.log(exact) - np.log(unordered))).sum(-1).mean(0)
    check.lines = [
        *(
            Line.at_most(
                f"KL(Bayes‖network) per symbol, {n} symbols", float(found[:n].mean()), 0.005, exact=0.0
            )
            for n in (SHORT, LONG)
        ),
        Line("  of who counts symbols and not transitions", float(counted.mean()), unit="nats"),
    ]
    check.curves["loss above Bayes at each symbol, nats"] = {
        "symbol": [*map(float, range(1, LONG + 1))], "counts alone": counted.tolist(), "network": found.tolist(),
    }  # fmt: skip
    return check
