"""Text → typed value: which of the types in `values` an answer is, and its parts."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from verifiers.math import regions
from verifiers.math.lex import Token, lex
from verifiers.math.normalise import Unreadable, normalise
from verifiers.math.parse import Parser
from verifiers.math.phrases import plain_words, read_phrase
from verifiers.math.scalars import scalar
from verifiers.math.tree import Node, num, sym
from verifiers.math.values import Decimal, Matrix, Ratio, Region, Relation, Scalar, Sequence, Text, Value

__all__ = ["read"]

_INEQUALITIES = ("<", "<=", ">", ">=")


def read(text: str, thousands: bool = True) -> Value:
    """The value that `text` states; words, and mathematics that cannot be read, are `Text`.

    With `thousands`, `1,234` is one number. Raises Unreadable for text that is empty, too long or deceptive.
    """
    if (plain_number := _NUMBER.fullmatch(text)) is not None:
        return _digits(*plain_number.groups())
    spelled = normalise(text)
    found = read_phrase(spelled)
    if found is not None:
        return found
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


# --- splitting --------------------------------------------------------------------------------------------


def _split(
    tokens: list[Token], kind: str, texts: tuple[str, ...] = ()
) -> tuple[list[list[Token]], list[str]]:
    """`tokens` split at the tokens of `kind` outside all brackets, and the texts of those tokens."""
    parts: list[list[Token]] = [[]]
    cuts: list[str] = []
    depth = 0
    for token in tokens:
        if token.kind in ("open", "begin"):
            depth += 1
        elif token.kind in ("close", "end"):
            depth -= 1
            if depth < 0:
                raise Unreadable("a bracket closes that was never opened")
        if depth == 0 and token.kind == kind and (not texts or token.text in texts):
            parts.append([])
            cuts.append(token.text)
        else:
            parts[-1].append(token)
    return parts, cuts


def _wrapped(tokens: list[Token]) -> tuple[str, str] | None:
    """The bracket pair around all of `tokens`, or None."""
    if len(tokens) < 2 or tokens[0].kind != "open" or tokens[-1].kind != "close":
        return None
    depth = 0
    for position, token in enumerate(tokens):
        depth += (token.kind in ("open", "begin")) - (token.kind in ("close", "end"))
        if depth == 0 and position < len(tokens) - 1:
            return None
    return tokens[0].text, tokens[-1].text


def _statement(tokens: list[Token]) -> Value:
    while _wrapped(tokens) == ("{", "}"):
        tokens = tokens[1:-1]
    if not tokens:
        raise Unreadable("empty")
    parts, cuts = _split(tokens, "sep")
    if not cuts:
        parts, cuts = _split(tokens, "op", ("∪",))
        if not cuts or not all(any(token.kind == "rel" for token in part) for part in parts):
            return _item(tokens)
        cuts = ["or"] * len(cuts)  # x < 1 ∪ x > 2
    items: list[list[Token]] = []
    for position, part in enumerate(parts):
        if part:
            items.append(part)
        elif not (0 < position < len(parts) - 1 and {cuts[position - 1], cuts[position]} & {"and", "or"}):
            raise Unreadable("a separator with an empty side")
    return _several([_item(part) for part in items], cuts)


def _several(values: list[Value], cuts: list[str]) -> Value:
    if len(values) == 1:
        return values[0]
    if all(isinstance(value, Region) and value.label is not None for value in values):
        pieces = [value for value in values if isinstance(value, Region)]
        if len({piece.label for piece in pieces}) == 1:
            return regions.joined(pieces, conjunction="or" not in cuts)
    flat: list[Value] = []
    for value in values:
        if isinstance(value, Sequence) and value.brackets == "" and value.label is None:
            flat.extend(value.items)
        else:
            flat.append(value)
    first = flat[0]
    label = getattr(first, "label", None)
    others = [getattr(value, "label", None) for value in flat[1:]]
    if label is not None and not any(others) and not isinstance(first, Sequence):  # a = 4, -8, -10
        return Sequence((replace(first, label=None), *flat[1:]), "", label)  # type: ignore[arg-type]
    if label is not None and all(other == label for other in others):  # x = 1, x = 2
        return Sequence(tuple(replace(value, label=None) for value in flat), "", label)  # type: ignore[arg-type]
    return Sequence(tuple(flat), "")


_DERIVATIVE = re.compile(r"frac\{d[a-zA-Z]?\}\{d[a-z]\}")


# --- relations --------------------------------------------------------------------------------------------


def _item(tokens: list[Token]) -> Value:
    while _wrapped(tokens) == ("{", "}"):
        tokens = tokens[1:-1]
    sides, ops = _split(tokens, "rel")
    if not ops:
        return _side(tokens)
    if sides[0] == [] and ops == ["="]:  # "= 5", "≈ 5"
        return _side(sides[1])
    if any(not side for side in sides):
        raise Unreadable("a relation with an empty side")
    if set(ops) == {"="}:
        return _equation(sides)
    if ops == ["in"]:
        label, value = _label(sides[0]), _side(sides[1])
        if label is None:
            raise Unreadable("membership of something other than a variable")
        region = None if isinstance(value, Sequence) and value.brackets == "{}" else regions.as_region(value)
        return replace(region, label=label) if region is not None else replace(value, label=label)  # type: ignore[call-arg]
    if all(op in (*_INEQUALITIES, "!=") for op in ops):
        return regions.inequality([_expression(side) for side in sides], ops)
    raise Unreadable("an unknown relation")


def _equation(sides: list[list[Token]]) -> Value:
    label = None
    if (found := _label(sides[0])) is not None:
        label, sides = found, sides[1:]
    elif len(sides) == 2 and (found := _label(sides[1])) is not None and found != sym("word"):
        label, sides = found, sides[:1]
    values = [_side(side) for side in sides]
    if len(values) == 1:
        return _labelled(values[0], label)
    if label is None and len(values) == 2 and all(isinstance(value, Scalar) for value in values):
        left, right = (value.node for value in values if isinstance(value, Scalar))
        from verifiers.math.evaluate import free_symbols

        if free_symbols(left) | free_symbols(right):
            return Relation("=", left, right)
    from verifiers.math.compare import same

    if all(same(values[-1], value) for value in values[:-1]):  # S = 2 + 3 = 5
        return _labelled(values[-1], label)
    raise Unreadable("an equality that does not hold")


def _labelled(value: Value, label: Node | None) -> Value:
    if label is None or isinstance(value, Relation | Text) or not hasattr(value, "label"):
        return value
    return replace(value, label=label if label != sym("word") else None)  # type: ignore[call-arg]


def _label(tokens: list[Token]) -> Node | None:
    """The name before an equals sign: x, f(x), |AB|, (p,q), S_1:S, or words; None if it is an expression."""
    if all(token.kind == "word" or token.kind == "sym" for token in tokens) and any(
        token.kind == "word" for token in tokens
    ):
        return sym("word")
    if all(token.kind in ("sym", "run") and token.text.replace("'", "").isalpha() for token in tokens):
        name = "".join(token.text for token in tokens)
        if (len(tokens) == 1 and tokens[0].kind == "sym") or (name.isupper() and len(name) <= 4):
            return None if name in ("e", "i", "π", "∞") else sym(name)
    if tokens[0].kind == "fn" and len(tokens) <= 6 and not any(token.kind == "num" for token in tokens):
        return _expression(tokens)
    if len(tokens) > 14:
        return None
    if tokens[0].text == "frac" and _DERIVATIVE.fullmatch("".join(token.text for token in tokens)):
        return sym("word")
    pair = _wrapped(tokens)
    if pair is not None and pair[0] in ("(", "<"):
        parts, cuts = _split(tokens[1:-1], "sep")
        labels = [_label(part) if part else None for part in parts]
        return Node("tuple", tuple(labels)) if cuts and all(labels) else None
    parts, cuts = _split(tokens, "op", (":",))
    if cuts:
        labels = [_label(part) if part else None for part in parts]
        return Node("ratio", tuple(labels)) if all(labels) else None
    if tokens[0].text == "|" == tokens[-1].text:
        inner = tokens[1:-1]
        return Node("abs", (found,)) if inner and (found := _label(inner)) is not None else None
    if tokens[0].kind == "sym":
        if (
            len(tokens) > 3
            and tokens[1].text == "("
            and _wrapped(tokens[1:]) is not None
            and not tokens[1].spaced
        ):
            parts, _ = _split(tokens[2:-1], "sep")
            try:
                return Node("call", (tokens[0].text, *(_expression(part) for part in parts)))
            except Unreadable:
                return Node("call", (tokens[0].text, *(token.text for token in tokens[2:-1])))
        if len(tokens) > 1 and tokens[1].text in ("_", "'"):
            node = _expression(tokens)
            return node if node.op in ("sym", "call") else None
    return None


# --- one side ---------------------------------------------------------------------------------------------


def _expression(tokens: list[Token]) -> Node:
    parser = Parser(tokens)
    node = parser.whole()
    if parser.at != len(parser.tokens):
        raise Unreadable(f"expected the end, found {parser.peek().text!r}")
    return node


def _side(tokens: list[Token]) -> Value:
    if all(token.kind == "word" for token in tokens):
        raise Unreadable("words")
    texts = [token.text for token in tokens[:2]]
    if texts == ["ℝ", "-"] and len(tokens) > 3 and tokens[2].kind == "open":  # ℝ - {2}
        tokens = [tokens[0], tokens[1]._replace(text="∖"), *tokens[2:]]
    if len(tokens) > 4 and texts[0].isupper() and texts[1] == "(" and _is_point(tokens):  # P(3, -4)
        return _labelled(_side(tokens[1:]), sym(texts[0]))
    parts, cuts = _split(tokens, "op", ("∪", "∩", "∖"))
    if cuts:
        return regions.combined([_side(part) for part in parts], cuts)
    if (pair := _wrapped(tokens)) is not None and pair[0] in ("(", "[", "set", "<"):
        inner = tokens[1:-1]
        if pair == ("set", "set"):
            return _set(inner)
        parts, cuts = _split(inner, "sep")
        if cuts:
            if any(cut in ("and", "or") for cut in cuts) or any(not part for part in parts):
                raise Unreadable("words between the parts of a tuple")
            brackets = pair[0] + {"<": ">"}.get(pair[1], pair[1])
            if brackets not in ("()", "[]", "(]", "[)", "<>"):
                raise Unreadable("brackets that do not match")
            return Sequence(tuple(_item(part) for part in parts), "()" if brackets == "<>" else brackets)
        if pair == ("(", ")") and any(token.kind in ("rel", "money", "word") for token in inner):
            return _item(inner)
        if pair == ("[", "]"):
            held = _item(inner)
            return held if isinstance(held, Matrix) else Sequence((held,), "[]")
    parts, cuts = _split(tokens, "op", (":",))
    if cuts:
        return Ratio(tuple(_expression(part) for part in parts))
    return scalar(tokens)


def _is_point(tokens: list[Token]) -> bool:
    separated = any(token.kind == "sep" and token.text in ",;" for token in tokens)
    return tokens[0].kind == "sym" and separated and _wrapped(tokens[1:]) is not None


def _set(inner: list[Token]) -> Value:
    if not inner:
        return Region(())
    for bar in (("op", ("|", ":")), ("rel", ("|",))):
        parts, cuts = _split(inner, *bar)
        if len(cuts) == 1 and any(token.kind == "rel" for token in parts[1]):  # {x : x > 3}
            name = _split(parts[0], "rel")[0][0]
            condition, label = _statement(parts[1]), _label(name)
            region = regions.as_region(condition)
            if region is None or label is None or region.label != label:
                raise Unreadable("a set with an unknown condition")
            return replace(region, label=None)
    parts, cuts = _split(inner, "sep")
    if any(not part for part in parts):
        raise Unreadable("an empty place in a set")
    items: list[Value] = []
    for part in parts:
        value = _item(part)
        items.extend(value.items if isinstance(value, Sequence) and value.brackets == "" else (value,))
    return Sequence(tuple(items), "{}")
