"""`rlvr show`: which file, which samples, and what a person reads of them."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from rlvr import rollouts
from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.rollouts import Rollout
from rlvr.run import SWEEP, open_run
from rlvr.show import REFERENCE, Wanted, file_of, lines
from tests.conftest import quickstart_config


def row(problem: str, sample: int, score: float | None = 0.0, **changes) -> Rollout:
    status = {None: "error", 0.0: "incorrect"}.get(score, "correct")
    values = {"reference": "2", "score": score, "status": status, **changes}
    return Rollout(
        problem, sample, "tuned", f"question {problem}", f"try {sample} of {problem}", "3", True, 9, **values
    )


def written(file, *rows: Rollout):
    file.parent.mkdir(parents=True, exist_ok=True)
    rollouts.rewrite(file, rows)
    return file


def trained_on(of: Rollout, **extra) -> Rollout:
    """As the collector writes it."""
    return Rollout.from_json(json.loads(of.to_json_line()) | extra)


def text(file, **wanted) -> str:
    return "\n".join(words for words, _ in lines(file, Wanted(**wanted)))


def shown(file, **wanted) -> list[str]:
    """The responses, in the order in which they are shown."""
    return [line.strip() for line in text(file, **wanted).splitlines() if line.startswith("  try ")]


def test_a_run_means_what_was_sampled_last_and_tuned_once_it_is_there(tmp_path):
    run = open_run(quickstart_config(), tmp_path / "run")
    with pytest.raises(UserError, match="nothing was sampled yet"):
        file_of(run.folder)
    for name in ("base", "train-000001", "train-000009", "step-9", "train-000010", "tuned"):
        newest = written(run.rollouts(name), row("p", 0))
        assert file_of(run.folder) == newest
    assert file_of(run.folder, 9) == run.rollouts("train-000009")
    assert file_of(run.rollouts("base")) == run.rollouts("base")
    with pytest.raises(UserError, match="training step 11; there are 1 to 10"):
        file_of(run.folder, 11)
    with pytest.raises(UserError, match="--step"):
        file_of(run.rollouts("base"), 1)


def test_a_sweep_is_told_its_runs_and_another_folder_what_is_expected(tmp_path):
    (tmp_path / SWEEP).write_text(json.dumps({"cells": ["seed=1", "seed=2"]}))
    with pytest.raises(UserError, match="one of its runs: seed=1, seed=2"):
        file_of(tmp_path)
    with pytest.raises(UserError, match="expected the folder of a run, or a rollout file"):
        file_of(tmp_path / "nothing")


def test_a_sample_is_shown_with_its_question_gold_answer_and_verdict(tmp_path):
    history = [{"role": "system", "content": "Be brief."}]
    file = written(
        tmp_path / "a.jsonl",
        row("p", 0, detail="3 is not 2", source="sums", extra={"history": history, "opened": "<think>"}),
        replace(row("p", 1, 1.0), complete=False),
        row("p", 2, None),
    )
    assert text(file).splitlines() == [
        f"{file}: 3 of 3 samples, 3 in the file; right: a score of 1 or more",
        "",
        "== problem p, 1 of 3 right, source sums",
        "  [system] Be brief.",
        "  [user] question p<think>",
        "gold: 2",
        "",
        "-- sample 0, incorrect, score 0, answer 3, 9 tokens",
        "verifier: 3 is not 2",
        "  try 0 of p",
        "",
        "-- sample 1, correct, score 1, answer 3, 9 tokens, cut by the token limit",
        "  try 1 of p",
        "",
        "-- sample 2, error, no score, answer 3, 9 tokens",
        "  try 2 of p",
    ]


def test_turns_say_who_wrote_them(tmp_path):
    turns = [{"by": "policy", "text": "2+2?"}, {"by": "evidence", "text": "4\n-- sample 1, correct"}]
    said = text(written(tmp_path / "a.jsonl", row("p", 0, turns=turns)))
    assert "  [policy]\n  2+2?\n  [evidence]\n  4\n  -- sample 1, correct" in said


def test_wrong_and_right_go_by_the_pass_mark_of_the_source_and_need_a_score(tmp_path):
    file = written(
        tmp_path / "a.jsonl",
        *(row("p", i, score, source="half") for i, score in enumerate((0.4, 0.5, None))),
        *(row("q", i, score) for i, score in enumerate((0.9, 1.0))),
    )
    rollouts.write_settings(file, {"sources": {"half": {"pass_mark": 0.5}}})
    assert shown(file, right=True) == ["try 1 of p", "try 1 of q"]
    assert shown(file, right=False) == ["try 0 of p", "try 0 of q"]
    assert shown(file, status="error") == ["try 2 of p"]
    assert shown(file, source="half", right=False) == ["try 0 of p"]
    assert shown(file, problem="q") == ["try 0 of q", "try 1 of q"]


def test_a_name_that_no_sample_has_is_refused_with_those_there_are(tmp_path):
    file = written(tmp_path / "a.jsonl", row("p", 0), row("p", 1, 1.0))
    with pytest.raises(
        UserError, match=r"no sample with status 'timeout'; there are incorrect \(1\), correct"
    ):
        text(file, status="timeout")
    assert "0 of 0 samples (wrong, status correct), 2 in the file" in text(
        file, right=False, status="correct"
    )


def test_an_evaluation_shows_each_problem_in_turn_and_a_seed_draws(tmp_path, capsys):
    file = written(tmp_path / "a.jsonl", *(row(p, i) for p in "pqr" for i in range(20)))
    assert shown(file, limit=4) == ["try 0 of p", "try 1 of p", "try 0 of q", "try 0 of r"]
    assert shown(file, limit=5, seed=1) == shown(file, limit=5, seed=1) != shown(file, limit=5, seed=2)
    drawn = [shown(file, limit=5, seed=seed) for seed in (None, 0, 1, 2)]
    assert all(one != other for one, other in itertools.combinations(drawn, 2)), "0 is a seed too"
    assert main(["show", str(file), "--seed", "0"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in said if line.startswith("  try ")] == drawn[1]
    assert len(shown(file, limit=5, seed=1)) == 5 and len(shown(file, limit=0)) == 60


def test_a_training_step_shows_groups_whole_with_advantages(tmp_path):
    run = open_run(quickstart_config(), tmp_path)
    trained = [row(p, i, advantage) for p in "pq" for i, advantage in enumerate((0.0, 1.0))]
    trained = [
        trained_on(r, advantage=2 * r.score - 1, rewards={"format": 0.5})
        for r in trained
        if r.score is not None
    ]
    file = written(run.rollouts("train-000001"), *trained, trained_on(row("z", 0), advantage=0.0, replaced=1))
    assert shown(file, limit=1) == ["try 0 of p", "try 1 of p"]
    assert shown(file, limit=1, right=True) == ["try 1 of p"]
    assert "score 1, answer 3, 9 tokens, format 0.5, advantage 1" in text(file)
    assert "problem z, 0 of 1 right, replaced in round 1, not trained on" in text(file)


def test_a_training_step_has_the_pass_mark_of_its_runs_evaluations(tmp_path):
    run = open_run(quickstart_config(), tmp_path)
    file = written(run.rollouts("train-000001"), trained_on(row("p", 0, 0.5), advantage=0.0))
    assert shown(file, right=True) == []
    rollouts.write_settings(run.rollouts("base"), {"pass_mark": 0.5})
    assert shown(file, right=True) == ["try 0 of p"]


def test_long_references_are_cut_and_control_characters_are_named(tmp_path, capsys):
    file = written(tmp_path / "a.jsonl", row("p", 0, reference={"tests": "x" * 5000}, detail="\x1b[2J"))
    assert main(["show", str(file)]) == 0
    said = capsys.readouterr().out
    assert "characters more)" in said and "x" * REFERENCE not in said
    assert "verifier: ⟨001B⟩[2J" in said and "\x1b" not in said


def test_rows_of_score_are_read_and_a_torn_line_is_noted(tmp_path):
    file = tmp_path / "scored.jsonl"
    scored = {
        "id": 7,
        "response": "so 3",
        "turns": 1,
        "reference": "2",
        "score": 0.0,
        "status": "incorrect",
        "answer": "3",
    }
    file.write_text(json.dumps(scored) + '\n{"id": 8, "resp')
    said = text(file)
    assert "cut short" in said and "== problem 7, 0 of 1 right\ngold: 2" in said and "\n  so 3" in said


def test_a_bad_row_is_named(tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"problem_id": "p", "trace": "t", "score": 7}\n')
    assert main(["show", str(tmp_path / "a.jsonl")]) == 2
    assert "a.jsonl:1: score is 7; expected a number from 0 to 1, or null" in capsys.readouterr().err


def test_reading_takes_no_torch(tmp_path):
    file = written(open_run(quickstart_config(), tmp_path / "run").rollouts("tuned"), row("p", 0))
    code = (
        "import sys; from rlvr.cli import main; "
        f"codes = main(['show', {str(file)!r}]), main(['list', {str(tmp_path)!r}]); "
        "sys.exit(any(codes) or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_each_line_has_the_colour_of_what_it_says(tmp_path):
    held = (
        row("p", 0, detail="no"),
        row("p", 1, 1.0),
        row("p", 2, None, turns=[{"by": "policy", "text": "a"}] * 2),
    )
    styles = {words.strip(): style for words, style in lines(written(tmp_path / "a.jsonl", *held), Wanted())}
    begins = {
        "== problem": "bold", "gold: ": "bold", "-- sample 0": "red", "-- sample 1": "green", "-- sample 2": "dim",
        "verifier: no": "dim", "question p": "", "try 0 of p": "", "[policy]": "dim",
    }  # fmt: skip
    for begin, style in begins.items():
        assert {found for words, found in styles.items() if words.startswith(begin)} == {style}, begin


def test_what_is_wanted_is_said_in_words(tmp_path):
    assert Wanted().words == "" and Wanted(right=False).words == "wrong"
    every = Wanted("p", True, "timeout", "sums")
    assert every.words == "right, problem p, status timeout, source sums"
    file = written(tmp_path / "a.jsonl", *(row(f"p{i}", 0) for i in range(10)))
    with pytest.raises(
        UserError, match=r"no sample with problem 'x'; there are p0 \(1\), .*p7 \(1\), and 2 more"
    ):
        text(file, problem="x")
    with pytest.raises(UserError, match=r"no sample with source 's'; there are none \(10\)$"):
        text(file, source="s")
    assert text(file).startswith(f"{file}: 5 of 10 samples, 10 in the file; right: a score of 1 or more")
    rollouts.write_settings(file, {"pass_mark": 0.5, "sources": {"s": {"pass_mark": 0.75}}})
    assert "right: a score of 0.5 or 0.75 or more" in text(file)
