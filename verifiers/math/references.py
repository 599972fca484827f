"""References as data sets store them: lists of answers, and texts that no answer can equal (a proof, a sentence)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence as Sequence_

from verifiers.latex import word_set
from verifiers.math.normalise import Unreadable
from verifiers.math.phrases import without_styles
from verifiers.math.values import Text, Value

__all__ = ["listed", "one_text", "require_answerable"]

MOST_WORDS = 7
"""A reference of more words is a sentence, whatever they are."""
FEWEST_WORDS = 4
"""A reference of fewer words is none."""
_MISSING = frozenset(
    phrase.replace("_", " ")
    for phrase in word_set(
        "proof prove proved notfound not_found n/a nan null see_solution see_explanation no_answer answer_not_found "
        "unknown omitted to_be_proved see_proof qed proof_omitted unanswerable multiple_answers answers_vary "
        "answers_will_vary see_above see_below not_provided not_given - ? …"
    )
)
_VERBS = word_set(
    "is are was were be has have had can cannot could will would does do did must should exists exist holds hold "
    "converges diverges converge diverge follows follow equals becomes increases decreases lies lie depends gives "
    "means implies satisfies intersect intersects bisects form forms"
)
_COMMAND = re.compile(r"\\[A-Za-z]+|\$[^$]*\$")
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]+")


def listed(reference: str) -> Sequence_[object]:
    """The items of a list that was stored as text, `["2", "3"]`; none if `reference` is no such list."""
    if not (reference.startswith('["') and reference.rstrip().endswith('"]')):
        return ()
    try:
        found = json.loads(reference)
    except ValueError:
        return ()
    return found if isinstance(found, list) and all(isinstance(item, str) for item in found) else ()


def one_text(items: Sequence_[object]) -> str:
    """Several answers, all of which are asked for, as one list. Raises Unreadable for anything but texts and numbers.

    >>> one_text(["$2$", "-3"])
    '2, -3'
    """
    texts = [item.strip() if isinstance(item, str) else repr(item) for item in items]
    wrong = [
        type(item).__name__
        for item in items
        if isinstance(item, bool) or not isinstance(item, str | int | float)
    ]
    if wrong:
        raise Unreadable(f"expected a list of strings or numbers, found {wrong[0]} in it")
    if not any(texts):
        raise Unreadable("an empty list")
    if len(texts) == 1:
        return texts[0]
    bare = [text[1:-1].strip() if re.fullmatch(r"\$[^$]+\$", text) else text for text in texts]
    return ", ".join(text.rstrip(".") for text in bare)


def require_answerable(text: str, value: Value) -> None:
    """Raises Unreadable if `text`, read as `value`, is no answer: a remark, or a sentence that nobody would repeat."""
    if without_styles(text).strip(" .:!*").casefold() in _MISSING:
        raise Unreadable("it says that there is no answer to compare with")
    if not isinstance(value, Text):
        return
    prose = value.words if value.words.replace(" ", "").isalpha() else _COMMAND.sub(" ", without_styles(text))
    words = [word.casefold() for word in _WORD.findall(prose)]
    if len(words) > MOST_WORDS or (len(words) >= FEWEST_WORDS and any(word in _VERBS for word in words)):
        raise Unreadable("it is a sentence, and only the same words could equal it")
