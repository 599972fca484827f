"""Every sign and command of mathematical notation by what it means: tables of golds and answers.

Written from the meaning of the notation, not from the reader's own tables: a sign that is lost or taken for another one
fails here.
"""

from __future__ import annotations

from tests.verifiers.tabled import Row, misjudged

# --- relations --------------------------------------------------------------------------------------------

_LESS = ["x < 3", r"x \lt 3", "x＜3", "3 > x", r"3 \gt x"]
_AT_MOST = [
    "x <= 3", r"x \le 3", r"x \leq 3", r"x \leqslant 3", r"x \leqq 3", "x ≤ 3", "x ≦ 3", "x ⩽ 3", "3 >= x",
    r"3 \ge x", r"3 \geq x", r"3 \geqslant x", r"3 \geqq x", "3 ≥ x", "3 ≧ x", "3 ⩾ x",
]  # fmt: skip
_MORE = ["x > 3", r"x \gt 3", "3 < x", r"3\lt x"]
_AT_LEAST = [text.replace("x", "y").replace("3", "x").replace("y", "3") for text in _AT_MOST]
_NOT = ["x != 3", r"x \ne 3", r"x \neq 3", "x ≠ 3", "x <> 3", r"3 \neq x"]


def test_every_sign_of_order_is_its_interval() -> None:
    sets = {
        r"(-\infty, 3)": _LESS,
        r"(-\infty, 3]": _AT_MOST,
        r"(3, \infty)": _MORE,
        r"[3, \infty)": _AT_LEAST,
        r"(-\infty, 3) \cup (3, \infty)": _NOT,
    }
    rows: list[Row] = [
        (interval, texts, [other for key, others in sets.items() if key != interval for other in others])
        for interval, texts in sets.items()
    ]
    assert not misjudged(rows)


def test_signs_of_equality_approximation_and_membership() -> None:
    rows: list[Row] = [
        ("3", ["x = 3", "x == 3", "x := 3", "3 = x", "= 3", r"x=3"], ["x = -3", "x ≠ 3", "x > 3"]),
        (
            r"12\pi",
            [rf"12\pi {sign} 37.70" for sign in (r"\approx", "≈", r"\simeq", r"\cong", r"\doteq")]
            + [r"12\pi (\approx 37.7)", r"12\pi (about 37.7)", r"12\pi, or about 37.7", r"12\pi = 37.699"],
            [r"12\pi \approx 36.70", "37.70", r"12\pi = 37"],
        ),
        (
            "(1, 2)",
            [r"x \in (1, 2)", "x ∈ (1,2)", "1 < x < 2", r"2 > x > 1"],
            [r"x \in [1, 2)", "1 < x <= 2"],
        ),
        (r"x \in \{1, 2\}", ["x = 1 or x = 2", "1, 2", "{2, 1}"], ["[1, 2]", "x = 1"]),
    ]
    assert not misjudged(rows)


# --- operators --------------------------------------------------------------------------------------------


def test_every_operator_computes() -> None:
    rows: list[Row] = [
        (
            "12",
            [f"3 {sign} 4" for sign in ("*", r"\times", r"\cdot", r"\ast", r"\star", r"\bullet", "×", "·", "∗", "∙", "•", "⋅")]
            + ["(3)(4)", "3(4)", "24/2", r"24 \div 2", "24÷2", "24∕2", "15 - 3", "15 − 3", "15 – 3", "5 + 7", "+12"]
            + [r"\frac{24}{2}", r"{24 \over 2}", "3x4", "3 x 4"],
            ["-12", "7", "1", "3/4", "34"],
        ),
        ("8", ["2^3", "2**3", "2^{3}", "2³", r"2^{\,3}", "64^(1/2)", "16^{3/4}", "512^{1/3}", "-(-8)", "--8"], ["6", "23", "9"]),
        ("512", ["2^{3^2}", "2^3^2", "8^3"], ["64"]),
        ("-4", ["-2^2", "-(2^2)", "-2²"], ["4", "(-2)^2"]),
        ("4", ["(-2)^2", "2^2", "-(-4)"], ["-4"]),
        (r"\frac18", ["2^{-3}", "2^-3", "8^{-1}", "0.125", "1/2^3", "2⁻³"], ["-8", "8", "-1/8"]),
        ("1", ["8/4/2", "8 / (4*2)", r"8 \div 4 \div 2"], ["4", "8/(4/2)"]),
        ("10", ["2+4*2", "20-4-6", "12 - 6 + 4", "2(3+2)", "2[3+2]"], ["12", "20-(4-6)"]),
        ("6", ["3!", "(2+1)!", "9 - 3", "24/4", "3! ", "|-6|", "|6|", r"\left|-6\right|", r"\lvert -6 \rvert"], ["3", "720"]),
        ("15", ["5!!", "3 \\cdot 5"], ["5!", "120!"]),
        ("48", ["6!!"], ["6!", "15"]),
        ("720", ["(3!)!", "6!"], ["6!!", "3!!"]),
        ("0.5", ["50%", r"50\%", "50 percent", "50 per cent", "1/2"], ["5%", "0.05", "500%"]),
        (r"\{-3, 3\}", [r"\pm 3", "±3", r"x = \pm 3", "x = ±3", r"x=\mp 3", "3, -3"], ["3", "-3", r"\pm 2"]),
        (r"1 \pm \sqrt{2}", [r"1+\sqrt2, 1-\sqrt2", r"x = 1 \pm \sqrt{2}"], [r"1+\sqrt{2}", r"-1\pm\sqrt2"]),
        ("2", [r"2 \bmod 5", "2 mod 5", r"2 \pmod 5", r"2 \mod 5"], ["3", r"3 \pmod 5", "7 mod 5"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_sets_and_their_operations() -> None:
    rows: list[Row] = [
        (
            "(1, 2) ∪ (3, 4)",
            [r"(1,2)\cup(3,4)", "(1,2)U(3,4)", "(1,2) U (3,4)", "(1,2) or (3,4)", "(3,4) ∪ (1,2)", "1<x<2 or 3<x<4"],
            ["(1,2)", "(1,4)", r"(1,2)\cap(3,4)", "[1,2) ∪ (3,4)", "(1,2) ∪ (3,4]", "(1,2), (3,5)"],
        ),
        ("(2, 3)", [r"(1,3)\cap(2,4)", "(1,3) ∩ (2,4)", "(2,2.5] ∪ [2.5,3)"], ["(1,4)", "(1,3) ∪ (2,4)", "[2,3]"]),
        ("[1, 2)", [r"[1,3) \setminus [2,3)", r"[1,3)∖[2,3)", r"[1,3) \backslash [2, 3)", "[1, 2["], ["(1,2)", "[1,2]", "[1,3)"]),
        (
            r"\emptyset",
            ["∅", r"\varnothing", r"\oslash", r"\{\}", "no solution", "No solutions", "empty set", "no real solutions", "none",
             "there is no solution", "There are no real solutions", "null set", "no such solution", "no real roots",
             r"x \in \emptyset", "(1,2) ∩ (3,4)"],
            ["0", r"\{0\}", "all real numbers", "(1,2)"],
        ),
        (
            r"\mathbb{R}",
            ["ℝ", r"(-\infty, \infty)", "all real numbers", "All reals", "any real number", "every real number", "real numbers",
             "the set of all real numbers", "all real values", r"-\infty < x < \infty", r"x \in \mathbb{R}"],
            [r"\mathbb{Z}", r"(0, \infty)", "no solution", r"\mathbb{Q}"],
        ),
        (
            r"(-\infty, 2) \cup (2, \infty)",
            [r"\mathbb{R} \setminus \{2\}", r"ℝ - \{2\}", "x ≠ 2", "all real numbers except 2", "all reals but 2", "every number besides 2",
             "all real numbers other than x = 2", "any real number except for x = 2", "x < 2 ∪ x > 2", "x < 2 or x > 2"],
            [r"\mathbb{R}", r"\mathbb{R} \setminus \{3\}", "all real numbers except 3", "2"],
        ),
        (r"\{1, 2, 3\}", [r"\lbrace 3, 2, 1 \rbrace", "1, 2, 3", "1; 2; 3", "1, 2 and 3", r"\{1,1,2,3\}", "1 or 2 or 3"], ["1, 2", "(1,2,3,4)"]),
        ("(1, 2)", [r"\langle 1, 2 \rangle", "(1; 2)", r"\left(1, 2\right)", "⟨1, 2⟩", r"\big(1, 2\big)", r"(1 ,2)"], ["(2, 1)", "[1, 2]", "{1, 2}"]),
        ("[1, 2]", [r"\lbrack 1, 2 \rbrack", r"\left[1,2\right]", "1 <= x <= 2"], ["(1,2)", "(1,2]", "[1,2)", "[2,1]"]),
        (r"x > 3", [r"\{x : x > 3\}", r"\{x | x > 3\}", r"\{ x \mid x > 3 \}", r"\{x \in \mathbb{R} : x>3\}", "x > 3 : (3, ∞)"], [r"\{x : x \ge 3\}"]),
        (r"\{3\}", ["3", "x = 3"], ["-3", r"\{3, 4\}"]),
    ]  # fmt: skip
    assert not misjudged(rows)


# --- numbers ----------------------------------------------------------------------------------------------


def test_every_way_to_write_a_number() -> None:
    rows: list[Row] = [
        (
            "1234567",
            ["1,234,567", "1{,}234{,}567", r"1,\!234,\!567", r"1\,234\,567", "1 234 567", "1234567.0", "1.234567e6", "1.234567E+6",
             r"1.234567 \times 10^6", r"1.234567 \cdot 10^{6}", "1.234567 x 10^6", "１２３４５６７", r"\$1,234,567", "$1234567$"],
            ["1,234", "1.234567", "1,234,568", "123,4567", "1,234,56", "12345670"],
        ),
        ("0.25", [".25", "0.250", "1/4", r"\frac14", r"\frac{1}{4}", r"\dfrac14", r"\tfrac{1}{4}", r"\cfrac{1}{4}", r"\frac1{4}", r"\frac{1}4",
                  r"\nicefrac{1}{4}", r"\sfrac14", "¼", "25%", "2^{-2}", "25e-2", "0,25", "2.5E-1"], ["25", "0.025", "4", "0.52"]),
        ("7/3", [r"2\frac{1}{3}", r"2\frac13", "2 1/3", r"2 \frac{1}{3}", "2⅓", r"2\dfrac{1}{3}", r"2+\frac13", "2.(3)", r"2.\overline{3}", r"2.\bar{3}",
                 r"2.\dot{3}", "2.333...", r"2.3333\ldots"], ["2/3", "21/3", "2.33", "7/2", r"3\frac12"]),
        ("-5/2", [r"-2\frac{1}{2}", "-2 1/2", "-2.5", r"-\frac52", r"\frac{-5}{2}", r"\frac{5}{-2}", "−5/2", "–2.5"], ["-3/2", "5/2", "-2/5"]),
        ("8/3", [r"2 \cdot \frac43", r"2\left(\frac43\right)", r"2\frac{2}{3}"], [r"2+\frac43", r"2\frac{3}{4}"]),
        ("1/6", [r"0.1\overline{6}", r"0.1\bar 6", "0.1(6)", r"0.1\dot{6}", r"0.1666\ldots"], ["0.16", r"0.\overline{16}", "0.1667"]),
        ("41/333", [r"0.\overline{123}", r"0.\dot{1}2\dot{3}", "0.(123)", "0.123123..."], ["0.123", r"0.1\overline{23}"]),
        ("40", ["forty", "4e1", "40.", "40.00", "4 \\times 10", "+40"], ["4", "400", "14"]),
        ("21", ["21st", r"21^{st}", r"21^{\text{st}}"], ["22nd", "2"]),
        ("3", ["3rd", r"3^{\text{rd}}", "3.0", r"\boxed{3}", "**3**", "`3`", '"3"', "'3'", r"\(3\)", r"\[3\]", "$$3$$", "3.", "3,", "{3}", r"\fbox{3}"], ["30", "33"]),
        ("½", ["0.5", r"\frac12", "1/2", "half"], ["2", "1.2"]),
        ("5/6", ["⅚", r"\frac56"], ["⅝", "⅙"]),
        ("1/8", ["⅛", "0.125"], ["⅞", "⅜"]),
        ("37", ["3.7e1", "0.37e2", "370E-1"], ["3.7e2", "3.7"]),
        ("101_2", [r"101_{2}", "101 base 2", r"101_{\text{two}}", "(101)_2", "101 (base 2)", "0101_2", "101 in base 2", "101 base two"], ["101_3", "110_2", "101", "1010_2"]),
        ("17_8", ["17 base 8", "17_{eight}", "17 base-eight"], ["17_9", "71_8", "17"]),
        ("FF_{16}", ["ff_{16}", "FF base 16", "FF base sixteen"], ["FE_{16}", "FF_{17}"]),
        ("12_{10}", ["12", "12 base 10", "12 base ten"], ["12_{11}", "12_8"]),
        ("1.1_2", ["1.10_2"], ["1.01_2", "11_2"]),
    ]  # fmt: skip
    assert not misjudged(rows)


# --- functions --------------------------------------------------------------------------------------------


def test_every_function_by_its_definition() -> None:
    rows: list[Row] = [
        (r"\frac{\sin x}{\cos x}", [r"\tan x", r"\tan(x)", "tan x", "tg x", "tanx", r"\tan{x}", r"\operatorname{tan} x"], [r"\cot x", r"\sin x", r"\tan 2x"]),
        (r"\frac{\cos x}{\sin x}", [r"\cot x", "ctg x", r"\frac{1}{\tan x}"], [r"\tan x"]),
        (r"\frac{1}{\cos x}", [r"\sec x"], [r"\csc x", r"\cos x"]),
        (r"\frac{1}{\sin x}", [r"\csc x", "cosec x"], [r"\sec x"]),
        (r"\frac{e^x-e^{-x}}{2}", [r"\sinh x", r"\sinh(x)"], [r"\cosh x", r"\sin x"]),
        (r"\frac{e^x+e^{-x}}{2}", [r"\cosh x"], [r"\sinh x", r"\cos x"]),
        (r"\frac{\sinh x}{\cosh x}", [r"\tanh x", r"\frac{1}{\coth x}"], [r"\coth x"]),
        (r"\frac{1}{\cosh x}", [r"\operatorname{sech} x"], [r"\operatorname{csch} x"]),
        (r"\frac{1}{\sinh x}", [r"\operatorname{csch} x"], [r"\operatorname{sech} x"]),
        (r"\ln(x+\sqrt{x^2+1})", [r"\operatorname{arcsinh} x"], [r"\operatorname{arccosh} x"]),
        (r"\ln(2+\sqrt3)", [r"\operatorname{arccosh} 2"], [r"\operatorname{arcsinh} 2"]),
        (r"\frac12 \ln 3", [r"\operatorname{arctanh} \frac12", r"\ln \sqrt3"], [r"\arctan \frac12"]),
        (r"\frac{\pi}{6}", [r"\arcsin \frac12", r"\sin^{-1}(1/2)", "asin(1/2)", r"\operatorname{arccsc} 2", r"\arctan\frac{1}{\sqrt3}", r"\tan^{-1}\frac{1}{\sqrt{3}}", "atan(1/√3)"], [r"\arccos \frac12", "30", r"-\frac{\pi}{6}"]),
        (r"\frac{\pi}{3}", [r"\arccos \frac12", r"\cos^{-1} \frac12", "acos(0.5)", r"\operatorname{arcsec} 2", r"\operatorname{arccot} \frac{1}{\sqrt3}", r"\operatorname{arctg}\sqrt3"], [r"\arcsin\frac12"]),
        ("1", [r"\sin^2 x+\cos^2 x", r"\sin \frac{\pi}{2}", r"\cos 0", r"\ln e", r"\tan \frac{\pi}{4}", r"\cosh 0", "e^0", r"-e^{i\pi}", r"\sec 0", r"\exp(0)", r"\log_7 7", r"\lg 10", r"\sin 90^\circ", r"\csc\frac{\pi}{2}"], [r"\sin 0", r"\cos \pi", r"\ln 1"]),
        ("3", [r"\log_2 8", r"\log_{2}(8)", r"\lg 1000", r"\log 1000", r"\log_{10} 1000", r"\ln e^3", r"\log_2{8}", r"\log_{1/2} \frac18", r"\sqrt[3]{27}", r"\sqrt{9}", "√9", "sqrt(9)", "∛27", "∜81",
               r"\max(1, 3, 2)", r"\min(3, 4, 5)", r"\gcd(12, 9)", r"\operatorname{lcm}(1, 3)", r"\lfloor 3.7 \rfloor", r"\lceil 2.1 \rceil", "⌊3.7⌋", "⌈2.1⌉", r"\operatorname{floor}(\pi)", r"\lceil 3 \rceil", r"\lfloor 3 \rfloor", r"|3|", r"\operatorname{abs}(-3)", r"\operatorname{Re}(3+2i)", r"\operatorname{Im}(2+3i)", r"|-3|", r"\binom{3}{1}", r"\dbinom{3}{2}", r"\tbinom32", r"{3 \choose 2}", r"\max\{1,2,3\}", r"\operatorname{ceil}(2.5)"],
         [r"\log_8 2", r"\log_3 8", r"\min(1, 3)", r"\max(3, 4)", r"\gcd(12, 6)", r"\lfloor 2.9 \rfloor", r"\lceil 3.1 \rceil", r"\sqrt{27}", r"\operatorname{Im}(3+2i)", r"\binom{3}{0}"]),
        ("12", [r"\operatorname{lcm}(4, 6)", r"\gcd(24, 36)", r"\operatorname{lcm}(3,4)"], [r"\gcd(4, 6)", r"\operatorname{lcm}(4, 8)"]),
        ("-1", [r"\operatorname{sgn}(-7)", r"\operatorname{sign}(-2)", "i^2", r"\cos \pi", r"e^{i\pi}", r"\lfloor -0.5 \rfloor", r"\lceil -1.5 \rceil", r"\sqrt[3]{-1}", r"\operatorname{cis} \pi"], [r"\operatorname{sgn}(7)", r"\lfloor -1.5 \rfloor", "i"]),
        ("0", [r"\operatorname{sgn}(0)", r"\sin 0", r"\sin \pi", r"\cos\frac{\pi}{2}", r"\ln 1", r"\tan 0", r"\arctan 0", r"\sinh 0", r"\arcsin 0", r"0!-1", "-0", r"\cot\frac{\pi}{2}", r"\log 1"], [r"\cos 0", "10^{-20}", r"\exp(0)"]),
        ("i", [r"\sqrt{-1}", r"\operatorname{cis}\frac{\pi}{2}", r"e^{i\pi/2}", "-1/i", r"\mathrm{i}"], ["-i", "1", "i^2"]),
        (r"\frac{\pi}{2}", [r"\arg i", r"\arcsin 1", r"\arccos 0", r"2 \arctan 1"], [r"\arg(-1)", r"\pi"]),
        ("e^2", [r"\exp(2)", r"\exp 2", r"\mathrm{e}^2", r"e^{2}", "e²"], ["2e", r"e^{-2}", "exp(3)"]),
        (r"\sqrt{10}", [r"\sqrt10", "√10", "10^{1/2}", "sqrt(10)", r"\sqrt[2]{10}", r"\sqrt2\sqrt5"], [r"\sqrt{1}0", "10", r"\sqrt[3]{10}", "3.1623"]),
        ("10", [r"\sum_{k=1}^{4} k", r"\sum_{i=0}^4 i", r"\sum_{k=1}^{2} (k^2 + k + 1)", r"\binom{5}{2}", "C(5,2)", "C_5^2", "5C2", r"{}_5C_2", r"C^{2}_{5}", r"_{5}C_{2}", r"^{5}C_{2}"], [r"\sum_{k=1}^{5} k", r"\prod_{k=1}^{4} k", r"\sum_{k=2}^{4} k", "P(5,2)"]),
        ("24", [r"\prod_{k=1}^{4} k", "4!", r"\prod_{k=2}^{4} k"], [r"\prod_{k=1}^{3} k", r"\sum_{k=1}^{4} k"]),
        ("20", ["P(5,2)", "A_5^2", "5P2", r"{}_5P_2", "A_{5}^{2}", r"P_5^2"], ["C(5,2)", "P(5,3)", "A_5^3"]),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_products_and_powers_of_letters() -> None:
    rows: list[Row] = [
        ("2xy", ["2yx", "xy+xy", "2x*y", r"2x\cdot y", "y(2x)", r"\frac{4xy}{2}"], ["2x+y", "xy", "x^2y"]),
        ("x^2-1", ["(x-1)(x+1)", "x*x-1", "-1+x^2", "x²-1", "(x+1)(x-1)"], ["x^2+1", "(x-1)^2", "1-x^2"]),
        (r"\frac{x}{2}", ["x/2", "0.5x", r"\frac12 x", "1/2x", "x÷2"], ["2/x", "1/(2x)", "2x"]),
        (r"\frac{t}{RC}", ["t/RC", "t/(RC)", "t/(CR)"], ["tC/R", "t/R + C"]),
        ("k(k-1)", ["k^2-k", "(k-1)k"], ["k-1", "k^2-1"]),
        ("f(x)=x+1", ["x+1", "f(x) = 1 + x", "y = x+1"], ["x-1", "f(x) = x"]),
        ("x^{n+1}", ["x^n x", r"x \cdot x^n"], ["x^n+1", "x^{n-1}"]),
        ("2^n", [r"\frac{2^{n+1}}{2}", "4^{n/2}"], ["n^2", "2n"]),
        ("n!", [r"n(n-1)!"], ["(n-1)!", "n"]),
        (r"\sin 2x", [r"2\sin x\cos x"], [r"2 \sin x", r"\sin^2 x"]),
        (r"2\ln x", [r"\ln x + \ln x"], [r"\ln 2x"]),
        (r"|x|", [r"\sqrt{x^2}", r"|-x|", r"\max(x,-x)", r"\left|x\right|"], ["x", "-x", "x^2"]),
        ("x_1+x_2", ["x_2+x_1", "x_{1}+x_{2}", "x₁+x₂"], ["x_1-x_2", "2x", "x_1+x_3"]),
        ("a^{2/3}", [r"a^{\frac23}"], ["a^{3/2}"]),
        (r"\frac{a}{b}", [r"a b^{-1}", r"a \div b", r"\dfrac{2a}{2b}"], [r"\frac{b}{a}", "ab"]),
    ]  # fmt: skip
    assert not misjudged(rows)


_SMALL = "αβγδεζηθικλμνξρστυφχψω"
_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega"
).split()
_LARGE = dict(
    zip("ΓΔΘΛΞΠΣΥΦΨΩ", "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split(), strict=True)
)


def test_every_greek_letter_is_itself_and_no_other() -> None:
    letters = dict(zip(_SMALL, _NAMES, strict=True)) | _LARGE
    commands = [f"\\{name}" for name in letters.values()]
    rows: list[Row] = [
        (f"2\\{name}", [f"2{letter}", f"\\{name} + \\{name}"], [f"2{other}" for other in commands if other != f"\\{name}"][:6])
        for letter, name in letters.items()
    ]  # fmt: skip
    variants = {"varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi"}
    rows += [(f"3\\{name}", [f"3\\{plain}"], [f"3\\{plain}^2"]) for name, plain in variants.items()]
    rows += [(r"\pi", ["π", "pi"], [r"\Pi", "3.14", "22/7", "p"])]
    assert not misjudged(rows)


def test_styles_sizes_and_blanks_mean_nothing() -> None:
    styles = "mathbf boldsymbol bm mathit mathsf mathtt pmb text textbf textit textrm textsf texttt textnormal mbox hbox mathrm"
    wrapped = [f"\\{name}{{42}}" for name in styles.split()] + [
        r"{\bf 42}",
        r"\color{red}{42}",
        r"\textcolor{blue}{42}",
        r"\ensuremath{42}",
        r"\underline{42}",
    ]
    spaces = [r"\,42", r"\;42", r"\:42", r"\!42", r"\ 42", r"\quad 42", r"\qquad 42", "~42", r"42\hspace{1cm}", r"\displaystyle 42", r"\textstyle 42",
              r"\left(42\right)", r"\bigl(42\bigr)", r"\Big(42\Big)", r"\therefore 42", r"42 \square", r"42 \qed", r"42 \checkmark", r"42 \tag{1}", "42\n", "\t42", "42 \\\\"]  # fmt: skip
    rows: list[Row] = [("42", wrapped + spaces, ["4 2 + 1", r"\text{forty}"])]
    assert not misjudged(rows)


def test_sayings_before_the_answer() -> None:
    rows: list[Row] = [
        (
            "5",
            ["The answer is 5", "answer: 5", "Answer is: 5", "the final answer is 5", "The solution is 5", "Final answer: 5", "Answer = 5",
             r"\text{Answer: } 5", "approximately 5", "exactly 5", "about 5", "x=5", "5 units", "5 in all", "5 in total"],
            ["The answer is 6", "the answer is not 5", "answer: -5"],
        ),
    ]  # fmt: skip
    assert not misjudged(rows)


def test_matrices_and_vectors() -> None:
    two = r"1 & 2 \\ 3 & 4"
    rows: list[Row] = [
        (
            rf"\begin{{pmatrix}}{two}\end{{pmatrix}}",
            [rf"\begin{{bmatrix}}{two}\end{{bmatrix}}", rf"\left(\begin{{array}}{{cc}}{two}\end{{array}}\right)", rf"\begin{{pmatrix}}{two}\\\end{{pmatrix}}",
             rf"\left[\begin{{matrix}}{two}\end{{matrix}}\right]", rf"\left(\begin{{smallmatrix}}{two}\end{{smallmatrix}}\right)", "[[1, 2], [3, 4]]",
             r"2\begin{pmatrix}1/2 & 1 \\ 3/2 & 2\end{pmatrix}", rf"A = \begin{{pmatrix}}{two}\end{{pmatrix}}",
             r"\begin{pmatrix}0&1\\2&3\end{pmatrix}+\begin{pmatrix}1&1\\1&1\end{pmatrix}", r"-\begin{pmatrix}-1&-2\\-3&-4\end{pmatrix}",
             r"\begin{pmatrix}1&2\\3&4\end{pmatrix}\begin{pmatrix}1&0\\0&1\end{pmatrix}"],
            [r"\begin{pmatrix}1&3\\2&4\end{pmatrix}", r"\begin{pmatrix}1&2\\3&5\end{pmatrix}", "(1, 2, 3, 4)", r"\begin{pmatrix}1&2\end{pmatrix}", rf"2\begin{{pmatrix}}{two}\end{{pmatrix}}"],
        ),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", ["(1, 2)", r"\begin{bmatrix}1\\2\end{bmatrix}", r"\langle 1, 2\rangle"], ["(2, 1)", r"\begin{pmatrix}1&2\end{pmatrix}"]),
        (r"\begin{pmatrix}7&10\\15&22\end{pmatrix}", [rf"\begin{{pmatrix}}{two}\end{{pmatrix}}\begin{{pmatrix}}{two}\end{{pmatrix}}"], [r"\begin{pmatrix}1&4\\9&16\end{pmatrix}"]),
        (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", ["-2", "4-6", r"\begin{vmatrix}1&3\\2&4\end{vmatrix}"], ["2", "10", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"]),
        ("6", [r"\begin{vmatrix}1&0&0\\0&2&0\\0&0&3\end{vmatrix}", r"\begin{vmatrix}6\end{vmatrix}", r"\begin{vmatrix}0&2&0\\-3&0&0\\0&0&1\end{vmatrix}"], [r"\begin{vmatrix}1&2\\3&4\end{vmatrix}"]),
        ("ad-bc", [r"\begin{vmatrix}a&b\\c&d\end{vmatrix}"], [r"\begin{vmatrix}a&b\\d&c\end{vmatrix}"]),
        (r"3\vec{i}-2\vec{j}", ["(3, -2)", r"3\mathbf{i}-2\mathbf{j}", r"3\hat{i}-2\hat{j}", r"3\hat{\imath}-2\hat{\jmath}", r"\langle 3,-2\rangle", "3i-2j", r"\begin{pmatrix}3\\-2\end{pmatrix}"], [r"2\vec{i}-3\vec{j}", "(3, 2)", r"3\vec{j}-2\vec{i}"]),
        (r"\mathbf{i}+2\mathbf{j}+3\mathbf{k}", ["(1,2,3)", r"\hat{i}+2\hat{j}+3\hat{k}"], ["(1,3,2)", "(1,2)"]),
    ]  # fmt: skip
    assert not misjudged(rows)
