"""Answers that are taken back right after they are given: "that is wrong", "wait, it should be 6"."""

from __future__ import annotations

import re

from verifiers.extract.statements import first_statement, holds_answer

__all__ = ["correction", "withdrawn"]

REACH = 400
"""Characters after an answer in which it is taken back."""
SHORT = 3
"""Most words of what replaces an answer: "it is 3 more than we had before" is a remark."""

_TAKEN_BACK = r"(?:wait|no|oops|sorry|hmm|actually|correction)"
_IS_WRONG = (
    rf"[\s.,;$*)\]\\]{{0,8}}(?:(?:{_TAKEN_BACK}|but)\b[\s,.:;!-]{{0,3}}){{0,3}}"
    r"(?:that|this|it)(?:'s| is| was)(?: actually)? (?:wrong|incorrect|not right|not correct|a mistake)"
)
_WITHDRAWN = re.compile(rf"{_IS_WRONG}(?=\s{{0,3}}(?:[.,;:!\n]|$))", re.IGNORECASE)

_CHECK = (
    r"(?:after|on|upon|having) (?:(?:re-?|double[- ])?check(?:ing|ed)|(?:a )?(?:re-?check|second thoughts?|closer look)"
    r"|reflection)(?: (?:it|this|again))?,? (?:I (?:see|find|found|get) (?:that )?)?"
)
_IT = r"(?:it|this|that|(?:the|my) (?:correct |right |actual )?(?:answer|result|value))"
_SHOULD = r"(?:should|must|ought to) (?:actually |really |instead )?(?:be|have been|read)"
_SAID = r"(?:[^.;!?\n]|\.(?=\d)){0,80}?(?:[.,;:!)]|\.\.\.|\s[–—-])[\s$*]{0,4}"
_BUT = r"(?:(?:and|but|however|yet|though)\b[,\s]{0,3})"
_CORRECTED = re.compile(
    rf"{_IS_WRONG}[\s.,;:!–—-]{{1,3}}(?:and |so )?{_IT}(?:'s| is| was| {_SHOULD})\s+(?=\S)"
    rf"|{_SAID}(?:{_BUT}?(?:(?:{_TAKEN_BACK}\b[\s,.:;!-]{{1,4}}){{1,3}}|{_CHECK}){_IT}(?:'s| is| was| {_SHOULD})"
    rf"|{_BUT}?{_IT} {_SHOULD}|{_BUT}{_IT} is (?:actually|really|in fact))\s+(?=\S)",
    re.IGNORECASE,
)


def withdrawn(text: str, end: int) -> bool:
    """Whether the sentence after the answer that ends at `end` takes it back: "Wait, that is wrong"."""
    return _WITHDRAWN.match(text, end) is not None


def correction(rest: str) -> str | None:
    """What replaces the answer that `rest` begins with, where the same or the next sentence says so; else None.

    >>> correction("10; however, after checking, it is 11."), correction("5. Wait, no, it should be 6.")
    ('11', '6')
    >>> correction("10; however, it could be 11"), correction("10. Actually, it is what we expect")
    (None, None)
    """
    rest = rest[:REACH]
    found = _CORRECTED.match(rest)
    if found is None:
        return None
    said = first_statement(rest[found.end() :])
    return said if holds_answer(said) and len(said.split()) <= SHORT else None
