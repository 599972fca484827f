"""A file of levers: what each becomes, and what is refused before anything is sampled."""

from pathlib import Path

import pytest
import yaml

from rlvr.config import Config, ConfigError
from rlvr.errors import UserError
from rlvr.levers import running
from rlvr.levers.plan import Plan, load
from rlvr.levers.table import amounts, training_tokens
from rlvr.rollouts import Rollout, append
from rlvr.run import Run
from rlvr.terminal import Terminal

BASE = {
    "model": "tiny",
    "problems": {"train": {"world": "train"}, "heldout": {"world": "heldout", "limit": 24}},
    "evidence": {"question": "{prompt}"},
    "sampling": {"samples": 8, "max_new_tokens": 32},
    "train": {"steps": 2, "groups_per_step": 4, "group_size": 4},
}
LEVERS = {
    "shots-2": {"evidence": {"shots": 2}},
    "half": {"evidence": {"hint": {"file": "{base}", "position": "answer"}}},
    "told": {"environment": "feedback", "evidence.separator": ""},
    "majority": {"pick": "majority", "k": 4},
    "grpo": {"train.algorithm": "grpo"},
    "grpo-told": {"asked": "told", "train": {"steps": 3}},
    "own": {"train": {"steps": 1}, "evidence": {"shots": 1}},
    "grpo-half": {"trained": "grpo", "asked": "half"},
}


def plan(tmp_path: Path, levers=LEVERS, **keys) -> Plan:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"base": BASE, "levers": levers, **keys}, sort_keys=False))
    return load(file, tmp_path / "out")


def test_each_lever_is_the_base_with_its_own_keys(tmp_path):
    levers = plan(tmp_path).levers
    assert [*levers] == ["base", *LEVERS]
    assert [lever.kind for lever in levers.values()] == [
        *("base", "asked", "asked", "asked", "picked", "trained", "trained", "trained", "crossed")
    ]
    base = levers["base"].config
    assert base.train.steps == 0
    assert base.evidence.question == "{prompt}"
    shots = levers["shots-2"].config
    assert shots == base.model_copy(update={"evidence": base.evidence.model_copy(update={"shots": 2})})
    half = levers["half"].config.evidence.hint
    assert half is not None
    assert half.file == str(tmp_path.resolve() / "out/rollouts/base.jsonl")
    told = levers["told"].config
    assert (told.environment, told.evidence.separator) == ("feedback", "")
    plain, trained = levers["grpo"].training, levers["grpo-told"].training
    assert plain is not None and trained is not None
    assert plain.train.steps == 2
    assert (trained.train.steps, trained.environment, trained.evidence) == (3, "feedback", told.evidence)
    assert levers["grpo-told"].config == told
    assert [levers[name].asked for name in ("grpo", "grpo-told", "own", "grpo-half")] == [
        *("base", "told", "own", "half")
    ]


def test_train_without_keys_is_as_the_base_trains(tmp_path):
    lever = plan(tmp_path, {"grpo": {"train": {}}}).levers["grpo"]
    assert lever.training is not None
    assert (lever.training.train.steps, lever.training.train.groups_per_step) == (2, 4)


def test_every_evaluation_has_one_file(tmp_path):
    found = plan(tmp_path, transfer=True)
    assert found.transfer == (("base", "grpo", "grpo-told", "own"), ("base", "told"))
    files = {pair: str(file.relative_to(tmp_path / "out")) for pair, file in found.cells.items()}
    assert files == {
        ("base", "base"): "rollouts/base.jsonl",
        ("base", "shots-2"): "rollouts/shots-2.jsonl",
        ("base", "half"): "rollouts/half.jsonl",
        ("base", "told"): "rollouts/told.jsonl",
        ("grpo", "base"): "grpo/rollouts/tuned.jsonl",
        ("grpo-told", "told"): "grpo-told/rollouts/tuned.jsonl",
        ("own", "own"): "own/rollouts/tuned.jsonl",
        ("grpo", "half"): "rollouts/grpo@half.jsonl",
        ("grpo", "told"): "rollouts/grpo@told.jsonl",
        ("grpo-told", "base"): "rollouts/grpo-told@base.jsonl",
        ("own", "base"): "rollouts/own@base.jsonl",
        ("own", "told"): "rollouts/own@told.jsonl",
    }


@pytest.mark.parametrize(
    ("lever", "words"),
    [
        ({"evidence": {"shotz": 2}}, "lever bad: the configuration has 1 fault.*evidence.shotz: unknown key.*'shots'"),
        ({"samplin": {}}, "lever bad: samplin: unknown key; did you mean 'sampling'"),
        ({"verifier": "code"}, "lever bad: verifier: unknown key; a lever has evidence"),
        ({}, "lever bad: has no keys"),
        ({"pick": "most", "k": 4}, "lever bad: pick: is 'most'; expected majority or best"),
        ({"pick": "best", "k": 8}, "lever bad: k: is 8; expected 2 to 7: base has 8 samples"),
        ({"pick": "best", "k": True}, "lever bad: k: is True"),
        ({"pick": "best", "k": 2, "of": "later"}, "lever bad: of: is 'later'; expected a lever above it: base, plain"),
        ({"trained": "plain", "asked": "base"}, "lever bad: trained: plain trains nothing"),
        ({"trained": "run", "asked": "run"}, "lever bad: asked: run is no way to ask"),
        ({"trained": "run"}, "lever bad: asked: is None"),
        ({"asked": "plain"}, "lever bad: asked: belongs to `train`"),
        ({"train": {"steps": 0}}, "lever bad: train.steps: is 0"),
        ({"train.evidence.add.hint.file": "{base}"}, "lever bad: train.evidence.add.hint.file: {base} has held-out"),
    ],
)  # fmt: skip
def test_a_wrong_key_names_file_lever_and_key(tmp_path, lever, words):
    levers = {"plain": {"evidence": {"shots": 1}}, "run": {"train": {"steps": 1}}, "bad": lever}
    with pytest.raises(ConfigError, match=rf"(?s)mine\.yaml: {words}"):
        plan(tmp_path, levers)


@pytest.mark.parametrize(("of", "samples"), [("base", 8), ("more", 12), ("fewer", 4), ("grpo", 8)])
def test_answers_are_picked_from_the_samples_of_the_lever_they_are_picked_of(tmp_path, of, samples):
    levers = {
        "more": {"sampling.samples": 12},
        "fewer": {"sampling.samples": 4},
        "grpo": {"train": {"steps": 1}},
    }
    for k in (2, samples - 1):
        pick = plan(tmp_path, levers | {"it": {"pick": "best", "k": k, "of": of}}).levers["it"].pick
        assert pick is not None and (pick.of, pick.k) == (of, k)
    for k in (1, samples):
        words = f"k: is {k}; expected 2 to {samples - 1}: {of} has {samples} samples"
        with pytest.raises(ConfigError, match=words):
            plan(tmp_path, levers | {"it": {"pick": "best", "k": k, "of": of}})


def test_wrong_keys_of_the_file_itself(tmp_path):
    for keys, words in (
        ({"lever": {}}, "mine.yaml: lever: .*expected base, levers, transfer, k"),
        ({"transfer": {"asked": ["nobody"]}}, "mine.yaml: transfer.asked: 'nobody'; expected base, shots-2"),
        ({"levers": {"base": {"evidence": {"shots": 1}}}}, "lever base: the name is taken"),
        ({"levers": {"a/b": {"evidence": {"shots": 1}}}}, "lever 'a/b' cannot be part of a file's name"),
        ({"levers": {"a": {"evidence": {"shots": 1}}}, "transfer": True}, "transfer: no lever trains"),
        ({"base": "no-such-recipe"}, "no-such-recipe: no such config file"),
    ):
        with pytest.raises(ConfigError, match=words):
            plan(tmp_path, **({"levers": LEVERS} | keys))


def test_what_the_data_or_the_model_do_not_allow_is_found_before_anything_is_sampled(tmp_path):
    levers = {"fine": {"evidence": {"shots": 1}}, "long": {"evidence": {"shots": 20}}}
    with pytest.raises(UserError, match=r"mine\.yaml: lever long: .*do not fit the model's context"):
        running.run(plan(tmp_path, levers), Terminal(quiet=True))
    assert not (tmp_path / "out" / "rollouts").exists()


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"out: this output folder holds something else"):
        running.run(plan(tmp_path), Terminal(quiet=True))


def test_only_more_of_one_kind_of_evidence_is_a_point_of_a_curve(tmp_path):
    levers = {
        "two": {"evidence": {"shots": 2}},
        "near": {"evidence": {"shots": 2, "shots_choice": "nearest"}},
        "half": {"evidence": {"hint": {"file": "{base}", "position": "answer"}}},
        "both": {"evidence": {"shots": 1, "instruction": "Add."}},
        "warm": {"evidence": {"shots": 1}, "sampling": {"temperature": 0.5}},
    }
    found = plan(tmp_path, levers).levers
    base: Config = found["base"].config
    assert {name: amounts(base, lever.config) for name, lever in found.items()} == {
        "base": {},
        "two": {"shots": 2.0},
        "near": {"nearest shots": 2.0},
        "half": {"hint (answer)": 0.5},
        "both": {},
        "warm": {},
    }


def test_training_costs_what_was_sampled_and_what_updates_read(tmp_path):
    run = Run(tmp_path)
    (tmp_path / "rollouts").mkdir()
    # the second step uses the first one's batch again, the third draws a new one
    run.metrics.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n')
    for step, rows in {1: [(10, 0.5), (7, -0.5), (5, 0.0)], 3: [(20, 1.0), (4, 0.0)]}.items():
        append(
            run.rollouts(f"train-{step:06d}"),
            [
                Rollout("p", i, "base", "1", "2", None, True, tokens, extra={"advantage": weight})
                for i, (tokens, weight) in enumerate(rows)
            ],
        )
    assert training_tokens(run) == (10 + 7 + 5 + 20 + 4, 17 + 17 + 20)
