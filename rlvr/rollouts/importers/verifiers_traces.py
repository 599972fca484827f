"""verifiers from 0.4 on, and prime-rl: `traces.jsonl`, one episode a line with its traces.

Those of `rlvr export prime-rl` have our problem as it was read, and say which verifier the reward is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, list_of, sampling, text_of

NAME = "verifiers or prime-rl traces"
OPTIONS = frozenset({"score", "right"})


def recognises(head: Head) -> bool:
    return (
        head.has("traces", "task")
        and isinstance(head.first["traces"], list)
        and isinstance(head.first["task"], dict)
    )


def rows(reading: Reading) -> Iterator[Row]:
    """The score is one reward's own, without its weight: nothing stores the weighted sum."""
    scale: Scale | None = None
    for where, obj in reading.objects():
        traces = list_of(obj, "traces", where)
        if len(traces) != 1:
            raise UserError(
                f"{where}: an episode of {len(traces)} traces; only those of one policy's trace are read"
            )
        trace, task = traces[0], obj.get("task") or {}
        data = task.get("data") or {}
        ours: Any = data["problem"] if isinstance(data.get("problem"), dict) else {}
        problem = task.get("key") or task.get("hash")
        if problem is None:
            raise UserError(f"{where}: task has neither key nor hash: nothing says which problem this is")
        rewards: dict[str, Any] = trace.get("rewards") or {}
        failed = obj.get("ok") is False or trace.get("ok") is False
        column = reading.options.score or (scale.column if scale else None)
        if column is None and rewards:
            if len(rewards) > 1:
                raise UserError(
                    f"{where}: has several rewards; choose one with --score NAME: {', '.join(rewards)}"
                )
            column = next(iter(rewards))
        if column is not None and rewards and column not in rewards and not failed:
            raise UserError(
                f"{where}: there is no reward {column!r}; with --score NAME, one of {', '.join(rewards)}"
            )
        if column is not None and scale is None:
            scale = Scale(column, reading.options.right)
            reading.settings["verifier"] = data.get("verifier") if ours else column
        calls = trace.get("calls") or []
        if calls and "model" not in reading.settings:
            reading.settings |= {"model": calls[-1].get("model")} | sampling(calls[-1].get("sampling"))
        given = (rewards.get(column) or {}).get("score") if column and not failed else None
        said = "\n\n".join(
            text_of(node.get("message")) for node in trace.get("nodes") or [] if node.get("sampled")
        )
        row: Row = {
            "problem_id": str(problem),
            "score": scale(given, where) if scale else None,
            "prompt": ours.get("prompt", text_of(data.get("prompt"))),
            "trace": said,
        }
        if (reference := ours.get("reference", data.get("answer"))) is not None:
            row["reference"] = reference
        if calls and calls[-1].get("finish_reason") is not None:
            row["complete"] = calls[-1]["finish_reason"] == "stop"
        if isinstance(trace.get("num_output_tokens"), int):
            row["tokens"] = trace["num_output_tokens"]
        if row["score"] is None:
            row["status"] = "error"
        yield row
    if scale:
        reading.notes += [f"the score is {scale.column}", *scale.note()]
