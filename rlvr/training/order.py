"""Which problems a step trains on: a function of seed and step, so that resume needs no state."""

from __future__ import annotations

import numpy as np


def draw(n_problems: int, groups: int, step: int, seed: int) -> list[int]:
    """Indices of the problems of one step: epochs of random permutations, read `groups` at a time.

    Steps run on across the border of two epochs; where there are fewer problems than groups, some come twice.
    """
    first = step * groups
    indices: list[int] = []
    while len(indices) < groups:
        epoch, offset = divmod(first + len(indices), n_problems)
        permutation = np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(n_problems)
        indices += permutation[offset : offset + groups - len(indices)].tolist()
    return indices
