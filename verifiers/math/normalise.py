"""One spelling for mathematics: Unicode, LaTeX spacing and number formats, before anything is parsed.

Deceptive characters (direction overrides, invisible characters inside a word or a number) make a text unreadable.
Digits and letters of other scripts that look like ASCII ones are left unchanged, and so never equal them.
"""

from __future__ import annotations

import re
import unicodedata

from verifiers.latex import CHARACTERS
from verifiers.math.words import with_chinese_words

__all__ = ["GROUP", "MAX_LENGTH", "Unreadable", "normalise"]

MAX_LENGTH = 2_000
"""An answer longer than this (characters) is compared as text only."""
DOLLAR = "\ue010"
GROUP = "\ue001"
"""Replaces an explicit digit-group mark: `{,}`, `,\\!` or `\\,` between digits."""


class Unreadable(ValueError):  # noqa: N818
    """This text cannot be read as mathematics."""


_OVERRIDES = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = set("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2063\u2064\ufeff\ufe0e\ufe0f")

_UNREAD = frozenset("≃≅⇒⟹⇔⟺")
"""Signs of `latex.CHARACTERS` that are not read yet."""
_MAP = {
    char: f"\\{meaning} " if meaning.isalpha() else meaning
    for char, meaning in CHARACTERS.items()
    if char not in _UNREAD
}
_MAP |= {
    "\u2062": r"\cdot ", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]", "±": r"\pm ", "∓": r"\mp ", "∈": r"\in ",
    "∉": r"\notin ", "∪": r"\cup ", "∩": r"\cap ", "∖": r"\setminus ", "∅": r"\emptyset ", "∞": r"\infty ",
    "°": "^{\\circ}", "º": "^{\\circ}", "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"', "…": r"\ldots ",
    "⋯": r"\ldots ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}",
    "ℂ": r"\mathbb{C}", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "⟨": r"\langle ", "⟩": r"\rangle ",
    "〈": r"\langle ", "〉": r"\rangle ", "∶": ":", "∠": r"\angle ", "△": r"\triangle ", "∣": "|", "∨": r"\vee ",
    "∧": r"\wedge ", "＄": r"\$", "ⅈ": "i", "ⅇ": "e", "µ": r"\mu ", "Ω": r"\Omega ", "ϵ": r"\epsilon ",
    "ϕ": r"\phi ", "。": ".", "，": ",", "、": ",", "（": "(", "）": ")", "：": ":",
}  # fmt: skip
_SMALL = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma sigma tau "
    "upsilon phi chi psi omega"
)
_LARGE = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
_GREEK = dict(zip("αβγδεζηθικλμνξπρςστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", f"{_SMALL} {_LARGE}".split(), strict=True))
_MAP |= {char: f"\\{name} " for char, name in _GREEK.items()}
_SUPER = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣ", "0123456789+-=()nix", strict=True))
_SUB = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₙₖᵢⱼₓ", "0123456789+-=()nkijx", strict=True))
_RAISED = re.compile(f"[{''.join(map(re.escape, _SUPER))}]+")
_LOWERED = re.compile(f"[{''.join(map(re.escape, _SUB))}]+")


def _ascii(text: str) -> str:
    """Unicode mathematics in LaTeX spelling. Raises Unreadable for deceptive characters."""
    text = text.strip().strip("".join(_INVISIBLE)).strip()
    out: list[str] = []
    for position, char in enumerate(text):
        if char < "\x80":
            out.append(char)
        elif char in _OVERRIDES or "\ue000" <= char <= "\uf8ff" or "\ud800" <= char <= "\udfff":
            raise Unreadable("direction overrides, private or broken characters")
        elif char in _INVISIBLE:
            if text[position - 1].isalnum() and text[position + 1].isalnum():
                raise Unreadable("an invisible character inside a word or number")
        elif (known := _MAP.get(char)) is not None:
            out.append(known)
        elif char in _SUPER or char in _SUB:
            out.append(char)
        elif char.isspace():
            out.append(" ")
        elif unicodedata.decomposition(char).startswith("<fraction>"):
            top, bottom = unicodedata.normalize("NFKC", char).split("\u2044")
            out.append(f"\\tfrac{{{top}}}{{{bottom}}}")
        elif (
            "\uff01" <= char <= "\uff5e"
            or "\U0001d400" <= char <= "\U0001d7ff"
            or "\u2100" <= char <= "\u214f"
        ):
            out.append("".join(_MAP.get(c, c) for c in unicodedata.normalize("NFKC", char)))
        else:
            out.append(unicodedata.normalize("NFC", char))
    joined = "".join(out)
    if joined.isascii():
        return joined
    joined = _RAISED.sub(lambda m: "^{" + "".join(map(_SUPER.__getitem__, m.group())) + "}", joined)
    return _LOWERED.sub(lambda m: "_{" + "".join(map(_SUB.__getitem__, m.group())) + "}", joined)


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPACING = re.compile(
    r"\\(?<!\\\\)(?:[;:>! ]|(?:q?quad|hspace\*?\{[^{}]{0,20}\}"
    r"|displaystyle|textstyle|scriptstyle|limits|nolimits|left|right|middle"
    r"|[bB]igg?[lrm]?|hfill|newline|noindent|thinspace|medspace|thickspace|negthinspace|enspace|smallskip|bigskip)(?![A-Za-z])\.?)"
)
_SIZED = re.compile(r"\\(?<![\s\\]\\)(?:left|[bB]igg?l?)(?=[(\[])")
"""A command of size between a name and its bracket, where a blank would make a product: `f\\left(3\\right)` is f(3)."""
_THIN = re.compile(r"(?<=[0-9])(?:\{,\}|,\s?\\!\s?|\\,)\s?(?=[0-9])")
_CIRC = re.compile(
    r"\^\s?(?:\{\s?\\circ\s?\}|\\circ(?![A-Za-z]))|\\degrees?(?![A-Za-z])|\\textdegree(?![A-Za-z])"
)
_ORDINAL = re.compile(
    r"(?<=[0-9])\s?\^\s?\{?\s?(?:\\(?:text(?:rm)?|mathrm|mbox)\s?\{)?\s?(st|nd|rd|th)\s?\}{1,2}"
)
_RULES: tuple[
    tuple[str, re.Pattern[str], str], ...
] = (  # (what the text must contain, what is replaced, by what)
    ("[", re.compile(r"\\\\\[\d*\.?\d+(?:ex|em|pt|mm|cm)\]"), r"\\\\"),
    ("\\tag", re.compile(r"\\tag\s?\{[^{}]{0,20}\}"), " "),
    ("^", re.compile(r"(?<=\d)\s?\^\s?(?:\{o\}|o(?![A-Za-z]))"), "°"),
    ("\\angle", re.compile(r"\\measuredangle|m\s?\\angle"), r"\\angle"),
    ("^", _ORDINAL, r"\1"),
    (".", re.compile(r"\b(?:np|numpy|math|sympy|sp)\.(?=[a-z])"), ""),
    ("er cent", re.compile(r"\bper cent\b"), "percent"),
    ("]", re.compile(r"\](?=[^\[\]()]{1,60}[,;][^\[\]()]{1,60}[\[\]])"), "("),  # ]a, b[ is (a, b)
    ("[", re.compile(r"(?<=[^\s([{,;])\s?\[(?=\s*$|\s*\\cup)"), ")"),
)
_BARRED = re.compile(r"([0-9]{0,20})\.([0-9]{0,20})\s?\\(?:overline|bar)\s?(?:\{([0-9]{1,40})\}|([0-9]))")
_BRACKETED = re.compile(r"(?<![0-9.])([0-9]{1,20})\.([0-9]{0,20})\(([0-9]{1,20})\)(?![0-9^])")
_DOTTED = re.compile(r"(?<![0-9.])([0-9]{0,20})\.((?:[0-9]|\s?\\dot\s?(?:\{[0-9]\}|[0-9])){1,60})")
_DOT = re.compile(r"\s?\\dot\s?\{?([0-9])\}?")
_GOING_ON = re.compile(r"(?<![0-9.])([0-9]{1,20})\.([0-9]{2,40})\s?\\l?dots(?![A-Za-z])")
_PRIMES = re.compile(r"\^\s?(?:\{\s?((?:\\prime\s*){1,5})\}|(\\prime)(?![A-Za-z]))")
_MINUTES = re.compile(r"([0-9]{1,6})°\s?([0-9]{1,2})\s?'(?:\s?([0-9]{1,2})\s?(?:''|\"))?")
_ANNOUNCED = re.compile(
    r"(?:\\text\s?\{)?\s?(?:the )?(?:final )?(?:answers?|solutions?)(?: is\b| are\b|\s?[:=])(?: is|:)?\s*\}?\s*",
    re.IGNORECASE,
)
_FENCES = (
    ("$$", "$$"),
    ("$", "$"),
    ("\\(", "\\)"),
    ("\\[", "\\]"),
    ("**", "**"),
    ("`", "`"),
    ('"', '"'),
    ("``", "''"),
    ("'", "'"),
)
_CLOSING = tuple({closing for _, closing in _FENCES})
_BOX = re.compile(r"\\(?:boxed|fbox)\s?\{")


def normalise(text: str) -> str:
    """`text` in one spelling, without fences, spacing commands and closing punctuation.

    Raises Unreadable for text that is too long, deceptive, or empty.
    """
    if len(text) > MAX_LENGTH:
        raise Unreadable(f"longer than {MAX_LENGTH} characters")
    if not text.isascii():
        text = _ascii(text)
        if not text.isascii():
            text = with_chinese_words(text)
    if not text.isprintable() and _CONTROL.search(text):
        raise Unreadable("control characters")
    text = _unwrapped(text.strip())
    text = text.replace("\\$", DOLLAR).replace("~", " ")
    if "$" in text:
        text = _dollars(text)
    if "." in text:
        text = _repeating_decimals(text)
    if "\\prime" in text:
        text = _PRIMES.sub(lambda match: "'" * match.group().count("prime"), text)
    if "\\" in text or "{" in text:
        if "," in text:
            text = _THIN.sub(GROUP, text).replace("\\,", " ")
        if "circ" in text or "degree" in text:
            text = _CIRC.sub("°", text)
        text = _SPACING.sub(" ", _SIZED.sub("", text))
    text = text.replace("\n", " ").replace("\r", " ").replace("\t", " ").replace("...", "\\ldots ")
    if "." in text and "dots" in text:
        text = _GOING_ON.sub(_going_on, text)
    text = text.rstrip(" .,;\\").lstrip(" ,;")
    if "°" in text and "'" in text:
        text = _MINUTES.sub(_minutes, text)
    for sign, pattern, replacement in _RULES:
        if sign in text:
            text = pattern.sub(replacement, text)
    if text[:1] in "tTfFaAsS\\" and (announced := _ANNOUNCED.match(text)) is not None:
        start = announced.end()
        if announced.group().count("{") == announced.group().count("}") and start < len(text):
            text = text[start:]
    if not text:
        raise Unreadable("empty")
    return text


def _unwrapped(text: str) -> str:
    """`text` without the fences, or the box, around all of it."""
    for _ in range(3):
        before = text
        for opening, closing in _FENCES if text.endswith(_CLOSING) else ():
            if (
                text.startswith(opening)
                and text.endswith(closing)
                and len(text) > len(opening) + len(closing)
            ):
                inner = text[len(opening) : -len(closing)]
                if (
                    opening not in inner.replace("\\$", "")
                    and closing not in inner.replace("\\$", "")
                    and not inner.endswith("\\")
                ):
                    text = inner.strip()
        if text.endswith("}") and (box := _BOX.match(text)) and "\\boxed" not in text[box.end() :]:
            text = text[box.end() : -1].strip()
        if text == before:
            break
    return text


def _minutes(match: re.Match[str]) -> str:
    """22° 30' as one number of degrees."""
    degrees, minutes, seconds = match.groups()
    return f"\\frac{{{3600 * int(degrees) + 60 * int(minutes) + int(seconds or 0)}}}{{3600}}°"


def _repeating_decimals(text: str) -> str:
    """0.1\\overline{6}, 0.1\\dot{6} and 0.1(6) as fractions."""
    if "\\overline" in text or "\\bar" in text:
        text = _BARRED.sub(lambda match: _repeating(match[1], match[2], match[3] or match[4]), text)
    if "\\dot" in text:
        text = _DOTTED.sub(_dotted, text)
    return _BRACKETED.sub(lambda match: _repeating(*match.groups()), text) if "(" in text else text


def _dotted(match: re.Match[str]) -> str:
    """0.\\dot{1}2\\dot{3}: the period goes from the first dot to the last."""
    digits = _DOT.sub(r"\1.", match[2])  # a point after each digit with a dot
    marks = [at for at, char in enumerate(digits) if char == "."]
    if not marks:
        return match.group()
    fixed, period = digits[: marks[0] - 1], digits[marks[0] - 1 : marks[-1]].replace(".", "")
    return match.group() if digits[marks[-1] + 1 :] else _repeating(match[1], fixed, period)


def _going_on(match: re.Match[str]) -> str:
    """0.1666\\ldots as a fraction, where the digits show a period: one digit three times, or several twice."""
    whole, digits = match.groups()
    for length in range(1, len(digits) // 2 + 1):
        shown = length * (3 if length == 1 else 2)
        for fixed in range(len(digits) - shown + 1):
            rest = digits[fixed:]
            if all(rest[at] == rest[at % length] for at in range(len(rest))):
                return _repeating(whole, digits[:fixed], rest[:length])
    return match.group()


def _repeating(whole: str, fixed: str, period: str) -> str:
    """The fraction of a decimal whose `period` repeats for ever."""
    top = int(whole + fixed + period) - int(whole + fixed or "0")
    return f"\\frac{{{top}}}{{{10 ** len(fixed) * (10 ** len(period) - 1)}}}"


def _dollars(text: str) -> str:
    """Dollar signs: pairs delimit mathematics, a single one before a number is money."""
    if text.count("$") % 2 == 0:
        return text.replace("$", " ")
    return re.sub(r"\$(?=\s?-?[\d.])", DOLLAR, text, count=1).replace("$", " ")
