"""The command line: verbs, no logic. Heavy modules are imported by the verb that needs them."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rlvr import __version__, failures
from rlvr.launch import signals
from rlvr.launch.cpu import wait_asleep
from verifiers.visible import visible


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `rlvr`.

    0: done; 2: bad input, or a folder that cannot be used; 3: the run stopped itself (a full disk, a verifier that
    judges nothing, non-finite values); 128 + n: signal n asked it to stop (130 Ctrl-C, 143 SIGTERM, 129 SIGHUP);
    1: anything else, with a traceback. After 3 and 128 + n the same command continues. A sweep in which runs
    failed has the code of the first of them.
    """
    args = parse(argv)
    wait_asleep()
    try:
        with signals.orderly():
            from rlvr import commands

            return getattr(commands, args.verb)(args) or 0
    except KeyboardInterrupt as stop:
        words = " ".join(map(shlex.quote, sys.argv[1:] if argv is None else argv))
        print(
            f"\nInterrupted; everything written is kept. To continue where it stopped: rlvr {words}",
            file=sys.stderr,
        )
        return stop.code if isinstance(stop, signals.Interrupted) else 130
    except BrokenPipeError:  # `rlvr … | head`: the reader is done
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 (closed by the interpreter's exit)
        return 0
    except Exception as error:
        if args.debug or not failures.expected(error):
            raise
        print(f"rlvr: {visible(failures.in_words(error))}", file=sys.stderr)
        return failures.code(error)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Options may come before, between and after `key=value` overrides, which argparse alone does not allow."""
    root = parser()
    args, rest = root.parse_known_args(argv)
    late = [word for word in rest if "=" in word and not word.startswith("-")]
    if len(late) < len(rest) or (late and not hasattr(args, "overrides")):
        root.error(
            f"unrecognized arguments: {' '.join(word for word in rest if word not in late) or ' '.join(late)}"
        )
    if late:
        args.overrides = [*args.overrides, *late]
    return args


SWEEP = """
Several values make a sweep: `seed=1,2,3 train.algorithm=grpo,ppo` is six runs, one after the other, each in its own
folder below runs/NAME-sweep (or --output), and a report on all of them. Commas inside brackets and quotes do not
separate values: sampling.stop=[a,b] is one value, sampling.stop=[a],[b] are two; text with a comma is quoted for
YAML and for the shell: 'evidence.question="Now, {prompt}"'. The same command skips finished runs and continues those
that were stopped. If a run fails, the others still run; it is named at the end and its exit code is returned. Ctrl-C,
a full disk, and a failure in a launch of several processes end the sweep. Runs that differ only in their training
share the base's evaluation. `rlvr check` with the same arguments checks every run.
"""


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="rlvr",
        description="Reinforcement learning with verifiable rewards, and a truthful measurement of its effect.",
    )
    root.add_argument("--version", action="version", version=f"rlvr {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    root.add_argument("--debug", action="store_true", help="show the traceback of an error")
    common.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )
    common.add_argument("-q", "--quiet", action="store_true", help="no progress output; the log file has it")
    verbs = root.add_subparsers(title="verbs", metavar="VERB", required=True)

    run = verbs.add_parser(
        "run",
        parents=[common],
        help="evaluate the base, train, evaluate the tuned, report",
        description="Evaluate the base, train, evaluate the tuned, report.",
        epilog=SWEEP,
    )
    train = verbs.add_parser("train", parents=[common], help="train only")
    for verb, name in ((run, "run"), (train, "train")):
        _add_config(verb)
        verb.set_defaults(verb=name)

    evaluate = verbs.add_parser("eval", parents=[common], help="evaluate a model on the held-out problems")
    evaluate.add_argument(
        "model", help="`tiny`, a folder (a model, an adapter, a checkpoint, a run), or a Hub name"
    )
    evaluate.add_argument(
        "--config",
        help="problems, evidence, sampling and verifier (default: those of the run that the model lies in, else "
        "quickstart)",
    )
    evaluate.add_argument("overrides", nargs="*", default=[], metavar="key=value")
    evaluate.add_argument(
        "--output", type=Path, help="rollout file to write (default: evals/MODEL-CONFIG.jsonl)"
    )
    evaluate.set_defaults(verb="evaluate")

    export = verbs.add_parser(
        "export",
        parents=[common],
        help="a checkpoint or an adapter as a model folder: merged, dequantised, proven",
        description="Write a checkpoint of a run, or an adapter, as a folder that transformers loads.",
    )
    export.add_argument(
        "source", type=Path, metavar="RUN", help="a run's folder, a checkpoint, or an adapter"
    )
    export.add_argument(
        "overrides", nargs="*", metavar="key=value", help="base_model, dtype, trust_remote_code"
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

    report = verbs.add_parser(
        "report",
        parents=[common],
        help="compare rollout files, a CSV of counts, run folders, or a sweep's folder",
    )
    report.add_argument(
        "base",
        type=Path,
        help="the base's rollouts; or the first of several run folders; or a sweep's folder",
    )
    report.add_argument("tuned", type=Path, nargs="?")
    report.add_argument(
        "more", type=Path, nargs="*", help="checkpoints, other tuned policies, other evidence"
    )
    report.add_argument(
        "--output", type=Path, default=Path("report"), help="folder for report.html, report.json"
    )
    report.add_argument("--search-budget", type=int, metavar="K")
    report.add_argument(
        "--replicates",
        type=int,
        metavar="N",
        help="of the cluster bootstrap behind the intervals; unset: a sweep's own, else 2000",
    )
    report.add_argument(
        "--allow-mismatch", action="store_true", help="compare although sampling settings differ"
    )
    _add_formats(report)
    report.set_defaults(verb="report")

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
    _add_formats(convert)
    convert.set_defaults(verb="convert")

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
        "--limit", type=_count, default=5, metavar="N", help="samples; of a step, groups (5); 0: all"
    )
    show.add_argument(
        "--seed", type=int, metavar="N", help="draw them with this seed (default: the first of each problem)"
    )
    show.set_defaults(verb="show")

    belief = verbs.add_parser(
        "belief",
        parents=[common],
        help="what a model believes while it reads: log-odds of hypotheses after every token of a prompt",
        description="Follow the log-odds of named hypotheses through a prompt, token by token or turn by turn.",
    )
    belief.add_argument("model", help="as of `rlvr eval`")
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

    listing = verbs.add_parser(
        "list",
        help="the runs in a folder: state, step, held-out pass@1, alarms",
        description="The runs in a folder, what was written last first: state, step, held-out pass@1, alarms.",
    )
    listing.add_argument("folder", type=Path, nargs="?", default=Path("runs"), help="default: runs")
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(verb="list_runs")

    check = verbs.add_parser(
        "check",
        parents=[common],
        help="what this machine can do; with CONFIG, everything that `rlvr run` checks before it loads the model",
    )
    check.add_argument("config", nargs="?")
    check.add_argument("overrides", nargs="*", metavar="key=value")
    _add_output(check)
    check.set_defaults(verb="check")
    return root


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number, 0 or more")
    return int(text)


def _add_config(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "config",
        nargs="?",
        help="YAML file, the folder of a run to go on with, or the name of a packaged recipe (quickstart)",
    )
    verb.add_argument(
        "overrides", nargs="*", metavar="key=value", help="such as train.steps=100, or seed=1,2"
    )
    _add_output(verb)
    verb.add_argument("--help-config", action="store_true", help="every key, its default and its meaning")


def _add_formats(verb: argparse.ArgumentParser) -> None:
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


def _add_output(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--output", type=Path, help="run folder (default: runs/NAME; of a sweep: runs/NAME-sweep)"
    )


if __name__ == "__main__":
    sys.exit(main())
