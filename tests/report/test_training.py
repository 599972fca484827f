"""Figure 5: what is computed from metrics.jsonl and from the evaluations during training."""

import csv
import json

import numpy as np
import pytest
from cells import read_page

from rlvr.analysis.evidence import log_odds_estimate
from rlvr.report import build
from rlvr.report.figures import clock
from rlvr.report.figures.checkpoints import beta_eff
from tests.as_json import as_json
from tests.report import simulate


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    arguments = simulate.write_run(folder)
    lines = [json.loads(line) for line in arguments["metrics"].read_text().splitlines()]
    lines[11]["alarms"] = {"truncation": "half is cut off. Try: more tokens"}
    lines[-1]["stopped"] = "held-out pass@1 is 91.0"
    arguments["metrics"].write_text("".join(json.dumps(line) + "\n" for line in lines))
    return build(**arguments, output=folder / "report")


def rows_of(run, name):
    with (run.html.parent / "figures" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_alarms_and_an_early_end_are_among_the_notes_of_page_and_terminal(run):
    stopped = "Training stopped early, after step 40: held-out pass@1 is 91.0"
    for said in ("Alarm at step 12: half is cut off. Try: more tokens", stopped):
        assert said in read_page(run.html) and said in run.summary


def test_what_was_not_recorded_is_named(run):
    page = read_page(run.html)
    assert "Not in this metrics.jsonl: KL to the base." in page


def test_beta_eff_has_no_interval_where_it_may_be_infinite():
    drawn = np.linspace(1.0, 4.0, 401)
    bounded = as_json(log_odds_estimate(2.0, drawn, 30, 0).to_json())
    assert beta_eff(bounded) == (0.5, 1 / bounded["hi"], 1 / bounded["lo"], None, "ok")
    unbounded = as_json(log_odds_estimate(2.0, drawn - 2, 30, 0).to_json())
    assert beta_eff(unbounded) == (0.5, None, None, None, "unbounded")


def test_steps_are_counted_in_samples_and_time():
    logged = [{"step": step, "samples": 256, "seconds/step": 50.0} for step in range(1, 101)]
    samples = clock._total(logged, "samples", clock._count)
    assert (samples(0), samples(10), samples(100), samples(101)) == ("0", "2.56k", "25.6k", "")
    assert clock._total(logged, "seconds/step", clock._time)(48) == "40 min"
    assert clock._total(logged, "tokens", clock._count) is None
