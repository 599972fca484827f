from pathlib import Path

import pytest
import yaml

from rlvr import config as configuration
from rlvr.config import ConfigError
from rlvr.config.training import StopSection
from rlvr.levers import plan

MINIMAL = {"problems": {"heldout": {"world": "heldout"}}}


def load(tmp_path, data, *overrides):
    file = tmp_path / "c.yaml"
    file.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return configuration.load(file, overrides)


def test_defaults_fill_what_is_not_said(tmp_path):
    config = load(tmp_path, MINIMAL)
    assert config.model == "tiny" and config.train.group_size == 8


def test_overrides_reach_nested_keys_and_are_yaml(tmp_path):
    config = load(
        tmp_path, MINIMAL, "train.steps=7", "sampling.stop=['\\n']", "train.learning_rate=1e-5", "train.trl.beta=1e-3",
        "train.adapter.kind=lora", "train.adapter.r=4",
    )  # fmt: skip
    assert config.train.steps == 7
    assert config.train.learning_rate == 1e-5
    assert config.train.trl == {"beta": 1e-3}
    assert config.train.adapter.kind == "lora" and config.train.adapter.r == 4
    assert config.sampling.stop == ["\\n"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.stepz=3"], r"train\.stepz: unknown key; did you mean 'steps'"),
        (["modle=x"], "modle: unknown key; did you mean 'model'"),
        (["train.lr=1e-5"], r"train\.lr: unknown key; did you mean 'learning_rate'"),
        (["problems.probes.rare.wrold=x"], "did you mean 'world'"),
        (["train.steps=many"], r"train\.steps: .*found 'many'"),
        (["sampling.temperature=-1"], r"sampling\.temperature"),
        (["train.group_size=1"], r"train\.group_size"),
        (["analysis.search_budget=999"], "search_budget .999. is above sampling.samples"),
        (["sampling.temperature=0"], "greedy"),
        (["steps"], "expected key=value"),
        (["model.name=x"], "holds a value, not a section"),
        (
            ["evidence.instruction=none"],
            r"evidence\.instruction: found the text 'none'; for no value, write null",
        ),
        (["train.checkpoint_every=None"], r"train\.checkpoint_every: .* write null"),
        (["train.adapter.r=unset"], r"train\.adapter\.r: .* write null"),
        (["train.lora.r=4"], r"train: lora: .* write train\.adapter: \{kind: lora, r: 4\}"),
        (
            ["train.adapter.r=4"],
            r"train\.adapter: r belongs to kind: lora, and kind is full: write kind: lora",
        ),
    ],
)
def test_faults_are_named_with_the_nearest_key(tmp_path, overrides, message):
    data = MINIMAL | {"model": "tiny"}
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, data, *overrides)


BY_EVALUATIONS = {"keep": "best", "stop.patience": 2, "stop.at": 0.9}


def test_every_key_of_stop_goes_by_evaluations():
    assert {f"stop.{name}" for name in StopSection.model_fields} <= BY_EVALUATIONS.keys()


@pytest.mark.parametrize("key", BY_EVALUATIONS)
def test_what_goes_by_evaluations_is_refused_where_there_are_none(tmp_path, key):
    asked = f"train.{key}={BY_EVALUATIONS[key]}"
    with pytest.raises(ConfigError, match=rf"{key}(: best)? goes by evaluations.* eval_every is 0: set it"):
        load(tmp_path, MINIMAL, asked)
    assert load(tmp_path, MINIMAL, asked, "train.eval_every=5").train.evaluates_last_step


def test_null_unsets_a_key(tmp_path):
    data = MINIMAL | {"evidence": {"instruction": "Think."}, "train": {"adapter": {"kind": "lora", "r": 4}}}
    config = load(tmp_path, data, "evidence.instruction=null", "train.adapter.r=null")
    assert config.evidence.instruction is None and config.train.adapter.r is None
    assert load(tmp_path, data, "evidence.instruction=none of these").evidence.instruction == "none of these"


def test_a_template_beside_the_config_comes_before_one_in_the_working_directory(tmp_path, monkeypatch):
    beside, here = tmp_path / "configs", tmp_path / "here"
    for folder in (beside, here):
        folder.mkdir()
        (folder / "own.jinja").write_text(f"{{# {folder.name} #}}{{{{ messages[0].content }}}}")
    monkeypatch.chdir(here)
    data = MINIMAL | {"evidence": {"template": "chat", "chat_template": "own.jinja"}}
    assert load(beside, data).evidence.chat_template == (beside / "own.jinja").read_text()
    (beside / "own.jinja").unlink()
    assert load(beside, data).evidence.chat_template == (here / "own.jinja").read_text()


def test_a_missing_section_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"problems: missing"):
        load(tmp_path, {"model": "tiny"})


@pytest.mark.parametrize("text", ["- a\n- b", "model: [", "42"])
def test_files_that_are_no_config(tmp_path, text):
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        load(tmp_path, text)


def test_an_unknown_file_lists_the_packaged_recipes():
    with pytest.raises(ConfigError, match=r"quickstart\.yaml"):
        configuration.find("nowhere.yaml")


def test_packaged_recipes_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("quickstart", "quickstart.yaml", "configs/quickstart.yaml"):
        assert configuration.find(name).is_file()


def test_a_bare_name_is_the_recipe_whatever_lies_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").write_text("#!/bin/sh\n")
    assert configuration.find("quickstart") == configuration.packaged_folder() / "quickstart.yaml"
    (tmp_path / "quickstart.yaml").write_text("model: tiny\n")
    assert configuration.find("quickstart.yaml") == Path("quickstart.yaml")
    assert configuration.find("./quickstart") == Path("quickstart")


def test_every_packaged_recipe_is_valid():
    files = sorted(configuration.packaged_folder().glob("*.yaml"))
    levers = [file for file in files if "\nlevers:" in file.read_text(encoding="utf-8")]
    assert levers and len(levers) < len(files)
    for file in files:
        if file in levers:
            plan.load(file, Path("runs/any"))
        else:
            configuration.load(file)


def test_every_key_is_explained():
    keys = list(configuration.describe())
    assert all(words and not words.endswith(".") for _, _, words in keys), [
        k for k, _, w in keys if not w or w.endswith(".")
    ]
    assert {"train.adapter.r", "problems.train.dataset", "evidence.shots"} <= {key for key, _, _ in keys}


def test_a_written_config_reads_back_equal(tmp_path):
    config = load(tmp_path, MINIMAL, "train.steps=3")
    again = load(tmp_path, config.model_dump(mode="json"))
    assert again == config
