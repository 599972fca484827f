"""Tasks cut into pieces by rule: nothing is lost, whatever the order, and an episode tells all of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr import rollouts
from rlvr.config import EvidenceConfig, ProblemsConfig, SamplingConfig, SourceConfig, VerificationConfig
from rlvr.environments import BadEnvironment, load
from rlvr.environments.schedule import Schedule
from rlvr.environments.shards import Shards, cut
from rlvr.evidence import Evidence
from rlvr.pipeline import prepare
from rlvr.rollouts.types import Episode, Turn
from rlvr.sampling.engine import TransformersSampler
from rlvr.terminal import Terminal
from tests.conftest import quickstart_config
from verifiers import Problem

PENS = (
    "Ann has 3 pens. She buys 4 more, for $2.50 each! Mr. Lee takes one.\nHow many pens has she? Think first."
)
SUM = "State the final answer to the following arithmetic problem: 12 + 30 - 7 ="
QUESTION = "How many pens has she?"
FACTS = ("Ann has 3 pens.", "She buys 4 more, for $2.50 each!", "Mr. Lee takes one.", "Think first.")


@pytest.mark.parametrize(
    ("text", "by", "question", "facts"),
    [
        (PENS, "sentence", QUESTION, FACTS),
        ("Add 3 to 4. Give the sum.", "sentence", "Give the sum.", ("Add 3 to 4.",)),
        ('"Is it 7?" Ann asks. How old is she?', "sentence", "How old is she?", ('"Is it 7?"', "Ann asks.")),
        ("2 + 2?", "sentence", "2 + 2?", ()),
        ("", "sentence", "", ()),
        (SUM, "term", SUM[:-13].strip(), ("12", "+ 30", "- 7 =")),
        ("37+48=", "term", "", ("37", "+48=")),
        ("-5 - 2.5 = ?", "term", "", ("-5", "- 2.5 = ?")),
        ("Of 3 numbers, 1 + 2, add 4-5+6.", "term", "Of 3 numbers, 1 + 2, add", ("4", "-5", "+6.")),
        ("What is 7?", "term", "What is 7?", ()),
    ],
)
def test_by_hand(text, by, question, facts):
    assert cut(text, by) == Shards(question, facts)


@given(st.text(st.sampled_from('ab 12+-=.!?"\n\t(M)r'), max_size=60), st.sampled_from(["sentence", "term"]))
def test_all_pieces_together_are_the_text(text, by):
    """But for white space at the cuts and the place of the question."""
    found = cut(text, by)
    assert all(piece and piece == piece.strip() for piece in found.facts)

    def letters(*pieces: str) -> str:
        return "".join("".join(pieces).split())

    whole = letters(text)
    asked = letters(found.question)
    assert any(
        letters(*found.facts[:i]) + asked + letters(*found.facts[i:]) == whole
        for i in range(len(found.facts) + 1)
    )
    for question in ("first", "last"):
        for backwards in (False, True):
            assert sorted(found.pieces(question, backwards)) == sorted(
                [*found.facts, *([found.question] if found.question else [])]
            )


@given(st.lists(st.integers(0, 99), min_size=2, max_size=6), st.data())
def test_the_terms_of_a_chain_in_any_order_have_its_sum(numbers, data):
    signs = [data.draw(st.sampled_from(["+", "-"])) for _ in numbers[1:]]
    text = str(numbers[0]) + "".join(f" {s} {n}" for s, n in zip(signs, numbers[1:], strict=True))
    facts = cut(f"Add: {text} =", "term").facts
    assert len(facts) == len(numbers)
    values = [int(re.sub(r"[\s=]", "", fact)) for fact in reversed(facts)]
    assert sum(values) == eval(text)


def told(schedule: Schedule, problem: Problem) -> list[str]:
    """What the policy reads in an episode: the first message, then what is said after each of its turns."""
    episode = Episode(problem, 0, 0, [], [Turn("policy", [], "?")], complete=True)
    said = [schedule.opening(problem)]
    while (more := schedule.answer(episode)) is not None:
        said.append(more)
        episode.turns += [Turn("evidence", [], more), Turn("policy", [], "?")]
    return said


def test_the_arrangements_of_one_task():
    task = Problem("p", PENS, "6")
    assert told(Schedule(shards="sentence"), task) == [QUESTION, *FACTS]
    assert told(Schedule(shards="sentence", question="last"), task) == [*FACTS, QUESTION]
    assert told(Schedule(shards="sentence", backwards=True), task) == [QUESTION, *reversed(FACTS)]
    assert told(Schedule(shards="sentence", at_once=True), task) == ["\n".join([QUESTION, *FACTS])]
    again = told(Schedule(shards="sentence", recapitulate=True), task)
    assert again == [QUESTION, *FACTS[:-1], "\n".join([QUESTION, *FACTS])]
    assert told(Schedule(shards="term", joined="", recapitulate=True), Problem("q", "37+48=", "85")) == [
        "37",
        "37+48=",
    ]
    assert told(Schedule(shards="term"), task) == [PENS]  # has no chain of sums


def test_the_prompt_asks_the_opening_and_examples_are_whole():
    evidence = Evidence(
        EvidenceConfig(examples=[{"prompt": "1 + 1 =", "answer": "2"}]),  # type: ignore[list-item]
        opening=Schedule(shards="term").opening,
    )
    problem = Problem("p", SUM, "35")
    assert evidence.text(problem) == (
        "Q: 1 + 1 =\nA: 2\n\nQ: State the final answer to the following arithmetic problem:\nA:"
    )
    assert evidence.describe()["rendered"] == "Q: 1 + 1 =\nA: 2\n\nQ: {prompt}\nA:"


def test_an_evaluation_asks_the_first_piece_and_tells_the_rest(tiny, tmp_path):
    config = quickstart_config(
        problems=ProblemsConfig(heldout=SourceConfig(world="heldout", limit=2)),
        evidence=EvidenceConfig(question="{prompt}", separator=""),
        sampling=SamplingConfig(samples=4, max_new_tokens=16),
        verification=VerificationConfig(workers=1),
        environment="schedule",
        environment_options={"shards": "term"},
    )
    file = tmp_path / "shards.jsonl"
    with prepare(config, Terminal(quiet=True), trains=False) as (problems, evaluator):
        evaluator.evaluate(TransformersSampler(tiny, config.sampling), problems.heldout, file)
    first, second = cut(problems.heldout[0].prompt, "term").facts
    assert rollouts.read_settings(file)["first_prompt"] == first
    told = [row for row in rollouts.read(file) if row.turns]
    assert {row.problem_id for row in told} <= {problem.id for problem in problems.heldout}
    for row in told:
        assert row.turns
        assert [turn["by"] for turn in row.turns] == ["policy", "evidence", "policy"]
        if row.problem_id == problems.heldout[0].id:
            assert row.turns[1]["text"] == second and row.prompt == first + second
    assert told


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shards": "word"}, "`shards` is 'word'; expected sentence or term"),
        ({"shards": "term", "question": "middle"}, "`question` is 'middle'; expected first or last"),
        ({"shards": "term", "column": "facts"}, "expected one of `pieces`, `column` and `shards`"),
        ({"column": "facts", "at_once": True}, "belong to `shards`"),
        ({"shards": "term", "at_once": True, "recapitulate": True}, "`recapitulate` needs several turns"),
    ],
)
def test_wrong_options_are_refused(options, said):
    with pytest.raises(BadEnvironment, match=re.escape(said)):
        load("schedule", options)
