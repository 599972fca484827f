"""Results that are named in words: "the sum of 14 and 29 is 43", "the prime factorization of 28 is 2^2 * 7"."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from verifiers.reasoning.grammar import parse
from verifiers.reasoning.plain import Plain
from verifiers.reasoning.tokens import scan
from verifiers.reasoning.tree import Unreadable
from verifiers.reasoning.values import close, evaluate

__all__ = ["false_results"]

REACH = 160
"""Largest length in characters of such a statement."""


def _whole(function: Callable[..., int]) -> Callable[..., Fraction]:
    def of(*values: Fraction) -> Fraction:
        if any(value.denominator != 1 for value in values):
            raise Unreadable
        return Fraction(function(*map(int, values)))

    return of


def _two(function: Callable[[Fraction, Fraction], Fraction]) -> Callable[..., Fraction]:
    def of(*values: Fraction) -> Fraction:
        if len(values) != 2:
            raise Unreadable
        return function(*values)

    return of


def _one(function: Callable[[Fraction], Fraction]) -> Callable[..., Fraction]:
    def of(*values: Fraction) -> Fraction:
        if len(values) != 1:
            raise Unreadable
        return function(*values)

    return of


def _several(function: Callable[[tuple[Fraction, ...]], Fraction]) -> Callable[..., Fraction]:
    def of(*values: Fraction) -> Fraction:
        if len(values) < 2:
            raise Unreadable
        return function(values)

    return of


_FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    "sum": _several(lambda values: sum(values, Fraction(0))),
    "product": _several(lambda values: math.prod(values, start=Fraction(1))),
    "average|mean": _several(lambda values: sum(values, Fraction(0)) / len(values)),
    "difference": _two(lambda a, b: abs(a - b)),
    "greatest common (?:divisor|factor)|gcd|gcf": _several(lambda values: _whole(math.gcd)(*values)),
    "least common (?:multiple|denominator)|lcm|lcd": _several(lambda values: _whole(math.lcm)(*values)),
    "prime factori[sz]ation": _one(lambda a: a),
    "square": _one(lambda a: a * a),
    "cube": _one(lambda a: a**3),
}
_NUMBER = r"-?(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?"
_LIST = rf"{_NUMBER}(?:(?:, and|,| and) ?{_NUMBER})*"
_STATED = re.compile(
    rf"\bthe (?:positive )?(?P<name>{'|'.join(_FUNCTIONS)}) (?:of|between) (?P<values>{_LIST}) "
    r"(?:is|equals|is equal to) (?P<result>(?:[\d.^{}* -]|,(?=\d{3}))*[\d}])(?=\.?(?:$|\n)|[.,;:)] )",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"\bthe (?:positive )?(?:sum|product|average|mean|difference|g|l|prime|square|cube)", re.IGNORECASE
)


def false_results(spoken: Plain) -> Iterator[tuple[int, int, Fraction]]:
    """Start, end and right value of every named result that is false."""
    for lead in _LEAD.finditer(spoken.text):
        found = _STATED.match(spoken.text, lead.start(), lead.start() + REACH)
        if found is not None and (truth := _value(found)) is not None:
            yield spoken.original(found.start()), spoken.original(found.end() - 1) + 1, truth


def _value(found: re.Match[str]) -> Fraction | None:
    """The right value, if the stated one is false."""
    name = found.group("name").lower()
    function = next(f for pattern, f in _FUNCTIONS.items() if re.fullmatch(pattern, name))
    values = [Fraction(number.replace(",", "")) for number in re.findall(_NUMBER, found.group("values"))]
    try:
        truth = function(*values)
        stated = evaluate(parse([t for t in scan(f"\\({found.group('result')}\\)") if t.kind != "edge"]), {})
    except (Unreadable, OverflowError):
        return None
    return None if close(stated, truth) or stated == -truth else truth
