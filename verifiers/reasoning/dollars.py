"""Dollar signs: the border of a formula, or money."""

from __future__ import annotations

import re

__all__ = ["opens_formula"]

_FORMULA_REACH = 400
"""Largest length in characters of a formula between single dollars."""


def opens_formula(text: str, start: int) -> bool:
    """Whether the dollar sign before `start` opens a formula; else it is money.

    Pandoc's rule (a closing dollar has no digit after it and no space before it), and no prose words or
    dangling operator inside.
    """
    closing = text.find("$", start, start + _FORMULA_REACH)
    while closing > 0 and text[closing - 1] == "\\":
        closing = text.find("$", closing + 1, start + _FORMULA_REACH)
    if closing < 0 or text[closing + 1 : closing + 2].isdigit():
        return False
    inside = text[start:closing]
    if "\n\n" in inside or not inside.strip():
        return False
    core = inside.strip()
    if core[-1] in "+-*/=×÷−(":
        return False
    if "\\" not in core and inside[-1].isspace() and core[0].isdigit():
        return False
    bare = re.sub(r"\\(?:text\w*|mathrm|mbox|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+", " ", core)
    return re.search(r"(?<=\s)[^\W\d_]{3,}(?=\s)", bare) is None
