"""Concepts: documents from a mixture of hidden Markov models, after GINC (Xie et al. 2022, arXiv 2111.02080), smaller.

All concepts share their words, and differ in which hidden state follows which. A document is written under one
concept; a prompt is a few examples of it, each begun anew behind a delimiter. The last word of the last is the answer.
Examples are evidence about the concept: the forward algorithm says how much, exactly. numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlvr.worlds.laws import Hmm

Floats = NDArray[np.float64]
Words = NDArray[np.int64]

STATES, WORDS, CONCEPTS = 6, 10, 10
"""Hidden states, of which 0 writes the delimiter, word 0; words; concepts of the training."""
ENDS = 0.1
"""Probability that the delimiter comes next, whatever the state and the concept."""
PERMUTATIONS, TEMPERATURE = 4, 0.2
EXAMPLE = 3
"""Words of an example, the delimiter behind it not counted."""


@dataclass(frozen=True)
class Family:
    """Concepts, equally likely."""

    concepts: tuple[Hmm, ...]
    emit: Floats
    """(STATES, WORDS), the same for all."""

    @classmethod
    def drawn(cls, seed: int) -> Family:
        """Words by state are always the same; the transitions are the seed's.

        As in GINC a concept's transitions are a convex combination of permutations, with weights of a softmax at a low
        temperature, so that each state has one or two likely successors.
        """
        fixed = np.random.default_rng(0)
        emit = np.zeros((STATES, WORDS))
        emit[0, 0] = 1.0
        emit[1:, 1:] = fixed.dirichlet([0.05] * (WORDS - 1), size=STATES - 1)
        emit[1:, 1:] = 0.98 * emit[1:, 1:] + 0.02 / (WORDS - 1)
        random = np.random.default_rng([seed, 1])
        return cls(tuple(Hmm(_start(), _transitions(random), emit) for _ in range(CONCEPTS)), emit)

    def document(self, number: int, length: int, random: np.random.Generator) -> tuple[Words, Words]:
        """(number, length) words, and (number,) the concept of each."""
        chosen = random.integers(len(self.concepts), size=number)
        rows = np.stack([concept.trans for concept in self.concepts])[chosen]
        return self._written(rows, length, random), chosen

    def prompt(self, number: int, examples: int, random: np.random.Generator) -> tuple[Words, Words]:
        """(number, examples · (EXAMPLE + 1) + EXAMPLE) words, whose last is the answer; and the concept of each."""
        chosen = random.integers(len(self.concepts), size=number)
        rows = np.stack([concept.trans for concept in self.concepts])[chosen].copy()
        rows[:, 1:, 0] = 0.0  # an example does not end before its last word
        rows[:, 1:] /= rows[:, 1:].sum(-1, keepdims=True)
        parts = [self._written(rows, EXAMPLE, random) for _ in range(examples + 1)]
        ended = [np.pad(part, ((0, 0), (0, 1))) for part in parts]
        return np.concatenate(ended, axis=1)[:, :-1], chosen

    def _written(self, rows: Floats, length: int, random: np.random.Generator) -> Words:
        number = len(rows)
        state = random.integers(1, STATES, size=number)
        found = np.empty((number, length), dtype=np.int64)
        for t in range(length):
            found[:, t] = _draw(self.emit[state], random)
            state = _draw(rows[np.arange(number), state], random)
        return found

    def read(self, words: Words) -> tuple[Floats, Floats, Floats]:
        """The forward algorithm under all concepts at once, before each word.

        Returns:
            (B, T, CONCEPTS) ln posterior of each concept; (B, T, WORDS) probabilities of the word; (B, T, CONCEPTS,
            WORDS) those under each concept.
        """
        trans = np.stack([concept.trans for concept in self.concepts])
        belief = np.broadcast_to(_start(), (len(words), len(trans), STATES))
        seen = np.zeros((len(words), len(trans)))
        posterior, under = [], []
        for t in range(words.shape[1]):
            posterior.append(seen - np.logaddexp.reduce(seen, axis=1, keepdims=True))
            under.append(belief @ self.emit)
            joint = belief * self.emit[:, words[:, t]].T[:, None, :]
            total = joint.sum(-1, keepdims=True)
            seen = seen + np.log(total[..., 0])
            belief = np.einsum("bcs,csz->bcz", joint / total, trans)
        logs, each = np.stack(posterior, axis=1), np.stack(under, axis=1)
        return logs, np.einsum("btc,btcw->btw", np.exp(logs), each), each


def _start() -> Floats:
    """Any state but the delimiter's."""
    return np.array([0.0, *[1 / (STATES - 1)] * (STATES - 1)])


def _transitions(random: np.random.Generator) -> Floats:
    weights = np.exp((random.random(PERMUTATIONS) - 0.5) / TEMPERATURE)
    weights /= weights.sum()
    inner = sum(w * np.eye(STATES - 1)[random.permutation(STATES - 1)] for w in weights)
    inner = 0.98 * np.asarray(inner) + 0.02 / (STATES - 1)
    found = np.zeros((STATES, STATES))
    found[0] = _start()
    found[1:, 0], found[1:, 1:] = ENDS, (1 - ENDS) * inner
    return found


def _draw(rows: Floats, random: np.random.Generator) -> Words:
    """One index per row of probabilities."""
    below = rows.cumsum(-1) < random.random((len(rows), 1))
    return np.minimum(below.sum(-1), rows.shape[-1] - 1)
