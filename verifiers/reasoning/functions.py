"""Functions that the problem or the trace defines: `f(x) = x^2 - 3x` makes `f(5)` a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from verifiers.reasoning.algebra import SEVERAL_VALUED, identical
from verifiers.reasoning.statements import Chain, Side
from verifiers.reasoning.tree import Expression, Node, Unreadable

__all__ = ["Functions"]


@dataclass(frozen=True, slots=True)
class _Function:
    letters: tuple[str, ...]
    body: Expression


class Functions:
    """What each function is: the one definition that is given for it. A function with two different ones is unread."""

    def __init__(self, chains: Iterable[Chain]) -> None:
        self.known: dict[str, _Function | None] = {}
        for chain in chains:
            if chain.relations[0] == "=" and not chain.modular and not chain.question:
                self.learn(chain.sides[0], chain.sides[1])

    def learn(self, left: Side, right: Side) -> None:
        if not left.ending or left.ending[0].node[0] != "call":
            return
        name, *arguments = left.ending[0].node[1:]
        letters = tuple(node[1] for node in arguments if node[0] == "var" and node[1] != "i")
        if not right.opening:
            if len(letters) == len(arguments):
                self.known[name] = None  # given by cases, or otherwise not read
            return
        body = right.opening[0]
        if len(letters) < len(arguments) or not letters or body.features & SEVERAL_VALUED - {"abs"}:
            return
        if not set(letters) <= body.variables:
            return  # f(x) = 0 is an equation
        found = _Function(letters, body)
        if name not in self.known:
            self.known[name] = found
        elif (other := self.known[name]) is not None and not _same(found, other):
            self.known[name] = None

    def resolve(self, chain: Chain) -> Chain:
        """The chain with the values of known functions in it, as far as they are known."""
        if not any("call" in e.features for side in chain.sides for e in (*side.ending, *side.opening)):
            return chain
        return replace(chain, sides=[self._side(side) for side in chain.sides])

    def _side(self, side: Side) -> Side:
        return replace(
            side,
            ending=[self._expression(e) for e in side.ending],
            opening=[self._expression(e) for e in side.opening],
            first=side.first and self._expression(side.first),
        )

    def _expression(self, e: Expression) -> Expression:
        if "call" not in e.features:
            return e
        used: list[_Function] = []
        try:
            node = self._node(e.node, used)
        except Unreadable:
            return e
        letters = frozenset[str]().union(*(each.body.variables - {*each.letters} for each in used))
        features = (e.features - {"call"}).union(*(each.body.features for each in used))
        return Expression(node, e.variables | letters, e.operations + 1, features, None, e.numbers)

    def _node(self, node: Node, used: list[_Function]) -> Node:
        if node[0] == "call":
            function = self.known.get(node[1])
            if function is None or len(function.letters) != len(node) - 2:
                raise Unreadable
            used.append(function)
            return ("apply", function.letters, function.body.node, *(self._node(n, used) for n in node[2:]))
        return tuple(self._node(part, used) if isinstance(part, tuple) and part else part for part in node)


def _same(one: _Function, other: _Function) -> bool:
    try:
        return one.letters == other.letters and identical(one.body, other.body) is True
    except Unreadable:
        return False
