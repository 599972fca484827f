"""scripts/study/distill_study.py, shortened: an instruction that helps is taught to the policy without it."""

import sys
from pathlib import Path

import pytest

from rlvr.cli import main
from rlvr.rollouts.evaluations import read
from rlvr.run import read_metrics
from tests.conftest import REPO

sys.path.insert(0, str(REPO / "scripts" / "study"))

import distill_study  # pyright: ignore[reportMissingImports]

SMALL = [
    "-q", "problems.heldout.limit=32", "problems.probes={}", "sampling.samples=16", "analysis.search_budget=4",
    "verification.workers=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("taught")
    distill_study.teach(folder)
    return folder


def rate(model: Path, file: Path, *words: str) -> float:
    assert main(["eval", str(model), "--config", "quickstart", "--output", str(file), *SMALL, *words]) == 0
    samples = read(file, "asked")[0].samples
    return float((samples.c / samples.n).mean())


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_what_the_instruction_is_worth_stays_without_it(taught, tmp_path, direction):
    plain = rate(taught, tmp_path / "plain.jsonl")
    instructed = [f"evidence.instruction='{distill_study.INSTRUCTION}'", "evidence.separator=''"]
    aided = rate(taught, tmp_path / "aided.jsonl", *instructed)
    assert aided > plain + 0.3  # the evidence helps
    words = distill_study.ARMS[direction]
    steps = ["train.steps=12", "train.eval_every=12", "train.keep=best", f"model={taught}"]
    assert main(["train", "quickstart", "--output", str(tmp_path / "run"), *SMALL, *steps, *words]) == 0
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert lines[-1]["eval/pass@1"] > plain + 0.3 * (aided - plain)
    assert lines[-1]["teacher/kl"] < lines[0]["teacher/kl"]
    if direction == "forward":
        assert abs(lines[0]["teacher/correct_share"] - aided) < 0.15


def test_nats_are_pooled_over_problems():
    """1 of 4 before and 3 of 4 after, on each of two problems: odds 1/3 and 3, ln 9 nats."""
    before, after = ([4.0, 4.0], [1.0, 1.0]), ([4.0, 4.0], [3.0, 3.0])
    arrays = [tuple(map(distill_study.np.array, counts)) for counts in (before, after)]
    value, drawn = distill_study.nats(*arrays, distill_study.ClusterBootstrap(2, 50))
    assert value == pytest.approx(distill_study.np.log(9)) and drawn == pytest.approx([value] * 50)
