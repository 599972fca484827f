"""Every form in which an answer is given, times golds: the right answer is accepted, one with another digit refused.

Nothing in an unfinished thought, in any format, is an answer.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers import Problem, score
from verifiers.extract import MARKS, cut, with_further

GIVEN = [
    "\\boxed{%s}", "$\\fbox{%s}$", "\\[\\framebox{%s}\\]", "$\\boxed %s$", "\\boxed{3}, no: \\boxed{%s}",
    "The answer is %s.", "The final answer is $%s$.", "**Answer:** %s", "**Final Answer**\n\n$$%s$$", "Answer: **%s**",
    "### Answer\n%s", "So the answer would be \\(%s\\).", "The answer comes out to %s.",
    "The answer must be %s, i.e. that.",
    "The answer is %s. So the answer is correct.", "The answer is $%s$; the other root is rejected.",
    "The answer is %s (since nothing else fits).", "The answer is **%s**, not 2.", "The answer is %s, as required.",
    "The answer is %s in total.", "Answer: %s\n\nThis answer is reasonable.", "#### %s", "#### 1. Solve\nx\n\n#### %s",
    "$%s$ is the answer.", "So it is **%s**.", "答案：%s", "因此，最终答案为 $%s$。", "【答案】%s",
    "<answer>%s</answer>", "<answer>%s", "<Answer>\n$%s$\n</Answer>", "<final_answer>%s</final_answer>",
    "<answer>The answer is %s.</answer>", "<|begin_of_solution|>It is \\boxed{%s}.<|end_of_solution|>",
    "[ANSWER]%s[/ANSWER]", "Final answer:\n```\n%s\n```", "```\n%s\n```", "%s", "%s<|im_end|>",
]  # fmt: skip
GOLDS = ["12", "-7", "3.25", "\\frac{4}{9}", "\\sqrt{11}", "2x+5", "(4, 9)", "x^2-8", "19\\pi"]


def changed(gold: str, at: int) -> str:
    """`gold` with one of its digits replaced by another one."""
    digits = [i for i, char in enumerate(gold) if char.isdigit()]
    i = digits[at % len(digits)]
    return gold[:i] + str((int(gold[i]) + 1 + at % 8) % 9 + 1) + gold[i + 1 :]


def judged(gold: str, response: str, **options: object) -> float | None:
    return score("math", Problem("form", "", gold), response, **options).score


@pytest.mark.parametrize("form", GIVEN)
def test_the_right_answer_counts_in_every_form_and_another_digit_does_not(form: str) -> None:
    for gold in GOLDS:
        if "boxed %s" in form and " " in gold:
            continue  # without braces a box ends at a blank
        assert judged(gold, "We work it out.\n\n" + form.replace("%s", gold)) == 1.0, gold
        for at in range(4):
            other = changed(gold, at)
            if other != gold:
                assert judged(gold, "We work it out.\n\n" + form.replace("%s", other)) == 0.0, (gold, other)


HEDGES = [
    "%s or 2", "2 or %s", "%s, or 2", "either %s or 2", "%s and 2", "%s; otherwise 2", "%s (or 2)", "%s, 2", "%s; 2",
    "%s if x > 0", "%s, but 2 also works", "%s, possibly 2", "%s - or 2", "%s unless x < 0", "not %s", "%s times 2",
    "%s, although it might be 2", "%s; alternatively, 2", "no longer %s", "greater than %s",
]  # fmt: skip


@pytest.mark.parametrize("hedge", HEDGES)
def test_words_that_change_an_answer_are_never_cut_off(hedge: str) -> None:
    for lead in ("The answer is ", "Answer: ", "<answer>", "答案："):
        assert judged("12", lead + hedge.replace("%s", "12")) == 0.0, lead


@pytest.mark.parametrize("opening, closing", MARKS)
def test_what_follows_a_thought_counts_and_nothing_in_it(opening: str, closing: str) -> None:
    code = "```python\nx = 1\n```"
    thought = ""
    for said in (form.replace("%s", "17") for form in GIVEN):
        thought = f"{opening}\nPerhaps {said}\n{code}\nHmm, wait"
        assert all(cut(thought, how).answer is None for how in ("boxed", "choice", "line", "code")), said
        assert judged("17", f"{thought}{closing}\nThe answer is \\boxed{{16}}.") == 0.0
        assert judged("16", f"{thought}{closing}\nThe answer is \\boxed{{16}}.") == 1.0
    assert cut(f"{thought}{closing}\n```python\nx = 2\n```", "code").answer == "x = 2\n"
    assert cut(f"{thought}{closing}\n16", "line").answer == "16"


@pytest.mark.parametrize("opening, closing", MARKS)
def test_a_prompt_may_have_opened_the_thought(opening: str, closing: str) -> None:
    for prompt, opened in (("2+2", opening), (f"2+2<assistant>{opening}\n", "")):
        problem = Problem("form", prompt, "4", opened=opened)
        assert score("math", problem, "It is \\boxed{4}. Wait").status == "no_answer"
        assert score("math", problem, f"Is it \\boxed{{5}}?{closing} It is \\boxed{{4}}.").score == 1.0
    assert score("math", Problem("form", f"{opening}2+2{closing}", "4"), "It is \\boxed{4}.").score == 1.0


@pytest.mark.parametrize("opening, closing", MARKS)
def test_letter_case_matters_in_the_first_character_of_a_mark_alone(opening: str, closing: str) -> None:
    opening, closing = (mark[0] + mark[1:].swapcase() for mark in (opening, closing))
    assert cut(f"{opening} \\boxed{{17}}").answer is None
    assert cut(f"{opening} \\boxed{{17}} {closing} \\boxed{{16}} {opening} 15 {closing} 14").answer == "14"


@pytest.mark.parametrize("opening, closing", [("§", "¶"), ("§", "§§"), ("§plan", "¶"), ("[", "]>")])
def test_a_further_mark_may_be_one_character(opening: str, closing: str) -> None:
    marks = with_further([(opening, closing)])
    assert cut(f"{opening} \\boxed{{17}}", marks=marks).answer is None
    assert cut(f"{opening} \\boxed{{17}} {closing} \\boxed{{16}}", marks=marks).answer == "16"
    assert cut(f"{opening}<think>{closing} \\boxed{{16}}", marks=marks).answer == "16"


pieces = st.lists(
    st.sampled_from(
        [form.replace("%s", "5") + " " for form in GIVEN] + ["\n", "wait, ", "that is wrong. ", "5 "]
    ),
    max_size=8,
).map("".join)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(pieces, st.sampled_from(["6", "", "\\frac{6}{", "{6}"]))
def test_a_withdrawn_box_never_counts(before: str, begun: str) -> None:
    """Whatever was said before, the last box decides, and one that is cut off is no answer."""
    found = cut(before + "\\boxed{5}. That forgets one case, so \\boxed{" + begun)
    assert found.answer is None
    assert found.note
    assert cut(before + "\n\\boxed{5}. That forgets one case, so \\boxed{6}").answer == "6"


QUESTIONS = [
    "So the answer is %s?", "Is the answer %s?", "So is the final answer %s? Let me check.", "**Answer:** %s?",
    "The answer is $%s$? No.", "The answer is **%s**? Hmm.", "Answer: %s?", "#### %s?", "答案：%s？",
    "最终答案为 $%s$？",
]  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_no_answer_and_takes_none_away(question: str) -> None:
    for gold in GOLDS:
        asked = question.replace("%s", gold)
        assert judged(gold, f"We work it out.\n\n{asked}") == 0.0, gold
        for lead in ("The answer is 999.", "So \\boxed{999}."):
            assert judged("999", f"{lead}\n{asked}") == 1.0, (lead, gold)
            assert judged(gold, f"{lead}\n{asked}") == 0.0, (lead, gold)


LETTERS = [
    "The answer is %s.", "The correct option is (%s).", "Option %s is correct.", "Hence **%s** is the correct answer.",
    "I would choose (%s), because it grows fastest.", "The answer is %s, it could never be B.", "Final answer - %s",
    "**Answer:** %s - the second law", "The answer must be %s: none of the above.", "A is wrong. So the answer is %s.",
    "故选：%s", "答案选%s", "\\boxed{%s}", "\\boxed{\\text{(%s)}}", "<answer>%s</answer>",
    "\\boxed{x < 3}\n\n**Answer: %s**",
    "My choice is %s.", "So we select option %s.", "The answer is %s (B is too small).", "%s", "(%s)",
]  # fmt: skip


@pytest.mark.parametrize("form", LETTERS)
@pytest.mark.parametrize("verifier", ["math", "choice"])
def test_a_letter_is_found_in_every_form_and_no_rejected_one(form: str, verifier: str) -> None:
    for said in "CD":
        for gold in "ABCD":
            verdict = score(verifier, Problem("form", "", gold), "We compare.\n\n" + form.replace("%s", said))
            assert verdict.score == float(said == gold), (gold, said, verdict)


# --- last lines, boxes in boxes, several boxes ----------------------------------------------------------------

LONG = [
    "there",
    "apples",
    "together",
    "seven",
    "boxes",
    "over",
    "shelf",
    "counted",
    "makes",
    "before",
    "that",
]
SHORT = ["we", "see", "a", "of", "the", "now", "km", "in"]
PROPERTY = settings(deadline=None, max_examples=120, derandomize=True)


@PROPERTY
@given(
    st.lists(st.sampled_from(LONG), min_size=2, max_size=6),
    st.lists(st.sampled_from(SHORT), max_size=3),
    st.integers(0, 999),
    st.randoms(use_true_random=False),
)
def test_a_last_line_with_two_words_of_a_sentence_is_no_answer(
    long: list[str], short: list[str], number: int, random: object
) -> None:
    words = [*long, *short, str(number)]
    random.shuffle(words)  # type: ignore[attr-defined]
    for line in (
        " ".join(words),
        " ".join(words).capitalize() + ".",
        f"- {' '.join(words)}",
        f"$x$ {' '.join(words)}",
    ):
        found = cut(f"We work it out.\n\n{line}")
        assert found.answer is None and found.note, line


@PROPERTY
@given(
    st.sampled_from(
        ["42", "$42$", "\\frac{4}{7}", "x = 5", "3, 5", "(2, 3)", "-7.5", "2\\sqrt{3}", "$x^2+1$", "12 km"]
    ),
    st.sampled_from(["", " apples", " in all", " of a km", " boxes"]),
    st.sampled_from(["{}", "**{}**", "{}\n\n", "*{}*"]),
)
def test_a_last_line_that_is_only_an_answer_is_one(answer: str, unit: str, form: str) -> None:
    line = form.format(answer + unit)
    assert (cut(f"We work it out.\n\n{line}").answer or "").strip("$") == (answer + unit).strip("$")
    for ending in ("?", ":"):
        assert cut(f"We work it out.\n\n{answer}{unit}{ending}").answer is None


INSIDE = [
    "6",
    "\\frac{1}{2}",
    "\\{1, 2\\}",
    "x_{1}=3",
    "\\text{(A)}",
    "\\sqrt{a_{n}}",
    "\\left\\{x\\right\\}",
    "a \\} b",
]
COMMANDS = ["\\boxed{", "\\fbox{", "\\framebox{", "\\boxed {"]


@PROPERTY
@given(
    st.sampled_from(INSIDE),
    st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=4),
    st.sampled_from(["", "So \\boxed{3}, or not: ", "\\boxed{\\boxed{1}} is wrong. "]),
    st.sampled_from(["", ".", "$ is it.", " and so on"]),
)
def test_of_boxes_in_boxes_the_outermost_of_the_last_counts(
    inside: str, commands: list[str], before: str, after: str
) -> None:
    whole = "".join(commands) + inside + "}" * len(commands)
    found = cut(f"{before}{whole}{after}")
    assert found.answer == whole[len(commands[0]) : -1].strip()
    assert found.trace == before.rstrip()
    assert cut(f"{before}{whole[:-1]}{after}").answer is None  # it is never closed


@PROPERTY
@given(st.lists(st.integers(0, 99), min_size=2, max_size=4, unique=True), st.sampled_from(INSIDE[:2]))
def test_boxes_side_by_side_are_one_answer_and_boxes_of_two_sentences_are_not(
    items: list[int], last: str
) -> None:
    boxed = [f"\\boxed{{{item}}}" for item in items]
    for joint in (", ", " and ", "$, $", " or ", ",\\quad "):
        found = cut(f"The solutions are ${joint.join(boxed)}$.")
        assert found.answer == ", ".join(map(str, items)), joint
    for joint in (". Then we get ", " = 3, so ", "\n\nNext, we find "):
        assert cut(joint.join([*boxed, f"\\boxed{{{last}}}"])).answer == last


@PROPERTY
@given(
    st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=3), min_size=2, max_size=4),
    st.sampled_from(["({})", "**({})**", "Part ({})", "### ({})"]),
    st.sampled_from([" No, that forgets one: ", ". Let me check.\n\nIt is ", "; more exactly "]),
)
def test_the_last_box_of_each_part_is_its_answer(parts: list[list[int]], label: str, between: str) -> None:
    said = [between.join(f"\\boxed{{{value}}}" for value in values) for values in parts]
    text = "\n\n".join(f"{label.format(letter)} {one}." for letter, one in zip("abcd", said, strict=False))
    lasts = [str(values[-1]) for values in parts]
    assert cut(text).answer == (", ".join(lasts) if len(set(lasts)) > 1 else lasts[0])
