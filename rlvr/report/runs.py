"""Several training runs side by side: which folder holds which run, and how much the runs differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from rlvr.analysis.estimate import EstimateJson
from rlvr.analysis.runs import BetweenRuns, between_runs, contrast, holm
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.distance import Distance
from rlvr.errors import UserError
from rlvr.report import RunFiles
from rlvr.report.schema import Contrast, Document, Group, Quantities, distance_of
from rlvr.run import Run, flat


def _of_distance(read: Callable[[Distance], EstimateJson]) -> Callable[[Comparison], EstimateJson | None]:
    def of(comparison: Comparison) -> EstimateJson | None:
        distance = distance_of(comparison)
        return read(distance) if distance else None

    return of


FOLLOWED: Mapping[str, Callable[[Comparison], EstimateJson | None]] = {
    "gain": lambda c: c["gain"],
    "k_star": lambda c: c["k_star"],
    "ratio_net": lambda c: c["ratio_net"],
    "ratio_gross": lambda c: c["ratio_gross"],
    "within": lambda c: c["compression"]["within"],
    "beyond": lambda c: c["compression"]["beyond"],
    "unresolved": lambda c: c["compression"]["unresolved"],
    "expansion": lambda c: c["compression"]["expansion"],
    "forgetting": lambda c: c["compression"]["forgetting"],
    "kl_pi_p0": _of_distance(lambda d: d["kl_pi_p0"]),
    "kl_verified": _of_distance(lambda d: d["kl_verified"]),
    "efficiency": _of_distance(lambda d: d["efficiency"]),
    "evidence": lambda c: c["evidence"]["pooled"],
}
"""What is followed over runs: the keys of `Quantities`, and where each is in a comparison."""


def of_folders(folders: Sequence[Path]) -> list[RunFiles]:
    """The runs that `rlvr run` left there. Those that differ by their seed alone are of one method.

    Raises:
        UserError: one is not a finished run.
    """
    configs = [_config(Path(folder)) for folder in folders]
    flattened = [flat(config, lists=True) for config in configs]
    keys = dict.fromkeys(key for one in flattened for key in one)
    varied = [key for key in keys if key not in NAMED and len({repr(one.get(key)) for one in flattened}) > 1]
    found = []
    for folder, config, one in zip(map(Path, folders), configs, flattened, strict=True):
        run = Run(folder)
        try:
            method, seed = variant(config["train"]), int(config["seed"])
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(
                f"{folder / 'config.yaml'}: train.algorithm and seed are expected ({error})"
            ) from None
        method = ", ".join([method, *(f"{key}={one.get(key)}" for key in varied)])
        found.append(
            RunFiles(folder.name, method, seed, run.rollouts("base"), run.rollouts("tuned"), run.metrics)
        )
    return found


NAMED = ("seed", "train.algorithm", "train.reward")
"""Keys that a run's seed and `variant` already say."""


def _config(folder: Path) -> dict[str, Any]:
    run = Run(folder)
    for path in (folder / "config.yaml", run.rollouts("base"), run.rollouts("tuned")):
        if not path.is_file():
            raise UserError(
                f"{folder}: not the folder of a finished run, it has no {path.relative_to(folder)}"
            )
    return yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))


def variant(train: Mapping[str, Any]) -> str:
    """The algorithm; controls say that they are controls."""
    reward = train.get("reward", "verdict")
    return str(train["algorithm"]) + (f", {reward} reward (control)" if reward != "verdict" else "")


def add(document: Document, runs: Sequence[RunFiles]) -> None:
    """Write `runs`, `groups` and `contrasts`: the spread of every followed quantity between seeds."""
    assert document["comparison"] is not None
    comparisons = {document["main"]: document["comparison"], **document["comparisons"]}
    groups: dict[str, Group] = {}
    for algorithm in dict.fromkeys(run.algorithm for run in runs):
        names = [run.name for run in runs if run.algorithm == algorithm]
        quantities = {
            key: _spread([read(comparisons[name]) for name in names]) for key, read in FOLLOWED.items()
        }
        groups[algorithm] = {
            "runs": names,
            "pass_at_k": _curve([document["policies"][name]["pass_at_k"] for name in names]),
            "difference": _curve([comparisons[name]["difference"] for name in names]),
            "quantities": cast("Quantities", quantities),
        }
    document["runs"] = [{"name": run.name, "algorithm": run.algorithm, "seed": run.seed} for run in runs]
    document["groups"] = groups
    document["contrasts"] = list(_contrasts(groups, comparisons))


def adjust(comparisons: Sequence[Comparison]) -> None:
    """Write each comparison's `p_holm` beside its sign-flip p: adjusted over all of them."""
    gains = [comparison["gain"] for comparison in comparisons]
    tested = [None if (p := gain.get("p_signflip")) is None else float(p) for gain in gains]
    for gain, adjusted in zip(gains, holm(tested), strict=True):
        gain["p_holm"] = adjusted


def _spread(estimates: Sequence[EstimateJson | None]) -> BetweenRuns:
    return cast("BetweenRuns", between_runs(estimates).to_json())


def _curve(curves: Sequence[Mapping[str, EstimateJson]]) -> dict[str, BetweenRuns]:
    shared = [k for k in curves[0] if all(k in curve for curve in curves)]
    return {k: _spread([curve[k] for curve in curves]) for k in shared}


def _contrasts(groups: Mapping[str, Group], comparisons: Mapping[str, Comparison]) -> Iterator[Contrast]:
    """Every later algorithm against the first one."""
    first, *others = groups
    for other in others:
        for key, read in FOLLOWED.items():
            before, after = (
                [read(comparisons[name]) for name in groups[group]["runs"]] for group in (first, other)
            )
            yield {"quantity": key, "from": first, "to": other, **contrast(before, after).to_json()}
