"""Worked examples in a greedy order, by expected information about the latent task, against random and fixed order.

    python scripts/study/next_piece.py [--model FOLDER] [--pieces 4] [--orders 5] [--json FILE]

On a world, exactly: 16 tasks "is x at least t?", 15 examples whose answer is wrong with probability 0.1; every sequence
of answers is summed over. With --model also on that model: rules as texts, examples "3 -> 6" with the rule's true
answer. The table p(answer | rule, x) that the choice rests on, and the belief after each example, are the model's own
likelihoods of the answers.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rlvr.evidence.order import entropy, next_piece, updated
from rlvr.machine import measured_on

TASKS, NOISE = 16, 0.1
RULES: dict[str, tuple[str, Callable[[int], int]]] = {
    "plus 1": ("Add one to each number.", lambda x: x + 1),
    "plus 2": ("Add two to each number.", lambda x: x + 2),
    "double": ("Double each number.", lambda x: 2 * x),
    "square": ("Square each number.", lambda x: x * x),
    "same": ("Copy each number.", lambda x: x),
}
NUMBERS = (1, 2, 3, 4, 5, 6)

Order = Callable[[np.ndarray, list[int]], int]
"""Belief and the pieces given so far → the next piece."""


def world() -> list[np.ndarray]:
    """p(answer | t) of each example, columns no and yes."""
    return [
        np.array([[1 - p, p] for t in range(TASKS) for p in [1 - NOISE if x >= t else NOISE]])
        for x in range(TASKS - 1)
    ]


def expected_doubt(tables: Sequence[np.ndarray], order: Order, pieces: int) -> list[float]:
    """Mean entropy of the posterior in nats after 0..pieces examples, over all sequences of answers."""

    def below(belief: np.ndarray, given: list[int]) -> np.ndarray:
        """The doubt from here on, one number a step."""
        if len(given) == pieces:
            return np.array([entropy(belief)])
        piece = order(belief, given)
        total = np.zeros(pieces - len(given))
        for answer in tables[piece].T:
            probability = float(belief @ answer)
            if probability > 0:
                total += probability * below(updated(belief, answer), [*given, piece])
        return np.array([entropy(belief), *total])

    return below(np.full(len(tables[0]), 1 / len(tables[0])), []).tolist()


def orders(tables: Sequence[np.ndarray], number: int) -> dict[str, list[Order]]:
    """Ways to choose the next piece; of random order several."""
    shuffled = [random.Random(seed).sample(range(len(tables)), len(tables)) for seed in range(number)]
    return {
        "greedy": [lambda belief, given: next_piece(belief, tables, given)],
        "fixed": [lambda _, given: len(given)],
        "random": [lambda _, given, one=one: one[len(given)] for one in shuffled],
    }


# ------------------------------------------------------------------ on a model


class Model:
    """A model's likelihoods of examples under each rule."""

    def __init__(self, folder: str) -> None:
        from rlvr import config as configuration
        from rlvr.policy import load_policy

        config = configuration.load(configuration.find("quickstart"), [f"model={folder}", "train.steps=0"])
        self.policy = load_policy(config, "model")
        self.answers = {x: sorted({rule(x) for _, rule in RULES.values()}) for x in NUMBERS}

    @cache  # noqa: B019 (the model lives as long as the script)
    def nats(self, *examples: tuple[int, int]) -> np.ndarray:
        """(rules,): ln p(these answers | rule, their numbers). Which numbers are shown is ours to say: they are read,
        and say nothing of the rule."""
        from rlvr.sampling.score import Written, logprobs

        shown, said = list[int](), list[bool]()
        for x, answer in examples:
            for text, counts in ((f"{x} ->", False), (f" {answer}", True), ("\n", False)):
                ids = self.policy.words(text)
                shown += ids
                said += [counts] * len(ids)
        before = self.policy.encode([f"{text}\n" for text, _ in RULES.values()])
        rows = [Written(rule, shown, said) for rule in range(len(RULES))]
        return np.array(logprobs(self.policy, before, rows, temperature=1.0))

    def table(self, x: int) -> np.ndarray:
        """p(answer | rule) of one example among the answers that some rule gives."""
        nats = np.stack([self.nats((x, answer)) for answer in self.answers[x]], axis=1)
        weights = np.exp(nats - nats.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def doubt(self, truth: str, order: Order, pieces: int) -> list[float]:
        """ln 1/P(the true rule) after 0..pieces examples of it, as the model reads them in this order."""
        rule, given, examples = RULES[truth][1], list[int](), list[tuple[int, int]]()
        place = [*RULES].index(truth)
        found = list[float]()
        belief = np.full(len(RULES), 1 / len(RULES))
        while True:
            found.append(float(-np.log(belief[place])))
            if len(given) == pieces:
                return found
            given.append(order(belief, given))
            examples.append((NUMBERS[given[-1]], rule(NUMBERS[given[-1]])))
            nats = self.nats(*examples)
            belief = np.exp(nats - nats.max())
            belief /= belief.sum()


def on_model(folder: str, pieces: int, number: int) -> dict[str, Any]:
    """By order: ln 1/P(true rule) after each example, of each rule and the mean of all."""
    model = Model(folder)
    tables = [model.table(x) for x in NUMBERS]
    found: dict[str, Any] = {}
    for name, ways in orders(tables, number).items():
        paths = np.array([[model.doubt(truth, way, pieces) for way in ways] for truth in RULES])
        by_rule = paths.mean(axis=1)
        found[name] = {
            "nats": by_rule.mean(axis=0).tolist(),
            "by_rule": {rule: path.tolist() for rule, path in zip(RULES, by_rule, strict=True)},
        }
    return found


def table(found: dict[str, list[float]]) -> str:
    steps = len(next(iter(found.values())))
    lines = [f"| order | {' | '.join(map(str, range(steps)))} |", f"|---|{'---|' * steps}"]
    lines += [f"| {name} | {' | '.join(f'{nats:.2f}' for nats in path)} |" for name, path in found.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="folder of a model; unset: the world alone")
    parser.add_argument("--pieces", type=int, default=4)
    parser.add_argument("--orders", type=int, default=5, help="random orders that are averaged")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    tables = world()
    exact = {
        name: np.mean([expected_doubt(tables, way, args.pieces) for way in ways], axis=0).tolist()
        for name, ways in orders(tables, 10 * args.orders).items()
    }
    document: dict[str, Any] = {
        "machine": measured_on(),
        "pieces": args.pieces,
        "orders": args.orders,
        "world": exact,
    }
    print(f"world: mean doubt about {TASKS} tasks in nats, after so many examples\n\n{table(exact)}")
    if args.model:
        from rlvr.terminal import quiet_libraries

        quiet_libraries()
        found = document["model"] = on_model(args.model, args.pieces, args.orders)
        shown = {name: one["nats"] for name, one in found.items()}
        print(f"\n{args.model}: nats of doubt about the true rule, mean of {len(RULES)}\n\n{table(shown)}")
    if args.json:
        args.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
