"""Untrusted text made safe to print: control characters act on a terminal, and others mislead the reader."""

from __future__ import annotations

import re
from typing import Any

# Control characters, and those that change the direction of a line or are invisible.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def visible(text: Any) -> str:
    """`text` with every control or invisible character replaced by its code; tabs and line ends stay.

    >>> visible("\\x1b[2J")
    '⟨001B⟩[2J'
    """
    return _UNSEEN.sub(lambda c: f"⟨{ord(c[0]):04X}⟩", str(text))
