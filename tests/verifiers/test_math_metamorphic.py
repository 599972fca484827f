"""What may be done to an answer and what may not: each change keeps the value in every notation, or alters it in each.

The forms write themselves, and which of two texts have one value follows from how they were made: from fractions, from
the points of an interval, from the dimension of a unit. `test_math_mutants` does the same to the golds of data sets.
"""

from __future__ import annotations

from collections import Counter
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.verifiers.forms import decimal, rational
from verifiers.math import canonical, equal

SETTINGS = settings(deadline=None, max_examples=50, derandomize=True)
small = st.integers(-12, 12)
rationals = st.builds(Fraction, st.integers(-40, 40), st.integers(1, 9))
letters = st.sampled_from("xyzabctuvw")


def alike(one: str, two: str) -> bool:
    """Whether two texts are equal, which must not depend on which of them is the gold."""
    forth, back = equal(one, two), equal(two, one)
    assert forth is back, (one, two)
    return forth


def require(gold: str, same: list[str], others: list[str]) -> None:
    """All of `same` equal `gold` and none of `others` does, in both directions."""
    assert [text for text in same if not alike(gold, text)] == [], gold
    assert [text for text in others if alike(gold, text)] == [], gold


# --- lists: order and multiplicity ------------------------------------------------------------------------

few = st.lists(st.sampled_from([Fraction(x, 6) for x in (-12, -3, 4, 6, 18)]), min_size=2, max_size=5)


@SETTINGS
@given(few, few, st.randoms(use_true_random=False))
def test_a_list_is_its_items_and_how_often_each_occurs(
    one: list[Fraction], two: list[Fraction], random: object
) -> None:
    shuffled = one[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    texts, other = [rational(x) for x in one], [rational(x) for x in two]
    gold = ", ".join(texts)
    mixed = [rational(x) for x in shuffled]
    same = [", ".join(mixed), " and ".join(mixed), "; ".join(mixed), ", ".join(f"x={part}" for part in mixed)]
    require(gold, same, [])
    assert alike(gold, ", ".join(other)) is (Counter(one) == Counter(two))
    assert canonical(gold) == canonical(same[0])
    if Counter(one) != Counter(two):
        assert canonical(gold) != canonical(", ".join(other))
    assert alike(f"({gold})", f"({', '.join(other)})") is (one == two)
    assert alike(f"\\{{{gold}\\}}", f"\\{{{', '.join(other)}\\}}") is (set(one) == set(two))


@SETTINGS
@given(few)
def test_an_item_more_or_less_is_another_list(items: list[Fraction]) -> None:
    texts = [rational(x) for x in items]
    others = [", ".join([*texts, texts[0]]), ", ".join(texts[1:]), ", ".join([*texts, "1001"])]
    if len(set(items)) > 1:  # of equal items, "1, 1" may restate one value
        require(", ".join(texts), [], others)
    pair = [f"({x}, {y})" for x, y in zip(texts, reversed(texts), strict=True)]
    require(", ".join(pair), [", ".join(reversed(pair))], [", ".join([*pair, pair[0]])])


@SETTINGS
@given(rationals, st.integers(2, 3), rationals, st.integers(0, 3))
def test_a_value_said_again_is_that_value_unless_another_is_said_with_it(
    value: Fraction, times: int, other: Fraction, at: int
) -> None:
    assume(value != other)
    said = [rational(value)] * times
    more = [*said[:at], rational(other), *said[at:]]
    for joint in (", ", " and ", "; "):
        assert equal(rational(value), joint.join(said)), joint
        assert not alike(rational(value), joint.join(more)), joint


# --- intervals and their ends -----------------------------------------------------------------------------

TURNED = {"<": ">", "\\le ": "\\ge ", ">": "<", "\\ge ": "\\le "}
"""Each sign read from the other side."""
ENDS = {"<": "\\le ", "\\le ": "<", ">": "\\ge ", "\\ge ": ">"}
"""Each sign with the end taken in, or left out."""
LESS = ("<", "\\le ")


@SETTINGS
@given(rationals, st.sampled_from(sorted(TURNED)), letters)
def test_a_half_line_is_its_end_its_direction_and_whether_the_end_belongs(
    end: Fraction, sign: str, x: str
) -> None:
    at, turned, minus = rational(end), TURNED[sign], rational(-end)
    left, right = ("[", "]") if "e" in sign else ("(", ")")
    line = f"{left}{at},\\infty)" if sign in (">", "\\ge ") else f"(-\\infty,{at}{right}"
    same = [f"{x}{sign}{at}", f"{at}{turned}{x}", line, f"{x}\\in{line}", f"-{x}{turned}{minus}", f"{x}-({at}){sign}0",
            f"0{turned}{x}-({at})", line.replace("(-\\infty", "[-\\infty").replace("\\infty)", "\\infty]")]  # fmt: skip
    same.append(f"{at}{turned}{x}<\\infty" if "\\infty)" in line else f"-\\infty<{x}{sign}{at}")
    swapped = line.translate(str.maketrans("([)]", "[(])"))
    others = [f"{x}{turned}{at}", f"{x}{ENDS[sign]}{at}", swapped, f"({at},-\\infty)", f"(\\infty,{at})", at,
              f"{x}={at}", f"{x}\\ne {at}", "\\mathbb{R}", f"-{x}{sign}{minus}", f"{x}-({at}){turned}0"]  # fmt: skip
    require(same[0], same, others + [f"{x}{sign}{minus}"] * (end != 0))


@pytest.mark.parametrize("infinity", ["\\infty", "+\\infty", "∞"])
def test_no_number_is_beyond_infinity(infinity: str) -> None:
    low = f"-{infinity.lstrip('+')}"
    every = ["\\mathbb{R}", f"({low},{infinity})", f"x<{infinity}", f"x>{low}", f"{low}<x<{infinity}", f"{low}<x",
             f"{infinity}>x", "\\text{all real numbers}"]  # fmt: skip
    none = ["\\emptyset", f"x<{low}", f"x>{infinity}", f"{infinity}<x", f"{low}>x", f"2x<{low}", f"-x>{infinity}",
            "\\text{no solution}"]  # fmt: skip
    require(every[0], every, [*none, "x>0", "0", f"(0,{infinity})"])
    require(none[0], none, [*every, "0", "\\{0\\}"])


@SETTINGS
@given(rationals, rationals, st.sampled_from("(["), st.sampled_from(")]"))
def test_an_interval_is_its_two_ends_and_its_brackets(
    low: Fraction, high: Fraction, left: str, right: str
) -> None:
    assume(low < high)
    a, b = rational(low), rational(high)
    gold = f"{left}{a},{b}{right}"
    inside = [LESS[left == "["], LESS[right == "]"]]
    same = [
        f"{a}{inside[0]}x{inside[1]}{b}",
        f"x\\in{gold}",
        f"{rational(-high)}{inside[1]}-x{inside[0]}{rational(-low)}",
    ]
    others = [f"{one}{a},{b}{two}" for one in "([" for two in ")]" if (one, two) != (left, right)]
    others += [f"{a}{one}x{two}{b}" for one in LESS for two in LESS if [one, two] != inside]
    others += [
        f"{left}{b},{a}{right}",
        f"{left}{rational(low - 1)},{b}{right}",
        f"{left}{a},{rational(high + 1)}{right}",
    ]
    others += [f"{a}, {b}", f"\\{{{a},{b}\\}}", f"x>{a}", f"x<{b}"]
    if left + right != "()":
        others.remove(f"{left}{b},{a}{right}")  # [2, 1] is a list or vector, of which nothing is said here
    require(gold, same, others)


# --- unions, intersections and differences ----------------------------------------------------------------

GRID = range(-8, 9)
"""Half integers, as whole numbers: what is true of a set with integers as ends on these points is true everywhere."""
SIGNS = {"\\cup": frozenset.union, "\\cap": frozenset.intersection, "\\setminus": frozenset.difference}
Points = frozenset[int]


@st.composite
def intervals(draw: st.DrawFn) -> tuple[str, Points]:
    """An interval with ends from -3 to 3, or a half line, and its points."""
    low = draw(st.integers(-3, 2))
    high = draw(st.integers(low + 1, 3))
    left, right = draw(st.sampled_from("([")), draw(st.sampled_from(")]"))
    points = frozenset(k for k in GRID if 2 * low + (left == "(") <= k <= 2 * high - (right == ")"))
    match draw(st.integers(0, 6)):
        case 0:
            return f"(-\\infty,{high}{right}", points | frozenset(range(GRID[0], 2 * low + 1))
        case 1:
            return f"{left}{low},\\infty)", points | frozenset(range(2 * high, GRID[-1] + 1))
    return f"{left}{low},{high}{right}", points


def _as_union(points: Points) -> str:
    """The fewest pieces that hold these points."""
    pieces: list[str] = []
    for start in (k for k in GRID if k in points and k - 1 not in points):
        end = next(k for k in range(start, GRID[-1] + 2) if k + 1 not in points)
        left = "(-\\infty" if start == GRID[0] else f"({(start - 1) // 2}" if start % 2 else f"[{start // 2}"
        right = "\\infty)" if end == GRID[-1] else f"{(end + 1) // 2})" if end % 2 else f"{end // 2}]"
        pieces.append(f"\\{{{start // 2}\\}}" if start == end and start % 2 == 0 else f"{left},{right}")
    return "\\cup".join(pieces) or "\\emptyset"


@SETTINGS
@given(intervals(), intervals(), intervals(), st.sampled_from(sorted(SIGNS)))
def test_sets_are_their_points_however_they_are_put_together(
    one: tuple[str, Points], two: tuple[str, Points], three: tuple[str, Points], sign: str
) -> None:
    points = SIGNS[sign](one[1], two[1])
    written = f"{one[0]}{sign} {two[0]}"
    require(_as_union(points), [written], [])
    require(_as_union(SIGNS[sign](points, three[1])), [f"{written}{sign} {three[0]}"], [])
    for name, other in (one, two, three):
        assert alike(written, name) is (points == other)


# --- inequalities that have to be solved ------------------------------------------------------------------


@SETTINGS
@given(
    st.integers(-9, 9).filter(bool),
    small,
    st.integers(-9, 9),
    small,
    st.sampled_from(sorted(TURNED)),
    letters,
)
def test_an_inequality_is_its_solution_also_where_it_was_divided_by_a_negative_number(
    a: int, b: int, c: int, d: int, op: str, x: str
) -> None:
    """a x + b op c x + d, by hand: x op (d - b) / (a - c), with the sign turned where a - c is negative."""
    assume(a != c)
    end, sign = rational(Fraction(d - b, a - c)), op if a > c else TURNED[op]
    written = [f"{a}{x}{b:+}{op}{c}{x}{d:+}", f"{c}{x}{d:+}{TURNED[op]}{a}{x}{b:+}"]
    written += [f"{a - c}{x}{op}{d - b}", f"{d - b}{TURNED[op]}{a - c}{x}"]
    for gold in written:
        require(gold, [f"{x}{sign}{end}", f"{end}{TURNED[sign]}{x}"],
                [f"{x}{TURNED[sign]}{end}", f"{x}{ENDS[sign]}{end}", f"{x}={end}", end])  # fmt: skip


@SETTINGS
@given(st.integers(-6, 6).filter(bool), small, st.integers(1, 12), st.booleans())
def test_absolute_values_are_two_inequalities(a: int, b: int, radius: int, closed: bool) -> None:
    """|a x + b| < r is the interval around -b/a of half-width r/|a|; > is what is outside."""
    middle, half = Fraction(-b, a), Fraction(radius, abs(a))
    low, high = rational(middle - half), rational(middle + half)
    near, far = LESS[closed], (">", "\\ge ")[closed]
    inner = f"{'[' if closed else '('}{low},{high}{']' if closed else ')'}"
    outer = f"(-\\infty,{low}{']' if closed else ')'}\\cup{'[' if closed else '('}{high},\\infty)"
    value = f"|{a}x{b:+}|"
    others = [f"x{near}{high}", f"x{far}{low}", f"{value}{('<', ENDS['<'])[not closed]}{radius}"]
    require(f"{value}{near}{radius}", [inner, f"{low}{near}x{near}{high}"], [outer, *others])
    require(f"{value}{far}{radius}", [outer, f"x{near}{low} \\text{{ or }} x{far}{high}"], [inner, *others])


# --- signs and chains of equations ------------------------------------------------------------------------

SIGNED = [
    "{n}", "\\frac{{{n}}}{{7}}", "{n}\\pi", "{n}\\sqrt{{3}}", "{n}x^2", "{n}\\%", "{n}^\\circ", "\\${n}",
    "{n}\\text{{ cm}}",
    "({n}, 4)", "[{n}, 40)", "\\{{{n}, 90\\}}", "{n}, 90", "\\begin{{pmatrix}}{n}&2\\\\3&4\\end{{pmatrix}}", "x={n}",
    "y={n}x+1", "{n}+2i", "x\\ge {n}", "{n}e^{{2t}}", "{n}.5", "f(2)={n}", "{n}\\text{{ million}}", "{n}\\ln 2",
]  # fmt: skip


@pytest.mark.parametrize("form", SIGNED)
def test_the_sign_is_a_part_of_the_value_in_every_form(form: str) -> None:
    for n in (3, 12, 250):
        plus, minus = form.format(n=n), form.format(n=-n)
        require(plus, [plus], [minus])
        require(minus, [minus, minus.replace("-", "−")], [plus])


@SETTINGS
@given(
    st.integers(2, 30), st.integers(2, 30), st.sampled_from(["x", "S", "m+n", "f(3)", "A_1", "\\angle B", ""])
)
def test_a_chain_of_equations_is_read_only_where_it_holds(a: int, b: int, name: str) -> None:
    lead = f"{name}=" if name else ""
    total, product = a + b, a * b
    for value, true in ((total, f"{a}+{b}"), (product, f"{a}\\cdot {b}")):
        require(str(value), [f"S={true}={value}"], [f"S={true}={value + 1}", f"S={true}={value}={value + 1}"])
    for wrong in (total + 1, total - 1, -total):
        for text in (f"{lead}{wrong}={total}", f"{lead}{total}={wrong}", f"{lead}{a}+{b}={wrong}"):
            require(str(total), [], [text])
            require(str(wrong), [], [text])
    require(
        str(total), [f"x=y={total}", f"{a}+{b}={total}"], [f"x=y={total + 1}", f"x={total},y={total + 1}"]
    )


# --- rounding ---------------------------------------------------------------------------------------------


@SETTINGS
@given(st.integers(100, 9_999), st.integers(1, 4), st.integers(-7, 7), st.booleans())
def test_an_answer_is_rounded_half_away_from_zero_to_the_places_of_the_reference(
    digits: int, places: int, off: int, negative: bool
) -> None:
    """Seven steps of a tenth on both sides of the reference, the ties at ±5 among them; and what is next to a tie."""
    reference = str(Decimal(-digits if negative else digits).scaleb(-places))
    gold = Fraction(reference)
    unit = Fraction(1, 10**places)
    for hair in (Fraction(0), unit / 10**6, -unit / 10**6):
        value = gold + off * unit / 10 + hair
        with localcontext() as context:
            context.prec = 40
            exact = Decimal(value.numerator) / Decimal(value.denominator)
            rounded = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        right = Fraction(rounded) == gold
        for text in (decimal(value), rational(value)):
            assert text is not None
            assert equal(reference, text) is right, (gold, text)
            assert equal(reference, text, rounding="never") is (value == gold)
            assert equal(text, reference) is (value == gold)  # and never the other way round


@SETTINGS
@given(st.integers(1, 99), st.integers(1, 4))
def test_a_reference_of_two_figures_is_exact(digits: int, off: int) -> None:
    for gold in (f"{digits / 10:.1f}", f"0.0{digits:02}"):
        value = Fraction(gold)
        near = decimal(value + Fraction(off, 10_000))
        assert near is not None and not equal(gold, near) and equal(gold, rational(value))
