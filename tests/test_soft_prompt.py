"""A soft prompt from end to end: what peft's own forward says of it, what is trained, what becomes of its folder."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from rlvr import config as configuration
from rlvr import rollouts
from rlvr.cli import main
from rlvr.config import AdapterSection, EvidenceConfig
from rlvr.errors import PolicyError, UserError
from rlvr.evaluation import fitting, prompt_ids
from rlvr.evidence import Evidence
from rlvr.model_files import locate
from rlvr.policy import blueprint, load_policy
from rlvr.run import read_metrics
from rlvr.soft_embedding import of, put_on
from rlvr.training import adapter_check, rehearsal
from rlvr.training.export import logits
from rlvr.worlds.carry import TINY
from tests.test_adapters import LORA, SHORT, built, onward, said
from tests.training.handles import loop_of
from verifiers import Problem

VOCABULARY = 22
SOFT = "train.adapter={kind: soft_prompt, tokens: 4, init_text: <pad>}"
SECTION = AdapterSection(kind="soft_prompt", tokens=4, init_text="<pad>")
KEPT = ["train.checkpoint_every=2", "train.trl.save_total_limit=9", "train.reward=random"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("soft") / "run"
    assert main(["train", "quickstart", "--output", str(folder), *SHORT, *KEPT, SOFT, "train.steps=4"]) == 0
    return folder


@pytest.fixture(scope="module")
def middle(run) -> Path:
    return run / "checkpoints" / "checkpoint-2"


def config(*overrides: str) -> configuration.Config:
    words = [word for word in (*SHORT, *overrides) if not word.startswith("-")]
    return configuration.load(configuration.find("quickstart"), words)


def base() -> Any:
    return AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32).eval()


def by_peft(folder: Path) -> Any:
    return PeftModel.from_pretrained(base(), str(folder)).eval()


def rows_of(folder: Path) -> torch.Tensor:
    return load_file(folder / "adapter_model.safetensors")["prompt_embeddings"]


# ------------------------------------------------------------------ peft reads the same


@pytest.mark.parametrize("which", ["checkpoint", "model"])
def test_peft_loads_the_folder_and_its_forward_is_ours(run, middle, which):
    folder = middle if which == "checkpoint" else run / "model"
    policy = load_policy(config(f"model={folder}"), "soft")
    assert policy.adapter == folder and policy.source == str(TINY) and policy.weights == "memory"
    text = "37+48=7+8=15 carry 10"
    ids = policy.words(text)
    assert policy.encode([text]) == [[*range(VOCABULARY, VOCABULARY + 4), *ids]]
    with torch.no_grad():
        ours = policy.model(input_ids=torch.tensor(policy.encode([text]))).logits
        theirs = by_peft(folder)(input_ids=torch.tensor([ids])).logits
    assert ours.shape == theirs.shape == (1, 4 + len(ids), VOCABULARY)
    assert (ours - theirs).abs().max() < 1e-5
    assert (ours[:, 4:] - base()(input_ids=torch.tensor([ids])).logits).abs().max() > 0.1


def test_what_peft_wrote_is_read(tmp_path):
    torch.manual_seed(0)
    theirs: Any = get_peft_model(base(), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3))
    theirs.save_pretrained(tmp_path)
    policy = load_policy(config(f"model={tmp_path}"), "soft")
    ids = torch.tensor([policy.words("37+48=")])
    assert (logits_of(policy, "37+48=") - theirs.eval()(input_ids=ids).logits[0]).abs().max() < 1e-5


def logits_of(policy: Any, text: str) -> torch.Tensor:
    with torch.no_grad():
        return policy.model(input_ids=torch.tensor(policy.encode([text]))).logits[0]


def test_a_folder_is_evaluated_and_its_rows_are_what_peft_says(middle, tmp_path, monkeypatch):
    """The sampler's log-probabilities, on shared prefixes and with a cache, against peft's forward of whole rows."""
    monkeypatch.chdir(tmp_path)
    assert main(["eval", str(middle), "--output", "middle.jsonl", "-q"]) == 0
    settings = json.loads(Path("middle.settings.json").read_text())
    assert settings["model"] == str(TINY) and settings["adapter"] == str(middle)
    peft, words = by_peft(middle), load_policy(config(), "words").words
    for row in rollouts.read(Path("middle.jsonl")):
        prompt = words(row.prompt)
        assert row.token_ids is not None and max(row.token_ids) < VOCABULARY
        with torch.no_grad():
            found = peft(input_ids=torch.tensor([[*prompt, *row.token_ids]])).logits[0].log_softmax(-1)
        start = 4 + len(prompt) - 1
        nats = [found[start + i, token].item() for i, token in enumerate(row.token_ids)]
        assert row.logprobs[row.policy] == pytest.approx(sum(nats), abs=1e-4)


# ------------------------------------------------------------------ what is trained


@pytest.fixture
def loop(tmp_path, pool):
    def build(adapter: AdapterSection = SECTION, **train: Any):
        settings = {"steps": 2, "group_size": 4, "learning_rate": 1e-2, "reward": "random"} | train
        return loop_of(tmp_path / str(len(list(tmp_path.iterdir()))), pool, adapter=adapter, **settings)

    return build


def test_only_the_rows_have_a_gradient_and_the_base_stays_to_the_last_bit(loop):
    trained = loop()
    trained.backward(trained.sample(1), fresh=True)
    with_gradient = [name for name, p in trained.plain.named_parameters() if p.grad is not None]
    assert with_gradient == ["model.embed_tokens.rows"]
    soft = of(trained.plain)
    assert soft and soft.rows.grad is not None and (soft.rows.grad != 0).any(dim=1).all()
    before = soft.rows.detach().clone()
    trained.run()
    assert (soft.rows != before).any()
    state = trained.plain.state_dict()
    for name, weight in base().state_dict().items():
        name = name.replace("embed_tokens.weight", "embed_tokens.vocabulary.weight")
        assert torch.equal(state[name], weight), name
    named = dict(trained.plain.named_parameters())
    assert soft.weight is named["model.embed_tokens.vocabulary.weight"]
    assert trained.plain.get_input_embeddings() is soft


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_the_update_has_pefts_log_probabilities_and_gradient(tmp_path, pool, layout):
    """Σ log p of a step's samples and its derivative by the rows, against peft's forward of each row alone."""
    trained = loop_of(tmp_path, pool, layout=layout, adapter=SECTION, group_size=4, reward="random")
    batch = trained.sample(1)
    soft = of(trained.plain)
    assert soft is not None
    trained.plain.eval()
    peft: Any = get_peft_model(base(), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
    rows: Any = peft.prompt_encoder["default"].embedding.weight
    with torch.no_grad():
        rows.copy_(soft.rows)
    total = torch.zeros(())
    for group in batch.groups:
        prompt = [token for token in group.prompted.prompt if token < VOCABULARY]
        assert len(prompt) == len(group.prompted.prompt) - 4
        for sample in group.prompted.samples:
            ids = torch.tensor([[*prompt, *sample.token_ids]])
            found = peft(input_ids=ids).logits[0, 3 + len(prompt) : -1].log_softmax(-1)
            total = total + found.gather(-1, torch.tensor(sample.token_ids)[:, None]).sum()
    answer, _ = trained.forward(trained.model, [group.prompted for group in batch.groups])
    assert answer.logprobs.sum().item() == pytest.approx(total.item(), rel=1e-5)
    (ours,) = torch.autograd.grad(answer.logprobs.sum(), [soft.rows])
    (theirs,) = torch.autograd.grad(total, [rows])
    assert (ours - theirs).norm() < 1e-3 * theirs.norm()


def test_the_reference_is_the_base_without_the_virtual_tokens(loop):
    trained = loop(trl={"beta": 0.1})
    batch, plain = trained.sample(1), base()
    for group in batch.groups:
        prompt = [token for token in group.prompted.prompt if token < VOCABULARY]
        expected = []
        for sample in group.prompted.samples:
            ids = torch.tensor([[*prompt, *sample.token_ids]])
            with torch.no_grad():
                found = plain(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            expected.append(found.gather(-1, torch.tensor(sample.token_ids)[:, None])[:, 0])
        assert group.ref is not None
        torch.testing.assert_close(group.ref, torch.cat(expected), atol=2e-5, rtol=0)
    soft = of(trained.plain)
    assert soft and soft.on  # again


def test_rejection_draws_from_the_base_and_trains_what_reads_the_virtual_tokens(loop):
    trained = loop(algorithm="rejection", reward="verdict")
    groups = trained.collector.sample(1, 0).groups
    plain = base()
    for episode in (episode for group in groups for episode in group.episodes):
        assert max(episode.prompt_ids) < VOCABULARY
        ids = torch.tensor([[*episode.prompt_ids, *episode.token_ids]])
        with torch.no_grad():
            found = plain(input_ids=ids).logits[0, len(episode.prompt_ids) - 1 : -1].log_softmax(-1)
        nats = found.gather(-1, torch.tensor(episode.token_ids)[:, None]).sum().item()
        assert sum(episode.logprobs or []) == pytest.approx(nats, abs=1e-4)
    soft = of(trained.plain)
    assert soft is not None
    answer, _ = trained.forward(trained.model, [prompted_of(groups[0])])
    (gradient,) = torch.autograd.grad(answer.logprobs.sum(), [soft.rows])
    assert (gradient != 0).any()


def prompted_of(group: Any) -> Any:
    from rlvr.training.packing import Prompted, Sample

    samples = [Sample.of(e.token_ids, e.mask) for e in group.episodes]
    return Prompted(group.episodes[0].prompt_ids, samples)


def test_ids_of_the_vocabulary_are_embedded_as_before_and_a_tied_head_stays_tied(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    shape: dict[str, Any] = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 16,
    }
    model = LlamaForCausalLM(LlamaConfig(intermediate_size=8, tie_word_embeddings=True, **shape)).eval()
    ids = torch.tensor([[3, 1, 15]])
    before = model(input_ids=ids).logits
    rows = torch.randn(2, 8)
    put_on(model, rows)
    assert (model(input_ids=ids).logits == before).all()
    assert model.lm_head.weight is model.get_input_embeddings().weight
    embedded = model.get_input_embeddings()(torch.tensor([[17, 3, 16]]))[0]
    assert (embedded[[0, 2]] == rows[[1, 0]]).all() and (embedded[1] == model.lm_head.weight[3]).all()


# ------------------------------------------------------------------ its folder


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(run, tmp_path):
    again = tmp_path / "run"
    shutil.copytree(run, again)
    shutil.rmtree(again / "model")
    shutil.rmtree(again / "checkpoints" / "checkpoint-4")
    words = [*SHORT, *KEPT, SOFT, "train.steps=4"]
    assert main(["train", "quickstart", "--output", str(again), *words]) == 0
    for name in ("model", "checkpoints/checkpoint-4"):
        assert torch.equal(rows_of(again / name), rows_of(run / name))
    assert not torch.equal(rows_of(run / "model"), rows_of(run / "checkpoints" / "checkpoint-2"))


def test_a_run_stands_for_its_soft_prompt(run):
    place = locate(str(run))
    assert place.model == str(TINY) and place.adapter == run / "model"
    assert sorted(p.name for p in (run / "model").glob("adapter_*")) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


@pytest.mark.parametrize("more", [[], ["train.trl.beta=0.1"]], ids=["", "with a reference"])
def test_a_run_goes_on_with_a_soft_prompt(middle, tmp_path, more):
    assert onward(tmp_path / "run", f"model={middle}", "train.adapter.kind=soft_prompt", *more) == 0
    before, after = rows_of(middle), rows_of(tmp_path / "run" / "model")
    assert before.shape == after.shape == (4, 96)
    assert (
        0 < (before - after).abs().max() <= 0.011
    )  # one step of AdamW at 1e-2, from the rows that were there
    row = read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]
    assert row["drift/token_mean"] < 1e-5
    if more:  # the reference is the policy as this run found it, with its virtual tokens
        assert abs(row["kl"]) < 1e-6


def test_an_export_is_the_adapter_alone_and_no_merged_model(run, middle, tmp_path, capsys):
    assert main(["export", str(run), "--step", "2", "-q"]) == 2
    shown = said(capsys)
    assert "no part of the weights" in shown and "--adapter-only" in shown
    assert not (run / "model-step-2").exists()
    assert main(["export", str(middle), "--adapter-only", "--into", str(tmp_path / "a"), "-q"]) == 0
    assert torch.equal(rows_of(tmp_path / "a"), rows_of(middle))
    assert not (tmp_path / "a" / "optimizer.pt").exists()
    one, two = (load_policy(config(f"model={folder}"), "p") for folder in (middle, tmp_path / "a"))
    assert torch.equal(logits(one), logits(two))


def test_with_ppo_a_checkpoint_has_the_value_head_and_the_model_has_none(tmp_path):
    ppo = ["train.algorithm=ppo", "train.checkpoint_every=1", SOFT]
    assert onward(tmp_path / "run", *ppo) == 0
    checkpoint, model = tmp_path / "run" / "checkpoints" / "checkpoint-1", tmp_path / "run" / "model"
    there = load_file(checkpoint / "adapter_model.safetensors")
    assert set(there) == {"prompt_embeddings", "value_head.weight", "value_head.bias"}
    assert there["value_head.bias"].abs() > 0  # it learnt something
    assert set(load_file(model / "adapter_model.safetensors")) == {"prompt_embeddings"}
    policies = [load_policy(config(f"model={folder}"), "p") for folder in (checkpoint, model)]
    assert torch.equal(*map(logits, policies))
    assert onward(tmp_path / "run", *ppo, "train.steps=2") == 0  # goes on from it
    assert read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]["step"] == 2


# ------------------------------------------------------------------ refused, in one sentence


def harmed(**tensors: torch.Tensor):
    return lambda folder: save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})


def about(**keys: object):
    def change(folder: Path) -> None:
        there = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(there | keys))

    return change


BROKEN = {
    "a pickle": (
        lambda folder: (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin"),
        "has no adapter_model.safetensors",
    ),
    "torn": (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"12"), "cannot be read"),
    "no rows": (harmed(other=torch.zeros(4, 96)), "has no prompt_embeddings"),
    "another width": (harmed(prompt_embeddings=torch.zeros(4, 32)), "of 4 x 96, found 4 x 32"),
    "not finite": (harmed(prompt_embeddings=torch.full((4, 96), torch.nan)), "not finite"),
    "another number": (about(num_virtual_tokens=5), "of 5 x 96, found 4 x 96"),
    "no number": (about(num_virtual_tokens="4"), "expected num_virtual_tokens above 0, found '4'"),
    "another kind": (about(peft_type="PREFIX_TUNING"), "of kind PREFIX_TUNING; expected LORA or PROMPT_TUNING"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_soft_prompt_is_refused_in_words(middle, tmp_path, case):
    harm, words = BROKEN[case]
    shutil.copytree(middle, tmp_path / "adapter")
    harm(tmp_path / "adapter")
    with pytest.raises(PolicyError) as refused:
        load_policy(config(f"model={tmp_path / 'adapter'}"), "broken")
    assert words in str(refused.value) and "\n" not in str(refused.value)


KIND = "train.adapter.kind=soft_prompt"
REFUSED = {
    "all weights": (["model={soft}"], "is a soft prompt, which no weights can hold: go on with it"),
    "low-rank updates": (["model={soft}", LORA], "is a soft prompt, which no weights can hold"),
    "vLLM": ([KIND, "sampling.engine=vllm"], "set sampling.engine=transformers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_go_together_is_refused_before_anything_is_loaded(middle, case):
    keys, words = REFUSED[case]
    with pytest.raises(UserError) as refused:
        adapter_check.check(config(*(key.replace("{soft}", str(middle)) for key in keys)))
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("shards", ["FSDP2", "DeepSpeed"])
def test_launches_that_shard_weights_are_refused(monkeypatch, shards):
    monkeypatch.setenv(f"ACCELERATE_USE_{shards.upper().removesuffix('2')}", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    with pytest.raises(UserError, match=f"shards weights with {shards}: start it with plain processes"):
        adapter_check.check(config(KIND))


def test_a_low_rank_adapter_is_no_soft_prompt_to_go_on_with(tmp_path):
    from peft import LoraConfig

    get_peft_model(base(), LoraConfig(target_modules=["q_proj"])).save_pretrained(str(tmp_path))
    with pytest.raises(UserError, match=r"is an adapter of kind lora: `rlvr export .*` writes a whole model"):
        adapter_check.check(config(f"model={tmp_path}", KIND))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["train.adapter.tokens=5"], "train.adapter.tokens is 5, and .* has 4; leave the key out"),
        (["train.adapter.init_text=1+1="], "train.adapter.init_text: the soft prompt goes on with the one"),
    ],
)
def test_keys_that_contradict_the_soft_prompt_are_refused(middle, tmp_path, keys, words, capsys):
    assert onward(tmp_path / "run", f"model={middle}", KIND, *keys) == 2
    assert re.search(words, said(capsys)) and not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([KIND, "train.adapter.tokens=5"], "train.adapter.tokens is 5, and the checkpoint"),
        ([LORA], "a checkpoint of train.adapter.kind soft_prompt, and this run's is lora"),
    ],
)
def test_a_checkpoint_of_another_soft_prompt_is_not_resumed(middle, tmp_path, keys, words, capsys):
    assert onward(tmp_path / "run", f"resume={middle}", *keys) == 2
    assert words in said(capsys)


def test_a_text_that_is_too_long_is_refused(tmp_path, capsys):
    keys = [KIND, "train.adapter.tokens=2", "train.adapter.init_text=1+1="]
    assert onward(tmp_path / "run", *keys) == 2
    assert "train.adapter.init_text: expected 1 to 2 tokens (train.adapter.tokens), found 4" in said(capsys)


def test_a_family_whose_layers_embed_tokens_anew_is_refused(tmp_path):
    from rlvr.soft_prompt import check_takes

    keys: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "vocab_size": 64,
        "intermediate_size": 48,
    }
    name = built(tmp_path, "gemma3n_text", **keys).removeprefix("model=")
    from transformers import AutoConfig

    model: Any = type("Model", (), {"config": AutoConfig.from_pretrained(name), "name_or_path": name})()
    with pytest.raises(PolicyError, match="embeds the token ids anew"):
        check_takes(model)


def test_prompts_must_fit_the_context_with_the_virtual_tokens(tiny, tmp_path, capsys):
    """The embedded model reads 128 positions: 32 of a completion, 90 virtual tokens and a problem's 6 just fit."""
    short = [Problem("p", "82-29=", "53")]
    for fit in (
        prompt_ids,
        lambda policy, evidence, some, most, n: fitting(policy, [evidence], some, most, n),
    ):
        fit(tiny, Evidence(EvidenceConfig(question="{prompt}")), short, 32, 90)
        with pytest.raises(PolicyError, match="context of 128 tokens"):
            fit(tiny, Evidence(EvidenceConfig(question="{prompt}")), short, 32, 91)
    assert onward(tmp_path / "run", "train.adapter={kind: soft_prompt, tokens: 91}") == 2
    assert "do not fit the model's context of 128 tokens" in said(capsys)


def test_the_check_knows_that_the_base_needs_no_optimiser(tmp_path):
    """AdamW keeps two numbers of each trained weight; of the base there are the weights alone, in 4 bytes each."""
    asked = config("train.adapter={kind: soft_prompt, tokens: 8}")
    assert adapter_check.check(asked) == ["soft_prompt: 8 virtual tokens before each prompt"]
    args, kept = rehearsal.arguments(asked, tmp_path)
    sizes = rehearsal.sizes(asked, blueprint(asked), args, kept)
    whole, rows = sum(p.numel() for p in base().parameters()), 8 * 96
    assert (sizes.weights, sizes.trained_weights) == (whole, rows)
    assert sizes.in_memory == 4 * whole + 4 * rows + 2 * 4 * rows
    assert (sizes.checkpoint, sizes.model) == (3 * 4 * rows, 4 * rows)


# ------------------------------------------------------------------ it learns


@pytest.mark.slow
def test_the_verified_share_of_held_out_problems_rises_while_no_weight_moves(tmp_path):
    """4 x 96 numbers are trained; 32 held-out problems, 64 samples of each before and after, as the verifier judges.
    Measured: from 4.0 % to 7.5 %, with a paired standard error of 2.1 points."""
    words = [
        "train.adapter={kind: soft_prompt, tokens: 4, init_text: '+71}'}", "train.steps=50", "train.learning_rate=3e-2",
        "train.groups_per_step=8", "train.eval_every=0", "sampling.samples=64", "problems.heldout.limit=32",
        "problems.probes={}", "verification.workers=1", "analysis.search_budget=8", "-q",
    ]  # fmt: skip
    assert main(["run", "quickstart", "--output", str(tmp_path / "run"), *words]) == 0
    before, after = (shares(tmp_path / "run" / "rollouts" / f"{name}.jsonl") for name in ("base", "tuned"))
    gained = after - before  # of each problem, paired
    assert gained.mean() > 1.5 * gained.std() / len(gained) ** 0.5


def shares(file: Path) -> torch.Tensor:
    """(problems,) the verified share of each problem's samples."""
    scores: dict[str, list[float]] = {}
    for row in rollouts.read(file):
        scores.setdefault(row.problem_id, []).append(float(row.score == 1))
    return torch.tensor([sum(own) / len(own) for _, own in sorted(scores.items())])
