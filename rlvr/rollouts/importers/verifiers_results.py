"""verifiers up to 0.1 (`vf-eval -s`): `results.jsonl`, one rollout a line, `metadata.json` beside it."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, sampling, text_of
from rlvr.rollouts.rows import parse

NAME = "verifiers results"
OPTIONS = frozenset({"score", "right"})

_OURS = ("example_id", "prompt", "completion", "task", "reward", "answer", "error", "info")


def recognises(head: Head) -> bool:
    return head.has("example_id", "reward", "completion")


def rows(reading: Reading) -> Iterator[Row]:
    """The score is a reward function's own column; `reward`, their weighted sum, only where it is 0 or 1."""
    reading.settings |= _metadata(reading)
    column = reading.options.score or "reward"
    reading.settings["verifier"] = column
    scale = Scale(column, reading.options.right)
    for where, obj in reading.objects():
        functions = [
            k for k, v in obj.items() if k not in _OURS and isinstance(v, int | float) and k[-3:] != "_ms"
        ]
        listed = ", ".join(f"{name} ({obj[name]})" for name in functions) or "none"
        if column not in obj:
            raise UserError(f"{where}: there is no column {column!r}; with --score NAME, one of {listed}")
        failed = obj.get("error") is not None
        others = f"; or name a reward function of the environment with --score NAME: {listed}"
        row: Row = {
            "problem_id": str(obj["example_id"]),
            "score": None if failed else scale(obj[column], where, others),
            "prompt": text_of(obj.get("prompt")),
            "trace": text_of(obj["completion"]),
        }
        if obj.get("answer") is not None:
            row["reference"] = obj["answer"]
        if failed:
            row |= {"status": "error", "detail": str(obj["error"])}
        yield row
    reading.notes += [f"the score is {column}", *scale.note()]


def _metadata(reading: Reading) -> dict[str, object]:
    beside = reading.beside.with_name("metadata.json")
    if not beside.is_file():
        return {}
    try:
        said = parse(beside.read_bytes())
    except ValueError as error:
        raise UserError(f"{beside}: not JSON ({error})") from None
    if not isinstance(said, dict):
        return {}
    model = {"model": said["model"]} if said.get("model") else {}
    return model | sampling(said.get("sampling_args"))
