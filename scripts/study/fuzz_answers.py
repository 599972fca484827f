"""Random answers to every built-in verifier that reads text: none may raise, and each must have a score.

    python scripts/study/fuzz_answers.py --answers 1000000 --json fuzz.json

The tests judge thousands of such answers (tests/verifiers/test_fuzz_answers.py); this judges as many as there is time
for.
"""

from __future__ import annotations

import argparse
import json
import random
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from rlvr.launch.deadline import within
from verifiers import Problem, load
from verifiers.fuzz import REFERENCES, expression, texts

WEIGHTS = {"math": 8, "numeric": 3, "math+reasoning": 2, "choice": 2}
SLOW, LIMIT = 3.0, 20.0  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    verifiers = {name: load(name) for name in REFERENCES}
    names, weights = list(verifiers), [WEIGHTS.get(name, 1) for name in verifiers]
    mixtures = list(texts(2000, options.seed))
    raised: dict[str, tuple[str, str, str]] = {}
    statuses: Counter[str] = Counter()
    slow: list[tuple[float, str, str, str]] = []
    unscored = 0
    began = time.monotonic()
    for number in range(options.answers):
        (name,) = rng.choices(names, weights)
        gold = rng.choice(REFERENCES[name])
        answer = expression(rng, rng.choice((1, 2, 3))) if rng.random() < 0.9 else rng.choice(mixtures)
        before = time.monotonic()
        try:
            with within(LIMIT):
                verdict = verifiers[name].verify(Problem("p", "What is it?", gold), answer, answer)
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} in {Path(at.filename).name}:{at.lineno}"
            statuses[f"raised: {place}"] += 1
            if place not in raised:
                raised[place] = (name, str(gold), answer[:300])
                print(f"{place}: {raised[place]}", flush=True)
        else:
            statuses[verdict.status] += 1
            unscored += verdict.score is None
        if (took := time.monotonic() - before) > SLOW:
            slow.append((took, name, str(gold), answer[:300]))
        if number % 20_000 == 19_999:
            print(
                f"{number + 1:,} in {time.monotonic() - began:.0f} s; raised at {len(raised)} places",
                flush=True,
            )
    found: dict[str, Any] = {
        "answers": options.answers,
        "seconds": time.monotonic() - began,
        "statuses": dict(statuses.most_common()),
        "without_score": unscored,
        "raised": raised,
        "slow": sorted(slow, reverse=True)[:20],
    }
    print(json.dumps(found, indent=1, ensure_ascii=False))
    if options.json:
        options.json.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    raise SystemExit(bool(raised or unscored))


if __name__ == "__main__":
    main()
