"""The sets of problems of a run: each from one source, or from a list of them that keep their names and verifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from rlvr.config.data import SourceConfig, names_a_file
from rlvr.config.section import Section

ONE, SEVERAL = "one source", "a list of sources"
"""How pydantic calls the two forms in the place of a fault; `explain` leaves them out."""


def _form(value: Any) -> str:
    return SEVERAL if isinstance(value, list | tuple) else ONE


Sources = Annotated[
    Annotated[SourceConfig, Tag(ONE)] | Annotated[tuple[SourceConfig, ...], Tag(SEVERAL)],
    Discriminator(_form),
]
"""A source, or a list of sources."""

FileName = Annotated[str, AfterValidator(names_a_file)]
"""Part of a path: a probe's rollouts lie in `rollouts/base.NAME.jsonl`, a run in `runs/NAME`."""


def each(sources: Sources | None) -> tuple[SourceConfig, ...]:
    """The sources of a set, in order."""
    if sources is None:
        return ()
    return (sources,) if isinstance(sources, SourceConfig) else sources


class ProblemsConfig(Section):
    train: Sources | None = Field(
        default=None,
        description="problems to train on, a source or a list of sources; `rlvr eval` does not need them",
    )
    heldout: Sources = Field(
        description="problems on which the base and the tuned policy are compared, a source or a list of sources"
    )
    probes: dict[FileName, SourceConfig] = Field(
        default_factory=dict,
        description="further held-out sets, evaluated before and after training and reported separately",
    )

    @model_validator(mode="after")
    def _weights(self) -> ProblemsConfig:
        if empty := next((key for key in ("train", "heldout") if getattr(self, key) == ()), None):
            raise ValueError(f"{empty}: the list is empty; expected at least one source")
        training = each(self.train)
        weighted = [source for source in training if source.weight is not None]
        if 0 < len(weighted) < len(training):
            raise ValueError(
                f"train: {len(weighted)} of {len(training)} sources have a `weight`; give each one, or none (then "
                "each is drawn in proportion to its number of problems)"
            )
        for key, sources in (("heldout", each(self.heldout)), ("probes", self.probes.values())):
            if any(source.weight is not None for source in sources):
                raise ValueError(f"{key}: `weight` is for problems.train; every problem here is evaluated")
        return self

    @model_validator(mode="after")
    def _named(self) -> ProblemsConfig:
        """A source of a list, or with a verifier of its own, gets a name where it has none: rows and figures say it."""
        named: dict[str, Any] = {
            "train": _with_names(self.train, "train"),
            "heldout": _with_names(self.heldout, "heldout"),
            "probes": {
                name: source.model_copy(update={"name": name}) if needs_name(source) else source
                for name, source in self.probes.items()
            },
        }
        for key, value in named.items():
            object.__setattr__(self, key, value)  # the model is frozen, and not yet handed out
        return self


def needs_name(source: SourceConfig) -> bool:
    own = source.verifier is not None or source.verifier_options is not None
    return own and source.name is None


def _with_names(sources: Sources | None, where: str) -> Sources | None:
    if sources is None:
        return None
    if isinstance(sources, SourceConfig):
        return sources.model_copy(update={"name": derived(sources)}) if needs_name(sources) else sources
    taken = [source.name for source in sources if source.name is not None]
    if twice := next((name for i, name in enumerate(taken) if name in taken[:i]), None):
        raise ValueError(f"{where}: two sources are called {twice!r}; each needs a `name` of its own")
    return tuple(_all_named(sources, set(taken)))


def _all_named(sources: Sequence[SourceConfig], taken: set[str]) -> Iterator[SourceConfig]:
    for source in sources:
        if source.name is None:
            stem, number = derived(source), 1
            while (name := stem if number == 1 else f"{stem}-{number}") in taken:
                number += 1
            taken.add(name)
            source = source.model_copy(update={"name": name})
        yield source


def derived(source: SourceConfig) -> str:
    """A name from what the source is: "gsm8k" of `openai/gsm8k`, the stem of a file, the task of a generator.

    >>> derived(SourceConfig(dataset="openai/gsm8k", split="test")), derived(SourceConfig(file="data/aime.jsonl"))
    ('gsm8k', 'aime')
    """
    stem = source.generator or (source.dataset or "").rpartition("/")[2] or source.label
    return re.sub(r"[/\\\s]+|[^\w\s./\\-]", "-", stem).strip("-.") or "source"
