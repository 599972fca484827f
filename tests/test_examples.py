"""Which examples, hints and attempts a prompt shows: nearness by hand, the sizes of pools, every verdict in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlvr import rollouts
from rlvr.config import EvidenceConfig
from rlvr.evidence import Evidence, EvidenceError
from rlvr.evidence.examples import Examples
from rlvr.rollouts import Rollout
from verifiers import Problem


def pool(*prompts: str) -> list[Problem]:
    return [Problem(f"p{n}", prompt, "1") for n, prompt in enumerate(prompts)]


def nearest(asked: str, *prompts: str, shots: int = 1) -> list[str]:
    """Places of the nearest, in the order in which they are shown."""
    return [p.id for p in Examples(pool(*prompts), shots, "nearest").of(Problem("q", asked, ""))]


def test_rare_words_count_more():
    """`the` is in three of four, `rare` in one."""
    assert nearest("the rare", "the x", "rare y", "the z", "the w") == ["p1"]


def test_a_word_counts_as_often_as_it_is_asked():
    assert nearest("a a b", "b z", "a y") == ["p1"]


def test_long_problems_are_not_nearer_for_their_length():
    assert nearest("a", "a a b b b b c c c c", "a") == ["p1"]


def test_the_nearest_stands_last_and_of_equal_ones_the_first_is_the_nearer():
    assert nearest("x y", "x y", "x q", "r s", shots=3) == ["p2", "p1", "p0"]
    assert nearest("nothing of it", "x", "y", "z", shots=2) == ["p1", "p0"]


def test_words_are_compared_without_case_and_punctuation():
    assert nearest("How many PEARS?", "apples, 3", "pears: 4") == ["p1"]


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        ({"shots": 4}, 4),
        ({"shots": 4, "shots_pool": 9}, 4),  # the same for every problem: there is no pool
        ({"shots": 2, "shots_choice": "random", "shots_pool": 6}, 6),
        ({"shots": 5, "shots_choice": "nearest", "shots_pool": 3}, 5),  # one can show no more than there are
    ],
)
def test_something_is_left_to_train_on_besides_the_examples(keys, size):
    config = EvidenceConfig.model_validate(keys)
    train = pool(*map(str, range(size + 1)))
    found = Evidence(config, train)
    assert len(found.examples.pool) == size and len(found.without_shots(train)) == 1
    assert len(found.examples.of(Problem("q", "?", ""))) == keys["shots"]
    with pytest.raises(
        EvidenceError, match=f"= {size} are drawn from the training problems, .* only {size};"
    ):
        Evidence(config, train[:size])


def test_examples_in_full_are_all_shown_in_their_order():
    config = EvidenceConfig.model_validate(
        {"examples": [{"prompt": "a", "answer": "1"}, {"prompt": "b", "answer": "2"}]}
    )
    evidence = Evidence(config)
    assert evidence.text(Problem("q", "c", "3")) == "Q: a\nA: 1\n\nQ: b\nA: 2\n\nQ: c\nA:"
    assert [shot.id for shot in evidence.examples.pool] == ["example-0", "example-1"]


def rows(file: Path, *scores: float | None) -> None:
    rollouts.append(
        file,
        [
            Rollout("q", n, "base", "?", f" try {n} ", None, True, 1, score=score)
            for n, score in enumerate(scores)
        ],
    )


def shown(folder: Path, **keys: Any) -> list[str]:
    config = EvidenceConfig.model_validate({"attempts": {"file": "base.jsonl"} | keys})
    attempts = Evidence(config, base=folder).attempts
    assert attempts
    return attempts.said(Problem("q", "?", "1"))


def test_attempts_say_right_wrong_or_in_part_and_one_without_a_verdict_is_never_shown(tmp_path):
    rows(tmp_path / "base.jsonl", None, 1.0, 0.5, 0.0)
    said = "An earlier attempt: try {}\n{}".format
    correct, partly, wrong = "It is correct.", "It is partly correct.", "It is not correct."
    every = shown(tmp_path, which="any", number=9)
    assert every == [said(1, correct), said(2, partly), said(3, wrong)]
    assert shown(tmp_path) == [said(2, partly)]  # one that is below a full score
    with_nothing = Evidence(
        EvidenceConfig.model_validate({"attempts": {"file": "base.jsonl"}}), base=tmp_path
    )
    assert with_nothing.attempts and with_nothing.attempts.said(Problem("other", "?", "1")) == []


def test_attempts_that_do_not_exist_are_named(tmp_path):
    rows(tmp_path / "base.jsonl", None, 1.0)
    with pytest.raises(EvidenceError, match=r"attempts\.file: base\.jsonl has no sample that could be shown"):
        shown(tmp_path)


def test_a_hint_can_read_the_reference_and_must_be_text():
    evidence = Evidence(EvidenceConfig.model_validate({"hint": {"column": "reference", "share": 1.0}}))
    assert evidence.hint and evidence.hint.words(Problem("q", "?", " 4 ")) == "4"
    with pytest.raises(
        EvidenceError, match=r"hint\.column: reference of problem q is \{'a': 1\}; expected text"
    ):
        evidence.hint.words(Problem("q", "?", {"a": 1}))
    nested = Evidence(EvidenceConfig.model_validate({"hint": {"column": "steps.0"}}))
    assert (
        nested.hint
        and nested.hint.words(Problem("q", "?", "4", {"steps": ["one two three", "x"]})) == "one two"
    )


def test_the_first_right_sample_is_the_hint(tmp_path):
    rows(tmp_path / "base.jsonl", 0.9, None, 1.0, 1.0)
    keys = {"hint": {"file": "base.jsonl", "share": 1.0}}
    hint = Evidence(EvidenceConfig.model_validate(keys), base=tmp_path).hint
    assert (
        hint
        and hint.words(Problem("q", "?", "1")) == "try 2"
        and hint.words(Problem("other", "?", "1")) == ""
    )
