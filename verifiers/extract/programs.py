"""Finding the program in a response: fenced code blocks, or a response that is code itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["last_program"]

MAX_RESPONSE = 4 << 20
"""A longer response (characters) holds no program."""

_FENCE = re.compile(r"([ \t>]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?)(`{3,}|~{3,})[ \t]*([^`]*)$")
_TAGS = {"python", "py", "python3", "py3"}
_CODE_LINE = re.compile(
    r"^[ \t]{0,40}(?:(?:def|class|async def|import|from)[ ]\w+|(?:return|print|for|while|if|with|try)\b.*[:)\]\w]$"
    r"|\w[\w.,\[\] ]{0,80}[-+*/]?=[^=])",
    re.M,
)


def last_program(response: str) -> str | None:
    """The program in a response; None if there is none.

    That is the last complete block tagged python, py, python3 or py3, else the last complete untagged block, else the
    whole text if it has no fence and looks like code. A fence is closed by at least as many of the same character; a
    block that is never closed does not count.
    """
    if len(response) > MAX_RESPONSE:
        return None
    tagged, untagged, fences = None, None, False
    for tag, lines in _blocks(response):
        fences = True
        if lines is None:
            continue
        if tag in _TAGS:
            tagged = lines
        elif not tag:
            untagged = lines
    block = tagged if tagged is not None else untagged
    if block is not None:
        return "\n".join(block) + "\n"
    if fences or not _CODE_LINE.search(response):
        return None
    return response


@dataclass
class _Block:
    prefix: str
    fence: str
    tag: str
    lines: list[str]

    def closed_by(self, prefix: str, fence: str, info: str) -> bool:
        near = len(prefix) <= len(self.prefix) + 3  # an indented fence belongs to a docstring
        return not info and near and fence.startswith(self.fence)

    def add(self, line: str) -> None:
        """Append a line without the indentation, or the quote marks, of the fence."""
        at = 0
        while at < len(self.prefix) and at < len(line) and line[at] in " \t>":
            at += 1
        self.lines.append(line[at:])


def _blocks(response: str) -> Iterator[tuple[str, list[str] | None]]:
    """(tag, lines) of every fenced block, in the order of their ends; lines is None if a block is never closed."""
    stack: list[_Block] = []
    for raw in response.split("\n"):
        line = raw.rstrip("\r")
        match = _FENCE.match(line) if "```" in line or "~~~" in line else None
        prefix, fence, info = match.groups() if match else ("", "", "")
        info = info.strip()
        top = stack[-1] if stack else None
        if match and top and top.closed_by(prefix, fence, info):
            stack.pop()
            yield top.tag, top.lines
        elif match and (top is None or _opens_inside(top, prefix, fence, info)):
            if top is not None and top.tag in _TAGS:  # that one was never closed
                yield stack.pop().tag, None
            stack.append(_Block(prefix, fence, _tag(info), []))
            continue
        for block in stack:
            block.add(line)
    for block in stack:
        yield block.tag, None


def _tag(info: str) -> str:
    return re.split(r"[\s{},:;]+", info.lstrip("{."), maxsplit=1)[0].lower()


def _opens_inside(top: _Block, prefix: str, fence: str, info: str) -> bool:
    """Whether a fence within a block begins a program: always in prose, and in a program if it cannot be text."""
    if _tag(info) not in _TAGS:
        return False
    return top.tag not in _TAGS or (fence.startswith(top.fence) and len(prefix) <= len(top.prefix) + 3)
