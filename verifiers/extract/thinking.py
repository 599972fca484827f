"""Thoughts: what a reasoning model writes between two marks before its answer. Nothing in a thought is an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from heapq import merge

__all__ = ["MARKS", "Marks", "after_thoughts", "opened_by", "with_further"]

Marks = Sequence[Sequence[str]]
"""Pairs: what opens a thought, what closes it."""

_TAGS = (
    "think thinking thought thoughts reasoning reason analysis scratchpad seed:think longcat_think "
    "thinking_process thought_process reflection chain_of_thought cot monologue inner_monologue "
    "internal_monologue inner_thoughts internal_thoughts"
)
MARKS: Marks = (
    *((f"<{tag}>", f"</{tag}>") for tag in _TAGS.split()),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|im_start|>think", "<|im_start|>answer"),
    ("<|channel|>analysis", "<|channel|>final"),
    ("<|channel|>commentary", "<|channel|>final"),
    ("<unused94>", "<unused95>"),
    ("Here is my thought process:", "Here is my response:"),
)
"""Those of the models and recipes in use; letter case does not matter beyond the first character."""


_CHANNEL, _FINAL = "analysis", "assistantfinal"
"""What is left of gpt-oss's channels without its special tokens: "analysisWe need …assistantfinalIt is 4"."""


def with_further(marks: Marks) -> Marks:
    """`MARKS` and these. Raises ValueError for anything but pairs of texts."""
    if not all(
        not isinstance(pair, str)
        and len(pair) == 2
        and all(isinstance(mark, str) and mark.strip() for mark in pair)
        for pair in marks
    ):
        raise ValueError(f"thinking_marks is {marks!r}; expected pairs of texts, [[opening, closing], …]")
    return (*MARKS, *((opening, closing) for opening, closing in marks))


def after_thoughts(response: str, marks: Marks = MARKS, opened: str = "") -> tuple[int, str]:
    """Where the text after the last thought begins, and the mark of a thought that is never closed, or "".

    `opened` is the mark with which the prompt has opened a thought. Within a thought other marks are text. A closing
    mark alone ends a thought of whose opening nobody has told.

    >>> after_thoughts("<think>2 + 2</think> 4"), after_thoughts("<think>2 + 2 is 4")
    ((20, ''), (0, '<think>'))
    """
    patterns, closing_of, closings = _known(marks)
    if response.startswith(_CHANNEL) and response[len(_CHANNEL) : len(_CHANNEL) + 1].isupper():
        end = response.rfind(_FINAL)
        return (0, _CHANNEL) if end < 0 else (end + len(_FINAL), "")
    start, awaited = 0, closing_of.get(opened.lower(), "")
    found = [pattern for first, pattern in patterns if first in response and pattern.search(response)]
    for at in merge(*(pattern.finditer(response) for pattern in found), key=re.Match.start) if found else ():
        mark = at.group().lower()
        if mark in closings and mark == (awaited or mark):
            start, awaited = at.end(), ""
        elif not awaited and mark in closing_of:
            opened, awaited = at.group(), closing_of[mark]
    return start, opened if awaited else ""


def opened_by(prompt: str, marks: Marks = MARKS) -> str:
    """The mark that a prompt ends with, white space aside: the response then begins within a thought; or "".

    >>> opened_by("<|Assistant|><think>\\n"), opened_by("Write your thoughts in <think> and </think>.")
    ('<think>', '')
    """
    end = prompt[-200:].rstrip().lower()
    if not end.endswith(tuple(_known(marks)[1])):
        return ""
    return next((opening for opening, _ in marks if end.endswith(opening.lower())), "")


@lru_cache(maxsize=32)
def _compiled(
    marks: tuple[tuple[str, str], ...],
) -> tuple[list[tuple[str, re.Pattern[str]]], dict[str, str], frozenset[str]]:
    """The marks that begin with one character as a pattern, for each such character; the closing mark of each opening
    one, and all closing marks, in lower case.

    A search for one character is many times faster than for any of several. The second ones take it past
    `<<3*4=12>>` and `x < 5`.
    """
    lowered = [(opening.lower(), closing.lower()) for opening, closing in marks]
    patterns: list[tuple[str, re.Pattern[str]]] = []
    longest_first = sorted({mark for pair in marks for mark in pair}, key=len, reverse=True)
    for first in dict.fromkeys(mark[0] for mark in longest_first):
        rests = [mark[1:] for mark in longest_first if mark[0] == first]
        seconds = "".join(sorted({c for rest in rests for c in (rest[:1].lower(), rest[:1].upper())}))
        ahead = f"(?=[{re.escape(seconds)}])" if all(rests) else ""
        patterns.append(
            (first, re.compile(f"{re.escape(first)}{ahead}(?i:{'|'.join(map(re.escape, rests))})"))
        )
    return patterns, dict(lowered), frozenset(closing for _, closing in lowered)


_KNOWN = _compiled(tuple((opening, closing) for opening, closing in MARKS))


def _known(
    marks: Marks,
) -> tuple[list[tuple[str, re.Pattern[str]]], dict[str, str], frozenset[str]]:
    return _KNOWN if marks is MARKS else _compiled(tuple((opening, closing) for opening, closing in marks))
