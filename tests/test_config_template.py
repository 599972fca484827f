"""`rlvr init`: the config says what its recipe says, and what every key is by default; the schema accepts it."""

import json
import re

import pytest
import yaml

from rlvr import cli
from rlvr import config as configuration
from rlvr.config import describe, json_schema, template
from tests.report.test_schema import faults

RECIPES = ("quickstart", "qwen2.5-0.5b-gsm8k", "smollm2-chain-sum", "smollm2-gsm8k", "gsm8k")


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_says_what_the_recipe_says(recipe, tmp_path):
    file, written = configuration.find(recipe), tmp_path / "config.yaml"
    written.write_text(template(configuration.read(file)))
    assert configuration.load(written) == configuration.load(file)


def keys(text):
    """(dotted key, unset, value) of every line that is a key, by indentation."""
    path = []
    for line in text.splitlines():
        if found := re.fullmatch(r"( *)(#?)(\w+):(?: (.*))?", line):
            path[len(found[1]) // 2 :] = [found[3]]
            yield ".".join(path), bool(found[2]), found[4]


def test_every_key_stands_there_with_its_default_and_its_meaning():
    text = template(configuration.read(configuration.find("quickstart")))
    found = {key: (unset, value) for key, unset, value in keys(text)}
    prose = " ".join(" ".join(re.findall(r"(?m)^ *# (.*)$", text)).split())
    expected = [row for row in describe() if not row[0].startswith(("problems.heldout.", "problems.probes."))]
    seen = 0
    for key, default, words in expected:
        parts = key.split(".")
        if "evidence" in parts[1:] or key not in found:  # told once, where its section comes first
            continue
        unset, value = found[key]
        assert " ".join(words.split()) in prose, key
        if unset and default and value is not None:
            assert yaml.safe_load(value) == json.loads(default), key
            seen += 1
    assert seen > 90
    assert {row[0].rpartition(".")[2] for row in expected} <= {key.rpartition(".")[2] for key in found}


def plain(schema):
    """Without what `faults` does not look at: bounds, titles, defaults."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    known = {
        "$ref",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "oneOf",
        "enum",
    }
    kept = {key: part for key, part in schema.items() if key in known | {"const", "$defs"}}
    for key in ("properties", "$defs"):
        if isinstance(kept.get(key), dict):
            kept[key] = {name: plain(part) for name, part in kept[key].items()}
    return {key: part if key in ("properties", "$defs") else plain(part) for key, part in kept.items()}


def test_the_schema_knows_the_recipes_and_refuses_a_misspelt_key():
    whole = json.loads(json_schema())
    assert whole["properties"]["model"]["description"].startswith("`tiny` (embedded)")
    schema = plain(whole)
    for recipe in RECIPES:
        values = configuration.read(configuration.find(recipe))
        assert list(faults(values, schema, schema)) == [], recipe
    values = configuration.read(configuration.find("quickstart"))
    values["train"]["learning_rat"] = 1
    assert list(faults(values, schema, schema)) == ["/train: learning_rat is not in the schema"]


def test_init_writes_both_and_overwrites_no_config(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", "my.yaml", "--like", "gsm8k", "--schema", "rlvr.schema.json"]) == 0
    text = (tmp_path / "my.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=rlvr.schema.json\n")
    assert configuration.load(tmp_path / "my.yaml") == configuration.load(configuration.find("gsm8k"))
    assert json.loads((tmp_path / "rlvr.schema.json").read_text()) == json.loads(json_schema())
    assert cli.main(["init", "my.yaml"]) == 2
    assert "my.yaml: is there already; give another name" in capsys.readouterr().err
    assert cli.main(["init", "other.yaml", "--like", "evidence-tiny"]) == 2  # a file of levers
    assert not (tmp_path / "other.yaml").exists()
