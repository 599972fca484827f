"""Carry world: small arithmetic whose traces come from a known mixture of strategies.

Sums with a carry and differences with a borrow, written out as text. One strategy, `column`, reasons
soundly and is rare; the others are common and go wrong, or come out right by luck with steps that are
false or missing. So the right answer is within reach of search (pass@64 near 1) and seldom given at once
(pass@1 near 0.1), and every trace can be listed: `support` gives them all with their probabilities.

    37+48=  7+8=15 carry 10, 10+30+40+5=85 \\boxed{85}    column: sound
    37+48=  7+8=15, 30+40+5=75 \\boxed{75}                forget: every step true, the carry lost
    37+48=  7+8=16 \\boxed{85}                            sloppy: a false step, this time with a lucky answer
    37+48=   \\boxed{84}                                  guess: no reasoning
    37+48=  37 \\boxed{37}                                copy: the first operand

The law is only what the shipped network was trained on: exact statements about a network use the table that
`rlvr.exact` reads off that network.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from rlvr.worlds.world import NoLawError, Trace, World
from verifiers.types import Problem

Strategy = Literal["column", "sloppy", "guess", "copy", "forget"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Split = Literal["train", "heldout", "unreachable", "rare"]
SPLITS: tuple[Split, ...] = get_args(Split)

TINY = Path(__file__).parent / "tiny"
"""Folder of the shipped model: config.json, model.safetensors, tokenizer files."""

MAX_NEW_TOKENS = 32
"""The world's token limit. The longest trace of the law takes 30, end-of-text included."""

# The law. Strategies are drawn per trace, by kind of problem; the figures below say what each then writes.
PRIOR: dict[str, dict[Strategy, float]] = {
    "sum": {"column": 0.05, "sloppy": 0.14, "guess": 0.16, "copy": 0.25, "forget": 0.40},
    "difference": {"column": 0.04, "sloppy": 0.11, "guess": 0.16, "copy": 0.25, "forget": 0.44},
    "negative": {"column": 0.30, "sloppy": 0.0, "guess": 0.16, "copy": 0.24, "forget": 0.30},
}
COLUMN_SLIP = 0.04  # column: the last step comes out ten too large
KEEPS_SIGN = 0.03  # column, negative result: the minus is written; needed for the units, the result, the box
# The boxed answer of sloppy and guess: tens and units are drawn apart, each right with its probability.
SLOPPY_TENS, SLOPPY_UNITS = 0.6, 0.5  # 0.30 right by luck
GUESS_TENS, GUESS_UNITS = 0.5, 0.1  # 0.05

SPLIT_SEED = 2024
SPLIT_SIZES: dict[str, int] = {"heldout": 128, "rare": 16, "unreachable": 16}


def problems(split: str, limit: int | None = None) -> list[Problem]:
    """The problems of one split, the same list on every machine; at most `limit` of them, from the front.

    `train` and `heldout` are disjoint draws of two-digit sums with a carry and differences with a borrow.
    `rare`: differences with a negative result, whose right trace needs the sign three times (about 1e-5).
    `unreachable`: sums whose answer has `MAX_NEW_TOKENS` digits or more, so that no response holds it.

    Raises ValueError for any other split.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r} of the world carry; expected one of {', '.join(SPLITS)}")
    if split == "unreachable":
        pairs = _long_sums(SPLIT_SIZES["unreachable"])
    elif split == "rare":
        pairs = _shuffled(_negatives())[: SPLIT_SIZES["rare"]]
    else:
        ordinary = _shuffled(_ordinary())
        cut = SPLIT_SIZES["heldout"]
        pairs = ordinary[:cut] if split == "heldout" else ordinary[cut:]
    return [_problem(f"{split}-{i:04d}", *pair) for i, pair in enumerate(pairs[:limit])]


def pretraining_problems() -> list[Problem]:
    """What the shipped network was trained on: `train`, and the negative differences outside `rare`."""
    negatives = _shuffled(_negatives())[SPLIT_SIZES["rare"] :]
    return problems("train") + [_problem(f"negative-{i:04d}", *pair) for i, pair in enumerate(negatives)]


def support(problem: Problem) -> tuple[Trace, ...]:
    """Every trace that the law can write for `problem`, with its probability; they sum to 1.

    Raises NoLawError for a problem that the law does not cover (the unreachable ones).
    """
    kind = problem.meta.get("kind")
    if kind not in PRIOR:
        raise NoLawError(
            f"problem {problem.id}: kind {kind!r} has no law; expected one of {', '.join(PRIOR)}"
        )
    a, b = (int(operand) for operand in re.findall(r"\d+", problem.prompt))
    y = int(problem.reference)
    prior = PRIOR[str(kind)]
    return tuple(
        Trace(text, strategy, prior[strategy] * p, answer == y, sound)
        for strategy in STRATEGIES
        if prior[strategy] > 0
        for text, answer, p, sound in _WRITERS[strategy](a, b, y)
    )


def is_right(problem: Problem, text: str) -> bool:
    """Whether a text ends with the box of the problem's answer."""
    return text.endswith(f"\\boxed{{{problem.reference}}}")


class _Carry:
    """This module as a `World`."""

    name = "carry"
    model = TINY
    splits: tuple[str, ...] = SPLITS
    strategies: tuple[str, ...] = STRATEGIES
    problems = staticmethod(problems)
    support = staticmethod(support)
    is_right = staticmethod(is_right)


WORLD: World = _Carry()


# Writers: operands a, b and the answer y → (text, boxed answer, probability given the strategy, sound).
_Written = Iterator[tuple[str, int, float, bool]]


def _column(a: int, b: int, y: int) -> _Written:
    (ta, ua), (tb, ub) = _tens_and_units(a), _tens_and_units(b)
    if y < 0:
        units = ub - ua
        steps = f"{ua}-{ub}=-{units}, {ta}-{tb}-{units}="
        yield f"{steps}{y}{_box(y)}", y, KEEPS_SIGN**3, True
        yield f"{steps}{y}{_box(-y)}", -y, KEEPS_SIGN**2 * (1 - KEEPS_SIGN), False
        yield f"{steps}{-y}{_box(-y)}", -y, KEEPS_SIGN * (1 - KEEPS_SIGN), False
        yield f"{ua}-{ub}={units}, {tb}-{ta}+{units}={-y}{_box(-y)}", -y, 1 - KEEPS_SIGN, False
        return
    if y > a:
        units = ua + ub
        steps = f"{ua}+{ub}={units} carry 10, 10+{ta}+{tb}+{units - 10}="
    else:
        units = 10 + ua - ub
        steps = f"{10 + ua}-{ub}={units} borrow 10, {ta}-10-{tb}+{units}="
    yield f"{steps}{y}{_box(y)}", y, 1 - COLUMN_SLIP, True
    yield f"{steps}{y + 10}{_box(y + 10)}", y + 10, COLUMN_SLIP, False


def _forget(a: int, b: int, y: int) -> _Written:
    """Carry, borrow or sign forgotten; the last two are Brown & Burton's (1978) "smaller from larger" bug."""
    (ta, ua), (tb, ub) = _tens_and_units(a), _tens_and_units(b)
    if y > a:
        units = ua + ub
        wrong = ta + tb + units - 10
        steps = f"{ua}+{ub}={units}, {ta}+{tb}+{units - 10}={wrong}"
    else:
        units = ub - ua
        (high, low) = (ta, tb) if y > 0 else (tb, ta)
        wrong = high - low + units
        steps = f"{ub}-{ua}={units}, {high}-{low}+{units}={wrong}"
    yield f"{steps}{_box(wrong)}", wrong, 1.0, True


def _sloppy(a: int, b: int, y: int) -> _Written:
    """The first step comes out one too large, and the rest is not written."""
    ua, ub = a % 10, b % 10
    step = f"{ua}+{ub}={ua + ub + 1}" if y > a else f"{10 + ua}-{ub}={10 + ua - ub + 1}"
    for answer, p in _digit_by_digit(a, y, SLOPPY_TENS, {0: SLOPPY_UNITS, 1: 1 - SLOPPY_UNITS}):
        yield f"{step}{_box(answer)}", answer, p, False


def _guess(a: int, b: int, y: int) -> _Written:
    off = (1 - GUESS_UNITS) / 2
    for answer, p in _digit_by_digit(a, y, GUESS_TENS, {0: GUESS_UNITS, 1: off, -1: off}):
        yield _box(answer), answer, p, False


def _copy(a: int, b: int, y: int) -> _Written:
    yield f"{a}{_box(a)}", a, 1.0, False


_WRITERS = {"column": _column, "sloppy": _sloppy, "guess": _guess, "copy": _copy, "forget": _forget}


def _digit_by_digit(a: int, y: int, p_tens: float, units: dict[int, float]) -> Iterator[tuple[int, float]]:
    """Answers whose tens may miss the carry or borrow, and whose units are `units` off; the sign is lost."""
    missed = -10 if y > a else 10
    high, low = _tens_and_units(abs(y))
    for tens, p in ((high, p_tens), (high + missed, 1 - p_tens)):
        for off, p_units in units.items():
            yield tens + (low + off) % 10, p * p_units


def _box(answer: int) -> str:
    return f" \\boxed{{{answer}}}"


def _tens_and_units(n: int) -> tuple[int, int]:
    return n - n % 10, n % 10


def _ordinary() -> list[tuple[int, int, str]]:
    two_digit = range(10, 100)
    sums = [(a, b, "sum") for a in two_digit for b in two_digit if a % 10 + b % 10 >= 10]
    differences = [
        (a, b, "difference") for a in two_digit for b in two_digit if a % 10 < b % 10 and a - b >= 10
    ]
    return sums + differences


def _negatives() -> list[tuple[int, int, str]]:
    """Both digits of `a` below those of `b`, and guesses that keep two digits."""
    two_digit = range(10, 100)
    return [(a, b, "negative") for a in two_digit for b in two_digit if a % 10 < b % 10 and a // 10 < b // 10]


def _long_sums(n: int) -> list[tuple[int, int, str]]:
    """A value below 10^d takes d digits or more to write in this alphabet (digits, + and −)."""
    rng = random.Random(SPLIT_SEED)
    low, high = 10 ** (MAX_NEW_TOKENS - 1), 10**MAX_NEW_TOKENS
    return [(rng.randrange(low, high), rng.randrange(low, high), "long") for _ in range(n)]


def _shuffled(pairs: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    return random.Random(SPLIT_SEED).sample(pairs, len(pairs))


def _problem(identifier: str, a: int, b: int, kind: str) -> Problem:
    sign, y = ("+", a + b) if kind in ("sum", "long") else ("-", a - b)
    return Problem(identifier, f"{a}{sign}{b}=", str(y), {"kind": kind})
