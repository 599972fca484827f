"""`rlvr check CONFIG` says beforehand what would stop `rlvr run CONFIG`, in the same words."""

import json
from importlib.util import find_spec

import pytest

from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.preflight.golds import check_answers
from rlvr.problems import load
from tests.conftest import quickstart_config
from verifiers import Problem, Verdict
from verifiers.self_test import self_test

PROBED = load(quickstart_config().problems.probes["rare"])[0].prompt

REFUSED = {
    "an example that is a probe's problem": (
        [f'evidence.examples=[{{prompt: {json.dumps(PROBED)}, answer: "1"}}]'],
        "is the held-out problem",
    ),
    "nothing to train on": (["problems.train=null"], "problems.train: needed for training"),
    "nothing to train on, in no step": (["problems.train=null", "train.steps=0"], "problems.train: needed"),
    "a source that is not there": (["problems.probes.rare={file: nowhere.jsonl}"], "there is no file"),
    "overlap": (["problems.train={world: heldout}"], "shares"),
    "an option that the verifier does not have": (["verifier_options.level=9"], "level"),
    "an unknown verifier": (["verifier=maths", "verifier_options={}"], "maths"),
    "a weak sandbox": (["verifier=code", "verifier_options={level: weak}"], "sandbox.allow_weak"),
    "a field that TRL does not have": (["train.trl.bta=0.1"], "train.trl.bta"),
    "a model folder that is not there": (["model=./nowhere"], "no such folder"),
    "a checkpoint that is not there": (
        ["resume=nowhere"],
        "resume=nowhere: expected never, auto, a checkpoint",
    ),
    "a folder with something else in it": ([], "this output folder holds something else"),
}
if not find_spec("vllm"):
    REFUSED["vllm, which is not installed"] = (["sampling.engine=vllm"], "pip install 'rlvr[vllm]'")


@pytest.mark.parametrize("case", REFUSED)
def test_what_stops_a_run_before_its_model_stops_the_check(tmp_path, capsys, case):
    words, expected = REFUSED[case]
    if not words:
        (tmp_path / "thesis.tex").touch()
    said = {}
    for verb in ("check", "run"):
        assert main([verb, "quickstart", "--output", str(tmp_path), *words]) == 2
        said[verb] = capsys.readouterr().err
    assert expected in said["check"]
    assert said["check"] == said["run"]
    assert not (tmp_path / "rollouts").exists()


def test_a_check_writes_nothing(tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["check", "quickstart", "--output", str(folder)]) == 0
    assert "free" in capsys.readouterr().out
    assert not folder.exists()


def test_a_check_names_a_run_of_another_configuration(tmp_path, capsys):
    from rlvr.run import open_run

    open_run(quickstart_config(), tmp_path)
    (tmp_path / "rollouts" / "base.jsonl").touch()
    assert main(["check", "quickstart", "--output", str(tmp_path)]) == 0
    assert "this run, which would continue" in capsys.readouterr().out
    assert main(["check", "quickstart", "--output", str(tmp_path), "seed=7"]) == 2
    assert "seed: 0 / 7" in capsys.readouterr().err


ADD = "def add(a, b):\n    return a + b\n"
CODE = ["verifier=code", "verifier_options={}", "problems.probes={}", "sandbox.allow_weak=true"]


def sources(tmp_path, rows, **keys):
    """The last two rows to train on, the others held out."""
    words = []
    for name, part in (("train", rows[-2:]), ("heldout", rows[:-2])):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in part))
        words.append(f"problems.{name}={json.dumps({'file': str(file), **keys})}")
    return words


def code_row(number, test="assert add(1, 2) == 3\nassert add(2, 2) == 4", solution=ADD):
    return {
        "id": f"r{number}",
        "prompt": f"Write add(a, b), number {number}.",
        "test": test,
        "solution": solution,
    }


def test_a_check_judges_the_solutions_that_rows_carry(tmp_path, capsys):
    rows = [{"id": "bad", "prompt": "Write `f`.", "test": "assert ("}, *map(code_row, range(12))]
    words = [*CODE, *sources(tmp_path, rows, format="code", bad_rows=0.5)]
    assert main(["check", "quickstart", "--output", str(tmp_path / "run"), *words]) == 0
    said = capsys.readouterr()
    assert "12 of 12 solutions accepted as the answer to their own problem" in said.out
    assert "24 of 24 programs that are wrong on purpose refused" in said.out
    assert "1 of 11 rows cannot be read and are left out" in said.out + said.err
    assert "row 0 (from 0): row 'bad': its assertions are not valid Python" in said.out + said.err


FAULTY = {
    "solutions that its tests refuse": (
        [code_row(n, solution="def add(a, b):\n    return a * b\n") for n in range(4)],
        [
            "verifier accepts 33% of the data's own solutions",
            "first refused r0",
            "verification.min_accepted asks for 90%",
        ],
        ["own solution refused: r0: incorrect AssertionError in line 1 of the tests", "r3"],
    ),
    "tests that cannot be run": (
        [code_row(n, test="import no_such_package\nassert add(1, 2) == 3") for n in range(4)],
        [
            "4 problems (67%) have tests that cannot be used",
            "first that of r0",
            "verification.max_unverifiable",
        ],
        ["r0: reference['test_code'] cannot be run: ModuleNotFoundError: No module named 'no_such_package'"],
    ),
    "tests that a program of no use passes": (
        [code_row(n, test="assert add(1, 2) != 4", solution=ADD) for n in range(4)],
        ["33% of the programs that are wrong on purpose are accepted, first for r0"],
        ["r0: a program that returns an object of no use"],
    ),
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_check_refuses_code_problems_that_no_run_could_learn_from(case, tmp_path, capsys):
    rows, refused, named = FAULTY[case]
    words = [*CODE, *sources(tmp_path, [*rows, code_row(8), code_row(9)], format="code")]
    assert main(["check", "quickstart", "--output", str(tmp_path / "run"), *words]) == 2
    said = capsys.readouterr()
    assert all(word in said.err for word in refused), said.err
    assert all(word in said.out for word in named), said.out
    asked = ["verification.min_accepted=0.3", "verification.max_unverifiable=0.7"]
    assert main(["check", "quickstart", "--output", str(tmp_path / "run"), *words, *asked]) == 0


class Deaf:
    """Refuses what is odd."""

    name, answer_format = "deaf", "text"

    def verify(self, problem, trace, answer):
        right = answer == problem.reference and int(answer) % 2 == 0
        return Verdict(float(right), "correct" if right else "incorrect", answer)


def test_golds_that_the_verifier_refuses_stop_the_check_below_a_share_that_can_be_set():
    tested = self_test([Problem(f"p{n}", "", str(n)) for n in range(10)], Deaf())
    assert tested.share_accepted == 0.5
    check_answers(tested, 0.5)
    with pytest.raises(
        UserError, match=r"accepts 50% of the data's own references .*first refused p1;.*asks for 60%"
    ):
        check_answers(tested, 0.6)
