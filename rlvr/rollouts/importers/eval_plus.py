"""EvalPlus: `samples_eval_results.json`, one object with a list of judged samples for every task."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading, Row, list_of
from rlvr.text import line as short

NAME = "EvalPlus results"
OPTIONS = frozenset({"score"})


def recognises(head: Head) -> bool:
    return head.holds("eval", "hash") and isinstance(head.whole["eval"], dict)


def rows(reading: Reading) -> Iterator[Row]:
    """`--score plus` (the default) is what the tool prints as "+": both sets of tests pass."""
    column = reading.options.score or "plus"
    if column not in ("base", "plus"):
        raise UserError(f"{reading.path}: --score is {column!r}; expected base or plus")
    reading.settings["verifier"] = f"EvalPlus {column}"
    held = reading.head.whole["eval"]
    for task in held:
        for i, sample in enumerate(list_of(held, task, str(reading.path))):
            where = reading.at = f"{reading.path}: eval[{task!r}][{i}]"
            names = ("base_status",) if column == "base" else ("base_status", "plus_status")
            said = [sample.get(name) for name in names]
            for name, status in zip(names, said, strict=True):
                if status not in ("pass", "fail", "timeout"):
                    hint = (
                        "; it was judged by the base tests only: --score base"
                        if name == "plus_status"
                        else ""
                    )
                    raise UserError(
                        f"{where}: {name} is {short(repr(status), 40)}; expected pass, fail or timeout{hint}"
                    )
            right = all(status == "pass" for status in said)
            yield {
                "problem_id": task,
                "score": float(right),
                "trace": sample.get("solution") or "",
                "status": "correct" if right else "timeout" if "timeout" in said else "incorrect",
            }
    reading.notes.append(
        f"the score is that of the {column} tests{' and the base tests' if column == 'plus' else ''}"
    )
