"""Which traces are consistent: a table of cases, chains that write themselves, and any text at all."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.growth import growth, times_as_long
from verifiers.extract import cut
from verifiers.reasoning import check

PAIR_FILES = sorted((Path(__file__).parent / "pairs_reasoning").glob("*.jsonl"))

SOUND = [
    # prose, units, money
    "There are 34 kids signed up – 22 we know are girls = 12 are girls and boys.",
    "5 time-outs * 5 = 25 time-outs, then 37 time-outs * 5 minutes/time-out = 185 minutes.",
    "10 bags x $18/bag = $180. He has $200-$180 = $20 left.",
    "The bill was $80 for the steak + $10 for the wine = $80+$10 = $90",
    "8 boxes * 12 cookies / box = 96 cookies",
    "160 sq. ft. * 4 = 640 sq. ft. in all.",
    "The cost of 3 shirts = 3 * 4 = 12 dollars.",
    "In 5 days she eats 3 * 4 = 12 eggs.",
    "Natalia sold 48/2 = <<48/2=24>>24 clips.",
    "3 x 4 = 12, 3×4=12, 3·4 = 12, 3*4=12, 3 times 4 = 12, 12 divided by 4 = 3",
    "He made 3*4 = 12 - 2 = 10.",
    "half of 10 + 2 = 7",
    # percent, fractions, mixed numbers, thousands, units that change
    "His tax is 10% of 500 = 50, and $90 * 10% = $9.",
    "100 - 60 = 40%, 1/4 * 100 = 25%, $100 + 10% = $110",
    "1/2 of the 20 students = 10",
    "2 1/2 * 4 = 10 and 6 / 1/2 = 12",
    "17/3 = 5 and 2/3",
    "100,000 * .6 = 60,000, and 14, 400 / 80 = 180",
    "2 hours = 120 minutes. $1.50 = 150 cents. 3 * 25 cents = $0.75. 3.5 yards = 10.5 feet.",
    "It earns 5 thousand dollars a day, 5 * 3 = $15,000 in all.",
    # rounding that is shown or announced
    "100/3 = 33.33, 2/3 = 0.67, 2/3 = .66, 1/3 = 33.33%, 10/3 ≈ 3",
    "2000/75 = 26.666666666666668, 11/18*162=99.00000000000001, 0.3333333333333333 * 60 = 20.0",
    "10/4 = 3, rounded up to a whole number.",
    "10/3 = 3.33, and 3.33 * 3 = 10",
    r"\(20\pi \approx 20 \times 3.14159 \approx 62.8318\)",
    # carried digits, remainders
    "7+8=15 carry 1, 3+4+1=8",
    "7+8=5 carry 1, 3+4+1=8",
    r"\[ 63 \div 5 = 12 \text{ remainder } 3. \]",
    # LaTeX
    r"\[ \frac{9}{6} = \frac{3}{2} = 1\frac{1}{2} = 1.5 \]",
    r"$2\frac{1}{3} \cdot 1\frac12 = \frac73 \cdot \frac{3}{2} = \frac{7}{2}$",
    r"\[ 0.8\overline{4} = \frac{38}{45}, \quad 10y - y = 4.4444\ldots - 0.4444\ldots = 4 \]",
    r"$\sqrt{50} = 5\sqrt{2} \approx 7.07$, $\sqrt{25+144} = \sqrt{169} = 13$, $\sin 30^\circ = \frac{1}{2}$",
    r"$(2+3i)(1-2i) = 2 - 4i + 3i - 6i^2 = 2 - i + 6 = 8 - i$",
    r"$\binom{9}{2} = \frac{9 \cdot 8}{2} = 36$, $5! = 120$, $50{,}625 = 15^4$",
    r"$2021_3 = 54 + 0 + 6 + 1 = 61_{10}$",
    r"$3^6 \equiv 6^2 = 36 \equiv 1 \pmod 7$",
    r"$\log_5 5^4 = 4$, $\lfloor \sqrt{50} \rfloor = 7$",
    "\\begin{align*}\n(x+2)^3 &= (x+2)(x^2+4x+4)\\\\\n&= x^3 + 4x^2 + 4x\\\\\n&\\qquad + 2x^2 + 8x + 8\\\\\n"
    "&= x^3 + 6x^2 + 12x + 8.\n\\end{align*}",
    r"$3 + 6 + \cdots + 60 = 3(1 + 2 + \cdots + 20) = 3 \cdot 210 = 630$",
    r"$d/dx$: $\frac{d}{dx}(x^2) = 2x$, and $f(3) = 9$ while $f(2) = 4$.",
    r"$(28,365)=1$, $3 \le \sqrt{10} < 4$, $-2 > -3$, and $\frac12 \ne \frac13$",
    # algebra that is not held against it
    r"$2x + 1 = 11 \implies 2x = 10 \implies x = 5$. For the second, $3x - 4 = 20 \implies 3x = 24 \implies x = 8$.",
    r"$x^2 = 9$, so $x = 3$ or $x = -3$.",
    r"$r^2 = 25$. Taking the square root, we get $r = 5$.",
    r"$|x - y| = 3$. Case 1: $x = 97$. Case 2: $x = 94$.",
    r"$-7 \le 2x - 3 \le 7 \iff -4 \le 2x \le 10 \iff -2 \le x \le 5$",
    r"Equality holds at $6x = 4x$, so $x = 0$.",
    "Let a = j - 20, so 15j = 45(j - 20). Multiplying out we get 15 j = 45j - 900, and -30j = -900, so j = 30",
    # assumption, contradiction, denial, questions
    r"Suppose $6x + 9y = 20$. Then $0 \equiv 20 \equiv 2 \pmod 3$, which is impossible.",
    "If the sum were even, 3 + 4 = 8, which is false.",
    "Is 3 * 4 = 13?",
    # corrections that the trace announces
    "14 * 17 = 228. Wait, that is not right. 14 * 17 = 238.",
    "5 * 6 = 35, no, 30.",
    "I used 14*7 = 88, but in fact 14*7 = 98.",
]

UNSOUND = [
    ("16/2 = 8 and 8 - 2 = 5 falls", "8 - 2 = 5"),
    ("There are 34 kids – 22 girls = 13 boys.", "34 kids"),
    ("10 bags x $18/bag = $190", "= $190"),
    ("It has 5 thousand parts and 5 * 3 = 16 of them.", "5 * 3 = 16"),
    ("60 packs of cards * 7 cards per pack = 425 cards", "425"),
    ("So half the number is 16/2 = 11 times.", "16/2 = 11"),
    ("$90 * 10% = $8", "10%"),
    ("2 1/2 * 4 = 11", "2 1/2"),
    ("3.5 yards = 12 feet", "12 feet"),
    ("100/3 = 34", "100/3"),
    ("12/60 = 0.3", "0.3"),
    ("2/3 = 0.65", "0.65"),
    ("2000/75 = 26.676666666666668", "26.67"),
    ("7+8=16 carry 1", "7+8=16"),
    (r"\[ 63 \div 5 = 12 \text{ remainder } 4 \]", "remainder|12"),
    (r"\[ \frac{9}{6} = \frac{3}{4} \]", r"\frac{9}{6}"),
    (r"$2\frac{1}{3} = \frac{5}{3}$", r"2\frac{1}{3}"),
    (r"$\pi \cdot 4^2 = 18\pi$", r"18\pi"),
    (r"$\sqrt{103} \approx 11.149$", "11.149"),
    (r"$\frac{12\sqrt{2}}{2} = 8\sqrt{2}$", "8"),
    (r"$20 = 6 \cdot 3 + 4$", "20 = 6"),
    (r"Since $\sqrt{50} \le 7$, we stop.", "50"),
    (r"$2 < 3 < 1$", "3 < 1"),
    (r"$\nicefrac12 + \nicefrac14 = \frac{2}{4}$", "nicefrac"),
    (r"We have $2x > 10$. Dividing both sides by 2 gives $x > 4$.", "x > 4"),
    (r"$6^2 = 36 \equiv 3 \pmod 7$", "3"),
    (r"$(2+3i)(1-2i) = 2 - 4i + 5i - 6i^2$", "5i"),
    (r"$-4(x-5) = -4x - 20$", "-4x - 20"),
    (r"$a + a + a + a = 5a$", "5a"),
    (r"$x^2 - 5x - 14 = (x - 7)(x - 2) = 0$", "(x - 2)"),
    (r"$5x + 30 = 10$. Subtracting 30 from both sides, we get $5x = 20$.", "5x = 20"),
    (r"$2x + 1 = 11 \implies 2x = 10 \implies x = 6$", "x = 6"),
    (r"\[r^2 = 25\] Taking the square root, we get \[r = 15\]", "r = 15"),
    (r"\[AD^2 = 625 - 49\] \[AD^2 = 586\]", "AD^2 = 586"),
    (r"\[9 + b^2 = 25\] Simplifying, we get \[9 + b^2 = 20\]", "20"),
    (r"$-7 \le 2x - 3 \le 7 \iff -4 \le 2x \le 4$", "2x"),
    # a correction must be carried out, not only announced
    ("14 * 17 = 228. Wait. So the total is 228 + 2 = 230.", "14 * 17 = 228"),
]


@pytest.mark.parametrize("trace", SOUND)
def test_sound_traces_pass(trace: str) -> None:
    assert check(trace, None).first_failure is None


@pytest.mark.parametrize(("trace", "quoted"), UNSOUND)
def test_unsound_traces_fail_and_quote_the_step(trace: str, quoted: str) -> None:
    found = check(trace, None)
    assert not found.ok
    assert found.first_failure is not None
    assert any(part in found.first_failure for part in quoted.split("|")), found.first_failure


@pytest.mark.parametrize(
    ("trace", "answer", "ok"),
    [
        ("Each friend pays $18.\nTherefore the result is 28.\nThe answer is", "18", False),
        ("Each friend pays $18.\nTherefore the result is 18.\nThe answer is", "18", True),
        ("The answer is 28. Wait, that is wrong: 9 * 2 = 18. The answer is", "18", True),
        ("The answer is 3 more than 4, so 3 + 4 = 7. It is", "7", True),
        (r"\[ 215 - 95 = 120 \]" + "\n\nTherefore, the total is \\(", "130", False),
        (r"\[ 215 - 95 = 120 \]" + "\n\nTherefore, the total is \\(", "120", True),
        ("The share is 3/4 = 0.75. So the answer is", "75\\%", True),
        (r"We get $x =", "5", True),
        (r"So $215 - 95 =", "120", True),
        (r"So $215 - 95 =", "130", False),
        ("0-9=-9, 40-60-9=-29", "29", False),
        ("0-9=-9, 40-60-9=-29", "-29", True),
        ("$100/3 = 33.33$, so the number, rounded, is", "33", True),
    ],
)
def test_the_conclusion_must_be_the_answer(trace: str, answer: str, ok: bool) -> None:
    assert check(trace, answer).ok is ok


def test_rounding_may_be_asked_for_by_the_problem() -> None:
    trace = r"It grows to $1000 \cdot 1.01875^8 ="
    assert not check(trace, "1160").ok
    assert check(trace, "1160", "How much is it, to the nearest dollar?").ok


def test_what_is_not_read_is_counted() -> None:
    found = check(r"$f(x) = g(y)$, and 3 + 4 = 7", None)
    assert (found.ok, found.read, found.unread) == (True, 1, 1)


# --- chains that write themselves -------------------------------------------------------------------------

TIMES = {"plain": "*", "letter": " x ", "sign": "×", "dot": "·", "latex": r" \times ", "cdot": r" \cdot "}


def show(value: int, notation: str) -> str:
    if notation in ("latex", "cdot"):
        return f"{value:,}".replace(",", "{,}") if abs(value) > 9999 else str(value)
    return f"{value:,}" if notation == "plain" else str(value)


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, list[tuple[str, int, str]]]:
    """A notation and a list of (left side, value, notation-free tail) of true statements."""
    notation = draw(st.sampled_from(sorted(TIMES)))
    found: list[tuple[str, int, str]] = []
    for _ in range(draw(st.integers(1, 5))):
        a, b = draw(st.integers(2, 40_000)), draw(st.integers(2, 99))
        kind = draw(st.sampled_from("+-*/"))
        shown = [show(x, notation) for x in (a, b, a * b)]
        if kind == "/":
            latex = notation in ("latex", "cdot")
            left = rf"\frac{{{shown[2]}}}{{{shown[1]}}}" if latex else f"{shown[2]} / {shown[1]}"
            value = a
        else:
            left = f"{shown[0]}{TIMES[notation] if kind == '*' else ' ' + kind + ' '}{shown[1]}"
            value = {"+": a + b, "-": a - b, "*": a * b}[kind]
        unit = draw(st.sampled_from(["", " apples", " km", " in all"]))
        found.append((left, value, unit))
    return notation, found


def write(notation: str, found: list[tuple[str, int, str]]) -> str:
    lines: list[str] = []
    for left, value, unit in found:
        if notation in ("latex", "cdot"):
            lines.append(f"We have \\({left} = {show(value, notation)}\\){unit}.")
        else:
            lines.append(f"That makes {left} = {show(value, notation)}{unit}.")
    return "\n".join(lines)


PROPERTY = settings(deadline=None, derandomize=True, max_examples=150)


@PROPERTY
@given(steps())
def test_true_chains_pass(drawn: tuple[str, list[tuple[str, int, str]]]) -> None:
    found = check(write(*drawn), None)
    assert found.ok, found.first_failure
    assert found.read == len(drawn[1])


@PROPERTY
@given(steps(), st.data())
def test_one_false_result_fails(drawn: tuple[str, list[tuple[str, int, str]]], data: st.DataObject) -> None:
    notation, found = drawn
    k = data.draw(st.integers(0, len(found) - 1))
    left, value, unit = found[k]
    wrong = value + data.draw(st.integers(1, 500)) * data.draw(st.sampled_from([1, -1]))
    trace = write(notation, [*found[:k], (left, wrong, unit), *found[k + 1 :]])
    verdict = check(trace, None)
    assert not verdict.ok
    assert verdict.first_failure is not None
    assert left in verdict.first_failure


@PROPERTY
@given(
    steps(),
    st.integers(1, 99),
    st.sampled_from(["Wait, that is wrong.", "No, I made a mistake.", "Let me recompute."]),
)
def test_announced_corrections_pass(
    drawn: tuple[str, list[tuple[str, int, str]]], off: int, cue: str
) -> None:
    notation, found = drawn
    left, value, unit = found[-1]
    trace = (
        write(notation, [*found[:-1], (left, value + off, unit)]) + f"\n{cue}\n" + write(notation, found[-1:])
    )
    verdict = check(trace, None)
    assert verdict.ok, verdict.first_failure


# --- any text ---------------------------------------------------------------------------------------------

PIECES = [
    "\\frac", "{", "}", "(", ")", "=", "+", "-", "*", "/", "^", "_", "$", "$$", "\\[", "\\]", "\\(", "\\)",
    "12", "3.5", "0", "x", "i", "%", "\\%", "!", "\\sqrt", "\\pi", "^\\circ", "|", "≈", "\\equiv", "\\pmod",
    "7", "<<", ">>", "of", "times", "remainder", "and", " ", "\n", "\\\\", "&", "\\implies", "\\text{",
    "\\boxed{", "9" * 70, "\\log_", "\\sin", "\\binom", "\\begin{align*}", "\\end{align*}", "\\overline",
    "...", "½", "²", "the answer is", "wait", "carry", "\u200b", "⌊", "\\lfloor",
    "\\pm", "\\gcd(", ",", "f(x)", "f(", "\\log", "\\arcsin", "\\begin{pmatrix}", "\\end{pmatrix}", "\\det",
    "\\boxed{\\phantom{2}}", "101_2", " is ", " simplifies to ", "the sum of 3 and 4 is 8", "<", "\\le", "AB",
    "Therefore, ", "\\operatorname{lcm}", "\\vec{a}", "\\begin{cases}", "0", "\n\n", "^\\circ",
]  # fmt: skip


@settings(deadline=None, derandomize=True, max_examples=1500)
@given(
    st.lists(st.sampled_from(PIECES), max_size=30),
    st.one_of(st.none(), st.sampled_from(PIECES), st.text(max_size=8)),
)
def test_no_text_raises(pieces: list[str], answer: str | None) -> None:
    found = check("".join(pieces), answer)
    assert found.ok == (found.first_failure is None)
    spaced = check(" ".join(pieces), answer)
    assert spaced.ok == (spaced.first_failure is None)


SOLUTIONS = [
    json.loads(line)["sound"] for file in PAIR_FILES for line in file.read_text("utf-8").splitlines()
]
SPLINTERS = [
    "i",
    "0",
    "^",
    "\\pm",
    "(",
    "{",
    "}",
    "\\frac",
    "=",
    "$",
    ",",
    "<",
    "9" * 12,
    "_2.5",
    "f(",
    "!",
    "|",
    "&",
]


@settings(deadline=None, derandomize=True, max_examples=600)
@given(
    st.sampled_from(SOLUTIONS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.sampled_from(["", *SPLINTERS])), max_size=12),
)
def test_no_damaged_solution_raises(text: str, damage: list[tuple[float, int, str]]) -> None:
    for where, length, splinter in damage:
        at = int(where * len(text))
        text = text[:at] + splinter + text[at + length :]
    found = cut(text)
    verdict = check(found.trace, found.answer, text)
    assert verdict.ok == (verdict.first_failure is None)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.text(max_size=200), st.text(max_size=20))
def test_no_unicode_raises(trace: str, answer: str) -> None:
    found = check(trace, answer)
    assert found.ok == (found.first_failure is None)
    if not any(sign in trace for sign in "=<>≤≥≠≈≡"):
        assert found.read == 0  # no relation, no step


@pytest.mark.serial
@pytest.mark.parametrize(
    "piece",
    ["1+", "(", "\\frac{", "$1 ", "\\text{", "the answer is ", "\n=", "so ", "5 plus 4 is 8 or ",
     *(pytest.param(piece, marks=pytest.mark.slow)
       for piece in ("{", "$", "9^", "2 1/3 ", "\\begin{array}", "x ", "1,234,", "\\\\ +1", " ",
                     "1=", "(1", "3+4=8\n", "3+4=8 wait ", "1+1=2=", "\\[x+1=3\\]\n", "<<"))],
)  # fmt: skip
def test_reading_grows_with_the_text_and_no_faster(piece: str) -> None:
    """Up to the cap on what is judged; beyond it, a megabyte costs little more than the cap."""
    text = piece * (120_000 // len(piece))
    assert growth(lambda part: check(part, "7"), text) < 28  # linear: 8, quadratic: 64
    assert (
        check(piece * (1_000_000 // len(piece)), "7").read <= check(piece * (400_000 // len(piece)), "7").read
    )


@pytest.mark.serial
@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("_{=", "}"),
        ("(1,", ")"),
        ("f(", ")"),
        ("\\frac{1}{", "}"),
        ("\\sqrt{", "}"),
        ("\\gcd(2,", ")"),
        ("|", "|"),
    ],
)
def test_nested_brackets_take_no_longer_than_others(opening: str, closing: str) -> None:
    short, long = (f"\\[{opening * n}1{closing * n}=1\\]" for n in (1_000, 8_000))
    assert times_as_long(lambda text: check(text, "1"), long, short) < 28  # linear: 8, quadratic: 64


def test_the_same_text_gives_the_same_finding() -> None:
    draw = random.Random(0)
    for _ in range(50):
        text = " ".join(draw.choices(PIECES, k=40))
        assert check(text, "5") == check(text, "5")


# --- pairs: a sound trace in LaTeX, and the same with a false step ---------------------------------------

PAIRS = [
    pytest.param(json.loads(line), id=json.loads(line)["kind"])
    for file in PAIR_FILES
    for line in file.read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("pair", PAIRS)
def test_of_a_pair_the_sound_trace_passes_and_the_other_fails(pair: dict) -> None:
    sound = cut(pair["sound"])
    assert check(sound.trace, sound.answer, pair["problem"]).first_failure is None
    changed = pair["sound"]
    for old, new in pair["changes"]:
        assert old in changed
        changed = changed.replace(old, new, 1)
    unsound = cut(changed)
    assert unsound.answer == sound.answer
    if pair.get("missed"):
        pytest.xfail(pair["missed"])
    assert not check(unsound.trace, unsound.answer, pair["problem"]).ok
