"""Every family of decoders that the installed transformers has: is it sampled from and trained on rightly?

    python scripts/study/families.py                          # all, as docs/families.md says
    python scripts/study/families.py llama mamba --verbose    # some, printed only
    python scripts/study/families.py --write docs/families.md --json families.json

Each is built small with random weights and the embedded model's tokenizer, in a process of its own, so that a crash
costs one line. Then `rlvr run` evaluates, trains two steps of all weights and evaluates again, `rlvr train` trains
adapters, and the loop of a run samples and reads what it sampled. The truth beside it: each row alone, without
padding or cache, by the plain model as transformers loads it.

A family is *right* where sampler, update and gradient equal the truth, *refused* where the run stops before its first
sample with a sentence (exit code 2), and *wrong* otherwise. Exit code 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: families run beside each other

REPO = Path(__file__).resolve().parents[2]
LOGPROB, GRADIENT = 1e-3, 1e-3
"""What counts as equal in float32: nats of any token, and the relative error of a gradient. Rounding explains 1e-5."""
TIME_LIMIT = 240
LAYERS = 4
LARGEST = 12_000_000
"""Parameters; a family that my sizes do not make small is not built."""

SIZES: dict[str, int] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "attention_hidden_size", "lru_width"), 64),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "dff", "dim_ff"), 128),
    **dict.fromkeys(("shared_intermediate_size", "dense_intermediate_size"), 128),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), LAYERS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "linear_num_heads"), 4),
    **dict.fromkeys(("linear_num_key_heads", "linear_num_value_heads"), 4),
    **dict.fromkeys(("head_dim", "kv_channels", "attention_head_dim", "dim_head", "linear_head_dim"), 16),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim", "mamba_d_head"), 16),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "kv_lora_rank"), 16),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k"), 2),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "q_lora_rank"), 32),
    **dict.fromkeys(("n_group", "topk_group", "num_expert_group"), 1),
    **dict.fromkeys(("max_position_embeddings", "n_positions"), 128),
    **dict.fromkeys(("mamba_n_heads", "n_mamba_heads"), 8),
    **dict.fromkeys(("mamba_chunk_size", "chunk_size", "state_size", "mamba_d_state", "ssm_state_size"), 16),
    "num_key_value_heads": 2,
}
"""By the name of a setting, for every family that has it."""

OWN: dict[str, dict[str, Any]] = {
    "codegen": {"rotary_dim": 8},
    "gptj": {"rotary_dim": 8},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]], "window_size": 8},
    "cwm": {"bos_token_id": 2},
    "modernbert-decoder": {"bos_token_id": 2},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "falcon_h1": {"mamba_d_ssm": 128},
    "gemma3n_text": {
        "num_kv_shared_layers": 0,
        "hidden_size_per_layer_input": 16,
        "vocab_size_per_layer_input": 22,
        "laurel_rank": 8,
        "intermediate_size": [128] * LAYERS,
        "activation_sparsity_pattern": [0.0] * LAYERS,
    },
    "inkling_text": {"unpadded_vocab_size": 22, "rel_extent": 64, "sliding_window_size": 64},
    "inkling2_text": {"unpadded_vocab_size": 22, "rel_extent": 64, "sliding_window_size": 64},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "longcat_flash": {"expert_ffn_hidden_size": 32, "zero_expert_num": 2, "ffn_hidden_size": 64},
    "mamba2": {"num_heads": 8, "head_dim": 16},
    "zaya": {"num_experts_per_tok": 1},
    "bamba": {"attn_layer_indices": [1, 3]},
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"] * 2},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1},
    "gemma4_text": {
        "hidden_size_per_layer_input": 16,
        "vocab_size_per_layer_input": 22,
        "global_head_dim": 16,
        "num_kv_shared_layers": 0,
    },
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
        "indexer_budget": 64,
        "indexer_compress_ratio": 4,
        "hc_lowrank": 16,
        "output_gate_type": "sigmoid",
    },
    "zamba": {
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
    },
    "zamba2": {
        "layer_types": ["linear_attention", "hybrid"] * 2,
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
        "num_key_value_heads": 4,
    },
    "cohere_compass_text": {
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": 10000.0}
            for kind in ("full_attention", "sliding_attention")
        }
    },
    "mistral, window reached": {"sliding_window": 8},
    "phi3, window reached": {"sliding_window": 8},
    "gemma2, window reached": {"sliding_window": 8},
    "gemma3_text, window reached": {"sliding_window": 8},
    "olmo3, window reached": {"sliding_window": 8},
    "gpt_oss, window reached": {"sliding_window": 8},
    "qwen2, window reached": {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 2},
    "olmoe, router loss": {},
    "mixtral, router loss": {},
}
"""Settings of a family's own; a name with a comma is a family once more, in another form."""
OVERRIDES = {"router loss": ["train.trl.router_aux_loss_coef=0.01"]}

ADAPTERS = ["train.lora.r=4", "train.steps=1"]

NO_DECODER = re.compile(
    "bert|^(bart|big_bird|bigbird_pegasus|blenderbot|camembert|data2vec-text|electra|ernie|git|marian|mbart|mvp|pegasus|"
    "plbart|prophetnet|rembert|roformer|trocr|whisper|xlm|xlnet|xmod|reformer|musicgen|moshi|blt|cpmant|got_ocr2|fuyu|"
    "mllama|emu3|moss_transcribe_diarize|phi4_multimodal|musicgen_melody|blenderbot-small|.*_assistant|xlm-.*)$"
)
"""Encoders with a causal head, halves of encoder-decoders, and models that read images or sound beside the text."""

VERIFIER = """def half(problem, response):
    'Solved for half of all texts, so that groups have variance.'
    return float(sum(map(ord, response)) % 2)
"""
CONFIG = """
model: {model}
problems: {{train: {{world: train, limit: 40}}, heldout: {{world: heldout, limit: 6}}}}
evidence: {{template: plain, question: "{{prompt}}"}}
verifier: ./half.py:half
verification: {{workers: 1}}
sampling: {{samples: 4, max_new_tokens: 12}}
train: {{steps: 2, groups_per_step: 4, group_size: 4, learning_rate: 1e-3, checkpoint_every: 0}}
analysis: {{search_budget: 2, replicates: 100}}
"""


# ------------------------------------------------------------------ small models


def families() -> list[str]:
    """The model types of transformers that decode text, and the further forms."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    types = [name for name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES if not NO_DECODER.search(name)]
    return sorted({*types, *OWN}, key=lambda name: name.lower())


def small_config(family: str) -> Any:
    """The family's own configuration with small sizes, and every kind of layer that it has."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    make: Any = CONFIG_MAPPING[family.split(",")[0]]
    if "text_config" in make.sub_configs:  # beside it, what reads images: small too, and not asked
        parts = {key: small_part(family, key, kind) for key, kind in make.sub_configs.items()}
        return make(**{key: part for key, part in parts.items() if part is not None})
    given = vars(make())
    chosen: dict[str, Any] = {k: v for k, v in SIZES.items() if k in given and isinstance(given[k], int)}
    chosen |= {k: SIZES[k] for k in ("head_dim", "num_key_value_heads") if k in given and given[k] is None}
    if "kv_lora_rank" in given:
        chosen["num_key_value_heads"] = SIZES["num_attention_heads"]
    for key in ("layer_types", "mlp_layer_types", "layers_block_type"):
        kinds = list(dict.fromkeys(given.get(key) or ()))
        if len(kinds) > 1:
            chosen[key] = (kinds * LAYERS)[:LAYERS]
    tokens = {"vocab_size": 22, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    return make(**chosen | tokens | OWN.get(family, {}))


TEXT = {"gemma3": "gemma3_text"}
"""Where a family does not name the kind of its text model."""
VISION = {
    "model_type": "siglip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}


def small_part(family: str, key: str, kind: Any) -> dict[str, Any] | None:
    """One of the configurations that a model of several parts is made of."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if key == "text_config":
        return small_config(TEXT.get(family, "") or kind.model_type).to_dict()
    if key == "vision_config" and not getattr(kind, "model_type", ""):
        return VISION
    if getattr(kind, "model_type", None) not in CONFIG_MAPPING:
        return None
    return {k: v for k, v in SIZES.items() if isinstance(vars(kind()).get(k), int)}


def build(family: str, folder: Path) -> None:
    """A model of the family with random weights, and the embedded model's tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    from rlvr.worlds.carry import TINY

    config = small_config(family)
    with torch.device("meta"):
        size = sum(p.numel() for p in AutoModelForCausalLM.from_config(config).parameters())
    if size > LARGEST:
        raise ValueError(f"{size:,} parameters with small sizes")
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for weights in model.parameters():  # far from uniform, so that a wrong mask shows
            if weights.dim() > 1:
                weights.mul_(3)
    if model.generation_config is not None:
        model.generation_config.eos_token_id = 1
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TINY / file, folder)


# ------------------------------------------------------------------ what is measured


def truth(folder: Path, rows: Sequence[tuple[list[int], list[int]]]) -> tuple[Any, Any]:
    """Log-probabilities of (prompt, sample) rows, each alone, and the gradient of their weighted sum by name."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).float().eval()
    parts = []
    for prompt, sample in rows:
        logits = model(input_ids=torch.tensor([[*prompt, *sample]]), use_cache=False).logits[0].float()
        logp = logits[len(prompt) - 1 : -1].log_softmax(-1)
        parts.append(logp[range(len(sample)), sample])
    logprobs = torch.cat(parts)
    weighted(logprobs).backward()
    return logprobs.detach(), gradient(model)


def weighted(logprobs: Any) -> Any:
    import torch

    return (logprobs * torch.linspace(-1, 1, len(logprobs))).sum()


def gradient(model: Any) -> dict[str, Any]:
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def measure(family: str, folder: Path) -> dict[str, Any]:
    """Sampler and update of the loop that a run builds, against the truth."""
    import torch

    from rlvr import config as configuration
    from rlvr.evaluation import Evaluator
    from rlvr.evidence import Evidence
    from rlvr.run import Run
    from rlvr.sampling import SampleRequest
    from rlvr.sampling.abilities import abilities
    from rlvr.terminal import Terminal
    from rlvr.training.build import build as build_loop
    from rlvr.training.checkpoints import Checkpoints
    from rlvr.training.packing import Prompted, Sample
    from rlvr.worlds import carry
    from verifiers.pool import VerifierPool

    config = configuration.load(folder / "run.yaml", overrides(family))
    run = Run(folder / "measured")
    (run.folder / "rollouts").mkdir(parents=True)
    found: dict[str, Any] = {}
    with VerifierPool("math", workers=1) as pool:
        said: list[str] = []

        class Heard(Terminal):
            def say(self, text: str) -> None:
                said.append(text)

        evaluator = Evaluator(config, Evidence(config.evidence), pool, Heard(quiet=True))
        began = time.perf_counter()
        loop = build_loop(
            config,
            carry.problems("train", 40),
            evaluator,
            run,
            Checkpoints(run.checkpoints, 2, evaluator.terminal.say),
            due=lambda step: False,
            evaluate=lambda sampler, step: {},
            advance=lambda *_, **__: None,
        )
        found["build_s"] = round(time.perf_counter() - began, 2)
        found["update"] = loop.forward.kind or "padded"
        found["why_update"] = next((s for s in said if s.startswith("The update runs")), "")
        prompts = [[5, 6, 7, 8], list(range(5, 17)), [9, 8, 7], [12, 11, 10, 9, 8, 7, 6]]
        wanted = [SampleRequest(i, 10 * i + s) for i in range(4) for s in range(4)]
        with loop.collector.current.sampler("policy") as sampler:
            able = abilities(sampler.policy)
            found["sampler"] = (
                "uncached" if able.why_uncached else "copied" if able.why_unshared else "shared"
            )
            found["unpadded"] = able.why_unpadded
            found["why_sampler"] = able.why_uncached or able.why_unshared
            drawn = sampler.generate(prompts, wanted)
        rows = [(prompts[w.prompt], c.token_ids) for w, c in zip(wanted, drawn, strict=True)]
        expected, expected_gradient = truth(folder / "model", rows)
        sampled = torch.tensor([value for c in drawn for value in c.logprobs])
        found["sampler_error"] = float((sampled - expected).abs().max())
        groups = [Prompted(p, [Sample(s, [True] * len(s)) for q, s in rows if q is p]) for p in prompts]
        loop.model.train()
        loop.plain.zero_grad()
        answer, _ = loop.forward(loop.model, groups)
        found["update_error"] = float((answer.logprobs.detach() - expected).abs().max())
        weighted(answer.logprobs).backward()
        ours = gradient(loop.plain)
        names = ours.keys() | expected_gradient.keys()
        zero = torch.zeros(())
        apart = sum(((ours.get(n, zero) - expected_gradient.get(n, zero)) ** 2).sum() for n in names)
        length = sum((g**2).sum() for g in expected_gradient.values())
        found["gradient_error"] = float((apart / length) ** 0.5)
    return found


def overrides(family: str) -> list[str]:
    return next((keys for form, keys in OVERRIDES.items() if family.endswith(form)), [])


def command(verb: str, family: str, folder: Path, *more: str) -> dict[str, Any]:
    """`rlvr VERB` on the family's config, in this process: its exit code and its last words."""
    from rlvr import cli

    words = folder / f"{verb}{len(more)}.txt"
    with words.open("w") as out:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(out.fileno(), stream.fileno())
    os.chdir(folder)
    keys = [*overrides(family), *more]
    try:
        code = cli.main([verb, "run.yaml", "-q", "--output", f"runs-{verb}-{len(more)}", *keys])
    except BaseException as error:
        return {
            "code": 1,
            "says": f"{type(error).__name__}: {error}"[:300],
            "where": traceback.format_exc()[-1500:],
        }
    finally:
        sys.stderr.flush()
    lines = [line for line in words.read_text().splitlines() if line.startswith("rlvr: ")]
    return {"code": code, "says": lines[-1][6:] if code and lines else ""}


def one(family: str, folder: Path) -> dict[str, Any]:
    """Everything about one family, each part in a process of its own."""
    (folder / "half.py").write_text(VERIFIER)
    (folder / "run.yaml").write_text(CONFIG.format(model=folder / "model"))
    found: dict[str, Any] = {"family": family}
    built = apart(lambda: build(family, folder / "model") or {}, folder / "built.json")
    if "crash" in built:
        return found | {"unbuilt": built["crash"]}
    return found | {
        "measured": apart(lambda: measure(family, folder), folder / "measured.json"),
        "full": apart(lambda: command("run", family, folder), folder / "full.json"),
        "lora": apart(lambda: command("train", family, folder, *ADAPTERS), folder / "lora.json"),
    }


# ------------------------------------------------------------------ processes


def apart(work: Callable[[], dict[str, Any]], into: Path) -> dict[str, Any]:
    """The result of `work` in a child of this process; {"crash": …} where it raised, died or took too long."""
    child = os.fork()
    if child == 0:
        os.setsid()
        try:
            found = work()
        except BaseException as error:
            found = {
                "crash": f"{type(error).__name__}: {error}"[:400],
                "where": traceback.format_exc()[-1500:],
            }
        with suppress(BaseException):
            into.write_text(json.dumps(found))
        os._exit(0)
    deadline = time.monotonic() + TIME_LIMIT
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return {"crash": f"took longer than {TIME_LIMIT} s"}
        time.sleep(0.05)
    return json.loads(into.read_text()) if into.exists() else {"crash": "the process died"}


def warm() -> None:
    """Import once what every child needs."""
    import peft  # noqa: F401
    import transformers
    import trl  # noqa: F401

    import rlvr.pipeline
    import rlvr.report
    import rlvr.training.build  # noqa: F401

    transformers.logging.set_verbosity_error()


def study(names: Sequence[str], at_once: int, tell: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """All families, `at_once` beside each other, in the order of their names."""
    warm()
    waiting, running, results = list(names), {}, {}
    with tempfile.TemporaryDirectory(prefix="families-") as temporary:
        while waiting or running:
            while waiting and len(running) < at_once:
                name = waiting.pop(0)
                folder = Path(temporary) / re.sub(r"\W+", "-", name)
                folder.mkdir()
                sys.stdout.flush()
                child = os.fork()
                if child == 0:
                    began = time.monotonic()
                    found = one(name, folder)
                    found["seconds"] = round(time.monotonic() - began, 1)
                    (folder / "result.json").write_text(json.dumps(found))
                    os._exit(0)
                running[child] = (name, folder)
            child, _ = os.wait()
            name, folder = running.pop(child)
            results[name] = json.loads((folder / "result.json").read_text())
            shutil.rmtree(folder)
            tell(results[name])
    return [results[name] for name in names]


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("families", nargs="*", help="unset: all")
    parse.add_argument("--json", type=Path)
    parse.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    args = parse.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    results = study(
        args.families or families(), args.at_once, lambda found: print(json.dumps(found), flush=True)
    )
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
