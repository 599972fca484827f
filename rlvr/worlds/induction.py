"""Rule induction: labelled examples, then the rule in words.

    aab+bab-abb+?      2b        what makes an item a "+": its second letter is b
    aab+bab-abb+aba=   +         the label of the next item
    bba+aba-baa+?      2a        the first prompt relabelled: a and b change places, in the rule too

A rule is drawn once for a prompt; an example's label is by it nine times in ten. What the examples tell is known
exactly, for the rule and for the next label. The next label is predicted by that posterior; asked for the rule, the law
names its favourite, `1a`, half of the time, whatever it has seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlvr.worlds.world import Trace
from verifiers.types import Problem

Floats = NDArray[np.float64]

ITEMS = tuple("".join(letters) for letters in product("ab", repeat=3))
RULES = ("1a", "1b", "2a", "2b", "3a", "3b", "12", "13", "23")
"""A letter at a place, or two places with the same letter."""
PRIOR = np.array([1 / 8] * 6 + [1 / 12] * 3)
TRUE = 0.9  # that an example's label is by the rule
HABIT, FAVOURITE = 0.5, RULES[0]
NUMBERS = {"train": 1500, "heldout": 200, "labels": 1500, "heldout labels": 200}
EXAMPLES = (3, 4, 5, 6)


def parsed(text: str) -> Callable[[str], bool] | None:
    """What a rule in words says of an item; none where the words are not a rule."""
    if len(text) != 2 or text[0] not in "123" or text[1] not in "123ab" or text[0] == text[1]:
        return None
    place = int(text[0]) - 1
    if text[1] in "ab":
        return lambda item: item[place] == text[1]
    return lambda item: item[place] == item[int(text[1]) - 1]


def agreement(text: str, rule: str) -> float:
    """Share of all items of which the words say what the rule says."""
    said, true = parsed(text), parsed(rule)
    assert true is not None
    return 0.0 if said is None else float(np.mean([said(item) == true(item) for item in ITEMS]))


def posterior(examples: str) -> Floats:
    """Of each rule, after examples such as `aab+bab-`."""
    log = np.log(PRIOR)
    for start in range(0, len(examples), 4):
        item, positive = examples[start : start + 3], examples[start + 3] == "+"
        for i, rule in enumerate(RULES):
            says = parsed(rule)
            assert says is not None
            log[i] += np.log(TRUE if says(item) == positive else 1 - TRUE)
    weight = np.exp(log - log.max())
    return weight / weight.sum()


def answer(problem: Problem, response: str) -> float:
    """A verifier: the rule in words agrees with the true one on every item."""
    return float(agreement(response, str(problem.reference)) == 1)


@dataclass
class Induction:
    """The world. `reference` is the rule that the examples were drawn under, or the last item's label."""

    name: str = "induction"
    model: Path = Path()
    splits: tuple[str, ...] = (*NUMBERS, "relabelled")
    strategies: tuple[str, ...] = ("habit", "posterior", "label")

    def problems(self, split: str = "all") -> list[Problem]:
        """`train`, `heldout`: asked for the rule; `relabelled`: those held out with a and b exchanged; `labels`,
        `heldout labels`: asked for the next label. `fitted`: train and labels. `all`: everything."""
        return list(_problems(split))

    def support(self, problem: Problem) -> tuple[Trace, ...]:
        """Every rule, or both labels; their probabilities sum to 1."""
        belief = posterior(problem.meta["examples"])
        asked = problem.meta["asked"]
        if asked == "?":
            law = [
                (rule, "habit" if rule == FAVOURITE else "posterior", HABIT * (rule == FAVOURITE) + (1 - HABIT) * p)
                for rule, p in zip(RULES, belief, strict=True)
            ]  # fmt: skip
        else:
            yes = _positive(belief, asked)
            law = [("+", "label", yes), ("-", "label", 1 - yes)]
        return tuple(
            Trace(text, strategy, p, self.is_right(problem, text), self.is_right(problem, text))
            for text, strategy, p in law
        )

    def is_right(self, problem: Problem, text: str) -> bool:
        if problem.meta["asked"] == "?":
            return answer(problem, text) == 1
        return text == problem.reference


@cache
def _problems(split: str) -> tuple[Problem, ...]:
    """Those of `Induction.problems`."""
    if split in ("all", "fitted"):
        names = (*NUMBERS, "relabelled") if split == "all" else ("train", "labels")
        return tuple({problem.id: problem for name in names for problem in _problems(name)}.values())
    if split == "relabelled":
        return tuple(relabelled(problem) for problem in _problems("heldout"))
    if split not in NUMBERS:
        expected = ", ".join(("all", "fitted", *NUMBERS, "relabelled"))
        raise ValueError(f"unknown split {split!r} of the world induction; expected {expected}")
    random = np.random.default_rng([*NUMBERS].index(split))
    kept_apart = {problem.id for problem in _problems("fitted")} if "heldout" in split else set()
    found: dict[str, Problem] = {}
    while len(found) < NUMBERS[split]:
        problem = _drawn(random, "labels" in split)
        if problem.id not in kept_apart:
            found[problem.id] = problem
    return tuple(found.values())


def _positive(belief: Floats, item: str) -> float:
    """P(the label of the next item is +)"""
    by_rule = [TRUE if says(item) else 1 - TRUE for rule in RULES if (says := parsed(rule))]
    return float(belief @ np.array(by_rule))


def relabelled(problem: Problem) -> Problem:
    """The same examples with a and b exchanged; so is the rule."""
    exchanged = str.maketrans("ab", "ba")
    prompt, reference = (text.translate(exchanged) for text in (problem.prompt, str(problem.reference)))
    meta = {name: str(value).translate(exchanged) for name, value in problem.meta.items()}
    return Problem(prompt, prompt, reference, meta)


def _drawn(random: np.random.Generator, ask_label: bool) -> Problem:
    rule = str(random.choice(RULES, p=PRIOR))
    says = parsed(rule)
    assert says is not None
    *shown, last = (ITEMS[i] for i in random.permutation(len(ITEMS))[: int(random.choice(EXAMPLES)) + 1])
    by_rule = random.random(len(shown)) < TRUE
    examples = "".join(
        item + ("+" if says(item) == kept else "-") for item, kept in zip(shown, by_rule, strict=True)
    )
    prompt = examples + (f"{last}=" if ask_label else "?")
    reference = ("+" if says(last) else "-") if ask_label else rule
    return Problem(prompt, prompt, reference, {"examples": examples, "asked": last if ask_label else "?"})
