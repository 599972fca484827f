"""verl: `STEP.jsonl` of `trainer.validation_data_dir` and `trainer.rollout_data_dir`, one sample a line."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, text_id

NAME = "verl dump"
OPTIONS = frozenset({"score", "right"})


def recognises(head: Head) -> bool:
    return head.has("input", "output", "score", "step")


def rows(reading: Reading) -> Iterator[Row]:
    """No row has an id: equal prompts are samples of one problem. `acc` is the verdict where there is one; `score` is
    the reward, on the scale of the reward function (0/1, or −1/+1)."""
    scale: Scale | None = None
    for where, obj in reading.objects():
        if lacks := [key for key in ("input", "output", "step") if key not in obj]:
            raise UserError(f"{where}: {', '.join(lacks)} is missing")
        reading.one_step(obj["step"], where)
        if scale is None:
            column = reading.options.score or ("acc" if "acc" in obj else "score")
            scale = Scale(column, reading.options.right)
            reading.settings["verifier"] = column
        if scale.column not in obj:
            raise UserError(f"{where}: there is no column {scale.column!r} (--score); found {', '.join(obj)}")
        row: Row = {
            "problem_id": text_id(obj["input"]),
            "score": scale(obj[scale.column], where),
            "prompt": obj["input"],
            "trace": obj["output"],
        }
        if obj.get("gts") is not None:
            row["reference"] = obj["gts"]
        if "pred" in obj:
            row["answer"] = None if obj["pred"] is None else str(obj["pred"])
        yield row
    if scale:
        reading.notes += [
            f"the score is {scale.column}; problems are told apart by their prompts",
            *scale.note(),
        ]
