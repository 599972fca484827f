"""A file of levers: what the base is, and each way to move it, checked before anything is sampled."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from rlvr import config as configuration
from rlvr.analysis.sections.levers import Kind, Pick
from rlvr.config import Config, ConfigError
from rlvr.config.data import names_a_file
from rlvr.config.reading import built, override, read
from rlvr.config.section import Section
from rlvr.run import Run, flat

BASE = "base"
ASKING = ("evidence", "environment", "environment_options", "sampling")
"""Sections of the configuration that a lever may change; with `train`, it is a run of its own."""
FORMS = (
    f"{', '.join(ASKING)} (asked in another way); train, with asked or these (a run); trained and asked (the policy of "
    "a run, asked as another lever is); pick, k and of (one answer picked from k samples)"
)
BASE_FILE = "{base}"
"""As a file's name in a lever: the rollouts of the base."""
RESERVED = (BASE, "rollouts", "figures")


class TransferKeys(Section):
    trained: tuple[str, ...] = Field(default=(), description="levers that train; unset: all of them")
    asked: tuple[str, ...] = Field(
        default=(),
        description="base, and levers without training; unset: base and those that runs are asked as",
    )


class FileKeys(Section):
    base: str | dict[str, Any] = Field(
        description="a config file, the name of a recipe, or keys of a configuration; `recipe` among them: a file that "
        "they change"
    )
    levers: dict[str, dict[str, Any]] = Field(description="name: keys of the lever")
    transfer: bool | TransferKeys = Field(default=False, description="trained under i, asked under j")
    k: int | None = Field(default=None, ge=1, description="of pass@k; unset: the report's search budget")


@dataclass(frozen=True, slots=True)
class Lever:
    """A row of the table; the base is the first."""

    name: str
    kind: Kind
    config: Config
    """How the held-out problems are asked."""
    training: Config | None = None
    """Of its run."""
    trained: str = BASE
    """Whose weights are asked: the base's, or those of a run."""
    asked: str = ""
    """The lever as which it is asked, where it is asked exactly so; its own name where it is not."""
    pick: Pick | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    file: Path
    folder: Path
    """Of everything that is made."""
    base_folder: Path
    """That the configuration's relative paths start from."""
    levers: dict[str, Lever]
    transfer: tuple[tuple[str, ...], tuple[str, ...]] | None
    """Policies (the base is the first) and ways to ask."""
    k: int | None

    @property
    def runs(self) -> list[Lever]:
        return [lever for lever in self.levers.values() if lever.training]

    def run_of(self, name: str) -> Run:
        return Run(self.folder / name)

    @property
    def cells(self) -> dict[tuple[str, str], Path]:
        """Every evaluation: whose policy, asked as which lever, and its rollouts."""
        pairs = dict.fromkeys(
            (lever.trained, lever.asked) for lever in self.levers.values() if not lever.pick
        )
        if self.transfer:
            pairs |= dict.fromkeys((i, j) for i in self.transfer[0] for j in self.transfer[1])
        return {pair: self._file(*pair) for pair in pairs}

    def rollouts(self, lever: Lever) -> Path:
        """Of a lever that picks: of those it picks from."""
        lever = self.levers[lever.pick.of] if lever.pick else lever
        return self._file(lever.trained, lever.asked)

    def name(self, trained: str, asked: str) -> str:
        """Of an evaluation: a lever's, or RUN@LEVER."""
        own = trained != BASE and self.levers[trained].asked == asked
        return asked if trained == BASE else trained if own else f"{trained}@{asked}"

    def _file(self, trained: str, asked: str) -> Path:
        name = self.name(trained, asked)
        own = name == trained != BASE
        return self.run_of(name).rollouts("tuned") if own else Run(self.folder).rollouts(name)


def load(file: Path, folder: Path, transfer: bool = False, overrides: Sequence[str] = ()) -> Plan:
    """The levers of a file.

    Args:
        folder: that everything is written to.
        transfer: the matrix is asked for, whatever the file says.
        overrides: `key=value` of the base's configuration.

    Raises:
        ConfigError: names the file, the lever and the key.
    """
    keys = _keys(file)
    base, base_folder = _base(file, keys.base)
    for text in overrides:
        override(base, text)
    reading = _Reading(file, base, base_folder, Run(folder).rollouts(BASE).resolve())
    levers = {BASE: Lever(BASE, "base", reading.config(BASE, {}), asked=BASE)}
    for name, own in keys.levers.items():
        if name in RESERVED or "@" in name:
            raise ConfigError(
                f"{file}: lever {name}: the name is taken; no @, and none of {', '.join(RESERVED)}"
            )
        try:
            names_a_file(name)
        except ValueError as error:
            raise ConfigError(f"{file}: lever {error}") from None
        levers[name] = reading.lever(name, own, levers)
    matrix = _matrix(file, keys.transfer, transfer, levers)
    return Plan(file, folder, base_folder, levers, matrix, keys.k)


def _keys(file: Path) -> FileKeys:
    try:
        return FileKeys.model_validate(read(file))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        known = f"; expected {', '.join(FileKeys.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise ConfigError(f"{file}: {where}: {first['msg']}{known}") from None


def _base(file: Path, base: str | dict[str, Any]) -> tuple[dict[str, Any], Path]:
    """Keys of the base's configuration, and the folder that its paths start from."""
    own: dict[str, Any] = {"recipe": base} if isinstance(base, str) else copy.deepcopy(base)
    recipe = own.pop("recipe", None)
    if recipe is None:
        return own, file.parent
    if not isinstance(recipe, str):
        raise ConfigError(f"{file}: base.recipe: expected the name of a config file, found {recipe!r}")
    beside = file.parent / recipe
    found = beside if beside.is_file() else configuration.find(recipe)
    data = read(found)
    _merge(data, own)
    return data, found.parent


def _merge(data: dict[str, Any], own: Mapping[str, Any]) -> None:
    for key, value in own.items():
        if isinstance(value, dict) and value and isinstance(data.get(key), dict):
            _merge(data[key], value)
        else:
            data[key] = value


@dataclass(frozen=True, slots=True)
class _Reading:
    """Turns a lever's keys into configurations."""

    file: Path
    base: dict[str, Any]
    base_folder: Path
    base_rollouts: Path

    def lever(self, name: str, own: Mapping[str, Any], before: Mapping[str, Lever]) -> Lever:
        sections = {key.partition(".")[0] for key in own}
        if "pick" in sections:
            return self._picked(name, own, before)
        if "trained" in sections:
            self._only(name, own, ("trained", "asked"))
            run, asked = self._named(name, own, "trained", before), self._way(name, own, before)
            if run.training is None:
                raise self._fault(
                    name, "trained", f"{run.name} trains nothing; expected a lever with `train`"
                )
            return Lever(name, "crossed", asked.config, trained=run.name, asked=asked.name)
        self._only(name, own, (*ASKING, "train", "asked"))
        if "train" not in sections:
            if "asked" in own:
                raise self._fault(name, "asked", "belongs to `train`, or beside `trained`")
            return Lever(name, "asked", self.config(name, own), asked=name)
        return self._run(name, own, before)

    def _run(self, name: str, own: Mapping[str, Any], before: Mapping[str, Lever]) -> Lever:
        like = self._way(name, own, before) if "asked" in own else before[BASE]
        changes = {key: value for key, value in own.items() if key != "asked"}
        exactly = all(key.partition(".")[0] == "train" for key in changes)
        asked = like.config.model_dump(mode="json", include={*ASKING})
        training = self.config(name, changes, asked, trains=True)
        if not training.train.steps:
            raise self._fault(name, "train.steps", "is 0: nothing is trained")
        evaluated = training.model_copy(update={"train": before[BASE].config.train})
        asked_as = like.name if exactly else name
        return Lever(name, "trained", evaluated, training, trained=name, asked=asked_as)

    def _picked(self, name: str, own: Mapping[str, Any], before: Mapping[str, Lever]) -> Lever:
        self._only(name, own, ("pick", "k", "of"))
        how, k = own["pick"], own.get("k")
        if how not in ("majority", "best"):
            raise self._fault(name, "pick", f"is {how!r}; expected majority or best")
        of = self._named(name, own, "of", before) if "of" in own else before[BASE]
        if of.pick:
            raise self._fault(name, "of", f"{of.name} picks itself; expected a lever with samples of its own")
        most = of.config.sampling.samples
        if not isinstance(k, int) or isinstance(k, bool) or not 2 <= k < most:
            raise self._fault(
                name, "k", f"is {k!r}; expected 2 to {most - 1}: {of.name} has {most} samples a problem"
            )
        return Lever(
            name, "picked", of.config, trained=of.trained, asked=of.asked, pick=Pick(of.name, how, k)
        )

    def config(
        self, name: str, own: Mapping[str, Any], asked: Mapping[str, Any] | None = None, trains: bool = False
    ) -> Config:
        """The base's with these keys. `asked` replaces whole sections first."""
        data = copy.deepcopy(self.base) | copy.deepcopy(dict(asked or {}))
        said = {
            key: value for key, value in own.items() if (key, value) != ("train", {})
        }  # then as the base trains
        changes = [f"{key}={self._value(name, key, value)}" for key, value in flat(said).items() if key]
        fixed = ["problems.probes={}", *([] if trains else ["train.steps=0"])]
        return built(data, [*changes, *fixed], self.base_folder, f"{self.file}: lever {name}")

    def _value(self, name: str, key: str, value: Any) -> str:
        """As JSON, which YAML reads."""
        if value == BASE_FILE and key.startswith("train."):
            raise self._fault(
                name, key, f"{BASE_FILE} has held-out problems, and none of them may be trained on"
            )
        return json.dumps(str(self.base_rollouts) if value == BASE_FILE else value, default=str)

    def _only(self, name: str, own: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in own:
            if (first := key.partition(".")[0]) not in known:
                near = difflib.get_close_matches(first, [*known, "pick", "trained"], n=1, cutoff=0.6)
                hint = f"did you mean {near[0]!r}?" if near else f"a lever has {FORMS}"
                raise self._fault(name, key, f"unknown key; {hint}")
        if not own:
            raise ConfigError(f"{self.file}: lever {name}: has no keys; expected {FORMS}")

    def _named(self, name: str, own: Mapping[str, Any], key: str, before: Mapping[str, Lever]) -> Lever:
        found = own.get(key)
        if not isinstance(found, str) or found not in before:
            raise self._fault(name, key, f"is {found!r}; expected a lever above it: {', '.join(before)}")
        return before[found]

    def _way(self, name: str, own: Mapping[str, Any], before: Mapping[str, Lever]) -> Lever:
        asked = self._named(name, own, "asked", before)
        if asked.kind not in ("base", "asked"):
            raise self._fault(
                name, "asked", f"{asked.name} is no way to ask; expected base, or a lever without train"
            )
        return asked

    def _fault(self, name: str, key: str, words: str) -> ConfigError:
        return ConfigError(f"{self.file}: lever {name}: {key}: {words}")


def _matrix(
    file: Path, keys: bool | TransferKeys, wanted: bool, levers: Mapping[str, Lever]
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    if keys is False and not wanted:
        return None
    given = keys if isinstance(keys, TransferKeys) else TransferKeys()
    runs = [lever for lever in levers.values() if lever.training]
    ways = [name for name, lever in levers.items() if lever.kind in ("base", "asked")]
    for key, names, known in (
        ("trained", given.trained, [r.name for r in runs]),
        ("asked", given.asked, ways),
    ):
        for name in names:
            if name not in known:
                expected = ", ".join(known) or "a lever that trains"
                raise ConfigError(f"{file}: transfer.{key}: {name!r}; expected {expected}")
    trained = given.trained or tuple(run.name for run in runs)
    if not trained:
        raise ConfigError(f"{file}: transfer: no lever trains")
    asked = given.asked or tuple(name for name in ways if name == BASE or name in {r.asked for r in runs})
    return (BASE, *trained), tuple(dict.fromkeys((BASE, *asked)))
