"""Inspect AI logs: `.eval` (a ZIP of samples) and `.json` (one object), one sample and epoch after the other."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, sampling, text_of
from rlvr.rollouts.importers.zipped import Zip
from verifiers.types import is_score

NAME = "Inspect log"
OPTIONS = frozenset({"score", "right"})

VALUES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""As Inspect's own accuracy counts them: correct, partial, incorrect, no answer."""
_ENDED = {"stop": True, "max_tokens": False, "model_length": False}


def recognises(head: Head) -> bool:
    if head.start.startswith(b"PK\x03\x04") and zipfile.is_zipfile(head.path):
        with Zip(head.path) as log:
            return any(name.startswith("samples/") for name in log.names)
    return head.holds("eval", "samples", "status")


def rows(reading: Reading) -> Iterator[Row]:
    """`sample` is the epoch; the score is that of the only scorer, or of `--score SCORER` (`SCORER/KEY` where its value
    has several)."""
    header = _header(reading)
    reading.task = str((header.get("eval") or {}).get("task") or "")
    return _rows(reading, header)


def _rows(reading: Reading, header: dict[str, Any]) -> Iterator[Row]:
    _said(reading, header)
    scale: Scale | None = None
    for sample in _samples(reading):
        scores: dict[str, Any] = sample.get("scores") or {}
        name, _, key = (reading.options.score or (scale.column if scale else "")).partition("/")
        if scores and not name:
            if len(scores) > 1:
                raise UserError(
                    f"{reading.at}: has several scorers; choose one with --score NAME: {', '.join(scores)}"
                )
            name = next(iter(scores))
        if scores and name not in scores:
            raise UserError(
                f"{reading.at}: there is no scorer {name!r}; with --score NAME, one of {', '.join(scores)}"
            )
        given = scores.get(name) or {}
        value = given.get("value")
        if isinstance(value, dict):
            if key not in value:
                listed = ", ".join(f"{name}/{key}" for key in value)
                raise UserError(
                    f"{reading.at}: {name} gives several values; choose one with --score: {listed}"
                )
            value = value[key]
        if scores and scale is None:
            scale = Scale(f"{name}/{key}" if key else name, reading.options.right)
            reading.settings["verifier"] = scale.column
        row: Row = {
            "problem_id": str(sample["id"]),
            "sample": sample["epoch"],
            "score": _score(value, scale, reading) if scale else None,
            "prompt": text_of(sample.get("input")),
            "reference": sample.get("target"),
        }
        if scores:
            row["answer"] = None if given.get("answer") is None else str(given["answer"])
        yield row | _written(sample.get("output") or {}) | _further(sample, value, row["score"])
    if scale:
        reading.notes += [f"the score is {scale.column}", *scale.note()]


def _samples(reading: Reading) -> Iterator[dict[str, Any]]:
    path = reading.path
    if not _zipped(reading):
        for i, sample in enumerate(reading.head.whole["samples"] or []):
            reading.at = f"{path}: samples[{i}]"
            yield sample
        return
    with Zip(path) as log:
        for name in log.names:
            if name.startswith("samples/") and name.endswith(".json"):
                reading.at = f"{path}: {name}"
                yield log.json(name)


def _zipped(reading: Reading) -> bool:
    return reading.head.start.startswith(b"PK")


def _header(reading: Reading) -> dict[str, Any]:
    """What the log says before its samples."""
    if not _zipped(reading):
        return reading.head.whole
    with Zip(reading.path) as log:
        name = next((name for name in ("header.json", "_journal/start.json") if name in log.names), None)
        return log.json(name) if name else {}


def _said(reading: Reading, header: dict[str, Any]) -> None:
    run = header.get("eval") or {}
    if run.get("model"):
        reading.settings["model"] = run["model"]
    reading.settings |= sampling(run.get("model_generate_config"))
    status = header.get("status", "not finished")
    if status != "success":
        reading.notes.append(f"the log's status is {status}: samples may be missing")


def _score(value: Any, scale: Scale, reading: Reading) -> float | None:
    if scale.right is None:
        if isinstance(value, str) and value in VALUES:
            return VALUES[value]
        if is_score(value):
            return float(value)
    return scale(value, reading.at)


def _written(output: dict[str, Any]) -> Row:
    """What the model wrote, how long it is and how it ended, of those that the log says."""
    choices = output.get("choices") or [{}]
    said = output.get("completion") or text_of(choices[0].get("message"))
    found: Row = {"trace": said}
    ended = _ENDED.get(str(choices[0].get("stop_reason")))
    if ended is not None:
        found["complete"] = ended
    length = (output.get("usage") or {}).get("output_tokens")
    return found if length is None else found | {"tokens": length}


def _further(sample: dict[str, Any], value: Any, score: float | None) -> Row:
    found: Row = {"metadata": sample["metadata"]} if sample.get("metadata") else {}
    if value == "N":
        found["status"] = "no_answer"
    if score is None:
        error = sample.get("error")
        found |= {"status": "error" if error else "not scored"}
        if error:
            found["detail"] = str(error.get("message") if isinstance(error, dict) else error)
    return found
