"""LaTeX commands and Unicode signs that `math` and `reasoning` both read, and what each of them means.

What belongs in this module: notation, as tables. What a reader makes of a sign (a token, a relation that it does not
distinguish, nothing) is the reader's business; what it does not read yet, it names in a set `UNREAD` of its own, so
that the gap between the two readers can be seen. Removing a name from such a set closes that part of the gap.
"""

from __future__ import annotations

__all__ = [
    "ARROWS",
    "BRACKETS",
    "CHARACTERS",
    "DOTS",
    "FRACTIONS",
    "FUNCTIONS",
    "GREEK",
    "LAYOUT",
    "OPERATORS",
    "RELATIONS",
    "STYLES",
    "TEXTS",
    "table",
    "word_set",
]


def word_set(text: str) -> frozenset[str]:
    """The words of `text` as a set."""
    return frozenset(text.split())


def table(text: str) -> dict[str, str]:
    """`name:meaning` pairs as a mapping; a bare name means itself."""
    entries = (entry.partition(":") for entry in text.split())
    return {name: meaning if colon else name for name, colon, meaning in entries}


RELATIONS = table(
    "lt:< gt:> le:≤ leq:≤ leqslant:≤ leqq:≤ ge:≥ geq:≥ geqslant:≥ geqq:≥ ne:≠ neq:≠ approx:≈ simeq:≃ cong:≅ doteq:≐ "
    "sim:∼ equiv:≡"
)
ARROWS = table(
    "to:→ rightarrow:→ longrightarrow:→ mapsto:→ Rightarrow:⇒ Longrightarrow:⇒ implies:⇒ iff:⇔ Leftrightarrow:⇔ "
    "Longleftrightarrow:⇔"
)
OPERATORS = table("times:* cdot:* ast:* star:* bullet:* div:/")
FRACTIONS = table(
    "frac dfrac:frac tfrac:frac cfrac:frac nicefrac:frac sfrac:frac binom dbinom:binom tbinom:binom"
)
BRACKETS = table("lfloor:⌊ rfloor:⌋ lceil:⌈ rceil:⌉ vert:| lvert:| rvert:|")
DOTS = word_set("ldots cdots dots dotsc dotsb vdots ddots")
GREEK = word_set(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar"
)
"""Letters; not `pi`, which is the number."""
FUNCTIONS = word_set(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech csch arcsinh "
    "arccosh arctanh ln log lg exp sqrt abs max min gcd lcm det floor ceil sgn sign Re Im arg cis"
)
TEXTS = word_set(
    "text textrm textbf textit textsf texttt textnormal mbox hbox mathrm operatorname operatorname* rm"
)
"""Commands whose argument is words."""
STYLES = word_set(
    "mathbf boldsymbol bm mathit mathsf mathtt pmb emph underline vec mathcal mathscr mathfrak bf it ensuremath"
)
"""Commands that change how their argument looks."""
LAYOUT = word_set(
    "left right big Big bigg Bigg bigl bigr Bigl Bigr displaystyle textstyle limits nolimits strut null phantom relax "
    "large Large LARGE huge Huge small normalsize mathop mathbin mathrel"
)
"""Commands of size and place, which mean nothing."""

CHARACTERS: dict[str, str] = {
    char: meaning
    for meaning, chars in {
        "-": "−–—‐‑‒﹣", "*": "∗", "/": "∕⁄", "times": "×✕", "cdot": "⋅·∙•", "div": "÷", "sqrt": "√", "pi": "π",
        "le": "≤≦⩽", "ge": "≥≧⩾", "ne": "≠", "approx": "≈", "simeq": "≃", "cong": "≅", "equiv": "≡", "to": "→",
        "implies": "⇒⟹", "iff": "⇔⟺", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉",
    }.items()
    for char in chars
}  # fmt: skip
"""Unicode sign → the ASCII sign or the command that it is written for."""
