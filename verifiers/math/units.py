"""Units and currencies: one name for all spellings. Quantities are not converted: 500 cm is not 5 m.

The words after a number are a vocabulary: units of measure, words that multiply it (5 million), words that say nothing
(5 in all), words that change it in some other way, which make the phrase unreadable (5 squared, 5 minus two), and
nouns, which are whatever is counted.
"""

from __future__ import annotations

from fractions import Fraction

from verifiers.latex import word_set
from verifiers.units import FACTORS, NUMBERS, SPELLINGS

__all__ = ["CURRENCY_SIGNS", "NEGATIONS", "is_unit", "read_units", "same_unit"]

CURRENCY_SIGNS = {"\ue010": "dollar", "$": "dollar", "€": "euro", "£": "gbp", "¥": "yen", "₹": "rupee",
    "₽": "rouble", "₩": "won", "¢": "cent"}  # fmt: skip

_NAMES = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}
_POWERS = {"square": 2, "squared": 2, "sq": 2, "cubic": 3, "cubed": 3, "cu": 3}
_GENERIC = word_set(
    "unit units total altogether each more left th st nd rd remaining exactly approximately about "
    "long wide tall high deep thick"
)
_FILLERS = word_set("of the a an in all per")
_CHANGING = NUMBERS | word_set(
    "factorial plus minus divided over multiplied added subtracted modulo mod mods remainder below under root roots "
    "power powers exponent log logarithm sqrt radical gross percentile mille basis itself "
    "bar repeating recurring ppm ppb parts debt fold mil mln bn bln"
)
"""Words that make another value of the number before them."""
_CHANGING_LAST = word_set(
    "negative reciprocal inverse opposite conjugate complement double triple twice doubled tripled halved"
)
"""The same, unless a noun follows: "5 negative" is not 5, "5 negative roots" is."""
_EXTENTS = word_set("of long wide tall high deep thick by across apart per / * squared cubed")
"""What follows "in" where it means inches."""
NEGATIONS = word_set(
    "or and not is are was were be been wrong incorrect either neither nor no except but maybe perhaps if "
    "unless than otherwise then when where who how that this these those answer however actually instead "
    "never nan correct right true false because since so i you we they he she it do does did can cannot could "
    "should would"
)
"""Words that make a phrase after a number a statement and not a unit."""

_KINDS_OF_ROOTS = word_set(
    "real distinct complex rational integer different equal imaginary positive negative"
)
_RIGHT_ANGLED = word_set(
    "triangle triangles angle angles isosceles prism prisms cone cones pyramid pyramids trapezoid trapezoids turn turns"
)
"""What "right" is a property of, and not a statement about the answer."""


def is_unit(word: str) -> bool:
    """Whether a bare run of letters is read as a unit when it follows a number."""
    return word in _NAMES or (len(word) > 2 and word.lower() in _NAMES)


def read_units(parts: list[tuple[str, int]]) -> tuple[Fraction, str] | None:
    """What a phrase of (word, power) pairs after a number says: a factor of it and one name for its unit.

    The name is "" for a generic unit. None if the phrase is not a unit.

    >>> read_units([("square", 1), ("inches", 1)]) == read_units([("inches", 2)]) == (1, "inch^2")
    True
    >>> read_units([("million", 1), ("dollars", 1)]) == (10**6, "dollar"), read_units([("squared", 1)])
    (True, None)
    """
    factor = Fraction(1)
    start = 0
    while start < len(parts) and parts[start][1] == 1 and (found := FACTORS.get(parts[start][0].lower())):
        if start and found < 1:
            return None
        factor *= found
        start += 1
    name = _unit_name(_scales_of_degrees(parts[start:]))
    return None if name is None else (factor, name)


def _scales_of_degrees(parts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Degrees of a scale of temperature are one unit: "degrees Celsius" is °C."""
    names = [_NAMES.get(word.lower()) for word, _ in parts]
    return [part for part, name, after in zip(parts, names, [*names, None][1:], strict=True)
            if not (name == "degree" and after in ("celsius", "fahrenheit", "kelvin"))]  # fmt: skip


def _unit_name(parts: list[tuple[str, int]]) -> str | None:
    powers: dict[str, int] = {}
    pending, sign = 1, 1
    last: str | None = None
    words = [word.lower() for word, _ in parts]
    if words and words[-1] in _CHANGING_LAST:
        return None
    for at, (word, power) in enumerate(parts):
        lower = words[at]
        if lower == "right" and at + 1 < len(words) and words[at + 1] in _RIGHT_ANGLED:
            continue
        if lower in ("root", "roots") and at and words[at - 1] in _KINDS_OF_ROOTS:
            continue
        if lower in NEGATIONS or lower in _CHANGING or (lower in FACTORS and FACTORS[lower] >= 1):
            return None
        if len(word) == 1 and word.isalpha() and not is_unit(word) and lower != "a":
            return None  # 4 x
        if lower in ("per", "/", "every") or (lower in ("a", "an") and last in SPELLINGS):
            sign = -1
        elif lower in _POWERS:
            if lower not in ("squared", "cubed") or last is None:
                pending = _POWERS[lower]
            elif last in SPELLINGS:
                powers[last] += sign * (_POWERS[lower] - 1)
            elif last != "":
                return None
        elif lower in _GENERIC or (lower == "points" and last == "percent"):
            pending, last = 1, ""
        elif lower not in _FILLERS or (lower == "in" and _is_inch(words, at, power)):
            name = _NAMES.get(word) or _NAMES.get(lower) or _singular(lower)
            if "/" in name:
                top, bottom = name.split("/")
                powers[top] = powers.get(top, 0) + 1
                powers[bottom] = powers.get(bottom, 0) - 1
                continue
            if pending * power != 1 and name not in SPELLINGS:
                return None
            powers[name] = powers.get(name, 0) + sign * pending * power
            last, pending = name, 1
    if pending != 1:
        return None
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in sorted(powers.items()))


def same_unit(one: str, two: str) -> bool:
    """Whether two names of units are the same: in all units of measure, and in the nouns that both have.

    >>> same_unit("apple", "apple red"), same_unit("inch", "inch snow"), same_unit("inch", "foot")
    (True, True, False)
    """
    first, second = set(one.split()), set(two.split())
    for pound in ("lb", "gbp"):
        if {"pound", pound} <= first ^ second:
            first, second = (
                {pound if word == "pound" else word for word in unit} for unit in (first, second)
            )
    measures, others = ({word for word in unit if is_unit(word.split("^")[0])} for unit in (first, second))
    nouns, further = first - measures, second - others
    return measures == others and (nouns <= further or further <= nouns)


def _is_inch(words: list[str], at: int, power: int) -> bool:
    """Whether "in" is a unit and not the first word of "in all", "in profit", "in the box"."""
    before = words[at - 1] if at else ""
    after = words[at + 1] if at + 1 < len(words) else "of"
    return power != 1 or before in _POWERS or before in ("per", "/") or after in _EXTENTS


def _singular(word: str) -> str:
    """One form for a noun and its plural: boxes is box, houses and house are hous."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        word = word[:-1]
    return word[:-1] if word.endswith(("se", "xe", "che", "she")) else word
