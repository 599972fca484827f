"""Which piece of evidence to give next: the one that is expected to say most about the latent task. numpy only.

A task h has a belief b(h), and a piece i (a worked example, an answered question) comes out as o with p(o | h, i). What
it is expected to say is the mutual information of h and o (Lindley 1956); the greedy order gives the largest first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def expected_information(belief: ArrayLike, outcomes: ArrayLike) -> float:
    """Nats that a piece is expected to say about the task: Σ_h b(h) Σ_o p(o|h) ln p(o|h)/p(o).

    Args:
        belief: (H,), sums to 1.
        outcomes: (H, O), each row sums to 1.
    """
    b, p = np.asarray(belief, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    joint = b[:, None] * p
    mean = np.broadcast_to(joint.sum(axis=0), p.shape)
    ratio = np.divide(p, mean, out=np.ones_like(p), where=joint > 0)
    return max(float(np.sum(joint * np.log(ratio))), 0.0)


def updated(belief: ArrayLike, likelihood: ArrayLike) -> Floats:
    """Bayes' rule: the belief (H,) after what was seen with p(o | h) = `likelihood` (H,).

    Raises ValueError: no task that is believed in could bring it about.
    """
    joint = np.asarray(belief, dtype=np.float64) * np.asarray(likelihood, dtype=np.float64)
    total = joint.sum()
    if not total > 0:
        raise ValueError("no task with a positive belief explains this outcome")
    return joint / total


def next_piece(belief: ArrayLike, tables: Sequence[ArrayLike], given: Collection[int] = ()) -> int:
    """The place of the piece that is expected to say most, of those not given yet; of equal ones the first.

    Args:
        tables: of each piece its outcomes (H, O).

    Raises ValueError: all are given.
    """
    left = [i for i in range(len(tables)) if i not in given]
    if not left:
        raise ValueError(f"all {len(tables)} pieces are given")
    said = [
        round(expected_information(belief, tables[i]), 12) for i in left
    ]  # ties are not decided by rounding
    return left[int(np.argmax(said))]


def entropy(belief: ArrayLike) -> float:
    """Nats of doubt that are left: −Σ b ln b."""
    b = np.asarray(belief, dtype=np.float64)
    b = b[b > 0]
    return max(float(-np.sum(b * np.log(b))), 0.0)
