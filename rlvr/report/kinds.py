"""Which parts of a gain a report speaks of, in words, tables and figures alike."""

from __future__ import annotations

from typing import Literal

from rlvr.analysis.estimate import EstimateJson
from rlvr.analysis.sections.decomposition import Compression

Part = Literal["within", "beyond", "unresolved", "expansion"]
PARTS: tuple[Part, ...] = ("within", "beyond", "unresolved", "expansion")


def told(parts: Compression) -> dict[Part, EstimateJson]:
    """The parts that have a value. Where expansion is certified on no problem, E may be noise: U + E is unresolved."""
    held: dict[Part, EstimateJson] = {part: parts[part] for part in PARTS}
    if not parts["certified_simultaneous"]["count"]:
        held["unresolved"] = parts["expansion_high"]
        del held["expansion"]
    return {part: e for part, e in held.items() if e["value"] is not None}
