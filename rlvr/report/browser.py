"""Which rollouts travel in the page, and as what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from rlvr.report.document import jsonable
from rlvr.rollouts import read_objects
from rlvr.rollouts.columns import REFERENCE, Columns
from rlvr.rollouts.evaluations import Evaluation
from rlvr.rollouts.keys import valid_turns

MAX_ROWS = 10_000
MAX_CHARACTERS = 12_000_000
MAX_TRACE = 20_000
"""Characters of one trace; a longer one keeps its beginning and its end."""
MAX_STEPS = 12
MAX_STEP_ROWS = 64
MAX_STEP_CHARACTERS = 300_000
"""Of what a training step trained on."""
MAX_VALUE = 2000
"""Characters of any other value of a row."""


def choose(columns: Columns, rows: int, seed: int = 0) -> np.ndarray:
    """Up to `rows` row numbers, in file order, which keep the variety of problems and verdicts.

    First one random row of every (problem, status), then a second one, and so on. Where even the first round
    is too much, whole problems are left out, in an order that depends on their names alone, so that two files
    of the same problems keep the same ones.
    """
    if len(columns) <= rows:
        return np.arange(len(columns))
    shuffled = np.random.default_rng(seed).permutation(len(columns))
    cell = columns.problem.astype(np.int64) * len(columns.statuses) + columns.status
    order = shuffled[np.argsort(cell[shuffled], kind="stable")]
    start = np.flatnonzero(np.diff(cell[order], prepend=-1))
    rank = np.empty(len(columns), np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(start, np.diff(start, append=len(order)))
    by_name = np.array([_hash(name, seed) for name in columns.problems])
    return np.sort(np.lexsort((by_name[columns.problem], rank))[:rows])


def _hash(name: str, seed: int) -> int:
    text = f"{seed}\x1f{name}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest())


class About(TypedDict):
    """A problem, as the browser shows it."""

    id: str
    prompt: str
    reference: str


class Browser(TypedDict):
    """What travels in the page; rows refer to the other lists by number (see `_packed`)."""

    problems: list[About]
    policies: list[str]
    """Who drew; "training, step N" of what a step trained on."""
    statuses: list[str]
    rows: list[list[Any]]
    shown: int
    """Rows of the evaluations."""
    total: int
    """Rows of their files, shown or not."""


@dataclass(slots=True)
class _Packing:
    """Rows, and the lists that they refer to, as they grow."""

    about: list[About] = field(default_factory=list)
    problems: dict[tuple[str, bool], int] = field(default_factory=dict)
    """By id, and whether it was trained on: another set may use the same ids."""
    policies: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    rows: list[list[Any]] = field(default_factory=list)

    def add(
        self, row: dict[str, Any], status: str, prompt: str, reference: str, trained: bool = False
    ) -> None:
        """A row of the newest policy."""
        key = str(row["problem_id"]), trained
        if key not in self.problems:
            self.problems[key] = len(self.about)
            self.about.append({"id": key[0], "prompt": _shortened(prompt), "reference": reference})
        code = self.statuses.setdefault(status, len(self.statuses))
        self.rows.append(_packed(row, self.problems[key], len(self.policies) - 1, code))


def collect(
    evaluations: Sequence[Evaluation], steps: Mapping[int, Path] | None = None, rows: int = MAX_ROWS
) -> Browser:
    """What the page's browser shows: problems, policies, statuses, and rows that refer to them by number.

    Args:
        steps: training step → what it trained on; some of them are shown.
    """
    held = [e for e in evaluations if e.columns is not None]
    packing, left = _Packing(), MAX_CHARACTERS
    for number, evaluation in enumerate(held):
        columns = evaluation.columns
        assert columns is not None
        codes = {name: code for code, name in enumerate(columns.problems)}
        budget = left // (len(held) - number)
        share = rows // len(held)
        which = choose(columns, share)
        chosen = columns.rows(which)
        # Long traces make a heavy page: the rows that fit are counted from the average before they are taken.
        weight = sum(map(_weight, chosen))
        if weight > budget:
            which = choose(columns, max(1, int(len(chosen) * budget / weight)))
            chosen = columns.rows(which)
        packing.policies.append(evaluation.name)
        for at, row in zip(which, chosen, strict=True):
            code = codes[str(row["problem_id"])]
            status = columns.statuses[columns.status[at]]
            packing.add(row, status, columns.prompts.get(code, ""), columns.references.get(code, ""))
            left -= _weight(row)
    shown = len(packing.rows)
    for step, path in _some(steps or {}):
        packing.policies.append(f"training, step {step}")
        for row in _of_step(path):
            reference = row.get("reference")
            gold = "" if reference is None else _text(reference)[:REFERENCE]
            packing.add(row, row.get("status") or "not given", str(row.get("prompt") or ""), gold, True)
    return {
        "problems": packing.about,
        "policies": packing.policies,
        "statuses": list(packing.statuses),
        "rows": packing.rows,
        "shown": shown,
        "total": sum(len(e.columns) for e in held if e.columns),
    }


def _some(steps: Mapping[int, Path]) -> list[tuple[int, Path]]:
    """The newest first, then evenly spread ones back to the first."""
    ordered = sorted(steps)
    at = np.unique(np.linspace(0, len(ordered) - 1, min(MAX_STEPS, len(ordered))).round().astype(int))
    return [(ordered[i], steps[ordered[i]]) for i in at[::-1]]


def _of_step(path: Path) -> list[dict[str, Any]]:
    """Rows from all over the step, in its order: every group has some."""
    rows = [row for _, _, row in read_objects(path) if isinstance(row, dict) and "problem_id" in row]
    heavy = sum(map(_weight, rows))
    count = min(len(rows), MAX_STEP_ROWS, max(1, int(len(rows) * MAX_STEP_CHARACTERS / max(heavy, 1))))
    return [rows[i * len(rows) // count] for i in range(count)] if rows else []


def _weight(row: dict[str, Any]) -> int:
    """About how many characters it takes in the page."""
    return min(len(_said(row)), MAX_TRACE) + 300


def _packed(row: dict[str, Any], problem: int, policy: int, status: int) -> list[Any]:
    answer = row.get("answer")
    return [
        problem,
        policy,
        row.get("sample", "–"),
        status,
        _shortened(_said(row)),
        None if answer is None else str(answer)[:MAX_VALUE],
        str(row.get("detail") or "")[:500],
        jsonable({key: _bounded(key, value) for key, value in row.items() if key not in APART}),
    ]


APART = {"problem_id", "prompt", "reference", "trace", "answer", "detail"}
"""Keys of the row that stand beside what is left of it."""


def _bounded(key: str, value: Any) -> Any:
    """A value that is not too long for the page; tokens, and turns, whose text is in the trace, are counted only."""
    if key in ("token_ids", "turns") and isinstance(value, list):
        return f"[{len(value)} left out]"
    text = _text(value)
    return (
        value
        if len(text) <= MAX_VALUE
        else f"{text[:MAX_VALUE]} [… {len(text) - MAX_VALUE} characters left out]"
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _said(row: dict[str, Any]) -> str:
    """What the policy wrote; of several turns, who wrote which, and the verdict on each attempt."""
    turns = row.get("turns") if valid_turns(row.get("turns")) else None  # anybody's rows may have such a key
    if not turns:
        return str(row.get("trace") or row.get("response") or "")
    heads = [", ".join(filter(None, (turn["by"], turn.get("status")))) for turn in turns]
    return "\n\n".join(f"[{head}]\n{turn['text']}" for head, turn in zip(heads, turns, strict=True))


def _shortened(text: str) -> str:
    if len(text) <= MAX_TRACE:
        return text
    half = MAX_TRACE // 2
    return f"{text[:half]}\n\n[… {len(text) - 2 * half} characters left out …]\n\n{text[-half:]}"
