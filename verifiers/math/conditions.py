"""What stands after a value and says when it holds: for n ≥ 1, where k is an integer, (y > 0), k ∈ ℤ.

A condition may be left out of an answer. It is read only where it speaks of a letter of the value: "5 if x = 1" is no
answer 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from verifiers.latex import word_set
from verifiers.math.cursor import split
from verifiers.math.evaluate import free_symbols
from verifiers.math.lex import Token
from verifiers.math.normalise import Unreadable
from verifiers.math.tree import Node, sym
from verifiers.math.values import (
    Family,
    Integers,
    Matrix,
    Piecewise,
    Qualified,
    Region,
    Relation,
    Scalar,
    Sequence,
    Value,
)

__all__ = [
    "Condition",
    "counting",
    "domain",
    "family",
    "holds_where",
    "letters_of",
    "read_conditions",
    "split_condition",
]

Condition = Region | Relation | Integers
_BEGIN = word_set("for where when if with provided whenever as given")
_FILLERS = _BEGIN | word_set(
    "that is are be being all any every each some the a an of both such values value"
)
_KINDS = {
    "integer": None,
    "integers": None,
    "natural": 1,
    "whole": 0,
    "positive": 1,
    "nonnegative": 0,
    "odd": None,
    "even": None,
}
_TRIVIAL = word_set("real reals constant arbitrary number numbers rational complex variable parameter")
_DOMAINS = {"ℤ": None, "Z": None, "ℕ": 1, "N": 1}


def split_condition(tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """`tokens` before and after the word or bracket that begins a condition; nothing after it if there is none."""
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind in ("open", "begin"):
            depth += 1
        elif token.kind in ("close", "end"):
            depth -= 1
        elif depth == 0 and at and token.kind == "word" and _begins(token.text.lower(), tokens[at - 1]):
            return _without_comma(tokens[:at]), tokens[at:]
    if len(tokens) > 3 and tokens[-1][:2] == ("close", ")"):
        start = _opening(tokens)
        if tokens[start].text != "(":
            return tokens, []
        inside = tokens[start + 1 : -1]
        conditional = inside and inside[0].kind == "word" and inside[0].text.lower() in _BEGIN
        if start > 0 and (conditional or any(t.kind == "rel" and t.text not in ("≈", "⊂") for t in inside)):
            return _without_comma(tokens[:start]), inside
    return tokens, []


def _begins(word: str, before: Token) -> bool:
    """Whether `word` begins a condition: for, where; after a comma also "any integer n"."""
    return word in _BEGIN or (word in ("any", "every", "each") and before.kind == "sep")


def _opening(tokens: list[Token]) -> int:
    """Where the bracket opens that the last token closes."""
    depth = 0
    for at in range(len(tokens) - 1, -1, -1):
        depth += (tokens[at].kind in ("close", "end")) - (tokens[at].kind in ("open", "begin"))
        if depth == 0:
            return at
    return 0


def _without_comma(tokens: list[Token]) -> list[Token]:
    return tokens[:-1] if tokens and tokens[-1].kind == "sep" else tokens


def domain(tokens: list[Token]) -> int | None:
    """The smallest member of ℤ, ℕ, ℕ^*, ℤ^+, ℤ_{>0} and the like; None: there is none. Raises Unreadable."""
    texts = [token.text for token in tokens if token.text not in "{}"]
    if not texts or texts[0] not in _DOMAINS:
        raise Unreadable("not a set of integers")
    if len(texts) == 1:
        return _DOMAINS[texts[0]]
    marks = "".join(texts[1:])
    if marks in ("^+", "_+", "^*", "_*", "_>0", "^++") and not (marks == "^*" and texts[0] in ("ℤ", "Z")):
        return 1
    if marks in ("_0", "_>=0", "^0", "_0^+", "^+_0"):
        return 0
    raise Unreadable("not a set of integers")


def read_conditions(tokens: list[Token], read: Callable[[list[Token]], Value]) -> list[Condition]:
    """The conditions that `tokens` state; conditions that say nothing (x is real) are left out.

    `read` reads an inequality or membership. Raises Unreadable.
    """
    found: list[Condition] = []
    parts, _ = split(tokens, "sep")
    if (numbers := counting(parts)) is not None:
        return [numbers]
    for part in parts:
        found += _condition(part, read)
    return found


def counting(parts: list[list[Token]]) -> Integers | None:
    """n = 1, 2, 3, … as a condition; None for anything else."""
    if len(parts) < 3 or [token.text for token in parts[-1]] != ["…"]:
        return None
    first = [token for token in parts[0] if token.text.lower() not in _FILLERS]
    if len(first) != 3 or first[0].kind != "sym" or first[1].text != "=" or not first[2].text.isdigit():
        return None
    if not all(len(part) == 1 and part[0].kind == "num" for part in parts[1:-1]):
        return None
    return Integers(sym(first[0].text), int(first[2].text))


def _letter(tokens: list[Token]) -> Node:
    letters = [token for token in tokens if token.text.lower() not in _FILLERS]
    if len(letters) != 1 or letters[0].kind != "sym":
        raise Unreadable("a condition without a letter")
    return sym(letters[0].text)


def _condition(tokens: list[Token], read: Callable[[list[Token]], Value]) -> list[Condition]:
    lows: list[int | None] = []
    rest: list[Token] = []
    trivial = False
    words = [token.text.lower() for token in tokens]
    for token, word in zip(tokens, words, strict=True):
        if token.kind == "word" and word in _KINDS:
            lows.append(_KINDS[word])
        elif token.kind == "word" and word in _TRIVIAL:
            trivial = True
        elif not (token.kind == "word" and word in _FILLERS):
            rest.append(token)
    if not rest:
        if lows or trivial:
            return []
        raise Unreadable("a condition that says nothing")
    if any(token.kind == "rel" for token in rest):
        value = read(rest)
        conditions = [value] if isinstance(value, Region | Relation | Integers) else []
        if isinstance(value, Scalar) and value.label is not None and value.node.op == "sym":
            return []  # x ∈ ℂ, x ∈ A
        if not conditions or getattr(value, "label", True) is None:
            raise Unreadable("a condition that is not an inequality")
        return conditions
    letter = _letter(rest)
    if not lows:
        return [] if len(tokens) > len(rest) else [_unreadable()]
    known = [low for low in lows if low is not None]
    odd = next((word == "odd" for word in words if word in ("odd", "even")), None)
    return [Integers(letter, max(known) if known else None, odd)]


def _unreadable() -> Condition:
    raise Unreadable("a condition that says nothing")


# --- which letters a value speaks of ----------------------------------------------------------------------


def letters_of(value: Value) -> set[str]:
    """The free letters of `value`, and those of its name."""
    label = getattr(value, "label", None)
    found = _in_name(label) if isinstance(label, Node) else set()
    match value:
        case Scalar():
            found |= free_symbols(value.node)
        case Relation():
            found |= free_symbols(value.left) | free_symbols(value.right)
        case Sequence():
            found = found.union(*map(letters_of, value.items))
        case Matrix():
            found = found.union(*(free_symbols(entry) for row in value.rows for entry in row))
        case Qualified():
            found |= letters_of(value.value)
        case Family():
            found |= letters_of(value.value) - {value.parameter}
        case Region():
            ends = [end for piece in value.pieces for end in (piece.low, piece.high) if end is not None]
            found = found.union(*map(free_symbols, ends))
        case Piecewise():
            found = found.union(*(letters_of(piece) for piece, _ in value.pieces))
        case _:
            pass
    return found


def _in_name(label: Node) -> set[str]:
    """The letters of a name: x, and the n of a_n and f(n)."""
    if label.op == "sym":
        return {label.args[0], *label.args[0].split("_")[1:]}
    return {*(p for p in label.args if isinstance(p, str)), *free_symbols(label)}


def holds_where(value: Value, conditions: list[Condition]) -> Value:
    """`value` under `conditions`: a family if one of its letters is any integer. Raises Unreadable."""
    if isinstance(value, Qualified):
        value, conditions = value.value, [*value.conditions, *conditions]
    letters = letters_of(value)
    kept: list[Condition] = []
    for condition in conditions:
        named = letters_of(condition) | (
            {condition.label.args[0]} if isinstance(condition, Integers) and condition.label else set()
        )
        if not named & letters:
            raise Unreadable("a condition on something else")
        if (
            isinstance(condition, Integers)
            and condition.low is None
            and condition.odd is None
            and _is_parameter(condition, value)
        ):
            value = family(value, str(condition.label.args[0]))
        else:
            kept.append(condition)
    return Qualified(value, tuple(kept)) if kept else value


def _is_parameter(condition: Integers, value: Value) -> bool:
    label = getattr(value, "label", None)
    named = _in_name(label) if isinstance(label, Node) else set()
    return isinstance(value, Scalar | Sequence | Region) and condition.label.args[0] not in named


def family(value: Value, parameter: str) -> Value:
    """`value` for every integer `parameter`; of a list or set, each item by itself."""
    if isinstance(value, Sequence) and value.brackets in ("", "{}"):
        return replace(value, items=tuple(family(item, parameter) for item in value.items))
    label = getattr(value, "label", None)
    bare = replace(value, label=None) if label is not None else value  # type: ignore[type-var]
    return Family(bare, parameter, label) if parameter in letters_of(bare) else value
