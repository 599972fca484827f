"""How far a number may be off, by the definition in `compare.Rules`, wherever it is."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.code.compare import Rules, same, same_text
from verifiers.code.values import decode, encode

SETTINGS = settings(deadline=None, max_examples=80, derandomize=True)
NOISE = 1e-12  # docs/verifiers: what the order of operations may cost
sizes = st.sampled_from([0.0, 1e-9, 3e-4, 0.02, 0.7, 1.0, 1.5, 42.0, 1234.5, 7.25e6, 3.5e11])
signs = st.sampled_from([1.0, -1.0])
EQUALITIES = ("strict", "typed", "python")
tolerances = st.sampled_from([0.0, 1e-9, 1e-6, 1e-3, 0.1])


def places(value: Any) -> list[Any]:
    """The value where it may be found in a result: alone, in lists, in a dict, in a list of dicts of lists."""
    return [value, [value], [1, [2, value], "x"], {"a": value}, [{"k": [value]}], [[["y", value]]]]


def judged(got: float, expected: float, rules: Rules) -> set[bool]:
    """The verdicts on a number at every place, and in standard output between other words."""
    found = {same(decode(encode(g)), e, rules) for g, e in zip(places(got), places(expected), strict=True)}
    texts = [f"{Decimal(repr(got)):f}", repr(got)], [f"{Decimal(repr(expected)):f}", repr(expected)]
    for one in texts[0]:
        for two in texts[1]:
            found.add(same_text(one, two, rules))
            found.add(same_text(f"Case #1: {one}\nok", f"Case #1: {two}\nok", rules))
    return found


@SETTINGS
@given(sizes, signs, signs, st.sampled_from([0.3, 0.9, 1.1, 3.0, 1e4]), st.sampled_from(EQUALITIES))
def test_by_default_the_last_digits_of_a_float_are_noise_absolute_below_one_and_relative_above(
    size: float, sign: float, side: float, share: float, equality: Any
) -> None:
    """0 against 1e-13 is right, and 0 against 1e-11 is not; 1e12 against 1e12 + 0.1 is right."""
    expected = sign * size
    got = expected + side * share * NOISE * max(1.0, size)
    off = abs(Fraction(got) - Fraction(expected))
    limit = Fraction(NOISE) * max(1, abs(Fraction(expected)))
    if abs(off - limit) < limit / 20:
        return  # rounding of the float itself
    assert judged(got, expected, Rules(equality=equality)) == {off <= limit}, (got, expected)
    exact = Rules(abs_tol=0.0, rel_tol=0.0, equality=equality)
    assert judged(got, expected, exact) == {got == expected}


@SETTINGS
@given(sizes, signs, signs, tolerances, tolerances, st.sampled_from([0.5, 0.95, 1.05, 2.0, 50.0]))
def test_a_tolerance_is_the_larger_of_the_absolute_and_of_the_relative_one(
    size: float, sign: float, side: float, absolute: float, relative: float, share: float
) -> None:
    expected = sign * size
    limit = max(absolute, relative * size)
    got = expected + side * share * limit
    if got == expected:
        assert judged(got, expected, Rules(abs_tol=absolute, rel_tol=relative)) == {True}
        return
    off = abs(Fraction(got) - Fraction(expected))
    if abs(off - Fraction(limit)) < Fraction(limit) / 100:
        return
    right = off <= Fraction(limit)
    assert judged(got, expected, Rules(abs_tol=absolute, rel_tol=relative)) == {right}, (got, expected)
    if relative == 0:
        assert judged(got, expected, Rules(abs_tol=absolute)) == {right}
    if absolute == 0:
        assert judged(got, expected, Rules(rel_tol=relative)) == {right}


@SETTINGS
@given(
    st.integers(-(10**12), 10**12),
    st.integers(1, 10**6),
    signs,
    st.sampled_from([1e-9, 1e-3, 0.5, 0.99]),
    st.sampled_from(EQUALITIES),
)
def test_an_integer_is_never_off(whole: int, off: int, side: float, tol: float, equality: Any) -> None:
    """Whatever the tolerance is: not as an int, as a float without a fraction, or as a word of the output."""
    other = whole + int(side) * off
    for rules in (Rules(abs_tol=tol, rel_tol=tol, equality=equality), Rules(rel_tol=tol, equality=equality),
                  Rules(abs_tol=tol, equality=equality), Rules(equality=equality)):  # fmt: skip
        for got in (other, float(other)):
            pairs = zip(places(got), places(whole), strict=True)
            assert {same(decode(encode(g)), e, rules) for g, e in pairs} == {False}, (got, whole, rules)
        for word in (str(other), f"{other}.0", f"{other}.00", f"{other}.4"):
            assert not same_text(f"total {word}", f"total {whole}", rules), (word, whole, rules)
        assert same(whole, whole, rules) and same_text(f"{whole}.0", str(whole), rules)
    near = Rules(
        abs_tol=0.45
    )  # a float that is within the tolerance and rounds to the integer is that integer
    if abs(whole) < 10**9:
        assert same(whole + 0.25, whole, near) and not same(whole + 0.5, whole, Rules(abs_tol=0.9))
        assert same_text(f"{whole}.0000", str(whole), near)


WORDS = ["1.0", "abc", "3", "1e5", "0.30000000001", "", "nan"]


@pytest.mark.parametrize("tol", [None, 1e-6, 0.5])
def test_text_is_never_close_to_other_text_and_no_number(tol: float | None) -> None:
    rules = Rules(abs_tol=tol, rel_tol=tol)
    for word in WORDS:
        for other in (*WORDS, 1, 1.0, 3, 100_000.0, None, True, b"abc"):
            for one, two in zip(places(word), places(other), strict=True):
                assert same(decode(encode(one)), two, rules) is (word == other), (one, two)


@SETTINGS
@given(st.lists(sizes, min_size=2, max_size=5), st.data())
def test_every_item_counts_wherever_it_is(items: list[float], data: st.DataObject) -> None:
    """One item beyond the tolerance makes the whole result wrong; so does one more or less."""
    rules = Rules(abs_tol=1e-6, rel_tol=1e-6)
    at = data.draw(st.integers(0, len(items) - 1))
    moved = [*items[:at], items[at] + 0.01 * max(1.0, items[at]), *items[at + 1 :]]
    near = [x + 1e-7 * max(1.0, x) for x in items]
    for any_order in (False, True, "deep"):
        ordered = Rules(abs_tol=1e-6, rel_tol=1e-6, any_order=any_order)  # type: ignore[arg-type]
        assert same(near, items, ordered) and not same(items[1:], items, ordered)
        assert not same([*items, items[0]], items, ordered)
    assert not same(moved, items, rules)
    assert same_text(" ".join(map(str, near)), "\n".join(map(str, items)), rules)
    assert not same_text(" ".join(map(str, moved)), " ".join(map(str, items)), rules)
    assert not same_text(" ".join(map(str, items[1:])), " ".join(map(str, items)), rules)
    assert not same({"a": near, "b": moved}, {"a": items, "b": items}, rules)
    assert same({"a": near, "b": near}, {"b": items, "a": items}, rules)
