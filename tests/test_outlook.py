"""What is said of a base evaluation before training begins."""

from dataclasses import replace
from itertools import combinations

import pytest

from rlvr import rollouts
from rlvr.outlook import outlook
from rlvr.rollouts import Rollout


def row(problem: str, sample: int, status: str, complete: bool = True) -> Rollout:
    score = {"correct": 1.0, "unverifiable": None}.get(status, 0.0)
    return Rollout(
        problem_id=problem, sample=sample, policy="base", prompt="", trace="", answer=None, complete=complete,
        tokens=5, logprobs={}, score=score, answer_score=score, sound=None, status=status, detail="",
        verifier="math", seed=0,
    )  # fmt: skip


def said(tmp_path, *problems: list[tuple[str, bool]]) -> list[str]:
    file = tmp_path / "base.jsonl"
    rollouts.append(
        file, [row(str(i), s, *drawn) for i, rows in enumerate(problems) for s, drawn in enumerate(rows)]
    )
    return list(outlook(file, group_size=4, max_new_tokens=20))


@pytest.mark.parametrize("right", [(8, 8), (8, 0), (0, 0), (1, 7), (4, 8), (7, 7), (3, 0), (4, 0)])
def test_only_groups_with_right_and_wrong_answers_teach(tmp_path, right):
    """Every group of four that eight samples hold, looked at one after the other; all right teaches as little as all
    wrong."""
    problems = [[("correct", True)] * n + [("incorrect", True)] * (8 - n) for n in right]
    shares = []
    for rows in problems:
        groups = [{status for status, _ in group} for group in combinations(rows, 4)]
        shares.append(sum(len(group) == 2 for group in groups) / len(groups))
    mixed = 100 * sum(shares) / len(shares)
    (first, *more) = said(tmp_path, *problems)
    assert f"; {mixed:.0f} % of groups of 4 have right and wrong answers" in first
    assert f"pass@1 {100 * sum(right) / 16:.1f}" in first
    assert ["train.group_size" in words for words in more] == [True] * (mixed < 10)


@pytest.mark.parametrize(("cut", "advised"), [(2, False), (3, True)])
def test_advice_begins_beyond_its_share(tmp_path, cut, advised):
    """Of twenty samples, two are a tenth, and three are more."""
    rows = [("correct", n >= cut) for n in range(10)] + [("incorrect", True)] * 10
    sentences = said(tmp_path, rows)
    assert f"{5 * cut} % of samples were cut at 20 tokens" in sentences[0]
    assert any("sampling.max_new_tokens" in words for words in sentences[1:]) == advised


@pytest.mark.parametrize(
    ("rows", "advised"),
    [
        ([("correct", True), ("incorrect", False)] * 4, "sampling.max_new_tokens"),
        ([("correct", True), ("no_answer", True)] * 4, "evidence.instruction"),
        ([("correct", True), ("incorrect", True), ("unverifiable", True)] * 4, "rlvr check"),
        ([("incorrect", True)] * 8, "train.group_size"),
    ],
)
def test_advice_names_the_key_to_turn(tmp_path, rows, advised):
    sentences = said(tmp_path, rows)
    assert len(sentences) == 2 and advised in sentences[1]


def test_fewer_samples_than_a_group_say_nothing_of_groups(tmp_path):
    sentences = said(tmp_path, [("correct", True), ("incorrect", True)])
    assert len(sentences) == 1 and "groups" not in sentences[0]


def test_what_is_hopeless_in_one_source_is_said_beside_the_mean(tmp_path):
    half = [("correct", True)] * 4 + [("incorrect", True)] * 4
    never = [("no_answer", True)] * 8
    file = tmp_path / "base.jsonl"
    for source, drawn in (("math", half), ("code", never)):
        rows = [replace(row(source, s, *one), source=source) for s, one in enumerate(drawn)]
        rollouts.append(file, rows)
    sentences = list(outlook(file, group_size=4, max_new_tokens=20))
    assert sentences[1] == "On math: pass@1 50.0; 97 % of groups of 4 teach"
    assert sentences[2] == "On code: pass@1 0.0; 0 % of groups of 4 teach; 100 % of samples have no answer"
