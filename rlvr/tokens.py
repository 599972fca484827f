"""Text ↔ tokens: what stands around a prompt, what is left out of a completion's text, which tokens end one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from rlvr.config import SamplingConfig
from rlvr.rendering import Template
from verifiers.extract import MARKS, Marks

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase


def encode(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], templated: bool = False
) -> list[list[int]]:
    """Token ids of rendered prompts.

    A chat template (`templated`) writes its own special tokens, as `apply_chat_template(tokenize=True)` has it. Plain
    text gets what the tokenizer's own call adds, but no end-of-text behind it, which would end the completion, and
    nothing twice that stands at its beginning already.
    """
    if templated or not prompts:
        return tokenizer(list(prompts), add_special_tokens=False)["input_ids"] if prompts else []  # type: ignore[return-value]
    before, after = _added(tokenizer)
    rows: Any = tokenizer(list(prompts))["input_ids"]
    twice = [*before, *before]
    cut = 1 if after[-1:] == [tokenizer.eos_token_id] else 0
    return [
        row[(len(before) if before and row[: len(twice)] == twice else 0) : len(row) - cut] for row in rows
    ]


def _added(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """What the tokenizer's own call puts before and after a text."""
    whole: Any = tokenizer("0")["input_ids"]
    bare: Any = tokenizer("0", add_special_tokens=False)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return list(whole[:start]), list(whole[start + len(bare) :])
    return [], []


def added_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The tokens that are always read as one, special ones among them, and their ids."""
    return cast(Any, tokenizer).get_added_vocab()


def declared_ends(tokenizer: PreTrainedTokenizerBase, generation: GenerationConfig | None) -> list[int]:
    """Every token id that the model's files say ends a completion."""
    declared = generation.eos_token_id if generation else None
    ids = [declared] if isinstance(declared, int) else list(declared or [])
    eos = tokenizer.eos_token_id
    if isinstance(eos, int) and eos not in ids:
        ids.insert(0, eos)
    return ids


def stopping(
    tokenizer: PreTrainedTokenizerBase,
    declared: Sequence[int],
    turn_end: int | None,
    settings: SamplingConfig,
) -> list[int]:
    """Every token id that ends a completion: those, what the settings name, and their stop strings that are one added
    token."""
    added = added_tokens(tokenizer)
    named = [added[text] for text in settings.stop if text in added]
    ends = [*declared, *([] if turn_end is None else [turn_end])]
    return list(dict.fromkeys([*ends, *settings.stop_token_ids, *named]))


def undeclared_turn_end(
    tokenizer: PreTrainedTokenizerBase, template: Template, declared: Sequence[int], marks: Marks = MARKS
) -> int | None:
    """The added token that ends an assistant's turn in the template, where no declared one does; or None.

    Of what the template writes behind the last answer of a conversation, else behind one that the user answers: there
    gpt-oss writes a token that also stands between thoughts and answer. Where a declared token follows in every turn,
    that one ends it.
    """
    added = added_tokens(tokenizer)
    thoughts = {mark for pair in marks for mark in pair}
    pattern = re.compile("|".join(map(re.escape, sorted(added, key=len, reverse=True))) or "(?!)")
    last, within = (
        [added[token] for token in pattern.findall(text) if token not in thoughts]
        for text in template.turn_ends()
    )
    ends = last or within
    if not ends or ends[0] in declared or set(within) & set(declared):
        return None
    return ends[0]


_known: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[Marks, frozenset[int] | None]] = WeakKeyDictionary()


def hidden_tokens(tokenizer: PreTrainedTokenizerBase, marks: Marks) -> frozenset[int] | None:
    """The special tokens that are left out of texts; None where these are all, none being part of a mark."""
    if tokenizer not in _known or _known[tokenizer][0] is not marks:
        special = {id_: str(token) for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
        special |= dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
        ends = (tokenizer.eos_token, tokenizer.bos_token, tokenizer.pad_token)
        shown = {
            id_
            for id_, text in special.items()
            if text not in ends and any(text in mark for pair in marks for mark in pair)
        }
        _known[tokenizer] = (marks, frozenset(special.keys() - shown) if shown else None)
    return _known[tokenizer][1]
