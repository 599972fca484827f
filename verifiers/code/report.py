"""How a failing test is told, to a person or to the policy."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any, Literal

from verifiers.types import Status

Feedback = Literal["status", "input", "expected"]
WIDTH = 120
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Failure:
    """The first thing that went wrong."""

    status: Status
    what: str
    got: str = ""
    test: str = ""
    given: str = ""
    expected: str = ""

    def at(self, index: int, total: int, given: str, expected: str) -> Failure:
        """The same, with the test it happened in."""
        return replace(self, test=f"test {index + 1} of {total}", given=given, expected=expected)

    def text(self, feedback: Feedback) -> str:
        """One line. The expected value appears only for "expected"."""
        parts = [f"{self.test}: {self.what}" if self.test else self.what]
        if feedback != "status":
            parts += [f"input {self.given}"] if self.given else []
            parts += [f"got {self.got}"] if self.got else []
        if feedback == "expected" and self.expected:
            parts.append(f"expected {self.expected}")
        return one_line("; ".join(parts))


def one_line(text: str) -> str:
    """The text without line breaks, control characters, and what else a program may have put in a message."""
    text = " ".join(text.split())
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def show(value: Any) -> str:
    """A short text of a value; never the whole of a large one."""
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
    return repr(value)
