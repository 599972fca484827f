"""Equality of what a program returned and what was expected, decided on exact types in the verifier's process.

Function results: tuple and list are the same, numbers equal as Python has it, other types are distinct; NaN and
infinities equal only themselves. Standard output: word by word; a word that is a number with a point or an exponent
equals any other spelling of its value.
`Rules` says what a row or a verifier changes of that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from verifiers.code.values import Items, Pairs

Equality = Literal["strict", "typed", "python"]
Layout = Literal["exact", "lines", "tokens"]
AnyOrder = Literal[False, True, "deep"]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")
_INTEGER = re.compile(r"[+-]?[0-9]+")
NOISE = 1e-12
"""The last digits of a float depend on the order of operations: 0.1 + 0.2 is not 0.3."""
_LONGEST = 10_000  # characters of a number that is compared by its value


@dataclass(frozen=True)
class Rules:
    """How a result is compared with the expected one.

    >>> Rules(abs_tol=1e-6, rel_tol=1e-6, compare="tokens", ignore_case=True)
    """

    abs_tol: float | None = None
    """Numbers that are not both integers may differ by `max(abs_tol, rel_tol · |expected|)`, and where an integer is
    expected, by less than a half. If neither is set, numbers with a point may differ by NOISE · max(1, |expected|)."""
    rel_tol: float | None = None
    equality: Equality = "python"
    """Of function results. "python": as `==` has it, like the public graders: 2.0 is 2, True is 1. "typed": bool, int
    and float are distinct, except that an int is accepted where a float is expected. "strict": not even that. Under
    the first two a dict's key equals its text in JSON, which has no other keys."""
    any_order: AnyOrder = False
    """True: the items of the outermost list, or the lines (the words, if there is one line, or under "tokens"), in any
    order. "deep": at any depth."""
    compare: Layout = "tokens"
    """Of standard output. "tokens": word by word, wherever lines end, as most contests' judges do. "lines": the words
    of each line that is not empty. "exact": only blanks and empty lines at the end do not matter."""
    ignore_case: bool = False

    @property
    def tolerant(self) -> bool:
        """Whether a tolerance is set."""
        return bool(self.abs_tol or self.rel_tol)

    def close(self, got: float, expected: float, whole: bool) -> bool:
        """Whether two finite numbers differ by at most the tolerance; `whole` if an integer is expected."""
        absolute, relative = self.abs_tol or 0.0, self.rel_tol or 0.0
        if self.abs_tol is None and self.rel_tol is None and not whole:
            absolute = relative = NOISE
        try:
            got, expected = float(got), float(expected)
        except OverflowError:  # an int beyond any float
            return False
        difference = abs(got - expected)
        return (
            math.isfinite(difference)
            and difference <= max(absolute, relative * abs(expected))
            and not (whole and difference >= 0.5)
        )


def same(got: Any, expected: Any, rules: Rules = Rules()) -> bool:
    """Whether `got`, as `values.decode` gives it, equals `expected`, a JSON-like value or a set."""
    if rules.any_order:
        if type(got) is Items and isinstance(expected, (list, tuple)):  # a set has no order to be wrong in
            got = list(got)
        got, expected = _sorted(got, rules), _sorted(expected, rules)
    return _same(got, expected, rules)


def _same(got: Any, expected: Any, rules: Rules) -> bool:
    if isinstance(expected, dict):
        return isinstance(got, (Pairs, dict)) and _same_dict(got, expected, rules)
    if isinstance(expected, (set, frozenset)):
        return isinstance(got, Items) and _same_set(got, expected, rules)
    if isinstance(expected, (list, tuple)):
        return (
            type(got) in (list, tuple)
            and len(got) == len(expected)
            and all(_same(g, e, rules) for g, e in zip(got, expected, strict=True))
        )
    if rules.equality == "python":
        got, expected = _as_number(got), _as_number(expected)
    if type(got) in (int, float) and type(expected) in (int, float):
        return _same_number(got, expected, rules)
    if type(got) is not type(expected):
        return False
    return got == expected or (
        rules.ignore_case and isinstance(got, str) and got.casefold() == expected.casefold()
    )


def _as_number(value: Any) -> Any:
    return int(value) if type(value) is bool else value


def _same_number(got: float, expected: float, rules: Rules) -> bool:
    if isinstance(got, float) and math.isnan(got):
        return isinstance(expected, float) and math.isnan(expected)
    if type(got) is int and type(expected) is int:  # never under a tolerance
        return got == expected
    exact = rules.equality == "typed" and type(expected) is int and not rules.tolerant
    if type(got) is not type(expected) and (exact or rules.equality == "strict"):
        return False
    return got == expected or rules.close(got, expected, whole=type(expected) is int)


def _same_dict(got: Pairs | dict, expected: dict, rules: Rules) -> bool:
    pairs = list(got.items()) if isinstance(got, dict) else got
    if len(pairs) != len(expected):
        return False
    if rules.equality != "strict" and all(type(key) is str for key in expected):
        pairs = [(_json_key(key), value) for key, value in pairs]
    keys = {_typed(key, rules): key for key in expected}
    for key, value in pairs:
        found = keys.pop(_typed(key, rules), _MISSING)  # each key of the expected dict is matched once
        if found is _MISSING or not _same(value, expected[found], rules):
            return False
    return True


def _json_key(key: Any) -> Any:
    """A dict's key as JSON writes it."""
    if key is None or type(key) is bool:
        return {None: "null", True: "true", False: "false"}[key]
    if type(key) is int and key.bit_length() < 1024:
        return str(key)
    return repr(key) if type(key) is float else key


def _same_set(got: Items, expected: set | frozenset, rules: Rules) -> bool:
    members = {_typed(member, rules) for member in expected}
    if len(got) != len(members):
        return False
    for member in got:
        if (typed := _typed(member, rules)) not in members:
            return False
        members.discard(typed)
    return True


_MISSING = object()


def _typed(key: Any, rules: Rules) -> Any:
    """A key that distinguishes 1, 1.0 and True, unless they are equal by the rules."""
    if isinstance(key, (tuple, list)) and not isinstance(key, (Pairs, Items)):
        return (tuple, tuple(_typed(x, rules) for x in key))
    if isinstance(key, (Pairs, Items, dict, set, frozenset)):
        return (_MISSING, id(key))
    if rules.equality == "python" and type(key) in (bool, int, float):
        return (float, key)
    return (type(key), key)


def _sorted(value: Any, rules: Rules) -> Any:
    """The value with its outermost list, or every list in it, in one order."""
    if type(value) not in (list, tuple):
        return value
    items = [_sorted(item, rules) for item in value] if rules.any_order == "deep" else value
    return sorted(items, key=lambda item: _order(item, rules))


def _order(value: Any, rules: Rules) -> tuple:
    """A sort key over values of mixed types; equal values have equal keys."""
    if rules.equality == "python" or type(value) is not bool:
        value = _as_number(value)
    if type(value) in (int, float):
        return (1, -math.inf) if value != value else (2, value)
    if isinstance(value, str):
        return (3, value.casefold() if rules.ignore_case else value)
    if isinstance(value, (set, frozenset, Items)):
        return (5, sorted(_order(item, rules) for item in value))
    if isinstance(value, (dict, Pairs)):
        pairs = value.items() if isinstance(value, dict) else value
        return (6, sorted((_order(k, rules), _order(v, rules)) for k, v in pairs))
    if isinstance(value, (list, tuple)):
        return (4, [_order(item, rules) for item in value])
    if isinstance(value, range):  # its text may be refused: it may have ends of any size
        return (7, value.start, value.stop, value.step)
    return (0, repr(value))


def same_text(got: str, expected: str, rules: Rules = Rules()) -> bool:
    """Whether two standard outputs agree."""
    if rules.ignore_case:
        got, expected = got.casefold(), expected.casefold()
    if got == expected:
        return True
    got_lines, expected_lines = _lines(got, rules), _lines(expected, rules)
    return len(got_lines) == len(expected_lines) and all(
        g == e or _same_words(g, e, rules) for g, e in zip(got_lines, expected_lines, strict=True)
    )


def _lines(text: str, rules: Rules) -> list[Sequence[str]]:
    """The words of each line; under "exact" each line is one word, under "tokens" each word a line."""
    if rules.compare == "exact":
        lines: list[Sequence[str]] = [(line.rstrip(),) for line in text.rstrip().split("\n")]
    elif rules.compare == "tokens":
        lines = [(word,) for word in text.split()]
    else:
        lines = [words for line in text.split("\n") if (words := line.split())]
    if rules.any_order == "deep" or (rules.any_order and len(lines) == 1):
        lines = [sorted(line, key=_value) for line in lines]
    return sorted(lines, key=lambda line: [_value(word) for word in line]) if rules.any_order else lines


def _value(word: str) -> tuple[int, Decimal, str]:
    """A sort key of a word: by value for numbers, so that 1.5 and 1.50 are neighbours."""
    return (0, Decimal(word), "") if _is_number(word) else (1, Decimal(0), word)


def _same_words(got: Sequence[str], expected: Sequence[str], rules: Rules) -> bool:
    return len(got) == len(expected) and all(
        g == e or _same_word(g, e, rules) for g, e in zip(got, expected, strict=True)
    )


def _same_word(got: str, expected: str, rules: Rules) -> bool:
    """Whether two different words are the same number. Integers are compared as text: 007 is not 7."""
    if not (_is_number(got) and _is_number(expected)):
        return False
    if _INTEGER.fullmatch(got) and _INTEGER.fullmatch(expected):
        return _unsigned(got) == _unsigned(expected)
    value, wanted = Decimal(got), Decimal(expected)
    whole = _INTEGER.fullmatch(expected) is not None
    if whole and value.to_integral_value() != wanted:  # exact, unlike the difference of two floats
        return False
    return value == wanted or rules.close(float(value), float(wanted), whole)


def _unsigned(integer: str) -> str:
    """An integer without a plus sign, and without the minus sign of zero."""
    digits = integer.lstrip("+-")
    return "-" + digits if integer[0] == "-" and digits.strip("0") else digits


def _is_number(word: str) -> bool:
    return len(word) < _LONGEST and _NUMBER.fullmatch(word) is not None


def count_items(value: Any) -> int:
    """The number of items in a value, to limit the decoding of an answer that is compared with it."""
    if isinstance(value, dict):
        return sum(2 + count_items(k) + count_items(v) for k, v in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return sum(1 + count_items(item) for item in value)
    return 0
