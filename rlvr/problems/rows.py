"""What a row of a source is, where it was found, and what stands at a path in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any, NamedTuple

from rlvr.errors import UserError
from verifiers.code.cells import decoded
from verifiers.code.formats import BadReferenceError

Row = Mapping[str, Any]


class ProblemError(UserError):
    """A source cannot be read, a row cannot be a problem, or two sets overlap."""


class Place(NamedTuple):
    """Where a row was found."""

    source: str
    """The file, or the name of the data set."""
    number: int
    """Of the row in it, from 0; it survives filters, shuffles and limits."""
    stem: str
    """The source's name in the ids of its problems."""

    @property
    def id(self) -> str:
        """The problem's id, where the row has none."""
        return f"{self.stem}-{self.number}"


Rows = Iterator[tuple[Place, Row]]


def short(value: Any, limit: int = 120) -> str:
    """The value on one line, for an error message."""
    text = " ".join(value.split()) if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def value_at(row: Row, path: str) -> Any:
    """The value of a column, or at a path into one (`messages.0.content`, `answers.-1`), through texts of JSON or of
    Python literals too.

    Raises KeyError(path) where there is none.
    """
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        value = _entered(value)
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif (
            isinstance(value, list | tuple)
            and part.removeprefix("-").isdecimal()
            and -len(value) <= int(part) < len(value)
        ):
            value = value[int(part)]
        else:
            raise KeyError(path)
    return value


def _entered(value: Any) -> Any:
    """What a text holds, and the list that an array is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return decoded(value, "")
        except BadReferenceError:
            return value
    to_list = getattr(value, "tolist", None)
    return value if to_list is None else to_list()


def is_blank(value: Any) -> bool:
    """Nothing, white space, or NaN, which is what tables have for nothing."""
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, float) and isnan(value))
    )
