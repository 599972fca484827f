"""Text → typed value: which of the types in `values` an answer is, and its parts."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from verifiers.math import regions
from verifiers.math.brackets import read_brackets
from verifiers.math.compound import compound, dimensions
from verifiers.math.conditions import (
    counting,
    domain,
    family,
    holds_where,
    letters_of,
    read_conditions,
    split_condition,
)
from verifiers.math.cursor import split, wrapped
from verifiers.math.equality import equal_trees
from verifiers.math.equations import label_of, labelled, read_equation, with_approximation
from verifiers.math.evaluate import free_symbols
from verifiers.math.layouts import read_layout
from verifiers.math.lex import Token, lex
from verifiers.math.modular import congruence, modulo, modulus_of
from verifiers.math.names import expression, in_words, may_name, name_of
from verifiers.math.normalise import Unreadable, normalise
from verifiers.math.phrases import plain_words, read_phrase, without_styles
from verifiers.math.scalars import scalar
from verifiers.math.tree import Node, num, sym
from verifiers.math.values import (
    Decimal,
    Family,
    Integers,
    Order,
    Piecewise,
    Ratio,
    Region,
    Relation,
    Scalar,
    Sequence,
    Text,
    Value,
)
from verifiers.math.words import digits_for_words

__all__ = ["read"]

_INEQUALITIES = ("<", "<=", ">", ">=")
_EQUALITIES = ("=", "≈")


def read(text: str, thousands: bool = True) -> Value:
    """The value that `text` states; words, and mathematics that cannot be read, are `Text`.

    With `thousands`, `1,234` is one number. Raises Unreadable for text that is empty, too long or deceptive.
    """
    if (plain_number := _NUMBER.fullmatch(text)) is not None:
        return _digits(*plain_number.groups())
    spelled = normalise(text)
    found = read_phrase(spelled, read)
    if found is not None:
        return found
    if spelled[:3].isalpha() or spelled.startswith(("\\text", "\\mbox", "\\math", "a ", "A ")):
        spelled = digits_for_words(without_styles(spelled)) or spelled
    try:
        return _statement(lex(spelled, thousands))
    except (Unreadable, RecursionError):
        words = plain_words(spelled)
        if not words:
            raise Unreadable("neither words nor mathematics") from None
        return Text(words)


_NUMBER = re.compile(r"\s*(-?)([0-9]{1,18})(?:\.([0-9]{1,18}))?\s*")


def _digits(sign: str, whole: str, part: str | None) -> Scalar:
    """A number in digits, which most answers are, read without the parser."""
    if part is None:
        return Scalar(num(int(sign + whole)))
    value = Fraction(int(sign + whole + part), 10 ** len(part))
    return Scalar(Node("num", (value,)), decimal=Decimal(len(part), len((whole + part).lstrip("0"))))


# --- several values ---------------------------------------------------------------------------------------


_SEPARATING = frozenset(("sep", "rel", "word"))


def _statement(tokens: list[Token]) -> Value:
    while wrapped(tokens) == ("{", "}"):
        tokens = tokens[1:-1]
    if not tokens:
        raise Unreadable("empty")
    if _SEPARATING.isdisjoint([token.kind for token in tokens]):  # most answers
        return _side(tokens)
    if (
        len(tokens) > 3
        and tokens[0].kind == "num"
        and (quantity := compound(tokens) or dimensions(tokens)) is not None
    ):
        return quantity
    tokens, condition = split_condition(with_approximation(tokens))
    if condition:
        return holds_where(_statement(tokens), read_conditions(condition, _item))
    if (twice := _said_twice(tokens)) is not None:
        return twice
    parts, cuts = split(tokens, "sep")
    if cuts and (modulus := modulus_of(parts[-1])):  # x ≡ 1, 3 (mod 8)
        parts = [*(part + modulus for part in parts[:-1]), parts[-1]]
    if not cuts:
        parts, cuts = split(tokens, "op", ("∪",))
        if not cuts or not all(any(token.kind == "rel" for token in part) for part in parts):
            return _item(tokens)
        cuts = ["or"] * len(cuts)  # x < 1 ∪ x > 2
    items: list[list[Token]] = []
    for position, part in enumerate(parts):
        if part:
            items.append(part)
        elif not (0 < position < len(parts) - 1 and {cuts[position - 1], cuts[position]} & {"and", "or"}):
            raise Unreadable("a separator with an empty side")
    for at in range(1, len(items) - 2):
        if (numbers := counting(items[at:])) is not None:  # 2n, n = 1, 2, 3, …
            return holds_where(_several([_entry(part) for part in items[:at]], cuts[: at - 1]), [numbers])
    return _several([_entry(part) for part in items], cuts)


def _entry(tokens: list[Token]) -> Value:
    """One of several values: with words before it that name it, "radius 3", or as it would be alone."""
    if len(tokens) > 1 and tokens[0][:2] in (("fn", "max"), ("fn", "min")) and tokens[1].kind == "num":
        tokens = [tokens[0]._replace(kind="word"), *tokens[1:]]  # max 5, min 2
    words = next((at for at, token in enumerate(tokens) if token.kind != "word"), 0)
    if (
        not 0 < words < len(tokens)
        or tokens[words].kind not in ("num", "open", "cmd")
        or not may_name(tokens[:words])
    ):
        return _item(tokens)
    return labelled(_item(tokens[words:]), name_of(tokens[:words]))


def _several(values: list[Value], cuts: list[str]) -> Value:
    if len(values) > 1 and (value := _with_conditions(values, cuts)) is not None:
        return value
    if len(values) == 1:
        return values[0]
    if (region := _region(values, cuts)) is not None:
        return region
    flat: list[Value] = []
    for value in values:
        if isinstance(value, Sequence) and value.brackets == "" and value.label is None:
            flat.extend(value.items)
        else:
            flat.append(value)
    flat = _grouped(flat)
    first = flat[0]
    label = getattr(first, "label", None)
    others = [getattr(value, "label", None) for value in flat[1:]]
    if label is not None and not any(others) and not isinstance(first, Sequence):  # a = 4, -8, -10
        return Sequence((replace(first, label=None), *flat[1:]), "", label)  # type: ignore[arg-type]
    if label is not None and all(other == label for other in others):  # x = 1, x = 2
        return Sequence(tuple(replace(value, label=None) for value in flat), "", label)  # type: ignore[arg-type]
    return Sequence(tuple(flat), "", either="or" in cuts and label is not None)


def _with_conditions(values: list[Value], cuts: list[str]) -> Value | None:
    """A value whose last parts are conditions on its letters: 2kπ, k ∈ ℤ; None if they are not."""
    conditions: list[Region | Relation | Integers] = []
    held = values
    while len(held) > 1 and cuts[len(held) - 2] != "or":
        last = held[-1]
        if not isinstance(last, Region | Integers) or not _speaks_of(last, held[:-1]):
            break
        conditions.insert(0, last)
        held = held[:-1]
    return holds_where(_several(held, cuts[: len(held) - 1]), conditions) if conditions else None


def _speaks_of(condition: Region | Integers, values: list[Value]) -> bool:
    """Whether `condition` is one on a letter of `values`, which are no inequalities themselves."""
    if not all(isinstance(value, _HELD) or _is_equation(value) for value in values):
        return False
    label = condition.label
    if label is None or label.op != "sym" or label.args[0] not in set().union(*map(letters_of, values)):
        return False
    return isinstance(condition, Region) or label not in [label_of(value) for value in values]


_HELD = Scalar | Sequence | Family | Piecewise | Integers


def _is_equation(value: Value) -> bool:
    return isinstance(value, Relation) and value.op == "="


def _region(values: list[Value], cuts: list[str]) -> Region | None:
    """Inequalities in one letter as one region; the same region written twice, as an inequality and an interval."""
    if not all(isinstance(value, Region) for value in values if not isinstance(value, Sequence)):
        return None
    found = [regions.as_region(value) for value in values]
    pieces = [region for region in found if region is not None]
    if len(pieces) != len(values):
        return None
    if all(isinstance(value, Region) and value.label is not None for value in values):
        same_letter = len({piece.label for piece in pieces}) == 1
        return regions.joined(pieces, conjunction="or" not in cuts) if same_letter else None
    one, two = (pieces[0], pieces[-1]) if pieces[0].label is not None else (pieces[-1], pieces[0])
    twice = len(pieces) == 2 and one.label is not None and two.label is None
    return one if twice and regions.same_region(one, two, equal_trees) else None


def _grouped(values: list[Value]) -> list[Value]:
    """x = 1, y = 2, x = 3, y = 4 as two solutions."""
    names = [label_of(value) for value in values]
    count = len(dict.fromkeys(names))
    if None in names or not 1 < count < len(values) or len(values) % count:
        return values
    groups = [values[at : at + count] for at in range(0, len(values), count)]
    if any({label_of(value) for value in group} != set(names) for group in groups):
        return values
    return [Sequence(tuple(group), "") for group in groups]


# --- relations --------------------------------------------------------------------------------------------


def _item(tokens: list[Token]) -> Value:
    while wrapped(tokens) == ("{", "}"):
        tokens = tokens[1:-1]
    sides, ops = split(tokens, "rel")
    if not ops:
        return _side(tokens)
    if sides[0] == [] and len(ops) == 1 and ops[0] in _EQUALITIES:  # "= 5", "≈ 5"
        return _side(sides[1])
    if any(not side for side in sides):
        raise Unreadable("a relation with an empty side")
    if set(ops) <= set(_EQUALITIES):
        return read_equation(sides, ops, _side)
    if ops == ["in"]:
        return _membership(*sides)
    if ops == ["≡"]:
        return congruence(sides[0], sides[1], _side)
    if all(op in (*_INEQUALITIES, "!=") for op in ops):
        return _inequality(sides, ops)
    raise Unreadable("an unknown relation")


def _said_twice(tokens: list[Token]) -> Region | None:
    """x > 3 : (3, ∞), one region as an inequality and as an interval; None for anything else."""
    if not any(token.kind == "op" and token.text == ":" for token in tokens):
        return None
    parts, cuts = split(tokens, "op", (":",))
    if len(cuts) != 1 or not all(parts) or any(token.kind == "rel" for token in parts[1]):
        return None
    if not any(token.kind == "rel" for token in parts[0]):
        return None
    return _region([_statement(parts[0]), _side(parts[1])], [])


def _membership(left: list[Token], right: list[Token]) -> Value:
    name = name_of(left)
    if name is None:
        raise Unreadable("membership of something other than a variable")
    try:
        return Integers(name, domain(right))
    except Unreadable:
        value = _side(right)
    region = None if isinstance(value, Sequence) and value.brackets == "{}" else regions.as_region(value)
    return replace(region, label=name) if region is not None else replace(value, label=name)  # type: ignore[call-arg]


def _inequality(sides: list[list[Token]], ops: list[str]) -> Value:
    nodes = [expression(side) for side in sides]
    letters = [free_symbols(node) - {"∞"} for node in nodes]
    if len(sides) > 2 and len({op[0] for op in ops}) == 1 and ops[0] != "!=" and sum(map(bool, letters)) > 1:
        if ops[0][0] == ">":
            nodes, ops = nodes[::-1], [op.replace(">", "<") for op in ops[::-1]]
        return Order(tuple(nodes), tuple(ops))
    if sum(map(bool, letters)) == 1:
        at = next(position for position, found in enumerate(letters) if found)
        name = name_of(sides[at])
        if name is not None and name.op in ("call", "abs") and sides[at][-1].text != "|":
            nodes[at] = sym("word")  # 1 < f(x) < 3
            region = regions.inequality(nodes, ops)
            return replace(region, label=name) if isinstance(region, Region) else region
    return regions.inequality(nodes, ops)


# --- one side ---------------------------------------------------------------------------------------------


_SIGNS = frozenset(("∪", "∩", "∖", "mod", ":"))


def _side(tokens: list[Token]) -> Value:
    if not tokens:
        raise Unreadable("an empty side")
    if tokens[0].kind == "word" and (said := _said(tokens)) is not None:
        return said
    if tokens[0].text == "∪" and (letter := _union_over(tokens)) is not None:
        return family(_side(tokens[letter[1] :]), letter[0])
    if tokens[0].kind == "begin" or (len(tokens) > 1 and tokens[1].kind == "begin"):
        found = read_layout(tokens, _statement, _condition)
        if found is not None:
            return found
    first = tokens[0].text
    if first == "ℝ" and len(tokens) > 3 and tokens[1].text == "-" and tokens[2].kind == "open":  # ℝ - {2}
        tokens = [tokens[0], tokens[1]._replace(text="∖"), *tokens[2:]]
    if len(tokens) > 4 and tokens[1].text == "(" and first.isupper() and _is_point(tokens):  # P(3, -4)
        return labelled(_side(tokens[1:]), sym(first))
    signs = not _SIGNS.isdisjoint([token.text for token in tokens])
    parts, cuts = split(tokens, "op", ("∪", "∩", "∖")) if signs else ([], [])
    if cuts:
        return regions.combined([_side(part) for part in parts], cuts)
    if signs and (found := modulo(tokens)) is not None:
        return found
    pair = wrapped(tokens)
    if pair is not None and (found := read_brackets(tokens[1:-1], pair, _item, _statement)) is not None:
        return found
    parts, cuts = split(tokens, "op", (":",)) if signs else ([], [])
    if len(cuts) == 1 and _is_entry(name := name_of(parts[0]), parts[1]):  # Area: 24, K: 3 hr
        return labelled(_side(parts[1]), name)
    if cuts:
        return Ratio(tuple(expression(part) for part in parts), clock=_is_clock(parts))
    return scalar(tokens)


def _union_over(tokens: list[Token]) -> tuple[str, int] | None:
    """The letter of "∪ from k = -∞ to ∞" and how many tokens that is; None if the union is another."""
    texts = "".join(token.text for token in tokens[:14])
    match = re.match(r"∪_\{([a-z])=-∞\}\^(?:\{\+?∞\}|∞)", texts)
    return (match[1], len(match.group())) if match is not None else None


def _said(tokens: list[Token]) -> Value | None:
    """The value of "the probability is 3/4" and of "center (3, 4)"; None if words do not only name it."""
    at = next((at for at, token in enumerate(tokens) if token.kind != "word"), 0)
    if not at:
        raise Unreadable("words")
    words, rest = tokens[:at], tokens[at:]
    if len(words) > 1 and words[-1].text.lower() in ("is", "are", "equals") and may_name(words[:-1]):
        return labelled(_side(rest), name_of(words[:-1]))
    if may_name(words) and wrapped(rest) and split(rest[1:-1], "sep")[1]:
        return labelled(_side(rest), name_of(words))
    return None


def _condition(tokens: list[Token]) -> Value:
    """The condition of one row of a piecewise definition."""
    conditions = read_conditions(tokens, _item)
    if len(conditions) == 1:
        return conditions[0]
    raise Unreadable("a row with several conditions")


def _is_entry(name: Node | None, after: list[Token]) -> bool:
    """Whether a colon stands between a name and its value, and not in a ratio."""
    capital = name is not None and name.op == "sym" and name.args[0].isupper()
    return in_words(name) or (capital and any(token.kind == "num" for token in after))


def _is_clock(parts: list[list[Token]]) -> bool:
    """Whether a ratio is written as a time of day or a duration: 8:00, 12:05, 1:02:30."""
    texts = [part[0].text for part in parts if len(part) == 1 and part[0].text.isdigit()]
    if len(texts) != len(parts) or not 2 <= len(texts) <= 3 or len(texts[0]) > 2:
        return False
    later = texts[1:]
    return all(len(text) == 2 and text < "60" for text in later) and any(text[0] == "0" for text in later)


def _is_point(tokens: list[Token]) -> bool:
    separated = any(token.kind == "sep" and token.text in ",;" for token in tokens)
    return tokens[0].kind == "sym" and separated and wrapped(tokens[1:]) is not None
