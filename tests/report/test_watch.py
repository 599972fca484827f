"""`rlvr watch`: a page that follows a run, from the files that the run writes and the lock that it holds."""

import fcntl
import json
import re

import pytest
import simulate

from rlvr import config as configuration
from rlvr import files
from rlvr.errors import UserError
from rlvr.report import building
from rlvr.report import watch as watching
from rlvr.report.browser import MAX_STEPS, collect
from rlvr.report.watch import watch
from rlvr.run import Run, open_run


@pytest.fixture
def run(tmp_path) -> Run:
    return open_run(configuration.load(configuration.find("quickstart"), ["train.steps=3"]), tmp_path / "run")


def evaluated(run: Run) -> None:
    base, tuned = simulate.write_pair(run.folder / "rollouts", problems=4, samples=4)
    tuned.unlink()
    base.with_suffix(".settings.json").write_text(json.dumps({"n_problems": 4, "samples": 4}))


def trained(run: Run, step: int) -> None:
    """What a step trained on: two groups, one problem id that the held-out set has too."""
    rows = [
        {"problem_id": problem, "sample": i, "prompt": f"train on {problem}", "trace": f"step {step}"}
        | {
            "score": float(i),
            "status": "correct" if i else "incorrect",
            "reference": "42",
            "advantage": i - 0.5,
        }
        for problem in ("sum-000", "t-1")
        for i in range(2)
    ]
    file = run.folder / "rollouts" / f"train-{step:06d}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = {
        "step": step,
        "reward": 0.5,
        "alarms": {"equal rewards": "nothing is learnt"} if step == 2 else {},
    }
    with run.metrics.open("a") as metrics:
        metrics.write(json.dumps(line) + "\n")


def data(page: str) -> dict:
    found = re.search('<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_the_page_follows_a_run_to_its_end(run, tmp_path):
    page = tmp_path / "page" / "report.html"
    with (run.folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        following = watch(run.folder, page.parent, 0.01)
        line = next(following)
        assert "waiting: " in line and "base.jsonl has no sample" in line
        evaluated(run)
        trained(run, 1)
        trained(run, 2)
        line = next(following)
        assert "running, step 2 of 3, pass@1 " in line and "alarm equal rewards (step 2)" in line
        text = page.read_text()
        assert '<meta http-equiv="refresh" content="1">' in text
        assert "This run is running, after step 2 of 3" in text
        assert "nothing is learnt" in text
        shown = data(text)
        policies = shown["browser"]["policies"]
        assert policies == ["base", "training, step 2", "training, step 1"]
        assert policies[shown["open"]] == "training, step 2"  # the newest samples first
        newest = [row for row in shown["browser"]["rows"] if row[1] == shown["open"]]
        problems = [shown["browser"]["problems"][row[0]] for row in newest]
        assert {p["reference"] for p in problems} == {"42"}
        assert [p["prompt"] for p in problems] == ["train on sum-000"] * 2 + ["train on t-1"] * 2
        assert [shown["browser"]["statuses"][row[3]] for row in newest] == ["incorrect", "correct"] * 2
        assert [row[7]["advantage"] for row in newest] == [-0.5, 0.5] * 2
    assert "stopped, step 2 of 3" in next(following)
    assert next(following, None) is None
    text = page.read_text()
    assert 'http-equiv="refresh"' not in text and "This run stopped before its end" in text


def test_rows_that_are_replaced_while_they_are_read_are_read_again(run, tmp_path, monkeypatch):
    """At its end a run puts rescored rows, which are longer, in the place of an evaluation's."""
    evaluated(run)
    base, page = run.folder / "rollouts" / "base.jsonl", tmp_path / "page"
    rows = [json.loads(line) | {"logprobs": {"base": -1.0}} for line in base.read_text().splitlines()]
    read = watching.build_run
    looks = []

    def rescored_meanwhile(*args, **more):
        if not looks:
            monkeypatch.setattr(building.browser, "collect", replaced_before(building.browser.collect))
        looks.append(1)
        return read(*args, **more)

    def replaced_before(collect):
        def replace_then_collect(*args):
            monkeypatch.undo()
            monkeypatch.setattr(watching, "build_run", rescored_meanwhile)
            files.replace(base, (json.dumps(row).encode() + b"\n" for row in rows))
            return collect(*args)

        return replace_then_collect

    monkeypatch.setattr(watching, "build_run", rescored_meanwhile)
    assert "stopped, " in next(watch(run.folder, page, 0.01)) and len(looks) == 2
    shown = data((page / "report.html").read_text())["browser"]["rows"]
    assert len(shown) == 16 and all(row[7]["logprobs"] == {"base": -1.0} for row in shown)


def test_what_is_no_run_and_what_has_nothing_to_show_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="not the folder of a run"):
        next(watch(tmp_path, tmp_path / "page", 1))
    with pytest.raises(UserError, match="nothing to report yet"):
        next(watch(run.folder, tmp_path / "page", 1))
    assert not (tmp_path / "page").exists()


def test_of_many_steps_some_are_shown_the_newest_first(run):
    for step in range(1, 101):
        trained(run, step)
    shown = collect([], run.steps())
    steps = [int(name.removeprefix("training, step ")) for name in shown["policies"]]
    assert len(steps) == MAX_STEPS and steps == sorted(steps, reverse=True) and steps[::11] == [100, 1]
    assert (shown["shown"], shown["total"]) == (0, 0)
