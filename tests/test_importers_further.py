"""Further formats of other systems: TRL, lighteval, LiveCodeBench, NeMo, SkyRL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.rollouts.evaluations import Evaluation, read
from rlvr.rollouts.importers import Options

QUESTION = "What is 12 + 30?"
RIGHT, WRONG = "so \\boxed{42}", "so \\boxed{41}"


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def one(path: Path, **options: Any) -> Evaluation:
    (evaluation,) = read(path, "base", options=Options(**options))
    return evaluation


def first_row(evaluation: Evaluation) -> dict[str, Any]:
    assert evaluation.columns
    return evaluation.columns.rows([0])[0]


# TRL


def completion(question: str, right: float, step: int = 2) -> dict[str, Any]:
    return {
        "step": step, "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": RIGHT}], "accuracy_reward": right, "format_reward": 0.5,
        "advantage": 0.35,
    }  # fmt: skip


def test_trl_completions_need_a_reward_function_and_are_of_one_step(tmp_path: Path):
    file = parquet(
        tmp_path / "completions_00002.parquet",
        [completion("a", 1.0), completion("b", 0.0), completion("a", 0.0)],
    )
    with pytest.raises(UserError, match=r"--score NAME: accuracy_reward, format_reward"):
        one(file)
    evaluation = one(file, score="accuracy_reward")
    assert evaluation.samples.n.tolist() == [2, 1] and evaluation.samples.c.tolist() == [1, 0]
    assert (first_row(evaluation)["prompt"], first_row(evaluation)["trace"]) == ("a", RIGHT)
    assert evaluation.settings["step"] == 2 and "not an evaluation" in evaluation.notes[0]
    with pytest.raises(UserError, match=r"format_reward is 0\.5, neither"):
        one(file, score="format_reward")
    with pytest.raises(UserError, match="row 2: step 3 after step 2"):
        one(
            parquet(tmp_path / "b.parquet", [completion("a", 1.0), completion("a", 1.0, 3)]),
            score="accuracy_reward",
        )


# lighteval


def details(query: str, texts: list[str], metric: dict[str, Any]) -> dict[str, Any]:
    return {
        "doc": {"query": query, "choices": ["42"], "gold_index": 0, "id": "7", "task_name": "sums|0"},
        "model_response": {"input": query, "text": texts, "output_tokens": [[5, 6]] * len(texts)},
        "metric": metric,
    }


def test_lighteval_with_one_sample_is_a_row(tmp_path: Path):
    rows = [
        details("a", [RIGHT], {"extractive_match": 1.0}),
        details("b", [WRONG], {"extractive_match": 0.0}),
    ]
    evaluation = one(parquet(tmp_path / "details_sums|0_x.parquet", rows))
    assert evaluation.samples.c.tolist() == [1, 0]
    assert {"tokens": 2, "reference": "42", "trace": RIGHT}.items() <= first_row(evaluation).items()


def test_lighteval_details_of_two_tasks_are_two_sources(tmp_path: Path):
    """Of one question, too."""
    for task in ("lighteval|sums|0", "lighteval|words|0"):
        parquet(
            tmp_path / f"details_{task}_2026-01-01T10-00-00.1.parquet", [details("a", [RIGHT], {"em": 1.0})]
        )
    found = one(tmp_path / "details_*.parquet")
    assert list(found.samples.by_source()) == ["lighteval|sums|0", "lighteval|words|0"]


def test_lighteval_with_several_samples_is_counts_of_their_mean(tmp_path: Path):
    several = {"avg@n:n=2": 0.5, "pass@k:k=1&n=2": 0.5}
    file = parquet(
        tmp_path / "d.parquet", [details("a", [RIGHT, WRONG], several), details("a", [RIGHT] * 2, several)]
    )
    evaluation = one(file)
    assert evaluation.columns is None and evaluation.samples.n.tolist() == [
        2,
        2,
    ]  # one question twice: two documents
    assert evaluation.samples.c.tolist() == [1, 1]
    with pytest.raises(UserError, match="does not say how many were right"):
        one(file, score="pass@k:k=1&n=2")
    file = parquet(tmp_path / "d.parquet", [details("a", [RIGHT, WRONG], {"avg@n:n=2": 0.3})])
    with pytest.raises(UserError, match="not a whole number"):
        one(file)


def test_lighteval_samples_without_a_verdict_can_be_judged_anew(tmp_path: Path):
    file = parquet(tmp_path / "d.parquet", [details("a", [RIGHT, WRONG], {"pass@k:k=1&n=2": 0.5})])
    into = tmp_path / "base.jsonl"
    assert main(["import", str(file), "--unjudged", "--into", str(into), "-q"]) == 0
    rows = [json.loads(line) for line in into.read_text().splitlines()]
    assert [(row["trace"], row["score"], row["reference"], row["sample"]) for row in rows] == [
        (RIGHT, None, "42", 0),
        (WRONG, None, "42", 1),
    ]


def test_a_metric_that_a_document_lacks_is_named(tmp_path: Path):
    rows = [details("a", [RIGHT], {"x": 1.0, "y": None}), details("b", [RIGHT], {"x": None, "y": 1.0})]
    with pytest.raises(UserError, match="row 2: has no metric 'x'; it has 'y'"):
        one(parquet(tmp_path / "d.parquet", rows))


def test_a_damaged_parquet_file_is_named(tmp_path: Path):
    (tmp_path / "d.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match=r"d\.parquet: not a Parquet file"):
        one(tmp_path / "d.parquet")


# LiveCodeBench


def test_live_code_bench_lists_are_samples(tmp_path: Path):
    problem = {
        "question_id": "q1", "question_content": "Add two numbers.", "difficulty": "easy",
        "contest_date": "2024-01-01T00:00:00", "output_list": ["o1", "o2"], "code_list": ["c1", "c2"],
        "graded_list": [True, False], "pass@1": 0.5, "metadata": ["{}", "{}"],
    }  # fmt: skip
    file = tmp_path / "Scenario.codegeneration_2_0.2_eval_all.json"
    file.write_text(json.dumps([problem], indent=2))
    evaluation = one(file)
    assert (evaluation.samples.n[0], evaluation.samples.c[0], evaluation.settings["temperature"]) == (
        2,
        1,
        0.2,
    )
    assert {"difficulty": "easy", "trace": "o1", "prompt": "Add two numbers."}.items() <= first_row(
        evaluation
    ).items()
    file.write_text(json.dumps([problem | {"output_list": None}]))
    assert first_row(one(file))["trace"] == "c1"
    file.write_text(json.dumps([problem | {"output_list": ["o1"]}]))
    with pytest.raises(UserError, match="output_list has 1 entries; expected 2"):
        one(file)


# NeMo-Skills


def skill(right: bool, **more: Any) -> dict[str, Any]:
    return {
        "problem": QUESTION, "expected_answer": "42", "predicted_answer": "42" if right else None,
        "symbolic_correct": right, "generation": RIGHT, "num_generated_tokens": 9,
    } | more  # fmt: skip


def test_nemo_skills_seeds_make_one_evaluation(tmp_path: Path):
    files = [
        write(tmp_path / f"output-rs{seed}.jsonl", [skill(seed > 0, id="a"), skill(False, id="b")])
        for seed in range(3)
    ]
    evaluation = one(files[1])
    assert evaluation.samples.c.tolist() == [1, 0] and first_row(evaluation)["tokens"] == 9
    into = tmp_path / "base.jsonl"
    assert main(["import", *map(str, files), "--into", str(into), "-q"]) == 0
    assert one(into).samples.n.tolist() == [3, 3] and one(into).samples.c.tolist() == [2, 0]
    assert one(write(files[0], [skill(True), skill(False)])).samples.n.tolist() == [2]  # no id: by the text


def test_nemo_skills_rows_without_any_name_go_by_line_and_need_equal_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def nameless(seed: int, size: int) -> Path:
        return write(tmp_path / f"output-rs{seed}.jsonl", [skill(True, problem=None) for _ in range(size)])

    files = [nameless(0, 2), nameless(1, 3)]
    evaluation = one(files[0])
    assert (
        list(evaluation.samples.problem_ids) == ["line-1", "line-2"] and "neither id" in evaluation.notes[0]
    )
    assert main(["import", *map(str, files), "--into", str(tmp_path / "base.jsonl"), "-q"]) == 2
    assert "lines differs" in capsys.readouterr().err


def test_nemo_skills_rows_without_texts_are_read_and_judges_are_not(tmp_path: Path):
    row = {"num_generated_tokens": 9, "is_correct": True, "is_correct-plus": False}
    file = write(tmp_path / "output-rs0.jsonl", [row, row])
    assert one(file, score="is_correct-plus").samples.c.tolist() == [0, 0]
    judge = {"num_generated_tokens": 9, "judgement": "Judgement: Yes", "expected_judgement": "Judgement: No"}
    with pytest.raises(UserError, match="needs problem_id and score"):
        one(write(file, [judge]))


def test_nemo_skills_judgements_and_several_verdicts(tmp_path: Path):
    rows = [
        skill(True, id="a", judgement="Reason.\nJudgement: No"),
        skill(True, id="b", judgement="Judgement: Yes"),
    ]
    file = write(tmp_path / "output.jsonl", rows)
    with pytest.raises(UserError, match="--score NAME: symbolic_correct, judgement"):
        one(file)
    assert one(file, score="judgement").samples.c.tolist() == [0, 1]


# NeMo Gym and SkyRL


def test_nemo_gym_rollouts(tmp_path: Path):
    item = {"type": "message", "content": [{"type": "output_text", "text": RIGHT}]}
    row = {
        "responses_create_params": {"input": [{"role": "user", "content": QUESTION}]},
        "response": {"output": [{"type": "reasoning", "summary": []}, item]}, "reward": 1.0, "expected_answer": "42",
        "extracted_answer": "42", "_ng_task_index": 4, "_ng_rollout_index": 1,
    }  # fmt: skip
    row["response"] |= {"model": "m", "temperature": 0.7, "usage": {"output_tokens": 9}}
    file = write(tmp_path / "rollouts.jsonl", [row, row | {"_ng_rollout_index": 0, "reward": 0.0}])
    evaluation = one(file)
    assert (evaluation.samples.n[0], evaluation.samples.c[0]) == (2, 1)
    expected = {
        "problem_id": "4",
        "sample": 1,
        "trace": RIGHT,
        "prompt": QUESTION,
        "answer": "42",
        "tokens": 9,
    }
    assert expected.items() <= first_row(evaluation).items()
    assert (evaluation.settings["model"], evaluation.settings["temperature"]) == ("m", 0.7)
    with pytest.raises(UserError, match="occurs twice"):
        one(write(file, [row, row]))
    plain = {k: v for k, v in row.items() if not k.startswith("_ng")}
    with pytest.raises(UserError, match=r"rollouts\.jsonl:1: nothing says which problem"):
        one(write(file, [plain | {"responses_create_params": {"input": []}}]))
    assert one(write(file, [plain, plain])).samples.n.tolist() == [2]


def test_skyrl_evaluations(tmp_path: Path):
    row = {
        "input_prompt": QUESTION, "output_response": RIGHT, "score": [0.0, 0.0, 1.0], "stop_reason": "stop",
        "env_class": "gsm8k", "env_extras": {"reward_spec": {"ground_truth": "42"}}, "data_source": "sums",
    }  # fmt: skip
    evaluation = one(write(tmp_path / "sums.jsonl", [row, row | {"score": 0.0, "stop_reason": "length"}]))
    assert (evaluation.samples.n[0], evaluation.samples.c[0]) == (2, 1)
    assert {"reference": "42", "complete": True, "source": "sums"}.items() <= first_row(evaluation).items()


# open-instruct and simple-evals


def test_open_instruct_is_read_a_step_at_a_time(tmp_path: Path):
    def row(step: int, reward: float, prompt: list[int]) -> dict[str, Any]:
        return {
            "step": step, "sample_idx": 0, "prompt_idx": 0, "prompt_tokens": prompt, "response_tokens": [3, 4],
            "reward": reward, "finish_reason": "stop", "dataset": "gsm8k", "ground_truth": [5],
        }  # fmt: skip

    file = write(
        tmp_path / "r_rollouts_000000.jsonl", [row(3, 10.0, [9]), row(3, 0.0, [9]), row(4, 10.0, [9])]
    )
    with pytest.raises(UserError, match=r"reward is 10\.0, neither"):
        one(file)
    with pytest.raises(UserError, match=r"steps 3, 4.*--where step=N"):
        one(file, right="10")
    evaluation = one(file, right="10", where=(("step", "3"),))
    assert (evaluation.samples.n[0], evaluation.samples.c[0], evaluation.settings["step"]) == (2, 1, 3)
    assert first_row(evaluation)["tokens"] == 2 and "trace" not in first_row(evaluation)


def test_simple_evals_verdicts_come_from_the_pages(tmp_path: Path):
    def page(score: str, answer: str) -> str:
        return f"<p>Correct Answer: x &lt; 42</p>\n<p>Extracted Answer: {answer}</p>\n<p>Score: {score}</p>"

    talk = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": RIGHT}]
    held = {
        "score": 0.5,
        "metrics": {},
        "htmls": [page("1.0", "x &lt; 42"), page("0.0", "None")],
        "convos": [talk, talk],
    }
    file = tmp_path / "math_m_allresults.json"
    file.write_text(json.dumps(held))
    evaluation = one(file)
    assert (evaluation.samples.n[0], evaluation.samples.c[0]) == (2, 1)
    expected = {"reference": "x < 42", "answer": "x < 42", "trace": RIGHT, "prompt": QUESTION}
    assert expected.items() <= first_row(evaluation).items()
    file.write_text(json.dumps(held | {"htmls": ["<p>Score: 1.0</p>"] * 2}))
    with pytest.raises(UserError, match=r"htmls\[0\]: has no line 'Correct Answer'"):
        one(file)


def test_files_of_two_formats_are_not_one_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    files = [write(tmp_path / "a.jsonl", [skill(True)]), tmp_path / "b.json"]
    files[1].write_text(json.dumps({"a": True}))
    assert main(["import", *map(str, files), "--into", str(tmp_path / "out.jsonl")]) == 2
    assert "expected one format" in capsys.readouterr().err
