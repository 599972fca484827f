"""Text → tokens: one scanner for prose with arithmetic, plain formulas and LaTeX.

The scanner never fails. An unknown sign becomes an `opaque` token, which makes only the expression that contains it
unreadable. Positions are those in the text, so that a step can be quoted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from verifiers.latex import DOTS
from verifiers.reasoning.dollars import opens_formula
from verifiers.reasoning.notation import (
    CHARS,
    COMMANDS,
    FRACTIONS,
    GREEK,
    MATRICES,
    SKIPPED,
    STRUCTURES,
    SUPERSCRIPTS,
    TEXT,
    UNREAD,
    VECTORS,
)

__all__ = ["Token", "scan"]


@dataclass(slots=True)
class Token:
    """One token. `kind` is one of

    num, var, op (+ - * / ^ _ ± ∓), rel (= ~ % for equal, approximate, congruent; < > ≤ ≥ ≠ and others), lp, rp,
    comma (in brackets, or between entries), bar, func, pct, deg, bang, word, edge (a border of a formula), brk
    (nothing is read across it), opaque.
    """

    kind: str
    text: str
    start: int
    end: int
    gap: bool = False
    """Whether white space precedes it."""
    value: Fraction | None = None
    math: bool = False
    """Whether it is in a formula, where letters are variables."""
    cut: bool = False
    """Whether its digits continue: 0.333…"""


MAX_DIGITS = 60
"""Numbers with more digits are not read."""

_IN_WORDS = rf"[^\W\d_{''.join(SUPERSCRIPTS)}{''.join(FRACTIONS)}]"
"""A letter: to `\\w` a raised digit and ½ are letters too."""
_LEX = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<num>\d{1,3}(?:(?:\{?,\}?|\\,|,\\!|\{,\}\\!)\d{3})+(?![\d,]\d)(?:\.\d+)?|\d+(?:\.\d+|\.(?=\s*\\(?:overline|bar|dot)))?|\.\d+)"
    r"|(?P<cmd>\\(?:[A-Za-z]+\*?|.|\Z))"
    rf"|(?P<word>(?<=\d\s)m[²³]|{_IN_WORDS}+(?:['’]?{_IN_WORDS}+)*(?:-{_IN_WORDS}+)*)"
    r"|(?P<arrow>(?:[=-]|--|==)>|<=>|<-+>)"
    r"|(?P<order><=|>=|!=|=<|==|\*\*|~=|=~)"
    r"|(?P<dots>\.{2,})"
    r"|(?P<other>.)",
    re.DOTALL,
)
_OPERATOR = re.compile(r"\s*\{\s*(?:\\(?:text|rm|mathrm)\s*\{?)?([A-Za-z]{2,9})\s*\}{1,2}")
_SIGNS = {"==": "=", "~=": "~", "=~": "~", "<=": "≤", "=<": "≤", ">=": "≥", "!=": "≠"}
_BLANK = re.compile(r"\s*\{\s*(?:\\(?:phantom|hspace)\s*\{[^{}]*\}|\\[,;: ]|\\q?quad|~)?\s*\}")
"""Matches the argument of an empty box, which is an unknown."""
_SEGMENT = re.compile(r"[A-Z]{2,}")
"""Matches the name of a segment or polygon, by its points."""
_LETTER = re.compile(r"\s*(?:\{\s*(?:\\[a-z]+|[A-Za-z]{1,2})\s*\}|[A-Za-z])")
_ANNOTATION = re.compile(r"<<([^<>\n]{0,300})>>")
_DRAWING = re.compile(r"\[asy\](?:(?!\[/?asy\]).){0,20000}\[/asy\]", re.DOTALL)
_BULLET = re.compile(
    r"^[ \t]*(?:#+[ \t]+)?(?:[-*•+][ \t]+)?(?:\*\*)?(?:(?:step|case|part)[ \t]+)?(?:\(?\d{1,2}[.):](?=\s|\*|$))?",
    re.IGNORECASE | re.MULTILINE,
)
_HIDDEN = re.compile("[\u200b-\u200f\u2060\u202a-\u202e\u2066-\u2069\ufeff\u00ad]")


def scan(text: str) -> list[Token]:
    """The tokens of `text` in order, and at the end those of GSM8K's `<<…>>` notes, which are read separately."""
    notes: list[tuple[int, str]] = []

    def lift(note: re.Match[str]) -> str:
        notes.append((note.start(1), note.group(1)))
        return " " * len(note.group())

    text = _HIDDEN.sub(" ", _ANNOTATION.sub(lift, text))
    text = _DRAWING.sub(lambda m: " " * len(m.group()), text)
    text = _BULLET.sub(lambda m: " " * len(m.group()), text)
    tokens = _Scanner(text).run()
    for offset, note in notes:
        tokens.append(Token("brk", "\n\n", offset, offset))
        for token in _Scanner(note).run():
            token.start += offset
            token.end += offset
            tokens.append(token)
    return tokens


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.math: str | None = None  # what closes the formula that is open
        self.gap = False
        self.single = 0  # arguments of \frac or \binom that may be a single digit each
        self.depth = 0

    def run(self) -> list[Token]:
        text, at, size = self.text, 0, len(self.text)
        match = _LEX.match
        while at < size:
            found = match(text, at)
            assert found is not None  # the last alternative takes any character
            kind = found.lastgroup or "other"
            at = getattr(self, "_" + kind)(found.group(), at, found.end())
        return self.tokens

    def add(self, kind: str, text: str, start: int, end: int, value: Fraction | None = None) -> int:
        self.tokens.append(Token(kind, text, start, end, self.gap, value, self.math is not None))
        self.gap = False
        return end

    def _space(self, text: str, start: int, end: int) -> int:
        self.gap = True
        if "\n" in text:
            if text.count("\n") > 1 and self.math != "env":
                if self.math == "$":
                    self.math = None
                self.add("brk", "\n\n", start, end)
            elif self.math is None:
                self.add("brk", "\n", start, end)
        return end

    def _num(self, text: str, start: int, end: int) -> int:
        if self.single and text[0] != ".":
            self.single -= 1
            text, end = text[0], start + 1
        if "," in text and "{" not in text and self._is_argument():
            text = text.partition(",")[0].rstrip("\\")
            end = start + len(text)
        if "," in text and self.math and self.text[start - 1 : start] + self.text[end : end + 1] == "()":
            return self.add("opaque", text, start, end)  # (28,365): a pair, or one number
        if text.isdecimal() and text.isascii() and len(text) <= MAX_DIGITS:
            return self.add("num", text, start, end, Fraction(int(text)))
        digits = re.sub(r"[{},\\!]|\.$", "", text)
        if len(digits) > MAX_DIGITS or not digits.isascii():
            return self.add("opaque", text, start, end)
        return self.add("num", digits, start, end, Fraction(digits))

    def _is_argument(self) -> bool:
        r"""Whether a number is one of several arguments, as in `\gcd(84,126)`, where no comma groups digits."""
        for k in range(len(self.tokens) - 1, max(len(self.tokens) - 8, 0), -1):
            if self.tokens[k].kind == "lp":
                return self.tokens[k - 1].text in ("gcd", "lcm", "max", "min")
        return False

    def _word(self, text: str, start: int, end: int) -> int:
        if self.math is None and (len(text) > 1 or not text.isascii()):
            if text == "π":
                return self.add("var", "π", start, end)
            return self.add("word", text, start, end)
        segment = _SEGMENT.match(text)
        if segment is not None:
            return self.add("var", segment.group(), start, start + segment.end())
        for i, letter in enumerate(text):  # in a formula every letter is a name
            if i and (not letter.isalpha() or _SEGMENT.match(text, i)):
                return start + i  # the first character is always consumed, so that the scanner advances
            kind = "var" if letter.isascii() or letter in "πθαβγδφλμρστω" else "opaque"
            self.add(kind, letter, start + i, start + i + 1)
        return end

    def _arrow(self, text: str, start: int, end: int) -> int:
        return self.add("brk", "⟹", start, end)

    def _order(self, text: str, start: int, end: int) -> int:
        kind = ("op", "^") if text == "**" else ("rel", _SIGNS[text])
        if text == "!=" and self.tokens and self.tokens[-1].kind in ("num", "rp") and not self.gap:
            self.add("bang", "!", start, start + 1)
            return self.add("rel", "=", start + 1, end)
        if text == "**" and self.math is None and not self._power_ahead(start, end):
            return end  # bold markers
        return self.add(*kind, start, end)

    def _power_ahead(self, start: int, end: int) -> bool:
        before = self.tokens[-1] if self.tokens else None
        return (
            before is not None
            and before.kind in ("num", "var", "rp")
            and self.text[end : end + 2].strip()[:1].isdigit()
        )

    def _dots(self, text: str, start: int, end: int) -> int:
        if (
            self.tokens
            and self.tokens[-1].kind == "num"
            and self.tokens[-1].end == start
            and "." in self.tokens[-1].text
        ):
            self.tokens[-1].cut = True  # 0.333…
            return end
        return self.add("opaque", "…", start, end)

    def _other(self, text: str, start: int, end: int) -> int:
        if text == "$":
            return self._dollar(start, end)
        if text in CHARS:
            kind, name = CHARS[text]
            if text == "{":
                self.single = 0
            if text == "…":
                return self._dots(text, start, end)
            if text == "~" and self.math is None:
                return end
            return self.add(kind, name, start, end)
        if text in SUPERSCRIPTS:
            power = ""
            while end <= len(self.text) and (digit := SUPERSCRIPTS.get(self.text[end - 1 : end])):
                power += digit
                end += 1
            self.add("op", "^", start, start)
            return self.add("num", power, start, end - 1, Fraction(power[:MAX_DIGITS]))
        if text in FRACTIONS:
            return self.add("num", text, start, end, Fraction(*FRACTIONS[text]))
        if text in "€£¥":
            return self.add("edge", "$", start, end)
        if text == "~":
            self.gap = True
            return end
        if text in ".?!:,'\"&`":
            return self._punctuation(text, start, end)
        return self.add("opaque", text, start, end)

    def _punctuation(self, text: str, start: int, end: int) -> int:
        following = self.text[end : end + 1]
        if text in "&`":
            self.gap = True
            return end
        if text == "!":
            if (
                self.tokens
                and self.tokens[-1].kind in ("num", "var", "rp")
                and not self.gap
                and self.math is not None
            ):
                return self.add("bang", "!", start, end)
            return self.add("brk", "!", start, end)
        if text in "'\"":
            if self.math is not None and self.tokens and self.tokens[-1].kind == "var":
                self.tokens[-1].text += "'"
                return end
            return self.add("edge", text, start, end)
        if (
            text == ":"
            and following.isdigit()
            and self.tokens
            and self.tokens[-1].kind == "num"
            and not self.gap
        ):
            return self.add("opaque", ":", start, end)  # 6:30, or a ratio
        if text == "." and self.math is None and self._abbreviates(end):
            return self.add("edge", ".", start, end)
        return self.add("brk", text, start, end)

    def _abbreviates(self, end: int) -> bool:
        """Whether a full stop belongs to an abbreviation ("sq. ft.") and does not end a sentence."""
        ahead = self.text[end : end + 3].lstrip(" ")[:1]
        if self.text[end : end + 1] not in (" ", "=") or not self.tokens or self.tokens[-1].kind != "word":
            return False
        return ahead.islower() or ahead in tuple("=+*/×-")

    def _dollar(self, start: int, end: int) -> int:
        if self.text.startswith("$$", start):
            self.math = None if self.math == "$$" else "$$"
            return self.add("brk", " ", start, start + 2)
        if self.math == "$":
            self.math = None
            return self.add("edge", " ", start, end)
        if self.math is None and opens_formula(self.text, end):
            self.add("edge", "(", start, end)
            self.math = "$"
            return end
        return self.add("edge", "$", start, end)

    def _cmd(self, text: str, start: int, end: int) -> int:
        name = text[1:].rstrip("*")
        if name in ("(", "["):
            self.math = {"(": "\\)", "[": "\\]"}[name]
            return self.add("edge" if name == "(" else "brk", "(" if name == "(" else " ", start, end)
        if name in (")", "]"):
            self.math = None
            return self.add("edge" if name == ")" else "brk", " ", start, end)
        if name in ("begin", "end"):
            return self._environment(name, start, end)
        if name in COMMANDS:
            kind, what = COMMANDS[name]
            if what in ("frac", "binom"):
                self.single = 2 if self.text[end : end + 2].strip()[:1].isdigit() else 0
            return self.add(kind, what, start, end)
        if name in GREEK:
            return self.add("var", "\\" + name, start, end)
        if name == "operatorname":
            named = _OPERATOR.match(self.text, end)
            if named is not None and ("func", named.group(1)) == COMMANDS.get(named.group(1)):
                return self.add("func", named.group(1), start, named.end())
            if named is not None:
                return self.add("opaque", named.group(1), start, named.end())
        if name in VECTORS and (letter := _LETTER.match(self.text, end)) is not None:
            return self.add("opaque", letter.group(), start, letter.end())  # its products are not numbers'
        if name in ("square", "Box"):
            return self.add("var", "□", start, end)
        if name == "boxed" and (blank := _BLANK.match(self.text, end)) is not None:
            return self.add("var", "□", start, blank.end())
        if name in TEXT:
            return self._text_group(start, end)
        if name in DOTS and name not in UNREAD:
            return self._dots("…", start, end)
        if name in SKIPPED:
            return end
        if name in ("%",):
            return self.add("pct", "%", start, end)
        if name == "\\":
            return self.add("brk", "\\\\", start, end)
        if name in ("$",):
            return self.add("edge", "$", start, end)
        if name in (",", ";", ":", "!", " ", ">", "\n"):
            self.gap = self.gap or name != "!"
            return end
        if name in ("{", "}"):
            return self.add("opaque", name, start, end)
        if name in ("|",):
            return self.add("bar", "‖", start, end)
        if name == "tag":
            return self._text_group(start, end)
        if name in ("angle", "triangle", "measuredangle"):
            return self._name_after(name, start, end)
        return self.add("opaque", text, start, end)

    def _name_after(self, name: str, start: int, end: int) -> int:
        """`\\angle ABC` as one name."""
        found = re.compile(r"\s*\{?([A-Z0-9]{1,3}'?)(?![A-Za-z])\}?").match(self.text, end)
        if found is None:
            return self.add("opaque", name, start, end)
        return self.add("var", f"\\{name} {found.group(1)}", start, found.end())

    def _text_group(self, start: int, end: int) -> int:
        opening = re.compile(r"\s*\{").match(self.text, end)
        if opening is None:
            return end
        closing = self.text.find("}", opening.end(), opening.end() + 300)
        if closing < 0:
            return self.add("opaque", "\\text", start, end)
        inside = self.text[opening.end() : closing]
        if any(t.text == "_" for t in self.tokens[-2:]):  # the name of a subscript
            return self.add("var", inside.strip(), start, closing + 1)
        words = re.findall(r"[^\W\d_]+|[,.;]", inside)
        if not words and inside.strip():
            return self.add("opaque", inside, start, closing + 1)
        for word in words:
            self.add(
                "brk" if word in ("or", "and", "if", "so", "when", "for", ",", ";") else "word",
                word,
                start,
                closing + 1,
            )
        self.gap = True
        return closing + 1

    def _environment(self, name: str, start: int, end: int) -> int:
        found = re.compile(r"\s*\{([A-Za-z]+)\*?\}").match(self.text, end)
        if found is None:
            return self.add("opaque", name, start, end)
        which = found.group(1)
        if name == "begin" and (which in STRUCTURES or which in MATRICES):
            closing = self.text.find("\\end{" + which, found.end(), found.end() + 20_000)
            stop = found.end() if closing < 0 else self.text.find("}", closing) + 1
            inside = self.text[found.end() : closing]
            if closing < 0 or which in STRUCTURES or "\\begin" in inside or self.math is None:
                return self.add("opaque", which, start, max(stop, found.end()))
            return self._matrix(which, inside, found.end(), stop)
        if name == "begin" and which.endswith("cases"):
            self.add("opaque", which, start, found.end())
        if name == "begin" and self.math is None:
            self.math = "env"
        elif name == "end" and self.math == "env":
            self.math = None
        return self.add("brk", " ", start, found.end())

    def _matrix(self, which: str, inside: str, start: int, stop: int) -> int:
        """Entries between the brackets ⟦ ⟧, with commas between them and semicolons between rows."""
        if which == "vmatrix":
            self.add("func", "det", start, start)
        self.add("lp", "⟦", start, start)
        rows = inside.rstrip().removesuffix("\\\\").split("\\\\")
        at = start
        for k, row in enumerate(rows):
            for j, cell in enumerate(row.split("&")):
                if k or j:
                    self.add("comma", "," if j else ";", at, at)
                entry = _Scanner(cell)
                entry.math = self.math
                for token in entry.run():
                    token.start, token.end = token.start + at, token.end + at
                    self.tokens.append(token)
                at += len(cell) + 1
            at += 1
        self.add("rp", "⟧", stop, stop)
        return stop
