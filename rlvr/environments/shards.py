"""A task cut into pieces by rule: the question, and the facts that it needs, each a text of its own.

What "LLMs get lost in multi-turn conversation" (Laban et al. 2025, arXiv 2505.06120) had a
model write and people check:
here word problems are cut by sentence and chains of sums by term, so that every order has the same facts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

By = Literal["sentence", "term"]

SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9$])|\n+")
ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|vs|No|e\.g|i\.e)\.$")
CHAIN = re.compile(r"-?\d+(?:\.\d+)?(?:\s*[-+]\s*\d+(?:\.\d+)?)+(?:\s*=)?")
TERM = re.compile(r"\s*[-+]?\s*\d+(?:\.\d+)?(?:\s*=)?")


@dataclass(frozen=True, slots=True)
class Shards:
    """A task in pieces.

    >>> cut("Ann has 3 pens. She buys 4. How many has she?", "sentence")
    Shards(question='How many has she?', facts=('Ann has 3 pens.', 'She buys 4.'))
    >>> cut("Add: 12 + 30 - 7 =", "term")
    Shards(question='Add:', facts=('12', '+ 30', '- 7 ='))
    """

    question: str
    """What is asked; "" where there are only facts."""
    facts: tuple[str, ...]

    def pieces(self, question: Literal["first", "last"] = "first", backwards: bool = False) -> list[str]:
        """The pieces in the order in which they are said."""
        facts = list(reversed(self.facts)) if backwards else list(self.facts)
        asked = [self.question] if self.question else []
        return [*asked, *facts] if question == "first" else [*facts, *asked]


def cut(text: str, by: By) -> Shards:
    """The pieces of a task; together they are its text, but for white space at the cuts and the question's place.

    `sentence`: the question is the last sentence that ends with a question mark, else the last one. `term`: the facts
    are the terms of the longest chain of sums and differences, each with its sign, the last with what follows the
    chain; the question is what stands before it. A text without two pieces is a question alone.
    """
    return _by_sentence(text) if by == "sentence" else _by_term(text)


def _by_sentence(text: str) -> Shards:
    pieces = _sentences(text)
    asked = [i for i, piece in enumerate(pieces) if piece.rstrip("\"')]").endswith("?")] or [len(pieces) - 1]
    if not pieces:
        return Shards(text.strip(), ())
    return Shards(pieces[asked[-1]], tuple(piece for i, piece in enumerate(pieces) if i != asked[-1]))


def _sentences(text: str) -> list[str]:
    found, start = list[str](), 0
    for end in SENTENCE_END.finditer(text):
        if ABBREVIATION.search(text[start : end.start()]):
            continue
        found.append(text[start : end.end()].strip())
        start = end.end()
    return [piece for piece in (*found, text[start:].strip()) if piece]


def _by_term(text: str) -> Shards:
    chain = max(CHAIN.finditer(text), key=lambda found: len(TERM.findall(found[0])), default=None)
    if chain is None:
        return Shards(text.strip(), ())
    *facts, last = TERM.findall(chain[0])
    facts = [fact.strip() for fact in facts]
    return Shards(text[: chain.start()].strip(), (*facts, f"{last}{text[chain.end() :]}".strip()))
