"""Planted slips: solutions in LaTeX that write themselves, each with one false step of a known kind.

Every slip is false as written whatever the numbers are, so every one must be found; and no sound solution, however it
is written, may be called unsound.
"""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.reasoning import check

PROPERTY = settings(deadline=None, derandomize=True, max_examples=80)
small = st.integers(2, 40)


@dataclass(frozen=True)
class Solution:
    """The steps of a solution, and where each may slip: (kind, step, what stands there, what is written instead)."""

    steps: list[str]
    answer: str
    slips: list[tuple[str, int, str]]
    """Kind, number of the step, the false step."""


def signed(value: int) -> str:
    return f"+ {value}" if value >= 0 else f"- {-value}"


@st.composite
def linear(draw: st.DrawFn) -> Solution:
    """a x + b = c x + d, solved by moving terms."""
    x, a, c, b = draw(st.integers(-9, 9)), draw(st.integers(5, 9)), draw(st.integers(2, 4)), draw(small)
    d = a * x + b - c * x
    steps = [
        f"{a}x + {b} = {c}x {signed(d)}",
        f"{a}x - {c}x = {d} - {b}",
        f"{a - c}x = {d - b}",
        f"x = {x}",
    ]
    slips = [
        ("sign", 1, f"{a}x - {c}x = {d} + {b}"),
        ("sign", 1, f"{a}x + {c}x = {d} - {b}"),
        ("digit", 2, f"{a - c}x = {d - b + 1}"),
        ("digit", 3, f"x = {x + 1}"),
    ]
    if x:
        slips.append(("sign", 3, f"x = {-x}"))
    return Solution(steps, str(x), slips)


@st.composite
def arithmetic(draw: st.DrawFn) -> Solution:
    """Two results, and a third from both."""
    a, b, c, d = (draw(st.integers(3, 60)) for _ in range(4))
    first, second = a * b, c + d
    steps = [
        rf"{a} \times {b} = {first}",
        f"{c} + {d} = {second}",
        f"{first} - {second} = {first - second}",
    ]
    slips = [
        ("operator", 0, f"{a} + {b} = {first}"),
        ("digit", 1, f"{c} + {d} = {second + 10}"),
        ("carried", 2, f"{first + 1} - {second} = {first - second}"),
        ("dropped term", 2, f"{first} = {first - second}"),
        ("sign", 2, f"{first} - {second} = {second - first - 1}"),
    ]
    return Solution(steps, str(first - second), slips)


@st.composite
def fractions(draw: st.DrawFn) -> Solution:
    """a/b + c/d over the common denominator."""
    a, b, c, d = (draw(st.integers(1, 12)) for _ in range(4))
    b, d = b + 1, d + 1
    total = Fraction(a, b) + Fraction(c, d)
    left, common = rf"\frac{{{a}}}{{{b}}} + \frac{{{c}}}{{{d}}}", rf"\frac{{{a * d} + {c * b}}}{{{b * d}}}"
    value = rf"\frac{{{total.numerator}}}{{{total.denominator}}}"
    steps = [f"{left} = {common} = {value}"]
    slips = [
        ("sign", 0, f"{left} = {common.replace('+', '-')} = {value}"),
        ("digit", 0, f"{left} = {common} = \\frac{{{total.numerator + 1}}}{{{total.denominator}}}"),
        ("dropped term", 0, rf"{left} = \frac{{{a * d}}}{{{b * d}}} = {value}"),
        ("operator", 0, left.replace("+", r"\cdot") + f" = {common} = {value}"),
    ]
    return Solution(steps, value, [s for s in slips if s[0] != "operator" or Fraction(a * c, b * d) != total])


@st.composite
def expansion(draw: st.DrawFn) -> Solution:
    """(x + p)(x - q), multiplied out and collected."""
    p, q = draw(st.integers(2, 12)), draw(st.integers(2, 12).filter(bool))
    if p == q:
        q += 1
    middle = p - q
    left = f"(x + {p})(x - {q})"
    long, short = f"x^2 - {q}x + {p}x - {p * q}", f"x^2 {signed(middle)}x - {p * q}"
    slips = [
        ("sign", 0, f"{left} = x^2 + {q}x + {p}x - {p * q} = {short}"),
        ("sign", 0, f"{left} = {long} = x^2 {signed(-middle)}x - {p * q}"),
        ("digit", 0, f"{left} = {long} = x^2 {signed(middle)}x - {p * q + 1}"),
        ("dropped term", 0, f"{left} = x^2 - {q}x - {p * q} = {short}"),
    ]
    return Solution([f"{left} = {long} = {short}"], short, slips)


@st.composite
def values(draw: st.DrawFn) -> Solution:
    """A function at a point, a vector, a numeral in base 2, a greatest common divisor."""
    a, b, n = draw(small), draw(small), draw(st.integers(2, 9))
    k = draw(st.integers(2, 9))
    steps = [
        f"f(x) = x^2 + {a}x",
        f"f({n}) = {n * n + a * n}",
        f"({a}, {b}) + (1, {n}) = ({a + 1}, {b + n})",
        f"{a:b}_2 = {a}",
        rf"\gcd({a * k}, {k}) = {k}",
    ]
    slips = [
        ("digit", 1, f"f({n}) = {n * n + a * n + 1}"),
        ("sign", 2, f"({a}, {b}) + (1, {n}) = ({a + 1}, {b - n})"),
        ("digit", 3, f"{a:b}_2 = {a + 1}"),
        ("digit", 4, rf"\gcd({a * k}, {k}) = {k + 1}"),
    ]
    return Solution(steps, str(k), slips)


KINDS = [linear(), arithmetic(), fractions(), expansion(), values()]
WAYS = {
    "displays": lambda steps: "\n".join(f"\\[\n{step}\n\\]" for step in steps),
    "sentences": lambda steps: " ".join(f"Then we get \\({step}\\)." for step in steps),
    "dollars": lambda steps: "\n".join(f"We have ${step}$." for step in steps),
    "numbered": lambda steps: "\n\n".join(f"{k}. **Step:**\n   \\[ {s} \\]" for k, s in enumerate(steps, 1)),
    "aligned": lambda steps: (
        "\\begin{align*}\n" + " \\\\\n".join(s.replace("=", "&=", 1) for s in steps) + "\n\\end{align*}"
    ),
}
STYLES = [("\\frac", "\\dfrac"), (r"\times", r"\cdot"), (" ", "  "), ("x + ", "x+"), ("= ", "=\\, ")]
solutions = st.one_of(KINDS)
ways = st.sampled_from(sorted(WAYS))


@PROPERTY
@given(solutions, ways, st.sets(st.sampled_from(STYLES)))
def test_sound_solutions_pass_however_they_are_written(
    solution: Solution, way: str, styles: set[tuple[str, str]]
) -> None:
    text = WAYS[way](solution.steps)
    for old, new in sorted(styles):
        text = text.replace(old, new)
    found = check(f"{text}\n\nTherefore, the answer is \\(\\boxed{{", solution.answer)
    assert found.ok, found.first_failure


@PROPERTY
@given(solutions, ways, st.data())
def test_every_slip_is_found(solution: Solution, way: str, data: st.DataObject) -> None:
    kind, k, false = data.draw(st.sampled_from(solution.slips))
    steps = [*solution.steps[:k], false, *solution.steps[k + 1 :]]
    found = check(f"{WAYS[way](steps)}\n\nTherefore, the answer is \\(\\boxed{{", solution.answer)
    assert not found.ok, (kind, false)


@PROPERTY
@given(arithmetic(), ways, st.integers(1, 9))
def test_a_carried_error_is_found_whichever_box_it_leads_to(solution: Solution, way: str, off: int) -> None:
    first, *rest = solution.steps
    left, _, value = first.rpartition(" = ")
    wrong = str(int(value) + off)
    carried = [f"{left} = {wrong}", *(step.replace(value, wrong) for step in rest)]
    assert not check(WAYS[way](carried) + "\n\nSo the answer is \\boxed{", solution.answer).ok


@PROPERTY
@given(st.integers(2, 99), st.integers(2, 99), st.integers(1, 40))
@pytest.mark.parametrize(
    "conclusion",
    [
        "Therefore, the answer is ${wrong}$.\n\n$\\boxed{{",
        "So the answer is {wrong}.\n\nThe final answer is \\boxed{{",
        "Thus, there are ${wrong}$ pairs.\n\n\\boxed{{",
        "Hence, the number of pairs is {wrong}.\n\nThe final answer is:\n\\[\n\\boxed{{",
        "Therefore, the value of \\({a} \\cdot {b}\\) is \\({wrong}\\).\n\n\\(\\boxed{{",
    ],
)
def test_a_conclusion_that_is_not_the_box_is_found(conclusion: str, a: int, b: int, off: int) -> None:
    trace = f"We multiply: \\({a} \\cdot {b} = {a * b}\\).\n\n" + conclusion
    assert check(trace.format(a=a, b=b, wrong=a * b), str(a * b)).ok
    assert not check(trace.format(a=a, b=b, wrong=a * b + 100 * off), str(a * b)).ok


# --- words that excuse a step, and what they do not excuse ---------------------------------------------------

EXCUSED = [
    "Wait, that is wrong: ${a} \\cdot {b} = {right}$.",
    "Let me recompute: \\[{a} \\cdot {b} = {right}.\\]",
    "That is incorrect, it should be ${right}$.",
]
NOT_EXCUSED = [
    "Wait, let me look at the other part. We have $3 + 4 = 7$.",
    "Actually, there is another way to see this, which gives the same.",
    "I made no mistake here.",
    "So we add $1$ and get the total.",
    "It is impossible to have more.",
]


@PROPERTY
@given(st.integers(12, 99), st.integers(12, 99), st.integers(1, 40))
@pytest.mark.parametrize("words", EXCUSED)
def test_a_correction_that_is_carried_out_excuses(words: str, a: int, b: int, off: int) -> None:
    trace = f"We have ${a} \\cdot {b} = {a * b + off}$. " + words.format(a=a, b=b, right=a * b)
    assert check(trace, None).ok


@PROPERTY
@given(st.integers(12, 99), st.integers(12, 99), st.integers(1, 40))
@pytest.mark.parametrize("words", NOT_EXCUSED)
def test_words_without_a_correction_do_not_excuse(words: str, a: int, b: int, off: int) -> None:
    if "impossible" in words:
        words = (
            "This holds for every pair of rows and columns that one can choose in such a table of numbers. "
            + words
        )
    assert not check(f"We have ${a} \\cdot {b} = {a * b + off}$. {words}", None).ok


def test_a_correction_excuses_the_step_that_it_corrects_and_no_other() -> None:
    trace = r"$12 \cdot 13 = 166$. Wait, that is wrong: $12 \cdot 13 = 156$. Then $156 + 14 = 180$."
    assert "156 + 14 = 180" in (check(trace, None).first_failure or "")
