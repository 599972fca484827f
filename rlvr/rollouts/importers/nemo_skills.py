"""NeMo-Skills: `output-rsN.jsonl`, one problem a line and one seed a file (several files: `rlvr import`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, text_id

NAME = "NeMo-Skills output"
OPTIONS = frozenset({"score", "right"})

VERDICTS = ("symbolic_correct", "is_correct", "is_correct-plus", "judgement")


def recognises(head: Head) -> bool:
    """A benchmark of judges has a judgement that is no verdict: it is held against `expected_judgement`."""
    if not isinstance(head.first, dict) or "expected_judgement" in head.first:
        return False
    written = head.has("generation") or head.has("num_generated_tokens")  # texts are left out at times
    return written and any(name in head.first for name in VERDICTS)


def rows(reading: Reading) -> Iterator[Row]:
    """A problem is known by `id`, else by its text, else by its line: then all files have equally many."""
    found = [name for name in VERDICTS if name in reading.head.first]
    column = reading.options.score or (found[0] if len(found) == 1 else None)
    if column is None:
        raise UserError(
            f"{reading.path}: has several verdicts; choose one with --score NAME: {', '.join(found)}"
        )
    reading.settings["verifier"] = column
    if named := re.search(r"-rs(\d+)", reading.path.name):
        reading.settings["seed"] = int(named[1])
    scale = Scale(column, reading.options.right)
    by_line = number = 0
    for number, (where, obj) in enumerate(reading.objects(), 1):
        if column not in obj:
            raise UserError(f"{where}: there is no column {column!r} (--score); found {', '.join(obj)}")
        value = obj[column]
        if column == "judgement" and isinstance(value, str):
            value = value.rpartition(":")[2].strip()
        problem = obj.get("id")
        if problem is None and obj.get("problem"):
            problem = text_id(obj["problem"])
        if problem is None:
            problem, by_line = f"line-{number}", by_line + 1
        row: Row = {"problem_id": str(problem), "score": scale(value, where)}
        if obj.get("generation") is not None:
            row["trace"] = obj["generation"]
        if obj.get("problem"):
            row["prompt"] = obj["problem"]
        if "predicted_answer" in obj:
            row["answer"] = None if obj["predicted_answer"] is None else str(obj["predicted_answer"])
        if obj.get("expected_answer") is not None:
            row["reference"] = obj["expected_answer"]
        if isinstance(obj.get("num_generated_tokens"), int):
            row["tokens"] = obj["num_generated_tokens"]
        yield row | {key: obj[key] for key in ("level", "type", "subset_for_metrics") if key in obj}
    if by_line:
        reading.settings["lines"] = number
        reading.notes.append(f"{by_line} rows have neither id nor problem: the line is taken for the problem")
    reading.notes += [f"the score is {column}", *scale.note()]
