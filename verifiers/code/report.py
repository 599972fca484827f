"""A failing test as one line of text, for a person or for the policy."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any, Literal

from verifiers.types import Status

Feedback = Literal["status", "input", "expected"]
WIDTH = 120
"""Largest length in characters of a value that is shown."""


@dataclass(frozen=True)
class Failure:
    """The first failure of a program."""

    status: Status
    what: str
    got: str = ""
    test: str = ""
    given: str = ""
    expected: str = ""

    def at(self, index: int, total: int, given: str, expected: str) -> Failure:
        """The same failure, with the test that it occurred in."""
        return replace(self, test=f"test {index + 1} of {total}", given=given, expected=expected)

    def text(self, feedback: Feedback) -> str:
        """One line. The expected value is shown only for "expected"."""
        parts = [f"{self.test}: {self.what}" if self.test else self.what]
        if feedback != "status":
            parts += [f"input {self.given}"] if self.given else []
            parts += [f"got {self.got}"] if self.got else []
        if feedback == "expected" and self.expected:
            parts.append(f"expected {self.expected}")
        return one_line("; ".join(parts))


def one_line(text: str) -> str:
    """The text on one line, with unprintable characters escaped: a program may have written it."""
    text = " ".join(text.split())
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def show(value: Any) -> str:
    """A short text of a value; large values are cut."""
    text = _show(value, 4)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _show(value: Any, depth: int) -> str:
    if isinstance(value, (str, bytes)):
        return repr(value[:WIDTH])
    if isinstance(value, int) and value.bit_length() > 400:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, dict):
        value = list(value.items())
        return "{" + ", ".join(f"{_show(k, depth - 1)}: {_show(v, depth - 1)}" for k, v in value[:20]) + "}"
    if isinstance(value, (list, tuple, set, frozenset)):
        if depth == 0:
            return "…"
        return "[" + ", ".join(_show(item, depth - 1) for item in itertools.islice(value, 20)) + "]"
    if isinstance(value, range):
        return f"range({', '.join(_show(part, 0) for part in (value.start, value.stop, value.step))})"
    return repr(value)
