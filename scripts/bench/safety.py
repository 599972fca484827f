"""What safety costs: the share of a training run that goes into its metrics, rollouts, lock and checkpoints.

    python scripts/bench/safety.py --model tiny --steps 100
    python scripts/bench/safety.py --model path/to/SmolLM2-135M-Instruct --steps 4

Safety cannot be switched off, so there is no second run to compare with: every call that only safety needs is timed
inside a run, and divided by the time of the steps without them. Writing rollouts counts whole, though a run without
any promise would write them too. Checkpoints come as often as the run itself decides (train.checkpoint_every unset).
A short run has made its first one after step 1, so their share is that of the interval which the run has derived from
the time of a save and of a step.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

SMALL = ("lock", "metrics", "rollouts")
SECONDS, CALLS = defaultdict[str, float](float), defaultdict[str, int](int)


def timed(owner: Any, name: str, what: str) -> None:
    """Count the seconds of `owner.name` under `what`."""
    method: Callable[..., Any] = getattr(owner, name)

    @wraps(method)
    def watched(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            SECONDS[what] += time.perf_counter() - began
            CALLS[what] += 1

    setattr(owner, name, watched)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="disk to measure on (default: that of temporary files)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("override", nargs="*", metavar="key=value", help="further keys of the quickstart")
    args = parser.parse_args()

    from rlvr import rollouts
    from rlvr.cli import main as rlvr
    from rlvr.machine import measured_on
    from rlvr.training import metrics_log
    from rlvr.training.checkpoint_policy import SAVING_SHARE
    from rlvr.training.checkpoints import Checkpoints
    from rlvr.training.loop import Loop

    timed(fcntl, "flock", "lock")
    timed(metrics_log, "append", "metrics")
    timed(rollouts, "rewrite", "rollouts")
    timed(Checkpoints, "save", "checkpoints")
    timed(Loop, "run", "training")
    sizes: list[int] = []
    save = Checkpoints.save

    def sized(self: Checkpoints, step: int, size: int, *others: Any) -> None:
        save(self, step, size, *others)
        sizes.append(self.all()[-1].size)

    Checkpoints.save = sized  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        words = [f"model={args.model}", f"train.steps={args.steps}", "train.eval_every=0", *args.override]
        if code := rlvr(["train", "quickstart", "--output", f"{folder}/run", "-q", *words]):
            return code
    small = sum(SECONDS[what] for what in SMALL)
    work = SECONDS["training"] - small - SECONDS["checkpoints"]
    a_step, a_save = work / args.steps, SECONDS["checkpoints"] / CALLS["checkpoints"]
    interval = max(1, math.ceil(a_save / (SAVING_SHARE * a_step)))
    machine = measured_on()
    print(f"{args.model}, {args.steps} steps of {a_step:.3g} s, {machine['platform']}")
    for what in SMALL:
        each = 1000 * SECONDS[what] / max(1, CALLS[what])
        print(f"{what:<12}{CALLS[what]:>5} × {each:>9.3f} ms {SECONDS[what] / work:>8.2%}")
    share = a_save / (interval * a_step)
    print(f"{'checkpoints':<12}{CALLS['checkpoints']:>5} × {1000 * a_save:>9.1f} ms {share:>8.2%}  ", end="")
    print(f"({max(sizes) / 1e6:,.1f} MB; one in {interval} steps)")
    total = small / work + share
    print(f"{'all':<32}{total:>8.2%}  ({'within' if total <= 0.02 else 'ABOVE'} 2 %)")
    if args.json:
        shares = {what: SECONDS[what] / work for what in SMALL} | {"checkpoints": share, "all": total}
        figures = {
            "shares": shares,
            "seconds_per_step": a_step,
            "seconds_per_checkpoint": a_save,
            "steps_between_checkpoints": interval,
            "checkpoint_mb": max(sizes) / 1e6,
            "machine": machine,
        }
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if total <= 0.02 else 1


if __name__ == "__main__":
    sys.exit(main())
