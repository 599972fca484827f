"""open-instruct, `--save_traces`: `RUN_rollouts_NNNNNN.jsonl`, one sample a line as token ids, all steps of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, keeps, text_id

NAME = "open-instruct rollouts"
OPTIONS = frozenset({"right", "where"})


def recognises(head: Head) -> bool:
    return head.has("prompt_tokens", "response_tokens", "reward", "prompt_idx")


def rows(reading: Reading) -> Iterator[Row]:
    """Equal prompts are samples of one problem (`prompt_idx` starts again every step). Rewards are commonly 10 times
    the verdict: `--right 10`. A step is a policy: `--where step=N` keeps one."""
    reading.settings["verifier"] = "reward"
    scale = Scale("reward", reading.options.right)
    steps: set[int] = set()
    for where, obj in reading.objects():
        if not keeps(obj, reading.options.where, where):
            continue
        steps.add(obj["step"])
        if len(steps) > 1:
            listed = ", ".join(map(str, sorted(steps)))
            raise UserError(
                f"{where}: steps {listed}, …: every step is another policy; choose one: --where step=N"
            )
        reading.settings["step"] = obj["step"]
        row: Row = {
            "problem_id": text_id(json.dumps(obj["prompt_tokens"])),
            "score": scale(obj["reward"], where),
            "tokens": len(obj["response_tokens"]),
        }
        if obj.get("finish_reason") is not None:
            row["complete"] = obj["finish_reason"] == "stop"
        if obj.get("dataset"):
            row["source"] = str(obj["dataset"])
        yield row
    reading.notes += ["rollouts of training, as token ids without text", *scale.note()]
