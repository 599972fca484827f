"""What the name of a model stands for, and which files lie beside its weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlvr.errors import PolicyError
from rlvr.model_files import (
    ADAPTER,
    Place,
    _check_config,
    copy_beside,
    locate,
    looks_like_a_path,
    whole_name,
)
from rlvr.worlds.carry import TINY


def model(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in ({"config.json": "{}"} | files).items():
        (folder / name).write_text(text)
    return folder


def adapter(folder: Path, base: object, **more: object) -> Path:
    folder.mkdir(parents=True)
    (folder / ADAPTER).write_text(json.dumps({"base_model_name_or_path": base} | more))
    return folder


def test_a_name_is_a_folder_the_embedded_model_or_one_of_the_hub(tmp_path):
    folder = model(tmp_path / "m")
    assert locate("tiny") == Place(str(TINY), None)
    assert locate(str(folder), "v2") == Place(str(folder), "v2")
    assert locate("Qwen/Qwen2.5-7B", "v2") == Place("Qwen/Qwen2.5-7B", "v2")
    assert str(locate("gpt2")) == "gpt2"
    for path in ("./m", "/no/m", "~/m", "a/b/c"):
        assert looks_like_a_path(path)
        with pytest.raises(PolicyError, match="there is no such folder"):
            locate(path)
    assert not looks_like_a_path("a/b") and not looks_like_a_path("a.b")
    (tmp_path / "file").touch()
    with pytest.raises(PolicyError, match="there is no such folder"):
        locate(str(tmp_path / "file"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(PolicyError, match=r"the folder has no config.json; found nothing"):
        locate(str(tmp_path / "empty"))


def test_an_adapter_stands_on_the_base_that_it_names_or_that_is_named(tmp_path):
    base, other = model(tmp_path / "base"), model(tmp_path / "other")
    folder = adapter(tmp_path / "lora", str(base), revision="v1")
    assert locate(str(folder)) == Place(str(base), "v1", folder)
    assert locate(str(folder), base=str(other)) == Place(str(other), None, folder)
    of_hub = adapter(tmp_path / "hub", "org/name", revision="v3")
    assert locate(str(of_hub)) == Place("org/name", "v3", of_hub)
    assert str(locate(str(of_hub))) == f"the adapter {of_hub} on org/name"
    twice = adapter(tmp_path / "twice", str(folder))
    with pytest.raises(PolicyError, match=r"its base .* is an adapter too; expected a whole model"):
        locate(str(twice))
    for wrong in (None, "", 3):
        unnamed = adapter(tmp_path / f"unnamed-{wrong}", wrong)
        with pytest.raises(PolicyError, match="names no base; name it with base_model="):
            locate(str(unnamed))
        assert locate(str(unnamed), base=str(base)).model == str(base)
    lost = adapter(tmp_path / "lost", "./nowhere")
    with pytest.raises(
        PolicyError, match=r"an adapter whose base is ./nowhere \(its .* says so\); name another"
    ):
        locate(str(lost))


def test_a_run_is_its_model_or_names_its_checkpoints_by_number(tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").touch()
    with pytest.raises(PolicyError, match="a run that has no model/ yet, and no checkpoints"):
        locate(str(run))
    for step in (9, 10, 100):
        (run / "checkpoints" / f"checkpoint-{step}").mkdir()
    (run / "checkpoints" / "checkpoint-11.damaged").mkdir()
    with pytest.raises(PolicyError) as refused:
        locate(str(run))
    names = str(refused.value).rpartition("its checkpoints: ")[2].split(", ")
    assert [Path(name).name for name in names] == ["checkpoint-9", "checkpoint-10", "checkpoint-100"]
    model(run / "model")
    assert locate(str(run)) == Place(str(run / "model"))


def test_a_base_is_known_by_its_whole_path(tmp_path, monkeypatch):
    model(tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    assert whole_name("m") == str(tmp_path / "m") and whole_name("org/name") == "org/name"


BESIDE = {
    "tokenizer.json": "b", "tokenizer_config.json": "b", "special_tokens_map.json": "b", "vocab.json": "b",
    "merges.txt": "b", "spiece.model": "b", "chat_template.jinja": "b", "generation_config.json": "b",
    "README.md": "b", "LICENSE": "b", "modeling.py": "b", "preprocessor_config.json": "b",
}  # fmt: skip


def test_what_lies_beside_the_weights_is_copied_and_the_adapters_own_comes_first(tmp_path):
    base = model(tmp_path / "base", **BESIDE, **{"model.safetensors": "w", "optimizer.pt": "o"})
    lora = adapter(tmp_path / "lora", str(base))
    for name in ("tokenizer.json", "README.md", "adapter_model.safetensors"):
        (lora / name).write_text("a")
    into = tmp_path / "into"
    into.mkdir()
    copy_beside(Place(str(base), None, lora), into)
    expected = BESIDE | {"tokenizer.json": "a"}  # but the card, which is the adapter's and not the model's
    assert {path.name: path.read_text() for path in into.iterdir()} == expected
    (into / "vocab.json").write_text("own")
    (into / "merges.txt").unlink()
    copy_beside(Place(str(base)), into, kept=True)
    assert (into / "vocab.json").read_text() == "own" and (into / "merges.txt").read_text() == "b"
    assert (into / "tokenizer.json").read_text() == "a"
    copy_beside(Place(str(base)), into)
    assert (into / "vocab.json").read_text() == "b"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_hidden_layers": 2000}, ""),
        ({"num_hidden_layers": 2001}, "num_hidden_layers is 2001; expected 0 to 2,000"),
        ({"n_layer": -1}, "n_layer is -1"),
        ({"text_config": {"num_layers": 9999}}, "num_layers is 9999"),
        ({"attn_implementation": "org/kernel"}, "would fetch and run code from the Hub"),
        ({"_attn_implementation": "sdpa"}, ""),
    ],
)
def test_what_a_config_may_not_ask_for(config, said):
    if not said:
        _check_config(config)
        return
    with pytest.raises(ValueError, match=said):
        _check_config(config)
