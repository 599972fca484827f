"""What a run will take, from a trial of a few seconds."""

import math

import pytest

from rlvr.cli import main
from rlvr.config import TrainConfig
from rlvr.preflight.cost import Length, duration, phases, table
from rlvr.preflight.state import some_of
from rlvr.preflight.trial import Trial, line_through
from rlvr.problems import load_all
from tests.conftest import quickstart_config
from verifiers import Problem

TRIAL = Trial(
    seconds=1.0, rows=100, ended=100, cut=32, tokens=1000, batch=64, prompt=8.0, read=1e-5, step=1e-3, row=1e-5,
    verdict=0.0, update=1e-4, update_tokens=500, activations=1e3,
)  # fmt: skip


def changed(**values: object) -> Trial:
    return Trial(**{name: getattr(TRIAL, name) for name in Trial.__slots__} | values)  # type: ignore[arg-type]


def test_the_length_of_rows_that_were_cut_is_tokens_over_ends():
    """Memoryless ends: a mean of 100 tokens, limited to 200, is 100 (1 − e^−2)."""
    found = Length.of(changed(cut=20, ended=16, tokens=1600), 200)
    assert found.expected == pytest.approx(100 * (1 - math.exp(-2)))
    assert found.low < found.expected < found.high < 200 == found.most


def test_rows_without_an_end_promise_nothing():
    found = Length.of(changed(cut=20, ended=0, tokens=2000), 512)
    assert (found.low, found.expected, found.high, found.most) == (20, 512, 512, 512)


def test_rows_that_were_not_cut_are_what_they_are():
    assert Length.of(TRIAL, 32).expected == 10


def test_a_phase_costs_its_steps_rows_and_prompts():
    """64 of 128 · 256 rows at once, 10 tokens each: 5,120 steps of 1 ms and 327,680 rows of 10 µs, 160 prompts read."""
    config = quickstart_config()
    problems = load_all(config.problems.train, config.problems.heldout, config.problems.probes)
    base, sampling, update, tuned, rescore = phases(config, problems, TRIAL)
    rows = 256 * (128 + 16 + 16)
    assert base.rows == tuned.rows == rows and base.tokens == (10 * rows, 32 * rows)
    assert base.seconds[1] == pytest.approx(rows / 64 * 10 * 1e-3 + rows * 10 * 1e-5 + 160 * 8 * 1e-5)
    assert base.seconds[0] < base.seconds[1] < base.seconds[2] < base.seconds[3]
    drawn, midway = 60 * 16 * 16, 2 * 128 * 16
    assert sampling.rows == drawn + midway and sampling.seconds[1] > (drawn + midway) * 10 * 1e-5
    assert update.seconds[1] == pytest.approx(60 * 16 * (8 + 16 * 10) * 1e-4)
    assert rescore.rows == 0 and rescore.seconds[1] > 0
    assert len([*table(config, problems, TRIAL)]) == 9  # head, columns, five phases, together, memory


def test_distillation_reads_the_teachers_prompts():
    """40 tokens more: read by the sampler (forward), or by the teacher, who like the policy reads what was drawn."""
    plain = quickstart_config()
    problems = load_all(plain.problems.train, plain.problems.heldout, plain.problems.probes)
    found = changed(teacher=40.0)
    took = {}
    for direction in ("forward", "reverse"):
        distill = {"evidence": {"question": "{prompt} "}, "direction": direction}
        train = plain.train.model_dump() | {"algorithm": "distill", "distill": distill}
        config = plain.model_copy(update={"train": TrainConfig.model_validate(train)})
        took[direction] = sum(p.seconds[1] for p in phases(config, problems, found)[1:3])
    usual = sum(p.seconds[1] for p in phases(plain, problems, found)[1:3])
    groups = 60 * 16
    assert took["forward"] - usual == pytest.approx(groups * 40 * 1e-5)
    assert took["reverse"] - usual == pytest.approx(groups * (2 * (8 + 16 * 10) + 40) * 1e-4 / 3)


def test_verdicts_that_take_longer_than_sampling_decide():
    config = quickstart_config()
    problems = load_all(config.problems.train, config.problems.heldout, {})
    base = phases(config, problems, changed(verdict=0.1))[0]
    assert base.seconds[1] == pytest.approx(128 * 256 * 0.1)


def test_what_a_line_through_two_measurements_cannot_be():
    step, row = line_through((8, 64, 1.0), (8, 640, 0.9))  # the larger was faster: all of it is the step
    assert step == pytest.approx(0.9 / 8) and row == 0
    assert duration(89) == "89 s" and duration(90) == "1.5 min"


def test_check_and_run_say_what_the_run_will_take(tmp_path, capsys):
    small = [
        "problems.probes={}", "problems.heldout.limit=8", "sampling.samples=4", "analysis.search_budget=2",
        "train.steps=1", "train.groups_per_step=2", "train.group_size=4", "train.eval_every=0",
        "analysis.replicates=100",
    ]  # fmt: skip
    assert main(["check", "quickstart", "--output", str(tmp_path / "run"), *small]) == 0
    said = capsys.readouterr().out
    assert "the prompt of heldout-0000, as the model reads it:\n  | 52-38=\n" in said
    assert "estimate, from a trial of" in said and "together" in said
    assert main(["run", "quickstart", "--output", str(tmp_path / "run"), *small]) == 0
    log = (tmp_path / "run" / "log.txt").read_text()
    assert log.index("estimate, from a trial of") < log.index("Evaluating the base policy")
    assert main(["run", "quickstart", "--output", str(tmp_path / "run"), *small]) == 0
    assert (tmp_path / "run" / "log.txt").read_text().count("estimate, from a trial") == 1


@pytest.mark.parametrize(
    ("number", "most", "places"),
    [(3, 8, [0, 1, 2]), (8, 4, [0, 2, 4, 6]), (5, 5, [0, 1, 2, 3, 4]), (1, 8, [0])],
)
def test_what_is_measured_in_place_of_all_problems_is_each_once_and_from_everywhere(number, most, places):
    problems = [Problem(str(i), "p", "r") for i in range(number)]
    assert [int(problem.id) for problem in some_of(problems, most)] == places
