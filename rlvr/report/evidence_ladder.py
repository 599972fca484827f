"""Which evaluations are rungs of the evidence ladder: base or tuned policy again, asked with other evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.analysis.sections.ladder import Ladder, Rung, ladder
from rlvr.errors import UserError
from rlvr.rollouts.evaluations import Evaluation
from rlvr.text import line

_DERIVED = {"shot_ids", "rendered"}
_OF_SHOTS = {"shots", "shots_seed", "examples", "answer"}
"""Keys of the evidence that only matter to worked examples; `answer` is how their answers are written."""


@dataclass(frozen=True, slots=True)
class Further:
    """A file of the same policy under other evidence."""

    policy: str
    """"base" or "tuned"."""
    evaluation: Evaluation


def split(held: Sequence[Evaluation], allow: bool) -> tuple[list[Evaluation], list[Further]]:
    """Evaluations to compare with the base, and rungs: files after the second whose evidence is not the base's.

    Raises:
        UserError: such a file was drawn by neither the base nor the tuned policy, and `allow` is False.
    """
    others: list[Evaluation] = list(held[:2])
    rungs: list[Further] = []
    for evaluation in held[2:]:
        asked = [e.settings.get("evidence") for e in (held[0], evaluation)]
        if asked[0] == asked[1] or not all(isinstance(evidence, Mapping) for evidence in asked):
            others.append(evaluation)
            continue
        policy = _owner(held[0], held[1], evaluation)
        if policy is not None:
            rungs.append(Further(policy, evaluation))
        elif allow:
            others.append(evaluation)
        else:
            models = " / ".join(line(e.settings.get("model"), 60) for e in (*held[:2], evaluation))
            raise UserError(
                f"{evaluation.path}: was drawn with other evidence than {held[0].path}, which is a rung of the "
                "evidence ladder only for the base or the tuned policy itself; models (base / tuned / this): "
                f"{models}. To compare it all the same, say so with --allow-mismatch."
            )
    return others, rungs


def _owner(base: Evaluation, tuned: Evaluation, rung: Evaluation) -> str | None:
    """Whose policy drew it: known by the model, or by the policy's name where both models are called the same."""
    for key in ("model", "policy"):
        own = [_identity(e.settings.get(key), key) for e in (base, tuned)]
        if None not in own and own[0] != own[1]:
            this = _identity(rung.settings.get(key), key)
            return next(
                (name for name, value in zip(("base", "tuned"), own, strict=True) if value == this), None
            )
    return None


def _identity(value: Any, key: str) -> str | None:
    if not isinstance(value, str):
        return None
    return str(Path(value).resolve()) if key == "model" and Path(value).is_dir() else value


def section(
    base: Evaluation, tuned: Evaluation, rungs: Sequence[Further], replicates: int, seed: int
) -> Ladder | None:
    """`ladder` of report.json; None where there is no rung."""
    if not rungs:
        return None
    asked: Mapping[str, Any] = base.settings["evidence"]
    held: list[Rung] = []
    files: dict[tuple[str, str], str] = {}
    labels: dict[str, str] = {}
    own = [("base", base, base.path.stem), ("tuned", tuned, tuned.path.stem)]
    own += [(r.policy, r.evaluation, r.evaluation.name) for r in rungs]
    for policy, e, name in own:
        evidence: Mapping[str, Any] = e.settings.get("evidence") or asked
        differing = _differing(asked, evidence)
        shots = _shots(evidence) if differing <= _OF_SHOTS else None
        label = " + ".join(sorted(differing)) if shots is None else f"{shots} shot{'s' * (shots != 1)}"
        if (policy, shots) in {(rung.policy, rung.shots) for rung in held if rung.shots is not None}:
            label, shots = f"{label} ({name})", None  # another draw of as many shots is drawn beside the line
        elif shots is None:
            taken = label in labels.values()
            label = labels.setdefault(_written(evidence), f"{label} ({name})" if taken else label)
        held.append(Rung(policy, shots, label, e.samples))
        files[policy, label] = e.path.name
    found = ladder(held, replicates, seed)
    for rung in found["rungs"]:
        rung["file"] = files[rung["policy"], rung["label"]]
    return found


def _written(evidence: Mapping[str, Any]) -> str:
    return json.dumps(evidence, sort_keys=True)


def _shots(evidence: Mapping[str, Any]) -> int | None:
    """Worked examples, drawn or given; None where another program's settings mean something else by it."""
    drawn, given = evidence.get("shots") or 0, evidence.get("examples") or []
    return drawn + len(given) if isinstance(drawn, int) and isinstance(given, list) else None


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> set[str]:
    return {key for key in a.keys() | b.keys() if a.get(key) != b.get(key)} - _DERIVED
