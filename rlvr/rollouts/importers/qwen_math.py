"""Qwen2.5-Math's evaluation and what was made from it (math-evaluation-harness, SimpleRL, limit-of-RLVR): one problem a
line, its samples in lists."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, list_of

NAME = "Qwen2.5-Math evaluation"
OPTIONS: frozenset[str] = frozenset()

_KEPT = ("level", "type", "subject")


def recognises(head: Head) -> bool:
    return head.has("code", "pred", "score") and all(
        isinstance(head.first[key], list) for key in ("code", "score")
    )


def rows(reading: Reading) -> Iterator[Row]:
    """Seed and temperature stand in the file's name: `SPLIT_PROMPT_-1_seedS_tT_…`."""
    if named := re.search(r"_seed(\d+)_t(\d+(?:\.\d+)?)", reading.path.name):
        reading.settings |= {"seed": int(named[1]), "temperature": float(named[2])}
    scale = Scale("score", None)
    for where, obj in reading.objects():
        scores = list_of(obj, "score", where)
        n = len(scores)
        codes = list_of(obj, "code", where, n)
        answers = list_of(obj, "pred", where, n)
        ended = list_of(obj, "finish_reason", where, n) if "finish_reason" in obj else None
        for i, score in enumerate(scores):
            row: Row = {
                "problem_id": str(obj["idx"]),
                "score": scale(score, f"{where}, sample {i}"),
                "prompt": str(obj.get("question", "")),
                "reference": obj.get("gt"),
                "trace": codes[i],
                "answer": None if answers[i] is None else str(answers[i]),
            }
            if ended is not None:
                row["complete"] = ended[i] == "stop"
            yield row | {key: obj[key] for key in _KEPT if key in obj}
