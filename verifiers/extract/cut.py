"""Cutting a response into trace z and answer y.

The text after the last thought is what counts, and in it the answer that is given last. All patterns scan without
backtracking. A response of ten million characters, or of ten thousand opening braces, takes milliseconds: boxes are
matched in one pass over a bounded window, and phrases are searched for only near the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from verifiers.extract import boxes, tags
from verifiers.extract.announced import announced, announcements, in_bold
from verifiers.extract.corrections import correction, withdrawn
from verifiers.extract.programs import last_program
from verifiers.extract.statements import REACH, is_letter, is_refusal, reduced, shorn
from verifiers.extract.thinking import MARKS, Marks, after_thoughts, opened_by
from verifiers.types import Problem, Verifier

__all__ = ["Cut", "cut", "cut_for"]

BARE_LENGTH = 200
"""Largest length in characters of a bare answer: a whole response, or its last line, that is only an answer."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A response in two parts. `answer` is None if the response has no answer; `note` then says why."""

    trace: str
    answer: str | None
    note: str = ""


def cut(response: str, answer_format: str = "boxed", marks: Marks = MARKS, opened: str = "") -> Cut:
    """Cut `response` into trace and answer.

    - ``"boxed"``: the content of the last answer tag (``<answer>…</answer>``) or box (``\\boxed{…}``, or several with
      only "," or "and" between them), whichever is later; else what is announced last ("the answer is …", "Answer: …",
      "#### …", "option B is correct"); else a key "answer" of JSON; else a response or last line that is a bare answer,
      or has one in bold. A last box that is never closed gives no answer.
    - ``"choice"``: the same, but a letter that is announced goes before a box that holds none.
    - ``"line"``: the last non-empty line.
    - ``"code"``: the last program.
    - ``"text"``: the whole response, stripped; thoughts belong to it.

    All formats but ``"text"`` look only at what follows the last thought, and a thought that is never closed gives no
    answer. `marks` are the pairs of marks that open and close one, `opened` is the mark with which the prompt opened
    one.

    Raises ValueError for any other format. Never raises on any text.

    >>> cut("2 + 2 = 4, so \\\\boxed{4}.").answer
    '4'
    """
    try:
        how = _FORMATS[answer_format]
    except KeyError:
        known = ", ".join(sorted(_FORMATS))
        raise ValueError(f"answer_format is {answer_format!r}; expected one of {known}") from None
    if answer_format == "text":
        return _text(response)
    start, unfinished = after_thoughts(response, marks, opened)
    if unfinished:
        return Cut(response, None, f"{unfinished} is never closed")
    if not response[start:].strip():
        return Cut(
            response, None, "there is no text after the thinking" if start else "the response is empty"
        )
    return how(response, start)


def cut_for(verifier: Verifier, problem: Problem, response: str) -> Cut:
    """The cut that `verifier` asks for: its `answer_format`, and its `thinking_marks` where it has any."""
    marks = getattr(verifier, "thinking_marks", MARKS)
    opened = problem.opened or opened_by(problem.prompt, marks)
    return cut(response, verifier.answer_format, marks, opened)


def _text(response: str, start: int = 0) -> Cut:
    answer = response.strip()
    return Cut("", answer) if answer else Cut("", None, "the response is empty")


def _line(response: str, start: int) -> Cut:
    body = response.rstrip()
    start = max(start, body.rfind("\n") + 1, body.rfind("\r") + 1)
    return Cut(body[:start], body[start:].strip())


def _code(response: str, start: int) -> Cut:
    program = last_program(response[start:])
    return Cut(response, program, "" if program is not None else "no complete program")


# --- boxed ------------------------------------------------------------------------------------------------

_NEVER_CLOSED = "a box is never closed"


def _boxed(response: str, start: int) -> Cut:
    """What a tag holds, a box, an announcement, JSON, or a bare answer."""
    tag = tags.inside_tags(response, start)
    begin, end = (tag[0], tag[1]) if tag else (start, len(response))
    if tag and boxes.boxes(response, end) != []:  # a box after the tag, complete or cut off
        tag, begin, end = None, end, len(response)
    found = boxes.boxes(response, begin, end)
    if found is None:
        return Cut(response, None, _NEVER_CLOSED)
    if found:
        return _of_boxes(response, found)
    if tag is None:
        return _by_phrase(response, start) or _of_json(response, start) or _bare(response, start)
    inner = response[:end]
    content = tags.without_tokens(inner[begin:])
    if "\n" in content or len(content) > BARE_LENGTH or " " in content:
        said = _by_phrase(inner, begin) or _of_json(inner, begin)
        if said is not None:
            return said
    content = tags.unfenced(content).strip("`")
    return _between(
        response, content if "\n" in content or len(content) > REACH else reduced(content), tag[2]
    )


def _between(response: str, answer: str, before: int) -> Cut:
    """An answer whose trace is the text before it."""
    if not answer:
        return Cut(response, None, "the answer is empty")
    return Cut(response[:before].rstrip(), answer)


def _of_boxes(response: str, found: list[boxes.Box]) -> Cut:
    if not (standing := boxes.stand(response, found)):
        return Cut(response, None, "the box is denied")
    run = boxes.last_boxes(response, standing)
    if (instead := correction(response[run[-1].end : run[-1].end + REACH])) is not None:
        return _between(response, instead, run[-1].end)
    if withdrawn(response, run[-1].end):
        later = announced(response, run[-1].end)
        if later is None or not later.statement:
            return Cut(response, None, "the box is withdrawn")
        return _between(response, later.statement, later.start)
    answer = boxes.answer_of(response, run)
    if not answer.isalnum():  # most boxes hold a number
        answer = _without_words(answer)
        if _RELATION.search(answer) and not is_letter(answer):
            later = announced(response, run[-1].end)
            if later and is_letter(later.statement):  # "this leaves \boxed{a < b}. Answer: D"
                return _between(response, later.statement, later.start)
    return _between(response, answer, run[0].start)


def _choice(response: str, start: int) -> Cut:
    """As `_boxed`; but a letter that is announced goes before whatever is no letter."""
    found = _boxed(response, start)
    if found.note == _NEVER_CLOSED or (found.answer is not None and is_letter(found.answer)):
        return found
    for said in announcements(response, start):
        if is_letter(said.statement):
            return _between(response, said.statement, said.start)
    return found


_RELATION = re.compile(
    r"[=<>≤≥≈]|\\(?:ll|gg|leq?|geq?|approx|sim|propto|neq?|to|in|subset)(?![a-z])|[A-Za-z]{4} [A-Za-z]{2}"
)
_PROSE = re.compile(r"\\(?:text(?:rm|bf|it|normal)?|mbox|hbox)\s?\{([^{}]*)\}")
_ANNOUNCING = re.compile(r"^(?:(?:The|My|Our) )?(?:(?:final|correct) )?answer(?: is|:) (?=\S)", re.IGNORECASE)
_ASIDE = re.compile(r"\(?\b(?:since|because|as|i\.e\.|not)\b|^There (?:is|are|will be|were)\b")
_THERE_ARE = re.compile(r"There (?:is|are|will be|were) (?:exactly |only )?(?=\S)")


def _without_words(answer: str) -> str:
    """A box that is a sentence says what the sentence does: "There are 12 ways", "x = 5 (since x > 0)"."""
    if len(answer) > REACH:
        return answer
    plain = " ".join(_PROSE.sub(r" \1 ", answer).split())
    if not (_ASIDE.search(answer) or "There" in answer or _ANNOUNCING.match(plain)):
        return answer
    said = shorn(_THERE_ARE.sub("", _ANNOUNCING.sub("", plain, count=1), count=1))
    return said if said != plain else answer


def _by_phrase(response: str, start: int) -> Cut | None:
    """The answer of the last announcement that says one; None if there is none."""
    said = announced(response, start)
    if said is None:
        return None
    note = "the last announcement is not followed by an answer" if said.cut_off else ""
    return Cut(response[: said.start].rstrip(), said.statement or None, note)


def _of_json(response: str, start: int) -> Cut | None:
    found = tags.from_json(response, start)
    return None if found is None else _between(response, found[1] or "", found[0])


_CHATTER = re.compile(
    r"\n\s*(?:(?:please )?(?:let me know|feel free)|(?:I )?hope (?:this|that|it)|if you (?:have|need|want|would)|"
    r"is there anything|(?:would|do) you (?:like|want|need))\b[^\d\\\n]*\s*\Z",
    re.IGNORECASE,
)
"""A last line that is addressed to the reader and holds no number."""
_LONG_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}")
"""A word of a sentence; `\\frac` is none."""


def _bare(response: str, start: int) -> Cut:
    """A whole response, or a last line, that is short and has too few words to be a sentence; or its only bold text."""
    body = _CHATTER.sub("", tags.without_tokens(response[start:]), count=1)
    block = tags.unfenced(body)
    line = block[block.rfind("\n") + 1 :].strip()
    where = response.rfind(line) if line else len(response)
    if len(line) <= BARE_LENGTH * 5 and (bold := in_bold(line)) is not None:
        return Cut(response[:where].rstrip(), bold)
    alone = line == body
    sentence = len(_LONG_WORD.findall(line)) > 1 or line.endswith(("?", ":"))
    answer = line.strip("*_ ")
    if is_refusal(answer):
        return Cut(response, None, "the response gives no answer")
    if len(line) > BARE_LENGTH or (sentence and not alone) or not answer:
        return Cut(response, None, "no box, no announced answer, no bare answer")
    return Cut(response[:where].rstrip(), answer)


_FORMATS: dict[str, Callable[[str, int], Cut]] = {
    "boxed": _boxed, "choice": _choice, "line": _line, "code": _code, "text": _text,
}  # fmt: skip
