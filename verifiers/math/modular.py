"""Congruences: x ≡ 3 (mod 8), 3 mod 8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from verifiers.math.cursor import split
from verifiers.math.evaluate import free_symbols
from verifiers.math.lex import Token
from verifiers.math.names import expression, name_of
from verifiers.math.normalise import Unreadable
from verifiers.math.tree import Node, sym
from verifiers.math.values import Family, Scalar, Value

__all__ = ["congruence", "modulo", "modulus_of"]

Reader = Callable[[list[Token]], Value]


def congruence(left: list[Token], right: list[Token], side: Reader) -> Value:
    """x ≡ 3 (mod 8)"""
    value = side(right)
    name = name_of(left)
    if not isinstance(value, Family) or name is None:
        raise Unreadable("a congruence without a modulus")
    return replace(value, label=name)


def modulus_of(tokens: list[Token]) -> list[Token]:
    """The tokens of "(mod 8)" or "mod 8" at the end."""
    at = next((at for at, token in enumerate(tokens) if token[:2] == ("op", "mod")), 0)
    return tokens[at - (tokens[at - 1].text == "(") :] if at else []


def modulo(tokens: list[Token]) -> Value | None:
    """3 (mod 8), 3 mod 8; None without a modulus."""
    if tokens[-1][:2] == ("close", ")"):
        opening = next((at for at in range(len(tokens) - 1, -1, -1) if tokens[at].text == "("), 0)
        if opening and tokens[opening + 1][:2] == ("op", "mod"):
            tokens = [*tokens[:opening], *tokens[opening + 1 : -1]]
    parts, cuts = split(tokens, "op", ("mod",))
    if len(cuts) != 1 or not all(parts):
        return None
    residues, commas = split(parts[0], "sep")
    modulus = expression(parts[1])
    if commas or free_symbols(modulus):
        raise Unreadable("a modulus that is not a number")
    residue = expression(residues[0])
    value = Node("add", (residue, Node("mul", (modulus, sym("k")))))
    return Family(Scalar(value), "k", residue=residue if _is_reduced(residue, modulus) else None)


def _is_reduced(residue: Node, modulus: Node) -> bool:
    """Whether a residue may stand for its class: 2 (mod 5) and -1 (mod 5), not 12 (mod 5), which is 2."""
    if residue.op != "num" or modulus.op != "num":
        return True
    return abs(residue.args[0]) < abs(modulus.args[0])
