"""The figures of scripts/study/shards.py and next_piece.py, by hand."""

import math
import sys

import numpy as np
import pytest
import torch

from rlvr.evidence.order import entropy, expected_information
from rlvr.worlds import carry
from tests.conftest import REPO

sys.path.insert(0, str(REPO / "scripts" / "study"))

import next_piece  # pyright: ignore[reportMissingImports]
import shards  # pyright: ignore[reportMissingImports]


def test_the_arms_are_held_against_one_message_by_problem():
    one = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], dtype=float)
    other = np.array([[1, 0, 0, 0], [0, 0, 0, 0]], dtype=float)
    difference, nats = shards.compared(one, other)
    assert (difference.value, difference.used) == (pytest.approx(-0.375), 2)  # (-2/4 - 1/4) / 2
    # Mantel-Haenszel: (1·1 + 0·3) / (3·3 + 4·1), over 8 samples a problem
    assert nats.value == pytest.approx(math.log(1 / 13))


def test_aptitude_and_unreliability_are_percentiles_within_a_problem():
    found = np.array([[1.0] * 10, [0.0] * 10, [1.0] * 5 + [0.0] * 5])
    rate, aptitude, unreliability = (estimate.value for estimate in shards.spread(found))
    assert (rate, aptitude, unreliability) == pytest.approx((0.5, 2 / 3, 1 / 3))


def test_every_arm_is_a_config():
    for setting in (shards.TINY, shards.REAL):
        for overrides in setting.arms().values():
            assert shards.asked(setting, "tiny", overrides, 8, 4).sampling.samples == 4


def test_the_mean_doubt_falls_by_the_expected_information():
    tables, even = next_piece.world(), np.full(next_piece.TASKS, 1 / next_piece.TASKS)
    for order in (lambda _, given: len(given), lambda _, given: 7 - len(given)):
        doubt = next_piece.expected_doubt(tables, order, 2)
        first = tables[order(even, [])]
        assert doubt[0] == pytest.approx(math.log(next_piece.TASKS))
        assert doubt[0] - doubt[1] == pytest.approx(expected_information(even, first))
        both = np.stack(
            [np.outer(a, b).ravel() for a, b in zip(first, tables[order(even, [0])], strict=True)]
        )
        assert doubt[0] - doubt[2] == pytest.approx(expected_information(even, both))
    assert entropy(even) == pytest.approx(doubt[0])


def test_the_numbers_that_are_shown_say_nothing_of_the_rule():
    """The likelihood of the answers alone, by plain forward passes over the whole text."""
    model = next_piece.Model(str(carry.TINY))
    examples = [(3, 6), (2, 4)]
    found, tokenizer = model.nats(*examples), model.policy.tokenizer
    for (text, _), nats in zip(next_piece.RULES.values(), found, strict=True):
        ids, counts = model.policy.encode([f"{text}\n"])[0], list[bool]()
        counts = [False] * len(ids)
        for x, answer in examples:
            for piece, said in ((f"{x} ->", False), (f" {answer}", True), ("\n", False)):
                more = tokenizer.encode(piece, add_special_tokens=False)
                ids, counts = [*ids, *more], [*counts, *[said] * len(more)]
        with torch.no_grad():
            every = model.policy.model(torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = sum(float(every[i - 1, ids[i]]) for i in range(len(ids)) if counts[i])
        assert nats == pytest.approx(expected, abs=1e-3)
