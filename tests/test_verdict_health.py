"""A verifier that judges nothing stops the run; a bad reference here and there does not."""

import pytest

from rlvr import rollouts
from rlvr.cli import main
from rlvr.errors import RunError
from rlvr.verdict_health import Outcome, UnjudgedMonitor
from verifiers import Verdict

BAD = Outcome(False, "error: no sandbox")
GOOD = Outcome(True, "")


def test_the_share_is_over_the_last_blocks():
    watch = UnjudgedMonitor(0.5, least=4, rolling=True)
    for outcomes in ([BAD] * 2, [GOOD] * 2, [BAD] * 2):
        watch.see(outcomes, "step")
    with pytest.raises(
        RunError, match=r"step 4: 3 of the last 4 responses .* allows 50%. 3 times: error: no sandbox"
    ):
        watch.see([BAD, GOOD], "step 4")


def test_one_bad_reference_says_nothing_yet():
    watch = UnjudgedMonitor(0.5, least=80)
    watch.see([BAD] * 40, "base")
    watch.see([GOOD] * 40, "base")
    with pytest.raises(RunError):
        watch.see([BAD], "base")
    bears = UnjudgedMonitor(1.0, least=1)
    bears.see([BAD] * 9, "base")


class Broken:
    """A verifier whose service is down while a file is there: for what is written, or for references as well."""

    name, answer_format = "broken", "text"

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def verify(self, problem, trace, answer):
        from pathlib import Path

        if Path(self.mark).exists() and (self.mark.endswith("all") or answer != problem.reference):
            return Verdict(None, "error", detail="the service does not answer")
        return Verdict(float("1" in trace), "correct" if "1" in trace else "incorrect")


def words(tmp_path, *more):
    return [
        "run", "quickstart", "--output", str(tmp_path / "run"), "verifier=tests.test_verdict_health:Broken",
        f"verifier_options={{mark: {tmp_path / 'down'}}}", "train.steps=3", "train.groups_per_step=2",
        "train.group_size=4", "train.eval_every=0", "sampling.samples=4", "analysis.search_budget=2",
        "analysis.replicates=200", "problems.heldout.limit=20", "problems.probes={}", "verification.workers=1",
        "sampling.batch_size=8", "-q", *more,
    ]  # fmt: skip


def test_an_evaluation_stops_and_goes_on_with_the_verifier_mended(tmp_path, capsys):
    (tmp_path / "down").touch()
    assert main(words(tmp_path)) == 3
    assert (
        "could not be judged" in (said := capsys.readouterr().err) and "the service does not answer" in said
    )
    assert rollouts.count(tmp_path / "run" / "rollouts" / "base.jsonl") == 0
    (tmp_path / "down").unlink()
    assert main(words(tmp_path)) == 0
    assert all(row.score is not None for row in rollouts.read(tmp_path / "run" / "rollouts" / "base.jsonl"))


def test_a_service_that_is_down_at_the_start_stops_the_run_before_it_samples(tmp_path, capsys):
    (tmp_path / "all").touch()
    assert main(words(tmp_path, f"verifier_options={{mark: {tmp_path / 'all'}}}")) == 2
    assert "own 200 references could not be judged, first that of" in (said := capsys.readouterr().err)
    assert "error the service does not answer; verification.max_unjudged allows 50%" in said
    assert not (tmp_path / "run").exists()


def test_training_stops_before_it_learns_from_noise(tmp_path, capsys):
    train = ["train", *words(tmp_path, "train.groups_per_step=8")[1:]]
    (tmp_path / "down").touch()
    assert main(train) == 3
    assert "step 1: 32 of the last 32 responses could not be judged" in capsys.readouterr().err
    assert not list((tmp_path / "run" / "rollouts").glob("train-*"))
    (tmp_path / "down").unlink()
    assert main(train) == 0


def test_all_verdicts_missing_is_borne_where_the_config_says_so(tmp_path, capsys):
    """An evaluation without a single verdict has nothing to report, and says so; training: tests/test_awkward.py."""
    (tmp_path / "down").touch()
    assert main(words(tmp_path, "verification.max_unjudged=1")) == 2
    assert "base.jsonl: holds no scored sample; its verdicts: 80 error" in capsys.readouterr().err
