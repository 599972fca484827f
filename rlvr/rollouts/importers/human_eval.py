"""HumanEval (openai): `samples.jsonl_results.jsonl`, one judged sample a line."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading, Row
from rlvr.text import line as short

NAME = "HumanEval results"
OPTIONS: frozenset[str] = frozenset()


def recognises(head: Head) -> bool:
    return head.has("task_id", "passed", "result")


def rows(reading: Reading) -> Iterator[Row]:
    reading.settings["verifier"] = "HumanEval tests"
    for where, obj in reading.objects():
        passed = obj.get("passed")
        if not isinstance(passed, bool):
            raise UserError(f"{where}: passed is {short(repr(passed), 60)}; expected true or false")
        result = str(obj.get("result", ""))
        yield {
            "problem_id": str(obj["task_id"]),
            "score": float(passed),
            "trace": obj.get("completion", ""),
            "status": "correct" if passed else "timeout" if result == "timed out" else "incorrect",
            "detail": result,
        }
