"""Expressions as trees, and what the check needs to know about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from verifiers.reasoning.tokens import Token

__all__ = ["Expression", "Node", "Undefined", "Unreadable"]

Node = tuple[Any, ...]
"""A kind, then children: nodes, a token, a name or a value."""


class Unreadable(Exception):  # noqa: N818 - a result, not an error
    """The tokens are not an expression, or its value cannot be computed within the limits."""


class Undefined(Unreadable):
    """The expression divides by zero."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression, and what the check needs to know about it."""

    node: Node
    variables: frozenset[str]
    operations: int
    """Number of its operators: 0 for a number."""
    features: frozenset[str]
    """Its ambiguities ("percent", "mixed", "tight", "log"), and what else is in it: "pi", "cut" (0.33…), "deg", "abs",
    "angle" (in radians or degrees), "arc" (the value of an inverse function), "pm" (±), "array", "call" (f(x))."""
    literal: Token | None
    """The number, if the expression is a single number (a sign before it is allowed)."""
    numbers: tuple[Token, ...] = ()
    """All numbers in it."""
