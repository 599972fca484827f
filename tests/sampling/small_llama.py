"""A model that vLLM runs on a CPU, and what it is to be told there."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

from rlvr.worlds.carry import TINY

CPU = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_LOGGING_LEVEL": "WARNING"}


def small_llama(folder: Path) -> Path:
    """Random weights with the embedded tokenizer; 32 is the smallest width of a head that vLLM takes on a CPU."""
    torch.manual_seed(0)
    size: dict[str, Any] = {
        "hidden_size": 128,
        "head_dim": 32,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
    }
    size |= {"num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 128}
    model = LlamaForCausalLM(LlamaConfig.from_pretrained(TINY, **size)).float()
    for parameter in model.parameters():
        if parameter.ndim == 2:  # far from uniform: other weights then give quite other log-probabilities
            torch.nn.init.normal_(parameter, std=0.15)
    model.generation_config = GenerationConfig.from_pretrained(TINY)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(TINY).save_pretrained(folder)
    return folder
