"""References as data sets store them: lists, words beside the number, and texts that no answer can equal."""

from __future__ import annotations

import json

import pytest

from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.preflight.golds import check_references
from verifiers import Problem, score
from verifiers.math import MathVerifier, Unreadable, reference_answer
from verifiers.self_test import self_test

UNANSWERABLE = [
    "proof", "notfound", "Not found", "see solution", "", "  ", "\\boxed{}", [], [""], "N/A",
    "The series converges for x < 1, and otherwise it does not.", "The function has a maximum at that point",
    "There are infinitely many such primes",
    "Multiply both sides by two and take the square root of the result",
]  # fmt: skip
ANSWERABLE = {
    "twelve": "12", "9 (apples)": "9", "12 (miles per hour)": "12", "The answer is 5": "5", "Evelyn": "Evelyn",
    "\\text{ellipse}": "ellipse", "no solution": "\\emptyset", "does not exist": "DNE", "10 ft": "10",
    "infinitely many": "infinitely many", "no": "no", "The series is convergent.": "converges",
    "It diverges": "divergent",
}  # fmt: skip


def verdict(gold: object, answer: str) -> tuple[float | None, str]:
    found = score("math", Problem("p", "", gold), f"\\boxed{{{answer}}}")
    return found.score, found.status


@pytest.mark.parametrize("gold", UNANSWERABLE)
@pytest.mark.parametrize("answer", ["5", "convergent", "proof"])
def test_a_reference_that_no_answer_can_equal_gives_no_verdict(gold: object, answer: str) -> None:
    assert verdict(gold, answer) == (None, "unverifiable")


@pytest.mark.parametrize("gold", ANSWERABLE)
def test_words_that_are_an_answer_are_compared(gold: str) -> None:
    assert verdict(gold, ANSWERABLE[gold]) == (1.0, "correct")
    assert verdict(gold, "77") == (0.0, "incorrect")


def test_all_answers_of_a_list_are_asked_for() -> None:
    for gold in (["2"], '["2"]', ["$2$"], ("2",), [2]):
        assert verdict(gold, "2") == (1.0, "correct")
        assert verdict(gold, "3") == (0.0, "incorrect")
    for gold in (["2", "-3"], '["$2$", "$-3$"]', ["2.", "-3."]):
        assert verdict(gold, "-3, 2")[0] == 1.0
        assert [verdict(gold, part)[0] for part in ("2", "-3", "2, 3", "2, -3, 4")] == [0.0] * 4
    points = ["(1,2)", "(3,4)"]
    assert verdict(points, "(3,4), (1,2)")[0] == 1.0 and verdict(points, "(2,1), (3,4)")[0] == 0.0
    assert reference_answer("[1, 2]") == "[1, 2]"  # an interval, and no list of a data set
    for gold in ([True], [{"a": 1}], [None], {"a": 1}, None):
        with pytest.raises(Unreadable):
            reference_answer(gold)


def test_a_self_test_names_references_that_get_no_verdict_and_those_compared_as_text() -> None:
    golds = [
        "1",
        "proof",
        "The series converges for x < 1, and otherwise it does not.",
        "Evelyn",
        "2",
        ["3", "4"],
    ]
    problems = [Problem(f"p{i}", "", gold) for i, gold in enumerate(golds)]
    result = self_test(problems, MathVerifier())
    assert [id_ for id_, _ in result.unverifiable] == ["p1", "p2"] and not result.ok
    assert result.share_unverifiable == pytest.approx(2 / 6)
    assert (result.own_accepted, result.own_refused, result.untestable) == (4, [], [])
    assert result.as_text == [("p3", "Evelyn")]
    assert "2 of 6 references (33.3%) no answer can equal" in str(result) and "p1: the reference" in str(
        result
    )
    assert "1 of 6 references (16.7%) are words" in str(result)


@pytest.mark.slow
def test_a_check_refuses_data_with_too_many_references_that_no_answer_can_equal(tmp_path, capsys) -> None:
    golds = [
        *map(str, range(17)),
        "proof",
        "The series converges for x < 1, and otherwise it does not.",
        "notfound",
    ]
    sources = []
    for name, part in (("train", golds[::2]), ("heldout", golds[1::2])):
        rows = [{"question": f"{name} {i}: {gold}?", "answer": gold} for i, gold in enumerate(part)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        source = f"{{file: {tmp_path / name}.jsonl, prompt: question, reference: answer}}"
        sources.append(f"problems.{name}={source}")
    words = ["problems.probes={}", "verifier=math", "verifier_options={}", *sources]
    assert main(["check", "quickstart", "--output", str(tmp_path / "run"), *words]) == 2
    said = capsys.readouterr()
    assert "3 of 20 references (15.0%) no answer can equal" in said.out
    assert "3 references (15%) can be equalled by no answer" in said.err
    assert "verification.max_unverifiable allows 10%" in said.err


def test_the_share_of_such_references_that_is_allowed_can_be_set() -> None:
    problems = [Problem(f"p{i}", "", gold) for i, gold in enumerate(["1", "2", "3", "proof"])]
    tested = self_test(problems, MathVerifier())
    check_references(tested, 0.25)
    with pytest.raises(UserError, match=r"first that of p3.*allows 20%"):
        check_references(tested, 0.2)
