"""The command line: no logic. Heavy modules are imported by the verb that needs them."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence

from rlvr import __version__, failures
from rlvr.launch import signals, srun
from rlvr.launch.cpu import wait_asleep
from rlvr.verbs import add_all
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
        srun.adopt()
        with signals.orderly():
            from rlvr import commands

            if (code := commands.launch(args, sys.argv[1:] if argv is None else argv)) is not None:
                return code
            return getattr(commands, args.verb)(args) or 0
    except KeyboardInterrupt as stop:
        words = " ".join(map(shlex.quote, sys.argv[1:] if argv is None else argv))
        if not getattr(args, "phase", None):  # else the process that started this one says so
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
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what the next word may be
        from rlvr.verbs.completion import complete

        complete(root)
    args, rest = root.parse_known_args(argv)
    late = [word for word in rest if "=" in word and not word.startswith("-")]
    if len(late) < len(rest) or (late and not hasattr(args, "overrides")):
        root.error(
            f"unrecognized arguments: {' '.join(word for word in rest if word not in late) or ' '.join(late)}"
        )
    if late:
        args.overrides = [*args.overrides, *late]
    return args


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
    add_all(verbs, common)
    return root


if __name__ == "__main__":
    sys.exit(main())
