"""The policy: loading a causal language model and its tokenizer, and what this machine can do for it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from rlvr.config import Config
from rlvr.errors import UserError
from rlvr.launch.processes import processes
from rlvr.worlds.carry import TINY
from verifiers.extract import MARKS, Marks, with_further

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class PolicyError(UserError):
    """The model cannot be loaded or used; the message names it and what was found."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A model with its tokenizer, and the name under which rollouts record it ("base", "tuned", "step-50")."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    source: str
    weights: Literal["disk", "memory"] = "disk"
    """Whether the files at `source` hold these weights, or memory alone does (a policy in training). An engine that
    reads the files must not sample for the latter."""
    revision: str | None = None
    """Of `source`, where that is a Hub name."""
    trust_remote_code: bool = False
    thinking_marks: Marks = MARKS
    """What opens and closes a thought in its texts."""

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def stop_ids(self) -> list[int]:
        """Every token id that ends a completion: the model's own and the tokenizer's."""
        declared = self.model.generation_config.eos_token_id if self.model.generation_config else None
        ids = [declared] if isinstance(declared, int) else list(declared or [])
        eos = self.tokenizer.eos_token_id
        if isinstance(eos, int) and eos not in ids:
            ids.insert(0, eos)
        return ids

    @property
    def context(self) -> int | None:
        """Positions that the model was built for, where its config says so."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    def encode(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of rendered prompts. A chat template writes its own special tokens; plain text gets the
        tokenizer's (a beginning-of-text token, where it has one)."""
        bos = self.tokenizer.bos_token
        special = not (bos and prompts and prompts[0].startswith(str(bos)))
        ids = self.tokenizer(list(prompts), add_special_tokens=special)["input_ids"]
        eos = self.tokenizer.eos_token_id
        if special and eos is not None:  # some tokenizers append end-of-text, which would end the completion
            ids = [row[:-1] if len(row) > 1 and row[-1] == eos else row for row in ids]
        return ids  # type: ignore[return-value]

    def decode(self, token_ids: Sequence[int]) -> str:
        """What the policy wrote, without special tokens; but those of thinking marks stay, so that a verifier sees a
        thought that is not closed."""
        hidden = _hidden(self.tokenizer, self.thinking_marks)
        if hidden is None:
            return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True))
        shown = [token for token in token_ids if token not in hidden]
        return str(self.tokenizer.decode(shown, skip_special_tokens=False))

    def words(self, text: str) -> list[int]:
        """Token ids of a text in the middle of an episode: no special tokens are added."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])  # type: ignore[arg-type]


_known: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[Marks, frozenset[int] | None]] = WeakKeyDictionary()


def _hidden(tokenizer: PreTrainedTokenizerBase, marks: Marks) -> frozenset[int] | None:
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


def location(model: str) -> str:
    """Where `model` lies: the embedded default for `tiny`, a folder, or a Hub name, unchanged."""
    return str(TINY) if model == "tiny" else model


def check_location(model: str) -> None:
    """Refuse a model folder that cannot be loaded, before anything heavy is imported.

    Raises:
        PolicyError: a path that is no model folder.
    """
    folder = Path(location(model))
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            found = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
            raise PolicyError(f"model {model}: the folder has no config.json; found {found}")
    elif folder.exists() or model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise PolicyError(
            f"model {model}: expected a folder with config.json or a Hub name; there is no such folder"
        )


def load_policy(
    config: Config,
    name: str,
    source: str | Path | None = None,
    for_training: bool = False,
    weights: bool = True,
) -> Policy:
    """Load `source` (the config's model where None) in evaluation mode on the device at hand.

    Args:
        weights: False: the structure alone, for an engine that reads the weights itself.

    Weights that are trained whole stay in float32 under `dtype: auto` (the forward pass runs under bfloat16
    autocast on a GPU): at RLVR's learning rates, updates to bfloat16 weights round away.

    Raises:
        PolicyError: nothing loadable there, no safetensors weights, some of them missing, or no tokenizer.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, PretrainedConfig

    where = location(str(source or config.model))
    check_location(where)
    revision = config.revision if source in (None, config.model) else None
    whole = for_training and config.train.lora is None
    dtype = "float32" if config.dtype == "auto" and whole else config.dtype
    common: dict[str, Any] = {"revision": revision, "trust_remote_code": config.trust_remote_code}
    try:
        _check_config(PretrainedConfig.get_config_dict(where, revision=revision)[0])
        tokenizer = AutoTokenizer.from_pretrained(where, padding_side="left", **common)
        # safetensors only: a pickle in a model folder would be executed
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            where,
            dtype=resolve_dtype(dtype),
            device_map=None if weights else "meta",
            use_safetensors=True,
            output_loading_info=True,
            **common,
        )
    except Exception as error:  # what a broken folder provokes has no common class
        raise PolicyError(
            f"model {where}: cannot be loaded: {_torn_weights(where) or _in_words(error)}"
        ) from error
    model, found = loaded
    if missing := sorted(found["missing_keys"]):  # transformers would only warn, and draw them at random
        raise PolicyError(
            f"model {where}: {len(missing)} of its weights are not in its files, such as {missing[0]}"
        )
    if tokenizer.pad_token_id is None:  # padding is masked wherever it is: any token will do
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    if weights:
        model.to(device())  # type: ignore[arg-type]  # (transformers annotates `self` too narrowly)
    model.eval()
    return Policy(
        name,
        model,
        tokenizer,
        where,
        revision=revision,
        trust_remote_code=config.trust_remote_code,
        thinking_marks=with_further(config.thinking_marks),
    )


MOST_LAYERS = 2_000


def _check_config(found: Any) -> None:
    """What a config.json may not ask for: so many layers that building them never ends, code from a third place.

    Raises ValueError.
    """
    for section in (found, found.get("text_config")) if isinstance(found, dict) else ():
        if not isinstance(section, dict):
            continue
        for key in ("num_hidden_layers", "n_layer", "num_layers", "n_layers"):
            layers = section.get(key)
            if isinstance(layers, int) and not 0 <= layers <= MOST_LAYERS:
                raise ValueError(f"config.json: {key} is {layers}; expected 0 to {MOST_LAYERS:,}")
        for key in ("attn_implementation", "_attn_implementation"):  # "org/name" is a kernel to be fetched
            if isinstance(asked := section.get(key), str) and "/" in asked:
                raise ValueError(
                    f"config.json: {key} is {asked!r}, which would fetch and run code from the Hub"
                )


def device() -> torch.device:
    """The accelerator of this process, or the CPU."""
    found = processes().device
    assert found is not None  # None only before a state is initialised
    return found


def resolve_dtype(name: str) -> torch.dtype:
    """`auto` is bfloat16 on a GPU that has it, else float32."""
    import torch

    if name != "auto":
        return getattr(torch, name)
    bf16 = device().type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if bf16 else torch.float32


def _torn_weights(where: str) -> str | None:
    """Which weights file of a model folder cannot be read, and why."""
    from safetensors import SafetensorError, safe_open

    for file in sorted(Path(where).glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            return f"{file.name}: {_in_words(error)}"
    return None


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return textwrap.shorten(text, 300, placeholder=" …") or type(error).__name__
