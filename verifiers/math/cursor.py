"""A position in a list of tokens: look ahead, take the next one, require a certain one."""

from __future__ import annotations

from verifiers.math.lex import Token
from verifiers.math.normalise import Unreadable

__all__ = ["END", "Cursor"]

END = Token("end", "")
"""The token after the last one."""


class Cursor:
    """A position in `tokens`; a run of letters becomes one symbol per letter."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens: list[Token] = []
        for token in tokens:
            if token.kind == "run":
                self.tokens += [Token("sym", c, token.spaced and i == 0) for i, c in enumerate(token.text)]
            else:
                self.tokens.append(token)
        self.at = 0

    def peek(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else END

    def take(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def next_is(self, kind: str, *texts: str) -> bool:
        token = self.peek()
        return token.kind == kind and (not texts or token.text in texts)

    def expect(self, kind: str, text: str) -> None:
        token = self.take()
        if token.kind != kind or token.text != text:
            raise Unreadable(f"expected {text!r}, found {token.text!r}")
