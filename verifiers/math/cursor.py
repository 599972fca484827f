"""Lists of tokens: a position in one (look ahead, take, require a certain token), and splitting at separators."""

from __future__ import annotations

from verifiers.math.lex import Token
from verifiers.math.normalise import Unreadable

__all__ = ["END", "Cursor", "balanced", "split", "wrapped"]

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
        token = self.tokens[self.at] if self.at < len(self.tokens) else END
        return token.kind == kind and (not texts or token.text in texts)

    def expect(self, kind: str, text: str) -> None:
        token = self.take()
        if token.kind != kind or token.text != text:
            raise Unreadable(f"expected {text!r}, found {token.text!r}")


def split(tokens: list[Token], kind: str, texts: tuple[str, ...] = ()) -> tuple[list[list[Token]], list[str]]:
    """`tokens` split at the tokens of `kind` outside all brackets, and the texts of those tokens."""
    parts: list[list[Token]] = [[]]
    cuts: list[str] = []
    depth = 0
    for token in tokens:
        if token.kind in ("open", "begin"):
            depth += 1
        elif token.kind in ("close", "end"):
            depth -= 1
            if depth < 0:
                raise Unreadable("a bracket closes that was never opened")
        if depth == 0 and token.kind == kind and (not texts or token.text in texts):
            parts.append([])
            cuts.append(token.text)
        else:
            parts[-1].append(token)
    return parts, cuts


def wrapped(tokens: list[Token]) -> tuple[str, str] | None:
    """The bracket pair around all of `tokens`, or None."""
    if len(tokens) < 2 or tokens[0].kind != "open" or tokens[-1].kind != "close":
        return None
    depth = 0
    for position, token in enumerate(tokens):
        depth += (token.kind in ("open", "begin")) - (token.kind in ("close", "end"))
        if depth == 0 and position < len(tokens) - 1:
            return None
    return tokens[0].text, tokens[-1].text


_CLOSING = {"(": ")", "[": "]"}


def balanced(tokens: list[Token]) -> bool:
    """Whether every round and square bracket is closed by its like."""
    expected: list[str] = []
    for token in tokens:
        if token.kind == "open" and token.text in _CLOSING:
            expected.append(_CLOSING[token.text])
        elif (
            token.kind == "close"
            and token.text in _CLOSING.values()
            and (not expected or expected.pop() != token.text)
        ):
            return False
    return not expected
