"""Golds with one thing changed: a digit, a sign, a bracket, a name, a function, a word."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["mutants"]

_FUNCTIONS = {
    "sin": "cos", "cos": "sin", "tan": "cot", "ln": "sin", "log": "sin", "max": "min", "min": "max", "gcd": "max",
    "arcsin": "arccos", "arccos": "arcsin", "arctan": "arcsin", "cup": "cap", "cap": "cup",
    "le": "ge", "leq": "geq", "ge": "le", "geq": "leq",
    "frac": "binom", "dfrac": "dbinom", "binom": "frac", "sum": "prod", "prod": "sum", "pi": "phi", "infty": "pi",
}  # fmt: skip
"""A command and the one that takes its place."""
_BRACKETS = {"(": "[", "[": "(", ")": "]", "]": ")"}
_SIGNS = {"+": "-", "-": "+", "<": ">", ">": "<"}
_COMMAND = re.compile(r"\\[A-Za-z]+")
_TEXT = re.compile(r"\\(?:text|mathrm|mbox|operatorname|begin|end)\s?\{[^{}]*\}|\\[A-Za-z]+")
_PAIR = re.compile(r"\\l(floor|ceil)\b(.*?)\\r\1\b")


def mutants(gold: str) -> Iterator[tuple[str, str]]:
    """What was changed, and the gold after it."""
    hidden = [match.span() for match in _TEXT.finditer(gold)]

    def spelled(at: int) -> bool:
        return any(low <= at < high for low, high in hidden)

    for at, char in enumerate(gold):
        before, after = gold[:at], gold[at + 1 :]
        if char.isdigit():
            yield "digit", before + str((int(char) + 1) % 10) + after
            yield "digit", before + str((int(char) + 7) % 10) + after
        elif spelled(at):
            continue
        elif char in _SIGNS:
            yield "sign", before + _SIGNS[char] + after
        elif char in _BRACKETS:
            yield "bracket", before + _BRACKETS[char] + after
        elif char == "|" and after.count("|"):
            yield "bracket", before + after.replace("|", "", 1)
        elif char.isalpha() and not gold[at - 1 : at].isalpha() and not after[:1].isalpha():
            yield "name", before + ("y" if char in "xX" else "x") + after
    for match in _COMMAND.finditer(gold):
        other = _FUNCTIONS.get(match[0][1:])
        if other is not None:
            yield "function", gold[: match.start()] + "\\" + other + gold[match.end() :]
    for match in _PAIR.finditer(gold):
        other = "ceil" if match[1] == "floor" else "floor"
        yield "function", gold[: match.start()] + f"\\l{other}{match[2]}\\r{other}" + gold[match.end() :]
    for match in re.finditer(r"\\sqrt(?=\s?[\{\d])", gold):
        yield "function", gold[: match.start()] + gold[match.end() :]
    if gold[:1].isdigit() or gold[:1] in "\\(":
        yield "sign", "-" + gold
    if re.fullmatch(r"[\d.,]+", gold):
        for word in (
            "million",
            "squared",
            "factorial",
            "plus x",
            "minus one",
            "halves",
            "hundred",
            "below zero",
        ):
            yield "word", f"{gold} \\text{{ {word}}}"
