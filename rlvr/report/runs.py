"""Several training runs side by side: which folder holds which run, and how much the runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rlvr.analysis.runs import between_runs, contrast, holm
from rlvr.errors import UserError
from rlvr.report import RunFiles
from rlvr.run import Run, flat

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


def of_folders(folders: Sequence[Path]) -> list[RunFiles]:
    """The runs that `rlvr run` left there. Those that differ by their seed alone are of one method.

    Raises:
        UserError: one is not a finished run.
    """
    configs = [_config(Path(folder)) for folder in folders]
    flattened = [flat(config) for config in configs]
    keys = dict.fromkeys(key for one in flattened for key in one)
    varied = [key for key in keys if key not in NAMED and len({repr(one.get(key)) for one in flattened}) > 1]
    found = []
    for folder, config, one in zip(map(Path, folders), configs, flattened, strict=True):
        here = Run(folder)
        try:
            method, seed = variant(config["train"]), int(config["seed"])
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(
                f"{folder / 'config.yaml'}: train.algorithm and seed are expected ({error})"
            ) from None
        method = ", ".join([method, *(f"{key}={one.get(key)}" for key in varied)])
        found.append(
            RunFiles(folder.name, method, seed, here.rollouts("base"), here.rollouts("tuned"), here.metrics)
        )
    return found


NAMED = ("seed", "train.algorithm", "train.reward")
"""Keys that a run's seed and `variant` already tell."""


def _config(folder: Path) -> dict[str, Any]:
    here = Run(folder)
    for path in (folder / "config.yaml", here.rollouts("base"), here.rollouts("tuned")):
        if not path.is_file():
            raise UserError(
                f"{folder}: not the folder of a finished run, it has no {path.relative_to(folder)}"
            )
    return yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))


def variant(train: Mapping[str, Any]) -> str:
    """The algorithm; controls say that they are controls."""
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
