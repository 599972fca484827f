"""The greedy choice of the next piece: information by hand, by a second computation, and against every other order."""

from __future__ import annotations

import math
import random
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.evidence.order import entropy, expected_information, next_piece, updated


def thresholds(tasks: int, noise: float = 0.0) -> list[np.ndarray]:
    """Piece x of the task "at least t?": rows are t = 0..tasks-1, columns no and yes."""
    return [
        np.array([[1 - p, p] for t in range(tasks) for p in [1 - noise if x >= t else noise]])
        for x in range(tasks - 1)
    ]


def test_by_hand():
    even = [0.5, 0.5]
    assert expected_information(even, [[1, 0], [0, 1]]) == pytest.approx(math.log(2))
    assert expected_information(even, [[0.3, 0.7], [0.3, 0.7]]) == 0
    # one of four tasks answers yes: H(1/4) nats
    said = expected_information([0.25] * 4, [[0, 1], [1, 0], [1, 0], [1, 0]])
    assert said == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    assert updated([0.5, 0.25, 0.25], [0.5, 1, 0]) == pytest.approx([0.5, 0.5, 0])
    assert entropy([0.5, 0.5, 0]) == pytest.approx(math.log(2)) and entropy([1, 0]) == 0


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 10**6))
def test_it_is_the_mean_fall_of_the_doubt(tasks, outcomes, seed):
    """The definition by posteriors: H(h) − Σ_o p(o) H(h | o), never below 0."""
    rng = random.Random(seed)
    belief = np.array([rng.random() for _ in range(tasks)])
    belief /= belief.sum()
    table = np.array(
        [[rng.random() * (rng.random() < 0.8) + 1e-9 for _ in range(outcomes)] for _ in range(tasks)]
    )
    table /= table.sum(axis=1, keepdims=True)
    left = sum(float(belief @ table[:, o]) * entropy(updated(belief, table[:, o])) for o in range(outcomes))
    said = expected_information(belief, table)
    assert said == pytest.approx(entropy(belief) - left, abs=1e-9) and said >= 0


def pieces_needed(order, tables, truth: int) -> int:
    """How many noiseless pieces it takes until one task is left."""
    belief, given = np.full(len(tables[0]), 1 / len(tables[0])), []
    while entropy(belief) > 1e-9:
        piece = order(belief, given)
        given.append(piece)
        belief = updated(belief, tables[piece][:, int(np.argmax(tables[piece][truth]))])
    return len(given)


def test_among_thresholds_it_halves():
    tables = thresholds(8)
    assert all(pieces_needed(lambda b, g: next_piece(b, tables, g), tables, t) == 3 for t in range(8))
    in_order = [pieces_needed(lambda _, g: len(g), tables, t) for t in range(8)]
    assert in_order == [1, 2, 3, 4, 5, 6, 7, 7]


def test_no_fixed_order_is_better_on_the_mean_of_a_small_world():
    tables = thresholds(5)
    greedy = sum(pieces_needed(lambda b, g: next_piece(b, tables, g), tables, t) for t in range(5))
    fixed = min(
        sum(pieces_needed(lambda _, g: order[len(g)], tables, t) for t in range(5))  # noqa: B023
        for order in permutations(range(4))
    )
    assert greedy == 12 and greedy <= fixed  # 3 tasks after 2 pieces, 2 after 3


def test_equal_ones_first_and_none_twice():
    tables = [np.array([[1.0, 0.0], [0.0, 1.0]])] * 3
    assert next_piece([0.5, 0.5], tables) == 0
    assert next_piece([0.5, 0.5], tables, {0, 1}) == 2
    with pytest.raises(ValueError, match="all 3 pieces are given"):
        next_piece([0.5, 0.5], tables, [0, 1, 2])
    with pytest.raises(ValueError, match="explains this outcome"):
        updated([1.0, 0.0], [0.0, 1.0])


def test_the_choice_does_not_depend_on_rounding():
    rng = random.Random(0)
    for _ in range(50):
        table = np.array([[p, 1 - p] for p in (rng.random() for _ in range(4))])
        shuffled = [table, table[:, ::-1]]  # the same information, summed in another order
        assert next_piece([0.25] * 4, shuffled) == 0
