"""Soft prompts (`train.adapter.kind: soft_prompt`): what is on disk, peft's PROMPT_TUNING, and what training begins
with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr.config import AdapterSection
from rlvr.errors import ConfigError, PolicyError
from rlvr.model_files import ADAPTER_WEIGHTS, adapter_config, in_words, whole_name

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PEFT_TYPE = "PROMPT_TUNING"
ROWS = "prompt_embeddings"
"""peft's name of them in the file."""
TOKENS = 16
"""Where the config does not say how many."""


@dataclass(frozen=True)
class SoftPrompt:
    """Virtual tokens before each prompt; the model's own weights stay. Between a checkpoint's steps and in `model/` it
    is an adapter's folder: there is no model that could stand alone."""

    settings: AdapterSection
    whole: Sequence[str] = ()
    words: Callable[[str], list[int]] | None = None

    def attach(self, model: PreTrainedModel, begun: Path | None = None) -> Any:
        from rlvr.soft_embedding import put_on

        check_takes(model)
        rows = self.first_rows(model) if begun is None else self._going_on(model, begun)
        model.requires_grad_(False)
        for name in self.whole:
            model.get_submodule(name).requires_grad_(True)
        put_on(model, rows)
        return model

    def loaded(self, model: PreTrainedModel, folder: Path) -> Any:
        from rlvr.soft_embedding import put_on

        check_takes(model)
        put_on(model, read_rows(model, folder))
        return model.requires_grad_(False)

    def saved(self, model: Any) -> list[torch.nn.Parameter]:
        return [p for p in model.parameters() if p.requires_grad]

    def save(self, model: Any, folder: Path, state: dict[str, torch.Tensor] | None = None) -> None:
        from peft import PromptTuningConfig
        from safetensors.torch import save_file

        tensors = self._tensors(model)
        PromptTuningConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=len(tensors[ROWS]),
            token_dim=tensors[ROWS].shape[1],
            num_transformer_submodules=1,
            base_model_name_or_path=whole_name(model.name_or_path),
            revision=getattr(model.config, "_commit_hash", None),  # of a Hub name
            inference_mode=True,
        ).save_pretrained(str(folder))
        save_file({n: t.detach().contiguous() for n, t in tensors.items()}, folder / ADAPTER_WEIGHTS, FORMAT)

    def missing_after_load(self, model: Any, folder: Path) -> list[str]:
        import torch
        from safetensors.torch import load_file

        there, own = load_file(folder / ADAPTER_WEIGHTS), self._tensors(model)
        with torch.no_grad():
            for name in own.keys() & there.keys():
                if own[name].shape != there[name].shape:
                    raise RuntimeError(
                        f"{name} is {list(there[name].shape)}, this run's {list(own[name].shape)}"
                    )
                own[name].copy_(there[name])
        return sorted(own.keys() - there.keys())

    def standalone(self, model: Any) -> None:
        return None

    def _tensors(self, model: Any) -> dict[str, torch.nn.Parameter]:
        """What is trained, by its name in the file."""
        from rlvr.soft_embedding import of

        soft = of(model)
        assert soft is not None
        beside = {f"{name}.{n}": p for name in self.whole for n, p in getattr(model, name).named_parameters()}
        return {ROWS: soft.rows} | beside

    def first_rows(self, model: PreTrainedModel) -> torch.Tensor:
        """(tokens, width) in float32, as the model embeds the words of `init_text`, repeated until there are enough,
        or tokens of its vocabulary drawn with torch's random numbers (Lester et al. 2021, §3.2).

        Raises:
            ConfigError: `init_text` has no tokens, or too many.
        """
        import torch

        embedding: Any = model.get_input_embeddings()
        count, text = self.settings.tokens or TOKENS, self.settings.init_text
        if text is None:
            ids = torch.randint(len(embedding.weight), (count,)).tolist()
        else:
            assert self.words is not None
            own = self.words(text)
            if not 1 <= len(own) <= count:
                raise ConfigError(
                    f"train.adapter.init_text: expected 1 to {count} tokens (train.adapter.tokens), found {len(own)}"
                )
            ids = list(islice(cycle(own), count))
        with torch.no_grad():
            return embedding(torch.tensor(ids, device=embedding.weight.device)).float().clone()

    def _going_on(self, model: PreTrainedModel, folder: Path) -> torch.Tensor:
        if self.settings.init_text is not None:
            raise ConfigError(
                f"train.adapter.init_text: the soft prompt goes on with the one that model={folder} names; leave it out"
            )
        rows = read_rows(model, folder)
        check_tokens(self.settings, len(rows), f"the adapter that model={folder} names")
        return rows


FORMAT = {"format": "pt"}


def check_takes(model: PreTrainedModel) -> None:
    """Raises PolicyError where a model reads its token ids elsewhere than in its input embedding."""
    config = model.config.get_text_config()
    if getattr(config, "hidden_size_per_layer_input", None):
        raise PolicyError(
            f"model {model.name_or_path}: every layer of {config.model_type} embeds the token ids anew, and virtual "
            "tokens have none: take train.adapter.kind=lora"
        )


def check_tokens(settings: AdapterSection, found: int, what: str) -> None:
    """Raises ConfigError where `train.adapter.tokens` contradicts a soft prompt that exists."""
    if settings.tokens is not None and settings.tokens != found:
        raise ConfigError(
            f"train.adapter.tokens is {settings.tokens}, and {what} has {found}; leave the key out"
        )


def read_rows(model: PreTrainedModel, folder: Path) -> torch.Tensor:
    """(tokens, width) in float32, of an adapter's folder.

    Raises:
        PolicyError: it is no soft prompt of this model, or cannot be read.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    embedding: Any = model.get_input_embeddings()
    file = folder / ADAPTER_WEIGHTS
    if not file.is_file():  # peft would take a pickle too
        raise PolicyError(f"model {folder}: the adapter has no {ADAPTER_WEIGHTS}")
    try:
        rows = load_file(file).get(ROWS)
    except (OSError, SafetensorError) as error:
        raise PolicyError(f"model {folder}: {ADAPTER_WEIGHTS} cannot be read: {in_words(error)}") from error
    if rows is None:
        raise PolicyError(f"model {folder}: {ADAPTER_WEIGHTS} has no {ROWS}")
    if rows.ndim != 2 or rows.shape[1] != embedding.weight.shape[1] or len(rows) != virtual_tokens(folder):
        raise PolicyError(
            f"model {folder}: the adapter does not fit its base: expected {ROWS} of {virtual_tokens(folder)} x "
            f"{embedding.weight.shape[1]}, found {' x '.join(map(str, rows.shape))}"
        )
    if not torch.isfinite(rows).all():
        raise PolicyError(f"model {folder}: {ROWS} is not finite")
    return rows.float().to(embedding.weight.device)


def is_one(folder: Path | None) -> bool:
    """Whether the adapter in `folder` is a soft prompt; False where there is no adapter."""
    return folder is not None and adapter_config(folder).get("peft_type") == PEFT_TYPE


def virtual_tokens(folder: Path) -> int:
    """How many virtual tokens the adapter in `folder` says that it has. Raises PolicyError where that is no number."""
    found = adapter_config(folder).get("num_virtual_tokens")
    if not isinstance(found, int) or found < 1:
        raise PolicyError(
            f"model {folder}: adapter_config.json: expected num_virtual_tokens above 0, found {found!r}"
        )
    return found


def tokens_ahead(settings: AdapterSection, begun: Path | None) -> int:
    """Virtual tokens that come before each prompt: those of the model's soft prompt, or that training puts there.

    Args:
        begun: the folder of an adapter that the model has.
    """
    if begun is not None and is_one(begun):
        return virtual_tokens(begun)
    return settings.tokens or TOKENS if settings.kind == "soft_prompt" else 0
