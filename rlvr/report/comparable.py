"""Whether two evaluations may be compared at all."""

from __future__ import annotations

import filecmp
from collections.abc import Collection, Mapping, Sequence
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


def asked_alike(a: Evaluation, b: Evaluation, besides: Collection[str] = ()) -> bool:
    """No setting differs that must agree, but those named in `besides`."""
    return not _settings(a.settings, b.settings, besides)


def _settings(a: Mapping[str, Any], b: Mapping[str, Any], besides: Collection[str]) -> list[str]:
    keys = [key for key in MUST_AGREE if key in a and key in b and key not in besides]
    differing = [f"{key}: {line(a[key])} / {line(b[key])}" for key in keys if a[key] != b[key]]
    held = {key: (a.get(key, absent), b.get(key, absent)) for key, absent in WHERE_ABSENT.items()}
    others = [
        f"{key}: {line(x)} / {line(y)}" for key, (x, y) in held.items() if x != y and key not in besides
    ]
    return [*differing, *others]


def _unknown(base: Evaluation, other: Evaluation) -> list[str]:
    """What could not be compared because one of two files does not say it; see `unsaid` for what neither says."""
    if _says_nothing(base) and _says_nothing(other):
        return []
    return [
        f"{b.path.name} does not say its {', '.join(lacks)}: could not be checked against {a.name}."
        for a, b in ((base, other), (other, base))
        if (lacks := [key for key in MUST_AGREE if key in a.settings and key not in b.settings])
    ]


SAMPLED = tuple(key for key in MUST_AGREE if not key.startswith(("verifier", "sources")))


def _says_nothing(evaluation: Evaluation) -> bool:
    """Of how its samples were drawn."""
    return not any(key in evaluation.settings for key in SAMPLED)


def unsaid(evaluations: Sequence[Evaluation]) -> list[str]:
    """One note on all files without settings, and on those that are the same file twice; the base comes first."""
    notes = []
    silent = [e.path for e in evaluations if _says_nothing(e)]
    names = list(dict.fromkeys(path.name for path in silent))
    if len(evaluations) > 1 and _says_nothing(evaluations[0]) and len(silent) > 1:
        beside = evaluations[0].path.with_suffix(".settings.json").name
        notes.append(
            f"No settings beside {_files(names)}: that the policies were sampled alike could not be checked. A file "
            f"{line(beside, 60)} says it, such as "
            '{"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 512, "verifier": "math"}.'
        )
    first = evaluations[0].path
    for other in evaluations[1:]:
        if other.path != first and filecmp.cmp(first, other.path, shallow=False):
            notes.append(
                f"{line(first.name, 60)} and {line(other.path.name, 60)} are the same, byte for byte."
            )
        elif other.path == first and first.suffix != ".csv":
            notes.append(f"{line(first.name, 60)} is compared with itself.")
    return notes


def notes(evaluations: Sequence[Evaluation]) -> list[str]:
    """What was noted when the files were read; what is the same of several is said once."""
    said: dict[str, list[str]] = {}
    for evaluation in evaluations:
        for note in evaluation.notes:
            name, _, rest = note.partition(": ")
            own = name == evaluation.path.name
            said.setdefault(rest if own else note, []).extend([name] if own else [])
    return [
        f"{_files(list(dict.fromkeys(names)))}: {note}" if names else note for note, names in said.items()
    ]


def _files(names: Sequence[str]) -> str:
    shown = ", ".join(line(name, 60) for name in names[:3])
    return f"{shown}, … ({len(names)} files)" if names[3:] else shown


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
