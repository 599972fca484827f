"""Every family of decoders that the installed transformers has, small and with random weights."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

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
NO_DECODER = re.compile(
    "bert|^(bart|big_bird|bigbird_pegasus|blenderbot|camembert|data2vec-text|electra|ernie|git|marian|mbart|mvp|pegasus|"
    "plbart|prophetnet|rembert|roformer|trocr|whisper|xlm|xlnet|xmod|reformer|musicgen|moshi|blt|cpmant|got_ocr2|fuyu|"
    "mllama|emu3|moss_transcribe_diarize|phi4_multimodal|musicgen_melody|blenderbot-small|.*_assistant|xlm-.*)$"
)
"""Encoders with a causal head, halves of encoder-decoders, and models that read images or sound beside the text."""


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
