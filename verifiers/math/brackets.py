"""What brackets hold: sets, tuples, intervals, a statement. The readers of their parts are passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from verifiers.math import regions
from verifiers.math.conditions import holds_where
from verifiers.math.cursor import split
from verifiers.math.equations import label_of
from verifiers.math.lex import Token
from verifiers.math.names import name_of
from verifiers.math.normalise import Unreadable
from verifiers.math.values import Family, Integers, Matrix, Qualified, Region, Sequence, Value

__all__ = ["read_brackets"]

Reader = Callable[[list[Token]], Value]


def read_brackets(inner: list[Token], pair: tuple[str, str], item: Reader, statement: Reader) -> Value | None:
    """A set, tuple, interval or statement in brackets; None if the brackets only group."""
    if pair == ("set", "set"):
        return _set(inner, item, statement)
    if pair[0] not in ("(", "[", "<"):
        return None
    parts, cuts = split(inner, "sep")
    if cuts:
        if any(cut in ("and", "or") for cut in cuts) or any(not part for part in parts):
            raise Unreadable("words between the parts of a tuple")
        brackets = pair[0] + {"<": ">"}.get(pair[1], pair[1])
        if brackets not in ("()", "[]", "(]", "[)", "<>"):
            raise Unreadable("brackets that do not match")
        items = tuple(item(part) for part in parts)
        labels = [label_of(held) for held in items]
        if None not in labels and len(set(labels)) == len(labels):  # [x = 1, y = 2]
            return Sequence(items, "")
        return Sequence(items, "()" if brackets == "<>" else brackets)
    if pair == ("(", ")") and any(token.kind in ("rel", "money", "word") for token in inner):
        return item(inner)
    if pair == ("[", "]"):
        held = item(inner)
        return held if isinstance(held, Matrix) else Sequence((held,), "[]")
    return None


def _set(inner: list[Token], item: Reader, statement: Reader) -> Value:
    if not inner:
        return Region(())
    for bar in (("op", ("|", ":")), ("rel", ("|",))):
        parts, cuts = split(inner, *bar)
        if len(cuts) == 1 and any(token.kind == "rel" for token in parts[1]):  # {x : x > 3}
            return _described(parts[0], parts[1], statement)
    parts, cuts = split(inner, "sep")
    if any(not part for part in parts):
        raise Unreadable("an empty place in a set")
    items: list[Value] = []
    for part in parts:
        value = item(part)
        items.extend(value.items if isinstance(value, Sequence) and value.brackets == "" else (value,))
    return Sequence(tuple(items), "{}")


def _described(left: list[Token], condition: list[Token], statement: Reader) -> Value:
    """{x : x > 3}, {5k : k ∈ ℤ}, {x : x = 5k, k ∈ ℤ}"""
    name = name_of(split(left, "rel")[0][0])
    held = statement(condition)
    if isinstance(held, Integers):
        return holds_where(statement(left), [held])
    if isinstance(held, Family | Qualified) or (isinstance(held, Sequence) and held.brackets == ""):
        inner = held.value if isinstance(held, Qualified) else held
        if name is not None and label_of(inner) == name and not isinstance(held, Qualified):
            return replace(held, label=None)
    region = regions.as_region(held)
    if region is None or name is None or region.label != name:
        raise Unreadable("a set with an unknown condition")
    return replace(region, label=None)
