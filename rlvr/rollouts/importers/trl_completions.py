"""TRL, `log_completions=True`: `completions_STEP.parquet`, one sample a row, one column per reward function."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, text_id, text_of
from rlvr.rollouts.importers.records import parquet_columns, records

NAME = "TRL completions"
OPTIONS = frozenset({"score", "right"})


def recognises(head: Head) -> bool:
    return {"step", "prompt", "completion", "advantage"} <= parquet_columns(head).keys()


def rows(reading: Reading) -> Iterator[Row]:
    """Equal prompts are samples of one problem; the score is a reward function's column."""
    kinds = parquet_columns(reading.head)
    functions = [name for name, kind in kinds.items() if kind in ("float", "double") and name != "advantage"]
    column = reading.options.score or (functions[0] if len(functions) == 1 else None)
    if column not in kinds:
        raise UserError(f"{reading.path}: choose a reward function with --score NAME: {', '.join(functions)}")
    reading.settings["verifier"] = column
    scale = Scale(column, reading.options.right)
    for where, record in records(reading):
        reading.one_step(record["step"], where)
        prompt = text_of(record["prompt"])
        yield {
            "problem_id": text_id(prompt),
            "score": scale(record[column], where),
            "prompt": prompt,
            "trace": text_of(record["completion"]),
        }
    reading.notes += [f"the score is {column}; rollouts of training, not an evaluation", *scale.note()]
