"""LiveCodeBench: `Scenario.codegeneration_N_TEMP_eval_all.json`, an array of problems with their samples in lists."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, list_of
from rlvr.rollouts.importers.records import first_of_array, records

NAME = "LiveCodeBench evaluation"
OPTIONS: frozenset[str] = frozenset()

_KEPT = ("difficulty", "contest_date", "platform")


def recognises(head: Head) -> bool:
    first = first_of_array(head)
    return {"question_id", "graded_list"} <= first.keys() and ("code_list" in first or "output_list" in first)


def rows(reading: Reading) -> Iterator[Row]:
    reading.settings["verifier"] = "LiveCodeBench tests"
    if named := re.search(r"_(\d+)_(\d+(?:\.\d+)?)_eval_all", reading.path.name):
        reading.settings["temperature"] = float(named[2])
    scale = Scale("graded_list", None)
    for where, problem in records(reading):
        grades = list_of(problem, "graded_list", where)
        written = "output_list" if problem.get("output_list") else "code_list"
        outputs = list_of(problem, written, where, len(grades))
        for i, grade in enumerate(grades):
            yield {
                "problem_id": str(problem["question_id"]),
                "score": scale(grade, f"{where}, sample {i}"),
                "prompt": problem.get("question_content", ""),
                "trace": outputs[i],
            } | {key: problem[key] for key in _KEPT if key in problem}
