"""NeMo Gym rollouts: one sample a line, request and response in the shape of OpenAI's Responses."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, sampling, text_id, text_of

NAME = "NeMo Gym rollouts"
OPTIONS = frozenset({"right"})


def recognises(head: Head) -> bool:
    return head.has("responses_create_params", "response", "reward")


def rows(reading: Reading) -> Iterator[Row]:
    reading.settings["verifier"] = "reward"
    scale = Scale("reward", reading.options.right)
    for where, obj in reading.objects():
        prompt = text_of(obj["responses_create_params"].get("input"))
        response = obj["response"]
        items = [item for item in response.get("output") or [] if item.get("type") == "message"]
        if "model" not in reading.settings:
            reading.settings |= {"model": response.get("model")} | sampling(response)
        row: Row = {
            "problem_id": str(obj["_ng_task_index"]) if "_ng_task_index" in obj else text_id(prompt),
            "score": scale(obj["reward"], where),
            "prompt": prompt,
            "trace": text_of(items),
        }
        if isinstance(length := (response.get("usage") or {}).get("output_tokens"), int):
            row["tokens"] = length
        if "_ng_rollout_index" in obj:
            row["sample"] = obj["_ng_rollout_index"]
        if obj.get("expected_answer") is not None:
            row["reference"] = obj["expected_answer"]
        if "extracted_answer" in obj:
            row["answer"] = None if obj["extracted_answer"] is None else str(obj["extracted_answer"])
        yield row
    reading.notes.extend(scale.note())
