"""lighteval: `details_TASK_TIME.parquet`, one document a row with its n samples, and a metric over them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Counts, Head, Names, Reading, Row, Scale, counted, text_id, text_of
from rlvr.rollouts.importers.records import parquet_columns, records

NAME = "lighteval details"
OPTIONS = frozenset({"score", "right", "unjudged"})


def recognises(head: Head) -> bool:
    return {"doc", "model_response", "metric"} <= parquet_columns(head).keys()


def rows(reading: Reading) -> Iterator[Row | Counts]:
    """A metric judges the sample where there is one; of n, only `avg@n` says how many were right."""
    named = re.fullmatch(r"details_(.+)_\d{4}-\d\d-\d\dT[^_]+\.parquet", reading.beside.name)
    reading.task = named[1] if named else ""
    return _rows(reading)


def _rows(reading: Reading) -> Iterator[Row | Counts]:
    scale: Scale | None = None
    names = Names()
    for where, record in records(reading):
        doc, response, metrics = record["doc"], record["model_response"], record["metric"] or {}
        texts = response["text"] or []
        problem = names(text_id(doc["query"]))  # its id is a place in the file
        shared: Row = {"problem_id": problem, "prompt": doc["query"]}
        gold, choices = doc.get("gold_index"), doc.get("choices") or []
        if isinstance(gold, int) and gold < len(choices):
            shared["reference"] = choices[gold]
        if reading.options.unjudged:
            yield from (shared | {"score": None, "trace": text} for text in texts)
            continue
        if scale is None:
            scale = Scale(_chosen(reading, metrics, len(texts)), reading.options.right)
            reading.settings["verifier"] = scale.column
        value = metrics.get(scale.column)
        if value is None:
            raise UserError(f"{where}: has no metric {scale.column!r}; it has {_listed(metrics)}")
        if len(texts) != 1:
            named = re.match(r"avg@.*?(?:n=)?(\d+)$", scale.column)
            if not scale.column.startswith("avg@"):
                raise UserError(
                    f"{where}: {scale.column} over {len(texts)} samples does not say how many were right"
                )
            yield Counts(
                problem, *counted(value, int(named[1]) if named else len(texts), where, scale.column)
            )
            continue
        row = shared | {"score": scale(value, where), "trace": text_of(texts[0])}
        if tokens := response.get("output_tokens"):
            row["tokens"] = len(tokens[0])
        yield row
    if scale:
        reading.notes += [f"the score is {scale.column}", *scale.note()]


def _chosen(reading: Reading, metrics: dict[str, Any], n: int) -> str:
    named = [name for name, value in metrics.items() if value is not None]
    fit = [name for name in named if n == 1 or name.startswith("avg@")]
    name = reading.options.score or (fit[0] if len(fit) == 1 else None)
    if name not in named:
        raise UserError(f"{reading.path}: choose a metric with --score NAME: {_listed(metrics)}")
    return name


def _listed(metrics: dict[str, Any]) -> str:
    return ", ".join(f"{name!r}" for name, value in metrics.items() if value is not None) or "none"
