"""The question's own calculation is no answer to it, though it is equal to the reference."""

import pytest

from verifiers import Problem, score

PRODUCT = "Solve the following multiplication: 7 * 3. Give only the result as your final answer."
SUM = "State the final answer to the following arithmetic problem: 20 + 56 - 1,000 ="
BOXES = "Anna has 3 boxes of 4 apples. How many apples has she?"
POWER = "Evaluate $2^{10}$."


@pytest.mark.parametrize(
    ("prompt", "reference", "response"),
    [
        (PRODUCT, "21", " 7 * 3"),
        (PRODUCT, "21", "3 \\times 7"),
        (PRODUCT, "21", "\\boxed{7 \\cdot 3}"),
        (PRODUCT, "21", "(7)(3)"),
        (PRODUCT, "21", " 7 * 3 = A"),
        (PRODUCT, 21, "7 x 3"),
        (PRODUCT, "21", "Answer (in all): 7 * 3"),
        (SUM, "-924", " 20 + 56 - 1,000 ="),
        (SUM, "-924", "56 + 20 - 1000"),
        (POWER, "1024", "\\boxed{2^{10}}"),
        ("What is 20 ÷ 4?", "5", "\\boxed{\\frac{20}{4}}"),
    ],
)
@pytest.mark.parametrize("verifier", ["math", "numeric"])
def test_a_calculation_that_is_not_carried_out_is_not_right(verifier, prompt, reference, response):
    verdict = score(verifier, Problem("p", prompt, reference), response)
    assert (verdict.score, verdict.status) == (0.0, "incorrect")


@pytest.mark.parametrize(
    ("prompt", "reference", "response"),
    [
        (PRODUCT, "21", " 21"),
        (PRODUCT, "21", "7 * 3 = 21"),
        (PRODUCT, "7 * 3", "7 * 3"),  # what is asked for is a product
        (PRODUCT, "21", "\\boxed{20 + 1}"),  # numbers that the question does not have
        (SUM, "-924", "-924"),
        (BOXES, "12", "\\boxed{12 \\text{ apples}}"),
        (BOXES, "12", "\\boxed{3 \\cdot 4}"),  # what to calculate was not said
        ("Write 3/4 as a decimal.", "0.75", "\\boxed{\\frac{3}{4}}"),
        ("How many subsets has a set of 10 elements?", "1024", "\\boxed{2^{10}}"),
        ("What is 1/4 + 1/4?", "1/2", "\\boxed{\\frac{2}{4}}"),
        ("How much is -5 + 0?", "-5", "-5"),
        ("", "21", "\\boxed{7 \\cdot 3}"),  # without a question nothing is known of it
    ],
)
def test_other_answers_are_judged_as_before(prompt, reference, response):
    assert score("math", Problem("p", prompt, reference), response).score == 1.0
