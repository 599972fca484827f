"""Packages that the user lets programs and tests import: named ones of this environment, or all of a folder."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SKIPPED = ("__pycache__", "bin", "..")


class MissingPackageError(ValueError):
    """A package that is to be shown is not there, or cannot be read."""


def locate(names: Sequence[str]) -> dict[str, str]:
    """What is to be seen in the folder of packages: the name of each file or folder there → where it lies here.

    Each of `names` is the name of a distribution or module that is installed beside this package, which is shown with
    what it requires; or the path of a folder, with a slash in it, of which everything is shown. Raises
    MissingPackageError.

    >>> locate(["sortedcontainers", "./my_packages"])
    """
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
        raise MissingPackageError(f"packages is {names!r}; expected a list of names and folders")
    found: dict[str, str] = {}
    done: set[str] = set()
    pending = list(names)
    for name in pending:  # grows while it is read
        if "/" in name or os.sep in name or name == ".":
            found |= _of_folder(Path(name).expanduser())
        elif name not in done:
            done.add(name)
            own: dict[str, str] = {}
            for distribution in _distributions(name):
                own |= _of_distribution(distribution)
                pending += (other for other in _requires(distribution) if _is_installed(other))
            if all(entry.endswith("-info") for entry in own):  # none, or an editable installation
                own |= _of_module(name)
            found |= own
    for path in found.values():
        if not os.access(path, os.R_OK):
            raise MissingPackageError(f"packages: {path} cannot be read by this user")
    return found


def _of_folder(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise MissingPackageError(f"packages: {str(folder)!r} is no folder")
    entries = {entry.name: str(entry.resolve()) for entry in folder.iterdir() if _is_shown(entry.name)}
    if not entries:
        raise MissingPackageError(f"packages: there is nothing in {str(folder)!r}")
    return entries


def _distributions(name: str) -> list[metadata.Distribution]:
    """The installed distribution of this name, else those that bring a module of this name."""
    if _is_installed(name):
        return [metadata.distribution(name)]
    return [metadata.distribution(other) for other in set(metadata.packages_distributions().get(name, ()))]


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return False
    return True


def _of_distribution(distribution: metadata.Distribution) -> dict[str, str]:
    tops = {file.parts[0] for file in distribution.files or () if file.parts}
    paths = {top: Path(str(distribution.locate_file(top))).resolve() for top in tops if _is_shown(top)}
    return {top: str(path) for top, path in paths.items() if path.exists()}


def _of_module(name: str) -> dict[str, str]:
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    places = (
        [Path(place) for place in (spec.submodule_search_locations or [spec.origin or ""])] if spec else []
    )
    place = next((place for place in places if place.name and place.exists()), None)
    if place is None:
        raise MissingPackageError(
            f"packages: {name!r} is not installed beside rlvr; install it (`pip install {name}`), or give a folder "
            "that holds it, with a slash in its path"
        )
    return {place.name: str(place.resolve())}


def _requires(distribution: metadata.Distribution) -> Iterator[str]:
    """The names that it requires, in no extra."""
    for requirement in distribution.requires or ():
        name, _, marker = requirement.partition(";")
        match = _NAME.match(name.strip())
        if match and "extra" not in marker:
            yield match[0]


def _is_shown(name: str) -> bool:
    return name not in _SKIPPED and not name.startswith(".") and not name.endswith(".pth")
