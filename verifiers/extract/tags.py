"""Answers between marks: <answer>…</answer> in its spellings, a key "answer" of JSON, a fenced block."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from heapq import merge

__all__ = ["from_json", "inside_tags", "unfenced", "without_tokens"]

_NAMES = "answer|final[ _-]?answer|solution|ans|response|output|result|final|boxed"
_TAG = re.compile(
    rf"<(?: ?(?P<end>/?) ?(?P<name>{_NAMES})(?: [^<>\n]{{0,60}})?>"
    r"|\|(?P<which>begin|end)_of_(?P<other>solution|answer)\|>)",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\[(?P<end>/?)(?P<name>ANSWER)\](?P<which>)(?P<other>)")


def inside_tags(text: str, start: int) -> tuple[int, int, int] | None:
    """(begin of the content, its end, begin of the tag) of the last answer tag after `start`.

    A tag that is never closed reaches to the end: a stop string may have eaten its end.
    """
    found: Iterable[re.Match[str]] = _TAG.finditer(text, start) if "<" in text else ()
    if "ANSWER]" in text:
        found = merge(found, _BRACKETED.finditer(text, start), key=re.Match.start)
    opened: dict[str, re.Match[str]] = {}
    last: tuple[int, int, int] | None = None
    for tag in found:
        name = (tag["name"] or tag["other"]).lower()
        if not (tag["end"] or tag["which"] == "end"):
            opened[name] = tag
            last = (tag.end(), len(text), tag.start())
        elif name in opened:
            opening = opened.pop(name)
            last = (opening.end(), tag.start(), opening.start())
    return last


_KEY = re.compile(r"""["'](?:final[ _-]?)?answer["']\s{0,9}:\s{0,9}""", re.IGNORECASE)
_REACH = 5000


def from_json(text: str, start: int) -> tuple[int, str | None] | None:
    """(where the key begins, its value as text) of the last key "answer" after `start`; the value is None for null."""
    keys = list(_KEY.finditer(text, max(start, len(text) - 4 * _REACH)))
    if not keys:
        return None
    last = keys[-1]
    rest = text[last.end() : last.end() + _REACH]
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(rest)
    except (ValueError, RecursionError):  # Python's quotes, or LaTeX whose backslashes are single
        bare = re.match(r"'([^'\n]*)'|\"([^\"\n]*)\"|([^,}\n]*)", rest)
        value = next((part for part in bare.groups() if part), "").replace("\\\\", "\\") if bare else ""
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return last.start(), None if value is None else str(value).strip()


_FENCED = re.compile(r"`{3,}[^\n`]*\n(.*?)\n?[ \t]*`{3,}\s*\Z", re.DOTALL)


def unfenced(text: str) -> str:
    """The content of the fenced block that `text` ends with, else `text`."""
    start = text.rfind("```", 0, max(0, text.rfind("```")))
    found = _FENCED.match(text, start) if start >= 0 else None
    return found[1].strip() if found else text


_TOKEN = re.compile(r"(?:\s*(?:<\|[^|<>\s]{1,40}\|>|</?s>|<eos>|<end_of_turn>|<｜[^｜<>]{1,40}｜>))+\s*\Z")
_FIRST_TOKEN = re.compile(r"\A\s*(?:(?:<\|[^|<>\s]{1,40}\|>|<s>|<bos>)\s*)+")


def without_tokens(text: str) -> str:
    """`text` without the special tokens at its ends, such as <|im_end|>."""
    if "<" not in text:
        return text.strip()
    tail = text[-400:]
    end = len(text) - len(tail) + found.start() if (found := _TOKEN.search(tail)) else len(text)
    head = _FIRST_TOKEN.match(text, 0, end)
    return text[head.end() if head else 0 : end].strip()
