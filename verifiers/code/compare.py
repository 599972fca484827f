"""Equality of what a program returned and what was expected, decided on exact types in the verifier's process.

Function results: tuple and list are the same; bool, int, float, str, bytes and None are distinct types, except
that an int is accepted where a float is expected; NaN and infinities equal only themselves. `tol` is the tolerated
difference of numbers (absolute, or relative above 1). With `strict` the type matters: an int is not accepted for a
float. Standard output: line by line, without trailing blanks and trailing empty lines.
"""

from __future__ import annotations

import math
import re
from typing import Any

from verifiers.code.values import Items, Pairs

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def same(got: Any, expected: Any, tol: float | None = None, strict: bool = False) -> bool:
    """Whether `got`, as `values.decode` gives it, equals `expected`, a JSON-like value or a set."""
    if isinstance(expected, dict):
        return isinstance(got, (Pairs, dict)) and _same_dict(got, expected, tol, strict)
    if isinstance(expected, (set, frozenset)):
        return isinstance(got, Items) and _same_set(got, expected)
    if isinstance(expected, (list, tuple)):
        return (
            type(got) in (list, tuple)
            and len(got) == len(expected)
            and all(same(g, e, tol, strict) for g, e in zip(got, expected, strict=True))
        )
    if type(got) in (int, float) and type(expected) in (int, float):
        return _same_number(got, expected, tol, strict)
    return type(got) is type(expected) and got == expected


def _same_number(got: float, expected: float, tol: float | None, strict: bool) -> bool:
    if isinstance(got, float) and math.isnan(got):
        return isinstance(expected, float) and math.isnan(expected)
    both_float = isinstance(expected, float) and (isinstance(got, float) or not strict)
    if type(got) is type(expected) or both_float:
        if got == expected:
            return True
    elif strict or tol is None:
        return False
    if tol is None or (type(got) is int and type(expected) is int and tol < 1):
        return False
    return close(got, expected, tol)


def close(got: float, expected: float, tol: float) -> bool:
    """|got − expected| ≤ tol · max(1, |expected|), for finite numbers only."""
    try:
        got, expected = float(got), float(expected)
    except OverflowError:  # an int beyond any float
        return False
    return (
        math.isfinite(got)
        and math.isfinite(expected)
        and abs(got - expected) <= tol * max(1.0, abs(expected))
    )


def _same_dict(got: Pairs | dict, expected: dict, tol: float | None, strict: bool) -> bool:
    pairs = got.items() if isinstance(got, dict) else got
    if len(pairs) != len(expected):
        return False
    keys = {_typed(key): key for key in expected}
    for key, value in pairs:
        found = keys.pop(_typed(key), _MISSING)  # each key of the expected dict is matched once
        if found is _MISSING or not same(value, expected[found], tol, strict):
            return False
    return True


def _same_set(got: Items, expected: set | frozenset) -> bool:
    members = {_typed(member) for member in expected}
    if len(got) != len(members):
        return False
    for member in got:
        if (typed := _typed(member)) not in members:
            return False
        members.discard(typed)
    return True


_MISSING = object()


def _typed(key: Any) -> Any:
    """A key that distinguishes 1, 1.0 and True."""
    if isinstance(key, (tuple, list)):
        return (tuple, tuple(_typed(x) for x in key))
    if isinstance(key, (Pairs, Items, dict, set)):
        return (_MISSING, id(key))
    return (type(key), key)


def same_text(got: str, expected: str, tol: float | None = None) -> bool:
    """Whether two standard outputs agree; with `tol`, number by number within a line."""
    got_lines, expected_lines = _lines(got), _lines(expected)
    if len(got_lines) != len(expected_lines):
        return False
    return all(
        g == e or (tol is not None and _same_line(g, e, tol))
        for g, e in zip(got_lines, expected_lines, strict=True)
    )


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _same_line(got: str, expected: str, tol: float) -> bool:
    got_words, expected_words = got.split(), expected.split()
    return len(got_words) == len(expected_words) and all(
        g == e or (_number(g) and _number(e) and close(float(g), float(e), tol))
        for g, e in zip(got_words, expected_words, strict=True)
    )


def _number(word: str) -> bool:
    return len(word) < 400 and _NUMBER.fullmatch(word) is not None


def count_items(value: Any) -> int:
    """The number of items in a value, to limit the decoding of an answer that is compared with it."""
    if isinstance(value, dict):
        return sum(2 + count_items(k) + count_items(v) for k, v in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return sum(1 + count_items(item) for item in value)
    return 0
