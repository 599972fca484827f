"""What the statement of a problem itself promises about answers: a tolerance, any case, any order, in place.

Sets made from contest problems keep the statement and one output, and leave such a sentence to the reader. Only a
sentence that speaks of the answer counts: "the edges are given in any order" promises nothing.
"""

from __future__ import annotations

import functools
import re
from typing import Any

_MOST = 100_000  # characters that are read
_END = re.compile(r"[.!?;](?![0-9])|\n[ \t\r]*\n")  # of a sentence
_GIVEN = re.compile(r"\b(?:given|input|receive\w*|denote\w*)\b", re.I)
_ANSWER = re.compile(r"\b(?:return|print|output|answer|result|display|report)(?:s|ed|ing)?\b", re.I)

_ANY_ORDER = (
    r"in (?:any|arbitrary)(?: valid| arbitrary)? order",
    r"order [\w ]{0,60}(?:does not|doesn't|do not|will not|is not) (?:matter|important)",
    r"any order (?:is|will be) (?:accepted|fine|allowed|ok|correct)",
)
_ANY_CASE = (
    r"in any (?:letter )?(?:case|register)\b(?!\s*,)",
    r"upper ?case (?:or|and) lower ?case|lower ?case (?:or|and) upper ?case|upper or lower",
    r"case[- ]insensitive",
    r"(?:letter )?case [\w ]{0,40}(?:does not|doesn't|is not) (?:matter|important)",
)
_NOTHING = (
    r"(?:not|n't|without) (?:need to )?return(?:ing)? (?:anything|any value|a value)",
    r"returns? (?:nothing|None|void)",
)
_ERROR = (r"errors?", "within", "accura[a-z]+", "precision", "toleran[a-z]+", "differ[a-z]*", "deviat[a-z]+")
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−–", "0123456789---", "$\\{}()^* ")
_SMALL = re.compile(
    r"(?<![0-9])10-([0-9]{1,2})(?![0-9])|(?<![0-9])1(?:\.0)?e-([0-9]{1,2})|(0\.0{0,11}1)(?![0-9])", re.I
)


def _says(words: tuple[str, ...], sentence: str) -> bool:
    return re.search(rf"\b(?:{'|'.join(words)})", sentence, re.I) is not None


def promises(statement: str) -> dict[str, Any]:
    """Keys of a reference that the statement stands for: of abs_tol, rel_tol, ignore_case, any_order, in_place.

    >>> promises("Absolute or relative error of at most 10^{-6} is accepted.")
    {'abs_tol': 1e-06, 'rel_tol': 1e-06}
    """
    return dict(_promises(statement[:_MOST]))


@functools.lru_cache(maxsize=1024)
def _promises(statement: str) -> tuple[tuple[str, Any], ...]:
    found: dict[str, Any] = {}
    in_place = re.search(r"\bin[- ]?place\b", statement, re.I) is not None
    for part in _END.split(statement):
        sentence = " ".join(part.split())
        about_answer = _ANSWER.search(sentence) is not None and _GIVEN.search(sentence) is None
        if _says(_ERROR, sentence):
            found |= _tolerance(sentence)
        if about_answer and _says(_ANY_CASE, sentence):
            found["ignore_case"] = True
        if about_answer and _says(_ANY_ORDER, sentence):
            found["any_order"] = True
        if in_place and _says(_NOTHING, sentence):
            found["in_place"] = True
    return tuple(found.items())


def _tolerance(sentence: str) -> dict[str, float]:
    """The first small power of ten in the sentence: 10^{-6}, 10-6 (a lost superscript), 1e-6, 0.000001."""
    number = _SMALL.search(sentence.translate(_SUPERSCRIPT))
    if number is None:
        return {}
    value = float(number[3] or f"1e-{number[1] or number[2]}")
    if not 1e-15 < value < 1:
        return {}
    absolute, relative = "absolute" in sentence.lower(), "relative" in sentence.lower()
    kinds = {"abs_tol": absolute or not relative, "rel_tol": relative or not absolute}
    return {kind: value for kind, holds in kinds.items() if holds}
