"""Worlds: problems whose traces can be listed with their exact probabilities, each with a small model. No torch.

`WORLDS` has them by name; a config names one as `problems.heldout: {world: carry/heldout}`.
"""

from __future__ import annotations

from rlvr.worlds import carry
from rlvr.worlds.world import ELSEWHERE, NoLawError, Trace, World

__all__ = ["DEFAULT", "ELSEWHERE", "WORLDS", "NoLawError", "Trace", "World", "find"]

WORLDS: dict[str, World] = {world.name: world for world in (carry.WORLD,)}

DEFAULT = carry.WORLD.name
"""The world of a bare split."""


def find(address: str) -> tuple[World, str]:
    """World and split of `world/split`, or of a bare `split` of the default world.

    Raises ValueError for an unknown world. The split is not looked up: `World.problems` does that.

    >>> world, split = find("heldout")
    >>> world.name, split, find("carry/heldout") == (world, split)
    ('carry', 'heldout', True)
    """
    name, slash, split = address.partition("/")
    if not slash:
        name, split = DEFAULT, address
    if name not in WORLDS:
        raise ValueError(f"unknown world {name!r}; expected one of {', '.join(WORLDS)}")
    return WORLDS[name], split
