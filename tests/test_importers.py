"""Per-sample files of other systems: read as they lie, with the pass@1 that the system itself prints."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.rollouts.evaluations import Evaluation, read
from rlvr.rollouts.importers import FORMATS, Options, recognise

QUESTION = "What is 12 + 30?"
RIGHT, WRONG = "so \\boxed{42}", "so \\boxed{41}"


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def one(path: Path, **options: Any) -> Evaluation:
    (evaluation,) = read(path, "base", options=Options(**options))
    return evaluation


def pass_at_1(evaluation: Evaluation) -> float:
    return float((evaluation.samples.c / evaluation.samples.n).mean())


# lm-evaluation-harness


def harness(doc: int, name: str, answers: list[Any], score: Any, **more: Any) -> dict[str, Any]:
    """A row as lm_eval 0.4.13 writes it; `more` replaces keys."""
    chat = json.dumps([{"role": "user", "content": f"{QUESTION} ({doc})"}])
    return {
        "doc_id": doc,
        "doc": {"question": QUESTION, "answer": "42"},
        "target": "42",
        "arguments": {"gen_args_0": {"arg_0": [chat], "arg_1": {"temperature": 1.0, "max_gen_toks": 64}}},
        "resps": [[RIGHT, WRONG]],
        "filtered_resps": answers,
        "filter": name,
        "metrics": ["exact_match"],
        "doc_hash": f"d{doc}",
        "prompt_hash": "bb",
        "target_hash": "cc",
        "exact_match": score,
    } | more


def test_a_mean_over_samples_is_read_as_counts_and_gives_the_harness_own_value(tmp_path: Path):
    """8 samples of 40 documents, three filters per document; only that of all samples has their mean."""
    right = [min(8, (65 * (i + 1)) // 40 - (65 * i) // 40) for i in range(40)]  # 65 of 320: 0.203125
    rows = []
    for doc, c in enumerate(right):
        answers = ["42"] * c + ["41"] * (8 - c)
        rows.append(harness(doc, "first", ["41"], 0.0, resps=[[WRONG] * 8]))
        rows.append(harness(doc, "maj@8", ["41"], 0.0, resps=[[WRONG] * 8]))
        rows.append(harness(doc, "all-k", [answers], c / 8, resps=[[WRONG] * 8]))
    evaluation = one(write(tmp_path / "samples_sums_2026-01-01T10-00-00.1.jsonl", rows))
    assert pass_at_1(evaluation) == pytest.approx(0.203125, abs=1e-9)
    assert evaluation.samples.n.tolist() == [8] * 40 and evaluation.samples.problem_ids[:2] == ["d0", "d1"]
    assert evaluation.columns is None and "read as counts" in evaluation.notes[0]


def test_a_first_sample_is_read_as_a_row_with_its_texts_and_settings(tmp_path: Path):
    file = tmp_path / "samples_sums_2026-01-01T10-00-00.1.jsonl"
    write(
        file,
        [harness(3, "none", ["42"], 1.0, resps=[[RIGHT]]), harness(4, "none", ["41"], 0.0, resps=[[WRONG]])],
    )
    (tmp_path / "results_2026-01-01T10-00-00.1.json").write_text(
        json.dumps(
            {
                "configs": {"sums": {"generation_kwargs": {"until": ["\n\n"], "do_sample": True}}},
                "config": {"model_args": "pretrained=m"},
                "n-shot": {"sums": 5},
                "lm_eval_version": "0.4.13",
            }
        )
    )
    evaluation = one(file)
    assert pass_at_1(evaluation) == 0.5 and evaluation.columns
    (row, _) = evaluation.columns.rows([0, 1])
    assert row == {
        "problem_id": "d3", "sample": 0, "policy": "base", "score": 1.0, "prompt": f"{QUESTION} (3)", "reference": "42",
        "trace": RIGHT, "answer": "42",
    }  # fmt: skip
    expected = {
        "temperature": 1.0,
        "max_new_tokens": 64,
        "stop": ["\n\n"],
        "model": "pretrained=m",
        "shots": 5,
    }
    assert expected.items() <= evaluation.settings.items()
    assert {"complete", "tokens", "status"}.isdisjoint(evaluation.columns.present)  # never filled in


RESULTS = {
    "configs": {
        "sums": {"generation_kwargs": {"top_p": 0.9}},
        "words": {"generation_kwargs": {"top_p": 0.5}},
    },
    "n-shot": {"sums": 5, "words": 5},
}


def of_task(folder: Path, task: str, rows: list[Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "results_2026-01-01T10-00-00.1.json").write_text(json.dumps(RESULTS))
    return write(folder / f"samples_{task}_2026-01-01T10-00-00.1.jsonl", rows)


@pytest.mark.parametrize("ending", [".gz", ""])
def test_the_results_beside_a_packed_file_are_its_own(tmp_path: Path, ending: str):
    """The same settings, of the file as it lies; by its first bytes it is packed, whatever its name."""
    plain = of_task(tmp_path, "sums", [harness(0, "none", ["42"], 1.0, resps=[[RIGHT]])])
    wanted = one(plain).settings
    packed = plain.with_name(f"{plain.name}{ending}")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert wanted["top_p"] == 0.9 and one(packed).settings == wanted


def test_a_pass_mark_beside_a_packed_file_counts(tmp_path: Path):
    path = tmp_path / "base.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"problem_id": "p", "score": 0.5}\n'))
    assert one(path).samples.c.tolist() == [0]
    (tmp_path / "base.settings.json").write_text('{"pass_mark": 0.5}')
    assert one(path).samples.c.tolist() == [1]


def test_two_tasks_by_a_pattern_are_two_sources(tmp_path: Path):
    """They share a document, which is two problems; what holds for one task alone is said of that one."""
    sums = [harness(doc, "none", ["42"], 1.0, resps=[[RIGHT]]) for doc in range(2)]
    words = [harness(doc, "strict", ["41"], 0.0, resps=[[WRONG]]) for doc in range(1, 4)]
    for ending in ("", ".gz"):
        folder = tmp_path / f"model{ending}"
        for task, rows in (("sums", sums), ("words", words)):
            plain = of_task(folder, task, rows)
            if ending:
                plain.with_name(plain.name + ending).write_bytes(gzip.compress(plain.read_bytes()))
                plain.unlink()
        found = one(folder / f"samples_*.jsonl{ending}")
        names = ["sums/d0", "sums/d1", "words/d1", "words/d2", "words/d3"]
        assert list(found.samples.problem_ids) == names
        assert found.samples.n.tolist() == [1] * 5
        assert {task: held.c.tolist() for task, held in found.samples.by_source().items()} == {
            "sums": [1, 1],
            "words": [0, 0, 0],
        }
        assert found.settings == {
            "temperature": 1.0, "max_new_tokens": 64, "shots": 5,
            "sources": {
                "sums": {"top_p": 0.9, "verifier": "exact_match, filter none"},
                "words": {"top_p": 0.5, "verifier": "exact_match, filter strict"},
            },
        }  # fmt: skip


def test_counts_of_two_tasks_are_of_their_own_problems(tmp_path: Path):
    for task, c in (("sums", 2), ("words", 1)):
        answers = ["42"] * c + ["41"] * (2 - c)
        of_task(tmp_path, task, [harness(0, "all", [answers], c / 2, resps=[answers])])
    found = one(tmp_path / "samples_*.jsonl").samples
    assert (list(found.problem_ids), found.c.tolist()) == (["sums/d0", "words/d0"], [2, 1])


def test_what_no_filter_matched_has_no_answer(tmp_path: Path):
    """`[invalid]` is what the regex filters fall back on; what scored as right has an answer all the same."""
    said = [("[invalid]", 0.0), ("41", 0.0), ("42", 1.0), ("[invalid]", 1.0)]
    rows = [harness(i, "none", [answer], score, resps=[[RIGHT]]) for i, (answer, score) in enumerate(said)]
    samples = one(write(tmp_path / "s.jsonl", rows)).samples
    assert samples.no_answer is not None and samples.no_answer.tolist() == [1, 0, 0, 0]


def test_documents_that_stand_twice_stay_two(tmp_path: Path):
    rows = [harness(i, "none", ["42"], s, resps=[[RIGHT]], doc_hash="same") for i, s in enumerate([1.0, 0.0])]
    assert one(write(tmp_path / "s.jsonl", rows)).samples.n.tolist() == [1, 1]


def test_arguments_of_older_versions_and_plain_prompts_are_read(tmp_path: Path):
    row = harness(0, "none", ["42"], 1.0, resps=[[RIGHT]], arguments=[["Q: 12 + 30?", {"temperature": 0.5}]])
    evaluation = one(write(tmp_path / "s.jsonl", [row]))
    assert evaluation.columns and evaluation.columns.prompts == {0: "Q: 12 + 30?"}
    assert evaluation.settings["temperature"] == 0.5


def test_multiple_choice_is_one_sample_without_a_trace(tmp_path: Path):
    row = harness(
        0, "none", [[-1.5, True]], 0.0, resps=[[[-1.5, True]], [[-2.0, False]]], metrics=["acc", "acc_norm"]
    )
    file = write(tmp_path / "s.jsonl", [row | {"acc": 1.0, "acc_norm": 0.0}])
    with pytest.raises(UserError, match=r"choose one with --score NAME: acc 1, acc_norm 0"):
        one(file)
    evaluation = one(file, score="acc")
    assert pass_at_1(evaluation) == 1.0 and evaluation.columns and "trace" not in evaluation.columns.present


TWO = [harness(0, "strict-match", ["41"], 0.0), harness(0, "flexible-extract", ["42"], 1.0)]


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        (TWO, {}, r"--filter strict-match \(exact_match 0\); --filter flexible-extract \(exact_match 1\)"),
        (TWO, {"filter": "other"}, "no filter 'other'"),
        ([harness(0, "one", ["42"], 1.0)], {}, "one answer of 2 samples.*--filter one"),
        ([harness(0, "maj@2", ["42"], 1.0)], {"filter": "maj@2"}, "a vote over samples"),
        ([harness(0, "all", [["42", "41"]], 0.3)], {}, "not a whole number"),
        ([harness(0, "all", [["a", "b"]], 1.0, metrics=["pass@2"]) | {"pass@2": 1.0}], {}, "choose pass@1"),
        (
            [harness(0, "all", ["42"], 0.3, resps=[[RIGHT]])],
            {},
            "s.jsonl:1: exact_match is 0.3, neither right",
        ),
        ([harness(0, "all", ["42"], "x", resps=[[RIGHT]])], {}, "expected a number"),
        ([harness(0, "all", ["42"], 1.0, resps=[[RIGHT]]), {"a": 1}], {}, "s.jsonl:2: expected doc_id"),
    ],
)
def test_what_the_harness_left_open_is_asked(
    tmp_path: Path, rows: list[Any], options: dict[str, str], words: str
):
    with pytest.raises(UserError, match=words) as refused:
        one(write(tmp_path / "s.jsonl", rows), **options)
    assert "recognised as lm-evaluation-harness" in str(refused.value)


def test_a_filter_that_the_results_call_a_vote_is_refused(tmp_path: Path):
    file = write(tmp_path / "samples_sums_2026-01-01T10-00-00.1.jsonl", [harness(0, "agreed", ["42"], 1.0)])
    steps = [{"name": "agreed", "filter": [{"function": "regex"}, {"function": "majority_vote"}]}]
    results = {"configs": {"sums": {"filter_list": steps}}}
    (tmp_path / "results_2026-01-01T10-00-00.1.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match="a vote"):
        one(file, filter="agreed")


def test_an_explicit_first_sample_of_several_is_said(tmp_path: Path):
    evaluation = one(write(tmp_path / "s.jsonl", TWO), filter="strict-match")
    assert pass_at_1(evaluation) == 0.0
    assert "judges the first of 2 samples only" in evaluation.notes[0]
    assert evaluation.settings["verifier"] == "exact_match, filter strict-match"


def test_samples_without_a_verdict_of_their_own_can_be_judged_anew(tmp_path: Path):
    rows = [
        harness(doc, name, answers, 0.5, resps=[[RIGHT, WRONG, RIGHT]])
        for doc in (0, 1)
        for name, answers in (("first", ["42"]), ("all-k", [["42", "41", "42"]]))
    ]
    file, into, judged = write(tmp_path / "s.jsonl", rows), tmp_path / "base.jsonl", tmp_path / "judged.jsonl"
    assert main(["import", str(file), "--unjudged", "--into", str(into), "-q"]) == 0
    score = ["score", str(into), "--verifier", "math", "--map", "response=trace", "--output", str(judged)]
    assert main(score) == 0
    evaluation = one(judged)
    assert evaluation.samples.n.tolist() == [3, 3] and evaluation.samples.c.tolist() == [2, 2]
    assert list(evaluation.samples.problem_ids) == ["d0", "d1"]


# verifiers and prime-rl


def rollout(example: int, correct: float, **more: Any) -> dict[str, Any]:
    """As vf-eval 0.1 writes it: the reward is a weighted sum."""
    return {
        "example_id": example,
        "prompt": [{"role": "user", "content": QUESTION}],
        "completion": [{"role": "assistant", "content": RIGHT}],
        "task": "default",
        "reward": correct + 0.2,
        "error": None,
        "answer": "42",
        "generation_ms": 1.5,
        "correct_answer": correct,
        "format": 1.0,
        "num_turns": 1.0,
    } | more


def test_a_reward_function_is_the_score_and_its_mean_is_that_of_the_metadata(tmp_path: Path):
    rows = [rollout(i % 40, float(i < 60)) for i in range(320)]  # rows of one example stand apart
    file = write(tmp_path / "results.jsonl", rows)
    said = {"model": "m", "sampling_args": {"temperature": 1.0, "max_tokens": 64}, "avg_metrics": {}}
    (tmp_path / "metadata.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match=r"reward is 1\.2, neither.*correct_answer \(1\.0\), format \(1\.0\)"):
        one(file)
    evaluation = one(file, score="correct_answer")
    assert pass_at_1(evaluation) == pytest.approx(0.1875, abs=1e-9)
    assert evaluation.samples.n.tolist() == [8] * 40
    settings = {"model": "m", "temperature": 1.0, "max_new_tokens": 64, "verifier": "correct_answer"}
    assert settings.items() <= evaluation.settings.items()
    with pytest.raises(UserError, match="no column 'x'"):
        one(file, score="x")


def test_a_rollout_that_failed_has_no_score(tmp_path: Path):
    rows = [rollout(0, 1.0), rollout(0, 0.0, error="server gone")]
    evaluation = one(write(tmp_path / "results.jsonl", rows), score="correct_answer")
    assert (evaluation.samples.n[0], evaluation.samples.c[0], evaluation.samples.statuses["error"]) == (
        1,
        1,
        1,
    )


def episode(key: str, score: float | None, end: str = "stop", **more: Any) -> dict[str, Any]:
    rewards = {"correct": None if score is None else {"score": score, "weight": 2.0}}
    nodes = [
        {"message": {"role": "user", "content": QUESTION}, "sampled": False},
        {"parent": 0, "message": {"role": "assistant", "content": RIGHT}, "sampled": True},
    ]
    call = {"node": 1, "model": "m", "sampling": {"temperature": 1.0}, "finish_reason": end}
    trace = {"nodes": nodes, "calls": [call], "rewards": rewards, "ok": True, "num_output_tokens": 14}
    task = {"type": "T", "data": {"idx": 0, "prompt": QUESTION, "answer": "42"}, "key": key, "hash": "h0"}
    return {
        "id": "e1",
        "env": {"id": "sums"},
        "task": task,
        "ok": True,
        "errors": [],
        "traces": [trace],
    } | more


def test_an_episode_is_a_sample_with_its_own_reward(tmp_path: Path):
    rows = [episode("a", 1.0), episode("a", 0.0, "length"), episode("b", 1.0, ok=False), episode("b", 1.0)]
    evaluation = one(write(tmp_path / "traces.jsonl", rows))
    assert evaluation.samples.n.tolist() == [2, 1] and evaluation.samples.c.tolist() == [1, 1]
    assert evaluation.columns and evaluation.columns.complete.tolist() == [1, 0, 1, 1]
    (row,) = evaluation.columns.rows([0])
    assert (row["trace"], row["reference"], row["tokens"], row["prompt"]) == (RIGHT, "42", 14, QUESTION)
    assert evaluation.settings["model"] == "m" and evaluation.settings["temperature"] == 1.0


def test_episodes_with_several_rewards_or_traces_are_asked_about(tmp_path: Path):
    several = episode("a", 1.0)
    several["traces"][0]["rewards"]["format"] = {"score": 1.0, "weight": 0.2}
    file = write(tmp_path / "traces.jsonl", [several])
    with pytest.raises(UserError, match=r"--score NAME: correct, format"):
        one(file)
    assert pass_at_1(one(file, score="format")) == 1.0
    twice = episode("a", 1.0)
    with pytest.raises(UserError, match="an episode of 2 traces"):
        one(write(tmp_path / "traces.jsonl", [twice | {"traces": twice["traces"] * 2}]))


# verl


def dumped(question: str, score: float, **more: Any) -> dict[str, Any]:
    prompt = f"user\n{question}\nassistant\n"
    return {"input": prompt, "output": RIGHT, "gts": "42", "score": score, "step": 120} | more


def test_equal_prompts_are_samples_of_one_problem_and_acc_is_the_verdict(tmp_path: Path):
    rows = [
        dumped("a", -1.0, acc=False, pred="41"),
        dumped("b", 0.4, acc=True, pred="42"),
        dumped("a", 1.0, acc=True),
    ]
    evaluation = one(write(tmp_path / "120.jsonl", rows))
    assert evaluation.samples.n.tolist() == [2, 1] and evaluation.samples.c.tolist() == [1, 1]
    assert evaluation.settings["step"] == 120
    again = one(write(tmp_path / "0.jsonl", [dumped("a", 0.0, step=0), dumped("b", 1.0, step=0)]))
    assert again.samples.problem_ids == evaluation.samples.problem_ids  # files of two steps meet


def test_another_scale_is_stated_and_what_was_neither_is_said(tmp_path: Path):
    file = write(tmp_path / "1.jsonl", [dumped("a", 1.0), dumped("a", -1.0), dumped("b", 0.4)])
    with pytest.raises(UserError, match=r"1\.jsonl:2: score is -1\.0, neither right.*--right 1"):
        one(file)
    evaluation = one(file, right="1")
    assert evaluation.samples.c.tolist() == [1, 0]
    assert "3 values: 1.0 (1), -1.0 (1), 0.4 (1); right is 1, all others are wrong" in evaluation.notes[0]
    assert one(file, right=">=0.4").samples.c.tolist() == [1, 1]


def test_a_file_of_several_steps_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="the policy moved"):
        one(write(tmp_path / "1.jsonl", [dumped("a", 1.0), dumped("a", 1.0, step=121)]))


# HumanEval and EvalPlus


def test_human_eval_rows_are_samples_in_order(tmp_path: Path):
    results = ["passed", "timed out", "failed: assert"]
    rows = [{"task_id": "H/0", "completion": "x", "result": r, "passed": r == "passed"} for r in results]
    evaluation = one(write(tmp_path / "samples.jsonl_results.jsonl", rows))
    assert (evaluation.samples.n[0], evaluation.samples.c[0]) == (3, 1)
    assert evaluation.samples.statuses == {"correct": 1, "timeout": 1, "incorrect": 1}


def judged(base: str, plus: str | None) -> dict[str, Any]:
    return {"task_id": "H/0", "solution": "def f(): pass", "base_status": base, "plus_status": plus}


@pytest.mark.parametrize("indent", [None, 1])
def test_eval_plus_counts_both_tests_or_the_base_alone(tmp_path: Path, indent: int | None):
    tasks = {"H/0": [judged("pass", "fail"), judged("pass", "pass")], "H/1": [judged("fail", "pass")]}
    file = tmp_path / "samples_eval_results.json"
    file.write_text(json.dumps({"date": "2026-01-01", "hash": "h", "eval": tasks}, indent=indent))
    assert one(file).samples.c.tolist() == [1, 0] and one(file).samples.n.tolist() == [2, 1]
    assert one(file, score="base").samples.c.tolist() == [2, 0]
    with pytest.raises(UserError, match="expected base or plus"):
        one(file, score="other")


def test_a_task_without_plus_tests_names_the_option(tmp_path: Path):
    file = tmp_path / "r.json"
    file.write_text(json.dumps({"hash": "h", "eval": {"H/0": [judged("pass", None)]}}))
    with pytest.raises(UserError, match=r"plus_status is None.*--score base"):
        one(file)
    assert pass_at_1(one(file, score="base")) == 1.0


# Qwen2.5-Math and descendants


def listed(idx: int, scores: list[Any], **more: Any) -> dict[str, Any]:
    n = len(scores)
    return {
        "idx": idx, "question": QUESTION, "gt_cot": "12+30=42", "gt": "42", "code": [RIGHT] * n, "pred": ["42"] * n,
        "report": [None] * n, "score": scores, "level": 3,
    } | more  # fmt: skip


def test_lists_are_samples_and_seeds_in_several_files_are_one_policy(tmp_path: Path):
    names = [f"test_cot_-1_seed{seed}_t0.6_s0_e-1.jsonl" for seed in (0, 1)]
    files = [
        write(
            tmp_path / name,
            [listed(0, [True, False], finish_reason=["stop", "length"]), listed(1, [False] * 2)],
        )
        for name in names
    ]
    evaluation = one(files[0])
    assert evaluation.samples.c.tolist() == [1, 0] and evaluation.settings["temperature"] == 0.6
    assert evaluation.columns and evaluation.columns.complete.tolist()[:2] == [1, 0]
    into = tmp_path / "base.jsonl"
    assert main(["import", *map(str, files), "--into", str(into), "-q"]) == 0
    assert one(into).samples.n.tolist() == [4, 4]
    assert json.loads(into.read_text().splitlines()[0])["level"] == 3
    assert json.loads((tmp_path / "base.settings.json").read_text())["seed"] == [0, 1]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (listed(0, [True, False], pred=["42"]), "pred has 1 entries; expected 2"),
        (listed(0, [True, 0.5]), "sample 1: score is 0.5, neither"),
        ({k: v for k, v in listed(0, [True]).items() if k != "idx"}, r"a\.jsonl:1: not as Qwen.*'idx'"),
    ],
)
def test_lists_that_do_not_fit_are_named(tmp_path: Path, row: dict[str, Any], words: str):
    with pytest.raises(UserError, match=words):
        one(write(tmp_path / "a.jsonl", [row]))


# Inspect


def inspected(i: int, epoch: int, value: Any, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": [{"type": "text", "text": RIGHT}]}
    output = {
        "model": "m", "choices": [{"message": message, "stop_reason": "stop"}], "completion": RIGHT,
        "usage": {"output_tokens": 9},
    }  # fmt: skip
    scores = {"match": {"value": value, "answer": "42", "explanation": RIGHT}}
    return {
        "id": i,
        "epoch": epoch,
        "input": QUESTION,
        "target": "42",
        "output": output,
        "scores": scores,
    } | more


HEADER = {
    "status": "success",
    "eval": {"model": "m", "model_generate_config": {"temperature": 0.7, "max_tokens": 64}},
}


def log(path: Path, samples: list[Any], how: int = -1, **header: Any) -> Path:
    """As `.json` (−1), or as `.eval` with this compression method; 93 is Zstandard, which zipfile cannot write."""
    if how == -1:
        path.write_text(json.dumps(HEADER | header | {"samples": samples}, indent=2))
        return path
    files = {f"samples/{s['id']}_epoch_{s['epoch']}.json": s for s in samples} | {
        "header.json": HEADER | header
    }
    plain = {name: json.dumps(value).encode() for name, value in files.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if how == 93 else how) as file:
        for name, data in plain.items():
            file.writestr(name, pyarrow.compress(data, "zstd", asbytes=True) if how == 93 else data)
        entries = file.infolist()
        directory = file.start_dir
    if how == 93:  # stored entries, given the method, the checksum and the size of what they hold
        raw = bytearray(path.read_bytes())
        at = directory
        for entry in entries:
            data = plain[entry.filename]
            for method in (entry.header_offset + 8, at + 10):
                raw[method : method + 2] = (93).to_bytes(2, "little")
                raw[method + 6 : method + 10] = zlib.crc32(data).to_bytes(4, "little")
                raw[method + 14 : method + 18] = len(data).to_bytes(4, "little")
            at += 46 + len(entry.filename)
        path.write_bytes(bytes(raw))
    return path


@pytest.mark.parametrize("how", [-1, zipfile.ZIP_DEFLATED, 93])
def test_inspect_logs_give_its_accuracy_and_pass_at_k(tmp_path: Path, how: int):
    """8 epochs of 30 problems; 64 of 240 are right: 26.67."""
    samples = [inspected(i, e + 1, "C" if (i + e) % 15 < 4 else "I") for e in range(8) for i in range(30)]
    right = sum(s["scores"]["match"]["value"] == "C" for s in samples)
    evaluation = one(log(tmp_path / "any.name", samples, how))
    assert pass_at_1(evaluation) == pytest.approx(right / 240, abs=1e-9) and right == 64
    assert evaluation.columns and evaluation.columns.sample.max() == 8
    settings = {"model": "m", "temperature": 0.7, "max_new_tokens": 64, "verifier": "match"}
    assert settings.items() <= evaluation.settings.items()
    (row,) = evaluation.columns.rows([0])
    assert (row["trace"], row["answer"], row["tokens"], row["complete"]) == (RIGHT, "42", 9, True)


def test_inspect_values_count_as_its_accuracy_counts_them(tmp_path: Path):
    values = ["C", "P", "I", "N", True, 0.25, None]
    samples = [inspected(i, 1, value) for i, value in enumerate(values)]
    samples += [inspected(7, 1, "C", scores=None, error={"message": "server gone"})]
    evaluation = one(log(tmp_path / "a.json", samples, status="error"))
    assert evaluation.samples.score is not None
    assert evaluation.samples.score.tolist() == [1.0, 0.5, 0.0, 0.0, 1.0, 0.25, 0.0, 0.0]
    assert evaluation.samples.n.tolist() == [1] * 6 + [0, 0]
    assert {"no_answer": 1, "error": 1, "not scored": 1}.items() <= evaluation.samples.statuses.items()
    assert "status is error" in evaluation.notes[0]


def test_several_scorers_and_values_are_asked_about(tmp_path: Path):
    both = {"match": {"value": "I"}, "graded": {"value": {"form": 1, "sense": 0.0}}}
    file = log(tmp_path / "a.json", [inspected(0, 1, "C", scores=both)])
    with pytest.raises(UserError, match=r"--score NAME: match, graded"):
        one(file)
    with pytest.raises(UserError, match=r"--score: graded/form, graded/sense"):
        one(file, score="graded")
    with pytest.raises(UserError, match="no scorer 'x'"):
        one(file, score="x")
    assert pass_at_1(one(file, score="graded/form")) == 1.0


def test_damaged_and_foreign_entries_are_named(tmp_path: Path):
    file = log(tmp_path / "a.eval", [inspected(0, 1, "C")], 93)
    raw = file.read_bytes()
    file.write_bytes(
        raw.replace(zlib.crc32(json.dumps(inspected(0, 1, "C")).encode()).to_bytes(4, "little"), b"1234")
    )
    with pytest.raises(UserError, match=r"samples/0_epoch_1\.json: damaged"):
        one(file)
    file.write_bytes(
        raw.replace((93).to_bytes(2, "little") + raw[10:14], (97).to_bytes(2, "little") + raw[10:14])
    )
    with pytest.raises(UserError, match=r"method 97.*inspect log dump a.eval"):
        one(file)


def test_logs_of_two_tasks_are_two_sources(tmp_path: Path):
    """Both number their samples from 1."""
    for task in ("sums", "words"):
        log(tmp_path / f"{task}.json", [inspected(1, 1, "C")], eval=HEADER["eval"] | {"task": task})
    found = one(tmp_path / "*.json")
    assert list(found.samples.by_source()) == ["sums", "words"]
    assert list(found.samples.problem_ids) == ["sums/1", "words/1"] and "sources" not in found.settings


def test_an_epoch_that_stands_twice_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"problem '0', sample 1 occurs twice"):
        one(log(tmp_path / "a.json", [inspected(0, 1, "C"), inspected(0, 1, "I")]))


# rows of one's own


def test_nested_samples_are_read_by_a_map(tmp_path: Path):
    samples = [
        {"rollout": i, "pred": p, "correct": p == "42", "text": "t"} for i, p in enumerate(["42", "41"])
    ]
    rows = [
        {
            "qid": q,
            "question": QUESTION,
            "info": {"gold": "42"},
            "rollouts": samples,
            "level": q,
            "logprobs": [0.1],
        }
        for q in (0, 1)
    ]
    file = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(UserError, match="needs problem_id and score"):
        one(file)
    columns = {
        "problem_id": "qid", "samples": "rollouts", "sample": "rollout", "score": "correct", "trace": "text",
        "answer": "pred", "prompt": "question", "reference": "info.gold",
    }  # fmt: skip
    evaluation = one(file, columns=tuple(columns.items()))
    assert pass_at_1(evaluation) == 0.5 and evaluation.samples.n.tolist() == [2, 2] and evaluation.columns
    (row,) = evaluation.columns.rows([3])
    assert row == {
        "problem_id": "1", "sample": 1, "policy": "base", "score": 0.0, "prompt": QUESTION, "reference": "42",
        "trace": "t", "answer": "41", "info": {"gold": "42"}, "level": 1,
    }  # fmt: skip


def test_two_kinds_of_samples_in_a_file_are_kept_apart(tmp_path: Path):
    rows = [
        {
            "problem_id": "p",
            "sample_kind": kind,
            "index": i,
            "canonical_correct": i == 0,
            "scalar_reward": 0.05,
        }
        for kind, n in (("pass1", 1), ("pass4", 4))
        for i in range(n)
    ]
    file = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(UserError, match=r"occurs twice.*--where"):
        one(file, columns=(("sample", "index"),), score="canonical_correct")
    evaluation = one(
        file, columns=(("sample", "index"),), score="canonical_correct", where=(("sample_kind", "pass4"),)
    )
    assert (evaluation.samples.n[0], evaluation.samples.c[0]) == (4, 1)
    assert "--where left out 1 of 5 rows" in evaluation.notes[0]
    with pytest.raises(UserError, match=r"scalar_reward is 0\.05, neither"):
        one(file, score="scalar_reward")
    with pytest.raises(UserError, match="leaves none of 5"):
        one(file, score="canonical_correct", where=(("sample_kind", "x"),))


def test_own_rows_on_another_scale_are_read_where_it_is_stated(tmp_path: Path):
    file = write(tmp_path / "a.jsonl", [{"problem_id": "p", "score": s} for s in (1, -1, 10)])
    with pytest.raises(UserError, match="score is -1"):
        one(file)
    assert one(file, right="10").samples.c.tolist() == [1]
    with pytest.raises(UserError, match=r"--right '>=ten'"):
        one(file, right=">=ten")


def test_a_csv_of_samples_and_counts_under_other_names(tmp_path: Path):
    samples = tmp_path / "samples.csv"
    samples.write_text("problem_id,score,tokens\np,1.0,7\np,0,8\nq,True,9\n")
    evaluation = one(samples)
    assert evaluation.samples.c.tolist() == [1, 1] and evaluation.samples.n.tolist() == [2, 1]
    assert evaluation.samples.tokens is not None and evaluation.samples.tokens.tolist() == [7.5, 9.0]
    counts = tmp_path / "counts.csv"
    counts.write_text("qid,c_sft,c_rl,k\n0,1,3,4\n1,0,4,4\n")
    with pytest.raises(
        UserError, match=r"column problem_id, n, c is missing.*c_base,c_tuned.*--map problem_id="
    ):
        one(counts)
    columns = (("problem_id", "qid"), ("n", "k"), ("c", "c_rl"))
    evaluation = one(counts, columns=columns)
    assert evaluation.samples.c.tolist() == [3, 4] and evaluation.samples.n.tolist() == [4, 4]
    counts.write_text("qid,c_sft,c_rl,k\n0,1,5,4\n")
    with pytest.raises(UserError, match=r"counts\.csv:2: c is 5; expected 0 to n = 4"):
        one(counts, columns=columns)


def test_one_object_by_id_and_parquet_are_rows_too(tmp_path: Path):
    keyed = tmp_path / "step-100.json"
    keyed.write_text(json.dumps({"a": True, "b": False}))
    assert one(keyed).samples.c.tolist() == [1, 0]
    keyed.write_text(
        json.dumps({"a": {"ok": True, "response": "x"}, "b": {"ok": False, "response": "y"}}, indent=1)
    )
    evaluation = one(keyed, columns=(("score", "ok"), ("trace", "response")))
    assert list(evaluation.samples.problem_ids) == ["a", "b"] and evaluation.samples.c.tolist() == [1, 0]
    keyed.write_text(json.dumps({"a": [0.0, 0.125, 1.0]}))  # shares per epoch, not samples
    with pytest.raises(UserError):
        one(keyed, right="1")
    table = pyarrow.table({"question": [QUESTION, QUESTION, "other"], "right": [True, False, True]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    evaluation = one(tmp_path / "a.parquet", columns=(("prompt", "question"),), score="right")
    assert evaluation.samples.n.tolist() == [2, 1] and evaluation.samples.c.tolist() == [1, 1]


def test_what_a_map_cannot_mean_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = write(tmp_path / "a.jsonl", [{"qid": 1, "ok": True, "when": "x"}])
    for options, words in [
        ({"columns": (("problem", "qid"),)}, "--map problem="),
        ({"score": "ok"}, r"no problem_id.*found qid, ok, when"),
        ({"columns": (("problem_id", "id"),), "score": "ok"}, "no column 'id'; found qid, ok, when"),
        (
            {"columns": (("problem_id", "qid"), ("tokens", "when")), "score": "ok"},
            "tokens is 'x'; expected a whole",
        ),
        ({"columns": (("problem_id", "qid"),), "score": "when"}, "when is 'x', neither right"),
    ]:
        with pytest.raises(UserError, match=words):
            one(file, **options)
    into = str(tmp_path / "out.jsonl")
    assert (
        main(["import", str(file), "--into", into, "-q", "--map", "problem_id=qid", "--right", "ok==True"])
        == 0
    )
    assert one(tmp_path / "out.jsonl").samples.c.tolist() == [1]
    assert main(["import", str(file), "--into", into, "--score", "x", "--right", "ok>=1"]) == 2
    assert "two columns" in capsys.readouterr().err


def test_a_pointer_to_a_file_is_named(tmp_path: Path):
    (tmp_path / "a.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(UserError, match="Git LFS pointer"):
        one(tmp_path / "a.parquet")


# all formats


def test_own_rows_are_never_asked_about(tmp_path: Path):
    own = write(tmp_path / "a.jsonl", [{"problem_id": "p", "score": 1, "doc_id": 0, "doc": {}, "resps": []}])
    assert recognise(own) is None
    with pytest.raises(UserError, match="has no --filter"):
        read(own, "base", options=Options(filter="x"))


def test_a_report_on_two_files_and_an_import_have_the_same_figures(tmp_path: Path):
    def samples(name: str, right: int) -> Path:
        rows = [
            harness(i, "none", ["42" if i < right else "41"], float(i < right), resps=[[RIGHT]])
            for i in range(20)
        ]
        return write(tmp_path / name, rows)

    files = [samples("a.jsonl", 5), samples("b.jsonl", 15)]
    asked = ["--replicates", "100", "--output"]
    assert main(["report", *map(str, files), *asked, str(tmp_path / "direct")]) == 0
    ours = [tmp_path / "base.jsonl", tmp_path / "tuned.jsonl"]
    for file, into in zip(files, ours, strict=True):
        assert main(["import", str(file), "--into", str(into), "-q"]) == 0
    assert main(["report", *map(str, ours), *asked, str(tmp_path / "imported")]) == 0
    direct, imported = (
        json.loads((tmp_path / n / "report.json").read_text()) for n in ("direct", "imported")
    )
    assert direct["policies"]["base"]["pass_at_k"]["1"]["value"] == 0.25
    assert direct["comparison"]["gain"] == imported["comparison"]["gain"]
    assert "read as lm-evaluation-harness" in json.dumps(direct)


def test_files_that_are_not_one_evaluation_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    row = harness(0, "none", ["42"], 1.0, resps=[[RIGHT]])
    warm = row | {"arguments": [["Q", {"temperature": 0.5}]]}
    a, b = write(tmp_path / "a.jsonl", [row]), write(tmp_path / "b.jsonl", [warm])
    assert main(["import", str(a), str(b), "--into", str(tmp_path / "out.jsonl")]) == 2
    assert "temperature differs" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()
    assert main(["import", str(a), "--into", str(a)]) == 2
    assert "file to read and the file to write" in capsys.readouterr().err
    assert main(["import", str(a), "--into", str(tmp_path / "no" / "out.jsonl")]) == 2
    assert main(["import", str(a), "--into", str(tmp_path / "out.txt")]) == 2
    assert main(["import", str(a), str(a), "--into", str(tmp_path / "out.jsonl")]) == 2
    assert "given twice" in capsys.readouterr().err


def test_an_unknown_file_is_named_with_the_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = write(tmp_path / "a.jsonl", [{"what": 1}])
    assert main(["import", str(file), "--into", str(tmp_path / "out.jsonl")]) == 2
    assert FORMATS[0].NAME in capsys.readouterr().err
