"""The same facts as one message, in pieces, in another order: what that costs, and what training on it gives back.

    python scripts/study/shards.py [--model FOLDER] [--problems 64] [--samples 16] [--train-steps 40] [--json FILE]

Without --model the embedded tiny model and its sums, with it sums and differences of two one-digit numbers behind
four worked examples; then the same model after training on one message, and after as many steps more on each arm of
--then. Every arm has the same problems and the same number of samples, and is held against one message, paired by
problem. Aptitude and unreliability are those of arXiv 2505.06120: per problem the 90th percentile of the scores of
its samples, and that less the 10th, averaged. Finished parts under runs/shards/ are not done again.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlvr import config as configuration
from rlvr import pipeline, rollouts
from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.estimate import Estimate
from rlvr.analysis.evidence import log_odds_estimate, log_odds_of, mantel_haenszel, mantel_haenszel_terms
from rlvr.config import Config
from rlvr.machine import measured_on
from rlvr.sampling import load_sampler
from rlvr.terminal import Terminal, quiet_libraries
from rlvr.text import number, points

FOLDER = Path("runs") / "shards"
MESSAGE = "one message"
SHARDS, RECAPITULATED, RESTATED = "shards over turns", "shards, recapitulated", "restated and corrected"
ARMS: dict[str, dict[str, Any] | None] = {
    MESSAGE: None,
    "concatenated": {"at_once": True},
    "concatenated, reversed": {"at_once": True, "backwards": True},
    SHARDS: {},
    "shards, question last": {"question": "last"},
    "shards, reversed": {"backwards": True},
    RECAPITULATED: {"recapitulate": True},
}
"""Options of the environment `schedule`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A model with its problems."""

    recipe: str
    overrides: tuple[str, ...]
    shards: dict[str, Any]
    """Options of `schedule` in every arm."""
    restates: tuple[str, ...] = ()
    """Overrides of the arm that restates the task first; empty: the model cannot."""
    size: str = "limit"
    """Key of the held-out source that says how many problems there are."""
    training: tuple[str, ...] = ("train.groups_per_step=8",)

    def arms(self) -> dict[str, list[str]]:
        """Overrides of each arm."""
        found = dict[str, list[str]]()
        for name, options in ARMS.items():
            schedule = json.dumps(self.shards | (options or {}))
            found[name] = (
                [] if options is None else ["environment=schedule", f"environment_options={schedule}"]
            )
        if not self.restates:  # sums without words have no question to come last
            del found["shards, question last"]
        else:
            found[RESTATED] = ["environment=restate", *self.restates]
        return found


TINY = Setting(
    "quickstart",
    ("problems.probes={}", "analysis.search_budget=null", "evidence.separator=''"),
    {"shards": "term", "joined": ""},
)
REAL = Setting(
    "smollm2-chain-sum",
    (
        "problems.heldout.parameters={min_terms: 2, max_terms: 2, min_digits: 1, max_digits: 1}",
        "problems.train.parameters={min_terms: 2, max_terms: 2, min_digits: 1, max_digits: 1}",
        "problems.train.size=100",
        "analysis.search_budget=null",
        "evidence={template: plain, shots: 4}",
    ),
    {"shards": "term"},
    ("evidence.instruction='First say in your own words what is to be computed. Do not solve it yet.'",),
    size="size",
    training=("train.groups_per_step=4", "train.group_size=8", "train.learning_rate=2e-5"),
)


def asked(setting: Setting, model: str, arm: list[str], problems: int, samples: int) -> Config:
    given = [*setting.overrides, f"model={model}", f"sampling.samples={samples}", "train.steps=0", *arm]
    given.append(f"problems.heldout.{setting.size}={problems}")
    return configuration.load(configuration.find(setting.recipe), given)


def scores(file: Path) -> np.ndarray:
    """(problems, samples), 1 where solved."""
    by_problem: dict[str, list[float]] = {}
    for row in rollouts.read(file):
        by_problem.setdefault(row.problem_id, []).append(float(row.score == 1.0))
    return np.array(list(by_problem.values()))


def evaluate(
    setting: Setting, model: str, policy: str, problems: int, samples: int, arms: list[str]
) -> dict[str, np.ndarray]:
    """The scores of these arms."""
    found, terminal = dict[str, np.ndarray](), Terminal()
    plain = asked(setting, model, [], problems, samples)
    with closing(load_sampler(plain, policy)) as sampler:
        for arm, overrides in ((arm, setting.arms()[arm]) for arm in arms):
            config = asked(setting, model, overrides, problems, samples)
            file = FOLDER / policy / f"{arm.replace(', ', '-').replace(' ', '-')}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            with pipeline.prepare(config, terminal, trains=False) as (held, evaluator):
                evaluator.evaluate(sampler, held.heldout, file, label=f"{policy}, {arm}")
            found[arm] = scores(file)
    return found


def trained(setting: Setting, short: str, start: str, arm: str, steps: int) -> str:
    """The model at `start` after training under an arm."""
    name = f"{short}-run-{arm.replace(', ', '-').replace(' ', '-')}"
    folder, terminal = FOLDER / f"{name}-{steps}", Terminal()
    words = [*setting.overrides, f"model={start}", f"train.steps={steps}", "train.eval_every=0"]
    words += [*setting.training, f"problems.heldout.{setting.size}=16", *setting.arms()[arm]]
    config = configuration.load(configuration.find(setting.recipe), words)
    with (
        pipeline.prepare(config, terminal, folder) as (problems, evaluator),
        pipeline.begin(config, folder, terminal) as run,
    ):
        return str(pipeline.train(config, problems, evaluator, run))


# ------------------------------------------------------------------ figures


def compared(one: np.ndarray, other: np.ndarray) -> tuple[Estimate, Estimate]:
    """The difference of pass@1, and the pooled log odds ratio in nats, of `other` against `one`, by problem."""
    boot = ClusterBootstrap(len(one))
    points_ = mean_estimates((other.mean(1) - one.mean(1))[:, None], boot, signed=True)[0]
    n0, n1 = (np.full(len(side), float(side.shape[1])) for side in (one, other))
    counts = (n0, one.sum(1), n1, other.sum(1))
    up, down = (boot.sums(term) for term in mantel_haenszel_terms(*counts))
    nats = log_odds_estimate(mantel_haenszel(*counts), log_odds_of(up, down), len(one), 0)
    return points_, nats


def spread(found: np.ndarray) -> list[Estimate]:
    """pass@1, aptitude and unreliability."""
    low, high = np.percentile(found, [10, 90], axis=1)
    return mean_estimates(np.stack([found.mean(1), high, high - low], axis=1), ClusterBootstrap(len(found)))


def rows(arms: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    found = list[dict[str, Any]]()
    for arm, values in arms.items():
        names = ("pass_at_1", "aptitude", "unreliability", "points", "nats")
        estimates = [*spread(values), *compared(arms[MESSAGE], values)]
        found.append({"arm": arm, "problems": len(values), "samples": values.shape[1]})
        found[-1] |= {name: estimate.to_json() for name, estimate in zip(names, estimates, strict=True)}
    return found


def interval(estimate: dict[str, Any], shown: Any, **form: Any) -> str:
    return f"{shown(estimate['value'], **form)} ({shown(estimate['lo'], **form)} to {shown(estimate['hi'], **form)})"


def table(found: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = [
        "| arm | pass@1 | against one message, points | nats | aptitude | unreliability |",
        "|---|---|---|---|---|---|",
    ]
    for row in found:
        first = row["arm"] == MESSAGE
        lines.append(
            f"| {row['arm']} | {interval(row['pass_at_1'], points)} | "
            f"{'–' if first else interval(row['points'], points, sign=True)} | "
            f"{'–' if first else interval(row['nats'], number, form='+.2f')} | "
            f"{points(row['aptitude']['value'])} | {points(row['unreliability']['value'])} |"
        )
    return "\n".join(lines)


def recovered(policies: dict[str, dict[str, np.ndarray]], arms: list[str]) -> dict[str, Any]:
    """By arm that was trained on: pass@1 that the policy trained on one message loses when it is asked in that arm, and
    what training on the arm gives back of it."""
    first, found = policies["trained on one message"], dict[str, Any]()
    for arm in arms:
        drop, _ = compared(first[MESSAGE], first[arm])
        back, _ = compared(first[arm], policies[f"then on {arm}"][arm])
        found[arm] = {"drop": drop.to_json(), "recovered": back.to_json()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="folder of a model; unset: the embedded tiny model")
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--train-steps", type=int, default=40, help="0: no training")
    parser.add_argument(
        "--then", nargs="*", default=[SHARDS, RECAPITULATED], metavar="ARM", help="trained on"
    )
    parser.add_argument("--arms", nargs="+", metavar="ARM", help="beside one message; unset: all")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    quiet_libraries()
    setting, short = (REAL, Path(args.model).name) if args.model else (TINY, "tiny")
    arms, then = list(setting.arms()), args.then if args.train_steps else []
    if unknown := {*(args.arms or ()), *then} - set(arms):
        parser.error(f"{', '.join(sorted(unknown))}: no arm; expected some of {', '.join(arms)}")
    arms = [arm for arm in arms if not args.arms or arm in (MESSAGE, *args.arms, *then)]
    models = {"base": args.model or "tiny"}
    if args.train_steps:
        begun = trained(setting, short, models["base"], MESSAGE, args.train_steps)
        models["trained on one message"] = begun
        models |= {f"then on {arm}": trained(setting, short, begun, arm, args.train_steps) for arm in then}
    policies = {
        name: evaluate(setting, model, f"{short}-{name}".replace(" ", "-"), args.problems, args.samples, arms)
        for name, model in models.items()
    }
    document: dict[str, Any] = {"machine": measured_on(), "arguments": vars(args) | {"json": None}}
    document["policies"] = {name: rows(arms) for name, arms in policies.items()}
    for name, found in document["policies"].items():
        print(f"\n{name}\n\n{table(found)}")
    if len(policies) > 1:
        document["training"] = recovered(policies, then)
        for arm, found in document["training"].items():
            drop, back = (interval(found[key], points, sign=True) for key in ("drop", "recovered"))
            print(f"\n{arm}: {drop} against one message; training on it: {back}")
    if args.json:
        args.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
