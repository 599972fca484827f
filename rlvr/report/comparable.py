"""Whether two evaluations may be compared at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rlvr.errors import UserError
from rlvr.rollouts.evaluations import Evaluation
from rlvr.text import line

MUST_AGREE = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_new_tokens",
    "stop",
    "evidence",
    "verifier",
    "verifier_options",
    "sources",
)
WHERE_ABSENT = {"pass_mark": 1.0, "environment": None}
"""What must agree too, and what holds for a file that does not say it."""


def check(
    base: Evaluation, other: Evaluation, allow: bool = False, besides: Collection[str] = ()
) -> list[str]:
    """Notes on what differs between two evaluations; settings named in `besides` are meant to differ.

    Raises:
        UserError: they differ in problems, sampling, evidence or verifier, and `allow` is False. It names
            every field that differs, with both values.
    """
    if not set(base.samples.problem_ids) & set(other.samples.problem_ids):
        raise UserError(f"{base.path} and {other.path} share no problem: there is nothing to compare")
    differing = [*_problems(base, other), *_settings(base.settings, other.settings, besides)]
    if differing and not allow:
        shown = "\n".join(f"  {text}" for text in differing)
        raise UserError(
            f"{base.path} and {other.path} cannot be compared; these differ ({base.name} / "
            f"{other.name}):\n{shown}\n"
            "Where that is meant, say so with --allow-mismatch: the report then names it."
        )
    notes = [
        f"{base.name} and {other.name} were compared although this differs: {text}" for text in differing
    ]
    return [*notes, *_unknown(base, other)]


def _settings(a: Mapping[str, Any], b: Mapping[str, Any], besides: Collection[str]) -> list[str]:
    keys = [key for key in MUST_AGREE if key in a and key in b and key not in besides]
    differing = [f"{key}: {line(a[key])} / {line(b[key])}" for key in keys if a[key] != b[key]]
    held = {key: (a.get(key, absent), b.get(key, absent)) for key, absent in WHERE_ABSENT.items()}
    others = [
        f"{key}: {line(x)} / {line(y)}" for key, (x, y) in held.items() if x != y and key not in besides
    ]
    return [*differing, *others]


def _unknown(base: Evaluation, other: Evaluation) -> list[str]:
    """What could not be compared because nobody wrote it down."""
    sampled = [key for key in MUST_AGREE if not key.startswith(("verifier", "sources"))]
    if not any(key in e.settings for e in (base, other) for key in sampled):
        files = " and ".join(dict.fromkeys((base.path.name, other.path.name)))
        return [f"No settings beside {files}: that both policies were sampled alike could not be checked."]
    return [
        f"{b.path.name} does not say its {', '.join(lacks)}: could not be checked against {a.name}."
        for a, b in ((base, other), (other, base))
        if (lacks := [key for key in MUST_AGREE if key in a.settings and key not in b.settings])
    ]


def _problems(a: Evaluation, b: Evaluation) -> list[str]:
    of_a, of_b = set(a.samples.problem_ids), set(b.samples.problem_ids)
    out = []
    for name, only, path in ((a.name, of_a - of_b, b.path), (b.name, of_b - of_a, a.path)):
        if only:
            some = ", ".join(line(p, 40) for p in sorted(only)[:3]) + (", …" if len(only) > 3 else "")
            out.append(f"problems: {len(only)} of {name} are not in {path.name} ({some})")
    if a.columns and b.columns:
        text_a, text_b = ({c.problems[i]: t for i, t in c.prompts.items()} for c in (a.columns, b.columns))
        other = [p for p in text_a.keys() & text_b.keys() if text_a[p] != text_b[p]]
        if other:
            p = min(other)
            out.append(
                f"problems: {len(other)} have another text under the same id ({line(p, 40)}: "
                f"{line(text_a[p], 60)!r} / {line(text_b[p], 60)!r})"
            )
    return out
