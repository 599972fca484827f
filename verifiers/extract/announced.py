"""Answers that are announced in words: "the answer is …", "Answer: …", "#### …", "option B is correct", 答案：…"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from verifiers.extract.corrections import correction
from verifiers.extract.languages import OTHER_HINTS, OTHER_LANGUAGES
from verifiers.extract.statements import first_statement, holds_answer, is_remark

__all__ = ["Announced", "announced", "announcements", "in_bold"]

REACH = 20_000
"""Characters at the end of a response in which announcements are searched for."""
NEAR = 250
"""Characters at the end of a response that are looked at first."""
SHORT = 80
"""Characters in which a search for announcements takes no longer than one for their hints."""
MOST = 40
"""Announcements that are looked at, from the last one."""


class Announced(NamedTuple):
    """Where an announcement begins, what it says, and whether the text ends before it says anything."""

    start: int
    statement: str
    cut_off: bool = False


_ANCHOR = re.compile(
    r"^(?:[ \t>*_#]{0,6}(?:final )?ans(?:wer)?\.? (?=[$\\(-]{0,3}\d)"
    r"|[ \t>*_#-]{0,8}(?:(?:final )?result|option|choice)(?=[*_ ]{0,4}[:：])|(?-i:A:)|答(?=[:：]))"
    r"|\b(?:answers?\b|ans\b|final results?\b"
    r"|(?:correct|right|best|true|appropriate) (?:options?|choices?|letters?|statements?)\b"
    r"|(?:my|our|final) (?:choice|pick|selection|option)\b)"
    r"|####(?<!#####)(?!#)"
    r"|答案|故选|[应因该以题是]选(?=[项择：:为了\s]{0,3}[(（]?[A-J])|正确(?:选项|的是)"
    rf"|(?P<other>{OTHER_LANGUAGES})",
    re.IGNORECASE | re.MULTILINE,
)
_HINTS = (
    "nswer", "NSWER", "####", "A:", "Ans", "ans", "esult", "ESULT", "ption", "hoice", "etter", "tatement", "pick",
    "selection", "选", "答", "正确", *OTHER_HINTS,
)  # fmt: skip
_CONNECTIVE = re.compile(
    r"[*_ ]{0,4}(?:(?:to|of|for|that|in|we|I|you) [^.\n:*]{1,80}? |, (?:then|therefore|thus|hence), )?"
    r"(?:(?:(?:is|are|was|equals|becomes|comes (?:out )?to|turns out to|works out to|"
    r"(?:would|should|will|must|has to|can only|ought to) (?:therefore |thus |then )?(?:be|equal))\b)"
    r"(?: (?:therefore|thus|then|simply|just|hence|be)\b)?[*_ ]{0,4}[:：]?"
    r"|[:：=]|[*_ ]{0,4}\|(?=[^|\n]{1,80}\|\s{0,9}$)|[*_ ]{0,4}(?:->|=>|→|⇒)|[*_ ]{0,4} [-–—]{1,3}(?= )|[*_ ]{0,4}\n"
    r"|[*_】」 ]{0,4}(?:就是|应该是|应是|应为|是|为|等于|选)?[:：]?(?<=[】」是为于选:：案]))",
    re.IGNORECASE | re.MULTILINE,
)
_DOUBTED = re.compile(
    r"\b(?:wrong|incorrect|false|tempting|naive|initial|previous|earlier|first|intermediate|partial|another|alternative|"
    r"student's|user's|no|suppose|if|whether|unless|assume|assuming|imagine|guess|hope|verify|check|confirm)\b"
    r"(?: that)?(?: (?:the|our|this|my|an?|your))?(?: (?:final|correct))? $",
    re.IGNORECASE,
)
_DOUBT = 32
"""Characters that the longest of these takes, and one before it."""
_CHOSEN = re.compile(
    r"(?:\b(?:option|choice|answer|statement)\s+)?(?<![A-Za-z])[*_]{0,3}\(?(?P<first>[A-J])\)?[*_]{0,3}\s+"
    r"(?:is|must be|would be|has to be)\s+(?:(?:indeed|therefore|thus|clearly|the|only)\s+){0,3}[*_]{0,3}"
    r"(?:correct|right|best|true|answer)\b"
    r"|\b(?:choose|choosing|select|selecting|pick|picking|go with|going with|opt for|mark)\s+"
    r"(?:(?:option|choice|answer|letter)\s+)?[*_]{0,3}\(?(?P<second>[A-J])\)?(?![A-Za-z'’])"
    r"|\b(?:correct|right|best)\s+(?:one\s+)is\s+[*_]{0,3}\(?(?P<third>[A-J])\)?(?![A-Za-z'’])"
    r"|(?<!不)选择?\s{0,2}(?P<fourth>[A-J])(?![A-Za-z])"
    r"|选项\s{0,2}(?P<fifth>[A-J])\s{0,2}是?正确"
)
_OPTION = re.compile(r"[A-J](?<![A-Za-z].)(?![A-Za-z'’])")  # the letter first: the search skips to it
_CHOOSING = ["orrect", "ight", "est", "true", "answer", "hoos", "elect", "pick", "with", "opt", "mark", "选"]
"""Every match of `_CHOSEN` holds an option's letter and one of these."""
_IS_THE_ANSWER = re.compile(
    r"(?<![^\s(*])(\$[^$\n]{1,80}\$|\*\*[^*\n]{1,80}\*\*|[^\s,;:*]{1,30})\s+(?:is|are|as)\s+(?:the|our|my)\s+"
    r"(?:final\s+|correct\s+|right\s+|required\s+|desired\s+){0,2}answers?\b(?!\s*[?:])"
)
_IS_THE = re.compile(r"\s(?:is|are|as)\s+(?:the|our|my)\s")
"""What every match of `_IS_THE_ANSWER` holds."""
_HEADING = re.compile(
    r"[ \t*_]*(?:\(?\d{1,3}[.):]{1,2}[*_]{0,2}[ \t]+[^\d\n]|\d{1,3}[ \t]+[A-Z][a-z]{2}|[A-Z][a-z]+ \d)"
)
"""What makes a line that begins with #### a heading: "#### 2. Solve", not what stands in the line after it."""


def announced(text: str, start: int) -> Announced | None:
    """The last announcement after `start` that says an answer, or is cut off; None if there is none.

    Remarks about an answer ("so the answer is correct") are passed over.
    """
    unsure: Announced | None = None
    for found in announcements(text, start):
        if found.cut_off or holds_answer(found.statement):
            return found
        if unsure is None and found.statement and not is_remark(found.statement):
            if found.statement[0].isupper():
                return found
            unsure = found
    return unsure


def announcements(text: str, start: int) -> Iterator[Announced]:
    """The announcements after `start`, from the last one."""
    start = max(start, len(text) - REACH)
    tail = text[start:]
    last = tail.rfind("\n", 0, len(tail.rstrip())) + 1  # most announce in their last line, or near it
    near = tail.rfind("\n", 0, max(0, min(last, len(tail) - NEAR))) + 1
    parts = [(last, None), (near, last), (0, near)]
    for found in chain.from_iterable(_places(tail, *part) for part in parts):
        at = found.start()
        if found.re is not _ANCHOR:
            said = found[found.lastindex or 0].strip("$*")
            if not _doubted(tail, at) and holds_answer(said):
                yield Announced(start + at, said)
        elif (rest := _after(tail, found)) is not None:
            cut_off = not rest.strip(" \t\r\n*_:：$`\"'{(-")
            yield Announced(start + at, correction(rest) or first_statement(rest), cut_off)


def _places(tail: str, begin: int, end: int | None = None) -> list[re.Match[str]]:
    """Where an announcement may begin in `tail[begin:end]`, from the last place."""
    if begin == end:
        return []
    places: list[re.Match[str]] = []
    if (line := _hinted(tail, begin, end)) is not None:
        places += _ANCHOR.finditer(tail, line)
    if _OPTION.search(tail, begin) is not None and any(tail.find(word, begin) >= 0 for word in _CHOOSING):
        places += _CHOSEN.finditer(tail, begin)
    if (at := tail.find("answer", begin)) >= 0 and _IS_THE.search(tail, begin):
        line = max(begin, tail.rfind("\n", 0, max(0, at - 150)) + 1)
        said = list(_IS_THE_ANSWER.finditer(tail, line))
        # The "answer" that "12 is the answer" ends with does not announce what comes after it.
        ends = {each.end() for each in said if holds_answer(each[1].strip("$*"))}
        places = [place for place in places if place.re is not _ANCHOR or place.end() not in ends] + said
    if end is not None:
        places = [place for place in places if place.start() < end]
    places.sort(key=re.Match.start)
    return places[: -MOST - 1 : -1]


def _hinted(tail: str, begin: int, end: int | None) -> int | None:
    """Where the first line of `tail[begin:end]` begins that may hold an anchor; None if none does."""
    if (len(tail) if end is None else end) - begin <= SHORT:
        return begin
    hints = [at for hint in _HINTS if (at := tail.find(hint, begin, end)) >= 0]
    return max(begin, tail.rfind("\n", 0, min(hints)) + 1) if hints else None


def _doubted(tail: str, at: int) -> bool:
    """Whether the words before an announcement doubt it: "if the answer", "a wrong answer"."""
    before = tail[max(0, at - _DOUBT) : at]
    return before.endswith(" ") and _DOUBTED.search(before) is not None


def _after(tail: str, anchor: re.Match[str]) -> str | None:
    """What follows an anchor and its verb or colon; None if the words around it announce nothing."""
    word = anchor[0]
    if word == "####":
        return None if _HEADING.match(tail, anchor.end()) else tail[anchor.end() :].split("\n", 1)[0]
    if word[-1] in ":选 " or anchor["other"]:
        return tail[anchor.end() :]
    if _doubted(tail, anchor.start()):
        return None
    connective = _CONNECTIVE.match(tail, anchor.end())
    if connective is None:
        return None
    rest = tail[connective.end() :]
    return rest.split("|", 1)[0] if connective[0].endswith("|") else rest  # the cell of a table


_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*(?![ \t]*[:：?？])")


def in_bold(line: str) -> str | None:
    """The only bold text of a line, where that is an answer: "So it is **5**."."""
    bold = [
        found[1].strip() for found in _BOLD.finditer(line) if not found[1].rstrip().endswith((":", "：", "?"))
    ]
    return bold[0].rstrip(".") if len(bold) == 1 and holds_answer(bold[0]) else None
