r"""Boxes: \boxed, \fbox and \framebox, with braces or without; several in a row are one answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from verifiers.units import FACTORS

__all__ = ["Box", "answer_of", "boxes", "has_box", "last_boxes", "stand"]

BOX_REACH = 300_000
"""Characters before and after the last box in which boxes are matched."""

_NAMES = ("\\boxed", "\\fbox", "\\framebox", "\x08oxed")
"""The last is what \\boxed becomes where a program took \\b for a backspace."""
_ANY_NAME = re.compile("|".join(map(re.escape, _NAMES)))
_NAME = r"(?:\\(?:boxed|fbox|framebox)(?![A-Za-z])|\x08oxed)[ \t]*(?:\[[^\]\n]{0,20}\][ \t]*){0,2}\s{0,2}"
_TOKEN = re.compile(
    rf"(?P<box>{_NAME})(?:(?P<brace>\{{)|(?P<bare>(?:\\[A-Za-z]+|\{{[^{{}}]{{0,200}}\}}|[^\s{{}}$\\])+))"
    r"|\\[\\{}]|[{}]"
)
_NO_WORD = re.compile(r"[A-Z]$|.*(?:\d|\\[A-Za-z])", re.DOTALL)  # what a box without braces may hold


class Box(NamedTuple):
    """Where a box begins, where its content begins and ends, where the box ends."""

    start: int
    inside: int
    until: int
    end: int


def has_box(text: str) -> bool:
    """Whether `text` names a box, complete or not."""
    return _first_name(text, 0, len(text)) >= 0


def _first_name(text: str, start: int, end: int) -> int:
    """Where the first name of a box begins, or -1."""
    at = text.find("box", start, end)
    if (earlier := text.find("\x08", start, end if at < 0 else at)) >= 0:
        at = earlier
    if at < 0:
        return -1
    found = _ANY_NAME.search(text, max(start, at - len("\\frame")), end)
    return -1 if found is None else found.start()


def boxes(text: str, start: int = 0, end: int | None = None) -> list[Box] | None:
    """The complete boxes near the last one, in order, of nested ones the outermost; None if the last one is cut off.

    Those of an instruction ("put your answer in \\boxed{}") are left out.

    A box is cut off where it is never closed. One that is followed by an empty line and further boxes was only
    misspelled: no box holds an empty line.
    """
    end = len(text) if end is None else end
    start = _first_name(text, start, end)
    if start < 0:
        return []
    if end - start > BOX_REACH:
        last = max(text.rfind(name, start, end) for name in _NAMES)
        start, end = max(start, last - BOX_REACH), min(end, last + BOX_REACH)
    opened: list[tuple[int, int]] = []  # starts of a box and of its content; (-1, -1) for another brace
    found: list[Box] = []
    for token in _TOKEN.finditer(text, start, end):
        kind = token.lastgroup
        if kind == "brace":
            opened.append((token.start(), token.end()))
        elif kind == "bare":
            content = token["bare"].rstrip(".,;:!?)")
            if _NO_WORD.match(content):
                inside = token.start("bare")
                found.append(Box(token.start(), inside, inside + len(content), inside + len(content)))
        elif token[0] == "{":
            opened.append((-1, -1))
        elif token[0] == "}" and opened and (box := opened.pop())[0] >= 0:
            while found and found[-1].start > box[0]:
                found.pop()
            found.append(Box(*box, token.start(), token.end()))
    latest = found[-1].start if found else -1
    for where, _ in opened:
        if where > latest or (where >= 0 and "\n\n" not in text[where:latest]):
            return None
    return [box for box in found if not _is_instruction(text, box)]


_PLACEHOLDER = re.compile(
    r"(?:\\(?:text|mbox|mathrm)\{)?[\s<\[]*(?:\?+|\.{2,}|…|\\[lc]?dots"
    r"|(?:your |the )?(?:final )?answer(?: here)?)?[\s>\]}]*"
)
_ASKED_FOR = re.compile(
    r"\b(?:in|within|inside|into|using|use|with|format|form)(?: an?)?[\s$`\"'“‘(:\\]{0,4}$"
)


def _is_instruction(text: str, box: Box) -> bool:
    r"""Whether a box holds no answer and the words before it say where one goes: "in \boxed{}"."""
    if box.until - box.inside > 30 or not _PLACEHOLDER.fullmatch(text, box.inside, box.until):
        return False
    return _ASKED_FOR.search(text, max(0, box.start - 30), box.start) is not None


def last_boxes(text: str, found: Sequence[Box]) -> list[Box]:
    """The boxes that are one answer: the last one, those before it that only a comma, "and", "or" or the like keeps
    apart, and those of the parts (a), (b) … of a problem."""
    run = [found[-1]]
    if len(found) == 1:
        return run
    for box in reversed(found[:-1]):
        if not _joins(text[box.end : run[0].start]):
            break
        run.insert(0, box)
    return _parts(text, found) or run


_PART = re.compile(r"(?:^|\n)[ \t*_#]{0,6}(?:Part )?\(([a-h])\)")


def _parts(text: str, found: Sequence[Box]) -> list[Box]:
    """The last box of each part (a), (b) … if every part has one, else nothing."""
    labels = list(_PART.finditer(text, max(0, found[0].start - 2000), found[-1].start))
    if len(labels) < 2 or [label[1] for label in labels] != list("abcdefgh"[: len(labels)]):
        return []
    ends = [label.start() for label in labels[1:]] + [len(text)]
    parts = [
        [box for box in found if label.end() <= box.start < end]
        for label, end in zip(labels, ends, strict=True)
    ]
    return [part[-1] for part in parts] if all(parts) else []


_LABEL = r"[A-Za-z](?:_\{?\w\}?)?\s?=|\(?[a-z0-9]{1,3}[).]"
_MATH_MARKS = re.compile(
    r"\\(?:q?quad|text(?:rm|bf)?|mbox|mathrm|hbox|displaystyle|enspace)(?![A-Za-z])|\\[][(),;:! ]|[$*~{}\s]"
)
_AND = r"[,;、，&]|\b(?:and|or|also|as well as|together with)\b|和|或|与|及|以及"
_JOINT = re.compile(rf"(?:{_AND})(?: |{_AND})*(?:{_LABEL})?|\(?[a-z0-9]{{1,3}}\)")
_BULLET = re.compile(r"\s*\n\s*(?:[-•*]|\d{1,2}\.)\s*")


def _joins(gap: str) -> bool:
    if len(gap) > 80:
        return False
    return bool(_JOINT.fullmatch(" ".join(_MATH_MARKS.sub(" ", gap).split())) or _BULLET.fullmatch(gap))


_NAMED = re.compile(r"([A-Za-z])((?:_\{?\w\}?)?)\s?=\s?$")


def answer_of(text: str, run: Sequence[Box]) -> str:
    """What a run of boxes says: its contents, with their names where these differ."""
    contents = [_whole(text, box) for box in run]
    if len(set(contents)) == 1:
        return contents[0]
    names = [_NAMED.search(text[max(0, box.start - 12) : box.start]) for box in run]
    letters = {name[1] for name in names if name}
    if all(names) and len(letters) > 1:
        contents = [f"{name[1]}{name[2]}={c}" for name, c in zip(names, contents, strict=True) if name]
    return ", ".join(contents)


_MINUS = re.compile(r"[-−](?:(?<=^.)|(?:(?<=[=$:(\[].)|(?<=[=$:(\[]\s.)|(?<=\bis\s.))\s?)$")
_AFTER = re.compile(
    r"(?P<power>\^(?:\{[^{}]{1,20}\}|\w))|(?:\$|\\text\s?\{|\\[,; ]|\s){0,4}(?P<word>[a-z]{3,12})\b"
)


def _whole(text: str, box: Box) -> str:
    """The content of a box, with a minus sign before it, a power after it, or a word that multiplies it: 12 million."""
    content = text[box.inside : box.until].strip()
    if (after := _AFTER.match(text, box.end, box.end + 40)) is not None:
        if after["power"]:
            content = f"({content}){after['power']}"
        elif after["word"] in FACTORS:
            content = f"{content} {after['word']}"
    return f"-({content})" if _MINUS.search(text, max(0, box.start - 2), box.start) else content


_DENIED = re.compile(r"n(?:(?<=\bn)(?:ot|ever|either)|'t)(?: be| equal| equal to)?[\s$*(]{0,4}$")


def stand(text: str, found: Sequence[Box]) -> list[Box]:
    """The boxes that the text does not deny: "it is not \\boxed{12}"."""
    return [box for box in found if not _DENIED.search(text, max(0, box.start - 30), box.start)]
