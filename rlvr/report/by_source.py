"""What is said of each source of the problems, in words."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.report.schema import Document, OfSource
from rlvr.report.words import NAMELESS, counted, lost_samples, span, span_of
from rlvr.text import points


def in_short(document: Document) -> str:
    """One sentence on pass@1 by source; empty without base and tuned policy on several sources."""
    parts = document["by_source"]
    said = [f"{name or NAMELESS} {rates}" for name, part in parts.items() if (rates := _rates(part))]
    return f"pass@1 by source: {', '.join(said)}." if len(said) > 1 else ""


def lines(document: Document) -> Iterator[str]:
    """One line for each source."""
    for name, part in document["by_source"].items():
        verifier = verifier_of(document, name)
        policies = list(part["policies"].values())
        if not policies:
            yield f"{name or NAMELESS}: none of its samples was judged"
            continue
        about = [*([verifier] if verifier else []), counted(policies[0]["n_problems"], "problem")]
        rates = _rates(part, interval=True) or span(policies[-1]["pass_at_k"]["1"])
        yield ", ".join(
            [f"{name or NAMELESS} ({', '.join(about)}): pass@1 {rates}", *lost_samples(policies[-1])]
        )


def verifier_of(document: Document, source: str) -> str | None:
    """Who judged the problems of a source, where the settings beside the base's file say it."""
    held = document["settings"].get(document["base"], {}).get("sources")
    said = held.get(source) if isinstance(held, dict) else None
    return str(said.get("verifier")) if isinstance(said, dict) and said.get("verifier") else None


def _rates(part: OfSource, interval: bool = False) -> str:
    """ "12.0 → 15.0 (+3.0)", all three over the shared problems; empty without both policies."""
    if not (c := part["comparison"]):
        return ""
    before, after = points(c["gain"]["base"]), points(c["gain"]["tuned"])
    sure = f", {span_of(c['gain'])}, paired" if interval else ""
    return f"{before} → {after} ({points(c['gain']['value'], True)}{sure})"
