"""Whether one relation `left = right` holds: exactly if possible, tolerant of loose notation.

A relation is false only if every reading of both sides makes it false. A rounded value counts as equal if the notation
shows it (≈, 33.33 for 100/3) or the text announces it ("about"); percentages and units are converted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from verifiers.latex import word_set
from verifiers.reasoning.algebra import Kind, free, identical, values_at
from verifiers.reasoning.arrays import entries
from verifiers.reasoning.inequalities import ORDERS, is_ordered
from verifiers.reasoning.parts import is_quantity, with_rest
from verifiers.reasoning.rounding import MACHINE_DIGITS, is_machine_made, rounds_to, slack_of
from verifiers.reasoning.statements import Chain, Side
from verifiers.reasoning.tree import Expression, Node, Undefined, Unreadable
from verifiers.reasoning.units import conversions, is_compound, is_conversion, ratios
from verifiers.reasoning.values import Number, Reading, close, evaluate, readings
from verifiers.units import FACTORS, NUMBERS

__all__ = ["Context", "RelationCheck", "check_relation"]

PI_TOLERANCE = 2e-3
"""Relative error allowed between a side with π and one without: covers 3.14 and 22/7."""
_PI_NUMERALS = {"3.1", "3.14", "3.142", "3.1416", "3.14159", "3.141592", "3.1415926", "3.14159265"}

_ROUNDING = word_set(
    "about approximately approx around roughly nearly almost round rounded rounding rounds nearest "
    "estimate estimated whole integer full complete least most truncate truncated floor ceiling up "
    "down"
)
_IDENTITIES = {
    (verb, link)
    for verb in ("factors", "factored", "expands", "expanded", "written", "rewritten")
    for link in ("as", "to")
}
_VERBS = word_set("is are was were gives give gets get equals makes means yields has have we then so")
_REMAINDERS = word_set("remainder r rem carry carrying borrow borrowing c")
_MULTIPLIERS = (
    word_set("half twice double triple thrice dozens pair than square squared cube cubed root k")
    | FACTORS.keys()
    | NUMBERS - {"zero", "one"}
)
"""Words that change the value of the number next to them in ways that are not read."""


@dataclass(slots=True)
class Context:
    """What the trace has stated so far."""

    rounded: set[str] = field(default_factory=set)
    """Numerals of rounded values."""
    magnitudes: frozenset[str] = frozenset()
    """Words such as "thousand" in the trace, which allow 5 * 3 = 15,000."""
    rounding: bool = False
    """Whether the problem asks for a rounded answer."""
    hypothetical: bool = False
    """Whether the trace argues from assumptions, so that congruences may be meant to fail."""


@dataclass(frozen=True, slots=True)
class RelationCheck:
    """The result of checking one relation."""

    holds: bool | None
    """None: the relation could not be read."""
    truth: Number | None = None
    """The value of the left side, if it is constant."""
    claim: Number | None = None
    """The value of the right side, if it is constant."""


UNREAD = RelationCheck(None)


def check_relation(
    chain: Chain, at: int, left: Side, right: Side, relation: str, context: Context
) -> RelationCheck:
    """Check `left relation right` of `chain`; `at` is the position of the relation in it."""
    if chain.question or not left.ending or not right.opening:
        return UNREAD
    longest, target = left.ending[0], right.opening[0]
    if relation in ORDERS and not context.hypothetical and _is_formula(chain, left, right):
        return RelationCheck(is_ordered(longest, target, relation))
    if relation not in "=~%":
        return UNREAD
    if chain.modular:
        return _congruent(longest, target, chain, context)
    if not (longest.operations or target.operations):
        return _literals(chain, at, left, right, relation, context)
    if at == 0 and not longest.operations and _is_label(longest, target, left):
        return UNREAD
    if _is_aside(longest, left, chain.formula):
        return UNREAD
    words = _Leeway(chain, at, left, right, relation)
    words.announced = words.announced or context.rounding
    checks: list[RelationCheck] = []
    for a in left.ending:
        options = [*right.opening, right.first] if right.first is not None else right.opening
        for b in options:
            check = _equal(a, b, words, context)
            if check.holds:
                if _is_rounded(check, b):
                    assert b.literal is not None
                    context.rounded.add(b.literal.text)
                return check
            checks.append(check)
    if any(v.holds is None for v in checks):
        return UNREAD
    first = checks[0]
    if words.loose or _is_special(words, longest, target, right, first, context):
        return UNREAD if words.loose else RelationCheck(True, first.truth, first.claim)
    if words.units and (
        _has_fraction(longest.node) or _has_fraction(target.node) or _may_convert(first, chain)
    ):
        return UNREAD
    return first


def _may_convert(check: RelationCheck, chain: Chain) -> bool:
    """Whether the sides of a relation with several units in it may differ by a change of units."""
    x, y = check.truth, check.claim
    if not isinstance(x, Fraction) or not isinstance(y, Fraction) or not x or not y:
        return True
    return is_conversion(x / y, chain.words)


def _has_fraction(node: Node) -> bool:
    return node[0] == "frac" or any(
        _has_fraction(child) for child in node[1:] if isinstance(child, tuple) and child
    )


def _is_label(a: Expression, b: Expression, left: Side) -> bool:
    """Whether the number `a` belongs to the words around it ("3 shirts = 3 * 4"), or is a whole ("48 = 100% + 20%")."""
    if "percent" in a.features ^ b.features:
        return not _is_share(a, b)
    own_formula = a.literal is not None and a.literal.math
    return bool(left.trailing or left.inside or (left.before and not own_formula))


def _is_share(a: Expression, b: Expression) -> bool:
    """Whether `15 % = 3/20` gives a percentage as a fraction below 1, which is no number of things."""
    if (
        "percent" not in a.features
        or b.variables
        or b.node[0] != "frac"
        or not all(t.math for t in b.numbers)
    ):
        return False
    values = [t.value or Fraction(0) for t in b.numbers]
    return len(values) == 2 and 0 < values[0] < values[1]


def _is_special(
    words: _Leeway, a: Expression, b: Expression, right: Side, check: RelationCheck, context: Context
) -> bool:
    try:
        return words.special(a, b, right, check, context)
    except Unreadable:
        return False


def _is_aside(a: Expression, left: Side, formula: bool) -> bool:
    """Whether `a` is not a side of the relation: "multiplying by 1/3 gives b = …"."""
    if not formula and any(len(word) == 1 and word.isalpha() for word in left.trailing):
        return True
    return a.operations <= 1 and a.node[0] in ("/", "frac") and not _VERBS.isdisjoint(left.trailing)


def _is_rounded(check: RelationCheck, b: Expression) -> bool:
    if b.literal is None or check.truth is None or check.claim is None:
        return False
    return not close(check.truth, check.claim)


def _has_words(chain: Chain) -> bool:
    """Whether there are words between the sides of a chain, and not only before and after it."""
    sides = chain.sides
    return any(
        side.inside
        or side.within
        or (k and side.before)
        or (k < len(sides) - 1 and (side.after or side.trailing))
        for k, side in enumerate(sides)
    )


class _Leeway:
    """What the words around a relation allow."""

    def __init__(self, chain: Chain, at: int, left: Side, right: Side, relation: str) -> None:
        self.announced = relation == "~" or chain.rounding or not chain.words.isdisjoint(_ROUNDING)
        self.relation = relation
        self.kind = Kind(
            scaled=chain.zero,
            rewriting=len(chain.relations) > 1 and not _has_words(chain),
            identity=tuple(left.before[-2:]) in _IDENTITIES or at in chain.rewritten,
        )
        near = {*left.before[-1:], *left.inside}
        if left.before[-1:] == ["of"]:
            near.update(left.before[-2:])
        self.loose = not near.isdisjoint(_MULTIPLIERS) or left.crowded
        self.units = len(set(left.inside) | set(right.within)) > 1 and chain.formula
        self.left, self.right, self.chain = left, right, chain

    def special(
        self, a: Expression, b: Expression, right: Side, check: RelationCheck, context: Context
    ) -> bool:
        """Quotient and remainder, a carried digit, a change of unit."""
        if check.truth is None or check.claim is None:
            return False
        if right.second is not None and "and" in right.after[:2] and check.holds is False:
            parts = Expression(
                ("+", b.node, right.second.node), b.variables | right.second.variables, 1, b.features, None
            )
            if close(evaluate(parts, values_at(parts, 0)), check.truth):
                return True  # 5 and 2/3
        if right.second is not None and is_compound(right.after):
            return is_quantity(check.truth, self.left, check.claim, right) is not False
        if right.second is not None and not _REMAINDERS.isdisjoint(right.after[:2]):
            return with_rest(a, check.truth, check.claim, right.second)
        ratio_words = ["$"] if self.chain.money else []
        ratio_words += [
            *self.left.before,
            *self.left.inside,
            *self.left.after,
            *right.after,
            *right.within,
            *context.magnitudes,
        ]
        percent = "percent" in a.features | b.features
        return any(close(check.truth * ratio, check.claim) for ratio in ratios(ratio_words, percent))


def _literals(
    chain: Chain, at: int, left: Side, right: Side, relation: str, context: Context
) -> RelationCheck:
    """`3.5 yards = 10.5 feet`, `0.5 = 50%`; other pairs of single numbers are labels, and unread."""
    a, b = left.ending[0], right.opening[0]
    if a.variables or b.variables:
        return UNREAD
    words = _Leeway(chain, at, left, right, relation)
    check = _equal(a, b, words, context)
    if check.holds:
        return RelationCheck(True, check.truth, check.claim)
    if check.truth is None or check.claim is None:
        return UNREAD
    if (_is_formula(chain, left, right) or _goes_on(chain, at, right)) and not context.hypothetical:
        return check
    if not left.after or not right.after or "per" in (*left.after, *right.after):
        return UNREAD
    factors, exact = conversions(left.after[0], right.after[0])
    if any(close(check.truth * factor, check.claim) for factor in factors):
        return RelationCheck(True, check.truth, check.claim)
    if right.second is not None and is_compound(right.after):
        return RelationCheck(is_quantity(check.truth, left, check.claim, right), check.truth, check.claim)
    return RelationCheck(False if exact and not words.announced else None, check.truth, check.claim)


def _is_formula(chain: Chain, left: Side, right: Side) -> bool:
    """Whether two numbers are sides of one formula without words: not labels, and not numbers of different things."""
    a, b = left.ending[0], right.opening[0]
    if _has_words(chain) or right.after or chain.money or free(a) or free(b):
        return False
    if {"pm", "array", "call"} & (a.features | b.features) or {"percent", "deg"} & (a.features ^ b.features):
        return False
    return all(t.math for t in (*a.numbers, *b.numbers))


def _goes_on(chain: Chain, at: int, right: Side) -> bool:
    """Whether the left number is the result of a computation in the same chain, and the right one is to be the same:
    `3 + 4 = 7 = 12`. Words between them, units or a percentage make it something else."""
    if at == 0 or chain.relations[at - 1] != "=" or _has_words(chain) or right.after or chain.money:
        return False
    if not (before := chain.sides[at - 1].ending) or free(before[0]) or before[0].literal is not None:
        return False
    result, claim = chain.sides[at].ending[0], right.opening[0]
    return not {"percent", "deg", "pm", "array", "call"} & (result.features | claim.features)


def _congruent(a: Expression, b: Expression, chain: Chain, context: Context) -> RelationCheck:
    if chain.modulus is None or a.variables or b.variables:
        return UNREAD
    try:
        x, y = evaluate(a, {}), evaluate(b, {})
    except Unreadable:
        return UNREAD
    if not (isinstance(x, Fraction) and isinstance(y, Fraction) and x.denominator == y.denominator == 1):
        return UNREAD
    holds = (x - y) % chain.modulus == 0
    return RelationCheck(holds if holds or not context.hypothetical else None, x, y)


# --- two expressions --------------------------------------------------------------------------------------


def _equal(a: Expression, b: Expression, words: _Leeway, context: Context) -> RelationCheck:
    if "array" in a.features | b.features:
        return _equal_entries(a, b, words, context)
    if "pm" in a.features | b.features:
        return _equal_signs(a, b, words, context)
    first: RelationCheck | None = None
    for how_a in readings(a.features):
        for how_b in readings(b.features):
            check = _equal_read(a, b, how_a, how_b, words, context)
            if check.holds:
                return check
            first = first or check
    assert first is not None
    return first


def _equal_entries(a: Expression, b: Expression, words: _Leeway, context: Context) -> RelationCheck:
    """Two tuples or matrices, or what is computed with them, entry by entry."""
    try:
        pairs = list(entries(a, b))
    except Unreadable:
        return UNREAD
    checks = [_equal(x, y, words, context) for x, y in pairs]
    wrong = next((check for check in checks if check.holds is False), None)
    return wrong or RelationCheck(all(check.holds for check in checks) or None)


def _equal_signs(a: Expression, b: Expression, words: _Leeway, context: Context) -> RelationCheck:
    """Two sides with ±: each sign of one gives the value of the other with the same sign, or with the opposite one."""
    if "pm" not in a.features & b.features:
        return UNREAD
    checks = [
        [
            _equal_read(a, b, Reading(minus=sign), Reading(minus=sign != swapped), words, context)
            for sign in (False, True)
        ]
        for swapped in (False, True)
    ]
    if any(all(check.holds for check in pair) for pair in checks):
        return RelationCheck(True)
    known = all(check.holds is not None for pair in checks for check in pair)
    return RelationCheck(False if known else None)


def _equal_read(
    a: Expression, b: Expression, how_a: Reading, how_b: Reading, words: _Leeway, context: Context
) -> RelationCheck:
    try:
        if free(a) or free(b):
            return RelationCheck(identical(a, b, how_a, how_b, words.kind))
        x = evaluate(a, values_at(a, 0), how_a)
        y = evaluate(b, values_at(b, 0), how_b)
        rounded = context.rounded | _PI_NUMERALS if words.relation == "~" else context.rounded
        slack = slack_of(a, how_a, x, rounded) + slack_of(b, how_b, y, rounded)
    except Undefined:
        return RelationCheck(None if free(a) | free(b) else _one_is_undefined(a, b, how_a, how_b))
    except Unreadable:
        return UNREAD
    if close(x, y):
        return RelationCheck(True, x, y)
    if isinstance(x, complex) or isinstance(y, complex):
        return RelationCheck(False, x, y)
    if any(is_machine_made(t.text) for t in (*a.numbers, *b.numbers)):
        slack += 10.0**-MACHINE_DIGITS * abs(float(x))
    if ("deg" in a.features) != ("deg" in b.features) and {"pi", "arc"} & (a.features | b.features):
        return UNREAD
    if ("pi" in a.features) != ("pi" in b.features):
        slack += PI_TOLERANCE * abs(float(x))
    if slack and abs(float(x) - float(y)) <= slack * (1 + 1e-9):
        return RelationCheck(True, x, y)
    percent = "percent" in b.features and how_b.percent
    if b.literal is not None and rounds_to(
        x * 100 if percent else x, b.literal, y * 100 if percent else y, words.announced, slack
    ):
        return RelationCheck(True, x, y)
    if (
        a.literal is not None
        and b.literal is None
        and rounds_to(y, a.literal, x, words.relation == "~", slack)
    ):
        return RelationCheck(True, x, y)
    if words.relation == "~" and b.literal is None and abs(float(x) - float(y)) <= 0.05 * abs(float(x)):
        return RelationCheck(True, x, y)
    return RelationCheck(False, x, y)


def _one_is_undefined(a: Expression, b: Expression, how_a: Reading, how_b: Reading) -> bool | None:
    """False if one constant divides by zero and the other is a number: they are not equal; else None."""
    defined = 0
    for e, how in ((a, how_a), (b, how_b)):
        try:
            evaluate(e, values_at(e, 0), how)
            defined += 1
        except Undefined:
            continue
        except Unreadable:
            return None
    return False if defined == 1 else None
