"""Checkpoints that a kill cannot tear: staged, hashed, renamed; read back only when every hash holds.

`checkpoints/checkpoint-N/` holds what the run was after step N: the weights as transformers or peft load them, what
`checkpoint_policy.save_loop` writes beside them, `state.json` (the state of every `Stateful` part of the run) and
`manifest.json`, which is written last: size and SHA-256 of each file. Weights are safetensors; optimiser, schedule,
random states and batches are loaded with `weights_only`, so nothing in them can run. What an engine of sharded weights
wrote of itself (`sharded/`) is another matter: torch and DeepSpeed read some of it as pickles.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rlvr import files
from rlvr.errors import UserError
from rlvr.launch.processes import processes

MANIFEST = "manifest.json"
STATE = "state.json"


class Stateful(Protocol):
    """A part of the run whose state a checkpoint must carry (a curriculum, a journal).

    Weights, optimiser, scheduler and the random states of torch, numpy and Python are in it anyway. Register the
    part before training begins: `checkpoints.parts["curriculum"] = curriculum`. `state_dict` is asked for after a
    step has been committed (updated, logged, evaluated), or after an interruption in the middle of the next step:
    it must say what held when the last *committed* step ended, and be the same on every process.
    """

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` said. Called before the first step of a resumed run."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One folder with a readable manifest; `damage` says whether its content is still what was written."""

    path: Path
    manifest: dict[str, Any]

    @property
    def step(self) -> int:
        return self.manifest["step"]

    @property
    def score(self) -> float | None:
        """The held-out figure `train.best_by` after this step, where it was measured."""
        return self.manifest["score"]

    @property
    def size(self) -> int:
        return sum(entry["bytes"] for entry in self.manifest["files"].values())

    @property
    def identity(self) -> str:
        """Hash of the manifest, and so of everything in it."""
        return hashlib.sha256((self.path / MANIFEST).read_bytes()).hexdigest()

    def state(self) -> dict[str, Any]:
        """What the `Stateful` parts said, by name."""
        return json.loads((self.path / STATE).read_text(encoding="utf-8"))


@dataclass
class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: `checkpoints/` of the run folder.
        keep: how many of the newest stay; the best by its score stays besides. 0: all stay.
        say: tells a person what was found damaged.
    """

    folder: Path
    keep: int
    say: Callable[[str], None]
    parts: dict[str, Stateful] = field(default_factory=dict)
    origin: str | None = None
    """Identity of the checkpoint that `resume=PATH` began with."""

    @property
    def staging(self) -> Path:
        """Where a checkpoint is written before it is renamed."""
        return self.folder / ".staging"

    def all(self) -> list[Checkpoint]:
        """Every one with a readable manifest, by step."""
        paths = self.folder.glob("checkpoint-*")
        found = (opened(path) for path in paths if path.name.removeprefix("checkpoint-").isdecimal())
        return sorted((c for c in found if isinstance(c, Checkpoint)), key=lambda c: c.step)

    def newest(self, origin: str | None = None) -> Checkpoint | None:
        """The newest whole one; damaged ones are named, and moved aside to `checkpoint-N.damaged`.

        With an `origin`, only those that descend from it count. Call it on the main process alone.
        """
        shutil.rmtree(self.staging, ignore_errors=True)
        steps = {p: p.name.removeprefix("checkpoint-") for p in self.folder.glob("checkpoint-*")}
        paths = [p for p, step in steps.items() if step.isdecimal()]  # not a person's `checkpoint-best`
        for path in sorted(paths, key=lambda p: -int(steps[p])):
            fault = damage(path)
            if fault is not None:
                self._damaged(path, fault)
                continue
            found = opened(path)
            assert isinstance(found, Checkpoint)
            if origin is None or found.manifest["origin"] == origin:
                return found
        return None

    def leave(self, step: int) -> None:
        """Move those after `step` aside: the run goes back to that step on another line."""
        for checkpoint in self.all():
            if checkpoint.step > step:
                self._aside(checkpoint.path, "left")
                self.say(
                    f"{checkpoint.path} is left behind by resume; it lies in {checkpoint.path.name}.left"
                )

    def _damaged(self, path: Path, fault: str) -> None:
        self._aside(path, "damaged")
        self.say(f"{path} is damaged and is not used ({fault}); it lies in {path.name}.damaged")

    def _aside(self, path: Path, suffix: str) -> None:
        aside = path.with_name(f"{path.name}.{suffix}")
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)

    def save(self, step: int, size: int, write: Callable[[], None], score: float | None = None) -> None:
        """Commit a checkpoint of `step`. Every process calls it; `write` fills `staging/checkpoint-N`.

        Args:
            size: bytes that it will take.

        Raises:
            OSError: the disk cannot hold it (ENOSPC), or cannot be written to. Older checkpoints are untouched.
        """
        state = processes()
        staged = self.staging / f"checkpoint-{step}"
        if state.is_main_process:
            shutil.rmtree(self.staging, ignore_errors=True)
            self.folder.mkdir(exist_ok=True)
            self.staging.mkdir()
            files.require_space(self.staging, size, f"checkpoint-{step}")
        state.wait_for_everyone()
        with files.says_when_full(self.folder, size, f"checkpoint-{step}"):
            write()
        state.wait_for_everyone()
        if state.is_main_process:
            parts = {name: part.state_dict() for name, part in self.parts.items()}
            (staged / STATE).write_text(json.dumps(parts, allow_nan=False), encoding="utf-8")
            write_manifest(staged, {"step": step, "score": score, "origin": self.origin})
            if (there := self.folder / staged.name).exists():  # of the same step, before it was evaluated
                there.rename(self.staging / f"{staged.name}.before")
            files.publish(staged, there)
            self._rotate()
        state.wait_for_everyone()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Hand every part its state. Raises UserError where the checkpoint has none for it."""
        state = checkpoint.state()
        for name, part in self.parts.items():
            if name not in state:
                raise UserError(
                    f"{checkpoint.path}: its {STATE} has nothing for {name!r}; found {sorted(state)}"
                )
            part.load_state_dict(state[name])

    def scored(self) -> list[Checkpoint]:
        """Those with a score, the best first; of equal ones the earliest."""
        return sorted(
            (c for c in self.all() if c.score is not None), key=lambda c: (-(c.score or 0.0), c.step)
        )

    def best(self) -> Checkpoint | None:
        """The best whole one; damaged ones as in `newest`. Call it on the main process alone."""
        for checkpoint in self.scored():
            if (fault := damage(checkpoint.path)) is None:
                return checkpoint
            self._damaged(checkpoint.path, fault)
        return None

    def _rotate(self) -> None:
        kept, best = self.all(), next(iter(self.scored()), None)
        for old in kept[: -self.keep] if self.keep else []:
            if (best is None or old.path != best.path) and old.identity != self.origin:
                # from here on it is no checkpoint, however far the deletion gets
                old.path.rename(self.staging / old.path.name)
        shutil.rmtree(self.staging)


def write_manifest(folder: Path, about: dict[str, Any]) -> None:
    """Size and hash of every file in `folder`, and `about`, as its `manifest.json`."""
    listed = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        listed[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    files.replace(folder / MANIFEST, [json.dumps(about | {"files": listed}, indent=1).encode(), b"\n"])


def opened(folder: Path) -> Checkpoint | str:
    """The checkpoint in `folder`, its content not yet compared; or why there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        listed, step = manifest["files"], manifest["step"]
        assert isinstance(step, int) and {"score", "origin"} <= manifest.keys()
        assert all(isinstance(v["bytes"], int) and isinstance(v["sha256"], str) for v in listed.values())
    except FileNotFoundError:
        return f"it has no {MANIFEST}: it was not written to the end"
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError):
        return f"its {MANIFEST} cannot be read"
    return Checkpoint(folder, manifest)


def damage(folder: Path) -> str | None:
    """What differs between `folder` and its manifest, None where it is what was written."""
    checkpoint = opened(folder)
    if isinstance(checkpoint, str):
        return checkpoint
    listed = checkpoint.manifest["files"]
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()} - {MANIFEST}
    if missing := sorted(listed.keys() - there):
        return f"{missing[0]} is missing"
    if added := sorted(there - listed.keys()):
        return f"{added[0]} does not belong to it"
    for name, entry in listed.items():
        path = folder / name
        if (found := path.stat().st_size) != entry["bytes"]:
            return f"{name} has {found} bytes, {entry['bytes']} were written"
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != entry["sha256"]:
                return f"{name} is not what was written"
    return None


def given(path: Path) -> Checkpoint:
    """The checkpoint that `resume=PATH` names: a checkpoint folder, or a run folder, whose newest whole one it is.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if (path / "checkpoints").is_dir():
        paths = [c.path for c in Checkpoints(path / "checkpoints", 1, print).all()]
        whole = [p for p in reversed(paths) if damage(p) is None]
        if not whole:
            raise UserError(f"resume={path}: the run has no whole checkpoint; found {len(paths)} in it")
        path = whole[0]
    if not path.is_dir():
        raise UserError(
            f"resume={path}: expected never, auto, a checkpoint folder or a run folder; there is none"
        )
    if fault := damage(path):
        raise UserError(f"resume={path}: cannot be used: {fault}")
    found = opened(path)
    assert isinstance(found, Checkpoint)
    return found
