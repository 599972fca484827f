"""Normalised text → tokens, in one pass without recursion or backtracking; the number of tokens is capped."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from verifiers import latex
from verifiers.latex import FUNCTIONS, STYLES, TEXTS, table, word_set
from verifiers.math.normalise import GROUP, Unreadable
from verifiers.math.units import CURRENCY_SIGNS, NEGATIONS, is_unit

__all__ = ["Token", "lex"]

MAX_TOKENS = 1_200
MAX_DEPTH = 40
MAX_EXPONENT = 4_000
"""Largest absolute exponent of a number in e-notation."""


class Token(NamedTuple):
    """`kind` is num, sym, run, word, fn, op, open, close, rel, sep, cmd, money, begin or end; `text` its one spelling.

    A `run` is several letters side by side, which may be a name (AB) or a product (xy).
    """

    kind: str
    text: str
    spaced: bool = False
    """Whether white space precedes it."""
    value: Fraction | None = None
    places: int = -1
    """Digits after the point of a number written as a decimal; -1 for any other token."""
    figures: int = 0
    """Significant digits of such a number."""
    vector: bool = False
    """Whether a letter carries an arrow or is bold."""


_ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "tg": "tan", "ctg": "cot",
    "arctg": "arctan", "cosec": "csc", "sign": "sgn"}  # fmt: skip
_SIGNS = {
    sign: (kind, meaning)
    for kind, signs in {
        "rel": table("= < > <= >= != =>:⇒ ->:→ <>:!= ==:=") | {":=": "="},
        "op": table("+ - * / ^ _ ! | % ° & ' **:^") | {":": ":"},
        "open": table("( ["),
        "close": table(") ]"),
        "sep": table(", ;"),
        "money": CURRENCY_SIGNS,
    }.items()
    for sign, meaning in signs.items()
}
"""What a sign means: the kind and the text of its token."""
_RELATION_SIGNS = {"≤": "<=", "≥": ">=", "≠": "!=", "≃": "≈", "≅": "≈", "≐": "≈", "∼": "~"}
"""How a token spells the sign of a relation; it spells the others as they are."""
_UNREAD = word_set("longrightarrow Longrightarrow iff Leftrightarrow Longleftrightarrow")
"""Commands of `latex` that are not read yet."""
_BRACKETS = {
    "⌊": ("open", "floor"),
    "⌋": ("close", "floor"),
    "⌈": ("open", "ceil"),
    "⌉": ("close", "ceil"),
}
_GREEK_VARIANTS = {"varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi"}


def _commands() -> dict[str, tuple[str, str]]:
    """What a LaTeX command without arguments of its own means: the kind and the text of its token."""
    tables: dict[str, dict[str, str]] = {
        "rel": {name: _RELATION_SIGNS.get(sign, sign) for name, sign in latex.RELATIONS.items()}
        | {name: "→" if sign == "↦" else sign for name, sign in latex.ARROWS.items() if name not in _UNREAD}
        | table("in notin subset:⊂ subseteq:⊆ mid:| ll:≪ gg:≫"),
        "op": latex.OPERATORS
        | table(
            "mod bmod:mod pmod:mod pm:± mp:∓ cup:∪ bigcup:∪ cap:∩ setminus:∖ backslash:∖ over choose %:% "
            "prime:' circ:∘ _:_ |:‖ \\\\:row lVert:‖ rVert:‖ Vert:‖ vert:|"
        )
        | {"colon": ":", "\\": "row"},
        "sep": table("vee:or lor:or wedge:and land:and &:and"),
        "open": table("{:set lbrace:set langle:< lvert:| lbrack:["),
        "close": table("}:set rbrace:set rangle:< rvert:| rbrack:]"),
        "sym": {name: _GREEK_VARIANTS.get(name, name) for name in latex.GREEK}
        | dict.fromkeys(latex.DOTS, "…")
        | table("partial:∂ top:T Pr:P infty:∞ emptyset:∅ varnothing:∅ oslash:∅ pi:π imath:i jmath:j"),
        "cmd": latex.FRACTIONS | table("sum prod int lim"),
        "money": table("pounds:gbp euro:euro texteuro:euro textdollar:dollar yen:yen cent:cent"),
        "word": table("forall:for complement deg dim ker"),
        "fn": {name: name for name in latex.FUNCTIONS} | _ALIASES,
    }
    found = {name: (kind, text) for kind, entries in tables.items() for name, text in entries.items()}
    brackets = {name: _BRACKETS[sign] for name, sign in latex.BRACKETS.items() if sign in _BRACKETS}
    return found | brackets


_COMMANDS = _commands()
_ACCENTS = word_set("bar hat tilde overline widehat widetilde dot ddot")
_VECTORS = word_set("vec overrightarrow mathbf boldsymbol bm bf")
_UNIT_VECTORS = {"i": "î", "j": "ĵ", "k": "k̂"}
"""Letters with an arrow, a hat or in bold that are the unit vectors, and not a letter or the imaginary unit."""
_DROPPED = (
    latex.LAYOUT
    | word_set("quad qquad triangle therefore because qed square blacksquare checkmark hline Box , ; : ! >")
    | {" "}
)
_LETTER = re.compile(r"\s?\{\s?([A-Za-z])\s?\}|\s([A-Za-z])")
_MARKED = dict.fromkeys(_VECTORS, _LETTER) | {
    "hat": re.compile(r"\s?\{\s?(?:\\([ij])math|([ijk]))\s?\}|\s?\\([ij])math(?![A-Za-z])")
}
_ENVIRONMENT = re.compile(r"\s?\{([a-zA-Z]+\*?)\}(?:\s?\{[|lcr ]*\})?")
_BLACKBOARD_LETTER = re.compile(r"\s?\{?([A-Z])\}?")
_COLOUR = re.compile(r"\s?\{[A-Za-z]{1,20}\}")
_WORD_SYMBOLS = {
    "pi": "π",
    "infinity": "∞",
    "Infinity": "∞",
    "infty": "∞",
    "inf": "∞",
    "oo": "∞",
    "emptyset": "∅",
}
_BLACKBOARD = {"R": "ℝ", "Z": "ℤ", "N": "ℕ", "Q": "ℚ", "C": "ℂ"}

_SCAN = re.compile(
    rf"""
    (?P<space>\s+)
  | (?P<num>(?:\d+(?:{GROUP}\d+)+|\d+)(?:\.\d*)?|\.\d+)(?P<exp>[eE][+-]?\d+(?![\d.]))?
  | (?P<cmd>\\[A-Za-z]+\*?|\\.)
  | (?P<letters>[A-Za-z]+)
  | (?P<two>\*\*|<=|>=|!=|=>|->|<>|==|:=)
  | (?P<one>.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])", re.ASCII)
_SPACED_THOUSANDS = re.compile(r"(?<![\d.,/])[1-9]\d{0,2}(?: \d{3})+(?![\d,/])", re.ASCII)


def lex(text: str, thousands: bool = True) -> list[Token]:
    """The tokens of a normalised text. With `thousands`, `1,234` outside brackets is one number. Raises Unreadable."""
    if thousands and "," in text:
        text = _join_thousands(text)
    if " " in text:
        text = _SPACED_THOUSANDS.sub(lambda m: m.group().replace(" ", ""), text)
    out: list[Token] = []
    groups: list[str] = []  # for each open brace "{" (a group), or "text" or "style", which leave no token
    spaced = False
    position, end = 0, len(text)
    while position < end:
        match = _SCAN.match(text, position)
        assert match is not None
        position = match.end()
        kind, raw = match.lastgroup, match.group()
        if kind == "space":
            spaced = True
            continue
        if len(out) > MAX_TOKENS:
            raise Unreadable(f"more than {MAX_TOKENS} symbols")
        if kind in ("num", "exp"):
            out.append(_number(raw, spaced))
        elif kind == "letters":
            _letters(raw, spaced, "text" in groups, out, text[position : position + 4].lstrip())
            if "vector" in groups and out[-1].kind in ("sym", "run"):
                out[-1] = _as_vector(out[-1])
        elif kind == "cmd":
            position = _command(raw, text, position, spaced, groups, out)
        elif raw == "{":
            groups.append("{")
            out.append(Token("open", "{", spaced))
        elif raw == "}":
            if not groups:
                raise Unreadable("a brace closes that was never opened")
            if groups.pop() != "{":
                pass
            elif out[-1][:2] == ("open", "{") and text[position : position + 1] in ("_", "^"):
                out.pop()  # {}_{10}C_3
            else:
                out.append(Token("close", "}", spaced))
        elif (sign := _SIGNS.get(raw)) is not None:
            out.append(Token(*sign, spaced))
        elif not (
            (
                raw == "." and ("text" in groups or (out and out[-1].kind in ("word", "run")))
            )  # an abbreviation
            or (raw == '"' and "text" in groups)
        ):
            raise Unreadable(f"unknown sign {raw!r}")
        if len(groups) > MAX_DEPTH:
            raise Unreadable("nested too deeply")
        spaced = False
    if groups:
        raise Unreadable("a brace is never closed")
    return out


def _join_thousands(text: str) -> str:
    """Drop the commas of `1,234,567` outside brackets; inside, a comma separates."""
    out, depth, last = [], 0, 0
    for match in re.finditer(r"[(\[]|\\\{|[)\]]|\\\}|" + _THOUSANDS.pattern, text, re.ASCII):
        token = match.group()
        if token[0].isdigit():
            if depth <= 0:
                out.append(text[last : match.start()] + token.replace(",", ""))
                last = match.end()
        else:
            depth += 1 if token in ("(", "[", "\\{") else -1
    return "".join(out) + text[last:]


def _number(raw: str, spaced: bool) -> Token:
    if GROUP in raw:
        head, *groups = re.split(GROUP, raw)
        if len(groups) == 1 and "." not in raw and (len(groups[0]) != 3 or head.startswith("0")):
            raw = f"{head}.{groups[0]}"  # a decimal comma
        elif len(head) <= 3 and all(len(group) == 3 for group in [*groups[:-1], groups[-1].split(".")[0]]):
            raw = head + "".join(groups)
        else:
            raise Unreadable("digit groups of other sizes than three")
    if raw.isdigit():
        return Token("num", raw, spaced, Fraction(int(raw)), -1, len(raw))
    mantissa, _, exponent = raw.lower().partition("e")
    if exponent and (len(exponent) > 6 or abs(int(exponent)) > MAX_EXPONENT):
        raise Unreadable("an exponent that is too large")
    value = Fraction(mantissa.rstrip(".") + ("e" + exponent if exponent else ""))
    places = len(mantissa.partition(".")[2]) if "." in mantissa.rstrip(".") else -1
    figures = len(mantissa.replace(".", "").lstrip("0"))
    if exponent:
        places = -1
    return Token("num", raw, spaced, value, places, figures)


_DEGREES = {"°", "deg", "degree", "degrees"}


def _letters(raw: str, spaced: bool, in_text: bool, out: list[Token], following: str) -> None:
    lower = raw.lower()
    before = out[-1] if out else None
    if lower in ("or", "and"):
        out.append(Token("sep", lower, spaced))
    elif lower in ("mod", "modulo"):
        out.append(Token("op", "mod", spaced))
    elif lower in NEGATIONS and len(raw) > 1:
        out.append(Token("word", raw, spaced))
    elif raw in "CF" and before is not None and before.text.lower() in _DEGREES:
        out.append(Token("word", "celsius" if raw == "C" else "fahrenheit", spaced))
    elif before is not None and _is_word(raw, before, spaced, in_text, following):
        out.append(Token("word", raw, spaced))
    elif lower == "to" and before is not None and before.kind in ("num", "close", "sym"):
        out.append(Token("op", ":", spaced))  # 3 to 4
    elif (
        lower == "x"
        and not in_text
        and before is not None
        and before.kind == "num"
        and following[:1].isdigit()
    ):
        out.append(Token("op", "*", spaced))  # 3 x 10^8
    elif raw in FUNCTIONS or raw in _ALIASES:
        out.append(Token("fn", _ALIASES.get(raw, raw), spaced))
    elif raw in _WORD_SYMBOLS:
        out.append(Token("sym", _WORD_SYMBOLS[raw], spaced))
    elif (
        raw in ("cup", "U")
        and following[:1] in ("(", "[", "\\")
        and before is not None
        and before.kind == "close"
    ):
        out.append(Token("op", "∪", spaced))
    elif in_text:
        # `\text{x}` is a symbol unless it follows a value, where it is a unit
        after_value = before is not None and (
            before.kind in ("num", "close", "word") or before.text in ("π", "°", "/")
        )
        out.append(Token("sym" if len(raw) == 1 and not after_value else "word", raw, spaced))
    elif len(raw) == 1:
        out.append(Token("sym", raw, spaced))
    elif before is not None and before.kind in ("num", "close", "word") and is_unit(raw) and len(raw) > 1:
        out.append(Token("word", raw, spaced))
    elif (split := _function_prefix(raw)) is not None:
        name, rest = split
        out.append(Token("sym" if name == "π" else "fn", name, spaced))
        out.extend(Token("sym", letter) for letter in rest)
    elif len(raw) == 2 or (raw.isupper() and len(raw) <= 3) or _alphabetical(raw):
        out.append(Token("run", raw, spaced))
    else:
        out.append(Token("word", raw, spaced))


_AFTER_WORDS = word_set("min max of")
_ORDINAL_ENDINGS = word_set("st nd rd th")
_UNIT_OR_FUNCTION = FUNCTIONS & frozenset(filter(is_unit, FUNCTIONS))


def _is_word(raw: str, before: Token, spaced: bool, in_text: bool, following: str) -> bool:
    """Whether letters are an ordinal's ending (21st), a unit named like a function (30 min), or short for a word."""
    if before.kind != "num":
        after = before.text == "/" or before.kind == "close"  # m/min, 5\\frac14 \\text{ min}
        return (in_text and after and raw in _UNIT_OR_FUNCTION) or (
            before.kind == "word" and raw in _AFTER_WORDS
        )  # local min., bags of rice
    if raw in _ORDINAL_ENDINGS:
        return not spaced
    return raw in _UNIT_OR_FUNCTION and (in_text or re.match(r"[(\[{\\0-9]|[a-z]\b", following) is None)


def _alphabetical(raw: str) -> bool:
    """Whether letters look like variables side by side: abc, xyz, pqrs."""
    return set(raw) <= set("uvwxyz") or (
        len(raw) <= 4 and list(raw) == sorted(set(raw)) and ord(raw[-1]) - ord(raw[0]) <= 6
    )


def _function_prefix(raw: str) -> tuple[str, str] | None:
    for name in ("arcsin", "arccos", "arctan", "sqrt", "sin", "cos", "tan", "log", "ln", "pi"):
        if raw.startswith(name) and len(raw) - len(name) == 1:
            return ("π" if name == "pi" else name), raw[len(name) :]
    return None


def _command(raw: str, text: str, position: int, spaced: bool, groups: list[str], out: list[Token]) -> int:
    """Append the token of a LaTeX command; return where to read on."""
    name = raw[1:]
    if (known := _COMMANDS.get(name)) is not None:
        out.append(Token(*known, spaced))
    elif name in ("begin", "end"):
        match = _ENVIRONMENT.match(text, position)
        if match is None:
            raise Unreadable("an environment without a name")
        out.append(Token(name, match.group(1), spaced))
        return match.end()
    elif name == "mathbb":
        match = _BLACKBOARD_LETTER.match(text, position)
        if match is None:
            raise Unreadable("\\mathbb without a letter")
        out.append(Token("sym", _BLACKBOARD.get(match.group(1), match.group(1)), spaced))
        return match.end()
    elif name in _MARKED and (match := _MARKED[name].match(text, position)) is not None:
        out.append(_as_vector(Token("sym", next(filter(None, match.groups())), spaced)))
        return match.end()
    elif name in _ACCENTS and (match := _LETTER.match(text, position)) is not None:
        out.append(Token("sym", f"{match.group(1) or match.group(2)}_{name}", spaced))
        return match.end()
    elif name in TEXTS or name in STYLES or name in _ACCENTS or name in _VECTORS:
        return _styled(name, text, position, spaced, groups, out)
    elif name in ("color", "textcolor"):
        match = _COLOUR.match(text, position)
        return match.end() if match is not None else position
    elif name == "angle":
        if out and out[-1][:2] == ("sym", "m"):  # m\angle A
            out.pop()
    elif name not in _DROPPED:
        raise Unreadable(f"unknown command {raw}")
    return position


def _as_vector(token: Token) -> Token:
    return token._replace(text=_UNIT_VECTORS.get(token.text, token.text), vector=True)


def _styled(name: str, text: str, position: int, spaced: bool, groups: list[str], out: list[Token]) -> int:
    """Open a group that changes how letters are read, or read the single letter that it holds."""
    while position < len(text) and text[position] == " ":
        position += 1
    if position == len(text) or text[position] != "{":
        return position
    single = _LETTER.match(text, position)
    if single is not None and name in ("mathrm", "operatorname", "rm"):
        letter, before = single.group(1), out[-1] if out else None
        if before is None or (before.kind != "num" and before.text not in ("°", "π")) or letter in "ei":
            out.append(Token("sym", letter, spaced))
            return single.end()
    groups.append("text" if name in TEXTS else "vector" if name in _VECTORS else "style")
    return position + 1
