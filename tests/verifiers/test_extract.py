"""Cutting a response into trace and answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.growth import growth
from verifiers.extract import cut

CASES = [
    ("so \\boxed{5}.", "5"),
    ("\\boxed{3}, no: \\boxed{\\frac{1}{2}} it is", "\\frac{1}{2}"),
    ("\\boxed{5}\n\nActually the answer is \\boxed{6}.", "6"),
    ("the answer is \\boxed{5}. Let me check: \\boxed{6", None),
    ("\\boxed{5", None),
    ("\\boxed{}", None),
    ("the answer is \\boxed{42", None),
    ("\\boxed {7}", "7"),
    ("\\boxed{a \\} b}", "a \\} b"),
    ("\\boxed{\\boxed{6}}", "\\boxed{6}"),
    ("<think>\\boxed{5}", None),
    ("<think>\\boxed{5}</think>", None),
    ("<think>\\boxed{4}</think> so \\boxed{5}", "5"),
    ("\\boxed{4}</think> so 5", "so 5"),
    ("<think>a</think><think>\\boxed{5}", None),
    ("<think>6*7=42</think><answer>48</answer>", "48"),
    ("<answer>so \\boxed{4}</answer>", "4"),
    ("The answer is **3/4**.", "3/4"),
    ("**Answer: 3/4**", "3/4"),
    ("**Answer**: 3/4", "3/4"),
    ("### Solution\n\n**Final Answer:** 1,200", "1,200"),
    ("## Final Answer\n\n**12**", "12"),
    ("Final Answer: The final answer is $1,250$. I hope it is correct.", "1,250"),
    ("Final Answer: The largest $n$ is 34.", "34"),
    ("The answer is 21. No wait. The answer is 12.", "12"),
    ("She sells 9 eggs.\n#### 1,250", "1,250"),
    ("6 + 6 = 12.\nA: 12", "12"),
    ("The answer is 3.5.", "3.5"),
    ("42", "42"),
    ("Some work.\n\n$x = 5$", "$x = 5$"),
    ("", None),
    ("  \n ", None),
]


@pytest.mark.parametrize(("response", "answer"), CASES)
def test_boxed(response: str, answer: str | None) -> None:
    found = cut(response)
    assert found.answer == answer
    assert found.answer is not None or found.note


@pytest.mark.parametrize("before", ["", "We work it out.\n", "<think>12</think>"])
@pytest.mark.parametrize("value", ["null", '""', '" "'])
def test_a_json_response_without_a_value_has_no_answer(before: str, value: str) -> None:
    for form in ('{"answer": %s}', '{"reasoning": "6 + 6", "answer": %s}', '```json\n{"answer": %s}\n```'):
        assert cut(before + form.replace("%s", value)).answer is None
        assert cut(before + form.replace("%s", "12")).answer == "12"


def test_a_sentence_is_no_bare_answer() -> None:
    """A last line that only mentions a number answers nothing."""
    assert cut("I counted.\nThere are 42 apples and seven boxes left over here").answer is None


def test_the_trace_is_what_stands_before() -> None:
    found = cut("<think>2+2</think>\nSo it is \\boxed{4}. Done.")
    assert found.trace == "<think>2+2</think>\nSo it is"
    assert found.answer == "4"


def test_other_formats() -> None:
    assert cut("  a b \n", "text").answer == "a b"
    assert cut("a\nb \n\n", "line").answer == "b"
    assert cut(" ", "text").answer is None
    with pytest.raises(ValueError, match="expected one of"):
        cut("a", "poem")


LONG = [
    "\\boxed{" * 1_500_000,
    "{" * 10_000_000,
    "\\boxed" + "{" * 10_000_000,
    "</think>" * 1_250_000,
    "answer is " * 1_000_000,
    "answer of " * 1_000_000,
    "#### " * 2_000_000,
    " " * 10_000_000,
    "answer is" + " " * 9_999_000 + "?",
    "x = 1 + 2. " * 900_000 + "\\boxed{3}",
    "\\boxed{3}" + " and so on" * 1_000_000,
]


@pytest.mark.serial
@pytest.mark.parametrize("response", LONG, ids=lambda text: text[:12].strip() or "space")
def test_cutting_ten_megabytes_grows_no_faster_than_the_text(response: str) -> None:
    assert growth(cut, response) < 28  # linear: 8, quadratic: 64


def test_a_box_before_ten_megabytes_of_talk_is_found() -> None:
    assert cut("\\boxed{3}" + " and so on" * 1_000_000).answer == "3"


PIECES = ["\\boxed{", "}", "{", "5", "<think>", "</think>", "<answer>", "</answer>", "answer is ", "####",
    "\n", "A:", "$", "**", "\\", " ", "é\u200b", "\ud800"]  # fmt: skip


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.sampled_from(["boxed", "text", "line"])
)
def test_any_text_is_cut(response: str, answer_format: str) -> None:
    found = cut(response, answer_format)
    assert response.startswith(found.trace)
    assert found.answer is None or found.answer == found.answer.strip() != ""


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_nothing_before_the_last_answer_changes_it(before: str) -> None:
    """Whatever is thought, said or boxed before, a finished thought and a last complete box decide."""
    assert (
        cut(before + "\\boxed{ }</think></thinking></reasoning> It is \\boxed{\\frac{7}{8}}.").answer
        == "\\frac{7}{8}"
    )


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is not \\boxed{12}.", None),
        ("It isn't \\boxed{12}", None),
        ("The answer is \\boxed{13}, not \\boxed{12}.", "13"),
        ("The answer is \\boxed{13}. It is not wrong.", "13"),
        ("\\boxed{12} Wait, that is wrong; the answer is 13.", "13"),
        ("$\\boxed{12}$. Wait, that's wrong.", None),
        ("\\boxed{12} This is not right for other values.", "12"),
        ("\\boxed{12}\\text{ thousand}", "12 thousand"),
        ("\\boxed{12} million dollars", "12 million"),
        ("\\boxed{12} apples", "12"),
        ("$\\boxed{12}^2$", "(12)^2"),
        ("$x = -\\boxed{12}$", "-(12)"),
        ("-\\boxed{12}", "-(12)"),
        ("- \\boxed{12}", "12"),
        ("$3+9=\\boxed{12}$!", "12"),
    ],
)
def test_what_stands_around_a_box(response: str, answer: str | None) -> None:
    assert cut(response).answer == answer
