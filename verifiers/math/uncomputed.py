"""Whether an answer only says again a calculation that the question has, where its result is asked for."""

from __future__ import annotations

import re
from collections import Counter

NOT_CARRIED_OUT = "the question's own calculation, not carried out"

_PLAIN = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SPELLINGS = (
    (re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}"), r"(\1)/(\2)"),
    (re.compile(r"\\(?:times|cdot)\b|[×·∙⋅]|(?<=[\d)])\s*x\s*(?=[\d(])"), "*"),
    (re.compile(r"\\div\b|÷"), "/"),
    (re.compile(r"\\(?:left|right|[,;:! ])|[${}]"), " "),
)
_WORDS = re.compile(r"\\?[^\W\d_]+|[:?°]|\(\s*\)")  # names, units and the words of an announcement
_CALCULATION = re.compile(r"[\d.,\s()+−*/^-]+")
_OPERATION = re.compile(r"[\d)]\s*(?:[-+−*/^]|\)\s*\()\s*[-+−(\s]*\d|\d\s*\(\s*\d|\)\s*\d")


def uncomputed(prompt: str, gold: str, answer: str) -> bool:
    """Whether `gold` is a number and `answer` a calculation not carried out, with numbers that stand together in
    a calculation of the prompt. Equal to the reference as it is, it answers nothing, and a policy that is rewarded for
    it learns to copy. (3·4 for three boxes of four apples is another thing: somebody found out what to calculate.)

    >>> uncomputed("What is 7 * 3?", "21", "3 * 7 ="), uncomputed("What is 7 * 3?", "21", "7 * 3 = 21")
    (True, False)
    """
    if not _PLAIN.fullmatch(gold.strip().strip("$")):
        return False
    asked = [_numbers(span) for span in _CALCULATION.findall(_plain(prompt)) if _OPERATION.search(span)]
    said = [side for side in map(str.strip, _WORDS.sub(" ", _plain(answer)).rstrip(" .=").split("=")) if side]
    return bool(said) and all(
        _CALCULATION.fullmatch(side)
        and _OPERATION.search(side)
        and any(_numbers(side) <= there for there in asked)
        and not ("." in gold and _only_a_fraction(side))
        and ("^" not in side or _squeezed(side) in _squeezed(prompt))
        for side in said
    )


def _plain(text: str) -> str:
    for spelling, plain in _SPELLINGS:
        text = spelling.sub(plain, text)
    return text


def _only_a_fraction(text: str) -> bool:
    """3/4 for 0.75 is another way to write it."""
    return "/" in text and not re.search(r"[+*^−-]", text)


def _squeezed(text: str) -> str:
    """Without what is written between the parts of a power."""
    return re.sub(r"[\s{}$()]", "", text.replace("**", "^"))


def _numbers(text: str) -> Counter[str]:
    return Counter(number.replace(",", "") for number in _NUMBER.findall(text))
