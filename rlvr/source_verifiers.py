"""Who judges the problems of which source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlvr.config import Config, ConfigError, SourceConfig, each


@dataclass(frozen=True, slots=True)
class SourceVerifier:
    """A verifier as the config asks for it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    pass_mark: float = 1.0
    """The score from which it calls a response solved."""

    def describe(self) -> dict[str, Any]:
        """For the settings beside a rollout file."""
        mark = {} if self.pass_mark == 1 else {"pass_mark": self.pass_mark}
        return {"verifier": self.name, "verifier_options": dict(self.options), **mark}


def verifiers_of(config: Config) -> dict[str, SourceVerifier]:
    """The verifier of each source by the source's name, which is "" where it has none.

    Raises:
        ConfigError: two sets have a source of one name, with different verifiers.
    """
    found: dict[str, SourceVerifier] = {}
    first: dict[str, str] = {}
    for where, source in sources_of(config):
        name, verifier = name_of(source), _verifier_of(config, source)
        if found.setdefault(name, verifier) != verifier:
            raise ConfigError(
                f"{first[name]} and {where}: both sources are called {name!r}, and have different verifiers "
                f"({found[name].name} {dict(found[name].options)} / {verifier.name} {dict(verifier.options)}); give "
                "them different names (`name`)"
            )
        first.setdefault(name, where)
    return found


def name_of(source: SourceConfig) -> str:
    """What its problems' `source` says: "" where a set is one source that nobody named."""
    return source.name or ""


def sources_of(config: Config) -> Iterator[tuple[str, SourceConfig]]:
    """Every source with its key: `problems.train.1`."""
    sets = {"heldout": config.problems.heldout, "train": config.problems.train}
    for key, sources in sets.items():
        many = not isinstance(sources, SourceConfig)
        for number, source in enumerate(each(sources)):
            yield f"problems.{key}.{number}" if many else f"problems.{key}", source
    yield from ((f"problems.probes.{name}", source) for name, source in config.problems.probes.items())


def _verifier_of(config: Config, source: SourceConfig) -> SourceVerifier:
    """The config's options are for the config's verifier."""
    name = source.verifier or config.verifier
    options = source.verifier_options
    if options is None:
        options = config.verifier_options if name == config.verifier else {}
    return SourceVerifier(name, config.marks_option | options)
