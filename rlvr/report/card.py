"""The model card of a trained model: README.md beside its weights, as the Hub reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from rlvr import __version__, files, hub
from rlvr.config import Config, SourceConfig, each
from rlvr.report.headline import headline, markdown
from rlvr.report.prose import headline as sentences
from rlvr.report.schema import Document
from rlvr.run import Run, versions
from rlvr.text import line, shareable


def write(run: Run, config: Config, document: Document) -> None:
    """Put the card into the model's folder, in the place of the base's that was copied there."""
    if not run.model.is_dir():
        return
    text = card(run.folder.resolve().name, config, document)
    files.replace(run.model / "README.md", [text.encode("utf-8", "replace")])


def card(name: str, config: Config, document: Document) -> str:
    """Front matter, the report's headline, data with their licences, versions, and every key of the config."""
    front = yaml.safe_dump(front_matter(config), sort_keys=False, allow_unicode=True)
    every = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    base = (
        f"`{line(config.model)}`" if on_hub(config) else f"the local model `{line(Path(config.model).name)}`"
    )
    train = config.train
    parts = [
        f"---\n{front}---",
        f"# {line(name)}",
        f"{base} after {train.steps} steps of {train.algorithm} with verifiable rewards (verifier "
        f"`{line(config.verifier)}`), seed {config.seed}. Written by rlvr {__version__}.",
        "## What training changed",
        sentences(document)[0],
        markdown(headline(document)).rstrip(),
        "The report has every figure with its interval, how far they can be trusted, and the rollouts.",
        "## Data",
        "\n".join(_data(config)),
        "## Versions",
        "\n".join(f"- {package} {found}" for package, found in versions().items()),
        "## Configuration",
        f"```yaml\n{shareable(every)}```",
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(config: Config) -> dict[str, Any]:
    """What the Hub reads of a card; keys about which nothing is known are left out."""
    names = [source.dataset for source in sources(config) if source.dataset]
    adapter = config.train.adapter
    found = {
        "base_model": config.model if on_hub(config) else None,
        "library_name": "peft" if adapter is not None and adapter.kind == "soft_prompt" else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["rlvr", config.train.algorithm],
        "datasets": list(dict.fromkeys(names)),
    }
    return {key: value for key, value in found.items() if value}


def on_hub(config: Config) -> bool:
    """Whether the base is a name on the Hub: neither the embedded model nor a folder here."""
    return config.model != "tiny" and not Path(config.model).expanduser().exists()


def sources(config: Config) -> Sequence[SourceConfig]:
    """What was trained on, then what was measured on."""
    return (*each(config.problems.train), *each(config.problems.heldout), *config.problems.probes.values())


def _data(config: Config) -> Iterator[str]:
    """A line for each source and its licence: what the data set's card says, where it can be read."""
    known: dict[str, str | None] = {}
    sets = [("trained on", each(config.problems.train)), ("held out", each(config.problems.heldout))]
    sets += [(f"measured apart ({line(name)})", (source,)) for name, source in config.problems.probes.items()]
    for what, some in sets:
        for source in some:
            text = f"- {what}: `{line(shareable(source.label))}`"
            if source.dataset:
                if source.dataset not in known:
                    known[source.dataset] = hub.licence(source.dataset, "dataset")
                text += f", licence {line(known[source.dataset] or NOT_READ)}"
            yield text


NOT_READ = "not known here (its card on the Hub names none, or could not be read)"
