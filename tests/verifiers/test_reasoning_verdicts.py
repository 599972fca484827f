"""The two verifiers that read reasoning, and what they reach on the exams."""

import json
from collections import Counter
from pathlib import Path

import pytest

from verifiers import Problem, score
from verifiers.reasoning import MathReasoningVerifier, ReasoningVerifier, check

PROBLEM = Problem("p", "What is 16/2 - 2?", "6")
SOUND = r"Half is 16/2 = 8, and 8 - 2 = 6. The answer is \boxed{6}."
UNSOUND = r"Half is 16/2 = 11, and 8 - 2 = 6. The answer is \boxed{6}."
WRONG = r"Half is 16/2 = 8, and 8 + 2 = 10. The answer is \boxed{10}."


@pytest.mark.parametrize(
    ("response", "status", "total", "answer_score", "sound"),
    [
        (SOUND, "correct", 1.0, 1.0, 1.0),
        (UNSOUND, "unsound", 0.0, 1.0, 0.0),
        (WRONG, "incorrect", 0.0, 0.0, 1.0),
        (WRONG.replace("= 8", "= 9"), "incorrect", 0.0, 0.0, 0.0),
        (r"The answer is \boxed{6}.", "no_trace", 0.0, 1.0, None),
        (r"\boxed{6}", "no_trace", 0.0, 1.0, None),
        (r"\[ \boxed{7} \]", "incorrect", 0.0, 0.0, None),
    ],
)
def test_math_and_reasoning(
    response: str, status: str, total: float, answer_score: float, sound: float | None
) -> None:
    verdict = score("math+reasoning", PROBLEM, response)
    assert (verdict.status, verdict.score) == (status, total)
    assert (verdict.answer_score, verdict.sound) == (answer_score, sound)


def test_an_empty_trace_scores_what_the_option_says() -> None:
    for name in ("reasoning", "math+reasoning"):
        for option, expected in (("accept", 1.0), ("refuse", 0.0)):
            verdict = score(name, PROBLEM, r"\boxed{6}", empty_trace=option)
            assert (verdict.status, verdict.score) == ("no_trace", expected)


def test_the_detail_quotes_the_first_failure_and_counts() -> None:
    detail = score("reasoning", PROBLEM, UNSOUND).detail
    assert detail == "“Half is 16/2 = 11” does not hold (left side: 8); 2 steps read, 0 unread (0%)"


def test_of_several_false_steps_the_first_is_quoted_whoever_found_it() -> None:
    """Results in words are looked for after relations, wherever they are."""
    in_words, relation = "The sum of 3 and 4 is 8.", "Then 5 + 5 = 11."
    for first, second in ((in_words, relation), (relation, in_words)):
        detail = score("reasoning", PROBLEM, f"{first} {second} \\boxed{{6}}").detail or ""
        assert first.removesuffix(".") in detail and second.removesuffix(".") not in detail


def test_a_function_with_two_definitions_judges_no_step() -> None:
    cases = r"$f(x) = x + 1$, so $f(2) = 3$. In the second case $f(x) = 2x$, so $f(2) = 4$. \boxed{6}"
    assert score("reasoning", PROBLEM, cases).score == 1.0
    one = r"$f(x) = x + 1$, so $f(2) = 4$. \boxed{6}"
    assert score("reasoning", PROBLEM, one).score == 0.0


@pytest.mark.parametrize(("result", "answer", "same"), [
    ("1 / 4 = 0.25", "0.25", True), ("1 / 4 = 0.25", "25", True), ("1 / 4 = 0.25", "25\\%", True),
    ("1 / 4 = 0.25", "1/4", True), ("100 / 4 = 25", "0.25", True), ("100 / 4 = 25", "25\\%", True),
    ("1 / 4 = 0.25", "2.5", False), ("1 / 4 = 0.25", "250", False), ("1 / 4 = 0.25", "0.26", False),
    ("100 / 4 = 25", "2.5", False), ("100 / 4 = 25", "250", False), ("100 / 4 = 25", "26\\%", False),
])  # fmt: skip
def test_the_last_result_is_the_answer_as_it_is_or_in_percent(result: str, answer: str, same: bool) -> None:
    found = check(f"{result}. So the answer is \\boxed{{", answer)
    assert found.ok is same
    assert same or "is the last result, and not the answer given" in str(found.first_failure)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValueError, match="empty_trace is 'maybe'; expected one of accept, refuse"):
        ReasoningVerifier(empty_trace="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="empty_trace is 'maybe'"):
        MathReasoningVerifier(empty_trace="maybe")  # type: ignore[arg-type]


def test_options_of_the_answer_reach_the_math_verifier() -> None:
    asked, said = Problem("p", "What is a half?", "50\\%"), "100/2 = 50\nThe answer is \\boxed{50}."
    assert score("math+reasoning", asked, said).score == 1.0
    assert score("math+reasoning", asked, said, percent="strict").score == 0.0


def tally(file: Path) -> tuple[Counter[bool], Counter[bool]]:
    """Rows and misjudged rows, by label."""
    rows, missed = Counter[bool](), Counter[bool]()
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        verdict = score("math+reasoning", Problem(row["id"], row["problem"], row["gold"]), row["response"])
        label = bool(row["label"])
        rows[label] += 1
        missed[label] += (verdict.score == 1.0) != label
    return rows, missed


@pytest.mark.parametrize(
    ("name", "caught", "false_alarms"), [("dev.jsonl", 1.0, 0.0025), ("latex_dev.jsonl", 0.97, 0.01)]
)
def test_exam(exams: Path, name: str, caught: float, false_alarms: float) -> None:
    rows, missed = tally(exams / "reasoning" / name)
    assert 1 - missed[False] / rows[False] >= caught
    assert missed[True] / rows[True] <= false_alarms


@pytest.mark.parametrize("name", ["gsm8k_train2000.jsonl", "math_prm_train1000.jsonl"])
def test_human_solutions_raise_few_alarms(exams: Path, name: str) -> None:
    from verifiers.extract import cut

    alarms = rows = 0
    for line in (exams / "data" / "train" / name).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found = cut(row["solution"])
        rows += 1
        alarms += not check(found.trace, found.answer, row["prompt"]).ok
    assert alarms / rows <= 0.01
