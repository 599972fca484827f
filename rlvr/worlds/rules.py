"""Rules: the larger of two digits, unless the prompt says otherwise.

    5,3=           5, the larger: the usual rule
    l5,3=          "l" says that the smaller wins; it is true nine times in ten
    7,2=2;5,3=     an example in which the smaller won, as much evidence as a statement
    5,3,8=         the rule twice, 58: who wins of 5 and 3, and who of that one and 8
    l?             which rule is it? l or h

The rule is drawn once for a prompt: 95 of 100 times the usual one. What a statement or an example says of it is known
in nats, so how much evidence it takes before the smaller wins is a sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from rlvr.worlds.world import Trace
from verifiers.types import Problem

USUAL, OTHER = "h", "l"
PRIOR = 0.95  # of the usual rule
TRUE = 0.9  # of a statement, and of an example: that it is of the rule in force
ACT = 0.98  # that the winner by the rule is written
PIECE = math.log(TRUE / (1 - TRUE))
"""Nats that a statement or an example is worth: ln 9."""
TRIPLES = 150
CONTEXTS = ("", "h", "l", "ll")
MOST_EXAMPLES = 4


def winner(rule: str, a: str, b: str) -> str:
    return min(a, b) if rule == OTHER else max(a, b)


def other_odds(context: str) -> float:
    """ln of P(the smaller wins) / P(the larger wins) after the statements and examples before a question."""
    examples = context.lstrip(USUAL + OTHER)
    pieces = [*context.removesuffix(examples), *map(_said_by, examples.split(";")[:-1])]
    return math.log((1 - PRIOR) / PRIOR) + sum(PIECE if piece == OTHER else -PIECE for piece in pieces)


def _said_by(example: str) -> str:
    pair, won = example.split("=")
    return OTHER if won == winner(OTHER, *pair.split(",")) else USUAL


@dataclass
class Rules:
    """The world; `reference` is by the rule that the statements and examples make more likely."""

    name: str = "rules"
    model: Path = Path()
    splits: tuple[str, ...] = (
        "usual",
        "stated",
        "said twice",
        "usual twice",
        "stated twice",
        "evidence",
        "asked",
    )
    strategies: tuple[str, ...] = (USUAL, OTHER, "both")

    def problems(self, split: str = "all") -> list[Problem]:
        """`usual`: bare pairs; `stated`: behind an `l`, `said twice`: behind two; `… twice`: three digits; `evidence`:
        pairs behind statements and examples; `asked`: which rule it is. `all`: all of them."""
        if split == "all":
            found = [problem for each in self.splits for problem in self.problems(each)]
            return [*{problem.id: problem for problem in found}.values()]
        if split not in self.splits:
            raise ValueError(
                f"unknown split {split!r} of the world rules; expected all, {', '.join(self.splits)}"
            )
        pairs = [",".join(pair) for pair in permutations("123456789", 2)]
        rng = np.random.default_rng(self.splits.index(split))
        triples = [",".join(map(str, rng.permutation(9)[:3] + 1)) for _ in range(TRIPLES)]
        asked = {
            "usual": [("", pair) for pair in pairs],
            "stated": [(OTHER, pair) for pair in pairs],
            "said twice": [(OTHER * 2, pair) for pair in pairs],
            "usual twice": [("", triple) for triple in triples],
            "stated twice": [(OTHER, triple) for triple in triples],
            "evidence": [(context, str(rng.choice(pairs))) for context in _contexts(rng, pairs)],
            "asked": [(context, "?") for context in _contexts(rng, pairs)],
        }[split]
        return [*{p.id: p for p in (_problem(context, question) for context, question in asked)}.values()]

    def support(self, problem: Problem) -> tuple[Trace, ...]:
        """Every answer; their probabilities sum to 1."""
        odds = other_odds(problem.meta["context"])
        belief = {OTHER: 1 / (1 + math.exp(-odds)), USUAL: 1 / (1 + math.exp(odds))}
        law: dict[str, dict[str, float]] = {}
        for rule, weight in belief.items():
            for text, p in _answers(rule, problem.meta["asked"]).items():
                law.setdefault(text, {})[rule] = weight * p
        return tuple(
            Trace(
                text,
                max(by, key=by.__getitem__),
                sum(by.values()),
                self.is_right(problem, text),
                self.is_right(problem, text),
            )
            for text, by in law.items()
        )

    def is_right(self, problem: Problem, text: str) -> bool:
        return text[-1:] == problem.reference


def _answers(rule: str, question: str) -> dict[str, float]:
    """What is written under a rule, with its probability."""
    if question == "?":
        return {rule: 1.0}
    found = {"": 1.0}
    first, *others = question.split(",")
    for n, digit in enumerate(others):
        found = {
            text + written: p * (ACT if written == winner(rule, before, digit) else 1 - ACT)
            for text, p in found.items()
            for before in [text[-1] if n else first]
            for written in dict.fromkeys((before, digit))
        }
    return found


def _contexts(rng: np.random.Generator, pairs: list[str]) -> list[str]:
    """Each number of statements with each number of examples, these of either rule."""
    found = []
    for statements in CONTEXTS:
        for number in range(MOST_EXAMPLES + 1):
            for others in range(number + 1):
                for _ in range(8 if number else 4):
                    kinds = rng.permutation([OTHER] * others + [USUAL] * (number - others))
                    shown = [
                        f"{p}={winner(kind, *p.split(','))};"
                        for kind, p in zip(kinds, rng.choice(pairs, number), strict=True)
                    ]
                    found.append(statements + "".join(shown))
    return found


def _problem(context: str, question: str) -> Problem:
    rule = OTHER if other_odds(context) > 0 or context == OTHER else USUAL
    answer = max(_answers(rule, question).items(), key=lambda pair: pair[1])[0]
    prompt = f"{context}{question}{'=' * (question != '?')}"
    return Problem(prompt, prompt, answer[-1], {"context": context, "asked": question, "rule": rule})


def answer(problem: Problem, response: str) -> float:
    """A verifier: the last character is the winner by the rule that the prompt states."""
    return float(response[-1:] == problem.reference)
