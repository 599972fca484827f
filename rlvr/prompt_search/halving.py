"""Successive halving under a budget: many candidates are tried a little, the better half of them a little more, and so
on (Jamieson & Talwalkar 2016, arXiv 1502.07943, whose pulls are counted here in tokens). Arithmetic alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, TypeVar

T = TypeVar("T")


def rounds(candidates: int) -> int:
    """How often the better half is kept until one is left.

    >>> [rounds(n) for n in (1, 2, 3, 8, 9)]
    [0, 1, 2, 3, 4]
    """
    return (candidates - 1).bit_length()


def share(left: int, rounds_left: int) -> int:
    """Tokens that a round may take: what is left of the budget, divided evenly among the rounds to come.

    >>> share(1000, 3)
    333
    """
    return left // rounds_left


def affordable(costs: Sequence[int], room: int) -> int:
    """How many of these costs, from the first on, fit into the room together.

    >>> affordable([40, 40, 30], 100), affordable([40], 39)
    (2, 0)
    """
    return sum(total <= room for total in accumulate(costs))


def better_half(standing: Sequence[T], key: Callable[[T], Any]) -> list[T]:
    """Half of them, rounded up, smallest key first; equal ones in the order in which they are.

    >>> better_half([0.2, 0.7, 0.5], key=lambda rate: -rate)
    [0.7, 0.5]
    """
    return sorted(standing, key=key)[: (len(standing) + 1) // 2]
