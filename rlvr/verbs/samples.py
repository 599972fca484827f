"""The verbs that read what was sampled: score, report, import, show, watch, list."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr.verbs.options import add_formats, count, positive

if TYPE_CHECKING:
    from rlvr.verbs.options import Verbs


def score(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    score = verbs.add_parser("score", parents=[common], help="judge responses that another system generated")
    score.add_argument("file", help="JSONL with `response` and `reference`; `-` for standard input")
    score.add_argument(
        "--verifier", required=True, help="built-in name, plug-in, my_module:Name or ./my_file.py:Name"
    )
    score.add_argument(
        "--option", action="append", default=[], metavar="key=value", help="option of the verifier"
    )
    score.add_argument("--output", default="-", help="JSONL with the verdicts added; `-` for standard output")
    score.add_argument(
        "--map", action="append", default=[], metavar="ours=theirs", help="the name of a column in the file"
    )
    score.add_argument(
        "--labels", metavar="COLUMN", help="audit the verifier against the labels in this column"
    )
    score.set_defaults(verb="score")


def report(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    report = verbs.add_parser(
        "report",
        parents=[common],
        help="compare rollout files, a CSV of counts, run folders, or a sweep's folder; or report one run",
        description="Compare files of samples: one row a sample with `problem_id` and `score`, counts per problem, or "
        "what another system wrote (docs/formats.md). Or report a run, finished or running, several runs, a sweep.",
    )
    report.add_argument(
        "base",
        type=Path,
        help="the base's rollouts; or a run's folder, alone or the first of several; or a sweep's folder",
    )
    report.add_argument("tuned", type=Path, nargs="?")
    report.add_argument(
        "more", type=Path, nargs="*", help="checkpoints, other tuned policies, other evidence"
    )
    report.add_argument(
        "--output", type=Path, default=Path("report"), help="folder for report.html, report.json"
    )
    report.add_argument(
        "--search-budget",
        type=int,
        metavar="K",
        help="unset: the run's own, else a sixteenth of the base's samples, at least 4, and never more than there are",
    )
    report.add_argument("--title", help="of the page (default: what is compared)")
    report.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="POLICY=NAME",
        help="what `base`, `tuned` or a further file (by its name without suffix) is called on the page; repeatable",
    )
    report.add_argument(
        "--seeds", action="store_true", help="the files after the first are training seeds of one policy"
    )
    report.add_argument(
        "--replicates",
        type=int,
        metavar="N",
        help="of the cluster bootstrap behind the intervals; unset: a sweep's own, else 2000",
    )
    report.add_argument(
        "--allow-mismatch", action="store_true", help="compare although sampling settings differ"
    )
    add_formats(report)
    report.set_defaults(verb="report")


def convert(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    convert = verbs.add_parser(
        "import",
        parents=[common],
        help="write another system's per-sample files as rollout rows (`rlvr report` reads them as they lie)",
        description="Write per-sample files of another system as rollout rows, or as a CSV of counts.",
    )
    convert.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="one evaluation: its seeds or shards"
    )
    convert.add_argument(
        "--into", type=Path, required=True, metavar="OUT.jsonl", help="rollout file to write"
    )
    convert.add_argument(
        "--policy", metavar="NAME", help="who drew the samples (default: the name of --into)"
    )
    convert.add_argument(
        "--unjudged",
        action="store_true",
        help="lm-evaluation-harness, lighteval: every sample without a verdict, for rlvr score",
    )
    add_formats(convert)
    convert.set_defaults(verb="convert")


def show(verbs: Verbs, _common: argparse.ArgumentParser) -> None:
    show = verbs.add_parser(
        "show",
        help="samples to read: prompt, response, gold answer, verdict",
        description="Samples to read: prompt, response, gold answer, verdict; of training steps, advantages too.",
    )
    show.add_argument("path", type=Path, metavar="RUN_OR_FILE", help="a run's folder, or a rollout file")
    show.add_argument(
        "--step",
        type=int,
        metavar="N",
        help="what step N trained on (default: the tuned policy's evaluation, or what was sampled last)",
    )
    show.add_argument("--problem", metavar="ID", help="of this problem")
    verdict = show.add_mutually_exclusive_group()
    verdict.add_argument(
        "--wrong", dest="right", action="store_const", const=False, help="with a score below the pass mark"
    )
    verdict.add_argument("--right", action="store_const", const=True, help="with the pass mark, or more")
    show.add_argument("--status", help="with this status: incorrect, no_answer, timeout, …")
    show.add_argument("--source", metavar="NAME", help="of problems of this source")
    show.add_argument(
        "--limit", type=count, default=5, metavar="N", help="samples; of a step, groups (5); 0: all"
    )
    show.add_argument(
        "--seed", type=int, metavar="N", help="draw them with this seed (default: the first of each problem)"
    )
    show.set_defaults(verb="show")


def watch(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    watch = verbs.add_parser(
        "watch",
        parents=[common],
        help="the report of a running run, as a page that follows it",
        description="Write the report of a run as a page, and write it anew whenever the run has written something, "
        "until the run ends. The page is a file; a browser that shows it loads it anew by itself.",
    )
    watch.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    watch.add_argument("--output", type=Path, metavar="DIR", help="default: RUN/watch")
    watch.add_argument(
        "--every", type=positive, default=30.0, metavar="SECONDS", help="between two looks at the run (30)"
    )
    watch.set_defaults(verb="watch")


def listing(verbs: Verbs, _common: argparse.ArgumentParser) -> None:
    listing = verbs.add_parser(
        "list",
        help="the runs in a folder: state, step, held-out pass@1, alarms",
        description="The runs in a folder, what was written last first: state, step, held-out pass@1, alarms.",
    )
    listing.add_argument("folder", type=Path, nargs="?", default=Path("runs"), help="default: runs")
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(verb="list_runs")
