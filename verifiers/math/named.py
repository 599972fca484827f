"""Names before values, and lists of named values: x = 1, y = 2; mean = 5, median = 7; |AB| = 3, |BC| = 4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from verifiers.math.equations import label_of
from verifiers.math.names import in_words
from verifiers.math.tree import Node, sym
from verifiers.math.values import Scalar, Sequence, Value

__all__ = ["is_named", "may_name_the_same", "same_assignments", "same_named", "uncounted"]

Same = Callable[[Value, Value], bool]


def may_name_the_same(one: Node, two: Node) -> bool:
    """Whether two names of one value each may mean the same thing: words may mean anything but other words."""
    one, two = _standard(one), _standard(two)
    if one == two:
        return True
    if in_words(one) and in_words(two):
        return not set(one.args).isdisjoint(two.args) or not (one.args and two.args)
    if in_words(one) or in_words(two):
        return True
    if {one.op, two.op} == {"sym", "call"} and sym("y") in (one, two):
        return True  # y = x², f(x) = x²
    if one.op != two.op:
        return {one.op, two.op} in ({"fn", "sym"}, {"ratio", "sym"}, {"fn", "call"})
    if one.op == "fn" and one.args[0] == two.args[0]:  # sin A, sin ∠BAC
        return len(one.args) == len(two.args) and any(_long(arg) for arg in one.args[1:] + two.args[1:])
    return False


def _long(node: Node) -> bool:
    return node.op != "sym" or len(node.args[0]) > 1


def _standard(name: Node) -> Node:
    """One name for AB, BA and |AB|."""
    segment = name.args[0] if name.op == "abs" else name
    if (
        segment.op == "sym"
        and len(segment.args[0]) == 2
        and segment.args[0].isalpha()
        and segment.args[0].isupper()
    ):
        return sym("".join(sorted(segment.args[0])))
    return name


def is_named(value: Sequence) -> bool:
    """Whether every item has a name of its own."""
    labels = [label_of(item) for item in value.items]
    return None not in labels and len(set(labels)) == len(labels)


def uncounted(value: Sequence) -> Sequence:
    """`value` with its letter in place of names that only count: x_1 = 2, x_2 = -3."""
    labels = [label_of(item) for item in value.items]
    names = [label.args[0] for label in labels if label is not None and label.op == "sym"]
    letter = names[0].partition("_")[0] if len(names) == len(labels) and names else ""
    for first in (0, 1):
        if set(names) == {f"{letter}_{index}" for index in range(first, first + len(labels))}:
            return replace(value, items=tuple(_bare(value.items)), label=sym(letter))
    return value


def _bare(items: tuple[Value, ...]) -> list[Value]:
    return [replace(item, label=None) for item in items]  # type: ignore[call-arg]


def same_named(gold: Sequence, answer: Sequence, same: Same) -> bool | None:
    """Whether two lists of named values agree: by name, in any order; in the order given where names cannot be matched.

    None if the first list does not say which value is which.
    """
    if not is_named(gold) or len(gold.items) < 2:
        return None if _may_be_values_of(gold, answer) and _may_be_values_of(answer, gold) else False
    if len(gold.items) != len(answer.items):
        return False
    labels = [label_of(item) for item in answer.items]
    if not any(labels):
        if answer.label is not None:
            return False  # x = 1, x = 2 for x = 1, y = 2
        pairs = zip(_bare(gold.items), answer.items, strict=True)
    elif not is_named(answer) or gold.either != answer.either:
        return False
    else:
        order = _matched([_known(item) for item in gold.items], [_known(item) for item in answer.items])
        if order is None:
            return False
        found = _bare(answer.items)
        pairs = zip(_bare(gold.items), [found[at] for at in order], strict=True)
    return all(same(one, two) for one, two in pairs)


def _may_be_values_of(one: Sequence, two: Sequence) -> bool:
    """Whether no name in `two` is another than that of `one`: p = 1, x = 2 are no values of p."""
    found = [two.label, *map(label_of, two.items)]
    return one.label is None or all(
        may_name_the_same(one.label, label) for label in found if label is not None
    )


def _known(item: Value) -> Node:
    label = label_of(item)
    assert label is not None
    return _standard(label)


def _matched(ours: list[Node], theirs: list[Node]) -> list[int] | None:
    """For each of our names the place of the same name in theirs; in the order given if no name occurs twice."""
    if set(ours) == set(theirs):
        return [theirs.index(name) for name in ours]
    matches = [[at for at, other in enumerate(theirs) if _nearly(name, other)] for name in ours]
    if all(len(found) == 1 for found in matches) and len({found[0] for found in matches}) == len(ours):
        return [found[0] for found in matches]
    if not any(matches) and all(
        in_words(one) or in_words(two) for one, two in zip(ours, theirs, strict=True)
    ):
        return list(range(len(ours)))
    return None


def _nearly(one: Node, two: Node) -> bool:
    if not (in_words(one) and in_words(two)):
        return one == two
    return set(one.args) <= set(two.args) or set(two.args) <= set(one.args)


def same_assignments(gold: Sequence, answer: Sequence, same: Same) -> bool:
    """Whether x = 1, y = 2 and (1, 2) agree: in the order of the names, or by name if the tuple has a label (x, y)."""
    names, places = (gold, answer) if is_named(gold) else (answer, gold)
    if not is_named(names) or places.brackets != "()" or len(names.items) != len(places.items):
        return False
    if not all(isinstance(item, Scalar) for item in names.items):
        return False
    items = _bare(names.items)
    if places.label is not None and places.label.op == "tuple":
        order = {label_of(item): bare for item, bare in zip(names.items, items, strict=True)}
        if set(order) != set(places.label.args):
            return False
        items = [order[name] for name in places.label.args]
    pairs = zip(items, places.items, strict=True)
    return all(same(two, one) if names is answer else same(one, two) for one, two in pairs)
