"""Random expressions with their LaTeX and their value: what a verifier's judgement of two texts is held against.

An expression is a nested tuple: a number, a letter, or an operation and its arguments. `value` computes it with
Python's integers and fractions, and knows nothing of the verifier.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

__all__ = ["change", "decimal", "differ", "latex", "points", "rational", "value", "written"]

Expression = Any
_SWAPS = {
    "floor": "ceil",
    "ceil": "floor",
    "max": "min",
    "min": "max",
    "gcd": "max",
    "abs": "floor",
    "+": "-",
    "-": "+",
}
_TWO = ("+", "-", "*", "max", "min")


def written(draw: random.Random, letters: str, depth: int = 3) -> Expression:
    """A random expression in `letters` with sums, products, floors, absolute values, maxima, divisors, factorials."""
    if depth == 0 or draw.random() < 0.15:
        return (
            draw.choice(letters)
            if draw.random() < 0.7
            else draw.choice([1, 2, 3, 5, 7, 10, 12, 40, 100, 999])
        )
    kind = draw.choice(
        ["two", "two", "two", "abs", "floor", "ceil", "square", "root", "gcd", "!", "binom", "sign"]
    )
    inner = written(draw, letters, depth - 1)
    if kind == "two":
        return (draw.choice(_TWO), inner, written(draw, letters, depth - 1))
    if kind in ("floor", "ceil"):
        return (kind, ("/", inner, draw.randint(2, 12)))
    if kind == "square":
        return ("^", inner, draw.randint(2, 3))
    if kind == "root":
        return ("root", inner)
    if kind == "gcd":
        return ("gcd", "n", draw.choice([4, 6, 12, 35, 60])) if "n" in letters else ("abs", inner)
    if kind in ("!", "binom", "sign"):
        if "n" not in letters:
            return ("abs", inner)
        shifted = ("+", "n", draw.randint(1, 3))
        return {"!": ("!", shifted), "binom": ("binom", shifted, 2), "sign": ("sign", shifted)}[kind]
    return (kind, inner)


def latex(form: Expression) -> str:
    if not isinstance(form, tuple):
        return str(form)
    op, *args = form
    texts = [latex(arg) for arg in args]
    if op in ("+", "-"):
        right = f"({texts[1]})" if isinstance(args[1], tuple) and args[1][0] in "+-" else texts[1]
        return f"{texts[0]}{op}{right}"
    if op == "*":
        return "\\cdot ".join(
            f"({text})" if isinstance(arg, tuple) else text for arg, text in zip(args, texts, strict=True)
        )
    if op == "/":
        return f"\\frac{{{texts[0]}}}{{{texts[1]}}}"
    if op == "^":
        return f"({texts[0]})^{texts[1]}"
    if op == "root":
        return f"\\sqrt{{({texts[0]})^2}}"
    if op == "!":
        return f"({texts[0]})!"
    if op == "binom":
        return f"\\binom{{{texts[0]}}}{{{texts[1]}}}"
    if op == "sign":
        return f"(-1)^{{{texts[0]}}}"
    if op == "abs":
        return f"\\left|{texts[0]}\\right|"
    if op in ("floor", "ceil"):
        return f"\\left\\l{op} {texts[0]} \\right\\r{op}"
    return f"\\{op}({', '.join(texts)})"


def value(form: Expression, point: dict[str, Fraction]) -> Fraction:
    """The value at a point. Raises ValueError where there is none."""
    if isinstance(form, int):
        return Fraction(form)
    if isinstance(form, str):
        return point[form]
    op, *args = form
    found = [value(arg, point) for arg in args]
    one, two = found[0], found[-1]
    if op in ("gcd", "!", "binom", "sign") and (one.denominator != 1 or one < 0 or one > 400):
        raise ValueError("not a natural number")
    match op:
        case "+":
            return one + two
        case "-":
            return one - two
        case "*":
            return one * two
        case "/":
            return one / two
        case "^":
            return one ** int(two)
        case "root" | "abs":
            return abs(one)
        case "floor":
            return Fraction(math.floor(one))
        case "ceil":
            return Fraction(math.ceil(one))
        case "max":
            return max(found)
        case "min":
            return min(found)
        case "gcd":
            return Fraction(math.gcd(int(one), int(two)))
        case "!":
            return Fraction(math.factorial(int(one)))
        case "binom":
            return Fraction(math.comb(int(one), int(two)))
        case "sign":
            return Fraction((-1) ** int(one))
    raise AssertionError(op)


def points(letters: str) -> Iterator[dict[str, Fraction]]:
    """Points near and far, on all sides; n and k are whole numbers above zero, other letters any."""
    draw = random.Random(7)
    for turn in range(900):
        scale = (3, 12, 60, 400, 3000)[turn % 5]
        yield {
            letter: Fraction(draw.randint(1, scale if letter != "n" or turn % 2 else 12))
            if letter in "nk"
            else Fraction(draw.randint(-scale * 12, scale * 12), draw.choice([1, 1, 2, 3, 12]))
            for letter in letters
        }


def differ(one: Expression, two: Expression, at: list[dict[str, Fraction]]) -> bool:
    """Whether two expressions have different values at one of the points."""
    for point in at:
        try:
            if value(one, point) != value(two, point):
                return True
        except ValueError:
            continue
    return False


def change(form: Expression, letters: str, draw: random.Random) -> Expression:
    """`form` with one thing changed: a number, a letter, an operation, or one taken away."""
    places = list(_places(form, ()))
    place = draw.choice(places)
    return _with(form, place, lambda old: _other(old, letters, draw))


def _places(form: Expression, place: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    yield place
    if isinstance(form, tuple):
        for at, part in enumerate(form[1:], 1):
            if not (form[0] in ("^", "/", "binom") and at == 2):
                yield from _places(part, (*place, at))


def _with(form: Expression, place: tuple[int, ...], make: Any) -> Expression:
    if not place:
        return make(form)
    parts = list(form)
    parts[place[0]] = _with(parts[place[0]], place[1:], make)
    return tuple(parts)


def _other(form: Expression, letters: str, draw: random.Random) -> Expression:
    if isinstance(form, int):
        return draw.choice([form + 1, max(form - 1, 0) + 3 * (form == 1), form * 10 + 1])
    if isinstance(form, str):
        return draw.choice([letter for letter in letters if letter != form] or [("+", form, 1)])
    op = form[0]
    if op in ("abs", "root", "^", "floor", "ceil") and draw.random() < 0.5:
        return form[1]
    if op in ("max", "min") and draw.random() < 0.5:
        return draw.choice(form[1:])
    if op in ("floor", "ceil"):
        return (op, ("/", form[1][1], form[1][2] + draw.choice([1, -1] if form[1][2] > 2 else [1])))
    if op in ("+", "-", "max", "min"):
        return (_SWAPS[op], *form[1:])
    if op == "gcd":
        return ("gcd", form[1], draw.choice([2, 3, 10, 70, 120]))
    if op in ("!", "sign", "binom"):
        return (op, ("+", form[1], 1), *form[2:])
    return ("+", form, draw.choice([1, 2]))


# --- how a fraction is written ------------------------------------------------------------------------------


def rational(value: Fraction, command: str = "frac") -> str:
    """A fraction in LaTeX, a whole number in digits."""
    sign = "-" if value < 0 else ""
    return (
        f"{sign}\\{command}{{{abs(value.numerator)}}}{{{value.denominator}}}"
        if value.denominator > 1
        else str(value)
    )


def decimal(value: Fraction) -> str | None:
    """Its decimal, where that ends."""
    for places in range(12):
        if (scaled := value * 10**places).denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            return ("-" if value < 0 else "") + (
                digits[:-places] + "." + digits[-places:] if places else digits
            )
    return None
