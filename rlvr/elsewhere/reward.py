"""Verdicts by the verifiers of verifiers.json beside this file. Written by `rlvr export`.

`compute_score` is verl's reward function. As a program it is asked by another one, which may have a package `verifiers`
of its own (prime-rl): a line of JSON with `number`, `problem` and `response` comes in, one with `number`, `score` and
`status` goes out as soon as there is a verdict, or `number` and `error`.
"""

import json
import sys
from concurrent.futures import Future
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import rlvr  # noqa: F401  # from here on `verifiers` is the package that comes with it
from verifiers import Problem, Verdict
from verifiers.pool import VerifierPools


@cache
def pools() -> VerifierPools:
    """Worker processes that no response can hang or crash; they end with this process."""
    judges = json.loads(Path(__file__).with_name("verifiers.json").read_text())
    return VerifierPools({source: (judge["verifier"], judge["options"]) for source, judge in judges.items()})


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The verdict's score; `acc`, which verl's validation averages, says whether it is solved.

    What nobody can judge has score 0, since verl knows no sample without a reward, and `judged` 0.
    """
    assert extra_info is not None
    verdict = pools().submit(Problem(**json.loads(extra_info["problem"])), solution_str).result()
    judged = verdict.score is not None
    return {
        "score": verdict.score if judged else 0.0,
        "acc": float(bool(verdict.solved)),
        "judged": float(judged),
        "status": verdict.status,
    }


def main() -> None:
    """Answer the lines of standard input, several at once, until it ends: then nobody waits for what is left."""
    lock = Lock()

    def answer(number: int, future: Future[Verdict]) -> None:
        if failed := future.exception():
            said = {"error": f"{type(failed).__name__}: {failed}"}
        else:
            said = {"score": future.result().score, "status": future.result().status}
        with lock:
            print(json.dumps({"number": number} | said), flush=True)

    for line in sys.stdin:
        asked = json.loads(line)
        future = pools().submit(Problem(**asked["problem"]), asked["response"])
        future.add_done_callback(partial(answer, asked["number"]))


if __name__ == "__main__":
    main()
