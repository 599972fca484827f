"""RLVR: reinforcement learning with verifiable rewards, from problems to a report that can be believed.

PyPI has another package whose import name is `verifiers`. In a process that imports `rlvr`, the name is that of the
package which comes with `rlvr`, whatever else is installed: it is loaded from its own place, below.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr.api import compare as compare
    from rlvr.api import evaluate as evaluate
    from rlvr.api import score as score

LONGEST_INTEGER = 100_000
"""Digits of an integer in a file of problems or rollouts. Such a one takes 0.2 s; Python's own limit is 4,300."""

if 0 < sys.get_int_max_str_digits() < LONGEST_INTEGER:
    sys.set_int_max_str_digits(LONGEST_INTEGER)

__version__ = "0.1.0"


def own_verifiers() -> Path:
    """The folder that holds our package `verifiers`: inside an installed `rlvr`, or the top of a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "bundled"
    return installed if installed.is_dir() else package.parent


def claim_verifiers() -> None:
    """Make `verifiers` our own package in this process.

    Raises ImportError where the name is already another package's.
    """
    home = own_verifiers()
    there = sys.modules.get("verifiers")
    if there is None:
        sys.path.insert(0, str(home))
        try:
            there = import_module("verifiers")
        finally:
            sys.path.remove(str(home))
    found = Path(getattr(there, "__file__", None) or "?").resolve()
    if found.parent != home / "verifiers":
        raise ImportError(
            f"this process has imported the package `verifiers` of {found.parent}, and rlvr has one of that name: a "
            "process can use only one of them. Import rlvr first, or in a process of its own; to judge responses from "
            "a program that uses the other package, pipe them through `rlvr score - --verifier NAME`."
        )


claim_verifiers()

FUNCTIONS = ("compare", "evaluate", "score")
"""Of `rlvr.api`, under short names too. `run` and `report` are modules here, so their functions are `api.run` and
`api.report` alone."""


def __getattr__(name: str) -> Any:
    """The functions, imported when first used: `import rlvr` stays quick."""
    if name in FUNCTIONS:
        return getattr(import_module("rlvr.api"), name)
    raise AttributeError(f"module 'rlvr' has no attribute {name!r}; its functions are in rlvr.api")


def __dir__() -> list[str]:
    return sorted([*globals(), *FUNCTIONS])
