"""Whether a regular expression may take for ever: tried on short texts that are made to mislead it.

A pattern such as `(a+)+b` needs twice as long for each further `a` of a text that does not match. Which texts do that
to a pattern can be read off its repeated parts. Each is tried at growing lengths and the trial ends at the first that
is slow, so that no deadline is needed.
"""

from __future__ import annotations

import functools
import re
import re._parser as parser  # type: ignore[import-not-found]
import time
from collections.abc import Iterator
from typing import Any

SLOW = 0.05
"""Seconds; a pattern that reads forwards takes microseconds for these texts."""
_LENGTHS = (*range(6, 41), 48, 64, 96, 128, 192, 256, 384, 512)  # the first show 2^n, the last n^3
_MANY = 8  # a repeat up to so often counts as one without a limit
_MOST_PARTS = 30
_INLINE_FLAGS = re.compile(r"\A\(\?[aiLmsux]+\)")
_BAD_ENDS = ("\0", "!", "a")


@functools.lru_cache(maxsize=1024)
def backtracks(pattern: str, flags: int = 0) -> bool:
    """Whether matching all of a text takes time that grows out of hand. Raises re.error for what is no pattern.

    >>> backtracks(r"(\\w+\\s?)*"), backtracks(r"(\\d+,)*\\d+")
    (True, False)
    """
    tree = parser.parse(pattern, flags)
    re.compile(pattern, flags)
    # the second branch never matches, and its length 0 keeps `re` from refusing short texts at a glance
    comment_ends = "\n" if tree.state.flags & re.VERBOSE else ""
    whole = f"(?:{_INLINE_FLAGS.sub('', pattern)}{comment_ends})|(?!)"
    compiled = re.compile(whole, tree.state.flags)
    for _, (before, body) in zip(range(_MOST_PARTS), _repeats(tree, ""), strict=False):
        for end in _BAD_ENDS:
            for length in _LENGTHS:
                text = before + body * length + end
                began = time.process_time()
                compiled.fullmatch(text)
                if time.process_time() - began > SLOW:
                    return True
    return False


def _repeats(items: Any, before: str) -> Iterator[tuple[str, str]]:
    """(a text that leads to it, a text that it matches once) of each part that is repeated."""
    for op, value in items:
        for inner in _inside(str(op), value):
            yield from _repeats(inner, before)
        if "REPEAT" in str(op) and value[1] >= _MANY:
            yield from ((before, body) for body in _bodies(value[2]) if body)
        before += _sample([(op, value)])


def _bodies(items: Any) -> list[str]:
    """Texts that a repeated part matches once: one for each of its branches, where it is a choice."""
    while len(items) == 1 and str(items[0][0]) == "SUBPATTERN":
        items = items[0][1][3]
    if len(items) == 1 and str(items[0][0]) == "BRANCH":
        return [_sample(branch) for branch in items[0][1][1]]
    return [_sample(items)]


def _inside(op: str, value: Any) -> list[Any]:
    if op == "SUBPATTERN":
        return [value[3]]
    if op == "BRANCH":
        return value[1]
    if "REPEAT" in op:
        return [value[2]]
    if op in ("ASSERT", "ASSERT_NOT"):
        return [value[1]]
    return [value] if op == "ATOMIC_GROUP" else []


def _sample(items: Any) -> str:
    """A text that these parts match, as short as they allow but for one of each that may be left out."""
    text = ""
    for op, value in items:
        name = str(op)
        if name == "LITERAL":
            text += chr(value)
        elif name in ("ANY", "NOT_LITERAL"):
            text += "a" if value != ord("a") else "b"
        elif name == "IN":
            text += _member(value)
        elif name == "BRANCH":
            text += _sample(value[1][0])
        elif "REPEAT" in name:
            steady = all(str(op) in ("LITERAL", "ANY", "IN", "NOT_LITERAL") for op, _ in value[2])
            text += _sample(value[2]) * (max(1, min(value[0], 100)) if steady else 1)
        elif name in ("SUBPATTERN", "ATOMIC_GROUP"):
            text += _sample(_inside(name, value)[0])
    return text


_OF_KIND = {"DIGIT": "1", "SPACE": " ", "WORD": "a", "NOT_DIGIT": "a", "NOT_SPACE": "a", "NOT_WORD": "-"}


def _member(members: Any) -> str:
    """A character of a set such as [a-z\\d]."""
    if str(members[0][0]) == "NEGATE":
        return next(c for c in "a1 -\n~" if c not in _named(members[1:]))
    return _named(members[:1])[:1]


def _named(members: Any) -> str:
    text = ""
    for op, value in members:
        name = str(op)
        if name == "LITERAL":
            text += chr(value)
        elif name == "RANGE":
            text += "".join(c for c in "a1 -\n~" if value[0] <= ord(c) <= value[1]) or chr(value[0])
        else:
            text += _OF_KIND.get(str(value).removeprefix("CATEGORY_"), "a")
    return text
