"""Kill a run again and again, at random moments of every phase, and see that it ends as if nothing had happened.

    python scripts/study/torture.py --kills 50 --seed 0
    python scripts/study/torture.py --kills 10 --variant ppo

A short run of the embedded model is first left alone, then repeated in another folder: each time the process gets
a SIGKILL at a random moment of a phase (evenly over the phases), and the same command is given again. In the end both
folders must hold the same weights, metrics (less timings) and rollouts, bit for bit, each rollout row exactly once.
Prints a table: phase, kills, resumed, lost rows. Exit code 1 where anything differs or a kill did not happen.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

PHASES = (
    "evaluation of the base", "sampling", "verifying", "update", "checkpoint", "evaluation on the way", "export",
    "evaluation of the tuned", "rescoring", "report",
)  # fmt: skip
TRAINING = PHASES[1:6]
"""These come round with every step, so their kills are in random order."""


TWICE = "train.trl.num_iterations=2"

VARIANTS = {
    "iterations": [TWICE],
    "micro-steps": ["train.trl.num_iterations=3", "train.rows_per_micro_step=4"],
    "curriculum": ["train.curriculum.kind=adaptive"],
    "refill": ["train.curriculum.kind=adaptive", "train.curriculum.refill=2", TWICE],
    "staged": [
        "train.curriculum.kind=staged",
        "train.curriculum.level=kind",
        "train.curriculum.advance_at=0.1",
    ],
    "ppo": ["train.algorithm=ppo", TWICE],
    "rejection": ["train.algorithm=rejection"],
    "reference": [
        "train.trl.beta=0.1",
        "train.trl.sync_ref_model=true",
        "train.trl.ref_model_sync_steps=3",
        TWICE,
    ],
}
"""What the run has to carry over: a batch that steps share, what is known of the problems, a value head, a frozen or a
moving model, whose moves (every 3 steps) fall between checkpoints (every 2)."""


def words(folder: Path, kills: int, variant: str) -> list[str]:
    """The command, the same every time."""
    return [
        "run", "quickstart", "--output", str(folder / "run"), "-q", f"train.steps={4 + kills}",
        "train.groups_per_step=4", "train.group_size=4", "train.rows_per_micro_step=8", "train.eval_every=4",
        "train.eval_samples=4", "train.checkpoint_every=2", "train.learning_rate=1e-3", "sampling.samples=16",
        "sampling.batch_size=32", "analysis.search_budget=8", "analysis.replicates=200",
        "problems.heldout.limit=16", "problems.probes={}", "verification.workers=1", *VARIANTS[variant],
    ]  # fmt: skip


# --- in the process that is killed ----------------------------------------------------------------------------


class Assassin:
    """Follows the phases of this process and kills it in one of them.

    The kill comes `delay` seconds after the phase began, or at its end where it ends sooner. Where the phase does not
    come (a kill at the end of an export leaves nothing to export), the one-time phase after it is taken instead.

    Args:
        phase, occurrence: when the clock starts: at the beginning of this phase, so many times round.
        delay: seconds from then.
        log: file that hears of every phase that ended, with its seconds, and of the kill.
    """

    def __init__(self, phase: str, occurrence: int, delay: float, log: Path) -> None:
        self.phase, self.occurrence, self.delay, self.log = phase, occurrence, delay, log
        self.alone = threading.Lock()

    def wrap(self, owner: Any, name: str, phase: str | Callable[..., str]) -> None:
        """Let `owner.name` count as `phase` while it runs."""
        method = getattr(owner, name)

        @wraps(method)
        def followed(*args: Any, **kwargs: Any) -> Any:
            current = phase if isinstance(phase, str) else phase(*args)
            began = time.perf_counter()
            mine = self.chooses(current)
            if mine:
                threading.Thread(target=self.kill, args=(current, self.delay), daemon=True).start()
            try:
                return method(*args, **kwargs)
            finally:
                if mine:
                    self.kill(current)
                self.write({"phase": current, "seconds": time.perf_counter() - began})

        setattr(owner, name, followed)

    def chooses(self, current: str) -> bool:
        """Whether the kill belongs into the phase that begins now."""
        if not self.phase:
            return False
        passed = current not in TRAINING and PHASES.index(current) > PHASES.index(self.phase)
        self.occurrence -= current == self.phase
        return passed or (current == self.phase and self.occurrence == 0)

    def write(self, line: dict[str, Any]) -> None:
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def kill(self, phase: str, delay: float = 0.0) -> None:
        time.sleep(delay)
        with self.alone:
            self.write({"killed": phase})
            os.kill(os.getpid(), signal.SIGKILL)


def victim(plan: dict[str, Any], command: list[str]) -> int:
    """Run the command under an assassin."""

    from rlvr import pipeline
    from rlvr.cli import main
    from rlvr.evaluation import Evaluator
    from rlvr.training import collect, export
    from rlvr.training.checkpoints import Checkpoints
    from rlvr.training.loop import Loop

    def evaluated(_: Any, sampler: Any, *__: Any) -> str:
        return {"base": PHASES[0], "tuned": PHASES[7]}.get(sampler.policy.name, PHASES[5])

    assassin = Assassin(plan["phase"], plan["occurrence"], plan["delay"], Path(plan["log"]))
    for owner, name, phase in (
        (Evaluator, "_draw", evaluated),
        (collect.Collector, "_roll", "sampling"),
        (collect, "wait_for_verdicts", "verifying"),
        (Loop, "backward", "update"),
        (Loop, "update", "update"),
        (Checkpoints, "save", "checkpoint"),
        (export, "export", "export"),
        (Evaluator, "rescore", "rescoring"),
        (pipeline, "report", "report"),
    ):
        assassin.wrap(owner, name, phase)
    return main(command)


# --- in the process that looks on -----------------------------------------------------------------------------


def start(command: list[str], log: Path, phase: str = "", occurrence: int = 1, delay: float = 0.0) -> int:
    """One attempt; its exit code (-9 where it was killed)."""
    plan = {"phase": phase, "occurrence": occurrence, "delay": delay, "log": str(log)}
    child = [sys.executable, __file__, "--victim", json.dumps(plan), *command]
    done = subprocess.run(child, capture_output=True, text=True, check=False)
    if done.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"an attempt ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.returncode


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def order(kills: int, chance: random.Random) -> list[str]:
    """A phase for each kill: evenly over the phases, in the order in which a run comes to them."""
    even = chance.sample(PHASES, len(PHASES))
    chosen = [even[i % len(even)] for i in range(kills)]
    training = [phase for phase in chosen if phase in TRAINING]
    chance.shuffle(training)
    before = [phase for phase in chosen if phase == PHASES[0]]
    after = sorted((p for p in chosen if p not in (PHASES[0], *TRAINING)), key=PHASES.index)
    return before + training + after


def contents(folder: Path) -> dict[str, bytes]:
    """What a run's result is: every rollout, the metrics that are no timings, the weights."""
    from rlvr.run import read_metrics

    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.glob("rollouts/*.jsonl"))}
    timeless = [
        {k: v for k, v in row.items() if not k.startswith("seconds") and k != "tokens_per_second"}
        for row in read_metrics(folder / "metrics.jsonl")
    ]
    found["metrics"] = json.dumps(timeless).encode()
    found["weights"] = (folder / "model" / "model.safetensors").read_bytes()
    return found


def rows(folder: Path) -> Counter[tuple[str, str, int]]:
    """How often each rollout row is there: file, problem, sample."""
    from rlvr import rollouts

    return Counter(
        (path.name, row.problem_id if "train" not in path.name else str(row.seed), row.sample)
        for path in folder.glob("rollouts/*.jsonl")
        for row in rollouts.read(path)
    )


def torture(kills: int, seed: int, variant: str, folder: Path) -> dict[str, Any]:
    """Both runs; what was killed and what differs in the end."""
    chance = random.Random(seed)
    alone, tortured = folder / "untouched", folder / "tortured"
    quiet, log = folder / "untouched.log", folder / "tortured.log"
    start(words(alone, kills, variant), quiet)
    seconds: dict[str, list[float]] = {phase: [] for phase in PHASES}
    for line in lines(quiet):
        seconds[line["phase"]].append(line["seconds"])
    killed: list[str] = []
    committed: list[Counter[tuple[str, str, int]]] = []
    command = words(tortured, kills, variant)
    for phase in order(kills, chance):
        typical = sum(seconds[phase]) / len(seconds[phase])
        occurrence = chance.randint(1, 2) if phase in TRAINING[:3] else 1
        if start(command, log, phase, occurrence, chance.random() * typical):
            killed.append(lines(log)[-1]["killed"])
            committed.append(rows(tortured / "run"))
            print(f"  {len(killed)}: killed in {killed[-1]}", file=sys.stderr, flush=True)
    start(command, log)
    there, here = contents(alone / "run"), contents(tortured / "run")
    expected, found = rows(alone / "run"), rows(tortured / "run")
    lost = Counter[str]()
    for phase, before in zip(killed, committed, strict=True):
        lost[phase] += (before - found).total()
    return {
        "variant": variant,
        "asked": kills,
        "kills": dict(Counter(killed)),
        "lost_by_phase": dict(lost),
        "differs": sorted(k for k in there.keys() | here.keys() if there.get(k) != here.get(k)),
        "lost": (expected - found).total(),
        "twice": (found - expected).total(),
        "rows": expected.total(),
        "steps": len(lines(tortured / "run" / "metrics.jsonl")),
    }


def table(result: dict[str, Any]) -> str:
    """Phase, kills, resumed, lost: rows that were on disk at a kill and are not there in the end."""
    kills, lost = result["kills"], result["lost_by_phase"]
    out = [f"{'phase':<26}{'kills':>7}{'resumed':>9}{'lost':>6}"]
    # an attempt that does not go on after a kill has ended the script with its error
    out += [f"{p:<26}{kills.get(p, 0):>7}{kills.get(p, 0):>9}{lost.get(p, 0):>6}" for p in PHASES]
    out.append(f"{'all':<26}{sum(kills.values()):>7}{sum(kills.values()):>9}{sum(lost.values()):>6}")
    same = f"differ: {', '.join(result['differs'])}" if result["differs"] else "are the same, bit for bit"
    counts = f"missing: {result['lost']}, twice: {result['twice']}"
    out.append(
        f"{result['variant']}, {result['steps']} steps: weights, metrics and {result['rows']} rollout rows {same}; "
        f"rows {counts}."
    )
    return "\n".join(out)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variant", choices=VARIANTS, default="iterations")
    parser.add_argument("--folder", type=Path, help="where the two runs stay (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="write the result here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        result = torture(args.kills, args.seed, args.variant, folder)
    print(table(result))
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sound = not (result["differs"] or result["lost"] or result["twice"])
    return 0 if sound and sum(result["kills"].values()) == args.kills else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--victim"]:
        sys.exit(victim(json.loads(sys.argv[2]), sys.argv[3:]))
    sys.exit(main())
