"""Rows of a known format with a value of another kind: read, or refused in words that name the file."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import UserError
from rlvr.rollouts.evaluations import read
from rlvr.rollouts.importers import Options, recognise

ODD: list[Any] = [None, "x", -1, 0.5, True, [], {}, [1], [None], {"a": 1}, [[]], [{}], 10**400, float("nan")]

ROWS: dict[str, dict[str, Any]] = {
    "lm_eval": {
        "doc_id": 3, "doc": {}, "target": "42", "resps": [["a"]], "filtered_resps": ["42"], "filter": "none",
        "arguments": {"gen_args_0": {"arg_0": ["q"], "arg_1": {"temperature": 1.0}}}, "metrics": ["exact_match"],
        "doc_hash": "aa", "exact_match": 1.0,
    },
    "verifiers": {
        "example_id": 0, "prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "a", "content": "b"}],
        "task": "default", "reward": 1.0, "error": None, "answer": "42", "num_turns": 1.0,
    },
    "traces": {
        "id": "e1", "task": {"data": {"prompt": "q", "answer": "42"}, "key": "k"}, "ok": True,
        "traces": [{
            "nodes": [{"message": {"role": "assistant", "content": "a"}, "sampled": True}],
            "calls": [{"model": "m", "sampling": {"temperature": 1.0}, "finish_reason": "stop"}],
            "rewards": {"correct": {"score": 1.0, "weight": 1.0}}, "ok": True, "num_output_tokens": 14,
        }],
    },
    "verl": {"input": "q", "output": "a", "gts": "42", "score": 1.0, "step": 1, "acc": True, "pred": "42"},
    "human_eval": {"task_id": "H/0", "completion": "x", "result": "passed", "passed": True},
    "qwen": {
        "idx": 0, "question": "q", "gt": "42", "code": ["a"], "pred": ["42"], "finish_reason": ["stop"],
        "score": [True],
    },
    "nemo_skills": {
        "id": "a", "problem": "q", "expected_answer": "42", "predicted_answer": "42", "symbolic_correct": True,
        "generation": "g", "num_generated_tokens": 9,
    },
    "nemo_gym": {
        "responses_create_params": {"input": "q"}, "reward": 1.0, "expected_answer": "42", "_ng_task_index": 1,
        "response": {"output": [{"type": "message", "content": [{"text": "t"}]}]}, "_ng_rollout_index": 0,
    },
    "skyrl": {
        "input_prompt": "q", "output_response": "a", "score": 1.0, "stop_reason": "stop", "env_extras": {},
        "data_source": "s",
    },
    "open_instruct": {
        "step": 3, "prompt_idx": 0, "prompt_tokens": [9], "response_tokens": [3], "reward": 1.0,
        "finish_reason": "stop",
        "dataset": "gsm8k",
    },
    "simple_evals": {
        "score": 1.0, "metrics": {}, "convos": [[{"role": "user", "content": "q"}]],
        "htmls": ["<p>Correct Answer: 1</p><p>Extracted Answer: 1</p><p>Score: 1.0</p>"],
    },
    "eval_plus": {
        "hash": "h",
        "eval": {"H/0": [{"task_id": "H/0", "solution": "s", "base_status": "pass", "plus_status": "pass"}]},
    },
    "inspect": {
        "status": "success", "eval": {"model": "m", "model_generate_config": {"temperature": 1.0}},
        "samples": [{
            "id": 1, "epoch": 1, "input": "q", "target": "42", "scores": {"match": {"value": "C", "answer": "42"}},
            "output": {"choices": [{"message": {"content": "a"}, "stop_reason": "stop"}],
                       "usage": {"output_tokens": 9}},
        }],
    },
}  # fmt: skip


def variants(value: Any) -> Iterator[Any]:
    """The value with each of its parts, at any depth, left out or replaced by something odd."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            without = copy.copy(value)
            del without[key]
            yield without
            for other in [*ODD, *variants(value[key])]:
                changed = copy.copy(value)
                changed[key] = other
                yield changed


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.filterwarnings("ignore")
def test_an_odd_value_is_read_or_refused_in_words(tmp_path: Path, name: str):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ROWS[name]))
    assert recognise(file) and read(file, "base")
    for row in variants(ROWS[name]):
        file.write_text(json.dumps(row) + "\n")
        for options in (Options(), Options(right=">=0.5")):
            try:
                read(file, "base", options=options)
            except UserError as error:
                assert str(file) in str(error), f"{error}: {row}"
                assert len(str(error)) < 1000
