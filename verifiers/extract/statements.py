"""What an announcement says: the answer at the head of a sentence, without the words that go with it."""

from __future__ import annotations

import re

from verifiers.latex import word_set

__all__ = ["first_statement", "holds_answer", "is_letter", "is_refusal", "is_remark", "reduced", "shorn"]

REACH = 2000
"""Characters after an announcement that its statement may take."""

_FENCES = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("**", "**"), ("$", "$"), ("`", "`"))
_CODE_FENCE = re.compile(r"(`{3,})[^\n`]*\n(.*?)(?:\n[ \t]*\1|\Z)", re.DOTALL)
_STYLE_TAG = r"(?:b|strong|i|em|p|u|span|code|mark)>"
_STOP = re.compile(
    r"\n|[.!?](?=\s+[A-ZÀ-ÞА-Я¡¿\"'(*$\\#<]|[\s*_`]*$)|\s?(?:です|である|입니다)"
    r"|\.?\s+(?=I hope|Hope this)|<\||。|！|[?？]"
    rf"|</(?!{_STYLE_TAG})|，(?=[^\W\d_a-zA-Z])|\.(?=\*\*)"
)
_LEAD = re.compile(r"(?:[\s_:：]|->|=>|→|⇒|>|\*\*(?=\s|$)|\*(?!\*)|#+\s|[-–—•]\s)+")
_CHINESE_LEAD = re.compile(r"(?:[共有一是为选即：，\s]|等于|分别)+(?=[\d$\\A-Za-z(（-])")
_FILLERS = re.compile(
    r"(?:(?:indeed|also|again|still|exactly|precisely|just|simply|clearly|therefore|thus|then|now|obviously|of course|"
    r"hence|actually|really|in fact|finally|always|given by|found to be|that|equal to|(?:the )?(?:option|choice|letter)"
    r"(?= \(?[A-J]\b))[,:]?\s+)+(?=\S)",
    re.IGNORECASE,
)


_NUMBER = re.compile(r"[ \t]{0,9}(-?[0-9]{1,30}(?:\.[0-9]{1,30})?)\.?\s{0,9}")


def first_statement(rest: str) -> str:
    """The answer at the head of what follows an announcement; "" where there is none.

    >>> first_statement(" **12**, not 13. Done."), first_statement(" 12 or 13")
    ('12', '12 or 13')
    """
    if (number := _NUMBER.fullmatch(rest, 0, REACH)) is not None:
        return number[1]  # most statements
    rest = rest[:REACH].lstrip()
    if (fence := _CODE_FENCE.match(rest)) is not None:
        return fence[2].strip()
    if (lead := _LEAD.match(rest)) is not None:
        rest = rest[lead.end() :]
    if (fence := _CODE_FENCE.match(rest)) is not None:
        return fence[2].strip()
    head, after = _fenced(rest)
    stop = _STOP.search(after)
    if stop and stop[0] in "?？":
        return ""  # a question announces nothing
    return reduced(head + (after[: stop.start()] if stop else after))


def reduced(sentence: str) -> str:
    """What a sentence says the answer is, without its marks of style and the words around."""
    sentence = _HTML.sub("", sentence).strip()
    head, after = _fenced(sentence)
    if after.strip(_PUNCTUATION):
        sentence = shorn(sentence)
        head, after = _fenced(sentence)
    if head and not after.strip(_PUNCTUATION):
        sentence = _unfenced(head)
    sentence = _SMILE.sub("", sentence.replace("**", "")).strip(" \t*_`✓✔✅☑")
    if (fillers := _FILLERS.match(sentence)) is not None:
        sentence = sentence[fillers.end() :]
    if (chinese := _CHINESE_LEAD.match(sentence)) is not None:
        sentence = sentence[chinese.end() :]
    return _after_the_verb(sentence)


_PUNCTUATION = " \t*_.,;:!"
_SMILE = re.compile(r"(?:[\s\ufe0f\U0001f300-\U0001faff✨❤]|\s:-?\))+$")
_HTML = re.compile(rf"</?{_STYLE_TAG}", re.IGNORECASE)


def _fenced(text: str) -> tuple[str, str]:
    """The mathematics between delimiters, or the bold text, that `text` begins with, and what follows."""
    for opening, closing in _FENCES:
        if text.startswith(opening):
            end = text.find(closing, len(opening))
            if end > 0:
                return text[: end + len(closing)], text[end + len(closing) :]
            break
    return "", text


def _unfenced(text: str) -> str:
    for opening, closing in _FENCES:
        if text.startswith(opening):
            inner = text[len(opening) : -len(closing)].strip()
            return _unfenced(inner) if inner != text and _fenced(inner) == (inner, "") else inner
    return text


_VERB = re.compile(
    r"\b(?:is|was|are|be|equals|has|have|had|takes?|took|costs?|needs?|gets?|got|earns?|makes?|made|weighs?|contains?|pays?|"
    r"paid|spends?|spent|sells?|sold|receives?)\b"
)


_RELATIVE = re.compile(r"\b(?:whose|such that|for which|if|when|unless|twice|double|half|not|never|cannot)\b")


def _after_the_verb(sentence: str) -> str:
    """ "The largest n is 34" says 34: what follows the last verb of a sentence whose digits all follow it."""
    if len(sentence.split()) < 4:
        return sentence
    verbs = list(_VERB.finditer(sentence))
    if not verbs or _RELATIVE.search(sentence):
        return sentence
    if not any(c.isdigit() for c in sentence[: verbs[-1].start()]):
        return _FILLERS.sub("", sentence[verbs[-1].end() :].strip(" :*_"), count=1)
    return sentence


# --- words after the answer ---------------------------------------------------------------------------------

_REASON = re.compile(
    r"(?:,?\s+|[,;(]\s*|\s?[–—-]+\s?)\(?(?:(?:and|but)\s+)?"
    r"(?:because|since|which|where|whereas|as|hence|thus|therefore|i\.\s?e\.?|e\.g\.|that is|that's|namely|meaning|"
    r"rather than|instead of|as opposed to|contrary to|unlike)(?![A-Za-z])"
    r"|(?:[,;(]\s*|\s[–—-]+\s|\s(?:and|but)\s)(?:(?:and|but)\s+)?(?:so|not|never)(?![A-Za-z])"
)
_NOT_ANOTHER = re.compile(r"(?<=[\d$*)}])\s+not\s+(?=[\d$*\\(-])")
_QUANTITY = re.compile(
    r",?\s+(?:q\.?e\.?d|altogether|overall|respectively|in (?:total|all|profit|savings|change|sales|revenue|earnings|"
    r"income|cash|tips|taxes?|interest|debt|fees|donations|winnings|this case|our case|"
    r"the (?:end|first|second|bank|box|basket|class|jar|bag|room)))\b|\s+(?:∎|■|\$?\\(?:blacksquare|qed)\b)",
    re.IGNORECASE,
)
_HOW = re.compile(
    r",?\s+(?:(?:by|using|via|from|through|thanks to|without|for (?:this|these|the given)|given (?:the|these|our)) "
    r"(?=[A-Za-z]{2})|I (?:think|believe|guess|suppose|would say)\b)"
)
_CLAUSE = re.compile(
    r";\s*(?=[A-Za-z]{2})|\s[–—-]{1,3}\s(?=[A-Za-z]{2})|\s?[–—]\s?(?=[a-z]{2})"
    r"|,\s+(?=(?:it|this|that|they|we|there|the|he|she|you|its|their|our|both|just|only|after|before|using|by|whatever|"
    r"regardless|for an?|for the|[a-z]{3,}ing|[a-z]{3,}ed (?:at|when|for|by|if|in)|"
    r"[A-J] (?:is|was|cannot|can't|would|fails))\b)"
    r"|,?\s+(?=(?:although|though|even though|while|despite)\b)"
    r"|,?\s+and\s+(?=(?:we|this|that|that's|it|so|the (?:proof|claim|result))\b[^\d\\]*$)"
    r"|\s?\((?=[^()]*\b(?:is|are|was|were|cannot|can't|has|have|does|would|fails)\b)"
    r"|\s?\((?=(?:corrected|revised|updated|verified|checked|confirmed|final)(?: answer| value| result)?\))"
    r"|\s?\((?=(?:the|this|it|we|by|using|from|recall|note|check|see|after|rejecting|discarding|approximately|rounded|"
    r"in total|a|an)\b)"
)
_HEDGE = word_set(
    "or and if when unless otherwise else alternatively maybe perhaps possibly either but except for with given "
    "assuming provided mod base also plus minus times"
)
_ALTERNATIVE = re.compile(
    r"\b(?:or|also|alternatively|another|either|maybe|perhaps|possibl[ey]|could be|might be|may be|if|unless|otherwise|"
    r"depending|(?:other|second) (?:root|solution|answer|value|option|choice|one))\b"
)
_CLAIM = re.compile(r"\d|\\[A-Za-z]|\b[A-J]\b")
_REJECTED = re.compile(
    r"\b(?:not|never|cannot|can't|isn't|reject\w*|extraneous|discard\w*|invalid|impossible|wrong|incorrect|ruled out|"
    r"excluded|negative|too|fails?|false)\b"
)


_WHICH = re.compile(r"(?:which|that is|namely)$")


def shorn(sentence: str) -> str:
    """`sentence` up to a reason, a rejected alternative or another clause; as it is where what follows may change it.

    >>> shorn("12; the other root is rejected"), shorn("12; otherwise 13"), shorn("12, as 3 or 4 fail")
    ('12', '12; otherwise 13', '12')
    """
    start = len(_fenced(sentence)[0]) or 1
    cuts = (_REASON, _NOT_ANOTHER, _QUANTITY, _HOW, _CLAUSE)
    found = [m for pattern in cuts if (m := pattern.search(sentence, start)) is not None]
    for cut in sorted(found, key=lambda m: m.start()):
        tail = sentence[cut.end() :]
        if cut.re is _CLAUSE:
            word = re.match(r"[A-Za-z]*", tail)
            if word is not None and word[0].lower() in _HEDGE:
                return sentence
            if _ALTERNATIVE.search(tail) and _CLAIM.search(tail) and not _REJECTED.search(tail):
                return sentence
        elif cut.re is _QUANTITY and tail.strip(" .,;:!*)"):
            continue
        elif _WHICH.search(cut[0]) and _SIGNS.search(tail) and not holds_answer(sentence[: cut.start()]):
            continue  # "the number of edges, which is 5"
        return sentence[: cut.start()].rstrip(" ,;:(–—-")
    return sentence


# --- whether a statement is an answer -----------------------------------------------------------------------

_SIGNS = re.compile(r"[\d=<>≤≥≠≈∞∅π√^_%°½⅓¼¾]|\\[A-Za-z]")
_LETTER = re.compile(
    r"(?:(?:option|choice|answer)\s)?\(?\s?([A-Z])\s?\)?[.:]?(?:\)?[.:]?\s\S.*)?", re.IGNORECASE
)
_LETTERS = re.compile(r"\(?[A-J]\)?(?:(?:\s?[,、&]\s?|\s)(?:and\s|和\s?)?\(?[A-J]\)?)+|[A-J]{1,10}")
_WORDS = word_set(
    "yes no true false none zero one two three four five six seven eight nine ten eleven twelve infinity "
    "undefined even odd never always nothing both neither up down"
)
_REMARKS = word_set(
    "correct correctly right wrong incorrect reasonable unreasonable plausible sensible consistent inconsistent "
    "verified confirmed checked valid invalid helpful useful clear unclear obvious easy simple complete "
    "incomplete off close too not unlikely likely independent supposed expected required needed obtained asked "
    "what why how because below above this it here ready done final good fine ok great acceptable satisfactory "
    "within larger smaller greater bigger less higher lower in as sought presented boxed stated shown derived "
    "justified accurate sound logical unique"
)
_KIND = re.compile(
    r"an? (?:integer|whole|positive|negative|real|even|odd|prime|natural|unique|valid|rational)\b|the same\b|as follows"
)
_FIRST_WORD = re.compile(r"[A-Za-z]+")
_REFUSAL = re.compile(
    r"(?:(?:I(?: am|['’]m)|we(?: are|['’]re)) (?:not (?:sure|certain|able)|unable|unsure|sorry)"
    r"|(?:I|we) (?:(?:do|can|could|would)(?:n['’]t| not)|cannot|can['’]t|have no)|idk|no idea|dunno)(?![A-Za-z])",
    re.IGNORECASE,
)
_STYLE = re.compile(r"\\(?:text\w*|math\w+|mbox|boldsymbol|bf)\s?|[{}$*`\s]+")


def is_letter(text: str) -> bool:
    """Whether `text` is a letter of a multiple choice, or one with its text: C, (C), \\text{C}, "C) 12"."""
    if len(text) > REACH:
        return False
    bare = _STYLE.sub(" ", text).strip(" .")
    found = _LETTER.fullmatch(bare)
    return found is not None and (found[1].isupper() or len(bare) <= 3) and not _formula(bare, found[1])


def _formula(bare: str, letter: str) -> bool:
    rest = bare[bare.find(letter) + 1 :].lstrip(" )")
    return rest[:1] in set("=<>+-*/^_") and bool(rest)


def is_refusal(statement: str) -> bool:
    """Whether a statement says that there is no answer: "I do not know", "we cannot tell"."""
    return _REFUSAL.match(statement) is not None


def is_remark(statement: str) -> bool:
    """Whether a statement is about the answer and not the answer: "correct", "reasonable", "off by one", "not 5"."""
    if not statement[:1].isalpha():
        return False
    if is_refusal(statement):
        return True
    word = _FIRST_WORD.match(statement)
    return (word is not None and word[0].lower() in _REMARKS) or _KIND.match(statement.lower()) is not None


def holds_answer(statement: str) -> bool:
    """Whether a statement is surely an answer: it has a digit or a formula, or is a letter or a word such as "yes"."""
    if is_remark(statement):
        return False
    if _SIGNS.search(statement) or _LETTERS.fullmatch(_STYLE.sub(" ", statement).strip(" .")):
        return True
    bare = statement.strip(" .*")
    return len(bare) == 1 or bare.lower() in _WORDS or is_letter(statement)
