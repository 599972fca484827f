"""A text as a reader hears it, without borders of formulas, money signs and bold marks; and where each part stood."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

__all__ = ["COMPARATIVES", "Plain", "plain"]

COMPARATIVES = (
    "larger bigger greater smaller higher lower longer shorter older younger taller heavier lighter faster slower "
    "wider narrower deeper thicker thinner warmer hotter cooler colder cheaper richer poorer stronger weaker "
    "earlier later sooner nearer closer further farther"
)
"""What a number before them is more, or less, by."""

_MARKUP = re.compile(
    r"\\[()\[\]]|\\?\$|\*\*|\{,\}|\\[,!]|[ \t\r\f\v]+|\s*\n\s*|\\(?:times|cdot)\b ?|\\(?:text|mathrm)\{([^{}]*)\}|\\%"
)
_SHOWN = {"{,}": ",", "\\%": "%"}


@dataclass(frozen=True, slots=True)
class Plain:
    text: str
    places: list[tuple[int, int]]
    """(position here, position in the original) at every place where the two part."""

    def original(self, at: int) -> int:
        """Where the character at `at` stands in the original."""
        here, there = self.places[bisect_right(self.places, (at, 1 << 60)) - 1]
        return there + at - here


def plain(text: str) -> Plain:
    shown: list[str] = []
    places = [(0, 0)]
    here = done = 0
    for mark in _MARKUP.finditer(text):
        whole = mark.group()
        kept = text[done : mark.start()]
        new = _SHOWN.get(whole, "")
        if "\n" in whole:
            new = "\n"
        elif whole.isspace():
            new = " "
        elif whole.startswith(("\\times", "\\cdot")):
            new = "*"
        elif mark.group(1) is not None:
            new = f" {mark.group(1).strip()}"
        shown += (kept, new)
        here += len(kept) + len(new)
        done = mark.end()
        places.append((here, done))
    shown.append(text[done:])
    return Plain("".join(shown), places)
