"""Signs and LaTeX commands as the tokens that this check makes of them: see `verifiers.latex` for what they mean."""

from __future__ import annotations

from verifiers import latex
from verifiers.latex import word_set

__all__ = [
    "CHARS",
    "COMMANDS",
    "FRACTIONS",
    "GREEK",
    "MATRICES",
    "SKIPPED",
    "STRUCTURES",
    "SUPERSCRIPTS",
    "TEXT",
    "UNREAD",
    "VECTORS",
]

UNREAD = word_set(
    "cong doteq star bullet mapsto vdots ddots hbar phantom "  # signs and layout
    "arccot arcsec arccsc coth sech csch arcsinh arccosh arctanh lg sgn sign Re Im arg cis"  # functions
)
"""What `verifiers.latex` lists and this check does not read yet: it makes the step that holds it unreadable."""

SUPERSCRIPTS = {c: str(i) for i, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
FRACTIONS = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5),
             "⅗": (3, 5), "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8),
             "⅞": (7, 8)}  # fmt: skip
_RELATIONS = {"≈": "~", "≃": "~", "≅": "~", "≡": "%"}
"""The signs whose token is another one."""


def _commands() -> dict[str, tuple[str, str]]:
    tables: dict[str, dict[str, str]] = {
        "rel": {name: _RELATIONS.get(sign, sign) for name, sign in latex.RELATIONS.items()},
        "op": latex.OPERATORS | latex.table("pm:± mp:∓"),
        "func": latex.FRACTIONS
        | {name: name for name in latex.FUNCTIONS}
        | latex.table("pmod:mod bmod:mod mod overline bar:overline"),
        "var": {"pi": "π"},
        "deg": latex.table("circ:° degree:°"),
        "lp": latex.table("lfloor:⌊ lceil:⌈"),
        "rp": latex.table("rfloor:⌋ rceil:⌉"),
        "bar": latex.table("vert:| lvert:| rvert:|"),
        "opaque": latex.table("mid:| langle:("),
        "brk": dict.fromkeys([*latex.ARROWS, "therefore"], "⟹")
        | {"qquad": " ", "quad": " ", "hline": "\n", "item": "\n", "par": "\n"},
    }
    return {name: (kind, text) for kind, entries in tables.items() for name, text in entries.items()}


_ALL = _commands()
COMMANDS = {name: token for name, token in _ALL.items() if name not in UNREAD}
"""LaTeX command → kind and text of its token."""
CHARS: dict[str, tuple[str, str]] = {
    "+": ("op", "+"), "-": ("op", "-"), "*": ("op", "*"), "/": ("op", "/"), "^": ("op", "^"), "_": ("op", "_"),
    "=": ("rel", "="), "＝": ("rel", "="),
    "<": ("rel", "<"), ">": ("rel", ">"), "(": ("lp", "("), "[": ("lp", "["), ")": ("rp", ")"),
    "]": ("rp", "]"), "{": ("lp", "{"), "}": ("rp", "}"), "|": ("bar", "|"), "%": ("pct", "%"), "°": ("deg", "°"),
    "±": ("op", "±"), "∓": ("op", "∓"), ";": ("brk", ";"), "…": ("opaque", "…"),
}  # fmt: skip
"""One character → kind and text of its token."""
CHARS |= {
    char: CHARS[meaning] if meaning in CHARS else _ALL[meaning]
    for char, meaning in latex.CHARACTERS.items()
    if char not in UNREAD
} | {"—": ("brk", "—")}
SKIPPED = (latex.LAYOUT - UNREAD) | word_set(
    "cancel bcancel xcancel boxed fbox underline color mathstrut hfill hspace vspace nonumber notag"
)
TEXT = (latex.TEXTS - UNREAD) | word_set("mathbf mathit mathsf emph")
VECTORS = word_set("mathbf boldsymbol bm vec overrightarrow")
"""Commands that make a letter a vector or a matrix."""
GREEK = latex.GREEK - UNREAD
STRUCTURES = word_set("array Vmatrix Bmatrix tabular asy tikzpicture picture")
"""Environments that are skipped as a whole."""
MATRICES = word_set("matrix pmatrix bmatrix vmatrix smallmatrix")
