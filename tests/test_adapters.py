"""A LoRA run from end to end: a checkpoint in the middle is evaluated, exported and gone on from, and is to the last
figures what peft merges by hand."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from rlvr import config as configuration
from rlvr import rollouts
from rlvr.adapter_targets import covered
from rlvr.adapters import Lora, on_base, quantised
from rlvr.cli import main
from rlvr.config import AdapterSection
from rlvr.errors import PolicyError, UserError
from rlvr.model_files import locate
from rlvr.policy import Policy, load_policy
from rlvr.run import read_metrics
from rlvr.sampling.score import Written, logprobs
from rlvr.training import adapter_check
from rlvr.training.export import logits
from rlvr.worlds.carry import TINY
from tests.training.handles import move

SHORT = [
    "train.groups_per_step=4", "train.group_size=4", "train.learning_rate=1e-2", "train.eval_every=0",
    "sampling.samples=4", "analysis.search_budget=2", "analysis.replicates=100", "problems.heldout.limit=4",
    "problems.probes={}", "verification.workers=1", "-q",
]  # fmt: skip
LORA = "train.adapter={kind: lora, r: 4}"
KEPT = ["train.checkpoint_every=2", "train.trl.save_total_limit=9"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lora") / "run"
    assert main(["train", "quickstart", "--output", str(folder), *SHORT, *KEPT, LORA, "train.steps=4"]) == 0
    return folder


@pytest.fixture(scope="module")
def middle(run) -> Path:
    return run / "checkpoints" / "checkpoint-2"


def config(*overrides: str) -> configuration.Config:
    words = [word for word in (*SHORT, *overrides) if not word.startswith("-")]
    return configuration.load(configuration.find("quickstart"), words)


def by_hand(adapter: Path, merge: bool = True) -> Any:
    base: Any = AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32)
    model: Any = PeftModel.from_pretrained(base, str(adapter))
    return (model.merge_and_unload() if merge else model).eval()


def said(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


# ------------------------------------------------------------------ evaluate


def test_a_checkpoint_is_the_policy_that_peft_merges_by_hand(middle):
    policy = load_policy(config(f"model={middle}"), "middle")
    assert policy.adapter == middle and policy.source == str(TINY) and policy.weights == "memory"
    expected = by_hand(middle).state_dict()
    assert all((weight == expected[name]).all() for name, weight in policy.model.state_dict().items())
    beside = Policy("beside", by_hand(middle, merge=False), policy.tokenizer, "")
    base = Policy("base", AutoModelForCausalLM.from_pretrained(TINY), policy.tokenizer, "")
    assert (logits(policy) - logits(beside)).abs().max() < 2e-5
    assert (logits(policy) - logits(base)).abs().max() > 0.1


def test_a_checkpoint_is_evaluated_by_one_line_with_its_runs_problems(run, middle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["eval", str(middle), "--output", "middle.jsonl", "-q"]) == 0
    settings = json.loads(Path("middle.settings.json").read_text())
    assert settings["model"] == str(TINY) and settings["adapter"] == str(middle)
    assert settings["n_problems"] == 4 and settings["samples"] == 4  # the run's, not the quickstart's
    rows = list(rollouts.read(Path("middle.jsonl")))
    policy = load_policy(config(f"model={middle}"), "middle")
    prompts = policy.encode([row.prompt for row in rows])
    drawn = [Written.of(row, i) for i, row in enumerate(rows)]
    again = logprobs(Policy("hand", by_hand(middle), policy.tokenizer, ""), prompts, drawn, 1.0)
    for row, nats in zip(rows, again, strict=True):
        assert row.logprobs[row.policy] == pytest.approx(nats, abs=1e-4)


def test_a_run_stands_for_its_model_or_names_its_checkpoints(run, tmp_path):
    assert locate(str(run)).model == str(run / "model")
    stopped = tmp_path / "stopped"
    shutil.copytree(run, stopped)
    shutil.rmtree(stopped / "model")
    with pytest.raises(PolicyError, match=r"no model/ yet; its checkpoints: .*checkpoint-2, .*checkpoint-4"):
        locate(str(stopped))


def test_a_base_that_is_not_there_is_named_with_the_key_to_give_another(middle, tmp_path):
    moved = tmp_path / "adapter"
    shutil.copytree(middle, moved)
    about = json.loads((moved / "adapter_config.json").read_text())
    (moved / "adapter_config.json").write_text(json.dumps(about | {"base_model_name_or_path": "/gone/base"}))
    with pytest.raises(PolicyError, match=r"base is /gone/base .*base_model="):
        locate(str(moved))
    found = load_policy(config(f"model={moved}", "base_model=tiny"), "moved")
    assert (logits(found) == logits(load_policy(config(f"model={middle}"), "middle"))).all()
    assert main(["eval", str(moved), "-q", "--output", str(tmp_path / "x.jsonl")]) == 2
    assert main(["eval", "tiny", "base_model=tiny", "-q", "--output", str(tmp_path / "y.jsonl")]) == 2


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def torn(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])


def lacking(folder: Path) -> None:
    weights = load_file(folder / "adapter_model.safetensors")
    del weights[min(weights)]
    save_file(weights, folder / "adapter_model.safetensors", {"format": "pt"})


def about(**keys: object):
    def change(folder: Path) -> None:
        there = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(there | keys))

    return change


BROKEN = {
    "a pickle": (pickled, "has no adapter_model.safetensors"),
    "torn": (torn, "does not fit its base"),
    "a weight missing": (lacking, "1 of the adapter's weights are not in its file"),
    "another rank": (about(r=8), "does not fit its base"),
    "an impossible rank": (about(r=10**9), "expected r from 1 to"),
    "another kind": (about(peft_type="IA3"), "of kind IA3; expected LORA"),
    "layers of another model": (about(target_modules=["c_attn"]), "does not fit its base"),
    "no JSON": (lambda folder: (folder / "adapter_config.json").write_text("{"), "cannot be read"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_adapter_is_refused_in_words(middle, tmp_path, case):
    harm, words = BROKEN[case]
    shutil.copytree(middle, tmp_path / "adapter")
    harm(tmp_path / "adapter")
    with pytest.raises(PolicyError) as refused:
        load_policy(config(f"model={tmp_path / 'adapter'}"), "broken")
    assert words in str(refused.value) and "\n" not in str(refused.value)


# ------------------------------------------------------------------ export


def test_an_export_is_what_peft_merges_by_hand_with_the_bases_own_files(run, middle):
    assert main(["export", str(run), "--step", "2", "-q"]) == 0
    folder = run / "model-step-2"
    found, expected = load_file(folder / "model.safetensors"), by_hand(middle).state_dict()
    assert found.keys() == load_file(TINY / "model.safetensors").keys()
    assert all((weight == expected[name]).all() for name, weight in found.items())
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (folder / name).read_bytes() == (TINY / name).read_bytes()
    assert main(["export", str(run), "--step", "2", "-q"]) == 2  # it is there


def test_the_last_checkpoint_is_exported_as_the_run_ended(run, tmp_path):
    assert main(["export", str(run), "--into", str(tmp_path / "last"), "-q"]) == 0
    files = {path.name: path.read_bytes() for path in (run / "model").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "last").iterdir()}


def test_an_adapter_alone_is_exported_as_peft_loads_it(middle, tmp_path):
    assert main(["export", str(middle), "--adapter-only", "--into", str(tmp_path / "a"), "-q"]) == 0
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= names and "optimizer.pt" not in names
    one, two = by_hand(middle).state_dict(), by_hand(tmp_path / "a").state_dict()
    assert all((one[name] == two[name]).all() for name in one)


def test_what_cannot_be_exported_is_refused(run, tmp_path, capsys):
    assert main(["export", str(run), "--step", "3", "-q"]) == 2
    assert "its checkpoints are of steps 2, 4" in said(capsys)
    assert main(["export", str(run), "train.steps=3", "-q"]) == 2
    assert "expected one of base_model, dtype" in said(capsys)
    assert main(["export", str(run / "model"), "--adapter-only", "--into", str(tmp_path / "x"), "-q"]) == 2
    assert "without --adapter-only" in said(capsys) and not list(tmp_path.iterdir())


# ------------------------------------------------------------------ go on


def onward(folder: Path, *more: str) -> int:
    return main(
        [
            "train",
            "quickstart",
            "--output",
            str(folder),
            *SHORT,
            "train.steps=1",
            "train.reward=random",
            *more,
        ]
    )


@pytest.mark.parametrize("more", [[], ["train.trl.beta=0.1"]], ids=["", "with a reference"])
def test_a_run_goes_on_with_an_adapter(middle, tmp_path, more):
    assert onward(tmp_path / "run", f"model={middle}", "train.adapter.kind=lora", *more) == 0
    saved = tmp_path / "run" / "checkpoints" / "checkpoint-1"
    about = json.loads((saved / "adapter_config.json").read_text())
    assert about["r"] == 4 and about["base_model_name_or_path"] == str(TINY)
    before, after = (load_file(f / "adapter_model.safetensors") for f in (middle, saved))
    assert before.keys() == after.keys()
    change = max(float((before[name] - after[name]).abs().max()) for name in before)
    assert 0 < change <= 0.011  # one step of AdamW at 1e-2, from the adapter that was there
    row = read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]
    assert row["drift/token_mean"] < 1e-5
    if more:  # the reference is the policy as this run found it, not the base without the adapter
        assert abs(row["kl"]) < 1e-6


def test_a_run_of_all_weights_begins_with_the_adapter_merged(middle, tmp_path):
    words = [f"model={middle}", "train.learning_rate=1e-9"]
    assert onward(tmp_path / "run", *words) == 0
    found = load_file(tmp_path / "run" / "model" / "model.safetensors")
    expected = by_hand(middle).state_dict()
    assert max(float((weight - expected[name]).abs().max()) for name, weight in found.items()) < 1e-7
    assert any((weight != expected[name]).any() for name, weight in found.items())


CONTRADICTIONS = {
    "rank": ("train.adapter.r=8", "train.adapter.r is 8, and .* has 4"),
    "targets": ("train.adapter.target_modules=[q_proj]", r"target_modules is \['q_proj'\], and"),
    "scale": ("train.adapter.alpha=7", "train.adapter.alpha is 7, and .* has 32"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_keys_that_contradict_the_adapter_are_refused(middle, case):
    key, words = CONTRADICTIONS[case]
    with pytest.raises(UserError, match=words):
        adapter_check.check(config(f"model={middle}", "train.adapter.kind=lora", key))


RESUMED = {
    "another rank": (["train.adapter={kind: lora, r: 8}"], "train.adapter.r is 8, and the checkpoint"),
    "all weights": ([], "a checkpoint of train.adapter.kind lora, and this run's is full"),
}


@pytest.mark.parametrize("case", RESUMED)
def test_a_checkpoint_of_another_kind_is_not_resumed(middle, tmp_path, case, capsys):
    keys, words = RESUMED[case]
    assert onward(tmp_path / "run", f"resume={middle}", *keys) == 2
    shown = said(capsys)
    assert words in shown and "instead: model=" in shown
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


# ------------------------------------------------------------------ targets, before anything is loaded


def built(folder: Path, family: str, **keys: Any) -> str:
    """The config.json alone of a small random model: enough to know its layers."""
    from transformers import AutoConfig

    AutoConfig.for_model(family, **keys).save_pretrained(folder)
    return f"model={folder}"


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 64, "intermediate_size": 48}
ATTENTION = {"num_attention_heads": 2, "num_key_value_heads": 2}
REFUSED = {
    "a name that is not there": (
        "train.adapter.target_modules=[q_prj]",
        "no layer 'q_prj'; did you mean 'q_proj'",
    ),
    "an expression that matches nothing": (
        "train.adapter.target_modules='.*[.]attention[.].*'",
        "no layer's full name matches",
    ),
    "the head": ("train.adapter.target_modules=[q_proj, lm_head]", "lm_head is the head"),
    "embeddings that are the head too": (
        "train.adapter.target_modules=[embed_tokens]",
        "shares its matrix with the head",
    ),
    "no layer that takes one": ("train.adapter.target_modules=[input_layernorm]", "RMSNorm"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_targets_that_cannot_be_are_refused_before_anything_is_loaded(tmp_path, case):
    key, words = REFUSED[case]
    model = built(tmp_path / "m", "llama", **SMALL, **ATTENTION, tie_word_embeddings=True)
    with pytest.raises(UserError) as refused:  # there are no weights to load
        adapter_check.check(config(model, "train.adapter.kind=lora", key))
    assert words in str(refused.value)


def test_a_single_name_is_a_name(tmp_path):
    model = built(tmp_path, "llama", **SMALL, **ATTENTION)
    (line,) = adapter_check.check(config(model, "train.adapter={kind: lora, target_modules: q_proj}"))
    assert "adapters on 2 layers (q_proj), which hold 9% of" in line


def test_the_default_leaves_out_what_mamba_kernels_read_past_an_adapter(tmp_path):
    (line,) = adapter_check.check(config(built(tmp_path, "mamba", **SMALL), LORA))
    assert "in_proj, x_proj, dt_proj)" in line
    with pytest.raises(UserError, match="out_proj"):
        adapter_check.check(
            config(
                built(tmp_path, "mamba", **SMALL), "train.adapter={kind: lora, target_modules: [out_proj]}"
            )
        )


def test_experts_without_adapters_are_said(tmp_path):
    keys = SMALL | ATTENTION | {"num_local_experts": 8, "num_experts_per_tok": 2, "head_dim": 16}
    (line,) = adapter_check.check(config(built(tmp_path, "gpt_oss", **keys), LORA))
    assert "(q_proj, k_proj, v_proj, o_proj), which hold 9% of" in line
    assert "the experts, 83%, are no layers of their own and get none" in line


def test_a_mixtures_experts_have_adapters_that_are_gone_on_with(tmp_path):
    from transformers import AutoConfig

    keys = SMALL | ATTENTION | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(AutoConfig.for_model("qwen3_moe", **keys))
    base, lora = copy.deepcopy(model), Lora(AdapterSection(kind="lora", r=2))
    adapted = lora.attach(model)
    assert "gate_up_proj" in covered(adapted) and "experts" not in covered(adapted)
    move(adapted, 0.05)
    adapted.save_pretrained(tmp_path)
    again = lora.attach(copy.deepcopy(base), tmp_path)
    ids = torch.tensor([[1, 2, 3, 4]])
    expected = adapted(input_ids=ids).logits
    assert (again(input_ids=ids).logits == expected).all()
    assert [n for n, p in again.named_parameters() if p.requires_grad] == [
        n for n, p in adapted.named_parameters() if p.requires_grad
    ]
    assert (on_base(base, tmp_path).merge_and_unload()(input_ids=ids).logits - expected).abs().max() < 1e-5


# ------------------------------------------------------------------ quantised bases


def quantised_config(folder: Path, method: str, bits: int) -> str:
    model = built(folder, "llama", **SMALL, **ATTENTION)
    file = folder / "config.json"
    there = json.loads(file.read_text())
    file.write_text(
        json.dumps(there | {"quantization_config": {"quant_method": method, "load_in_4bit": bits == 4}})
    )
    return model


@pytest.mark.parametrize(
    ("method", "bits", "kind", "words"),
    [
        ("bitsandbytes", 4, "full", "its weights cannot be trained"),
        (
            "bitsandbytes",
            8,
            "lora",
            "is quantised (bitsandbytes, 8 bits): adapters are trained on plain weights",
        ),
        ("gptq", 4, "lora", "is quantised (gptq): adapters are"),
    ],
)
def test_quantised_weights_that_cannot_be_trained_are_refused_at_once(tmp_path, method, bits, kind, words):
    model = quantised_config(tmp_path / "m", method, bits)
    with pytest.raises(UserError) as refused:
        adapter_check.check(config(model, f"train.adapter.kind={kind}"))
    assert words in str(refused.value)


def test_a_quantised_base_is_not_shared_out(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    model = quantised_config(tmp_path / "m", "bitsandbytes", 4)
    with pytest.raises(UserError, match="is quantised, and this launch shards weights with FSDP2"):
        adapter_check.check(config(model, "train.adapter.kind=lora"))


@pytest.fixture(scope="module")
def four_bits(tmp_path_factory) -> Path:
    """The embedded model with 4-bit weights."""
    pytest.importorskip("bitsandbytes")
    from transformers import AutoTokenizer, BitsAndBytesConfig

    folder = tmp_path_factory.mktemp("quantised") / "four-bits"
    how = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    model: Any = AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32, quantization_config=how)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(TINY).save_pretrained(folder)
    return folder


def test_an_adapter_on_four_bits_trains_and_is_exported_in_plain_weights(four_bits, tmp_path):
    assert onward(tmp_path / "run", f"model={four_bits}", LORA) == 0
    checkpoint = tmp_path / "run" / "checkpoints" / "checkpoint-1"
    beside = load_policy(config(f"model={checkpoint}"), "beside")
    assert isinstance(beside.model, PeftModel) and quantised(beside.model.get_base_model())
    whole = load_policy(config(f"model={tmp_path / 'run' / 'model'}"), "whole")
    assert not quantised(whole.model)
    assert (logits(beside) - logits(whole)).abs().max() < 1e-4
    assert main(["export", str(tmp_path / "run"), "--into", str(tmp_path / "model"), "-q"]) == 0
    written = [
        (folder / "model.safetensors").read_bytes()
        for folder in (tmp_path / "run" / "model", tmp_path / "model")
    ]
    assert written[0] == written[1]
    row = read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]
    assert row["drift/token_mean"] < 1e-5 and row["gradient_norm"] > 0
