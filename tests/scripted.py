"""A model folder built on the spot: a byte-level tokenizer of any kind, and a policy that writes what a table says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer_of(
    template: str | None = None,
    tokens: tuple[str, ...] = ("<|im_start|>", "<|im_end|>"),
    plain_tokens: tuple[str, ...] = (),
    bos: str | None = None,
    eos: str | None = "<|endoftext|>",
    prefix: tuple[str, ...] = (),
    suffix: tuple[str, ...] = (),
) -> PreTrainedTokenizerFast:
    """Bytes as tokens, and these. `prefix` and `suffix` are what the tokenizer adds to a text by itself."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = [t for t in dict.fromkeys((*tokens, bos, eos, *prefix, *suffix)) if t]
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    core.add_tokens([AddedToken(t, special=False, normalized=False) for t in plain_tokens])
    if prefix or suffix:
        around = [(t, core.token_to_id(t)) for t in dict.fromkeys((*prefix, *suffix))]
        single = " ".join((*prefix, "$A", *suffix))
        core.post_processor = processors.TemplateProcessing(single=single, special_tokens=around)
    made = PreTrainedTokenizerFast(tokenizer_object=core, bos_token=bos, eos_token=eos)
    made.chat_template = template
    return made


def model_folder(folder: Path, tokenizer: Any, script: dict[int, int] | None = None, eos: Any = None) -> Path:
    """A policy whose next token is `script[last token]`, else its own first end token."""
    size = -(-len(tokenizer) // 8) * 8
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id if eos is None else eos,
        bos_token_id=None,
        pad_token_id=None,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        model.model.norm.weight.fill_(1.0)
        layers: Any = model.model.layers
        for layer in layers:
            layer.input_layernorm.weight.fill_(1.0)
            layer.post_attention_layernorm.weight.fill_(1.0)
        head = torch.zeros(size, size)
        for last in range(size):
            head[(script or {}).get(last, tokenizer.eos_token_id or 0), last] = 5.0
        model.lm_head.weight.copy_(head)
    model.generation_config.eos_token_id = config.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def writes(tokenizer: Any, last: str, *pieces: str) -> dict[int, int]:
    """The script of a policy that goes on from a prompt that ends with `last` by writing `pieces`, each character or
    special token once."""
    ids = [tokenizer(last, add_special_tokens=False)["input_ids"][-1]]
    for piece in pieces:
        ids += tokenizer(piece, add_special_tokens=False)["input_ids"]
    assert len(set(ids)) == len(ids), "a token comes twice: the table has one entry for each"
    return dict(pairwise(ids))
