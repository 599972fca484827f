"""Answers that are not expressions: choice letters, times of day, dates, digits in a base, fixed phrases, words."""

from __future__ import annotations

import re
from collections.abc import Callable

from verifiers.latex import word_set
from verifiers.math import regions
from verifiers.math.normalise import Unreadable
from verifiers.math.tree import Node, num, sym
from verifiers.math.values import Based, Choice, Clock, Region, Scalar, Text, Value

__all__ = ["chosen_letters", "plain_words", "read_phrase", "without_styles"]

_STYLE = re.compile(
    r"\\(?:text(?:rm|bf|it|sf|tt|normal)?|mbox|hbox|math(?:rm|bf|sf|it|tt|cal)|boldsymbol|bm|operatorname\*?|rm|bf|it|emph|underline)(?![A-Za-z])\s?"
)
_SPACE = re.compile(r"\s+")
_FOLDABLE = re.compile(r"[^\W\d_]+[^\W_]*(?:[\s'’.,!/&-]+[^\W_]+)*")


def plain_words(text: str) -> str:
    """`text` without styles and braces; if it is words alone, in lower case."""
    bare = _SPACE.sub(" ", _STYLE.sub("", text).replace("{", "").replace("}", "")).strip(" .,;:!*\"'`")
    if _DAY.fullmatch(bare) and (day := _date(bare.casefold())) is not None:
        return day
    if _FOLDABLE.fullmatch(bare):
        words = _ALIASES.get(
            folded := re.sub(r"[\s-]+", " ", bare.replace(".", "").replace("'", "")).casefold(), folded
        )
        return (
            _date(words)
            or _predicate(words)
            or words.removeprefix("the ").removeprefix("a ").removeprefix("an ")
        )
    return _formula(text)


_STYLED = re.compile(_STYLE.pattern + r"\{([^{}]*)\}")
_SINGLE = re.compile(r"(?<!\\)\{\s*(\\[A-Za-z]+|[A-Za-z]|\d|[^\s{}\\])\s*\}")
_NEEDLESS = re.compile(r"(?<!\\) (?![A-Za-z\d])|(?<![A-Za-z\d\\]) ")


def _formula(text: str) -> str:
    """One spelling of mathematics that cannot be read: no styles, no needless blanks, braces only where they group.

    >>> _formula("x^{2}1 [ a ]"), _formula("x^{21}[a]")
    ('x^2 1[a]', 'x^{21}[a]')
    """
    bare = _STYLE.sub("", _STYLED.sub(r"\1", text))
    bare = _SINGLE.sub(r"\1 ", bare)  # x^{2}1 is x^2 1, not x^21
    return _NEEDLESS.sub("", _SPACE.sub(" ", bare)).strip(" .,;:!*\"'`")


_SUBJECT = r"(?:the|this|that|it|each|both|a|an)(?: [a-z]+){0,3}?"
_IS = re.compile(rf"{_SUBJECT} (?:is|are|was|were) ((?:not )?[a-z]+(?: [a-z]+)?)")
_DOES = re.compile(rf"(?:{_SUBJECT} )?(converge|diverge|increase|decrease)s?(?: ([a-z]+ly))?")
_ADJECTIVES = {
    "converge": "convergent",
    "diverge": "divergent",
    "increase": "increasing",
    "decrease": "decreasing",
}


def _predicate(words: str) -> str | None:
    """What a short sentence says of its subject: "the series is convergent" and "it converges" say "convergent"."""
    if (match := _DOES.fullmatch(words)) is not None:
        return f"{match[2] or ''} {_ADJECTIVES[match[1]]}".strip()
    match = _IS.fullmatch(words)
    return match[1] if match is not None else None


_ALIASES = {
    "dne": "does not exist", "doesnt exist": "does not exist", "the limit does not exist": "does not exist",
    "limit does not exist": "does not exist",
    "not defined": "undefined", "is undefined": "undefined", "no limit": "does not exist",
}  # fmt: skip
_NONE = frozenset(
    [
        "no solution",
        "no solutions",
        "no real solution",
        "no real solutions",
        "there is no solution",
        "there are no solutions",
        "empty set",
        "the empty set",
        "there is no real solution",
        "there are no real solutions",
        "no such solution",
        "no real roots",
        "null set",
        "none",
    ]
)
_AND_SYMBOL = re.compile(r"[ ,;:(=]*\\(?:emptyset|varnothing|oslash) ?\)?$")
"""The symbol after the words: no solution (∅)."""
_ALL = frozenset(
    [
        "all real numbers",
        "all reals",
        "all real",
        "any real number",
        "the set of all real numbers",
        "the real numbers",
        "real numbers",
        "every real number",
        "all real values",
        "reals",
        "the reals",
    ]
)
_YEAR = "january february march april may june july august september october november december"
_MONTHS = _YEAR.split()
_MONTH = {name[:length]: at + 1 for at, name in enumerate(_MONTHS) for length in (3, len(name))} | {"sept": 9}
_MONTH_FIRST = re.compile(r"([a-z]+),? ([0-9]{1,2})(?:st|nd|rd|th)?(?:,? ([0-9]{4}))?")
_DAY_FIRST = re.compile(r"(?:the )?([0-9]{1,2})(?:st|nd|rd|th)?(?: of)? ([a-z]+)(?:,? ([0-9]{4}))?")


def _date(words: str) -> str | None:
    """One spelling of a month and day, with or without the year."""
    if (match := _MONTH_FIRST.fullmatch(words)) and match[1] in _MONTH:
        month, day, year = match[1], match[2], match[3]
    elif (match := _DAY_FIRST.fullmatch(words)) and match[2] in _MONTH:
        day, month, year = match[1], match[2], match[3]
    else:
        return None
    return f"{_MONTHS[_MONTH[month] - 1]} {int(day)}" + (f" {year}" if year else "")


_CLOCK = re.compile(
    r"([0-9]{1,2})(?:\s?:\s?([0-9]{2}))?(?:\s?:\s?([0-9]{2}))?\s?([ap])\.?\s?m\.?", re.IGNORECASE
)
_LETTER = re.compile(
    r"(?:(?:option|choice|answer)\s)?(?:\(\s?([A-Za-z])\s?\)|([A-Z])(?:\s?[.):])?|([a-h])\))[.:]?",
    re.IGNORECASE,
)
_LETTER_AND_TEXT = re.compile(
    r"(?:(?:option|choice|answer)\s)?(?:\(\s?([A-Z])\s?\)|([A-Z])(?:\s?\)|\.\s)|([A-J]):\s(?!.{0,200}[,;]\s?[A-Za-z]{1,12}\s?:))[.:]?\s?(\S.*)"
)
"""An option with its text; `A: 3, B: 4` are named values."""
_COUNT = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
)
_NUMBERS = {name: at for at, name in enumerate(_COUNT.split())}
_BASES = _NUMBERS | {"binary": 2, "octal": 8, "decimal": 10, "hexadecimal": 16, "hex": 16}
_BASED = re.compile(
    r"\(?(-?[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)?)\)?\s?"
    r"(?:_\s?\(?\s?(?:base\s?)?([0-9]{1,2}|[a-z]+)\s?\)?|\(?(?:in )?base[ -]?([0-9]{1,2}|[a-z]+)\)?)"
)
_DAY = re.compile(r"(?:the )?[0-9]{1,2}(?:st|nd|rd|th)?(?: of)? [A-Za-z]+(?:,? [0-9]{4})?")


_SIGNED = {
    "infinity": sym("∞"), "positive infinity": sym("∞"), "plus infinity": sym("∞"),
    "negative infinity": Node("neg", (sym("∞"),)), "minus infinity": Node("neg", (sym("∞"),)),
}  # fmt: skip
_SHORT = word_set("yes no so up on off if true false odd even")
_EXCEPT = re.compile(
    r"(?:all|any|every) (?:real )?(?:numbers?|values?|reals?|x)?(?: of x)? ?"
    r"(?:except|besides|but|other than)(?: for)? (?:x ?(?:=|\\neq?) ?)?(\S.*)"
)


def _all_but(listed: str, read: Callable[[str], Value]) -> Value | None:
    """All real numbers except those of a list."""
    points = regions.as_points(read(listed))
    return None if points is None else regions.combined([regions.ALL, points], ["∖"])


def without_styles(text: str) -> str:
    """`text` without commands of style, and braces."""
    bare = _STYLE.sub("", text) if "\\" in text else text
    return " ".join(bare.replace("{", "").replace("}", "").replace("\\ ", " ").split())


def read_phrase(text: str, read: Callable[[str], Value]) -> Value | None:
    """The value of `text` if it is a letter, a time, a date, digits in a base or a fixed phrase; else None.

    `read` reads the rest of a phrase that ends in mathematics.
    """
    first = text[0]
    bare = without_styles(text)
    if not bare:
        raise Unreadable("empty")
    if ("_" in bare or "base" in bare) and (match := _BASED.fullmatch(bare)) is not None:
        return _based(match[1], match[2] or match[3])
    if (circled := _circled(bare)) is not None:
        return circled
    if first.isdigit() or bare[0].isdigit():
        if bare[-1] in "mM." and (match := _CLOCK.fullmatch(bare)) is not None:
            return _clock(*match.groups())
        return Text(plain_words(text)) if _DAY.fullmatch(bare) and _date(bare.casefold()) else None
    if len(bare) > 200 or not (bare[0].isalpha() or bare[0] == "("):
        return None
    if (match := _LETTER.fullmatch(bare)) is not None and (
        (match[1] or "").isupper()
        or (match[1] or "~") in "abcdefgh"
        or (match[2] or "").isupper()
        or match[3]
        or (bare[-1] == ")" and (match[2] or "~") in "abcdefgh")
    ):
        return Choice(
            (match[1] or match[2] or match[3]).upper(), bare=match[2] is not None and len(bare) == 1
        )
    if (match := _LETTER_AND_TEXT.fullmatch(bare)) is not None:
        return Choice(match[1] or match[2] or match[3], bare=False, text=match[4])
    if not bare[0].isalpha():
        return None
    folded = re.sub(r"[\s-]+", " ", bare).casefold().strip(" .,;:!")
    if folded in _NONE or _AND_SYMBOL.sub("", folded) in _NONE:
        return Region(())
    if folded in _ALL:
        return regions.ALL
    if folded in _SIGNED:
        return Scalar(_SIGNED[folded])
    if (match := _EXCEPT.fullmatch(folded)) is not None:
        return _all_but(match[1], read)
    if folded in _SHORT or folded.replace(".", "") in _ALIASES or _date(folded):
        return Text(plain_words(text))
    return None


_BETWEEN_LETTERS = re.compile(r"(?:\s|[,、;&()]|\band\b|和)+")
_OPTION = re.compile(r"[A-J]")
_CHOSEN = re.compile(
    r"(?:(?:options?|choices?|answers?)\s)?\(?([A-J](?:(?:\s|[,、;&()]|and\s|和){0,6}[A-J]){1,9})\)?\.?"
)


def chosen_letters(text: str) -> frozenset[str] | None:
    """The letters of a multiple choice with several right options: ACD, "A, C, D", "A and C"; else None.

    Run together they must be in the order of the alphabet: BAC is a name or a product.
    """
    if len(text) > 100 or _OPTION.search(text) is None:
        return None
    bare = _SPACE.sub(" ", _STYLE.sub("", text)).translate(_NO_BRACES).strip()
    if (found := _CHOSEN.fullmatch(bare)) is None:
        return None
    letters = "".join(_BETWEEN_LETTERS.split(found[1]))
    listed = len(letters) < len(found[1])
    distinct = len(set(letters)) == len(letters)
    return frozenset(letters) if distinct and (listed or letters == "".join(sorted(letters))) else None


_NO_BRACES = str.maketrans("", "", "{}$*")


_CIRCLED = re.compile(r"\\textcircled ?(\d{1,2})|([①-⑳])")
_BETWEEN = re.compile(r"(?:[\s,、;和]|and|or)*")


def _circled(text: str) -> Text | None:
    """Statements by their numbers in circles, ①③④, in any order; None for anything else."""
    if text.isascii() and "circled" not in text:
        return None
    numbers = [int(m[1]) if m[1] else ord(m[2]) - ord("①") + 1 for m in _CIRCLED.finditer(text)]
    rest = _BETWEEN.fullmatch(_CIRCLED.sub("", text))
    return Text(" ".join(f"({number})" for number in sorted(set(numbers)))) if rest and numbers else None


def _based(digits: str, base: str) -> Based | Scalar | None:
    number = int(base) if base.isdigit() else _BASES.get(base, 0)
    if not 2 <= number <= 36 or not (
        any(digit.isdigit() for digit in digits) or (len(digits) > 1 and number > 10)
    ):
        return None
    if (
        any(int(digit, 36) >= number for digit in digits if digit not in "-.")
        and not digits.lstrip("-").isdigit()
    ):
        return None
    if number == 10 and digits.lstrip("-").isdigit():
        return Scalar(num(int(digits)))
    sign = "-" if digits.startswith("-") else ""
    whole, _, part = digits.lstrip("-").upper().partition(".")
    part = part.rstrip("0")
    return Based(sign + (whole.lstrip("0") or "0") + ("." + part if part else ""), number)


def _clock(hour: str, minute: str | None, second: str | None, half: str) -> Clock | None:
    found = Clock(int(hour), int(minute or 0), int(second or 0), half.lower() + "m")
    return found if 1 <= found.hour <= 12 and found.minute < 60 and found.second < 60 else None
