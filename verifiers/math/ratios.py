"""Ratios, and times of day: 3:4 is 6:8, but 8:00 is not 5:00."""

from __future__ import annotations

from fractions import Fraction
from itertools import zip_longest

from verifiers.math.equality import equal_trees
from verifiers.math.tree import Node, num
from verifiers.math.values import Clock, Ratio, Scalar, Value

__all__ = ["same_ratio"]


def same_ratio(gold: Value, answer: Value, times: bool, whole: frozenset[str]) -> bool:
    """Whether two values of which one is a ratio agree; with `times`, 10:30 is a time. `whole`: integer letters."""
    if isinstance(gold, Clock) or isinstance(answer, Clock):
        clock, ratio = (gold, answer) if isinstance(gold, Clock) else (answer, gold)
        return isinstance(clock, Clock) and isinstance(ratio, Ratio) and _same_time(clock, ratio)
    times = times or any(isinstance(value, Ratio) and value.clock for value in (gold, answer))
    if isinstance(gold, Ratio) and isinstance(answer, Ratio):
        if times:
            return all(
                one == two
                for one, two in zip_longest(gold.parts, answer.parts, fillvalue=num(0))  # 8:30 is 8:30:00
            )
        return len(gold.parts) == len(answer.parts) and _proportional(gold.parts, answer.parts, whole)
    ratio, scalar = (gold, answer) if isinstance(gold, Ratio) else (answer, gold)
    if (
        times
        or not isinstance(ratio, Ratio)
        or not isinstance(scalar, Scalar)
        or len(ratio.parts) != 2
        or scalar.unit
        or scalar.percent
    ):
        return False
    return equal_trees(Node("mul", (ratio.parts[0], Node("inv", (ratio.parts[1],)))), scalar.node, whole)


def _proportional(gold: tuple[Node, ...], answer: tuple[Node, ...], whole: frozenset[str]) -> bool:
    base = next((at for at, part in enumerate(gold) if part != num(0)), None)
    if base is None or answer[base] == num(0):
        return False
    return all(
        equal_trees(Node("mul", (one, answer[base])), Node("mul", (two, gold[base])), whole)
        for one, two in zip(gold, answer, strict=True)
    )


def _same_time(clock: Clock, ratio: Ratio) -> bool:
    parts = [part.args[0] for part in ratio.parts if part.op == "num"]
    if len(parts) != len(ratio.parts) or len(parts) not in (2, 3):
        return False
    late = clock.hour % 12 + (12 if clock.half == "pm" else 0)
    return parts[0] in (clock.hour, late) and [*parts[1:], Fraction(0)][:2] == [clock.minute, clock.second]
