"""Cutting a response into trace z and answer y.

All patterns scan without backtracking. A response of ten million characters, or of ten thousand opening braces,
takes milliseconds: boxes are matched in one pass over a bounded window, and phrases are searched for only near the
end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from verifiers.extract.programs import last_program

__all__ = ["Cut", "cut"]

BOX_REACH = 300_000
"""Characters before and after the last `\\boxed{` in which boxes are matched."""
PHRASE_REACH = 20_000
"""Characters at the end of a response in which "the answer is" is searched for."""
BARE_LENGTH = 200
"""Largest length in characters of a bare answer: a whole response, or its last line, that is only an answer."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A response in two parts. `answer` is None if the response has no answer; `note` then says why."""

    trace: str
    answer: str | None
    note: str = ""


def cut(response: str, answer_format: str = "boxed") -> Cut:
    """Cut `response` into trace and answer.

    - ``"boxed"``: after the last ``</think>``, the content of ``<answer>…</answer>``, else the last complete
      ``\\boxed{…}``, else the last "the answer is …", "Answer: …", "#### …", "A: …", else a response or last line
      that is a bare answer. A thinking block or a box that is never closed gives no answer.
    - ``"text"``: the whole response, stripped. ``"line"``: its last non-empty line.
    - ``"code"``: its last program.

    Raises ValueError for any other format. Never raises on any text.

    >>> cut("2 + 2 = 4, so \\\\boxed{4}.").answer
    '4'
    """
    try:
        how = _formats()[answer_format]
    except KeyError:
        known = ", ".join(sorted(_formats()))
        raise ValueError(f"answer_format is {answer_format!r}; expected one of {known}") from None
    return how(response)


def _formats() -> dict[str, Callable[[str], Cut]]:
    return {"boxed": _boxed, "text": _text, "line": _line, "code": _code}


def _code(response: str) -> Cut:
    program = last_program(response)
    return Cut(response, program, "" if program is not None else "no complete program")


def _text(response: str) -> Cut:
    answer = response.strip()
    return Cut("", answer) if answer else Cut("", None, "the response is empty")


def _line(response: str) -> Cut:
    body = response.rstrip()
    if not body:
        return Cut("", None, "the response is empty")
    start = max(body.rfind("\n"), body.rfind("\r")) + 1
    return Cut(body[:start], body[start:].strip())


# --- boxed ------------------------------------------------------------------------------------------------

_THINK = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>"))
_BOXES = ("\\boxed", "\\fbox")
_BRACES = re.compile(r"\\(?:boxed|fbox)[ \t]*\{|\\[\\{}]|[{}]")


def _boxed(response: str) -> Cut:
    start = 0
    for opening, closing in _THINK if "<" in response else ():
        closed = _last(response, closing)
        if _last(response, opening) > closed:
            return Cut(response, None, f"{opening} is never closed")
        if closed >= 0:
            start = max(start, closed + len(closing))
    end = len(response)
    tag_end = _last(response, "</answer>", start)
    if tag_end >= 0:
        tag_start = response.rfind("<answer>", start, tag_end)
        if tag_start >= 0:
            inside = (tag_start + len("<answer>"), tag_end)
            if (box := _last_box(response, *inside)) is not None:
                return _between(response, *box)
            if _has_box(response, *inside):
                return Cut(response, None, "a box is never closed")
            return _between(response, *inside)
    if (box := _last_box(response, start, end)) is not None:
        return _between(response, *box)
    if _has_box(response, start, end):
        return Cut(response, None, "a box is never closed")
    return _by_phrase(response, start) or _bare(response, start)


def _last(text: str, part: str, start: int = 0, end: int | None = None) -> int:
    """`rfind` for long texts: without a hit it is slow over megabytes, and `find` is not."""
    return -1 if text.find(part, start, end) < 0 else text.rfind(part, start, end)


def _between(response: str, start: int, end: int, before: int | None = None) -> Cut:
    """The answer in response[start:end]; the trace is the text before it, or before `before`."""
    answer = response[start:end].strip()
    if not answer:
        return Cut(response, None, "the answer is empty")
    return Cut(response[: start if before is None else before].rstrip(), answer)


def _has_box(text: str, start: int, end: int) -> bool:
    return any(text.find(box, start, end) >= 0 for box in _BOXES)


def _last_box(text: str, start: int, end: int) -> tuple[int, int, int] | None:
    """(start of the content, end of the content, start of the box) of the last complete box; of nested boxes the
    outermost."""
    last = max(_last(text, box, start, end) for box in _BOXES)
    if last < 0:
        return None
    first = min(found for box in _BOXES if (found := text.find(box, start, end)) >= 0)
    start, end = max(first, last - BOX_REACH), min(end, last + BOX_REACH)
    open_braces: list[tuple[int, int]] = []  # starts of a box and its content; (-1, -1) for another brace
    best: tuple[int, int, int] | None = None
    for match in _BRACES.finditer(text, start, end):
        token = match.group()
        if token == "}":
            if open_braces and (opened := open_braces.pop())[0] >= 0:
                best = (opened[1], match.start(), opened[0])
        elif token == "{":
            open_braces.append((-1, -1))
        elif len(token) > 2:
            open_braces.append((match.start(), match.end()))
    return best


_ANCHOR = re.compile(r"\bans(?:wer)?\b|####|(?-i:^A:)", re.IGNORECASE | re.MULTILINE)
_ANCHORS = ("nswer", "NSWER", "####", "A:", "Ans", "ans")
_ANNOUNCES = re.compile(
    r"[*_ ]{0,4}(?:(?:to|of|for) [^.\n:*]{1,80}? )?"
    r"(?:(?:is|are|was|equals|(?:would|should|will|must) be)\b(?: (?:therefore|thus|then|simply|just)\b)?[*_ ]{0,4}:?"
    r"|[:=]|[*_ ]{0,4}\n)",
    re.IGNORECASE,
)
_VERB = re.compile(r"\b(?:is|was|are|be|equals)\b", re.IGNORECASE)


def _by_phrase(response: str, start: int) -> Cut | None:
    """The answer after the last announcing phrase; None if there is no such phrase."""
    start = max(start, len(response) - PHRASE_REACH)
    tail = response[start:]
    last = max(map(tail.rfind, _ANCHORS))
    if last < 0:
        return None
    near = max(0, last - 200)  # usually the last anchor announces; else search all of the tail
    announced = _announcement(tail, near) or (_announcement(tail, 0) if near else None)
    if announced is None:
        return None
    answer = _first_statement(tail[announced[1] :])
    note = "" if answer else "the last announcement is not followed by an answer"
    return Cut(response[: start + announced[0]].rstrip(), answer or None, note)


def _announcement(tail: str, start: int) -> tuple[int, int] | None:
    """Start and end of the last announcing phrase after `start`."""
    announced: tuple[int, int] | None = None
    for anchor in _ANCHOR.finditer(tail, start):
        if anchor.group()[-1] in "#:":
            announced = anchor.span()
        elif (phrase := _ANNOUNCES.match(tail, anchor.end())) is not None:
            announced = anchor.start(), phrase.end()
    return announced


_FENCES = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("**", "**"), ("$", "$"))
_REASON = re.compile(r",? (?:because|since|which|where|as) ")
_STOP = re.compile(r"\n|[.!?](?=\s+[A-Z\"'(*$\\]|\s*$)|\.?\s+(?=I hope|Hope this)|<\||</")


def _first_statement(rest: str) -> str:
    """The announced answer: mathematics between delimiters or bold text at the beginning, else the sentence."""
    rest = rest.lstrip(" \t\r\n*_:#")[:2000] if not rest.startswith("**") else rest.strip()[:2000]
    for opening, closing in _FENCES:
        if rest.startswith(opening):
            end = rest.find(closing, len(opening))
            if end > 0:
                after = rest[end + len(closing) :]
                stop = _STOP.search(after)
                trailing = (after[: stop.start()] if stop else after).strip(" \t*_.,;:!")
                if not trailing:
                    return rest[len(opening) : end].strip()
            break
    stop = _STOP.search(rest)
    sentence = (rest[: stop.start()] if stop else rest).replace("**", "").strip(" \t*_")
    if (reason := _REASON.search(sentence)) is not None:
        sentence = sentence[: reason.start()]
    verbs = list(_VERB.finditer(sentence))
    if (
        verbs
        and len(sentence.split()) > 3
        and not any(char.isdigit() for char in sentence[: verbs[-1].start()])
    ):
        sentence = sentence[verbs[-1].end() :].strip(" :*_")
    return sentence


_LONG_WORD = re.compile(r"[A-Za-z]{4,}")


def _bare(response: str, start: int) -> Cut:
    """A whole response, or a last line, that is short and has too few words to be a sentence."""
    body = response[start:].strip()
    if not body:
        return Cut(
            response, None, "there is no text after the thinking" if start else "the response is empty"
        )
    line = body[body.rfind("\n") + 1 :].strip()
    alone = line == body
    sentence = len(_LONG_WORD.findall(line)) > 1 or line.endswith(("?", ":"))
    answer = line.strip("*_ ")
    if len(line) > BARE_LENGTH or (sentence and not alone) or not answer:
        return Cut(response, None, "no box, no announced answer, no bare answer")
    return Cut(response[: response.rfind(line)].rstrip(), answer)
