"""One value and its marks: a currency, a unit, a percent or degree sign, ± signs."""

from __future__ import annotations

from fractions import Fraction

from verifiers.latex import word_set
from verifiers.math import regions
from verifiers.math.lex import Token
from verifiers.math.normalise import Unreadable
from verifiers.math.parse import Parser
from verifiers.math.tree import Node, num
from verifiers.math.units import is_unit, read_units
from verifiers.math.values import Decimal, Matrix, Region, Scalar, Sequence, Value
from verifiers.math.vectors import UNIT_VECTORS, components, matrix_rows

__all__ = ["scalar"]

_CURRENCIES = word_set("dollar euro gbp yen rupee")
MEASURE = 16
"""Most tokens of a number with a unit in letters: `9.8 \\frac{m}{s^{2}}` has twelve."""
_PREFIXES = word_set("approximately approx about exactly roughly")


def scalar(tokens: list[Token]) -> Value:
    start = 0
    while start < len(tokens) and tokens[start].kind == "word" and tokens[start].text.lower() in _PREFIXES:
        start += 1
    tokens = tokens[start:]
    unit: str | None = None
    if (
        len(tokens) > 1 and tokens[0].kind in ("word", "run") and tokens[1].kind in ("num", "money")
    ):  # USD 5, US$5
        if tokens[1].kind == "num":
            named = read_units([(tokens[0].text, 1)])
            unit = named[1] if named is not None else None
            if unit not in _CURRENCIES:
                raise Unreadable("a word before a number")
        tokens = tokens[1:]
    if len(tokens) > 1 and tokens[0].kind == "op" and tokens[0].text in "+-" and tokens[1].kind == "money":
        tokens, unit = [tokens[0], *tokens[2:]], tokens[1].text
    elif len(tokens) > 1 and tokens[0].kind == "money":
        tokens, unit = tokens[1:], tokens[0].text
    if not tokens:
        raise Unreadable("a currency sign without a value")
    tokens, bracketed = _unit_in_brackets(tokens)
    parser = Parser(tokens)
    node = parser.whole()
    rest = [*parser.tokens[parser.at :], *bracketed]
    percent, factor = False, Fraction(1)
    if rest and rest[0].kind == "money" and unit is None:
        unit, rest = rest[0].text, rest[1:]
    if rest:
        found = read_units(_unit_words(rest))
        if found is None:
            raise Unreadable("words after a value that are not a unit")
        factor, name = found
        if factor != 1:
            node = num(node.args[0] * factor) if node.op == "num" else Node("mul", (node, num(factor)))
        if name == "percent":
            percent = True
        else:
            unit = _joined(unit, name)
    if node.op == "percent":
        node, percent = node.args[0], True
    elif node.op == "neg" and node.args[0].op == "percent":
        node, percent = Node("neg", (node.args[0].args[0],)), True
    if node.op == "deg" or (node.op == "neg" and node.args[0].op == "deg"):
        if unit not in (None, "celsius", "fahrenheit"):
            raise Unreadable("degrees and another unit")
        node = node.args[0] if node.op == "deg" else Node("neg", (node.args[0].args[0],))
        unit = unit or "degree"
    elif node.op == "mul" and node.args[-1].op == "deg" and unit is None:  # \frac{45}{2} \pi^\circ
        node, unit = Node("mul", (*node.args[:-1], node.args[-1].args[0])), "degree"
    return _typed(node, unit, percent, parser.tokens[: parser.at] if factor == 1 else [])


def _joined(currency: str | None, name: str) -> str | None:
    """The unit of $5 million, $5 dollars, $5 in profit, $5 per hour."""
    words = name.split()
    if currency is None or currency in words or not words:
        return name or currency
    if not any(is_unit(word.split("^")[0]) for word in words):
        return currency
    if not all("^-" in word for word in words):
        raise Unreadable("a currency and another unit")
    return " ".join(sorted((currency, *words)))


def _unit_in_brackets(tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """`9 (apples)`, `5 (m/s)`: the tokens before the brackets, and those inside if they are a unit."""
    if tokens[-1].text != ")":
        return tokens, []
    opening = next((at for at, token in enumerate(tokens) if token[:2] == ("open", "(")), 0)
    inside = tokens[opening + 1 : -1]
    if not opening or not inside or not tokens[opening].spaced:
        return tokens, []
    if len(inside) > 2 and inside[0].kind == "sym" and inside[1].text == "-":  # t-shirts
        inside = inside[2:]
    if any(token.kind not in ("word", "sym", "run", "num", "op") for token in inside):
        return tokens, []
    if inside[0].kind != "word" and not is_unit(inside[0].text) and not any(t.kind == "word" for t in inside):
        return tokens, []
    words = [token._replace(kind="word") if token.kind in ("sym", "run") else token for token in inside]
    return tokens[:opening], words


def _unit_words(rest: list[Token]) -> list[tuple[str, int]]:
    words: list[tuple[str, int]] = []
    position = 0
    while position < len(rest):
        token = rest[position]
        following = rest[position + 1 : position + 6]
        if token.kind == "word" or (token.kind == "sym" and words and is_unit(token.text)):
            power = 1
            if following and following[0].text == "^" and len(following) > 1:
                exponent = following[1:]
                if exponent[0].text == "{":
                    exponent = exponent[1:]
                    position += 2
                sign = -1 if exponent and exponent[0].text == "-" else 1
                if sign < 0:
                    exponent = exponent[1:]
                    position += 1
                if not exponent or exponent[0].kind != "num" or exponent[0].value is None:
                    raise Unreadable("a unit to a power that is not a number")
                power = sign * int(exponent[0].value)
                position += 2
            words.append((token.text, power))
        elif token[:2] == ("cmd", "frac") and position == 0:  # \frac{\text{m}}{\text{s}^2}
            closes = [
                at
                for at in range(1, len(rest))
                if rest[at].text == "}" and rest[min(at + 1, len(rest) - 1)].text in "{}"
            ]
            if not closes or rest[1].text != "{" or rest[-1].text != "}":
                raise Unreadable("a fraction after a value")
            middle = (
                next((at for at in closes if rest[at + 1].text == "{"), len(rest) - 1)
                if len(rest) > closes[0] + 1
                else 0
            )
            top, bottom = (
                _unit_words([token._replace(kind="word") if is_unit(token.text) else token for token in part])
                for part in (rest[2:middle], rest[middle + 2 : -1])
            )
            return [*top, ("per", 1), *bottom]
        elif token.text == "-" and words and following:  # foot-pounds, N-m
            pass
        elif token.text in ("/", "*", ".") or (token.kind == "op" and token.text == "'"):
            if token.text == "/":
                words.append(("per", 1))
        else:
            raise Unreadable(f"{token.text!r} after a value")
        position += 1
    return words


_SETS = {"∅": Region(()), "ℝ": regions.ALL}


def _typed(node: Node, unit: str | None, percent: bool, tokens: list[Token]) -> Value:
    if node.op == "sym" and node.args[0] in _SETS:
        return _SETS[node.args[0]]
    if any(token.kind in ("begin", "sep") for token in tokens) and (rows := matrix_rows(node)) is not None:
        return Matrix(rows)
    texts = {token.text for token in tokens}
    if texts & UNIT_VECTORS and (parts := components(node)) is not None:
        return Sequence(tuple(map(Scalar, parts)), "()")
    if texts & {"±", "∓"}:
        signs = _count_signs(node)
        if signs > 3:
            raise Unreadable("more than three ± signs")
        return Sequence(tuple(Scalar(chosen, unit, percent) for chosen in _choose_signs(node)), "")
    measure = _measure(tokens) if unit is None else None
    return Scalar(node, unit, percent, _decimal_of(tokens), measure=measure)


def _decimal_of(tokens: list[Token]) -> Decimal | None:
    """How the only number of `tokens`, which may have signs before it, was written as a decimal."""
    if not tokens or tokens[-1].places < 0 or not all(token.text in "+-" for token in tokens[:-1]):
        return None
    return Decimal(tokens[-1].places, tokens[-1].figures)


def _measure(tokens: list[Token]) -> Scalar | None:
    """`5 m`, `9.8 m/s^2` and `9.8 \\frac{m}{s^2}` as a number with a unit, for the case that the other side has one."""
    if not (2 <= len(tokens) <= MEASURE and tokens[0].kind == "num"):
        return None
    if tokens[1].kind != "sym" and tokens[1][:2] != ("cmd", "frac"):
        return None
    if not all(token.kind != "sym" or is_unit(token.text) for token in tokens[1:]) or tokens[0].value is None:
        return None
    try:
        found = read_units(
            _unit_words(
                [token._replace(kind="word") if token.kind == "sym" else token for token in tokens[1:]]
            )
        )
    except Unreadable:
        return None
    if found is None:
        return None
    number = tokens[0]
    return Scalar(
        num(tokens[0].value),
        found[1],
        decimal=Decimal(number.places, number.figures) if number.places >= 0 else None,
    )


# --- ± ----------------------------------------------------------------------------------------------------


def _count_signs(node: Node) -> int:
    return (node.op == "pm") + sum(_count_signs(part) for part in node.args if isinstance(part, Node))


def _choose_signs(node: Node) -> list[Node]:
    """The values of an expression with ± signs: ∓ is the opposite of every ±, several ± without ∓ are free."""
    if _has_opposite(node):
        return [_fixed(node, iter([sign] * 8)) for sign in (1, -1)]
    count = _count_signs(node)
    choices = [[1 if number >> bit & 1 == 0 else -1 for bit in range(count)] for number in range(2**count)]
    return [_fixed(node, iter(choice)) for choice in choices]


def _has_opposite(node: Node) -> bool:
    return (node.op == "pm" and node.args[1] == -1) or any(
        _has_opposite(part) for part in node.args if isinstance(part, Node)
    )


def _fixed(node: Node, signs: object) -> Node:
    if node.op == "pm":
        sign = next(signs) * node.args[1]  # type: ignore[call-overload]
        inner = _fixed(node.args[0], signs)
        return inner if sign > 0 else Node("mul", (num(-1), inner))
    return Node(node.op, tuple(_fixed(part, signs) if isinstance(part, Node) else part for part in node.args))
