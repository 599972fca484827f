"""The verbs that sample or train, and what comes before them: `init` and `check`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr.verbs.options import add_config, add_launch, add_output, count, positive

if TYPE_CHECKING:
    from rlvr.verbs.options import Verbs

SWEEP = """
Several values make a sweep: `seed=1,2,3 train.algorithm=grpo,ppo` is six runs, one after the other, each in its own
folder below runs/NAME-sweep (or --output), and a report on all of them. Commas inside brackets and quotes do not
separate values: sampling.stop=[a,b] is one value, sampling.stop=[a],[b] are two; text with a comma is quoted for
YAML and for the shell: 'evidence.question="Now, {prompt}"'. The same command skips finished runs and continues those
that were stopped. If a run fails, the others still run; it is named at the end and its exit code is returned. Ctrl-C,
a full disk, and a failure in a launch of several processes end the sweep. Runs that differ only in their training
share the base's evaluation. `rlvr check` with the same arguments checks every run.
"""

MODELS = """
Models are sampled one after the other, and the same command goes on where it was stopped; a model that was evaluated
under the same settings is not sampled again. Every model is compared with the first. Packaged problem sets come from
the Hub; where there is no network, problems.heldout.file=PATH names a local copy of the rows. They ask by the chat
template where the model's tokenizer has one, else in plain text; evidence.template=plain asks all in plain text.
sampling.temperature=0 is greedy: one sample a problem.
"""


def run_and_train(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    run = verbs.add_parser(
        "run",
        parents=[common],
        help="evaluate the base, train, evaluate the tuned, report",
        description="Evaluate the base, train, evaluate the tuned, report.",
        epilog=SWEEP,
    )
    train = verbs.add_parser("train", parents=[common], help="train only")
    for verb, name in ((run, "run"), (train, "train")):
        add_config(verb)
        add_launch(verb)
        verb.set_defaults(verb=name, phase=None)
    # how a run of several processes starts them
    run.add_argument("--phase", choices=["base", "train", "tuned", "rescore"], help=argparse.SUPPRESS)


def init(verbs: Verbs, _common: argparse.ArgumentParser) -> None:
    init = verbs.add_parser(
        "init",
        help="write a config with every key, its default and its meaning",
        description="Write a config that says what a recipe says, with every other key commented out at its default, "
        "and the meaning of each.",
    )
    init.add_argument("file", type=Path, nargs="?", help="YAML file to write (default: config.yaml)")
    init.add_argument(
        "--like",
        default="quickstart",
        metavar="CONFIG",
        help="a recipe or YAML file whose values stand in it",
    )
    init.add_argument(
        "--schema", type=Path, metavar="FILE", help="write the JSON schema of configs there, for editors"
    )
    init.set_defaults(verb="init")


def evaluate_and_compare(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    evaluate = verbs.add_parser(
        "eval", parents=[common], help="evaluate one model or several on the held-out problems", epilog=MODELS
    )
    evaluate.add_argument(
        "--config",
        help="problems, evidence, sampling and verifier: a YAML file, a run, a recipe, a problem set (default: those "
        "of the run that a model lies in, else quickstart)",
    )

    compare = verbs.add_parser(
        "compare",
        parents=[common],
        help="evaluate two models or more on gsm8k, math500, aime25, humaneval or your own problems, and compare them",
        description="Sample every model on the same problems, judge the samples, compare each model with the first.",
        epilog=MODELS,
    )
    compare.add_argument(
        "--on", required=True, metavar="SET", help="a packaged problem set, a YAML file, a run, or a recipe"
    )
    for verb, name in ((evaluate, "evaluate"), (compare, "compare")):
        verb.add_argument(
            "models",
            nargs="+",
            metavar="MODEL",
            help="`tiny`, a folder (a model, an adapter, a checkpoint, a run) or a Hub name, which names it too; "
            "NAME=MODEL calls it NAME; key=value overrides a key of the config",
        )
        verb.add_argument(
            "--output",
            type=Path,
            help="of one model: the rollout file (default: evals/MODEL-CONFIG.jsonl, with the report in a folder of "
            "that name); of several: a folder for the report and all rollouts (default: each in its own file in "
            "evals/, and the report in evals/MODELS-CONFIG)",
        )
        add_launch(verb)
        verb.set_defaults(verb=name, overrides=[])


def export(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    export = verbs.add_parser(
        "export",
        parents=[common],
        help="a checkpoint or an adapter as a model folder; or a config for another trainer: export verl CONFIG, "
        "export prime-rl CONFIG",
        description="Write a checkpoint of a run, or an adapter, as a folder that transformers loads: merged, "
        "dequantised, proven. `rlvr export verl CONFIG --into DIR` writes data, reward function and settings for "
        "verl, `rlvr export prime-rl …` for prime-rl, and says what could not be carried over.",
    )
    export.add_argument(
        "source",
        type=Path,
        metavar="RUN",
        help="a run's folder, a checkpoint, an adapter; or verl or prime-rl, before a config",
    )
    export.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="base_model, dtype, trust_remote_code; any key of a config",
    )
    export.add_argument("--step", type=int, metavar="N", help="of the run (default: its last checkpoint)")
    export.add_argument(
        "--into", type=Path, metavar="DIR", help="default: RUN/model-step-N, or SOURCE-merged"
    )
    export.add_argument(
        "--adapter-only",
        action="store_true",
        help="the adapter alone, as peft loads it, without the run's state",
    )
    export.set_defaults(verb="export")


def evidence(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    evidence = verbs.add_parser(
        "evidence",
        parents=[common],
        help="prompts, turns, sampling and training on the same held-out problems, in one table of nats",
        description="Run every lever of a file that is not there yet, and hold them all against the same base.",
    )
    evidence.add_argument(
        "config", metavar="FILE", help="YAML: base, levers (docs/evidence.md), or a recipe's name"
    )
    evidence.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="of the base")
    evidence.add_argument(
        "--transfer",
        action="store_true",
        help="each run also asked as the others were: trained under i, asked under j",
    )
    evidence.add_argument("--check", action="store_true", help="only see whether every lever could run")
    evidence.add_argument("--output", type=Path, metavar="DIR", help="default: runs/FILE")
    evidence.set_defaults(verb="evidence")


def belief(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    belief = verbs.add_parser(
        "belief",
        parents=[common],
        help="what a model believes while it reads: log-odds of hypotheses after every token of a prompt",
        description="Follow the log-odds of named hypotheses through a prompt, token by token or turn by turn.",
    )
    belief.add_argument("model", help="a model, as of `rlvr eval`")
    belief.add_argument(
        "--hypotheses",
        type=Path,
        required=True,
        metavar="FILE",
        help="YAML: prompt, hypotheses (docs/evidence.md)",
    )
    belief.add_argument("overrides", nargs="*", default=[], metavar="key=value")
    belief.add_argument(
        "--output", type=Path, metavar="DIR", help="for belief.json, .csv and .svg (default: beliefs/FILE)"
    )
    belief.set_defaults(verb="belief")


def search(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    search = verbs.add_parser(
        "search-prompts",
        parents=[common],
        help="the instruction or examples with the highest reward on training problems, under a token budget",
        description="Search over instructions and examples by verified reward on training problems: successive halving "
        "under a token budget. Held-out problems are not asked.",
    )
    search.add_argument("config", help="as of `rlvr run`")
    search.add_argument("overrides", nargs="*", default=[], metavar="key=value")
    candidates = search.add_mutually_exclusive_group(required=True)
    candidates.add_argument(
        "--candidates",
        type=Path,
        metavar="FILE",
        help="an instruction a line; or YAML, a list of keys of `evidence`",
    )
    candidates.add_argument(
        "--write",
        type=count,
        metavar="N",
        help="instructions that the model writes itself, from solved problems",
    )
    search.add_argument(
        "--budget", type=count, required=True, metavar="TOKENS", help="read and written, in all"
    )
    search.add_argument("--output", type=Path, metavar="DIR", help="default: prompts/NAME")
    search.set_defaults(verb="search_prompts")


def worlds(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    worlds = verbs.add_parser(
        "worlds",
        parents=[common],
        help="what the mathematics says, held against the trainer on worlds with exact answers",
        description="Check the trainer on worlds whose posterior is known exactly (docs/worlds.md).",
    )
    worlds.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="strategies, boundary, verifier, rules, coins, concepts, induction (default: all)",
    )
    worlds.add_argument("--quick", action="store_true", help="the checks of about two minutes")
    worlds.add_argument("--output", type=Path, default=Path("worlds"), metavar="DIR", help="default: worlds")
    worlds.set_defaults(verb="worlds")


def check(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    check = verbs.add_parser(
        "check",
        parents=[common],
        help="what this machine can do; with CONFIG, everything that `rlvr run` checks before it loads the model",
    )
    check.add_argument("config", nargs="?")
    check.add_argument("overrides", nargs="*", metavar="key=value")
    check.add_argument(
        "--on",
        metavar="DEVICES",
        help="foretell memory by part, what fits, time and cost on 8xH100-80GB, an L4-24GB, or `here`, from the "
        "model's config alone; a name that is not known lists those that are",
    )
    check.add_argument("--price", type=positive, metavar="DOLLARS", help="with --on: of a device and hour")
    check.add_argument(
        "--tokens",
        type=positive,
        metavar="N",
        help="with --on: of a completion, in the mean (half of the most)",
    )
    add_output(check)
    add_launch(check)
    check.set_defaults(verb="check")
