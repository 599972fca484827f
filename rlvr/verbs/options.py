"""Options that several verbs have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[Any]


def count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number, 0 or more")
    return int(text)


def positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number above 0")
    return value


def several(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number, 1 or more")
    return int(text)


def add_launch(verb: argparse.ArgumentParser) -> None:
    """How many processes do the work. Named for what is started on every machine: on a CPU there are no GPUs."""
    group = verb.add_argument_group("several processes")
    group.add_argument(
        "--processes",
        type=several,
        metavar="N",
        help="start N on this machine, one for each GPU: to train, through accelerate launch; to evaluate, N workers "
        "on their own; under torchrun, accelerate launch or srun, leave it out: the processes that are there join",
    )
    group.add_argument(
        "--shard",
        choices=["ddp", "fsdp2", "zero2", "zero3"],
        help="what each holds in training: ddp (the default) all of the model; fsdp2 and zero3 a part of weights, "
        "gradients and optimiser; zero2 of the last two (configs/accelerate/ has accelerate's settings)",
    )


def add_config(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "config",
        nargs="?",
        help="YAML file, the folder of a run to go on with, or the name of a packaged recipe (quickstart)",
    )
    verb.add_argument(
        "overrides", nargs="*", metavar="key=value", help="such as train.steps=100, or seed=1,2"
    )
    add_output(verb)
    verb.add_argument("--help-config", action="store_true", help="every key, its default and its meaning")


def add_formats(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("files of other systems, where they can be read in several ways")
    group.add_argument(
        "--filter", metavar="NAME", help="lm-evaluation-harness: the filter whose answers are read"
    )
    group.add_argument("--score", metavar="NAME", help="the column, metric or scorer that is the verdict")
    group.add_argument(
        "--right", metavar="VALUE", help="the score that counts as right: 1, or a bound: '>=0.5'"
    )
    group.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="ours=theirs",
        help="rows of one's own: the column of a key (problem_id=qid); separated by commas, or several times",
    )
    group.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="rows of one's own, open-instruct: read only rows with this value",
    )


def add_output(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--output", type=Path, help="run folder (default: runs/NAME; of a sweep: runs/NAME-sweep)"
    )
