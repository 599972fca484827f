"""A whole run of a base model with a template of the user's own: thoughts, ends of turns and the template itself reach
every part of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, GenerationConfig

from rlvr.cli import main
from tests.scripted import CHATML, model_folder, tokenizer_of, writes

OPENS = CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
CLOSED = "{% if enable_thinking is defined and not enable_thinking %}</think>\n\n{% endif %}{% endif %}"
SWITCHED = OPENS.removesuffix("{% endif %}") + CLOSED


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def run(folder: Path, *written: str, **evidence: Any) -> Path:
    tokenizer = tokenizer_of(None, plain_tokens=("<think>", "</think>"))
    model_folder(folder / "base", tokenizer, writes(tokenizer, "\n", *written))
    (folder / "own.jinja").write_text(SWITCHED)
    for name, first in (("train", 1), ("heldout", 21)):
        problems = [{"prompt": f"{n} + {n}", "reference": str(2 * n)} for n in (first, first + 1)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(p) + "\n" for p in problems))
    config = {
        "model": str(folder / "base"),
        "problems": {name: {"file": f"{name}.jsonl"} for name in ("train", "heldout")},
        "evidence": {"template": "chat", "chat_template": "own.jinja", **evidence},
        "verifier": "math",
        "sampling": {"samples": 2, "max_new_tokens": 8},
        "analysis": {"search_budget": 1, "replicates": 100},
        "verification": {"workers": 1},
        "train": {
            "steps": 1,
            "groups_per_step": 2,
            "group_size": 2,
            "learning_rate": 1e-6,
            "trl": {"beta": 0.01},
        },
    }
    (folder / "c.yaml").write_text(json.dumps(config))
    assert main(["run", str(folder / "c.yaml"), "--output", str(folder / "run"), "-q"]) == 0
    return folder / "run"


@pytest.mark.slow
def test_a_finished_thought(tmp_path: Path) -> None:
    finished = run(tmp_path, "a", "</think>", "42", "<|im_end|>", "XYZ")
    tokenizer = AutoTokenizer.from_pretrained(finished / "model")
    assert tokenizer.chat_template == SWITCHED  # what was trained with
    assert GenerationConfig.from_pretrained(finished / "model").eos_token_id == [258, 257]
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    files = [finished / "rollouts" / f"{name}.jsonl" for name in ("base", "tuned", "train-000001")]
    for row in (row for file in files for row in rows(file)):
        assert row["opened"] == "<think>" and row["complete"] and row["trace"] == "a</think>42"
        assert row["token_ids"][-1] == end and row["tokens"] == len(row["token_ids"]) == 5
        assert row["answer"] == "42" and row["score"] == float(row["reference"] == "42")
    for file in files[:2]:
        for row in rows(file):  # the end is a part of what is scored, when it is drawn and afterwards
            assert row["logprobs"]["base"] == pytest.approx(row["logprobs"]["tuned"], abs=1e-3)
    settings = json.loads((finished / "rollouts" / "base.settings.json").read_text())
    assert settings["end_tokens"] == ["<|endoftext|>", "<|im_end|>"]
    assert settings["first_prompt"].endswith("<|im_start|>assistant\n<think>\n")
    assert "<|im_end|>" in (finished / "config.yaml").read_text()  # the template itself
    # the same command goes on, and another template is another run
    words = ["run", str(tmp_path / "c.yaml"), "--output", str(finished), "-q"]
    assert main(words) == 0
    (tmp_path / "own.jinja").write_text(OPENS)
    assert main(words) == 2


@pytest.mark.slow
def test_an_unfinished_thought_is_paid_nowhere(tmp_path: Path) -> None:
    finished = run(tmp_path, "42abcdefgh")
    for name in ("base", "tuned", "train-000001"):
        for row in rows(finished / "rollouts" / f"{name}.jsonl"):
            assert (row["opened"], row["status"], row["score"], row["complete"]) == (
                "<think>",
                "no_answer",
                0.0,
                False,
            )


@pytest.mark.slow
def test_a_thought_that_the_switch_closed(tmp_path: Path) -> None:
    finished = run(tmp_path, "42", "<|im_end|>", template_options={"enable_thinking": False})
    for name in ("base", "tuned", "train-000001"):
        for row in rows(finished / "rollouts" / f"{name}.jsonl"):
            assert "opened" not in row and row["answer"] == "42" and row["complete"]
