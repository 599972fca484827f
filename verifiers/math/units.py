"""Units and currencies: one name for all spellings. Quantities are not converted: 500 cm is not 5 m."""

from __future__ import annotations

from verifiers.latex import word_set
from verifiers.units import SPELLINGS

__all__ = ["CURRENCY_SIGNS", "NEGATIONS", "is_unit", "unit_name"]

CURRENCY_SIGNS = {"\ue010": "dollar", "$": "dollar", "€": "euro", "£": "gbp", "¥": "yen", "₹": "rupee",
    "₽": "rouble", "₩": "won", "¢": "cent"}  # fmt: skip

_NAMES = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}
_POWERS = {"square": 2, "squared": 2, "sq": 2, "cubic": 3, "cubed": 3, "cu": 3}
_GENERIC = word_set(
    "unit units total altogether each more left th st nd rd remaining exactly approximately about"
)
_FILLERS = word_set("of the a an in all per")
NEGATIONS = word_set(
    "or and not is are was were be been wrong incorrect either neither nor no except but maybe perhaps if "
    "unless than otherwise then when where who how that this these those answer however actually instead "
    "never nan correct right true false because since so i you we they he she it do does did can cannot could "
    "should would"
)
"""Words that make a phrase after a number a statement and not a unit."""


def is_unit(word: str) -> bool:
    """Whether a bare run of letters is read as a unit when it follows a number."""
    return word in _NAMES or (len(word) > 2 and word.lower() in _NAMES)


def unit_name(parts: list[tuple[str, int]]) -> str | None:
    """One name for a unit phrase of (word, power) pairs; "" for a generic unit, None if the phrase is not a unit.

    >>> unit_name([("square", 1), ("inches", 1)]) == unit_name([("inches", 2)]) == "inch^2"
    True
    """
    powers: dict[str, int] = {}
    pending, sign = 1, 1
    last: str | None = None
    for word, power in parts:
        lower = word.lower()
        if lower in NEGATIONS:
            return None
        if lower in ("per", "/", "an", "every") and lower != "an":
            sign = -1
        elif lower in _POWERS:
            if lower in ("squared", "cubed") and last is not None:
                powers[last] += sign * (_POWERS[lower] - 1)
            else:
                pending = _POWERS[lower]
        elif lower not in _FILLERS:
            name = _NAMES.get(word) or _NAMES.get(lower) or _singular(lower)
            if lower in _GENERIC:
                pending = 1
                continue
            if "/" in name:
                top, bottom = name.split("/")
                powers[top] = powers.get(top, 0) + 1
                powers[bottom] = powers.get(bottom, 0) - 1
                continue
            powers[name] = powers.get(name, 0) + sign * pending * power
            last, pending = name, 1
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in sorted(powers.items()))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word
