"""Golds with one thing changed: a digit, a sign, a bracket, a name, a function, a word, an item; and golds rewritten.

`mutants` change the value (where they may not, the caller has to know), `rewritings` never do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["items_of", "mutants", "rewritings"]

_FUNCTIONS = {
    "sin": "cos", "cos": "sin", "tan": "cot", "ln": "sin", "log": "sin", "max": "min", "min": "max", "gcd": "max",
    "arcsin": "arccos", "arccos": "arcsin", "arctan": "arcsin", "cup": "cap", "cap": "cup",
    "le": "ge", "leq": "geq", "ge": "le", "geq": "leq",
    "frac": "binom", "dfrac": "dbinom", "binom": "frac", "sum": "prod", "prod": "sum", "pi": "phi", "infty": "pi",
}  # fmt: skip
"""A command and the one that takes its place."""
_ENDS = {"<": "\\le ", ">": "\\ge ", "le": "<", "leq": "<", "ge": ">", "geq": ">"}
"""A sign of order, and the same with its end taken in or left out."""
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
            if char in _ENDS:
                yield "end", before + _ENDS[char] + after
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
        if (end := _ENDS.get(match[0][1:])) is not None:
            yield "end", gold[: match.start()] + end + gold[match.end() :]
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
    yield from _with_other_items(gold)
    if re.fullmatch(r"-?[1-9]\d*", gold):
        for name in ("x=", ""):
            yield "chain", f"{name}{int(gold) + 1}={gold}"
            yield "chain", f"{name}{gold}={int(gold) + 1}"
        yield "unit", f"{gold}\\%"
    if re.fullmatch(
        r"-?[\d.,]+ ?\\text\{ ?(?!units?\}|million)[a-z]{1,12}\}", gold
    ):  # where it has none, an answer may give it one
        yield "unit", f"{gold}^2"
        yield "unit", f"{gold}\\text{{ per second}}"
        yield "unit", re.sub(r"\{.*", r"{ furlongs}", gold)


def items_of(gold: str) -> list[str]:
    """The items of a list without brackets; one item where it is none, or may be a number with grouped digits."""
    found, depth, last = [], 0, 0
    for match in re.finditer(r"\\?[()\[\]{}]|,(?!\d{3}(?!\d))", gold):
        if match[0] == ",":
            if not depth:
                found.append(gold[last : match.start()].strip())
                last = match.end()
        else:
            depth += 1 if match[0][-1] in "([{" else -1
    return [*found, gold[last:].strip()]


def _with_other_items(gold: str) -> Iterator[tuple[str, str]]:
    """A list in which an item occurs once more, once less, or in the place of another one; a tuple in another order."""
    items = items_of(gold)
    if len(items) > 1 and len(set(items)) == len(items):
        yield "item", ", ".join([*items, items[0]])
        yield "item", ", ".join([items[-1], *items])
        yield "item", ", ".join(items[1:])
        yield "item", ", ".join([*items[:-1], items[0]])
    if re.fullmatch(r"\([^()]*\)", gold) and len(inner := items_of(gold[1:-1])) > 1:
        yield "order", f"({', '.join([*inner[1:], inner[0]])})"
        yield "item", f"({', '.join([*inner, inner[-1]])})"


_NUMERIC = re.compile(r"-?(?:\d+(?:\.\d+)?|\\d?frac\{\d+\}\{\d+\}|\d*\\sqrt\{\d+\}|\d*\\pi)")


def rewritings(gold: str) -> Iterator[tuple[str, str]]:
    """How the gold was written anew, and the gold after it."""
    yield "blanks", f" {gold} "
    yield "dollars", f"${gold}$"
    yield "box", f"\\boxed{{{gold}}}"
    items = items_of(gold)
    if len(items) > 1 and all(map(_NUMERIC.fullmatch, items)):
        yield "order", ", ".join(reversed(items))
        yield "and", " and ".join(items)
    if _NUMERIC.fullmatch(gold):
        yield "negation", f"-(-({gold}))"
        yield "zero", f"0+{gold}"
        yield "one", f"({gold})\\cdot 1"
        yield "quotient", f"\\frac{{{gold}}}{{1}}"
        yield "name", f"x={gold}"
        yield "chain", f"S={gold}+0={gold}"
    for old, new in (("\\frac", "\\dfrac"), ("\\dfrac", "\\frac"), ("(", "\\left("), ("\\leq", "\\le")):
        if re.search(re.escape(old) + r"(?![A-Za-z])", gold) and "\\left" not in gold:
            changed = gold.replace(old, new)
            yield "style", changed.replace(")", "\\right)") if new == "\\left(" else changed
