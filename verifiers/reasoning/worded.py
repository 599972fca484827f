r"""Calculations in words: "half of 12 is 6", "subtracting 3 from 10 leaves 7", "15 is more than 12", "51 is not prime".

Each form is a pattern with the numbers `a` and `b` and, where it states one, the result `c`. A form is read only where
it is a statement of its own: not within a longer calculation ("3 more than half of 12 is 9"), not in a condition.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from verifiers.reasoning.plain import COMPARATIVES, Plain
from verifiers.reasoning.rounding import rounds_to
from verifiers.reasoning.tokens import MAX_DIGITS, Token
from verifiers.reasoning.units import DIMENSIONS, ratios
from verifiers.reasoning.values import close

__all__ = ["false_claims"]

_DIGITS = rf"\d{{1,{MAX_DIGITS}}}(?!\d)"
_NUMERAL = rf"(?:\d{{1,3}}(?:,\d{{3}}){{1,{MAX_DIGITS // 3}}}(?![\d,])|{_DIGITS})(?:\.{_DIGITS})?"
_STOPS = (
    "and|or|is|are|was|were|by|to|from|than|of|times|plus|minus|gives?|makes?|leaves?|equals?|we|you|which|that|with|on|"
    "if|then|so|more|less|fewer|divided|multiplied|added|subtracted|increased|decreased|reduced|squared|cubed|percent"
)
_UNIT = rf"(?: (?!(?:{_STOPS})\b)[a-z]+(?:-[a-z]+)*){{0,2}}"
A, B = (rf"(?:the )?(?P<{name}>{_NUMERAL})(?P<{name}_unit>{_UNIT})" for name in "ab")
_US = "(?: (?:us|you|me|him|her|them))?"
_TOTAL = "(?: (?:a (?:grand )?total of|a result of|only|just|exactly))?"
_IS = rf" (?:is|are|equals|is equal to|gives|makes|yields|leaves){_US}{_TOTAL}"
_GETS = (
    rf"(?:,? (?:and |then )*(?:(?:which )?(?:is|equals|gives?|makes?|yields?|leaves?|results? in|will be|would be){_US}"
    rf"|(?:to|and|will|would) (?:get|obtain|give|make|leave|find|reach){_US}"
    rf"|(?:we|you|I|one|he|she|they) (?:will |would |can )?(?:get|gets|have|has|obtain|find)|for){_TOTAL})"
)
_MORE = (
    "more|less|fewer|times|of|plus|minus|percent|to|or|than|if|as|away|off|over|short|by|for|per|half|third|hundred|"
    "with|leaving|rounded|thousand|million|billion|dozen|remainder|mod|modulo|and (?:an?|one|two|three|\\d)|"
    + COMPARATIVES.replace(" ", "|")
)
"""What makes a number after it more, or less, than the value of what is before it."""
_C = (
    rf" (?P<c>-?{_NUMERAL})(?![\d%/:^*+=(\\-]|[.,]\d|[A-Za-z]| ?[-+*/^=×÷<>(\\]| +R ?\d"
    rf"|(?: [a-z]+){{0,2}} (?:{_MORE})\b)"
    rf"(?P<c_unit>{_UNIT})"
)

_WHOLE = r"(?P<a>\d{1,9})"
_FRACTIONS = {
    "half": (1, 2), "one half": (1, 2), "one-half": (1, 2), "a third": (1, 3), "one third": (1, 3), "one-third": (1, 3),
    "two thirds": (2, 3), "two-thirds": (2, 3), "a quarter": (1, 4), "one quarter": (1, 4), "one-quarter": (1, 4),
    "one fourth": (1, 4), "one-fourth": (1, 4), "a fourth": (1, 4), "three quarters": (3, 4), "three-quarters": (3, 4),
    "three fourths": (3, 4), "three-fourths": (3, 4), "a fifth": (1, 5), "one fifth": (1, 5), "one-fifth": (1, 5),
    "two fifths": (2, 5), "two-fifths": (2, 5), "a tenth": (1, 10), "one tenth": (1, 10), "one-tenth": (1, 10),
    "twice": (2, 1), "double": (2, 1), "triple": (3, 1), "thrice": (3, 1), "quadruple": (4, 1),
}  # fmt: skip
_SHARE = "|".join(sorted(_FRACTIONS, key=len, reverse=True))

_Value = Callable[..., Fraction | float]


def _divided(a: Fraction, b: Fraction) -> Fraction:
    return a / b if b else Fraction(0)


_RESULTS: tuple[tuple[str, _Value], ...] = (
    (rf"add(?:ing|s|ed)? {A} (?:and|to|with|plus) {B}{_GETS}", operator.add),
    (rf"(?:subtract(?:ing|s|ed)?|tak(?:e|es|ing)) {B} (?:away )?from {A}{_GETS}", operator.sub),
    (rf"multipl(?:y|ying|ies|ied) {A} (?:by|and|with|times) {B}{_GETS}", operator.mul),
    (rf"divid(?:e|ing|es|ed) {A} by {B}{_GETS}", _divided),
    (rf"the total of {A} and {B}{_IS}", operator.add),
    (rf"the quotient of {A} (?:and|divided by) {B}{_IS}", _divided),
    (rf"{A} (?:more|greater|higher|larger|longer|older) than {B}{_IS}", operator.add),
    (rf"{B} (?:less|fewer|lower|smaller|shorter|younger) than {A}{_IS}", operator.sub),
    (rf"{A},? (?:added to|increased by) {B}{_IS}", operator.add),
    (rf"{A},? (?:decreased by|reduced by|less) {B}{_IS}", operator.sub),
    (rf"{B},? (?:subtracted|taken away|taken) from {A}{_IS}", operator.sub),
    (rf"{A} (?:groups|sets|lots|batches) of {B}{_IS}", operator.mul),
    (
        rf"(?P<a>{_NUMERAL}) and (?P<b>{_NUMERAL}) (?:together )?(?:makes?|adds? up to|sum (?:up )?to|total){_TOTAL}",
        operator.add,
    ),
    (rf"(?:the )?square root of {A}{_IS}", lambda a: _root(a)),
    (rf"{A} squared{_IS}", lambda a: a * a),
    (rf"{A} cubed{_IS}", lambda a: a**3),
    (rf"(?:the )?remainder (?:when|of) {A} (?:is )?divided by {B}{_IS}", lambda a, b: a % b if b else Fraction(0)),
    (rf"{A} divided by {B} (?:leaves|has|gives) a remainder of", lambda a, b: a % b if b else Fraction(0)),
)  # fmt: skip


def _root(a: Fraction) -> Fraction | float:
    root = math.isqrt(a.numerator)
    return Fraction(root) if a.denominator == 1 and root * root == a else math.sqrt(a)


_ORDERS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "more": operator.gt, "greater": operator.gt, "larger": operator.gt, "bigger": operator.gt, "higher": operator.gt,
    "less": operator.lt, "fewer": operator.lt, "smaller": operator.lt, "lower": operator.lt,
}  # fmt: skip


def _is_prime(a: int) -> bool:
    return a > 1 and all(a % d for d in range(2, math.isqrt(a) + 1))


_PROPERTIES: dict[str, Callable[[int], bool]] = {
    "prime": _is_prime, "a prime number": _is_prime, "a prime": _is_prime,
    "composite": lambda a: a > 1 and not _is_prime(a),
    "even": lambda a: a % 2 == 0, "an even number": lambda a: a % 2 == 0,
    "odd": lambda a: a % 2 == 1, "an odd number": lambda a: a % 2 == 1,
    "a perfect square": lambda a: math.isqrt(a) ** 2 == a,
}  # fmt: skip
_RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "divisible by": lambda a, b: b > 0 and a % b == 0,
    "a multiple of": lambda a, b: b > 0 and a % b == 0,
    "a factor of": lambda a, b: a > 0 and b % a == 0,
    "a divisor of": lambda a, b: a > 0 and b % a == 0,
}
_END = r"(?=[.,;:!)](?:\s|$)|\s*$|\n| (?:and|so|but|because|since|as)\b)"
_ALONE = r"(?![\d,.]*\d|[%!:/]|\.?\d| ?[-+*/^=×÷<>] ?[\w(\\]|[A-Za-z]| \d)"

_RESULT = [(re.compile(rf"\b{form}{_C}", re.IGNORECASE), value) for form, value in _RESULTS]
_PART = re.compile(rf"\b(?P<share>{_SHARE}) (?:of )?{A}{_IS}{_C}", re.IGNORECASE)
_ORDER = re.compile(
    rf"\b{A} (?:is|are) (?P<not>not )?(?P<order>{'|'.join(_ORDERS)}) than {B}{_ALONE}{_END}", re.IGNORECASE
)
_PROPERTY = re.compile(
    rf"\b{_WHOLE} (?:is|are) (?P<not>not )?(?:(?P<kind>{'|'.join(_PROPERTIES)})"
    rf"|(?P<relation>{'|'.join(_RELATIONS)}) (?P<b>\d{{1,12}}){_ALONE}){_END}"
)
_HINT = re.compile(
    rf"\b(?:add|subtract|tak(?:e|ing)|multipl|divid|total|quotient|th[ae]n|increased|decreased|reduced|groups|sets|lots"
    rf"|make|sum|squared?|cubed|less|remainder|batches|{_SHARE})",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:[-+*/^=×÷<>(\\{_]|\d[.,)]?|\b(?:than|of|by|times|plus|minus|and|to|from|with|per|over|between|each|every|modulo|mod"
    r"|factor|is|are|equals|root|\w+ing|\w+ed)) ?$|\d[-:]$",
    re.IGNORECASE,
)
"""What makes the number after it a part of something longer."""
_CONDITION = re.compile(
    r"\b(?:if|whether|suppose|assum\w+|unless|when|were|is it true|not true|wrong|incorrect|think\w*|claim\w*|until|say"
    r"|says|said|not)\b[^.;:!?\n]*$",
    re.IGNORECASE,
)
_LEADS = re.compile(r"\b(?:if|when) (?:we|you|I|he|she|they|one) $", re.IGNORECASE)
REACH = 100
"""Characters before a statement in which a condition may begin."""


def false_claims(spoken: Plain) -> Iterator[tuple[int, int, Fraction | float | None]]:
    """Start, end and right value (None where there is none) of every calculation in words that is false."""
    text = spoken.text
    for start, end, truth in _false(text):
        yield spoken.original(start), spoken.original(end - 1) + 1, truth


def _false(text: str) -> Iterator[tuple[int, int, Fraction | float | None]]:
    if _HINT.search(text) is not None:
        for form, value in _RESULT:
            for found in form.finditer(text):
                if _is_own(text, found) and (truth := _wrong(found, value)) is not None:
                    yield found.start(), found.end(), truth
        for found in _PART.finditer(text):
            share = Fraction(*_FRACTIONS[found["share"].lower()])
            if _is_own(text, found) and (truth := _wrong(found, lambda a, by=share: a * by)) is not None:
                yield found.start(), found.end(), truth
    if " is " in text or " are " in text:
        for found in (*_ORDER.finditer(text), *_PROPERTY.finditer(text)):
            if _is_own(text, found) and not _holds(found):
                yield found.start(), found.end(), None


def _is_own(text: str, found: re.Match[str]) -> bool:
    """Whether a statement stands for itself: no part of a longer one, and under no condition."""
    before = text[max(0, found.start() - REACH) : found.start()]
    if text[found.end() : found.end() + 1] == "?":
        return False
    verb = not found.group()[:1].isdigit()
    before = _LEADS.sub("", before)
    if _CONDITION.search(before) is not None:
        return False
    return (_PARTIAL if verb else _BOUND).search(before) is None


_PARTIAL = re.compile(
    r"(?:[-+*/^=×÷]|\b(?:than|of|by|times|plus|minus|and|less|more|fewer|from|per|without|before|after"
    r"|instead of|root)) ?$",
    re.IGNORECASE,
)


def _numbers(found: re.Match[str]) -> list[Fraction]:
    stated = found.groupdict()
    return [Fraction(stated[name].replace(",", "")) for name in "ab" if stated.get(name)]


def _units(found: re.Match[str]) -> list[list[str]]:
    return [found[f"{name}_unit"].split() for name in "abc" if f"{name}_unit" in found.re.groupindex]


def _wrong(found: re.Match[str], value: _Value) -> Fraction | float | None:
    """The right value, if the stated one is false and no change of unit explains it."""
    truth = value(*_numbers(found))
    numeral = found["c"].replace(",", "")
    stated = Fraction(numeral)
    words = [word.lower() for unit in _units(found) for word in unit]
    if close(truth, stated) or any(close(truth * ratio, stated) for ratio in ratios(words, percent=False)):
        return None
    if _several_units(words) or "about" in words or "approximately" in words:
        return None
    literal = Token("num", numeral.lstrip("-"), found.start("c"), found.end("c"))
    return None if rounds_to(truth, literal, stated, announced=False) else truth


def _several_units(words: list[str]) -> bool:
    """Whether units of one dimension differ, so that the numbers may not be compared."""
    return any(len({units[word] for word in words if word in units}) > 1 for units in DIMENSIONS)


def _holds(found: re.Match[str]) -> bool:
    numbers = _numbers(found)
    if (order := found.groupdict().get("order")) is not None:
        units = _units(found)
        if any(units) and (len(set(map(tuple, units))) > 1):
            return True  # numbers of different things
        return _ORDERS[order.lower()](*numbers) is not bool(found["not"])
    whole = map(int, numbers)
    true = _PROPERTIES[found["kind"]](*whole) if found["kind"] else _RELATIONS[found["relation"]](*whole)
    return true is not bool(found["not"])
