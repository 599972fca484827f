"""Of every format one small file and all that is read of it: each key of each row, the settings, what the user is told.

What stands here is what docs/formats.md says of the format, worked out by hand; a key that is read into another one, a
default, a status or a note that changes is seen.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from rlvr.errors import UserError
from rlvr.rollouts.importers import Options, convert


def named(text: str) -> str:
    """A problem that has no id is known by its text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def imported(path: Path, **options: Any) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """Rows without what every one has (the policy), settings, and the notes without the file's name."""
    done = convert([path], path.with_name("out.jsonl"), "me", Options(**options))
    rows = [json.loads(line) for line in done.path.read_text().splitlines()]
    assert {row.pop("policy") for row in rows} == {"me"} and done.rows == len(rows)
    beside = done.path.with_suffix(".settings.json")
    settings = json.loads(beside.read_text()) if beside.exists() else {}
    (note,) = done.notes
    assert note.startswith(f"{path.name}: read as {done.format}")
    return rows, settings, note.removeprefix(f"{path.name}: read as {done.format}").removeprefix("; ")


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_verl(tmp_path: Path):
    row = {
        "input": "q1",
        "output": "o1",
        "score": -1.0,
        "step": 5,
        "acc": False,
        "gts": "7",
        "pred": 3,
        "extra": 1,
    }
    other = {"input": "q1", "output": "o2", "score": 1.0, "step": 5, "acc": True, "gts": None, "pred": None}
    found = imported(lines(tmp_path / "5.jsonl", row, other))
    shared = {"problem_id": named("q1"), "prompt": "q1"}
    assert found == (
        [
            shared | {"sample": 0, "score": 0.0, "trace": "o1", "reference": "7", "answer": "3"},
            shared | {"sample": 1, "score": 1.0, "trace": "o2", "answer": None},
        ],
        {"step": 5, "verifier": "acc"},
        "the score is acc; problems are told apart by their prompts",
    )
    rows, settings, note = imported(tmp_path / "5.jsonl", score="score", right="1")
    assert ([row["score"] for row in rows], settings["verifier"]) == ([0.0, 1.0], "score")
    assert note == "the score is score; problems are told apart by their prompts"


def test_human_eval(tmp_path: Path):
    results = (("passed", True), ("timed out", False), ("failed: x", False))
    rows = [
        {"task_id": 3, "completion": f"c{r}", "passed": p, "result": r, "completion_id": 9}
        for r, p in results
    ]
    found, settings, note = imported(lines(tmp_path / "r.jsonl", *rows))
    assert found == [
        {
            "problem_id": "3",
            "sample": i,
            "score": score,
            "trace": f"c{result}",
            "status": status,
            "detail": result,
        }
        for i, (result, score, status) in enumerate(
            (("passed", 1.0, "correct"), ("timed out", 0.0, "timeout"), ("failed: x", 0.0, "incorrect"))
        )
    ]
    assert (settings, note) == ({"verifier": "HumanEval tests"}, "")


def test_eval_plus(tmp_path: Path):
    verdicts = [
        ("pass", "pass"),
        ("pass", "fail"),
        ("fail", "pass"),
        ("timeout", "fail"),
        ("pass", "timeout"),
    ]
    samples = [{"solution": f"s{i}", "base_status": b, "plus_status": p} for i, (b, p) in enumerate(verdicts)]
    path = tmp_path / "e.json"
    path.write_text(json.dumps({"date": "x", "hash": "y", "eval": {"HumanEval/0": samples}}))
    rows, settings, note = imported(path)
    statuses = ["correct", "incorrect", "incorrect", "timeout", "timeout"]
    assert rows == [
        {"problem_id": "HumanEval/0", "sample": i, "score": float(i == 0), "trace": f"s{i}", "status": status}
        for i, status in enumerate(statuses)
    ]
    assert (settings, note) == (
        {"verifier": "EvalPlus plus"}, "the score is that of the plus tests and the base tests",
    )  # fmt: skip
    rows, settings, note = imported(path, score="base")
    assert [row["score"] for row in rows] == [1, 1, 0, 0, 1]
    assert [row["status"] for row in rows] == ["correct", "correct", "incorrect", "timeout", "correct"]
    assert (settings, note) == ({"verifier": "EvalPlus base"}, "the score is that of the base tests")
    with pytest.raises(UserError, match="--score is 'both'; expected base or plus"):
        imported(path, score="both")


def test_qwen_math(tmp_path: Path):
    row = {
        "idx": 7,
        "question": "q",
        "gt": "42",
        "code": ["a", "b"],
        "pred": ["42", None],
        "score": [True, False],
    }
    row |= {"finish_reason": ["stop", "length"], "level": 3, "type": "t", "subject": "s", "solution": "no"}
    bare = {"idx": 8, "code": ["c"], "pred": [5], "score": [False]}
    found = imported(lines(tmp_path / "test_qwen_-1_seed4_t0.6_s0_e-1.jsonl", row, bare))
    shared = {"problem_id": "7", "prompt": "q", "reference": "42", "level": 3, "type": "t", "subject": "s"}
    assert found == (
        [
            shared | {"sample": 0, "score": 1.0, "trace": "a", "answer": "42", "complete": True},
            shared | {"sample": 1, "score": 0.0, "trace": "b", "answer": None, "complete": False},
            {
                "problem_id": "8",
                "sample": 0,
                "score": 0.0,
                "prompt": "",
                "reference": None,
                "trace": "c",
                "answer": "5",
            },
        ],
        {"seed": 4, "temperature": 0.6},
        "",
    )


def test_inspect(tmp_path: Path):
    def sample(epoch: int, value: Any, **more: Any) -> dict[str, Any]:
        return {
            "id": 5, "epoch": epoch, "input": [{"role": "user", "content": "q"}], "target": "42",
            "scores": {"match": {"value": value, "answer": "41"}},
            "output": {"completion": "so", "choices": [{"stop_reason": "stop"}], "usage": {"output_tokens": 12}},
        } | more  # fmt: skip

    log = {
        "status": "error",
        "eval": {
            "model": "openai/x",
            "model_generate_config": {"temperature": 0.5, "max_tokens": 100, "seed": 3},
        },
        "samples": [
            sample(1, "C"),
            sample(2, "P", metadata={"level": 2}),
            sample(
                3, "N", output={"choices": [{"message": {"content": "cut"}, "stop_reason": "max_tokens"}]}
            ),
            sample(4, "I", scores={}, error={"message": "boom"}, output={}),
            sample(
                5,
                0.25,
                scores={"match": {"value": 0.25}},
                output={"choices": [{"stop_reason": "content_filter"}]},
            ),
        ],
    }
    path = tmp_path / "log.json"
    path.write_text(json.dumps(log))
    shared = {"problem_id": "5", "prompt": "q", "reference": "42"}
    whole = {"trace": "so", "complete": True, "tokens": 12}
    assert imported(path) == (
        [
            shared | {"sample": 1, "score": 1.0, "answer": "41"} | whole,
            shared | {"sample": 2, "score": 0.5, "answer": "41", "metadata": {"level": 2}} | whole,
            shared
            | {
                "sample": 3,
                "score": 0.0,
                "answer": "41",
                "trace": "cut",
                "complete": False,
                "status": "no_answer",
            },
            shared | {"sample": 4, "score": None, "trace": "", "status": "error", "detail": "boom"},
            shared | {"sample": 5, "score": 0.25, "answer": None, "trace": ""},
        ],
        {"model": "openai/x", "temperature": 0.5, "max_new_tokens": 100, "verifier": "match"},
        "the log's status is error: samples may be missing; the score is match",
    )
    log |= {"status": "success", "samples": [sample(1, "C", scores={}), sample(2, {"a": 1, "b": 0})]}
    path.write_text(json.dumps(log))
    rows, settings, note = imported(path, score="match/b")
    assert [(row["score"], row.get("status")) for row in rows] == [(None, "not scored"), (0.0, None)]
    assert (settings["verifier"], note) == ("match/b", "the score is match/b")


def test_trl_completions(tmp_path: Path):
    path = tmp_path / "completions_00005.parquet"
    table = {
        "step": ["5", "5"], "prompt": ["q", "q"], "completion": ["a", "b"], "right": [1.0, 0.0],
        "advantage": [0.5, -0.5],
    }  # fmt: skip
    pyarrow.parquet.write_table(pyarrow.table(table), path)
    shared = {"problem_id": named("q"), "prompt": "q"}
    assert imported(path) == (
        [
            shared | {"sample": 0, "score": 1.0, "trace": "a"},
            shared | {"sample": 1, "score": 0.0, "trace": "b"},
        ],
        {"step": "5", "verifier": "right"},
        "the score is right; rollouts of training, not an evaluation",
    )
    pyarrow.parquet.write_table(pyarrow.table(table | {"form": [0.0, 1.0]}), path)
    with pytest.raises(UserError, match="choose a reward function with --score NAME: right, form"):
        imported(path)
    assert [row["score"] for row in imported(path, score="form")[0]] == [0.0, 1.0]


def test_lighteval(tmp_path: Path):
    def record(texts: list[str], **metric: Any) -> dict[str, Any]:
        return {
            "doc": {"query": "q", "gold_index": 1, "choices": ["a", "b"]},
            "model_response": {"text": texts, "output_tokens": [[1, 2, 3]] * len(texts)},
            "metric": metric,
        }

    path = tmp_path / "details.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([record(["x"], extractive=1.0)]), path)
    shared = {"problem_id": named("q"), "prompt": "q", "reference": "b"}
    assert imported(path) == (
        [shared | {"sample": 0, "score": 1.0, "trace": "x", "tokens": 3}],
        {"verifier": "extractive"},
        "the score is extractive",
    )
    rows, settings, _ = imported(path, unjudged=True)
    assert (rows, settings) == ([shared | {"sample": 0, "score": None, "trace": "x"}], {})
    several = [record(["x", "y", "z", "w"], **{"avg@n:n=4": 0.75, "pass@k:k=1": 0.5})]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(several), path)
    done = convert([path], tmp_path / "out.jsonl", "me", Options())
    assert done.path.name == "out.csv" and done.path.read_text() == f"problem_id,n,c\n{named('q')},4,3\n"
    assert json.loads((tmp_path / "out.settings.json").read_text()) == {"verifier": "avg@n:n=4"}


def test_live_code_bench(tmp_path: Path):
    row = {"question_id": 9, "question_content": "q", "code_list": ["a", "b"], "graded_list": [True, False]}
    row |= {"difficulty": "hard", "contest_date": "d", "platform": "p", "pass@1": 0.5, "question_title": "no"}
    path = tmp_path / "Scenario.codegeneration_2_0.2_eval_all.json"
    path.write_text(json.dumps([row, row | {"question_id": 10, "output_list": ["so a", "so b"]}]))
    shared = {"prompt": "q", "difficulty": "hard", "contest_date": "d", "platform": "p"}
    assert imported(path) == (
        [
            shared | {"problem_id": p, "sample": i, "score": float(i == 0), "trace": f"{said}{trace}"}
            for p, said in (("9", ""), ("10", "so "))
            for i, trace in enumerate("ab")
        ],
        {"verifier": "LiveCodeBench tests", "temperature": 0.2},
        "",
    )


def test_nemo_skills(tmp_path: Path):
    row = {
        "problem": "q",
        "generation": "g",
        "expected_answer": "42",
        "predicted_answer": 41,
        "num_generated_tokens": 7,
    }
    row |= {
        "symbolic_correct": False,
        "level": 1,
        "type": "t",
        "subset_for_metrics": "s",
        "reference_solution": "no",
    }
    path = lines(
        tmp_path / "output-rs3.jsonl", row | {"id": 5}, row, {"symbolic_correct": True, "generation": None}
    )
    shared = {"score": 0.0, "trace": "g", "prompt": "q", "answer": "41", "reference": "42", "tokens": 7}
    shared |= {"sample": 0, "level": 1, "type": "t", "subset_for_metrics": "s"}
    assert imported(path) == (
        [
            shared | {"problem_id": "5"},
            shared | {"problem_id": named("q")},
            {"problem_id": "line-3", "sample": 0, "score": 1.0},
        ],
        {"verifier": "symbolic_correct", "seed": 3, "lines": 3},
        "1 rows have neither id nor problem: the line is taken for the problem; the score is symbolic_correct",
    )
    judged = [
        {"generation": "g", "problem": f"q{i}", "judgement": f"Reasoning: so\nJudgement: {v}"}
        for i, v in enumerate(("Yes", "No"))
    ]
    rows, settings, _ = imported(lines(tmp_path / "judged.jsonl", *judged))
    assert ([row["score"] for row in rows], settings) == ([1.0, 0.0], {"verifier": "judgement"})


def test_nemo_gym(tmp_path: Path):
    row = {
        "_ng_task_index": 4, "_ng_rollout_index": 2, "reward": 1.0, "expected_answer": "42", "extracted_answer": None,
        "responses_create_params": {"input": [{"role": "user", "content": "q"}]},
        "response": {
            "model": "m", "temperature": 0.7, "top_p": 0.9, "max_output_tokens": 64, "usage": {"output_tokens": 12},
            "output": [
                {"type": "reasoning", "content": "no"},
                {"type": "message", "content": [{"text": "so"}, {"text": "42"}]},
            ],
        },
    }  # fmt: skip
    bare = {
        "reward": 0.0,
        "responses_create_params": {"input": "q2"},
        "response": {"output": []},
        "extracted_answer": 7,
    }
    assert imported(lines(tmp_path / "r.jsonl", row, bare)) == (
        [
            {"problem_id": "4", "sample": 2, "score": 1.0, "prompt": "q", "trace": "so\n\n42", "tokens": 12}
            | {"reference": "42", "answer": None},
            {
                "problem_id": named("q2"),
                "sample": 0,
                "score": 0.0,
                "prompt": "q2",
                "trace": "",
                "answer": "7",
            },
        ],
        {"verifier": "reward", "model": "m", "temperature": 0.7, "top_p": 0.9, "max_new_tokens": 64},
        "",
    )


def test_skyrl(tmp_path: Path):
    row = {
        "input_prompt": [{"role": "user", "content": "q"}],
        "output_response": "o",
        "score": [0.0, 0.0, 1.0],
    }
    row |= {
        "env_extras": {"reward_spec": {"ground_truth": "42"}},
        "stop_reason": "length",
        "data_source": "gsm8k",
    }
    plain = {
        "input_prompt": "q",
        "output_response": "p",
        "score": 0.0,
        "stop_reason": "stop",
        "env_extras": None,
    }
    shared = {"problem_id": named("q"), "prompt": "q"}
    assert imported(lines(tmp_path / "d.jsonl", row, plain)) == (
        [
            shared
            | {
                "sample": 0,
                "score": 1.0,
                "trace": "o",
                "reference": "42",
                "complete": False,
                "source": "gsm8k",
            },
            shared | {"sample": 1, "score": 0.0, "trace": "p", "complete": True},
        ],
        {"verifier": "score"},
        "problems are told apart by their prompts",
    )


def test_open_instruct(tmp_path: Path):
    row = {"prompt_tokens": [1, 2], "response_tokens": [3, 4, 5], "reward": 10.0, "prompt_idx": 0, "step": 7}
    rows = [
        row | {"finish_reason": "stop", "dataset": "math"},
        row | {"reward": 5.0, "finish_reason": "length"},
        row | {"reward": 0.0, "prompt_tokens": [2, 1]},
        row | {"step": 8},
    ]
    path = lines(tmp_path / "run_rollouts_000000.jsonl", *rows)
    shared = {"problem_id": named("[1, 2]"), "tokens": 3}
    note = "reward has 3 values: 10.0 (1), 5.0 (1), 0.0 (1); right is 10, all others are wrong"
    assert imported(path, right="10", where=(("step", "7"),)) == (
        [
            shared | {"sample": 0, "score": 1.0, "complete": True, "source": "math"},
            shared | {"sample": 1, "score": 0.0, "complete": False},
            {"problem_id": named("[2, 1]"), "sample": 0, "score": 0.0, "tokens": 3},
        ],
        {"verifier": "reward", "step": 7},
        f"rollouts of training, as token ids without text; {note}",
    )
    with pytest.raises(
        UserError, match=r"jsonl:4: steps 7, 8, …: every step is another policy; .*--where step=N"
    ):
        imported(path, right="10")


def test_simple_evals(tmp_path: Path):
    def page(score: float, extracted: str) -> str:
        return f"<p>Correct Answer: 1 &lt; 2</p>\n<p>Extracted Answer: {extracted}</p>\n<p>Score: {score}</p>"

    talk = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "so"},
    ]
    path = tmp_path / "e_allresults.json"
    pages = [page(1.0, "a &amp; b"), page(0.0, "None"), page(0.0, "")]
    path.write_text(json.dumps({"score": 0.3, "metrics": {}, "htmls": pages, "convos": [talk] * 3}))
    shared = {"problem_id": named("q"), "prompt": "q", "reference": "1 < 2", "trace": "so"}
    assert imported(path) == (
        [
            shared | {"sample": 0, "score": 1.0, "answer": "a & b"},
            shared | {"sample": 1, "score": 0.0, "answer": None},
            shared | {"sample": 2, "score": 0.0, "answer": None},
        ],
        {"verifier": "simple-evals"},
        "",
    )


def test_verifiers_results(tmp_path: Path):
    talk = [{"role": "user", "content": "q"}]
    row = {
        "example_id": 3,
        "prompt": talk,
        "completion": [{"role": "assistant", "content": "so"}],
        "answer": "42",
    }
    row |= {"reward": 1.0, "task": "t", "right": 0.0, "total_ms": 4.0, "info": {}}
    failed = row | {"error": "boom", "answer": None}
    (tmp_path / "metadata.json").write_text(
        json.dumps({"model": "m", "sampling_args": {"temperature": 0.2, "max_tokens": 9}, "avg_reward": 1})
    )
    path = lines(tmp_path / "results.jsonl", row, failed)
    shared = {"problem_id": "3", "prompt": "q", "trace": "so"}
    assert imported(path) == (
        [
            shared | {"sample": 0, "score": 1.0, "reference": "42"},
            shared | {"sample": 1, "score": None, "status": "error", "detail": "boom"},
        ],
        {"model": "m", "temperature": 0.2, "max_new_tokens": 9, "verifier": "reward"},
        "the score is reward",
    )
    assert imported(path, score="right")[0][0]["score"] == 0.0
    with pytest.raises(
        UserError, match=r"no column 'other'; with --score NAME, one of right \(0\.0\)$|right \(0\.0\) "
    ):
        imported(path, score="other")


def test_verifiers_traces(tmp_path: Path):
    trace = {
        "rewards": {"right": {"score": 1.0, "weight": 0.5}}, "num_output_tokens": 8,
        "nodes": [
            {"message": {"content": "q"}, "sampled": False}, {"message": {"content": "a"}, "sampled": True},
            {"message": {"content": "tool"}}, {"message": {"content": "b"}, "sampled": True},
        ],
        "calls": [{"model": "first"}, {"model": "m", "sampling": {"temperature": 0.3}, "finish_reason": "length"}],
    }  # fmt: skip
    row = {"traces": [trace], "task": {"key": "k", "hash": "h", "data": {"prompt": "q", "answer": "42"}}}
    failed = {"traces": [trace | {"ok": False, "calls": []}], "task": {"hash": "h", "data": {}}}
    ours = {
        "traces": [trace],
        "task": {"key": "k2", "data": {"problem": {"prompt": "own", "reference": 7}, "verifier": "math"}},
    }
    path = lines(tmp_path / "traces.jsonl", row, failed)
    shared = {"trace": "a\n\nb", "tokens": 8, "sample": 0}
    assert imported(path) == (
        [
            shared | {"problem_id": "k", "score": 1.0, "prompt": "q", "reference": "42", "complete": False},
            shared | {"problem_id": "h", "score": None, "prompt": "", "status": "error"},
        ],
        {"verifier": "right", "model": "m", "temperature": 0.3},
        "the score is right",
    )
    (own,), settings, _ = imported(lines(tmp_path / "own.jsonl", ours))
    assert (own["prompt"], own["reference"], settings["verifier"]) == ("own", 7, "math")


def test_lm_eval(tmp_path: Path):
    asked = {"temperature": 0.5, "until": ["Q:"], "max_gen_toks": 9}

    def row(doc: int, **more: Any) -> dict[str, Any]:
        return {
            "doc_id": doc, "doc": {}, "target": "42", "doc_hash": f"d{doc}", "filter": "first",
            "metrics": ["exact_match"], "arguments": {"gen_args_0": {"arg_0": "q", "arg_1": asked}},
            "resps": [["so 42"]], "filtered_resps": ["42"], "exact_match": 1.0,
        } | more  # fmt: skip

    path = tmp_path / "samples_gsm8k_2026-11-30T10-00-00.000000.jsonl"
    lines(
        path,
        row(0),
        row(1, exact_match=0.0, filtered_resps=["[invalid]"], target=None),
        row(2, filter="other"),
    )
    (tmp_path / "results_2026-11-30T10-00-00.000000.json").write_text(json.dumps({
        "config": {"model_args": "pretrained=x"}, "n-shot": {"gsm8k": 5, "other": 3}, "lm_eval_version": "0.4.13",
        "chat_template_sha": "abc", "configs": {"gsm8k": {"generation_kwargs": {"do_sample": False, "top_p": 0.9}}},
    }))  # fmt: skip
    assert imported(path, filter="first") == (
        [
            {"problem_id": "d0", "sample": 0, "score": 1.0, "prompt": "q", "reference": "42", "trace": "so 42"}
            | {"answer": "42"},
            {"problem_id": "d1", "sample": 0, "score": 0.0, "prompt": "q", "trace": "so 42", "answer": None},
        ],
        {
            "temperature": 0.5, "top_p": 0.9, "stop": ["Q:"], "max_new_tokens": 9, "model": "pretrained=x",
            "lm_eval_version": "0.4.13", "chat_template_sha": "abc", "shots": 5,
            "verifier": "exact_match, filter first",
        },
        "",
    )  # fmt: skip
    with pytest.raises(
        UserError, match=r"choose one: --filter first \(exact_match 0\.5\); --filter other \(exact_match 1\)"
    ):
        imported(path)
