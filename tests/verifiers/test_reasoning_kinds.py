"""Every kind of step that the judge of reasoning knows, true and false, in every notation that it reads.

The steps write themselves from two numbers; which of them are true is computed here with Python's integers, fractions
and floats. `test_reasoning_slips` has whole solutions with one false step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifiers.forms import rational
from verifiers.reasoning import check

PROPERTY = settings(deadline=None, derandomize=True, max_examples=5)
Steps = tuple[str, list[str]]
"""A true step and false ones."""


def _values(left: str, value: int | Fraction, *others: int | Fraction) -> Steps:
    """A left side with its value; false: another value by one, with the other sign, and `others`."""
    false = [value + 1, value - 1, -value, *others]
    return f"{left}={rational(Fraction(value))}", [
        f"{left}={rational(Fraction(x))}" for x in false if x != value
    ]


def _pair(left: str, right: str, *false: str, sign: str = "=") -> Steps:
    """A left side with a right one; false: with others."""
    return f"{left}{sign}{right}", [f"{left}{sign}{other}" for other in false]


def _decimals(left: str, value: float, sign: str = "\\approx ") -> Steps:
    """A left side with its value to three decimals; false: another second decimal, or sign."""
    false = [value + 0.02, value - 0.02, value + 1, -value]
    return f"{left}{sign}{value:.3f}", [f"{left}{sign}{other:.3f}" for other in false]


def _orders(low: str, high: str) -> Steps:
    """Two unequal values in every order."""
    true = f"{low}<{high}"
    return true, [
        f"{high}<{low}",
        f"{low}>{high}",
        f"{low}\\ge {high}",
        f"{high}\\le {low}",
        f"{low}\\geq {high}",
    ]


def _column(a: int, b: int) -> Steps:
    """A matrix times a column."""
    left = f"\\begin{{pmatrix}}1&2\\\\3&4\\end{{pmatrix}}\\begin{{pmatrix}}{a}\\\\{b}\\end{{pmatrix}}"
    true, *false = (
        f"{left}=\\begin{{pmatrix}}{a + 2 * b + x}\\\\{3 * a + 4 * b + y}\\end{{pmatrix}}"
        for x, y in ((0, 0), (0, 1), (-1, 0))
    )
    return true, false


KINDS: dict[str, Callable[[int, int], Steps]] = {
    "sum": lambda a, b: _values(f"{a}+{b}", a + b, a * b, 10 * (a + b)),
    "difference": lambda a, b: _values(f"{a}-{b}", a - b, b - a - 1),
    "product, dot": lambda a, b: _values(f"{a}\\cdot {b}", a * b, a + b),
    "product, cross": lambda a, b: _values(f"{a}\\times {b}", a * b, a + b + 1),
    "product, brackets": lambda a, b: _values(f"{a}({b})", a * b),
    "quotient, fraction": lambda a, b: _values(f"\\frac{{{a * b}}}{{{b}}}", a, a * b),
    "quotient, slash": lambda a, b: _values(f"{a * b}/{b}", a),
    "quotient, obelus": lambda a, b: _values(f"{a * b}\\div {b}", a),
    "fractions": lambda a, b: _values(f"\\frac{{{a}}}{{{b}}}+\\frac{{1}}{{3}}", Fraction(a, b) + Fraction(1, 3)),
    "lowest terms": lambda a, b: _values(f"\\dfrac{{{3 * a}}}{{{3 * b}}}", Fraction(a, b), Fraction(b, a)),
    "mixed number": lambda a, b: _values(f"{a}\\frac{{1}}{{{b}}}", a + Fraction(1, b)),
    "exact decimal": lambda a, b: _pair(f"\\frac{{{a}}}{{8}}", str(a / 8), str(a / 8 + 0.1), str(a / 8 - 0.5)),
    "power": lambda a, b: _values(f"{a}^2", a * a, 2 * a if a > 2 else 5),
    "negative power": lambda a, b: _values(f"{a}^{{-2}}", Fraction(1, a * a), -a * a),
    "root of a power": lambda a, b: _values(f"{a**3}^{{1/3}}", a, a * a),
    "square root": lambda a, b: _values(f"\\sqrt{{{a * a}}}", a),
    "cube root": lambda a, b: _values(f"\\sqrt[3]{{{a**3}}}", a),
    "surd": lambda a, b: (f"\\sqrt{{{2 * a * a}}}={a}\\sqrt{{2}}", [f"\\sqrt{{{2 * a * a}}}={a + 1}\\sqrt{{2}}"]),
    "factorial": lambda a, b: _values(f"{b}!", math.factorial(b), b * (b - 1)),
    "binomial": lambda a, b: _values(f"\\binom{{{a + b}}}{{{b}}}", math.comb(a + b, b), math.perm(a + b, b)),
    "floor": lambda a, b: _values(f"\\lfloor\\frac{{{7 * a + 3}}}{{7}}\\rfloor", a),
    "ceiling": lambda a, b: _values(f"\\lceil\\frac{{{7 * a + 3}}}{{7}}\\rceil", a + 1),
    "absolute value": lambda a, b: _values(f"|{-a}-{b}|", a + b, a - b),
    "greatest divisor": lambda a, b: _values(f"\\gcd({a * b},{b * (a + 1)})", b),
    "least multiple": lambda a, b: _values(f"\\operatorname{{lcm}}({a * b},{b * (a + 1)})", a * b * (a + 1)),
    "greatest of": lambda a, b: _values(f"\\max({a},{a + b})", a + b, a),
    "least of": lambda a, b: _values(f"\\min({a},{a + b})", a, a + b),
    "logarithm": lambda a, b: _values(f"\\log_{{{a}}} {a**b}", b),
    "common logarithm": lambda a, b: _values(f"\\log {10**b}", b),
    "sine of degrees": lambda a, b: _values("\\sin 30^\\circ", Fraction(1, 2)),
    "cosine of radians": lambda a, b: _values("\\cos\\frac{\\pi}{3}", Fraction(1, 2)),
    "tangent": lambda a, b: _values("\\tan 45^\\circ", 1),
    "secant": lambda a, b: _values("\\sec 60^\\circ", 2),
    "numeral in a base": lambda a, b: _values(f"{a:b}_2", a),
    "complex product": lambda a, b: _values(f"({a}+{b}i)({a}-{b}i)", a * a + b * b, a * a - b * b),
    "square of i": lambda a, b: (f"{a}i\\cdot {b}i={-a * b}", [f"{a}i\\cdot {b}i={a * b}"]),
    "congruence": lambda a, b: (
        f"{a * b + 2}\\equiv 2\\pmod{{{a}}}", [f"{a * b + 2}\\equiv {1 if a > 1 else 0}\\pmod{{{a}}}"],
    ),
    "residue": lambda a, b: _values(f"{(a + 2) * b + 1}\\bmod {a + 2}", 1),
    "part of": lambda a, b: _values(f"20\\%\\cdot {5 * a}", a),
    "percent more": lambda a, b: (f"{100 * a}+10\\%={110 * a}", [f"{100 * a}+10\\%={111 * a}"]),
    "percent less": lambda a, b: (f"{100 * a}-10\\%={90 * a}", [f"{100 * a}-10\\%={89 * a}"]),
    "rounded root": lambda a, b: _decimals(f"\\sqrt{{{a * a + 1}}}", math.sqrt(a * a + 1)),
    "rounded quotient": lambda a, b: _decimals(f"\\frac{{{7 * a + 3}}}{{7}}", a + 3 / 7),
    "rounded, not said": lambda a, b: _decimals(f"\\frac{{{7 * a + 3}}}{{7}}", a + 3 / 7, "="),
    "multiple of pi": lambda a, b: _pair(
        f"{a}\\pi", f"{a * 3.14:.2f}", *(f"{a * math.pi * off:.2f}" for off in (1.01, 0.99, 1.1, 1.3, -1))
    ),
    "near an expression": lambda a, b: _pair(
        f"{a}\\pi", f"{a}\\cdot 3.14", f"{a}\\cdot 3.44", f"{a}\\cdot 4.14", sign="\\approx "
    ),
    "pi in both": lambda a, b: (f"\\pi\\cdot {a}^2={a * a}\\pi", [f"\\pi\\cdot {a}^2={a * a + 1}\\pi"]),
    "order of numbers": lambda a, b: _orders(str(a), str(a + b)),
    "order of roots": lambda a, b: _orders(f"\\sqrt{{{a * a + 1}}}", str(a + 1)),
    "order of quotients": lambda a, b: _orders(f"\\frac{{{a}}}{{{b + 1}}}", f"\\frac{{{a}}}{{{b}}}"),
    "not below itself": lambda a, b: (f"{a}\\le {a}", [f"{a}<{a}", f"{a}>{a}"]),
    "chain of orders": lambda a, b: (f"{a}<{a + 1}<{a + 2}", [f"{a}<{a + 2}<{a + 1}", f"{a + 1}<{a}<{a + 2}"]),
    "both signs": lambda a, b: _pair(f"\\frac{{{2 * a}\\pm {2 * b}}}{{2}}", f"{a}\\pm {b}", f"{a}\\pm {b + 1}"),
    "tuples": lambda a, b: (f"({a},{b})+(1,2)=({a + 1},{b + 2})", [f"({a},{b})+(1,2)=({a + 1},{b + 3})"]),
    "multiple of a tuple": lambda a, b: (f"3({a},{b})=({3 * a},{3 * b})", [f"3({a},{b})=({3 * a},{b})"]),
    "scalar product": lambda a, b: _values(f"({a},{b})\\cdot(2,3)", 2 * a + 3 * b, 6 * a * b),
    "matrix times column": lambda a, b: _column(a, b),
    "determinant": lambda a, b: _values(f"\\begin{{vmatrix}}{a}&2\\\\3&{b}\\end{{vmatrix}}", a * b - 6, a * b + 6),
    "expansion": lambda a, b: _pair(
        f"(x+{a})(x-{b + 40})", f"x^2{a - b - 40:+}x-{a * (b + 40)}",
        f"x^2{b + 40 - a:+}x-{a * (b + 40)}", f"x^2{a - b - 40:+}x+{a * (b + 40)}",
    ),
    "distribution": lambda a, b: (f"{a}(x+{b})={a}x+{a * b}", [f"{a}(x+{b})={a}x+{b}"]),
    "like terms": lambda a, b: (f"{a}y+{b}y={a + b}y", [f"{a}y+{b}y={a + b + 1}y", f"{a}y-{b}y={a + b}y"]),
    "last of a chain": lambda a, b: (f"{a}\\cdot {b}={a * b}={a * b - 1}+1", [f"{a}\\cdot {b}={a * b}={a * b}+1"]),
}  # fmt: skip
WAYS = {
    "dollars": "We have ${}$.", "brackets": "Then \\({}\\).", "display": "Thus\n\\[\n{}\n\\]\n",
    "double dollars": "So\n$${}$$\n",
    "aligned": "\\begin{{align*}}\n{}\n\\end{{align*}}", "equation": "\\begin{{equation}}\n{}\n\\end{{equation}}",
    "in a list": "1. **Compute.** We get ${}$.\n2. Done.", "unfinished": "It follows that ${}$",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(st.integers(3, 12), st.integers(2, 6))
def test_a_true_step_is_read_and_a_false_one_found_in_every_notation(kind: str, a: int, b: int) -> None:
    true, false = KINDS[kind](a, b)
    for way, form in WAYS.items():
        found = check(form.format(true), None)
        assert found.ok and found.read, (way, true, found)
        for step in false:
            assert not check(form.format(step), None).ok, (way, step)


PROSE = [
    ("{a} + {b}", "+"), ("{a} - {b}", "-"), ("{a} * {b}", "*"), ("{a} x {b}", "*"), ("{a} × {b}", "*"),
    ("{a}·{b}", "*"), ("{a} times {b}", "*"), ("{p} / {b}", "a"), ("{p} ÷ {b}", "a"), ("{p} divided by {b}", "a"),
    ("{a}²", "q"), ("{a}^2", "q"), ("{a}**2", "q"), ("{a}² + {b}", "q+b"), ("√{q}", "a"), ("{b}% of {h}", "*"),
    ("{h} * {b}%", "*"), ("1/2 of {t}", "a"), ("{a}½ + {b}½", "+1"), ("{a} ½ * 2", "t+1"), ("½ * {t}", "a"),
    ("{a} 1/2 * 2", "t+1"), ("({a} + {b}) * 2", "2s"), ("{a} boxes * {b} apples/box", "*"), ("{a} km + {b} km", "+"),
    ("{a} m² + {b} m²", "+"), ("${a} + ${b}", "+"), ("{a},000 + {b},000", "000"),
]  # fmt: skip
PLACES = ["{}", "So {}.", "That makes {} in all.", "**Step 1:** {}\n**Step 2:** done", "First,\n{}\nand so on", "- {}",
          "He gets <<{}>>."]  # fmt: skip


@pytest.mark.parametrize(("form", "value"), PROSE)
@PROPERTY
@given(st.integers(13, 60), st.integers(2, 9), st.sampled_from([1, -1, 10]))
def test_a_false_result_is_found_in_prose_too(form: str, value: str, a: int, b: int, off: int) -> None:
    left = form.format(a=a, b=b, p=a * b, q=a * a, h=100 * a, t=2 * a)
    right = {"+": a + b, "-": a - b, "*": a * b, "a": a, "q": a * a, "q+b": a * a + b, "+1": a + b + 1,
             "t+1": 2 * a + 1, "2s": 2 * (a + b), "000": 1000 * (a + b)}[value]  # fmt: skip
    for place in PLACES:
        found = check(place.format(f"{left} = {right}"), None)
        assert found.ok and found.read, (place, left, found)
        assert not check(place.format(f"{left} = {right + off}"), None).ok, (place, left)


# --- steps in words, and from one statement to the next -----------------------------------------------------


def verdicts(*traces: str) -> list[bool]:
    return [check(trace, None).ok for trace in traces]


CONVERSIONS = [
    ("2 hours", "120 minutes", "100 minutes"),
    ("3 feet", "36 inches", "30 inches"),
    ("2 kg", "2000 g", "200 g"),
    ("2 weeks", "14 days", "15 days"),
    ("4 quarters", "1 dollar", "2 dollars"),
    ("2 miles", "10560 feet", "10000 feet"),
    ("3 m", "300 cm", "30 cm"),
    ("1 gallon", "4 quarts", "5 quarts"),
    ("2 pounds", "32 ounces", "30 ounces"),
    ("3 liters", "3000 ml", "300 ml"),
    ("5 minutes", "300 seconds", "350 seconds"),
    ("2 days", "48 hours", "24 hours"),
    ("3 km", "3000 meters", "300 meters"),
    ("2 yards", "6 feet", "5 feet"),
    ("3 dozen", "36 ones", "30 ones"),
    ("2 tons", "2000 kilograms", "200 kilograms"),
    ("2 decades", "20 years", "12 years"),
    ("3 dollars", "300 cents", "30 cents"),
]


@pytest.mark.parametrize(("quantity", "same", "other"), CONVERSIONS)
def test_a_unit_may_only_be_changed_into_what_it_is(quantity: str, same: str, other: str) -> None:
    assert (
        verdicts(f"{quantity} = {same}", f"{same} = {quantity}", f"So {quantity} = {same} in all.")
        == [True] * 3
    )
    assert verdicts(f"{quantity} = {other}", f"{other} = {quantity}") == [False, False]


NAMED = [
    ("sum of 14 and 29", "43", "44"),
    ("product of 6 and 7", "42", "43"),
    ("average of 4, 6 and 11", "7", "8"),
    ("mean of 4 and 6", "5", "6"),
    ("difference between 20 and 8", "12", "13"),
    ("difference of 8 and 20", "12", "28"),
    ("greatest common divisor of 12 and 18", "6", "3"),
    ("gcd of 12 and 18", "6", "2"),
    ("GCF of 12 and 18", "6", "36"),
    ("least common multiple of 4 and 6", "12", "24"),
    ("LCM of 4 and 6", "12", "2"),
    ("square of 12", "144", "124"),
    ("prime factorization of 28", "2^2 * 7", "2^3 * 7"),
    ("cube of 5", "125", "15"),
    ("sum of 1, 2, and 3", "6", "5"),
]


@pytest.mark.parametrize(("name", "value", "other"), NAMED)
@pytest.mark.parametrize(
    "form", ["So the {} is {}.", "The {} equals ${}$.", "the {} is equal to \\({}\\), as we need."]
)
def test_a_result_that_is_named_in_words_is_checked(form: str, name: str, value: str, other: str) -> None:
    assert verdicts(form.format(name, value), form.format(name, other)) == [True, False]


@pytest.mark.parametrize(
    "words",
    [
        "simplifies to",
        "is equal to",
        "is",
        "equals",
        "reduces to",
        "evaluates to",
        "can be written as",
        "expands to",
    ],
)
def test_a_relation_in_words_is_checked(words: str) -> None:
    form = f"The value of \\(3 \\cdot 4 + 1\\) {words} \\({{}}\\)."
    assert verdicts(form.format(13), form.format(14)) == [True, False]


DERIVED = [
    ("2x=10", "x=5", "x=6"),
    ("2x=10", "x^2=25", "x^2=36"),
    ("x^2=25", "2x=10", "2x=12"),
    ("2x+1=11", "x^2-25=0", "x^2-24=0"),
    ("3x=12", "\\sqrt{x}=2", "\\sqrt{x}=3"),
    ("3x=12", "\\frac{8}{x}=2", "\\frac{8}{x}=3"),
    ("3x=12", "2^x=16", "2^x=8"),
    ("9+b^2=25", "b^2=16", "b^2=18"),
    ("5x+30=10", "5x=-20", "5x=20"),
    ("\\frac{y}{3}=4", "y=12", "y=7"),
    ("7=2t-1", "2t=8", "2t=6"),
    ("n^3=27", "3n=9", "3n=6"),
    ("2(k+1)=12", "k+1=6", "k+1=10"),
    ("x=7", "x+3=10", "x+3=11"),
]
LINKS = [
    "${}$. Dividing, we get ${}$.",
    "$${}$$ So $${}$$",
    "${} \\implies {}$",
    "\\[{}\\]\n\\[{}\\]",
    "Since ${}$, we have ${}$.",
    "${}$. Therefore ${}$.",
    "\\begin{{align*}}{}\\\\{}\\end{{align*}}",
    "${}$, hence ${}$.",
    "${} \\Rightarrow {}$",
]


@pytest.mark.parametrize(("first", "follows", "false"), DERIVED)
def test_an_equation_that_does_not_follow_is_found_linear_or_not(
    first: str, follows: str, false: str
) -> None:
    for link in LINKS:
        if first == "x=7" and "implies" not in link and "Rightarrow" not in link:
            continue  # solved: what follows may be another equation
        assert verdicts(link.format(first, follows), link.format(first, false)) == [True, False], link


@pytest.mark.parametrize(
    "words", ["Case 2:", "For the other one, let", "Suppose instead that", "or", "Next, consider"]
)
def test_a_new_case_is_not_derived(words: str) -> None:
    assert verdicts(f"$x^2 = 25$ and so on, $2x = 10$. {words} $2x = -10$.") == [True]


BOUNDS = [
    ("2x>10", "x>5", ["x>4", "x<5", "x>6", "x<-5"]),
    ("-2x<4", "x>-2", ["x<-2", "x>2", "x<2"]),
    ("3x+1\\le 10", "x\\le 3", ["x\\le 4", "x\\ge 3", "x\\le 2"]),
    ("7-x\\ge 3", "x\\le 4", ["x\\ge 4", "x\\le 10"]),
]


@pytest.mark.parametrize(("first", "follows", "false"), BOUNDS)
def test_a_bound_that_does_not_follow_is_found_also_after_dividing_by_a_negative_number(
    first: str, follows: str, false: list[str]
) -> None:
    for words in ("Dividing both sides, we get", "Simplifying gives", "Isolating it:"):
        assert verdicts(f"${first}$. {words} ${follows}$.") == [True]
        assert verdicts(*(f"${first}$. {words} ${other}$." for other in false)) == [False] * len(false)


COMPUTED = ["3 + 4 = 7", "$3 + 4 = 7$", "21 / 3 = 7", "2^3 - 1 = 7", "$\\frac{14}{2} = 7$"]


@pytest.mark.parametrize("computed", COMPUTED)
def test_a_result_does_not_become_another_number_in_its_own_chain(computed: str) -> None:
    begun, end = computed.removesuffix("$"), "$" * computed.endswith("$")
    assert verdicts(*(f"{begun} = {same}{end}" for same in ("7", "7.0", "7 = 7"))) == [True] * 3
    assert verdicts(*(f"{begun} = {other}{end}" for other in ("8", "12", "-7", "7.5", "70"))) == [False] * 5


@pytest.mark.parametrize(
    "chain",
    [
        "60 * 2 = 120 minutes = 2 hours", "60 * 2 = 120 = 2 hours", "5 + 7 = 12 = 1 dozen", "3 / 8 = 0.375 = 37.5%",
        "2 + 2 = 4 = 100 in binary", "1 / 3 = 0.33 = 0.3", "5 * 3 = 15 = 3 (mod 4)", "7 / 2 = 3.5 = 3 remainder 1",
        "10^3 = 1000 = 1,000", "0.1 + 0.2 = 0.30000000000000004 = 0.3",
    ],
)  # fmt: skip
def test_a_result_in_another_form_or_unit_is_no_false_step(chain: str) -> None:
    assert verdicts(chain) == [True]


@pytest.mark.parametrize("dots", ["...", "…", "\\ldots", "\\dots", "\\cdots"])
@pytest.mark.parametrize("form", ["{a} * {n} = {b}", "$ {a} \\cdot {n} = {b} $", "$ {n} \\cdot {a} = {b} $"])
def test_a_decimal_that_goes_on_is_what_it_goes_on_to(form: str, dots: str) -> None:
    for digit, value in (("3", 1), ("6", 2)):
        said = [form.format(a=f"0.{digit * 3}{end}", n=3, b=value + off)
                for end, off in ((dots, 0), (dots, 1), ("", 0))]  # fmt: skip
        assert verdicts(*said) == [True, False, False]


@pytest.mark.parametrize("zero", ["0", "(3-3)", "5-5"])
def test_what_is_divided_by_zero_is_no_number(zero: str) -> None:
    left = f"\\frac{{7}}{{{zero}}}"
    assert verdicts(f"${left} = 7$", f"We have ${left} = 0$.", f"$7/({zero}) = 1$") == [False, False, False]


@PROPERTY
@given(st.integers(8, 90).filter(lambda a: a % 7), st.sampled_from([1, -1, 5]))
def test_a_rounded_value_carries_its_error_on_and_no_more(a: int, off: int) -> None:
    """a/7 to two decimals, and times 7 again: a, up to 7 · 0.005; an unannounced decimal carries none."""
    shown = f"{a / 7:.2f}"
    lead = f"$\\frac{{{a}}}{{7}} = {shown}$, and "
    assert verdicts(f"{lead}${shown} \\cdot 7 = {a}$", f"{lead}${shown} \\cdot 7 = {a + off}$") == [
        True,
        False,
    ]
    assert verdicts(f"${shown} \\cdot 7 = {a}$") == [Fraction(shown) * 7 == a]


@pytest.mark.parametrize("chain", ["=0=1", "=7=8=9", "= =1=2", "x=3=4", "=3+4=7"])
def test_a_chain_that_begins_with_nothing_is_read_as_far_as_it_goes(chain: str) -> None:
    assert verdicts(chain) == [True]
