"""Several models in one command: what they are called, what they are asked, what is sampled and what is not."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from rlvr import config as configuration
from rlvr import lineup, rollouts
from rlvr.cli import main
from rlvr.commands import _models
from rlvr.config import ConfigError
from rlvr.problems import load
from rlvr.worlds.carry import TINY
from verifiers import load as load_verifier

REPO = Path(__file__).resolve().parent.parent


def copied(into: Path, noise: float = 0.0, template: str = "") -> Path:
    """The tiny model as a folder of its own, its weights moved by `noise`, perhaps with a chat template."""
    shutil.copytree(TINY, into)
    weights = load_file(into / "model.safetensors")
    torch.manual_seed(0)
    moved = {name: w + noise * torch.randn_like(w) if w.dim() == 2 else w for name, w in weights.items()}
    save_file(moved, into / "model.safetensors", {"format": "pt"})
    if template:
        (into / "chat_template.jinja").write_text(template)
    return into


def run_folder(folder: Path) -> Path:
    (folder / "rollouts").mkdir(parents=True)
    shutil.copy(configuration.find("quickstart"), folder / "config.yaml")
    return folder


# ------------------------------------------------------------------ names


def test_a_model_is_called_by_the_last_part_of_its_name_or_as_one_says():
    assert lineup.named(["Qwen/Qwen2.5-7B", "./models/mine/", "tiny", "best=models/x=y"]) == {
        "Qwen2.5-7B": "Qwen/Qwen2.5-7B",
        "mine": "./models/mine/",
        "tiny": "tiny",
        "best": "models/x=y",
    }
    assert lineup.named(["runs/sweep/seed=1,x=2"]) == {"seed-1-x-2": "runs/sweep/seed=1,x=2"}


def test_a_model_of_a_run_is_called_by_the_run(tmp_path):
    run = run_folder(tmp_path / "arith")
    models = [str(run), f"{run}/checkpoints/checkpoint-20", f"{run}/model-step-40"]
    assert list(lineup.named(models)) == ["arith", "arith-checkpoint-20", "arith-model-step-40"]
    assert list(lineup.named([f"{run}/model"])) == ["arith"]


def test_models_of_one_name_get_more_of_their_paths_and_the_same_one_twice_is_refused():
    assert list(lineup.named(["a/x/model", "b/x/model"])) == ["a-x-model", "b-x-model"]
    with pytest.raises(ConfigError, match=r"two models would be called 'tiny'; name each of them: NAME=tiny"):
        lineup.named(["tiny", "tiny"])
    with pytest.raises(ConfigError, match="'a b' cannot be a model's name"):
        lineup.named(["a b=tiny"])


def test_words_with_a_key_of_the_config_are_overrides_and_others_name_models(tmp_path):
    words = [
        "tiny",
        "seed=1",
        "Qwen2.5=Qwen/Qwen2.5-7B",
        "sampling.samples=4",
        "problems={heldout: {world: rare}}",
    ]
    assert _models(words) == (["tiny", "Qwen2.5=Qwen/Qwen2.5-7B"], [words[1], *words[3:]])
    with pytest.raises(ConfigError, match=r"no key 'samplng' \(did you mean sampling\?\)"):
        _models(["tiny", "samplng.samples=4"])


# ------------------------------------------------------------------ what is asked


def test_greedy_needs_no_other_key():
    asked = lineup.questions("quickstart", ["sampling.temperature=0"])
    assert asked.config.sampling.samples == 1 and asked.config.analysis.search_budget is None
    truncated = ["sampling.temperature=0", "sampling.samples=2", "sampling.top_k=3"]
    sampling = lineup.questions("quickstart", truncated).config.sampling
    assert (sampling.samples, sampling.top_k, sampling.top_p) == (2, 3, 1.0)


def test_the_search_budget_of_the_config_holds_where_there_are_enough_samples():
    def budget(*overrides: str) -> int | None:
        return lineup.questions("quickstart", overrides).config.analysis.search_budget

    assert budget() == 16 == budget("sampling.samples=16") and budget("sampling.samples=15") is None
    assert budget("analysis.search_budget=2", "sampling.samples=4") == 2
    with pytest.raises(ConfigError, match=r"search_budget \(8\) is above sampling.samples \(4\)"):
        budget("analysis.search_budget=8", "sampling.samples=4")


def test_each_question_has_its_own_file():
    def file(*overrides: str) -> str:
        folder, files = lineup.places(["a"], lineup.questions("quickstart", overrides), None)
        assert folder == files["a"].with_suffix("")
        return str(files["a"])

    assert file() == file("analysis.replicates=100") == "evals/a-quickstart.jsonl"
    assert file("sampling.temperature=0") == "evals/a-quickstart,sampling.temperature=0.jsonl"
    assert len(Path(file(*(f"sampling.stop=[{'x' * n}]" for n in range(1, 30)))).name) < 200


def test_several_models_go_into_a_folder_and_one_into_a_file(tmp_path):
    asked = lineup.questions("quickstart", [])
    folder, files = lineup.places(["a", "b"], asked, tmp_path)
    assert (folder, files["b"]) == (tmp_path, tmp_path / "rollouts" / "b.jsonl")
    with pytest.raises(ConfigError, match="expected the name of a folder"):
        lineup.places(["a", "b"], asked, tmp_path / "x.jsonl")
    with pytest.raises(ConfigError, match="expected the name of a rollout file"):
        lineup.places(["a"], asked, tmp_path)


# ------------------------------------------------------------------ packaged problem sets

ROWS = {  # made here, in the published form of each set
    "gsm8k": {"question": "Tom has 2 pens and buys 3. How many?", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"},
    "math500": {"problem": "What is $1+1$?", "solution": r"It is $\boxed{2}$.", "answer": "2", "subject": "Algebra",
                "level": 1, "unique_id": "test/algebra/1.json"},
    "aime25": {"problem": "Find $6 \\cdot 7$.", "answer": "42", "id": "0"},
    "humaneval": {"task_id": "HumanEval/0", "prompt": 'def one() -> int:\n    """Return 1."""\n', "entry_point": "one",
                  "canonical_solution": "    return 1\n", "test": "def check(f):\n    assert f() == 1\n"},
}  # fmt: skip
ANSWERS = {"gsm8k": r"\boxed{5}", "math500": r"\boxed{2}", "aime25": r"\boxed{42}"}


@pytest.mark.parametrize("name", configuration.problem_sets())
def test_a_packaged_set_reads_its_rows_and_judges_them(name, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ROWS[name]))
    asked = lineup.questions(name, [f"problems.heldout.file={file}"])
    assert not asked.template and asked.config.evidence.instruction
    [problem] = load(configuration.each(asked.config.problems.heldout)[0])
    assert problem.prompt.strip() == ROWS[name].get("prompt", problem.prompt).strip()
    verifier = load_verifier(asked.config.verifier)
    if name in ANSWERS:
        from verifiers.judging import judge

        assert judge(verifier, problem, ANSWERS[name]).score == 1.0
        assert judge(verifier, problem, r"\boxed{7}").score == 0.0


def test_every_packaged_set_says_its_licence_and_is_documented():
    page = (REPO / "docs" / "compare.md").read_text()
    assert configuration.problem_sets() == ["aime25", "gsm8k", "humaneval", "math500"]
    for name in configuration.problem_sets():
        text = configuration.find(name).read_text()
        assert "Licence: " in text.partition("problems:")[0] and f"`{name}`" in page
        assert yaml.safe_load(text)["problems"]["heldout"]["dataset"] in page


def test_without_a_network_the_error_says_how_to_name_local_rows(tmp_path, monkeypatch, capsys):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    other = copied(tmp_path / "other")
    assert main(["compare", "tiny", str(other), "--on", "gsm8k", "-q"]) == 2
    assert "Without a network, use a local copy: problems.heldout.file=PATH" in capsys.readouterr().err
    assert main(["compare", "tiny", str(other), "--on", "gsm9k", "-q"]) == 2
    assert "problem sets to evaluate on: aime25, gsm8k" in capsys.readouterr().err
    assert main(["compare", "tiny", "--on", "gsm8k", "-q"]) == 2
    assert "two models or more" in capsys.readouterr().err


CHAT = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


def test_a_set_leaves_the_template_to_the_tokenizer_and_the_report_says_where_they_differ(tmp_path):
    chat = copied(tmp_path / "chat", template=CHAT)
    models = {"plain": "tiny", "talks": str(chat)}

    def of(*overrides: str) -> list[lineup.Entry]:
        asked = lineup.questions("gsm8k", overrides)
        return lineup.entries(models, asked, dict.fromkeys(models, Path("x.jsonl")))

    both = of()
    assert [entry.config.evidence.template for entry in both] == ["plain", "chat"]
    [said] = lineup.templates(both)
    assert "talks by the chat template" in said and "plain, whose tokenizer has none, in plain text" in said
    assert lineup.templates(of("evidence.template=plain")) == []


def test_two_templates_are_compared_and_named(tmp_path):
    chat = copied(tmp_path / "chat", template=CHAT)
    asked = lineup.questions("gsm8k", [])
    files = {name: tmp_path / f"{name}.jsonl" for name in ("plain", "talks")}
    entries = lineup.entries({"plain": "tiny", "talks": str(chat)}, asked, files)
    for entry in entries:
        rows = [{"problem_id": f"p{i}", "sample": 0, "score": float(i % 2)} for i in range(4)]
        entry.file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        evidence = {"template": entry.config.evidence.template}
        rollouts.write_settings(entry.file, {"evidence": evidence, "temperature": 1.0})
    document = lineup.report(entries, asked, tmp_path / "report", lineup.templates(entries)).document
    assert document["settings"]["talks"]["evidence"] == {"template": "chat"}
    notes = " ".join(document["notes"])
    assert "talks by the chat template" in notes and re.search("this differs: evidence: .*plain.*chat", notes)


# ------------------------------------------------------------------ end to end

SMALL = ["problems.heldout.limit=3", "sampling.samples=2", "sampling.max_new_tokens=8"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """(folder of the comparison, its words) of tiny and a moved copy on the quickstart's problems."""
    folder = tmp_path_factory.mktemp("compared")
    tuned = copied(folder / "tuned", noise=0.01)
    words = [
        "compare",
        "tiny",
        str(tuned),
        "--on",
        "quickstart",
        "--output",
        str(folder / "out"),
        *SMALL,
        "-q",
    ]
    assert main(words) == 0
    return folder / "out", words


def test_a_comparison_samples_all_under_their_names(compared):
    out, _ = compared
    document = json.loads((out / "report.json").read_text())
    assert (
        list(document["policies"]) == ["tiny", "tuned"]
        and document["title"] == "tiny and tuned on quickstart"
    )
    rates = {}
    for name in ("tiny", "tuned"):
        rows = list(rollouts.read(out / "rollouts" / f"{name}.jsonl"))
        assert {row.policy for row in rows} == {name} and len(rows) == 6
        rates[name] = sum(row.score or 0.0 for row in rows) / 6
        assert document["policies"][name]["pass_at_k"]["1"]["value"] == pytest.approx(rates[name])
    gain = document["comparison"]["gain"]["value"]
    assert gain == pytest.approx(rates["tuned"] - rates["tiny"])
    settings = json.loads((out / "rollouts" / "tuned.settings.json").read_text())
    assert settings["evidence"]["template"] == "plain" and settings["policy"] == "tuned"


def test_the_same_command_samples_nothing_again(compared, monkeypatch, capsys):
    out, words = compared
    before = {path: path.read_bytes() for path in out.glob("rollouts/*.jsonl")}
    monkeypatch.setattr("rlvr.sampling.load_sampler", lambda *_: pytest.fail("a model was loaded to sample"))
    assert main(words) == 0
    assert "tuned: 3 problems × 2 samples" in capsys.readouterr().out
    assert before == {path: path.read_bytes() for path in out.glob("rollouts/*.jsonl")}


def test_other_settings_are_refused_before_anything_is_sampled(compared, monkeypatch, capsys):
    out, words = compared
    monkeypatch.setattr("rlvr.sampling.load_sampler", lambda *_: pytest.fail("a model was loaded to sample"))
    (out / "rollouts" / "tiny.jsonl").rename(out / "rollouts" / "third.jsonl")
    (out / "rollouts" / "tiny.settings.json").rename(out / "rollouts" / "third.settings.json")
    try:
        assert main([*words, "sampling.temperature=0.5"]) == 2
    finally:
        (out / "rollouts" / "third.jsonl").rename(out / "rollouts" / "tiny.jsonl")
        (out / "rollouts" / "third.settings.json").rename(out / "rollouts" / "tiny.settings.json")
    assert "tuned.jsonl: was drawn under other settings (temperature: 1.0 there" in capsys.readouterr().err


def test_a_further_model_is_sampled_alone_and_has_its_line(compared, capsys):
    out, words = compared
    before = {path: path.read_bytes() for path in out.glob("rollouts/t*.jsonl")}
    assert main([*words[:3], "third=tiny", *words[3:]]) == 0
    assert before == {path: path.read_bytes() for path in out.glob("rollouts/tiny.jsonl")} | {
        path: path.read_bytes() for path in out.glob("rollouts/tuned.jsonl")
    }
    assert re.search(r"^  third: pass@1 .* → .*paired\)$", capsys.readouterr().out, re.M)
