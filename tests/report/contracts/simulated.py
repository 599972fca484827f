"""A run with every kind of input, and several runs, drawn by tests/report/simulate.py: the reports that contracts are
held against."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rlvr.report import RunFiles, build
from rlvr.report.document import assemble
from rlvr.report.inputs import Inputs
from rlvr.report.schema import AnalysisSettings
from tests.report import simulate

REPLICATES = 400
AUDITS = {
    "base": {"wrong": 50, "false_positives": 2, "right": 80, "false_negatives": 6},
    "tuned": {"wrong": 40, "false_positives": 3, "right": 90, "false_negatives": 4},
}
EXACT = {
    "base": {"pass_at_k": {"1": 0.2, "4": 0.6}, "mass_outside_support": 0.001},
    "tuned": {"pass_at_k": {"1": 0.4}, "mass_outside_support": 0.0},
    "divergence": {"kl_base": 0.7, "kl_success": 0.4, "kl_forward": 0.1, "kl_reverse": 1.1},
    "kl_efficiency": 0.6,
}

# --- A run with everything in it ---


def alter(path: Path, change: Callable[[int, dict[str, Any]], dict[str, Any] | None]) -> None:
    """Each row through `change`, which sees the problem's number too; None leaves the row out."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [new for row in rows if (new := change(int(row["problem_id"][-3:]), row)) is not None]
    path.write_text("".join(json.dumps(row) + "\n" for row in kept))


WRONG = {"score": 0.0, "answer_score": 0.0, "sound": None, "status": "incorrect", "answer": "0"}
RIGHT = {"score": 1.0, "answer_score": 1.0, "sound": 1.0, "status": "correct", "complete": True}
NO_VERDICT = {"score": None, "answer_score": None, "sound": None, "status": "unverifiable"}


def uneven(which: str) -> Callable[[int, dict[str, Any]], dict[str, Any] | None]:
    """What real files have: shallow and missing problems, samples without a verdict, partial credit, rows without
    log-probabilities, reasoning that nobody looked at; and a base that overtakes at large k.
    """

    def change(i: int, row: dict[str, Any]) -> dict[str, Any] | None:
        row |= {"source": "sums" if i % 2 else "products", "level": i % 3, "draw": row["sample"] % 4}
        first = row["sample"] < (2 if which == "base" else 4)
        if (i == 6 and which == "tuned") or (i == 7 and which == "base") or (i == 8 and not first):
            return None
        if which == "tuned":
            row |= RIGHT if i == 0 else WRONG if i % 4 == 2 else {}
        elif 0 < i < 5 and row["sample"] == 5:
            row |= RIGHT
            row |= {"logprobs": {"tuned": row["logprobs"]["tuned"]}} if i == 9 and first else {}
        if i == 10:
            row |= {"sound": None}
        if row["status"] == "incorrect" and row["sample"] % 3 == 0:
            row |= {"score": 0.5, "answer_score": 0.5}
        if (i % 5 == 3 and first) or (i == 11 and which == "base"):
            row |= NO_VERDICT
        return row

    return change


def ask(path: Path, **settings: Any) -> None:
    beside = path.with_suffix(".settings.json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | settings))


def write_run(folder: Path) -> dict[str, Any]:
    """The files of one run and its report, in `folder`; the report's document."""
    base, tuned = simulate.write_pair(folder, problems=40, samples=16)
    for which, path in (("base", base), ("tuned", tuned)):
        alter(path, uneven(which))
        ask(path, model=f"{which}-model")
        path.with_suffix(".audit.json").write_text(json.dumps(AUDITS[which]))
    more = []
    for name, which, shots in (("few", "base", 2), ("many", "base", 8), ("tuned-few", "tuned", 2)):
        (folder / name).mkdir()
        sharpen = {"few": 2.0, "many": 6.0, "tuned-few": 4.0}[name]
        _, path = simulate.write_pair(folder / name, problems=40, samples=8, sharpen=sharpen, seed=0)
        more.append(path.rename(folder / f"{name}.jsonl"))
        path.with_suffix(".settings.json").rename(more[-1].with_suffix(".settings.json"))
        ask(more[-1], model=f"{which}-model", evidence={"template": "plain", "shots": shots})
    (folder / "on-the-way").mkdir()
    _, path = simulate.write_pair(folder / "on-the-way", problems=40, samples=8, sharpen=2.0, seed=0)
    more.append(path.rename(folder / "step-20.jsonl"))
    path.with_suffix(".settings.json").rename(more[-1].with_suffix(".settings.json"))
    ask(more[-1], model="step-model")
    (folder / "apart").mkdir()
    before, after = simulate.write_pair(folder / "apart", problems=24, samples=8, seed=5)
    steps = [{"step": i, "correct_share": i / 10, "samples": 24, "groups/drawn": 4} for i in range(1, 6)]
    metrics = folder / "metrics.jsonl"
    metrics.write_text("".join(json.dumps(step) + "\n" for step in steps))
    made = build(
        base,
        tuned,
        more,
        probes={"apart": (before, after)},
        metrics=metrics,
        exact=EXACT,
        allow_mismatch=True,
        output=folder / "report",
        replicates=REPLICATES,
    )
    return json.loads(made.json.read_text())


def of_runs(folder: Path) -> dict[str, Any]:
    """The document of five runs of two methods."""
    held = []
    for seed in range(5):
        (folder / f"{seed}").mkdir()
        base, tuned = simulate.write_pair(folder / f"{seed}", problems=24, samples=8, seed=seed)
        held.append(RunFiles(f"run-{seed}", "grpo" if seed < 3 else "rloo", seed, base, tuned))
    return _document(Inputs.of_runs(held, allow=True))


def document_of(base: Path, tuned: Path) -> dict[str, Any]:
    """Of two files alone, whatever differs between them."""
    return _document(Inputs.read(base, tuned, (), {}, None, allow=True))


def _document(inputs: Inputs) -> dict[str, Any]:
    settings: AnalysisSettings = {"replicates": REPLICATES, "seed": 0, "search_budget": None}
    document = assemble(inputs, title="Two files", analysis=settings, exact=None, notes=())
    return json.loads(json.dumps(document))
