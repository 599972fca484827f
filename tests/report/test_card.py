"""The model card, and the headline as a table for a README or a paper."""

import json

import pytest
import simulate
import yaml

from rlvr import config as configuration
from rlvr.report import build
from rlvr.report import headline as quoted
from rlvr.report.card import card, front_matter


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    base, tuned = simulate.write_pair(folder, samples=16)
    return build(base, tuned, output=folder / "out", replicates=100, names=["b_se", "tu|ned"]).document


def test_the_table_has_the_document_s_numbers(document):
    found, c = quoted.headline(document), document["comparison"]
    assert found.columns == ["policy", "problems × samples", "pass@1", "pass@4", "pass@16"]
    assert [row[:2] for row in found.rows] == [["b_se", "24 × 16"], ["tu|ned", "24 × 16"]]
    for k, before, after in zip(("1", "4", "16"), *(row[2:] for row in found.rows), strict=True):
        change = c["difference"][k]
        assert before == f"{100 * change['base']:.1f}"
        signed = f"{100 * change['value']:+.1f}".replace("-", "−")
        assert after.startswith(f"{100 * change['tuned']:.1f} ({signed}; ")


def test_names_cannot_break_a_table(document):
    found = quoted.headline(document)
    rows = [line for line in quoted.markdown(found).splitlines() if line.startswith("|")]
    assert len(rows) == 4 and rows[3].startswith(r"| tu\|ned | 24 × 16 | ")
    tex = quoted.latex(found)
    assert r"b\_se & 24 $\times$ 16 & " in tex and tex.count(r"\\") == 3


def test_the_card_is_read_by_the_hub_and_says_what_the_report_says(document, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "problems.jsonl").write_text("{}\n")
    file = tmp_path / "c.yaml"
    held = {"file": str(tmp_path / "problems.jsonl"), "prompt": "q", "reference": "a"}
    train = {"dataset": "openai/gsm8k", "split": "train", "prompt": "question", "reference": "answer"}
    file.write_text(json.dumps({"model": "org/base", "problems": {"train": train, "heldout": held}}))
    config = configuration.load(file)
    text = card("my-run", config, document)
    _, front, rest = text.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "base_model": "org/base",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["rlvr", "grpo"],
        "datasets": ["openai/gsm8k"],
    }
    assert quoted.markdown(quoted.headline(document)).strip() in rest
    assert "- trained on: `openai/gsm8k/train`, licence not known here" in rest
    assert str(tmp_path) not in text and "problems.jsonl" in rest  # no folder of this machine
    written = rest.split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(written)["train"]["steps"] == config.train.steps
    assert "base_model" not in front_matter(config.model_copy(update={"model": str(tmp_path)}))
