"""Combinations and arrangements in the parser: C(10, 3), C_{10}^{3}, C^3_{10}, {}_{10}C_3, P(5, 2), A_5^2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifiers.math.normalise import Unreadable
from verifiers.math.tree import Node, as_digits, selection, sym

if TYPE_CHECKING:
    from verifiers.math.parse import Parser

__all__ = ["indexed_selection", "preceded_selection", "read_selection"]


def read_selection(parser: Parser, name: str) -> Node | None:
    """C(10, 3) and C^3_{10}, after the letter; None if something else follows it"""
    if name == "C" and parser.next_is("op", "^") and _index_after_power(parser):
        parser.take()
        count = parser.argument()
        parser.expect("op", "_")
        return selection(name, parser.argument(), count)
    if parser.next_is("open", "(") and _two_arguments(parser):
        parser.take()
        return selection(name, *parser.arguments())
    return None


def preceded_selection(parser: Parser) -> Node:
    """_{10}C_3 and ^{10}C_3, after the first sign"""
    total = parser.argument()
    name = parser.take().text
    parser.expect("op", "_")
    if name not in ("C", "P"):
        raise Unreadable("an index without a name")
    return selection(name, total, parser.argument())


def indexed_selection(parser: Parser, name: str, total: Node) -> Node:
    """C_{10}^{3} and A_{10}^{3}, combinations and arrangements of `total` things; or a power of C_1"""
    parser.take()
    count = parser.exponent()
    numbers = total.op == count.op == "num"
    if numbers and count.args[0] <= total.args[0] > 1:
        return selection(name, total, count)
    if name == "C" and not numbers and total.op in ("sym", "add"):
        return selection(name, total, count)
    letter = (
        sym(f"{name}_{as_digits(total.args[0])}") if total.op == "num" else Node("call", (name + "_", total))
    )
    return Node("pow", (letter, count))


def _index_after_power(parser: Parser) -> bool:
    """whether a number as power and then an index follow: C^{3}_{10}"""
    if parser.peek(1).kind == "num":
        return parser.peek(2)[:2] == ("op", "_")
    return [parser.peek(at).text for at in (1, 3, 4)] == ["{", "}", "_"] and parser.peek(2).kind == "num"


def _two_arguments(parser: Parser) -> bool:
    """whether one comma stands in the brackets that open here"""
    depth = commas = 0
    for token in parser.tokens[parser.at :]:
        depth += (token.kind in ("open", "begin")) - (token.kind in ("close", "end"))
        commas += depth == 1 and token[:2] == ("sep", ",")
        if depth == 0:
            break
    return commas == 1
