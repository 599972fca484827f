"""The keys of the configuration by their dotted names, and which test shows what each one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel

from rlvr.config import Config
from rlvr.training.arguments import UNDERSTOOD
from tests.test_config_keys import parts

SHOWN: dict[str, list[str]] = {}
"""Key → the tests that show what it does."""
SETS = ("train", "heldout", "probes")
Test = TypeVar("Test", bound=Callable[..., Any])


def dotted(model: type[BaseModel] = Config, stem: str = "") -> Iterator[str]:
    """`sampling.top_p` of every key that is a value, not a section. The sets of problems have the same keys, which
    stand here as `problems.*.limit`; those of TRL that the loop reads, as `train.trl.beta`."""
    for name, field in model.model_fields.items():
        inner = list(parts(field.annotation))
        if stem == "problems." and name in SETS:
            name = "*"
        for part in inner:
            yield from dotted(part, f"{stem}{name}.")
        if not inner and f"{stem}{name}" != "train.trl":
            yield f"{stem}{name}"


KEYS = frozenset([*dotted(), *(f"train.trl.{name}" for name in UNDERSTOOD)])


def shows(*names: str) -> Callable[[Test], Test]:
    """Marks the test that shows what these keys do: with another value than the default, something that a user sees
    is another one, as the key's explanation says."""
    if unknown := set(names) - KEYS:
        raise ValueError(f"no key of the configuration: {sorted(unknown)}")

    def note(test: Test) -> Test:
        for name in names:
            SHOWN.setdefault(name, []).append(test.__name__)
        return test

    return note
