"""A place in the tokens of an expression, and what has been seen of it."""

from __future__ import annotations

from verifiers.reasoning.tokens import Token
from verifiers.reasoning.tree import Unreadable

__all__ = ["Cursor"]


class Cursor:
    """What `grammar` reads from. Every step raises Unreadable at the end of the tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.names: set[str] = set()
        self.features: set[str] = set()
        self.operations = 0

    def peek(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def next(self) -> Token:
        token = self.peek()
        if token is None:
            raise Unreadable
        self.at += 1
        return token

    def is_op(self, signs: str) -> bool:
        token = self.peek()
        return token is not None and token.kind == "op" and token.text in signs

    def braced(self) -> list[Token]:
        """The tokens of a `{…}` group, or the single token in its place."""
        first = self.next()
        if first.text != "{":
            return [first]
        start, level = self.at, 1
        while level:
            token = self.next()
            level += (token.text == "{") - (token.text == "}")
        return self.tokens[start : self.at - 1]
