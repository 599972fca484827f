"""A run with a verifier of one's own: partial credit, a pass mark, further reward terms, and what its faults do."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rlvr import rollouts
from rlvr.config import ConfigError, TrainConfig, find, load
from rlvr.run import read_metrics
from tests.conftest import REPO
from tests.graders import credit
from tests.test_processes import launch

SHORT = [
    "train.steps=2", "train.groups_per_step=2", "train.group_size=4", "train.eval_every=0", "sampling.samples=8",
    "analysis.search_budget=4", "analysis.replicates=200", "problems.heldout.limit=12", "problems.probes={}",
    "verification.workers=1",
]  # fmt: skip
TERMS = "train.rewards=[{verifier: './graders.py:short', weight: -0.5}, {verifier: format, weight: 0.1}]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A config with graders beside it, and another folder to start from."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "configs").mkdir()
    (folder / "elsewhere").mkdir()
    shutil.copy(find("quickstart"), folder / "configs" / "mine.yaml")
    shutil.copy(REPO / "tests" / "graders.py", folder / "configs" / "graders.py")
    return folder


def rlvr(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """From another folder than the config's."""
    command = [sys.executable, "-m", "rlvr", *words]
    return subprocess.run(
        command,
        cwd=folder / "elsewhere",
        env=os.environ | {"PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def run(folder: Path) -> tuple[Path, str]:
    words = ("run", "../configs/mine.yaml", "--output", "out", *SHORT)
    done = rlvr(folder, *words, "verifier=./graders.py:Partial", "verifier_options={}", TERMS)
    assert done.returncode == 0, done.stderr
    return folder / "elsewhere" / "out", done.stdout


def test_pass_at_1_counts_the_pass_mark_and_the_mean_score_stands_beside_it(run):
    out, said = run
    report = json.loads((out / "report.json").read_text())
    for policy in ("base", "tuned"):
        rows = list(rollouts.read(out / "rollouts" / f"{policy}.jsonl"))
        assert len(rows) == 12 * 8
        for row in rows:
            assert row.score == credit(str(row.reference), row.answer)
            assert row.status == (
                "correct" if (row.score or 0) >= 0.5 else "incorrect" if row.answer else "no_answer"
            )
        problems: dict[str, list[float]] = {}
        for row in rows:
            problems.setdefault(row.problem_id, []).append(row.score or 0.0)
        solved = [sum(score >= 0.5 for score in scores) / 8 for scores in problems.values()]
        mean = [sum(scores) / 8 for scores in problems.values()]
        figures = report["policies"][policy]
        assert figures["pass_at_k"]["1"]["value"] == pytest.approx(sum(solved) / 12, abs=1e-12)
        assert figures["mean_score"]["value"] == pytest.approx(sum(mean) / 12, abs=1e-12)
        assert figures["pass_at_k"]["1"]["value"] != figures["mean_score"]["value"]
        assert report["settings"][policy]["pass_mark"] == 0.5
        assert rollouts.read_settings(out / "rollouts" / f"{policy}.jsonl")["pass_mark"] == 0.5
    change = report["comparison"]["mean_score"]["value"]
    values = [report["policies"][policy]["mean_score"]["value"] for policy in ("base", "tuned")]
    assert change == pytest.approx(values[1] - values[0], abs=1e-12)
    assert re.search(r"The mean score goes from [\d.]+ to [\d.]+: .*a score of 0.5 or more", said)
    assert "The mean score goes from" in (out / "report.html").read_text()


def test_further_terms_are_trained_on_and_logged_and_stand_apart_from_the_score(run):
    out, _ = run
    lines = read_metrics(out / "metrics.jsonl")
    assert len(lines) == 2
    for line in lines:
        rows = list(rollouts.read(out / "rollouts" / f"train-{line['step']:06d}.jsonl"))
        terms = [row.extra["rewards"] for row in rows]
        for row, said in zip(rows, terms, strict=True):
            assert row.score == credit(str(row.reference), row.answer)
            assert said == {
                "short": pytest.approx(max(0.0, 1 - len(row.trace) / 50)),
                "format": float(row.answer is not None),
            }
        rewards = [
            (row.score or 0) - 0.5 * t["short"] + 0.1 * t["format"]
            for row, t in zip(rows, terms, strict=True)
        ]
        assert line["reward"] == pytest.approx(sum(rewards) / len(rewards), abs=1e-6)
        assert line["reward/verdict"] == pytest.approx(sum(row.score or 0 for row in rows) / len(rows))
        for name in ("short", "format"):
            assert line[f"reward/{name}"] == pytest.approx(sum(t[name] for t in terms) / len(terms))
        assert line["correct_share"] == sum((row.score or 0) >= 0.5 for row in rows) / len(rows)
        for start in range(0, len(rows), 4):  # grpo's advantages are those of the whole reward
            group = rewards[start : start + 4]
            mean = sum(group) / 4
            deviation = math.sqrt(sum((r - mean) ** 2 for r in group) / 3) + 1e-4
            for row, reward in zip(rows[start : start + 4], group, strict=True):
                assert row.extra["advantage"] == pytest.approx((reward - mean) / deviation, abs=1e-4)
    assert "rewards" not in json.dumps(json.loads((out / "report.json").read_text())["policies"])
    assert all("rewards" not in row.extra for row in rollouts.read(out / "rollouts" / "base.jsonl"))


@pytest.mark.slow
def test_a_fault_of_ones_own_code_stops_the_run_at_the_first(folder: Path):
    words = ["run", "../configs/mine.yaml", "--output", "failed", *SHORT, "verifier_options={}"]
    done = rlvr(folder, *words, "verifier=./graders.py:fails")
    assert done.returncode == 2 and "rlvr: verifier 'fails' failed on problem" in done.stderr
    failed = folder / "elsewhere" / "failed"
    assert not failed.exists()  # the data's own answers are judged before any sample
    words += ["verifier=./graders.py:fails_later", "verification.min_accepted=0"]
    done = rlvr(folder, *words)
    assert done.returncode == 2 and "rlvr: verifier 'fails_later' failed on problem" in done.stderr
    assert not list(failed.glob("rollouts/*"))  # so are the samples of the trial behind the estimate
    done = rlvr(folder, "train", *words[1:])
    assert done.returncode == 3
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("rlvr: verifier 'fails_later' failed on problem")
    assert re.search(
        r"LookupError: no such table \(.*/graders\.py, line \d+, in fails_later: raise LookupError", last
    )
    assert "the same command continues" in last and "Traceback" not in done.stderr
    assert not list(failed.glob("rollouts/*"))


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["run", "train"])
def test_a_fault_in_one_process_stops_all_of_them(folder: Path, verb: str):
    """While it evaluates, and while it trains: nobody waits for one that has left."""
    words = [verb, "../configs/mine.yaml", "--output", f"two-{verb}", *SHORT, "verifier_options={}"]
    done = subprocess.run(
        launch(2, *words, "verifier=./graders.py:fails_in_one"),
        cwd=folder / "elsewhere",
        env=os.environ | {"PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.count("rlvr: verifier 'fails_in_one' failed on problem") == 2, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    "verifier, code, words",
    [
        ("./graders.py:Partial", 0, "total, bounded, deterministic: holds on 200 hostile texts"),
        ("graders:Partial", 0, "total, bounded, deterministic: holds on 200 hostile texts"),
        ("./graders.py:moody", 2, "does not conform"),
        ("./graders.py:credit", 2, "is not a verifier: a function is one as"),
        ("./none.py:Partial", 2, "there is no file ./none.py in"),
        ("subprocess:Popen", 2, "the class Popen has no method 'verify'"),
    ],
)
def test_check_tries_the_verifier(folder: Path, verifier: str, code: int, words: str):
    done = rlvr(
        folder, "check", "../configs/mine.yaml", *SHORT, f"verifier={verifier}", "verifier_options={}"
    )
    assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "rewards, words",
    [
        ([{"verifier": "format", "weight": 0}], "weight of 'format' is 0"),
        ([{"verifier": "format", "weight": 1}] * 2, "two terms are called 'format'"),
        ([{"verifier": "format", "weight": float("inf")}], "finite number"),
        ([{"weight": 1}], "rewards.0.verifier"),
    ],
)
def test_terms_without_a_meaning_are_refused(rewards: list, words: str):
    with pytest.raises(ValueError, match=words):
        TrainConfig(rewards=rewards)
    with pytest.raises(ValueError, match="rejection trains on the solved samples alone"):
        TrainConfig(algorithm="rejection", rewards=[{"verifier": "format", "weight": 1}])  # type: ignore[list-item]
    with pytest.raises(ConfigError):
        load(find("quickstart"), ["train.rewards=[{verifier: format}]"])
