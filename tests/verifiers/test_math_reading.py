"""Each notation on generated values: the right form is accepted, and the same form with one part changed is refused."""

from __future__ import annotations

from fractions import Fraction
from math import comb, e, perm, pi, prod, sqrt

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verifiers import Problem
from verifiers.math import MathVerifier, equal

SETTINGS = settings(deadline=None, max_examples=25, derandomize=True)
digit = st.integers(2, 9)
small = st.integers(-20, 20)
count = st.integers(2, 99)
letter = st.sampled_from("abmnpqxy")


def asked(prompt: str, gold: str, answer: str) -> bool:
    return MathVerifier().verify(Problem("p", prompt, gold), "", answer).score == 1.0


@SETTINGS
@given(
    st.lists(letter, min_size=2, max_size=3, unique=True),
    digit,
    count,
    st.sampled_from(["+", "-", "\\cdot "]),
)
def test_a_combination_names_its_value_where_the_prompt_asks_for_it(
    names: list[str], factor: int, value: int, sign: str
) -> None:
    left = f"{factor}{names[0]}{sign}{sign.join(names[1:])}"
    plain = left.replace("\\cdot ", "*")
    for prompt in (
        f"Find ${left}$.", f"It equals $\\frac{{{names[0]}}}{{{names[1]}}}$. What is the value of ${left}$?",
        f"Compute {plain}.", f"then ${left} = $ ____",
    ):  # fmt: skip
        assert asked(prompt, str(value), f"{left} = {value}")
        assert asked(prompt, str(value), f"{value}={left}")
        assert not asked(prompt, str(value), f"{left} = {value + 1}")
        assert not asked(prompt, str(value), f"{factor + 1}{left[1:]} = {value}")
        assert not asked(prompt, str(value), f"{names[0]} + 1 = {value}")
    assert not asked("", str(value), f"{left} = {value}")
    assert not asked(f"Find ${names[0]}$ if ${left} = 7$.", str(value), f"{left} = {value}")


@SETTINGS
@given(count, st.sampled_from([("\\pi", pi), ("\\sqrt{2}", sqrt(2)), ("e", e)]), st.integers(1, 4))
def test_an_exact_value_may_be_followed_by_its_decimal(
    factor: int, constant: tuple[str, float], places: int
) -> None:
    text, number = constant
    gold, decimal = f"{factor}{text}", f"{factor * number:.{places}f}"
    wrong = f"{factor * number + 3 * 10.0**-places:.{places}f}"
    for form in ("{} \\approx {}", "{} ≈ {}", "A = {} \\approx {}", "{} (\\approx {})", "{}, or about {}"):
        assert equal(gold, form.format(gold, decimal)), form
        assert not equal(gold, form.format(gold, wrong)), form
        assert not equal(gold, form.format(f"{factor + 1}{text}", decimal)), form
    assert not equal(gold, decimal)


@SETTINGS
@given(letter, digit, digit, small.filter(bool))
def test_powers_after_another_factor(n: str, base: int, other: int, shift: int) -> None:
    assume(base != other)
    exponent = f"{n}{shift:+}"
    for left, right in (
        (f"{n}{base}^{{{exponent}}}", f"{n}\\cdot {base}^{{{exponent}}}"),
        (f"({exponent}){base}^{n}", f"({exponent})\\cdot {base}^{n}"),
        (f"{base}^{n} {other}^{{{exponent}}}", f"{other}^{{{exponent}}} \\times {base}^{n}"),
        (f"\\frac12 {base}^{n}", f"\\frac{{{base}^{n}}}{{2}}"),
        (f"(-1)^{n} {base}^{n}", f"(-{base})^{n}"),
    ):
        assert equal(left, right) and equal(right, left)
        assert not equal(left, right.replace(str(base), str(base + 1)))
        assert not equal(right, left.replace(f"{base}^", f"{base + 1}^"))
    assert equal(f"{base**3 * other**2}", f"{base}^{{3}}{other}^{{2}}")
    assert not equal(f"{base**3 * other**2}", f"{base}^{{2}}{other}^{{3}}")


@SETTINGS
@given(letter, digit, small.filter(bool), small)
def test_square_brackets_group(x: str, factor: int, slope: int, offset: int) -> None:
    plain = f"{factor * slope}{x}{factor * offset:+}"
    for form in (f"{factor}[{slope}{x}{offset:+}]", f"{factor}\\left[{slope}{x}{offset:+}\\right]"):
        assert equal(plain, form) and equal(form, plain)
        assert not equal(plain, form.replace(f"{offset:+}", f"{offset + 1:+}"))
    assert equal(f"\\left[\\frac{{{x}({x}+1)}}{{2}}\\right]^2", f"\\frac{{{x}^2({x}+1)^2}}{{4}}")
    assert not equal(
        f"\\frac{{{x}}}{{{factor}}}", f"\\left[\\frac{{{x}}}{{{factor}}}\\right]"
    )  # the integer part


@SETTINGS
@given(count, st.sampled_from([("min", "minutes", "hours"), ("sec", "seconds", "minutes")]))
def test_units_named_like_functions(value: int, unit: tuple[str, str, str]) -> None:
    short, long, other = unit
    for text in (
        f"{value} {short}",
        f"{value}\\text{{ {short}}}",
        f"{value} {long}",
        f"{value}~\\mathrm{{{short}}}",
    ):
        assert equal(str(value), text) and equal(f"{value} {long}", text)
        assert not equal(f"{value} {other}", text) and not equal(f"{value + 1} {long}", text)


@SETTINGS
@given(st.fractions(min_value=-9, max_value=9, max_denominator=9))
def test_names_before_the_equals_sign(value: Fraction) -> None:
    text = f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
    for name in (
        "\\frac{AB}{CD}", "|\\vec a+\\vec b|", "\\lim_{x\\to 0} f(x)", "\\int_0^1 g(x)\\,dx", "\\sin 2\\theta",
        "\\text{Area of } \\triangle ABC", "P(X>2)", "\\frac{dy}{dx}", "f^{-1}(3)", "\\vec u\\cdot\\vec v",
        "\\overline{x}", "\\sum_{k=1}^{\\infty} a_k", "AB + CD",
    ):  # fmt: skip
        assert equal(text, f"{name} = {text}"), name
        assert not equal(text, f"{name} = {text} + 1"), name
    for equation in ("x + 1", "2x", "x^2", "xy", "3a - b"):
        assert not equal(text, f"{equation} = {text}"), equation


@SETTINGS
@given(small, small, small)
def test_chains_and_groups_of_assignments(one: int, two: int, three: int) -> None:
    assume(len({one, two, three}) == 3)
    assert equal(f"({one},{one},{two})", f"x=y={one}, z={two}")
    assert not equal(
        f"({one},{one},{two})", f"x=z={one}, y={two}".replace("x=z", "x=y").replace(f"y={two}", f"z={three}")
    )
    assert equal(f"({one},{one},{one})", f"x=y=z={one}") and not equal(f"({one},{one},{one})", f"x=y=z={two}")
    gold = f"({one},{two}),({three},{two})"
    for sign in (";", " or ", ", "):
        assert equal(gold, f"p={one},q={two}{sign}p={three},q={two}")
        assert not equal(gold, f"p={two},q={one}{sign}p={three},q={two}")
        assert not equal(gold, f"p={one},q={three}{sign}p={two},q={two}")


@SETTINGS
@given(st.sampled_from("nkm"), digit, small)
def test_conditions_may_be_left_out_but_not_contradicted(n: str, base: int, shift: int) -> None:
    value, wrong = f"{base}{n}{shift:+}", f"{base + 1}{n}{shift:+}"
    for condition in (
        f", {n} \\ge 1", f" ({n} \\ge 1)", f" \\text{{ for }} {n} \\ge 1", f", {n} \\in \\mathbb{{N}}^*",
        f" \\text{{ where }} {n} \\text{{ is a positive integer}}", f", {n} = 1, 2, 3, \\ldots",
    ):  # fmt: skip
        assert equal(value, value + condition), condition
        assert equal(value + condition, value), condition
        assert equal(value + condition, f"{value} \\quad ({n} \\ge 1)"), condition
        assert not equal(value, wrong + condition), condition
        assert not equal(value + condition, f"{value} \\quad ({n} \\ge 2)"), condition
    assert not equal(str(base), f"{base} \\text{{ if }} {n} = 1")
    assert not equal(value, f"{value} \\text{{ if }} {n} = 1, {wrong} \\text{{ otherwise}}")


@SETTINGS
@given(st.integers(1, 11), digit, st.integers(-3, 3))
def test_families_of_solutions(top: int, step: int, turns: int) -> None:
    gold = f"x = \\frac{{{top}\\pi}}{{12}} + {step}k\\pi, k \\in \\mathbb{{Z}}"
    shifted = f"\\frac{{{top + 12 * step * turns}\\pi}}{{12}}"
    for text in (
        f"\\frac{{{top}\\pi}}{{12}} + {step}n\\pi, n \\in \\mathbb{{Z}}", f"{shifted} - {step}k\\pi, k \\in Z",
        f"\\frac{{{top}\\pi}}{{12}} + {step}k\\pi",
        f"\\left\\{{x \\mid x = {shifted} + {step}k\\pi, k \\in \\mathbb{{Z}}\\right\\}}",
        f"{shifted} + {2 * step}k\\pi, {shifted} + {step}\\pi + {2 * step}k\\pi, k \\in \\mathbb{{Z}}",
    ):  # fmt: skip
        assert equal(gold, text), text
    for text in (
        f"\\frac{{{top}\\pi}}{{12}}", f"\\frac{{{top + 1}\\pi}}{{12}} + {step}k\\pi, k \\in \\mathbb{{Z}}",
        f"\\frac{{{top}\\pi}}{{12}} + {step + 1}k\\pi, k \\in \\mathbb{{Z}}",
        f"\\frac{{{top}\\pi}}{{12}} + {step}k\\pi, k \\in \\mathbb{{N}}",
        f"\\frac{{{top}\\pi}}{{12}} + {2 * step}k\\pi, k \\in \\mathbb{{Z}}",
    ):  # fmt: skip
        assert not equal(gold, text), text


@SETTINGS
@given(st.integers(0, 30), st.integers(2, 30), st.integers(-4, 4))
def test_residues(residue: int, modulus: int, turns: int) -> None:
    assume(residue < modulus)
    gold = f"x \\equiv {residue} \\pmod{{{modulus}}}"
    for text in (f"x\\equiv {residue + turns * modulus} \\pmod {modulus}", f"{residue} (\\text{{mod }} {modulus})",
                 f"x = {modulus}k + {residue}, k \\in \\mathbb{{Z}}", f"x ≡ {residue} mod {modulus}"):  # fmt: skip
        assert equal(gold, text), text
    assert equal(str(residue), f"{residue} \\bmod {modulus}")
    larger = residue + max(turns, 1) * modulus  # its value modulo m is another number
    assert not equal(str(larger), f"{larger} \\bmod {modulus}")
    for text in (f"x \\equiv {residue + 1} \\pmod{{{modulus}}}", f"x \\equiv {residue} \\pmod{{{modulus + 1}}}",
                 f"x = {modulus}k + {residue + 1}, k \\in \\mathbb{{Z}}"):  # fmt: skip
        assert not equal(gold, text), text


@SETTINGS
@given(st.integers(0, 99), st.integers(1, 999), st.integers(1, 3))
def test_repeating_decimals(whole: int, part: int, places: int) -> None:
    period = str(part % 10**places).rjust(places, "0")
    assume(len(set(period)) == len(period) and period != "9")
    value = whole + Fraction(int(period), 10**places - 1)
    gold = f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
    dots = f"\\dot{period}" if places == 1 else f"\\dot{{{period[0]}}}{period[1:-1]}\\dot{{{period[-1]}}}"
    endings = (f"\\overline{{{period}}}", f"({period})", dots, f"{period * 3}\\ldots", f"{period * 3}...")
    forms = [f"{whole}.{ending}" for ending in endings]
    for text in forms:
        assert equal(gold, text), text
        assert not equal(f"\\frac{{{value.numerator + 1}}}{{{value.denominator}}}", text), text
    assert (
        not equal(gold, f"{whole}.{period * 3}") and not equal(gold, f"{whole}.0\\overline{{{period}}}")
    ) or value == whole


_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_TEENS = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]


@SETTINGS
@given(st.integers(0, 7), st.integers(0, 8), st.integers(1, 9))
def test_numbers_in_words(tens: int, ones: int, hundreds: int) -> None:
    value = 10 * (tens + 2) + ones + 1
    words = f"{_TENS[tens]}-{_ONES[ones]}"
    for text in (
        words,
        f"\\text{{{words}}}",
        words.title(),
        words.replace("-", " "),
        f"{words} apples",
        f"{value}th",
    ):
        assert equal(str(value), text) and not equal(str(value + 1), text), text
    long = f"{_ONES[hundreds - 1]} hundred and {words}"
    assert equal(str(100 * hundreds + value), long) and equal(long, str(100 * hundreds + value))
    assert not equal(str(100 * hundreds + value), words) and not equal(long, str(value))


def _spelled(value: int) -> str:
    """A number below 10^12 in words, three digits at a time."""
    said = []
    for scale, name in ((10**9, " billion"), (10**6, " million"), (1000, " thousand"), (1, "")):
        part = value // scale % 1000
        hundreds, rest = divmod(part, 100)
        said += [f"{_ONES[hundreds - 1]} hundred"] * bool(hundreds)
        tens, ones = divmod(rest, 10)
        if rest >= 20:
            said.append(_TENS[tens - 2] + (f"-{_ONES[ones - 1]}" if ones else ""))
        elif rest:
            said.append([*_ONES, *_TEENS][rest - 1])
        if part:
            said[-1] += name
    return " ".join(said)


@SETTINGS
@given(st.lists(st.sampled_from([0, 0, 1, 7, 12, 20, 300, 705, 742]), min_size=4, max_size=4).filter(any))
def test_a_number_in_words_is_the_sum_of_its_billions_millions_and_thousands(parts: list[int]) -> None:
    value = sum(part * 1000**place for place, part in enumerate(parts))
    words = _spelled(value)
    assert equal(str(value), words) and equal(f"{value:,}", words.capitalize()), words
    for place, part in enumerate(parts):
        assert not equal(str(value + 1000**place), words), words
        assert not part or not equal(str(value - part * 1000**place), words), words


@SETTINGS
@given(
    count,
    st.sampled_from([("个", ""), ("米", "meters"), ("千克", "kg"), ("小时", "hours"), ("平方厘米", "cm^2")]),
    small,
)
def test_chinese_units_and_words(value: int, unit: tuple[str, str], other: int) -> None:
    chinese, english = unit
    for text in (f"{value}{chinese}", f"{value}\\text{{{chinese}}}", f"{value} {chinese}"):
        assert equal(str(value), text) and equal(f"{value} {english}", text)
        assert not equal(str(value + 1), text) and not (english and equal(f"{value} yards", text))
    assume(value != other)
    assert equal(f"{value}或{other}", f"x={other}或x={value}") and equal(
        f"{other},{value}", f"{value}或{other}"
    )
    assert not equal(f"{value}或{other}", str(value)) and not equal(
        f"{value}或{other}", f"{value}或{other + 1}"
    )


@SETTINGS
@given(small.filter(bool), small.filter(bool), small.filter(bool))
def test_vectors(x: int, y: int, z: int) -> None:
    gold = f"({x},{y},{z})"
    for style in ("{}", "\\mathbf{{{}}}", "\\hat{{{}}}", "\\vec {}"):
        i, j, k = map(style.format, "ijk")
        assert equal(gold, f"{x}{i}{y:+}{j}{z:+}{k}") and equal(f"{x}{i}{y:+}{j}{z:+}{k}", gold)
        assert not equal(gold, f"{x}{i}{y:+}{j}{z + 1:+}{k}") and not equal(gold, f"{x}{i}{y:+}{j}")
        assert not equal(gold, f"{x}{j}{y:+}{i}{z:+}{k}") or x == y
    line = f"\\begin{{pmatrix}}{x}\\\\{y}\\end{{pmatrix}}+t\\begin{{pmatrix}}{z}\\\\{x}\\end{{pmatrix}}"
    assert equal(line, f"({x}{z:+}t, {y}{x:+}t)") and equal(line, f"({x},{y})+t({z},{x})")
    assert not equal(line, f"({x},{y})-t({z},{x})") and not equal(line, f"({x}{z:+}t, {y}{x + 1:+}t)")


@SETTINGS
@given(
    st.integers(-30, 30),
    st.integers(1, 6),
    st.sampled_from(["\\l{0} {1} \\r{0}", "\\left\\l{0} {1} \\right\\r{0}"]),
)
def test_floor_and_ceiling_are_the_next_whole_number_down_and_up(top: int, bottom: int, form: str) -> None:
    """And a whole number is its own: the fraction may be one."""
    for name, value in (("floor", top // bottom), ("ceil", -(-top // bottom))):
        said = form.format(name, f"\\frac{{{top}}}{{{bottom}}}")
        assert [n for n in range(value - 2, value + 3) if equal(str(n), said)] == [value], said


@SETTINGS
@given(
    st.sampled_from(["pmatrix", "bmatrix", "matrix", "array", "smallmatrix", "vmatrix", "Bmatrix"]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.data(),
)
def test_a_break_after_the_last_row_changes_no_matrix(
    name: str, height: int, width: int, data: st.DataObject
) -> None:
    width = height if name == "vmatrix" else width
    rows = [[data.draw(small) for _ in range(width)] for _ in range(height)]
    shown = "\\\\".join("&".join(map(str, row)) for row in rows)
    start, end = f"\\begin{{{name}}}" + "{ccc}" * (name == "array"), f"\\end{{{name}}}"
    plain = f"{start}{shown}{end}"
    for ending in ("\\\\", " \\\\ ", "\\\\\n"):
        assert equal(plain, f"{start}{shown}{ending}{end}") and equal(f"{start}{shown}{ending}{end}", plain)
    other = f"{start}{shown}\\\\{'&'.join('9' * width)}{end}"
    assert not equal(plain, other)


@SETTINGS
@given(small, small, st.permutations(["a", "b", "c"]))
def test_systems_orders_and_pieces(one: int, two: int, names: list[str]) -> None:
    assume(one != two)
    x, y = f"x={one}", f"y={two}"
    for text in (f"\\begin{{cases}}{y}\\\\{x}\\end{{cases}}",
                 f"\\left\\{{\\begin{{array}}{{l}}{x}\\\\{y}\\end{{array}}\\right.",
                 f"\\begin{{aligned}}x&={one}\\\\y&={two}\\end{{aligned}}"):  # fmt: skip
        assert equal(f"{x},{y}", text) and equal(
            f"({one},{two})", text.replace(y + "\\\\" + x, x + "\\\\" + y)
        )
        assert not equal(f"x={two},y={one}", text)
    a, b, c = names
    assert equal(f"{a}>{b}>{c}", f"{c}<{b}<{a}") and not equal(f"{a}>{b}>{c}", f"{a}<{b}<{c}")
    assert not equal(f"{a}>{b}>{c}", f"{a}>{c}>{b}") and not equal(f"{a}>{b}>{c}", f"{a}\\ge {b}>{c}")
    low, high = f"x{two - one:+} & x < {one}", f"{two} & x \\ge {one}"
    gold = f"\\begin{{cases}}{low}\\\\{high}\\end{{cases}}"
    conditional = high.replace("&", "& \\text{if }")
    for text in (f"\\begin{{cases}}{high}\\\\{low}\\end{{cases}}",
                 f"\\begin{{cases}}{low}\\\\{two} & \\text{{otherwise}}\\end{{cases}}",
                 f"f(x)=\\begin{{cases}}{low},\\\\{conditional}.\\end{{cases}}"):  # fmt: skip
        assert equal(gold, text), text
    for text in (gold.replace("<", "\\le").replace("\\ge", ">"), gold.replace(f"< {one}", f"< {one + 1}"),
                 gold.replace(f"{two} &", f"{two + 1} &")):  # fmt: skip
        assert not equal(gold, text), text


@SETTINGS
@given(st.integers(0, 89), st.integers(1, 59), st.integers(1, 59))
def test_degrees_minutes_and_compound_quantities(degrees: int, minutes: int, seconds: int) -> None:
    gold = f"\\frac{{{3600 * degrees + 60 * minutes + seconds}}}{{3600}}^\\circ"
    for text in (f"{degrees}°{minutes}'{seconds}''",
                 f"{degrees}^{{\\circ}} {minutes}^{{\\prime}} {seconds}^{{\\prime\\prime}}"):  # fmt: skip
        assert equal(gold, text), text
        assert not equal(gold, text.replace(f"{minutes}", f"{minutes + 1}", 1)), text
    hours = degrees + 1
    for text in (
        f"{hours} h {minutes} min",
        f"{hours} hours and {minutes} minutes",
        f"{60 * hours + minutes} min",
    ):
        assert equal(f"{hours}\\text{{ hours }}{minutes}\\text{{ minutes}}", text), text
        assert not equal(f"{hours} hours {minutes + 1} minutes", text), text


@SETTINGS
@given(st.integers(4, 14), st.integers(1, 3))
def test_counting_symbols(total: int, chosen: int) -> None:
    ways = str(comb(total, chosen))
    for text in (f"C({total},{chosen})", f"C_{{{total}}}^{{{chosen}}}", f"C^{{{chosen}}}_{{{total}}}",
                 f"{{}}_{{{total}}}C_{{{chosen}}}", f"{total}C{chosen}",
                 f"\\binom{{{total}}}{{{chosen}}}"):  # fmt: skip
        assert equal(ways, text), text
        assert not equal(str(comb(total + 1, chosen)), text), text
        for more, value in (
            (f"{text}\\cdot {text}", comb(total, chosen) ** 2), (f"1-{text}", 1 - comb(total, chosen)),
            (f"\\frac{{{text}}}{{2}}", Fraction(comb(total, chosen), 2)), (f"2^{{{text}}}", 2 ** comb(total, chosen)),
        ):  # fmt: skip
            assert equal(str(value), more) and not equal(str(value + 1), more), more
    for inside in (
        f"\\max(3,{total})",
        f"({total - 1}+1)",
        f"\\binom{{{total}}}{{1}}",
    ):  # commas and brackets in it
        for one, ways in (("C", comb), ("P", perm)):
            assert equal(str(ways(total, chosen)), f"{one}({inside},{chosen})"), inside
            assert equal(str(3 * ways(total, chosen)), f"3{one}({inside}, {chosen})"), inside
    assert equal(str(perm(total, chosen)), f"A_{{{total}}}^{{{chosen}}}")
    assert equal(str(perm(total, chosen)), f"P({total},{chosen})")
    assert equal(str(prod(range(total, 0, -2))), f"{total}!!")
    assert not equal(str(prod(range(total, 0, -2))), f"{total}!") and not equal(
        f"{total}!!", f"{total + 2}!!"
    )
