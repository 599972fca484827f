"""report.json, typed: what the document holds, key by key, and its JSON schema.

The sections of a policy and of a comparison are the analysis's own (`rlvr.analysis.sections`). `python -m
rlvr.report.schema` writes `schema.json` beside this file, for readers in other languages; it goes out with the package.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from rlvr.analysis.estimate import EstimateJson, Number
from rlvr.analysis.runs import BetweenRuns
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.distance import Distance
from rlvr.analysis.sections.ladder import Ladder
from rlvr.analysis.sections.problems import Problems
from rlvr.analysis.sections.strata import Stratum
from rlvr.analysis.sections.summary import PolicySummary
from rlvr.analysis.sections.training import Training
from rlvr.analysis.sections.turns import OfTurn

VERSION = 2
"""Of the shape of report.json: new keys leave it as it is. 2: `compression.certified` is gone; U, E and `reach` are at
the level of `certified_simultaneous`."""
SCHEMA = Path(__file__).with_name("schema.json")

Settings = dict[str, Any]
"""NAME.settings.json beside a rollout file; anybody's keys."""


class Source(TypedDict):
    """The file that an evaluation was read from."""

    file: str
    rows: int | None
    """None where the file holds counts only."""
    missing: dict[str, str]
    """Key that the rows lack → what the report goes without."""
    notes: list[str]


class Probe(TypedDict):
    """A further problem set, reported apart: `base` and `tuned` under each key."""

    policies: dict[str, PolicySummary]
    comparison: Comparison
    correct: dict[str, int]
    """Right samples."""
    upper_bound: dict[str, float | None]
    """Largest success rate that 0 right of n samples leaves possible at 95 %; null without such a problem."""
    settings: dict[str, Settings]
    words: str


class OfSource(TypedDict):
    """Base and main policy on the problems of one source."""

    policies: dict[str, PolicySummary]
    comparison: Comparison | None
    """None where there is one evaluation only, or a policy has no scored sample there."""


class ExactRow(TypedDict):
    """An exact value of an enumerable world beside its estimate."""

    quantity: str
    exact: float
    estimate: Number
    lo: Number
    hi: Number
    inside: bool | None
    problems: int | None


class Exact(TypedDict):
    values: dict[str, Any]
    rows: list[ExactRow]


class RunEntry(TypedDict):
    name: str
    algorithm: str
    seed: int


class Quantities(TypedDict):
    """What is followed over runs."""

    gain: BetweenRuns
    k_star: BetweenRuns
    ratio_net: BetweenRuns
    ratio_gross: BetweenRuns
    within: BetweenRuns
    beyond: BetweenRuns
    unresolved: BetweenRuns
    expansion: BetweenRuns
    forgetting: BetweenRuns
    kl_pi_p0: BetweenRuns
    kl_verified: BetweenRuns
    efficiency: BetweenRuns
    evidence: BetweenRuns


class Group(TypedDict):
    """The runs of one algorithm."""

    runs: list[str]
    pass_at_k: dict[str, BetweenRuns]
    difference: dict[str, BetweenRuns]
    """Paired, each run against its own base."""
    quantities: Quantities


_Ends = TypedDict("_Ends", {"quantity": str, "from": str, "to": str})


class Contrast(_Ends, EstimateJson):
    """One algorithm's mean over runs minus another's."""


class AnalysisSettings(TypedDict):
    """How the numbers of this document were computed."""

    replicates: int
    """Of the cluster bootstrap behind every interval."""
    seed: int
    search_budget: int | None
    """K as it was asked for; null: each comparison's default."""


class Document(TypedDict):
    """report.json."""

    schema: int
    title: str
    version: str
    analysis: AnalysisSettings
    policies: dict[str, PolicySummary]
    base: str
    """The policy that the others are compared with; the first of `policies`."""
    main: str
    """The policy that the page is about."""
    comparison: Comparison | None
    """Base and main policy; null where there is one evaluation only."""
    comparisons: dict[str, Comparison]
    """Base and every other policy."""
    settings: dict[str, Settings]
    """By policy."""
    sources: dict[str, Source]
    """By policy."""
    notes: list[str]
    runs: NotRequired[list[RunEntry]]
    groups: NotRequired[dict[str, Group]]
    contrasts: NotRequired[list[Contrast]]
    ladder: Ladder | None
    probes: dict[str, Probe]
    by_source: dict[str, OfSource]
    """By the source's name; empty where the rows name none."""
    breakdown: dict[str, list[Stratum]]
    """Column of the rows → base and main policy for each of its values; empty where the rows have none."""
    turns: dict[str, list[OfTurn]]
    """Of base and main policy, where their episodes have several attempts."""
    exact: NotRequired[Exact]
    problems: Problems | None
    """Every problem under base and main policy; null where there is one evaluation only."""
    training: Training
    """Computed from the main run's metrics.jsonl; empty without one."""


def distance_of(comparison: Comparison) -> Distance | None:
    """How far the policy moved; None where the rows hold no log-probabilities for it."""
    alignment = comparison["alignment"]
    return alignment if alignment["status"] == "ok" else None


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the document, closed: it names every key that this version writes."""
    return _closed(TypeAdapter(Document).json_schema())


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items() if key != "title" or isinstance(part, dict)}
    return closed | {"additionalProperties": False} if "properties" in schema else closed


def written() -> str:
    """The text of schema.json."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(written(), encoding="utf-8")
