"""Environments with rows: systems of equations, and piecewise definitions. A matrix is an expression; see `parse`."""

from __future__ import annotations

from collections.abc import Callable

from verifiers.latex import word_set
from verifiers.math.cursor import split
from verifiers.math.lex import Token
from verifiers.math.normalise import Unreadable
from verifiers.math.values import Piecewise, Qualified, Value

__all__ = ["read_layout"]

_SYSTEMS = word_set("cases dcases rcases aligned align align* alignedat gathered split array matrix")
_COMMA = Token("sep", ",")

Reader = Callable[[list[Token]], Value]


def read_layout(tokens: list[Token], statement: Reader, condition: Reader) -> Value | None:
    """The system or piecewise definition that `tokens` are; None for a matrix or anything else. Raises Unreadable."""
    if tokens[0][:2] == ("open", "set") and tokens[-1].kind == "end":  # \left\{\begin{array}
        tokens = tokens[1:]
    if tokens[0].kind != "begin" or tokens[0].text not in _SYSTEMS or tokens[-1].kind != "end":
        return None
    if sum(token.kind == "begin" for token in tokens) != 1:
        return None
    rows, _ = split(tokens[1:-1], "op", ("row",))
    cells = [[cell for cell in split(row, "op", ("&",))[0] if cell] for row in rows]
    cells = [_with_if(row) for row in cells if row]
    if tokens[0].text in ("array", "matrix") and not any(token.kind in ("rel", "word") for token in tokens):
        return None
    if not cells:
        raise Unreadable("an environment without rows")
    if (pieces := _pieces(cells, statement, condition)) is not None:
        return Piecewise(tuple(pieces))
    joined: list[Token] = []
    for row in cells:
        joined += [*([_COMMA] if joined else []), *_trimmed([token for cell in row for token in cell])]
    return statement(joined)


def _with_if(row: list[list[Token]]) -> list[list[Token]]:
    """A row whose word "if" is a cell of its own, with that cell and the next as one."""
    if len(row) == 3 and all(token.kind == "word" for token in row[1]):
        return [row[0], row[1] + row[2]]
    return row


def _trimmed(tokens: list[Token]) -> list[Token]:
    while tokens and tokens[-1].kind == "sep":
        tokens = tokens[:-1]
    return tokens


def _pieces(
    cells: list[list[list[Token]]], statement: Reader, condition: Reader
) -> list[tuple[Value, Value | None]] | None:
    """(value, condition) of each row; None if the rows are equations."""
    found: list[tuple[Value, Value | None]] = []
    for row in cells:
        if len(row) > 1 and row[1][0].kind == "rel":  # x &= 2
            return None
        if len(row) == 2 and not any(token.kind == "rel" for token in row[0]):
            value, when = statement(_trimmed(row[0])), row[1]
            otherwise = when[0].text.lower() in ("otherwise", "else")
            found.append((value, None if otherwise else condition(_trimmed(when))))
        elif len(row) == 1 and not any(token.kind == "rel" for token in split(row[0], "sep")[0][0]):
            value = statement(_trimmed(row[0]))
            if not isinstance(value, Qualified) or len(value.conditions) != 1:
                return None
            found.append((value.value, value.conditions[0]))
        else:
            return None
    return found
