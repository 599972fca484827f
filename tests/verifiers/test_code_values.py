"""What crosses the border of the sandbox, and how it is compared."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.code import nodes
from verifiers.code.compare import Rules, same, same_text
from verifiers.code.values import MAX_DEPTH, MalformedError, UnserialisableError, decode, encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.integers(min_value=2**63, max_value=2**200)
)
keys = st.text() | st.integers() | st.tuples(st.integers(), st.text())
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner) | st.sets(keys),
    max_leaves=30,
)
quick = settings(deadline=None, max_examples=200, derandomize=True)


@given(values)
@quick
def test_a_value_comes_back_as_it_went(value):
    back = decode(encode(value), build=True)
    assert back == value
    assert type(back) is type(value)


@given(values)
@quick
def test_a_value_equals_itself_after_crossing(value):
    assert same(decode(encode(value)), value)
    assert same(decode(encode(value)), value, tolerance(1e-6))


@given(values, values)
@quick
def test_equality_is_no_laxer_than_pythons(a, b):
    if same(decode(encode(a)), b):
        assert encode_lists(a) == encode_lists(b)


def encode_lists(value):
    """Python's value with tuples as lists, the one liberty that comparison takes besides int for float."""
    if isinstance(value, (list, tuple)):
        return [encode_lists(x) for x in value]
    if isinstance(value, dict):
        return {k: encode_lists(v) for k, v in value.items()}
    return value


@given(st.binary(max_size=200))
@quick
def test_any_bytes_are_refused_or_are_a_value(data):
    """What is decoded can be written again, and is then the same."""
    try:
        written = encode(decode(data, build=True))
    except MalformedError:
        return
    assert encode(decode(written, build=True)) == written


@given(values, st.data())
@quick
def test_a_cut_encoding_is_refused(value, data):
    encoded = encode(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(MalformedError):
        decode(encoded[:cut])


def nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


def test_depth_is_limited_on_both_sides():
    encode(nested(MAX_DEPTH))
    with pytest.raises(UnserialisableError, match="deeper"):
        encode(nested(MAX_DEPTH + 1))
    with pytest.raises(MalformedError, match="deeper"):
        decode(b"l\0\0\0\1" * (MAX_DEPTH + 1) + b"N")


def test_a_size_that_is_not_there_costs_nothing():
    for data in (b"l\xff\xff\xff\xff", b"s\xff\xff\xff\xff", b"Alq\xff\xff\xff\xff", b"Al\0\0\xff\xffq"):
        with pytest.raises(MalformedError):
            decode(data)
    with pytest.raises(MalformedError, match="too many"):
        decode(encode([0] * 2000), max_items=1999)


class Liar(list):
    def __iter__(self):
        return iter([1, 2, 3])

    def __len__(self):
        return 3

    def __eq__(self, other):
        return True


def test_a_subclass_crosses_as_what_its_base_holds():
    assert decode(encode(Liar([7]))) == [7]


class Number(int):
    pass


@pytest.mark.parametrize(
    "value", [Number(1), type("S", (str,), {})("x"), object(), iter([1]), lambda: 1, ...]
)
def test_other_types_do_not_cross(value):
    with pytest.raises(UnserialisableError, match="type"):
        encode(value)


nan, inf = math.nan, math.inf


def tolerance(tol, **more):
    return Rules(abs_tol=tol, rel_tol=tol, **more)


@pytest.mark.parametrize(
    ("got", "expected", "tol", "strict", "equal"),
    [
        (1, 1, None, False, True),
        (True, 1, None, False, False),
        (1, True, None, False, False),
        (1.0, 1, None, False, False),
        (1, 1.0, None, False, True),
        (1, 1.0, None, True, False),
        ("1", 1, None, False, False),
        (None, 0, None, False, False),
        ((1, [2]), [1, [2]], None, False, True),
        ([1], (1,), None, False, True),
        ([1, 2], [1], None, False, False),
        (b"a", "a", None, False, False),
        (nan, nan, None, False, True),
        (nan, 1.0, 1e9, False, False),
        (1.0, nan, 1e9, False, False),
        (inf, inf, None, False, True),
        (inf, 1e300, 1e9, False, False),
        (-inf, inf, 1e-6, False, False),
        (1.0000001, 1.0, 1e-6, False, True),
        (1.1, 1.0, 1e-6, False, False),
        (1000000.5, 1000000.0, 1e-6, False, True),
        (3.0, 3, 1e-6, False, True),
        (3.0, 3, 1e-6, True, False),
        (4, 3, 1e-6, False, False),
        (0.1 + 0.2, 0.3, None, False, True),
        (0.1 + 0.2, 0.3, 0.0, False, False),
        (3.0000001, 3, 1e-6, False, True),
        (3.0000000000000004, 3, None, False, False),
        (5e16 + 8, 5 * 10**16, 1e-6, False, False),
        (10**400, 1.0, 1e-6, False, False),
        ({"a": 1}, {"a": 1}, None, False, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None, False, True),
        ({"a": 1.0}, {"a": 1}, None, False, False),
        ({1: 0}, {"1": 0}, None, False, True),
        ({1: 0}, {"1": 0}, None, True, False),
        ({True: 0}, {1: 0}, None, False, False),
        ([["a", 1]], {"a": 1}, None, False, False),
        ({1, 2}, {2, 1}, None, False, True),
        ({1, 2}, [1, 2], None, False, False),
        (frozenset({1}), {1}, None, False, True),
        ({1.0}, {1}, None, False, False),
    ],
)
def test_comparison(got, expected, tol, strict, equal):
    assert (
        same(decode(encode(got)), expected, tolerance(tol, equality="strict" if strict else "typed")) is equal
    )


def test_a_key_that_comes_twice_does_not_stand_for_two():
    twice = b"m" + (2).to_bytes(4, "big") + 2 * (encode("a") + encode(1))
    assert not same(decode(twice), {"a": 1, "b": 1})


@pytest.mark.parametrize(
    ("got", "expected", "tol", "equal"),
    [
        ("1 2\n", "1 2", None, True),
        ("1 2  \n\n\n", "1 2\n", None, True),
        ("1\r\n2\r\n", "1\n2\n", None, True),
        (" 1", "1", None, True),
        ("1\n2", "1", None, False),
        ("1", "1\n2", None, False),
        ("1\n\n2", "1\n2", None, True),
        ("1  2", "1 2", None, True),
        ("1.50", "1.5", None, True),
        ("3", "3.0", None, True),
        ("007", "7", None, False),
        ("0101", "101", None, False),
        ("+7", "7", None, True),
        ("-0", "0", None, True),
        ("0.30000000000000004", "0.3", None, True),
        ("0.30000000000000004", "0.3", 0.0, False),
        ("123456789.12", "123456789.13", None, False),
        ("50000000000000001", "50000000000000000", 1e-6, False),
        ("50000000000000001.0", "50000000000000000", 1e-6, False),
        ("1e400", "1e399", 1e-6, False),
        ("9" * 9999, "9" * 9998 + "8", 1e-6, False),
        ("Yes", "YES", None, False),
        ("0.3333333", "0.333333333", 1e-6, True),
        ("0.34", "0.333333333", 1e-6, False),
        ("Case #1: 0.50000001", "Case #1: 0.5", 1e-6, True),
        ("nan", "0.5", 1e9, False),
        ("inf", "0.5", 1e9, False),
        ("1_0", "10", 1e-6, False),
        ("", "", None, True),
    ],
)
def test_standard_output(got, expected, tol, equal):
    assert same_text(got, expected, tolerance(tol, compare="lines")) is equal


@pytest.mark.parametrize(
    ("got", "expected", "rules", "equal"),
    [
        ("1\n2", "1 2", Rules(), True),
        ("1\n2", "1 2", Rules(compare="lines"), False),
        ("1 3 2", "1 2 3", Rules(), False),
        ("1 2 2", "1 2", Rules(), False),
        ("1  2 \n\n", "1  2", Rules(compare="exact"), True),
        ("1  2", "1 2", Rules(compare="exact"), False),
        (" *\n**", "*\n**", Rules(compare="exact"), False),
        ("Yes", "YES", Rules(ignore_case=True), True),
        ("Yes", "NO", Rules(ignore_case=True), False),
        ("3 1 2", "1 2 3", Rules(any_order=True), True),
        ("3 1 1", "1 2 3", Rules(any_order=True), False),
        ("3 4\n1 2", "1 2\n3 4", Rules(any_order=True, compare="lines"), True),
        ("4 3\n1 2", "1 2\n3 4", Rules(any_order=True, compare="lines"), False),
        ("4 3\n1 2", "1 2\n3 4", Rules(any_order="deep", compare="lines"), True),
        ("1.0 0.50", "0.5 1", Rules(any_order=True), True),
    ],
)
def test_rules_for_standard_output(got, expected, rules, equal):
    assert same_text(got, expected, rules) is equal


@pytest.mark.parametrize(
    ("got", "expected", "rules", "equal"),
    [
        (2.0, 2, Rules(), True),
        (True, 1, Rules(), True),
        (1, True, Rules(), True),
        (2.5, 2, Rules(), False),
        ("2", 2, Rules(), False),
        (0, None, Rules(), False),
        ({2.0}, {2}, Rules(), True),
        ({True: 1}, {"true": 1}, Rules(), True),
        ({(1, 2): 1}, {"(1, 2)": 1}, Rules(), False),
        ({1: 1, "1": 1}, {"1": 1, "2": 1}, Rules(), False),
        ([2, 1], [1, 2], Rules(any_order=True), True),
        ([2, 2, 1], [1, 1, 2], Rules(any_order=True), False),
        ({2, 1}, [1, 2], Rules(any_order=True), True),
        ({2, 1}, [1, 2], Rules(), False),
        (Decimal(2), 2, Rules(), True),
        (Decimal("0.5"), 0.5, Rules(), True),
        (Fraction(1, 3), 0.25, Rules(), False),
        (Decimal("nan"), nan, Rules(), True),
        ([[2, 1], [3]], [[3], [1, 2]], Rules(any_order=True), False),
        ([[2, 1], [3]], [[3], [1, 2]], Rules(any_order="deep"), True),
        ([None, "a", 1, (2,)], [[2], 1, "a", None], Rules(any_order=True), True),
        ("Yes", "YES", Rules(ignore_case=True), True),
        ("Yes", "YES", Rules(), False),
        (1.05, 1.0, Rules(abs_tol=0.1), True),
        (1.2, 1.0, Rules(abs_tol=0.1), False),
        (105.0, 100.0, Rules(rel_tol=0.1), True),
        (0.0, 1e-6, Rules(rel_tol=0.1), False),
    ],
)
def test_rules_for_results(got, expected, rules, equal):
    assert same(decode(encode(got)), expected, rules) is equal


@given(st.lists(values, max_size=6), st.randoms())
def test_a_list_in_another_order_is_the_same_in_any_order(items, random):
    shuffled = random.sample(items, len(items))
    assert same(decode(encode(shuffled)), items, Rules(any_order=True, equality="typed"))


TREES = [
    ((1,), [1]),
    ((1, (2,)), [1, 2]),
    ((1, None, (2,)), [1, None, 2]),
    ((1, (2,), (3,)), [1, 2, 3]),
    ((1, (2, None, (3,))), [1, 2, None, None, 3]),
    ((1, None, (2, (3,))), [1, None, 2, 3]),
    ((1, (2, (4,)), (3, None, (5,))), [1, 2, 3, 4, None, None, 5]),
    ((1, (2, (3, (4,)))), [1, 2, None, 3, None, 4]),
]
"""A tree as (value, left, right), and as LeetCode lists it: by level, None for a missing child, none at the end."""


def grown(tree):
    if tree is None:
        return None
    value, left, right = [*tree, None, None][:3]
    return nodes.TreeNode(value, grown(left), grown(right))


@pytest.mark.parametrize(("tree", "listed"), TREES)
def test_a_tree_is_its_list_and_back(tree, listed):
    assert decode(encode(grown(tree))) == listed
    assert decode(encode(nodes.from_list("TreeNode", listed, {}))) == listed


def test_nodes_are_sent_as_what_they_hold():
    chain = nodes.from_list("ListNode", [1, 2], {})
    assert decode(encode([chain, None])) == [[1, 2], None]
    tree = decode(encode(nodes.from_list("TreeNode", [1, None, 2, 3], {})), build=True)
    assert (tree.right.left.val, tree.left) == (3, None)
    chain.next.next = chain
    with pytest.raises(UnserialisableError, match="cycle"):
        encode(chain)
