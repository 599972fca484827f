"""Several training runs side by side: which folder holds which run, and how much the runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rlvr.analysis.runs import between_runs, contrast, holm
from rlvr.errors import UserError
from rlvr.report import RunFiles
from rlvr.run import Run

# What is followed over runs: its words, and where it lies in a comparison of report.json.
FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "gain": ("gain",),
    "k_star": ("k_star",),
    "ratio_net": ("ratio_net",),
    "ratio_gross": ("ratio_gross",),
    "within": ("compression", "within"),
    "beyond": ("compression", "beyond"),
    "unresolved": ("compression", "unresolved"),
    "expansion": ("compression", "expansion"),
    "forgetting": ("compression", "forgetting"),
    "kl_pi_p0": ("alignment", "kl_pi_p0"),
    "kl_verified": ("alignment", "kl_verified"),
    "efficiency": ("alignment", "efficiency"),
    "evidence": ("evidence", "pooled"),
}


def of_folder(folder: Path) -> RunFiles:
    """The run that `rlvr run` left in `folder`. Raises UserError: it is not a finished run."""
    folder, here = Path(folder), Run(Path(folder))
    for path in (folder / "config.yaml", here.rollouts("base"), here.rollouts("tuned")):
        if not path.is_file():
            raise UserError(
                f"{folder}: not the folder of a finished run, it has no {path.relative_to(folder)}"
            )
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    try:
        algorithm, seed = variant(config["train"]), int(config["seed"])
    except (TypeError, KeyError, ValueError) as error:
        raise UserError(
            f"{folder / 'config.yaml'}: train.algorithm and seed are expected ({error})"
        ) from None
    return RunFiles(folder.name, algorithm, seed, here.rollouts("base"), here.rollouts("tuned"), here.metrics)


def variant(train: Mapping[str, Any]) -> str:
    """What runs that differ by their seed alone have in common; controls say that they are controls."""
    reward = train.get("reward", "verdict")
    return str(train["algorithm"]) + (f", {reward} reward (control)" if reward != "verdict" else "")


def section(runs: Sequence[RunFiles], document: Mapping[str, Any]) -> dict[str, Any]:
    """`runs`, `groups` and `contrasts` of report.json: the spread of every followed quantity between seeds."""
    comparisons = {document["main"]: document["comparison"], **document["comparisons"]}
    groups: dict[str, Any] = {}
    for algorithm in dict.fromkeys(run.algorithm for run in runs):
        names = [run.name for run in runs if run.algorithm == algorithm]
        groups[algorithm] = {
            "runs": names,
            "pass_at_k": _curve([document["policies"][name]["pass_at_k"] for name in names]),
            "quantities": {
                key: between_runs([_at(comparisons[name], path) for name in names]).to_json()
                for key, path in FOLLOWED.items()
            },
        }
    return {
        "runs": [{"name": run.name, "algorithm": run.algorithm, "seed": run.seed} for run in runs],
        "groups": groups,
        "contrasts": list(_contrasts(groups, comparisons)),
    }


def adjust(comparisons: Sequence[dict[str, Any]]) -> None:
    """Write each comparison's `p_holm` beside its sign-flip p: adjusted over all of them."""
    gains = [comparison["gain"] for comparison in comparisons]
    for gain, p in zip(gains, holm([gain.get("p_signflip") for gain in gains]), strict=True):
        gain["p_holm"] = p


def _curve(curves: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    shared = [k for k in curves[0] if all(k in curve for curve in curves)]
    return {k: between_runs([curve[k] for curve in curves]).to_json() for k in shared}


def _contrasts(groups: Mapping[str, Any], comparisons: Mapping[str, Any]) -> Any:
    """Every later algorithm against the first one."""
    first, *others = groups
    for other in others:
        for key, path in FOLLOWED.items():
            before, after = (
                [_at(comparisons[name], path) for name in groups[group]["runs"]] for group in (first, other)
            )
            yield {
                "quantity": key,
                "from": first,
                "to": other,
                **contrast(before, after).to_json(),
            }


def _at(comparison: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    value: Any = comparison
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
