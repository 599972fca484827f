"""More of what a trace may say: notation that is rarer, relations in words, algebra, arrays, bounds, definitions."""

from __future__ import annotations

from tests.verifiers.test_table_reasoning import wrong
from verifiers.reasoning import check


def _both(pairs: list[tuple[str, str, str]]) -> list[str]:
    """What a table of (text with a gap, what holds, what does not) has that is judged otherwise."""
    return wrong(
        [text.replace("@", right) for text, right, _ in pairs],
        [text.replace("@", other) for text, _, other in pairs],
    )


def test_rarer_notation() -> None:
    assert not _both([
        (r"$\gcd(84,126) = @$", "42", "21"), (r"$\max(1,234) + 0 = @$", "234", "1234"), (r"$\frac12 + \frac12 = @$", "1", "2"), (r"$\frac{1}2+\frac1{2} = @$", "1", "2"), (r"$\binom52 = @$", "10", "25"), (r"$3! + 1 = @$", "7", "4"), (r"$3!=@$", "6", "3"), (r"$5^2+\sqrt 4 = @$", "27", "29"),
        (r"$2\pi - \pi - \pi + 3 = @$", "3", "4"), (r"$\theta + 5 - \theta = @$", "5", "6"), (r"$AB + 3 - AB = @$", "3", "4"), (r"$x' + 1 - x' = @$", "1", "2"), (r"$x_1 + 4 - x_1 = @$", "4", "5"), (r"$2 + 4 = @$", "6", "7"),
        (r"$3\text{ cm} + 4\text{ cm} = @\text{ cm}$", "7", "8"), (r"$3\,000 + 1 = @$", "3001", "4"), (r"$1,\!200 + 1 = @$", "1201", "1202"), (r"$2~\cdot~3 = @$", "6", "5"), (r"$2 \cdot 3 \quad = @$", "6", "5"), (r"$\displaystyle 2 \cdot 3 = @$", "6", "5"), (r"$\bigl(2+1\bigr)\cdot 3 = @$", "9", "8"), (r"$\cancel{2} + 1 = @$", "3", "2"),
        (r"$20\% + 0 = @$", "0.2", "0.3"), ("20 % of 50 = @", "10", "12"), (r"50\% of 8 = @", "4", "5"), ("0.333… * 3 = @", "1", "2"), ("0.333... * 3 = @", "1", "2"), ("¾ + ¼ = @", "1", "2"), ("⅓ + ⅔ = @", "1", "2"), ("⅛ * 8 = @", "1", "2"), ("⅖ * 5 = @", "2", "3"), ("⅚ * 6 = @", "5", "6"), ("2³ + 1 = @", "9", "7"), ("10² = @", "100", "20"),
        ("3 ⋅ 4 = @", "12", "7"), ("3 ∙ 4 = @", "12", "7"), ("3 – 1 = @", "2", "4"), ("3 ∗ 4 = @", "12", "7"), (r"$7 \bullet 2$ and 3 + 1 = @", "4", "5"), ("€3 + €4 = €@", "7", "8"), ("£3 + £4 = £@", "7", "8"), (r"\$3 + \$4 = \$@", "7", "8"), ("3'' and 2 + 2 = @", "4", "5"), ("#### 2 + 2 = @", "4", "5"), ("## Step 2. 2 + 2 = @", "4", "5"), ("(1) 2 + 2 = @", "4", "5"), ("* 2 + 2 = @", "4", "5"),
        ("2+2=@", "4", "5"), ("2 + 2\n= @", "4", "5"), (r"\begin{align*} 2+2 &= @ \end{align*}", "4", "5"), (r"\begin{aligned} 2+2 &= 4 \\ &= @ \end{aligned}", "4", "5"), (r"$$\begin{aligned} 2 \cdot 3 &= 2+4 \\ &= @ \end{aligned}$$", "6", "7"), (r"\begin{equation} 2+2 = @ \end{equation}", "4", "5"), ("2 + 2 = 4 ⇒ 4 + 1 = @", "5", "6"), ("2 + 2 -> 3 + 1 = @", "4", "5"), ("2 + 2 = @!", "4", "5"),
        (r"$1101_2 + 1 = @$", "14", "1102"), (r"$21_{3} + 0 = @$", "7", "21"), (r"$0.1\overline{6} \cdot 6 = @$", "1", "2"), (r"$2^{3^2} = @$", "512", "64"), (r"$-2^2 = @$", "-4", "4"), (r"$2 / 1/5 + 0 = @$", "10", "11"), (r"$6/2(1+2) = @$", "9", "8"), (r"$\sin^2 30^\circ + \cos^2 30^\circ = @$", "1", "2"), (r"$\log_5 5^4 = @$", "4", "5"), (r"$\sqrt[4]{16} = @$", "2", "4"), (r"$\sinh 0 + 2 = @$", "2", "3"), (r"$\tanh 0 + \cosh 0 = @$", "1", "2"), (r"$\arctan 0 + 2 = @$", "2", "3"), (r"$180^\circ - 60^{\circ} = @^\circ$", "120", "130"), (r"$\operatorname{gcd}(8, 12) = @$", "4", "2"), (r"$\det\begin{pmatrix}1&2\\3&4\end{pmatrix} = @$", "-2", "10"), (r"$|{-3}| + |2| = @$", "5", "-1"), (r"$8^{2/3} = @$", "4", "5"), (r"$(-2)^3 = @$", "-8", "8"), (r"$16^{0.5} = @$", "4", "8"), (r"$\sqrt[3]{-8} + 0 = @$", "-2", "2"), (r"$\frac{1}{2}\cdot\frac{2}{3} = @$", r"\frac13", r"\frac14"), (r"$0! + 1 = @$", "2", "1"),
    ])  # fmt: skip


def test_relations_in_words() -> None:
    assert not wrong([r"\(2^3 \cdot 3\) is \(24\).", r"$3 + 4$ equals $7$.", r"$3 + 4$ is equal to $7$.", r"The value of $3 + 4$ is $7$.", r"$3 + 4$ simplifies to $7$.", r"$(x+1)^2$ expands to $x^2+2x+1$.", r"$x^2-1$ factors as $(x-1)(x+1)$.", r"$\frac{4}{8} + 0$ reduces to $\frac12$.", r"$3 + 4$ can be written as $7$.", r"$3 + 4$ evaluates to $7$."],
                     [r"\(2^3 \cdot 3\) is \(25\).", r"$3 + 4$ equals $8$.", r"$3 + 4$ is equal to $8$.", r"The value of $3 + 4$ is $8$.", r"$3 + 4$ simplifies to $8$.", r"$(x+1)^2$ expands to $x^2+2x+2$.", r"$x^2-1$ factors as $(x-1)(x+2)$.", r"$\frac{4}{8} + 0$ reduces to $\frac13$.", r"$3 + 4$ can be written as $8$.", r"$3 + 4$ evaluates to $8$."])  # fmt: skip
    for text in (
        r"The degree of $x^2 + 1$ is $2$.",
        r"The number of divisors of $2^3 \cdot 3$ is $8$.",
        r"$2^3 + 1$ is $9$ times smaller than that.",
        r"When $3 + 4$ is $8$ then",
        r"$3 + 4$ and $2 + 2$ is $5$",
    ):
        assert check(text, None).ok, text


def test_every_way_to_say_that_a_formula_is_rewritten() -> None:
    links = [
        f" {verb} "
        for verb in (
            "simplifies to",
            "simplified to",
            "reduces to",
            "expands to",
            "expands as",
            "evaluates to",
            "factors as",
            "which simplifies to",
            "and further simplifies to",
            "then reduces to",
            "can be written as",
            "can be rewritten as",
            "can be expressed as",
            "may be written as",
            "can be factored as",
            "can be simplified to",
            "can be expanded to",
        )
    ]
    links += [
        f". {start}, we {verb} "
        for start in (
            "Combining like terms",
            "Simplifying this",
            "Expanding it",
            "Distributing it",
            "Collecting terms",
            "Multiplying out",
            "Factoring",
        )
        for verb in ("get", "have", "obtain")
    ] + [". Expanding this gives ", ". Simplifying yields ", ". Expanding, this gets "]
    for link in links:
        assert check(f"$2(x+3)${link}$2x+6$.", None).ok, link
        assert not check(f"$2(x+3)${link}$2x+3$.", None).ok, link


def test_rewriting_and_equations() -> None:
    assert not wrong(
        [r"$x^2 + 2x + 1 = (x+1)(x+1) = (x+1)^2$", r"$2x + 4 = 2(x + 2)$", r"$\frac{x^2-1}{x-1} = x + 1$", r"$\sqrt{x^2+1} \cdot 2 = 2\sqrt{x^2+1}$", r"$(x+2)(x+3) = x^2 + 5x + 6 = 0$", r"$\frac{2}{x} + \frac{3}{x} = \frac{5}{x}$", r"$(a+b)^3 = a^3+3a^2b+3ab^2+b^3$", r"$e^x e^x = e^{2x}$", r"$\cos 2x = \cos^2 x - \sin^2 x$"],
        [r"$x^2 + 2x + 1 = (x+1)(x+1) = (x+2)^2$", r"$2x + 4 = 2(x + 4)$", r"$(x+2)(x+3) = x^2 + 5x + 5 = 0$", r"$\frac{2}{x} + \frac{3}{x} = \frac{6}{x}$", r"$(a+b)^3 = a^3+3a^2b+3ab^2+2b^3$", r"$3x - 3x + 2 = 5$", r"$x(x+1) = x^2 + x = x^2 + 2x$", r"$(2x+1)^2 = 4x^2 + 4x + 2$", r"$-(x - 3) = -x - 3$"],
    )  # fmt: skip
    for given, right, other in (
        ("$5x - 3 = 12$. Adding 3 to both sides gives ", "$5x = 15$", "$5x = 9$"), ("$x/2 = 6$. Multiplying both sides by 2, ", "$x = 12$", "$x = 3$"), ("$3x + x = 8$. Combining terms, ", "$4x = 8$", "$5x = 8$"), ("$2(x+1) = 10$. Distributing, ", "$2x + 2 = 10$", "$2x + 1 = 10$"), ("$x + 5 = 9$, therefore ", "$x = 4$", "$x = 14$"), ("$9 + b^2 = 25$, so ", "$b^2 = 16$", "$b^2 = 34$"),
        ("$4x = 20$. Thus ", "$x = 5$", "$x = 4$"), ("$4x = 20$. We have ", "$x = 5$", "$x = 16$"), ("$4x = 20 \\implies ", "x = 5$", "x = 6$"), ("$7 = x + 3$. Solving, ", "$x = 4$", "$x = 10$"), ("$0.5x = 4$. So ", "$x = 8$", "$x = 2$"), ("$-x = 3$. Hence ", "$x = -3$", "$x = 3$"),
        ("$3x > 12$. Dividing both sides by 3, ", "$x > 4$", "$x > 5$"), ("$3x > 12$. Dividing both sides by 3, ", "$x > 4$", "$x < 4$"), ("$x + 2 \\le 5$. Subtracting 2, ", "$x \\le 3$", "$x \\le 7$"), ("$2x \\ge 8 \\Rightarrow ", "x \\ge 4$", "x \\ge 5$"), ("$5 - x < 2$. Solving, ", "$x > 3$", "$x < 3$"),
    ):  # fmt: skip
        assert check(given + right + ".", None).ok, given + right
        assert not check(given + other + ".", None).ok, given + other
    for words in (
        "In case 2, ",
        "Similarly, ",
        "Suppose ",
        "If ",
        "For the second equation, ",
        "But ",
        "Let ",
        "Next, consider ",
        "Another equation is ",
        "Instead, ",
        "Wait, ",
        "However, ",
        "When ",
        "Or ",
        "The other root: ",
        "Verify: ",
        "Checking, ",
        "Step 2: ",
    ):
        assert check(f"$2x = 8$. {words}$3x = 15$.", None).ok, words
    for words in (
        "So ",
        "Thus ",
        "Then ",
        "Hence ",
        "Therefore ",
        "We get ",
        "This gives ",
        "Simplifying, ",
        "Dividing, ",
        "Subtracting 3 from both sides, ",
        "Combining terms, ",
        "which means ",
        "Solving, ",
        "That yields ",
        "Rearranging, ",
        "Multiplying, ",
        "It becomes ",
        "Adding 3, ",
        "Isolating x, ",
    ):
        assert not check(f"$2x = 8$. {words}$3x = 15$.", None).ok, words
    for text in (
        "$x = 3$ or $x = -3$.", "$x^2 = 9$, so $x = -3$.", "$2x = 8$? Then $3x = 15$?", "Width: $w = 3$. Then $w = 3$.", "$y = 2x$. Then $y = 6$.", "$a = 5$ cm. $b = 6$ cm.", "$3x = 10$, so $x = 3.33$.", "$x = 3.33$, from $3x = 10$.",
    ):  # fmt: skip
        assert check(text, None).ok, text


def test_values_that_are_stated_solve_every_linear_equation() -> None:
    good = [
        "$x + y = 10$. Then $x = 4$ and $y = 6$.",
        "$2a + b = 8$. We get $a = 3$. So $b = 2$.",
        "$x + y = 10$. Either $x = 3$ or so, $y = 8$.",
        "$x + y = 10$. Case 1: $x = 3$, $y = 8$.",
        "Suppose $x + y = 10$; $x = 3$, $y = 8$.",
        "$x + y = 10$. $x = 3$ hours. $y = 8$.",
    ]
    bad = [
        "$x y = 10$. $x = 3$. $y = 8$.",
        "$x + y = 10$. Then $x = 4$ and $y = 7$.",
        "$2a + b = 8$. We get $a = 3$. So $b = 3$.",
        "$3x - 6 = 0$. By hand one finds that $x = 3$.",
    ]
    for text in good:
        assert check(text, None).ok, text
    for text in bad:
        assert not check(text, None).ok, text


def test_arrays() -> None:
    two = r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"
    assert not _both([
        (rf"${two} + {two} = \begin{{pmatrix}}2&4\\6&@\end{{pmatrix}}$", "8", "9"), (rf"${two} - {two} = \begin{{pmatrix}}0&0\\0&@\end{{pmatrix}}$", "0", "1"), (rf"$3{two} = \begin{{pmatrix}}3&6\\9&@\end{{pmatrix}}$", "12", "7"), (rf"${two}{two} = \begin{{pmatrix}}7&10\\15&@\end{{pmatrix}}$", "22", "16"), (rf"${two}^2 = \begin{{pmatrix}}7&10\\15&@\end{{pmatrix}}$", "22", "16"),
        (rf"${two}\begin{{pmatrix}}1\\1\end{{pmatrix}} = \begin{{pmatrix}}3\\@\end{{pmatrix}}$", "7", "8"), (r"$(1,2,3)+(4,5,6) = (5,7,@)$", "9", "8"), (r"$(4,5)-(1,2) = (3,@)$", "3", "7"), (r"$\frac{(2,4)}{2} = (1,@)$", "2", "4"), (r"$\begin{vmatrix}1&2&3\\0&1&4\\5&6&0\end{vmatrix} = @$", "1", "2"), (r"$\begin{vmatrix}2&0&0\\0&3&0\\0&0&4\end{vmatrix} = @$", "24", "9"), (r"$(2,3)\cdot(4,5) = @$", "23", "22"),
    ])  # fmt: skip


def test_functions_of_the_problem() -> None:
    for prompt, right, other in (
        ("Let $f(x) = x^2 - 3x$.", "$f(5) = 10$", "$f(5) = 11$"), ("Let $f(x) = 2x$. Let $g(x) = x + 1$.", "$f(3) + g(3) = 10$", "$f(3) + g(3) = 11$"), ("Define $f(x, y) = x + 2y$.", "$f(1, 3) = 7$", "$f(1, 3) = 5$"), ("$P(t) = t^3$", "$P(2) = 8$", "$P(2) = 6$"),
    ):  # fmt: skip
        assert check(right, None, prompt).ok, right
        assert not check(other, None, prompt).ok, other
    for prompt in (
        "Let $f(x) = x^2$. Let $f(x) = x^3$.",
        "Solve $f(x) = 0$.",
        "Is $f(x) = x^2$?",
        "$f(2) = 7$",
    ):
        assert check("$f(5) = 11$", None, prompt).ok, prompt
    assert (
        check("$h(x) = x + 1$. Then $h(2) = 3$.", None).ok
        and not check("$h(x) = x + 1$. Then $h(2) = 4$.", None).ok
    )


def test_what_words_allow() -> None:
    for text in (
        "Half of 10 + 2 = 7", "twice 3 + 1 = 7", "It rounds 7 / 2 = 4", "approximately 10 / 3 = 3", "3 shirts = 3 * 4", "48 = 100% + 20%", "adding 5 to 3 = 8", "a third of 9 = 3", "17/3 = 5 and 2/3", "63 / 5 = 12 remainder 3", "63 / 5 = 12 r 3", "7 + 8 = 5 carry 1", "multiplying by 1/3 gives b = 4", "the nearest whole number to 10 / 4 = 3",
        "18 cookies / box = 2 boxes", "5-day week = 5", "$18/bag * 2 bags = $36", "6 dozen eggs * 12 = 72 eggs", "We need 10 / 4 = 2.5 so 3 trips", "5 * 3 = 15 thousand, or 15,000", "100 km = 100,000 m", "1.5 * 60 = 90 minutes = 1 hour and 30 minutes", "26.666666666666668 * 3 = 80",
    ):  # fmt: skip
        assert check(text, None).ok, (text, check(text, None))
    for text in (
        "63 / 5 = 12 remainder 4",
        "7 + 8 = 6 carry 1",
        "17/3 = 5 and 1/3",
        "1.5 * 60 = 90 minutes = 1 hour and 40 minutes",
        "20 apples + 5 apples = 26 apples in the basket",
        "She has 4 + 4 = 9 left",
        "He pays 3 * $5 = $16 in all",
        "26.666666666666668 * 3 = 81",
        "1/0 = 5",
        "5 = 1/0 + 0",
    ):
        assert not check(text, None).ok, (text, check(text, None))


def test_letters_with_an_index_are_letters_of_their_own() -> None:
    assert not wrong(
        ["$x_1 + x_2 - x_1 - x_2 + 3 = 3$", "$a_{12} - a_{12} + 1 = 1$"],
        ["$x_1 - x_1 + 3 = 4$"],
        ["$x_1 - x_2 + 3 = 3$", "$a_{12} - a_1 + 1 = 1$", "$x' - x + 2 = 2$", "$AB - CD + 2 = 2$"],
    )


def test_rounding_that_is_announced_has_its_limits() -> None:
    for text in (
        "It is about 17 * 3 = 50",
        "It is about 170 * 3 = 500",
        "It is roughly 7 / 2 = 4",
        "It is about 7 / 2 = 3",
        "Rounded, 2 / 3 = 0.7",
        "10 / 3 = 3.3",
        "10 / 3 = 3.34 or about",
        "2 / 3 = 0.666",
    ):
        assert check(text, None).ok, text
    for text in (
        "It is about 17 * 3 = 52",
        "It is about 17 * 3 = 40",
        "It is about 170 * 3 = 600",
        "It is roughly 7 / 2 = 5",
        "Rounded, 2 / 3 = 0.8",
        "10 / 3 = 3.5",
        "17 * 3 = 50",
        "7 / 2 = 4",
        "-10 / 3 = 3.33",
    ):
        assert not check(text, None).ok, text
    assert not check("Suppose that it rains. $3x = 12$. One sees that $x = 5$.", None).ok


def test_dollars_around_every_operator() -> None:
    for sign, right in (("*", 12), ("×", 12), ("/", 3), ("÷", 3), ("+", 8), ("-", 4)):
        assert check(f"He pays $6 {sign} $2 = ${right} then.", None).ok, sign
        assert not check(f"He pays $6 {sign} $2 = ${right + 1} then.", None).ok, sign
    assert (
        check("1/4 * 1 = 0.25. So in percent it is ", "25").ok and check("1 * 25 = 25. So it is ", "0.25").ok
    )
    assert not check("1/4 * 1 = 0.25. So in percent it is ", "26").ok


def test_chains_of_bounds() -> None:
    for given, right, other in (
        ("$1 < x < 3 \\Rightarrow ", "2 < 2x < 6$", "2 < 2x < 7$"),
        ("$1 < x < 3 \\Rightarrow ", "2 < 2x < 6$", "1 < 2x < 6$"),
        ("$-1 \\le x \\le 4 \\implies ", "0 \\le x + 1 \\le 5$", "0 \\le x + 1 \\le 6$"),
    ):
        assert check(given + right, None).ok, given + right
        assert not check(given + other, None).ok, given + other
    for text in (
        "$x > 3$ or $x < 1$.",
        "$x > 3$. Since $x$ is whole, $x > 4$.",
        "$x > 3$. Case 2: dividing, $x > 4$.",
        "$x > 3$ and solving for $y$, $y > 5$.",
        "Is $x > 3$? Dividing both sides, $x > 4$.",
    ):
        assert check(text, None).ok, text


def test_dollars_are_money_or_borders() -> None:
    assert not wrong(
        [
            "It costs $5 and $5 + $3 = $8.",
            "We pay $3 and then $4, so $3 + $4 = $7",
            r"Let $x$ be it; $x + 2 - x = 2$.",
            r"He has \$5 + \$3 = \$8.",
        ],
        [
            "It costs $5 and $5 + $3 = $9.",
            "We pay $3 and then $4, so $3 + $4 = $8",
            r"Let $x$ be it; $x + 2 - x = 3$.",
        ],
    )


def test_conclusions_of_other_forms() -> None:
    for trace, answer, ok in (
        ("3 + 4 = 7.\nThus, the number of birds is ", "7", True), ("3 + 4 = 7.\nThus, the number of birds is ", "6", False), ("The final answer is 12. \\boxed{", "12", True), ("The final answer is 13. \\boxed{", "12", False), ("So the result is 12.\n\\boxed{", "12", True), ("So the result is 13.\n\\boxed{", "12", False), ("Answer: 13. \\boxed{", "12", False), ("The answer is 12 more than that. \\boxed{", "20", True),
        ("2 * 50 = 100. The answer is 100%. \\boxed{", "100\\%", True), ("The answer will be 5 + 7 = 12. \\boxed{", "12", True), ("The answer will be 5 + 7 = 12. \\boxed{", "13", False), ("7 - 9 = -2. The difference is ", "2", True), ("The answer is 13. Wait, the answer is 12. \\boxed{", "12", True), ("10 / 4 = 2.5. Rounded, it is ", "3", True), ("1 / 3 = 0.333. So it is ", "1/3", True), ("4 * 4 = 16. So its root is ", "4", True), ("x = 3. So x is ", "5", False), ("x = 3. So y is ", "5", True), ("$\\sin A = 0.5$ and 3 + 4 = 7. So it is ", "30^\\circ", True),
        ("3 + 4 = 7. There are 7 of them and 2 + 1 = 3 more. So it is ", "10", True), ("3 + 4 = 7 and 7 + 1 = 8. So it is ", "8", True), ("3 + 4 = 7 and 7 + 1 = 8. So it is ", "9", False),
        ("2 + 2 = 4. So its reciprocal is ", "1/4", True), ("2 + 2 = 4. So its reciprocal is ", "1/5", False), ("2 + 2 = 4. So its square is ", "16", True), ("2 + 2 = 4. So its square is ", "15", False), ("0.1 + 0.2 = 0.3. So the rest is ", "0.7", True), ("0.1 + 0.2 = 0.3. So the rest is ", "0.6", False),
        ("3 + 4 = 7. So it is ", "-7", False), ("3 - 10 = -7. So it drops by ", "7", True), ("2 + 3 = 5. So the fraction is ", "2/3", True), ("2 + 3 = 5. So the fraction is ", "2/7", False), ("2 + 3 = 5. So the length is ", "\\sqrt{7}", True), ("1 / 8 = 0.125. So it is ", "12.5\\%", True), ("1 / 8 = 0.125. So it is ", "13.5\\%", False),
        ("2 + 3 = 5. We are " + "done and " * 50 + "so it is ", "9", True), ("2 + 3 = 5. So it is 5 * 2, ", "10", True), ("2 + 3 = 5. The remainder is ", "9", True),
    ):  # fmt: skip
        assert check(trace, answer).ok is ok, (trace, answer, check(trace, answer))
