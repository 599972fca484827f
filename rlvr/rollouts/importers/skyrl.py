"""SkyRL: `dumped_evals/global_step_N_evals/DATASET.jsonl`, one sample a line."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, text_id, text_of

NAME = "SkyRL evaluation"
OPTIONS = frozenset({"right"})


def recognises(head: Head) -> bool:
    return head.has("input_prompt", "output_response", "score")


def rows(reading: Reading) -> Iterator[Row]:
    """Equal prompts are samples of one problem. A list of rewards, one a token, is their sum."""
    reading.settings["verifier"] = "score"
    scale = Scale("score", reading.options.right)
    for where, obj in reading.objects():
        score = sum(obj["score"]) if isinstance(obj["score"], list) else obj["score"]
        prompt = text_of(obj["input_prompt"])
        row: Row = {
            "problem_id": text_id(prompt),
            "score": scale(score, where),
            "prompt": prompt,
            "trace": text_of(obj["output_response"]),
        }
        truth = ((obj.get("env_extras") or {}).get("reward_spec") or {}).get("ground_truth")
        if truth is not None:
            row["reference"] = truth
        if obj.get("stop_reason") is not None:
            row["complete"] = obj["stop_reason"] == "stop"
        if obj.get("data_source"):
            row["source"] = str(obj["data_source"])
        yield row
    reading.notes += ["problems are told apart by their prompts", *scale.note()]
