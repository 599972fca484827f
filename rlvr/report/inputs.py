"""What goes into a report: every file read, and checked to be comparable with the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from rlvr.errors import ConfigError, UserError
from rlvr.report import RunFiles, comparable, evidence_ladder
from rlvr.rollouts import read_objects
from rlvr.rollouts.evaluations import Evaluation, read, renamed
from rlvr.rollouts.importers import DEFAULTS, Options
from rlvr.run import Run


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that was read, checked to be comparable."""

    evaluations: list[Evaluation]
    """Base, the main policy, then the others; or one alone."""
    probes: dict[str, list[Evaluation]] = field(default_factory=dict)
    rungs: list[evidence_ladder.Further] = field(default_factory=list)
    """Base or tuned again, under other evidence."""
    training: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the main run's metrics.jsonl."""
    steps: dict[int, Path] = field(default_factory=dict)
    """Training step → the samples that it trained on, of the main run."""
    notes: list[str] = field(default_factory=list)
    runs: tuple[RunFiles, ...] = ()
    """Where there are several runs: which evaluation is which, in the order of `evaluations[1:]`."""
    bases: dict[str, Evaluation] = field(default_factory=dict)
    """Name of an evaluation → the base that it is compared with, where that is not `evaluations[0]`."""

    @classmethod
    def read(
        cls,
        base: Path,
        tuned: Path | None,
        more: Sequence[Path],
        probes: Mapping[str, tuple[Path, Path]],
        metrics: Path | None,
        allow: bool,
        options: Options = DEFAULTS,
        names: Sequence[str] = (),
    ) -> Self:
        """One run: reads all files and refuses what cannot be compared."""
        found = _evaluations(base, tuned, more, allow, options, names)
        notes = comparable.notes(found) + comparable.unsaid(found)
        held, further = evidence_ladder.split(found, allow)
        for other in held[1:]:
            notes += comparable.check(held[0], other, allow)
        for rung in further:
            notes += comparable.check(held[0], rung.evaluation, allow, besides=("evidence",))
        apart = {}
        for name, (before, after) in probes.items():
            apart[name] = _named([read(before, "base", allow)[0], read(after, "tuned", allow)[0]])
            notes += comparable.unsaid(apart[name])
            notes += comparable.check(apart[name][0], apart[name][1], allow)
        return cls(held, apart, further, _metrics(metrics), _steps(metrics), notes=list(dict.fromkeys(notes)))

    @classmethod
    def of_runs(cls, runs: Sequence[RunFiles], allow: bool, options: Options = DEFAULTS) -> Self:
        """Several runs, each with its own base; refuses runs that cannot be compared."""
        _check_names(runs)
        bases = {path: _one(path, "base", allow, options) for path in dict.fromkeys(r.base for r in runs)}
        pairs = [_named([bases[run.base], _one(run.tuned, run.name, allow, options)]) for run in runs]
        shared = {base.path: base for base, _ in pairs}  # seeds may have one base
        every = [*shared.values(), *(tuned for _, tuned in pairs)]
        notes = comparable.notes(every) + comparable.unsaid(every)
        for base, tuned in pairs:
            notes += comparable.check(base, tuned, allow)
        first = pairs[0][0]
        for base, _ in pairs[1:]:
            if base.path != first.path:
                notes += comparable.check(first, base, allow)
        return cls(
            [first, *(tuned for _, tuned in pairs)],
            training=_metrics(runs[0].metrics),
            steps=_steps(runs[0].metrics),
            notes=list(dict.fromkeys(notes)),
            runs=tuple(runs),
            bases={run.name: base for run, (base, _) in zip(runs, pairs, strict=True)},
        )


def _check_names(runs: Sequence[RunFiles]) -> None:
    if len(runs) < 2:
        raise UserError(f"a report over several runs needs at least two of them, found {len(runs)}")
    names = [run.name for run in runs]
    twice = next((name for i, name in enumerate(names) if name in names[:i] or name == "base"), None)
    if twice is not None:
        raise UserError(
            f"two evaluations of this report would be called {twice!r}; give each run its own name"
        )


def _one(path: Path, name: str, allow: bool, options: Options) -> Evaluation:
    found = read(path, name, allow, options)
    if len(found) > 1:
        raise UserError(f"{path}: holds base and tuned; a run needs one file for each")
    return found[0]


def _evaluations(
    base: Path,
    tuned: Path | None,
    more: Sequence[Path],
    allow: bool,
    options: Options,
    names: Sequence[str] = (),
) -> list[Evaluation]:
    given = dict(enumerate(names))
    first = read(base, given.get(0, "base"), allow, options)
    if len(first) == 2:
        if tuned is not None:
            raise UserError(
                f"{base}: holds base and tuned already; give it alone, or two files with a column c"
            )
        return [_called(evaluation, given.get(i, evaluation.name)) for i, evaluation in enumerate(first)]
    if tuned is None:
        if 1 in given:
            raise ConfigError(f"--name tuned=…: expected one of base; {base.name} holds one policy")
        return first
    second = read(tuned, given.get(1, "tuned"), allow, options)
    if len(second) == 2:
        raise UserError(f"{tuned}: holds base and tuned; give it alone")
    held = [first[0], second[0]]
    for number, (name, path) in enumerate(
        zip(distinct(more, [e.name for e in held]), more, strict=True), start=2
    ):
        name = given.get(number, name)
        held += read(path, name, allow, options)
    return _named(held)


def _called(evaluation: Evaluation, name: str) -> Evaluation:
    return replace(evaluation, name=name, samples=replace(evaluation.samples, policy=name))


def distinct(paths: Sequence[Path], taken: Sequence[str]) -> list[str]:
    """The files' stems; with its folder before it where a stem is taken."""
    names: list[str] = []
    for path in paths:
        name = path.stem
        if name in (*taken, *names):
            name = f"{path.parent.name}/{name}"
        names.append(name)
    return names


def _named(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The same, with the report's names for the policies in their log-probabilities too.

    A file has its own name for its policy ("my-run") and may hold log-probabilities under the others' names.
    """
    own = [tuple(e.columns.policies) if e.columns else () for e in evaluations]
    first = {p[0]: e.name for e, p in zip(evaluations[:2], own[:2], strict=True) if len(p) == 1}
    return [
        renamed(e, first | ({p[0]: e.name} if len(p) == 1 else {}))
        for e, p in zip(evaluations, own, strict=True)
    ]


def _metrics(path: Path | None) -> list[dict[str, Any]]:
    if path is None or not Path(path).exists():
        return []
    return [obj for _, _, obj in read_objects(path) if isinstance(obj, dict)]


def _steps(metrics: Path | None) -> dict[int, Path]:
    return Run(Path(metrics).parent).steps() if metrics else {}
