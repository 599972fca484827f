"""Checks on the world of concepts (docs/worlds.md): examples in a prompt as evidence, held against the forward
algorithm, and the posterior in the network's activations. After Xie et al. 2022 (arXiv 2111.02080)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from rlvr.analysis.samples import Floats
from rlvr.theory import predictor, readout
from rlvr.theory.check import Check, Line
from rlvr.worlds.concepts import CONCEPTS, EXAMPLE, WORDS, Family

SEEN, UNSEEN = Family.drawn(0), tuple(Family.drawn(seed) for seed in (1, 2, 3))
LENGTH = 68
SEQUENCES = 1024
"""That activations are read from."""
EXAMPLES = (0, 1, 2, 4, 8, 16)


@cache
def network(steps: int, seed: int = 0) -> Any:
    """Trained on documents of ten concepts."""

    def draw(number: int, random: np.random.Generator) -> torch.Tensor:
        return torch.from_numpy(SEEN.document(number, LENGTH, random)[0])

    return predictor.trained(predictor.network(seed, WORDS), draw, steps, seed, learning_rate=1e-2)


@dataclass(frozen=True)
class Prompted:
    """What is made of prompts of so many examples, means over prompts."""

    network: float
    """Probability that its first choice is right, under the concept of the prompt."""
    bayes: float
    """The same of who knows the ten concepts and not which one it is."""
    ceiling: float
    """And of who knows the concept."""
    posterior: float
    """Of the concept of the prompt, by the forward algorithm; without a meaning where it is none of the ten."""
    odds: float
    """Its log-odds against the other nine, nats."""
    read: float
    """The posterior as it is read from the network's last layer."""


def prompted(model: Any, family: Family, examples: int, weights: Floats, number: int = 2000) -> Prompted:
    words, concept = family.prompt(number, examples, np.random.default_rng(2 + examples))
    each = np.arange(number)
    truth = family.read(words)[2][each, -1, concept]
    logs, bayes, _ = SEEN.read(words)
    log_posterior = logs[each, -1, concept]
    with np.errstate(divide="ignore"):
        odds = log_posterior - np.log(-np.expm1(log_posterior))
    sequences = torch.from_numpy(words)
    with torch.no_grad():
        chosen = predictor.log_predictive(model, sequences)[:, -1].argmax(-1).numpy()
    inside = predictor.hidden(model, sequences)[-1][:, -1]
    return Prompted(
        network=float(truth[each, chosen].mean()),
        bayes=float(truth[each, bayes[:, -1].argmax(-1)].mean()),
        ceiling=float(truth.max(-1).mean()),
        posterior=float(np.exp(log_posterior).mean()),
        odds=float(odds[np.isfinite(odds)].mean()),
        read=float(readout.said(weights, inside)[each, concept].mean()),
    )


def mean(each: Sequence[Prompted]) -> Prompted:
    return Prompted(*np.mean([astuple(one) for one in each], axis=0).tolist())


def learnt(steps: int) -> Check:
    """In-context examples move the network as they move Bayes' rule."""
    check = Check(
        "Concepts", "Trained on documents of ten concepts, a network takes examples as evidence of which one "
        "it is, as the forward algorithm does. Concepts that it has never seen are not learnt from examples.",
    )  # fmt: skip
    model = network(steps)
    words, _ = SEEN.document(512, LENGTH, np.random.default_rng(1))
    logs, exact, _ = SEEN.read(words)
    sequences = torch.from_numpy(words)
    inside = predictor.hidden(model, sequences)[-1]
    weights = readout.fitted(inside.reshape(-1, inside.shape[-1]), np.exp(logs).reshape(-1, CONCEPTS))
    seen = {n: prompted(model, SEEN, n, weights) for n in EXAMPLES}
    unseen = {n: mean([prompted(model, family, n, weights) for family in UNSEEN]) for n in EXAMPLES}
    (first, *_, last) = EXAMPLES
    gap = float(predictor.gap(model, sequences, exact).mean())
    risen, flat = (
        (kind[last].network - kind[first].network, kind[last].bayes - kind[first].bayes)
        for kind in (seen, unseen)
    )
    check.lines = [
        Line.at_most(f"KL(Bayes‖network) per word, {LENGTH} words", gap, 0.03, exact=0.0),
        *(
            Line.within(f"first choice is right, {n} examples of {EXAMPLE} words", p.network, p.bayes, 0.03)
            for n, p in seen.items()
        ),
        Line("  who knows the concept", seen[last].ceiling, unit="rate"),
        Line.at_least(f"  rise from {first} to {last} examples", risen[0], 0.1, exact=risen[1]),
        *(
            Line(f"unseen concepts: first choice is right, {n} examples", unseen[n].network, unseen[n].bayes, "rate")
            for n in (first, last)
        ),
        Line("  who knows the concept", unseen[last].ceiling, unit="rate"),
        Line.at_most("  rise, at most a third of the seen ones'", flat[0], risen[1] / 3, "rate", exact=flat[1]),
        *(
            Line(f"posterior of the concept, read from the last layer, {n} examples", p.read, p.posterior, "rate")
            for n, p in seen.items()
        ),
    ]  # fmt: skip
    across = [*map(float, EXAMPLES)]
    check.curves = {
        "first choice is right": {
            "examples in the prompt": across,
            "who knows the concept": [p.ceiling for p in seen.values()],
            "Bayes mixture": [p.bayes for p in seen.values()],
            "network": [p.network for p in seen.values()],
            "network, unseen concepts": [p.network for p in unseen.values()],
        },
        "posterior of the concept": {
            "examples in the prompt": across,
            "forward algorithm": [p.posterior for p in seen.values()],
            "read from the last layer": [p.read for p in seen.values()],
        },
        "log-odds of the concept against the other nine, forward algorithm, nats": {
            "examples in the prompt": across,
            "exact": [p.odds for p in seen.values()],
        },
    }
    return check


def read_off(steps: int) -> Check:
    """What a linear map can read of the exact posterior, layer by layer."""
    check = Check(
        "Activations of concepts", "A linear map, fitted on other sequences, reads a third of the posterior over ten "
        "concepts off the activations, and nearly all of what the next word asks for: what predicts is kept.",
    )  # fmt: skip
    words, _ = SEEN.document(SEQUENCES, LENGTH, np.random.default_rng(1))
    logs, following, _ = SEEN.read(words)
    model, sequences = network(steps), torch.from_numpy(words)
    readout.add(check, "concepts", model, sequences, np.exp(logs), None)
    readout.add(check, "concepts, next word", model, sequences, following, 0.85)
    return check
