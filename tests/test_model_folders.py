"""A model folder is somebody else's: what is broken or hostile in it is refused in words, and nothing of it is run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rlvr import config as configuration
from rlvr.cli import main
from rlvr.policy import PolicyError, load_policy
from rlvr.worlds.carry import TINY

WEIGHTS = "model.safetensors"


class Hostile:
    """A pickle of it writes a file called `executed` where it is loaded."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, ("executed", "w")


def pickled(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({"weight": Hostile()}, folder / "pytorch_model.bin")


def pickled_under_another_name(folder: Path) -> None:
    torch.save({"weight": Hostile()}, folder / WEIGHTS)


def torn(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:5000])


def lacking_a_matrix(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / WEIGHTS, {"format": "pt"})


def configured(**keys: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        there = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(there | keys))

    return change


def written(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


CODE = configured(
    model_type="foreign", auto_map={"AutoConfig": "foreign.C", "AutoModelForCausalLM": "foreign.M"}
)
BROKEN = {
    "pickled weights": (pickled, "no file named model.safetensors"),
    "a pickle named safetensors": (
        pickled_under_another_name,
        f"{WEIGHTS}: Error while deserializing header",
    ),
    "torn weights": (torn, f"{WEIGHTS}: Error while deserializing header"),
    "a weight missing": (
        lacking_a_matrix,
        "1 of its weights are not in its files, such as model.layers.1.mlp.up_proj",
    ),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "no file named model.safetensors"),
    "code of its own": (CODE, "contains custom code which must be executed"),
    "weights of another size": (configured(hidden_size=48), "mismatched"),
    "an impossible size": (configured(hidden_size=-1), "The hidden size (-1)"),
    "a size that is no number": (configured(hidden_size="big"), "expected int, got str"),
    "a config that is no JSON": (written("config.json", "{"), "not a valid JSON file"),
    "a config that is a list": (written("config.json", "[]"), "must be a mapping"),
    "ten million layers": (configured(num_hidden_layers=10**7), "num_hidden_layers is 10000000"),
    "fewer layers than none": (configured(num_hidden_layers=-1), "num_hidden_layers is -1"),
    "a kernel from the Hub": (configured(attn_implementation="org/name"), "fetch and run code from the Hub"),
    "a torn tokenizer": (written("tokenizer.json", "{"), "cannot be loaded"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_or_hostile_model_folder_is_refused_in_words(name, tmp_path, monkeypatch):
    harm, words = BROKEN[name]
    folder = tmp_path / "model"
    shutil.copytree(TINY, folder)
    harm(folder)
    (folder / "foreign.py").write_text("open('executed', 'w')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyError) as refused:
        load_policy(configuration.load(configuration.find("quickstart"), [f"model={folder}"]), "base")
    assert str(folder) in str(refused.value) and words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.rglob("executed"))


def test_the_command_line_says_it_without_a_traceback(tmp_path, capsys):
    shutil.copytree(TINY, tmp_path / "model")
    torn(tmp_path / "model")
    assert main(["eval", str(tmp_path / "model"), "--output", str(tmp_path / "out.jsonl"), "-q"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{WEIGHTS}: Error while deserializing" in said
