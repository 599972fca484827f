"""Six small tasks, made by rule from lists of words, as tokens: what in_context_and_tuning.py asks a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

GOOD = "good great happy nice lovely excellent wonderful perfect beautiful friendly brilliant amazing kind"
BAD = "bad terrible sad ugly awful horrible poor nasty evil angry cruel dirty wrong"
ANIMALS = "dog cat horse cow bird fish lion tiger bear wolf sheep goat rabbit mouse snake monkey elephant deer fox frog"
THINGS = "car table chair house book phone computer bottle shirt door window lamp knife bridge train clock hammer shoe"
VERBS = (
    "walk talk jump look play work help start finish open close want need call ask turn move show clean wash"
)
OPPOSITES = (
    "hot cold big small up down good bad fast slow happy sad old new light dark open closed high low left right "
    "rich poor strong weak early late hard soft long short black white day night love hate win lose"
)


def tasks() -> dict[str, Sequence[tuple[str, str]]]:
    """Input and answer."""
    words = OPPOSITES.split()
    opposites: list[tuple[str, str]] = list(zip(words[::2], words[1::2], strict=True))
    return {
        "opposite": opposites + [(b, a) for a, b in opposites],
        "plural": [(noun, noun + "s") for noun in (ANIMALS + " " + THINGS).split()],
        "past tense": [(verb, verb + ("d" if verb.endswith("e") else "ed")) for verb in VERBS.split()],
        "sentiment": [(word, "positive") for word in GOOD.split()]
        + [(word, "negative") for word in BAD.split()],
        "kind": [(word, "animal") for word in ANIMALS.split()] + [(word, "thing") for word in THINGS.split()],
        "parity": [(str(number), "odd" if number % 2 else "even") for number in range(10, 58)],
    }


@dataclass(frozen=True)
class Task:
    """Every query has as many tokens, every answer is one."""

    examples: Tensor
    """(shots, T + 2) of a query, its answer and a line break"""
    taught: Tensor
    """(shots,) place of their answers among the candidates"""
    queries: Tensor
    """(B, T)"""
    right: Tensor
    """(B,)"""
    candidates: Tensor
    """(C,) all answers of the task"""

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, str]], tokenizer: Any, shots: int, queries: int) -> Task:
        """Drawn from the pairs whose query is as long as most are, and whose answer is one token."""

        def ids(text: str) -> list[int]:
            return tokenizer(text, add_special_tokens=False).input_ids

        read = [(ids(f"Input: {x}\nAnswer:"), ids(f" {y}")) for x, y in pairs]
        usual = Counter(len(query) for query, _ in read).most_common(1)[0][0]
        read = [(query, answer[0]) for query, answer in read if len(query) == usual and len(answer) == 1]
        if len(read) < shots + queries:
            raise SystemExit(
                f"found {len(read)} pairs of the task with {usual} tokens; expected {shots + queries}"
            )
        order = np.random.default_rng(0).permutation(len(read))[: shots + queries]
        query, answer = (torch.tensor(part) for part in zip(*(read[i] for i in order), strict=True))
        candidates, place = answer.unique(return_inverse=True)
        ends = torch.tensor(ids("\n")).expand(shots, -1)
        examples = torch.cat([query[:shots], answer[:shots, None], ends], dim=1)
        return cls(examples, place[:shots], query[shots:], place[shots:], candidates)
