"""What environments say in each case: a table of feedback, the numbers that count, the ends of options."""

from __future__ import annotations

from typing import Any

import pytest

from rlvr.environments.feedback import Feedback
from rlvr.environments.python import PythonTool, called
from rlvr.environments.restate import Restate
from rlvr.environments.schedule import Schedule
from rlvr.environments.worker import message
from rlvr.rollouts.types import Episode, Turn
from verifiers import Problem, Verdict

STATUSES = {
    "incorrect": "Your answer is not correct",
    "unsound": "Your answer is correct, but the reasoning is not",
    "no_trace": "Your answer is correct, but the reasoning is missing",
    "no_answer": "Your response has no answer",
    "timeout": "Your program takes too long",
    "memory": "Your program takes too much memory",
    "output": "Your program writes too much",
    "crash": "Your program fails",
    "answer_error": "Your answer is not correct",  # and whatever else there may be
}


def episode(*words: str, problem: Problem, verdict: Verdict | None = None) -> Episode:
    turns = [Turn("evidence" if n % 2 else "policy", [], text) for n, text in enumerate(words)]
    turns[-1] = Turn(turns[-1].by, [], turns[-1].text, verdict=verdict)
    return Episode(problem, 0, 0, [], turns, complete=True)


ASKED = Problem("p", "What is {x}?", "4", {"facts": ["a"], "who": {"name": "Ann"}})


@pytest.mark.parametrize("status", STATUSES)
def test_feedback_says_every_status_in_words_with_the_detail_or_without(status):
    said = STATUSES[status]
    for detail, more in (("", "."), (" it took 3 s. ", ": it took 3 s."), ("...", ".")):
        wrong = episode("4", problem=ASKED, verdict=Verdict(0.0, status, "4", detail))
        assert Feedback().answer(wrong) == f"{said}{more} Please try again."
        assert Feedback(show="verdict").answer(wrong) == f"{said}. Please try again."


def test_feedback_fills_in_what_was_read_and_asked_as_it_is():
    told = Feedback(message="{answer}|{prompt}|{verdict}")
    wrong = Verdict(0.0, "incorrect", None)
    assert (
        told.answer(episode("x", problem=ASKED, verdict=wrong))
        == "none|What is {x}?|Your answer is not correct."
    )


def test_two_attempts_are_the_least_and_what_there_are_unless_more_are_asked_for():
    wrong = Verdict(0.0, "incorrect", "4")
    talk = episode("a", "no", "b", problem=ASKED, verdict=wrong)
    assert Feedback().answer(talk) is None
    assert Feedback(turns=3).answer(talk) is not None
    for options, said in (({"turns": 1}, "turns is 1"), ({"show": "all"}, "expected verdict or detail")):
        with pytest.raises(ValueError, match=said):
            Feedback(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prompt", "said", "missing"),
    [
        ("Mix 7 and 7 and 1,000.", "", "7, 1,000"),
        ("Mix 7 and 1,000.", "1000 of 7", None),
        ("The 3rd of x2 and v1.5", "", None),  # none of these is a number of its own
        ("2.50 and 2.5", "2.5", None),
        ("10 and 100", "100 and 1000", "10"),
        ("-4 of 0.5", "4, .5", "0.5"),
    ],
)
def test_what_counts_as_a_number_of_the_task(prompt, said, missing):
    found = Restate(ask="Go.").answer(episode(said, problem=Problem("p", prompt, "1")))
    assert found == (f"You left out {missing}. The task is: {prompt}\nGo." if missing else "Go.")


def test_pieces_read_columns_and_paths_and_are_joined_as_asked():
    talk = episode("?", problem=ASKED)
    assert Schedule(pieces=["{who.name}: {prompt}", "b"]).answer(talk) == "Ann: What is {x}?"
    again = Schedule(pieces=["a", "b"], recapitulate=True, joined=" / ")
    assert again.answer(talk) == "a"
    assert again.answer(episode("?", "a", "?", problem=ASKED)) == "What is {x}? / a / b"
    assert again.opening(ASKED) == "What is {x}?"
    assert Schedule(column="facts").answer(episode("?", "a", "?", problem=ASKED)) is None
    with pytest.raises(TypeError, match=r"who of problem p is .*; expected a list of texts"):
        Schedule(column="who").answer(talk)


def test_the_least_calls_and_characters_of_the_tool_and_the_time_that_its_worker_has():
    made = PythonTool(calls=1, characters=20, seconds=2.5)
    try:
        assert made.deadline == 32.5
        program = "```python\n1\n```"
        assert made.answer(episode(program, "1", program, problem=ASKED)) is None  # one call, which was made
    finally:
        made.close()
    wrong: tuple[dict[str, Any], ...] = ({"calls": 0}, {"characters": 19})
    for options in wrong:
        with pytest.raises(ValueError, match="expected at least 1 and 20"):
            PythonTool(**options)


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("```python\nprint(1)\n```", "print(1)"),
        ("```py \n1\n\n2\n```  \n", "1\n\n2"),
        ("```python\n1\n```\n```output\n", "1"),
        ("```python\n1\n``` so 1", None),
        ("```\n1\n```", None),
        ("```pythonx\n1\n```", None),
    ],
)
def test_which_ends_of_a_turn_are_a_call(text, program):
    assert called(text) == program


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Go.", {"role": "user", "content": "Go."}),
        ({"role": "tool", "content": "4"}, {"role": "tool", "content": "4"}),
        (None, None),
    ],
)
def test_a_text_is_what_the_user_says(reply, expected):
    assert message(reply) == expected


@pytest.mark.parametrize("reply", [42, {"role": "tool"}, ["a"]])
def test_anything_else_is_refused(reply: Any):
    with pytest.raises(TypeError, match="expected a text, a message"):
        message(reply)
