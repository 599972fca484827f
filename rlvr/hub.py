"""Whether a name is a model or data set on the Hub: one request, or one look into the cache, instead of a minute of
retries."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

Kind = Literal["model", "dataset"]
SECONDS = 10.0
"""For one answer of the Hub."""


def missing(name: str, kind: Kind, revision: str | None = None) -> str | None:
    """Why `name` cannot be had from the Hub, as the end of a sentence; None where it can, or is in the cache."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import (
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if cached(name, kind, revision):
        return None
    if constants.HF_HUB_OFFLINE:
        return "not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub"
    try:
        HfApi().repo_info(name, repo_type=kind, revision=revision, timeout=SECONDS)
    except HFValidationError:
        return "no folder here and no name that the Hub could have (it has owner/name)"
    except RevisionNotFoundError:
        return f"on the Hub, but has no revision {revision!r} there"
    except RepositoryNotFoundError:  # what is private looks the same to a stranger
        return f"no {kind} on the Hub, or a private one that needs `hf auth login`"
    except (OfflineModeIsEnabled, LocalEntryNotFoundError):
        return "not in the cache, and the Hub may not be asked"
    except (
        Exception
    ) as error:  # each version of the client has its own classes for a network that is not there
        return f"not in the cache, and the Hub cannot be asked ({short_of(error)})"
    return None


def cached(name: str, kind: Kind, revision: str | None = None) -> bool:
    """The Hub's cache on this machine has it."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    if kind == "dataset":  # prepared by `datasets`, which keeps them elsewhere
        from datasets import config

        prepared = Path(config.HF_DATASETS_CACHE) / name.replace("/", "___")
        return prepared.is_dir() or (Path(constants.HF_HUB_CACHE) / folder_of(name, kind)).is_dir()
    try:
        return isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str)
    except HFValidationError:
        return False


def licence(name: str, kind: Kind) -> str | None:
    """What its card on the Hub says; None where it says nothing, or the Hub cannot be asked."""
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        return None
    try:
        ask = HfApi().dataset_info if kind == "dataset" else HfApi().model_info
        card = ask(name, timeout=SECONDS).card_data
    except Exception:  # as in `missing`; whoever asks says that it is not known
        return None
    said = card.get("license") if card else None
    return ", ".join(said) if isinstance(said, list) else said


def folder_of(name: str, kind: Kind) -> str:
    return f"{kind}s--{name.replace('/', '--')}"


def hint(name: str) -> str:
    """What else may have been meant, as the end of a message."""
    found = near(name)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def near(name: str) -> list[str]:
    """Model folders here, and models in the cache, whose names are close to `name`."""
    from huggingface_hub import constants

    path = Path(name).expanduser()
    wanted = path.parent if path.parent.is_dir() else Path()
    found = [str(folder) for folder in model_folders(wanted)] + [
        folder.name.removeprefix("models--").replace("--", "/")
        for folder in Path(constants.HF_HUB_CACHE).glob("models--*")
    ]
    return closest(name, [*found, "tiny"])


def model_folders(folder: Path) -> Iterable[Path]:
    """Those in `folder` and one level below it."""
    try:
        inside = [
            path.parent for pattern in ("*/config.json", "*/*/config.json") for path in folder.glob(pattern)
        ]
    except OSError:
        return []
    return sorted(set(inside))[:200]


def closest(name: str, known: Iterable[str]) -> list[str]:
    """At most three, by the whole name or by its last part."""
    by_end: dict[str, str] = {}
    for full in known:
        by_end.setdefault(full.lower(), full)
        by_end.setdefault(full.rpartition("/")[2].lower(), full)
    hits = difflib.get_close_matches(name.lower(), by_end, n=3)
    hits += difflib.get_close_matches(name.rstrip("/").rpartition("/")[2].lower(), by_end, n=3)
    return list(dict.fromkeys(by_end[hit] for hit in hits))[:3]


def short_of(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__
