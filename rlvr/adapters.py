"""What a run trains, by kind: all weights (`full`), or an adapter beside weights that stay (`lora`, `soft_prompt`).

A kind is a class with four answers: what it puts on the model (`attach`), how a folder of it is sampled from
(`loaded`), what a checkpoint holds of it (`saved`, `save`, `missing_after_load`), and how it becomes a model that
stands alone (`standalone`). A further kind is one more class in `KINDS`, and its keys in
`config.training.AdapterSection`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rlvr.adapter_targets import check_targets, unsuited
from rlvr.config import AdapterSection
from rlvr.errors import ConfigError, PolicyError
from rlvr.model_files import ADAPTER_WEIGHTS, adapter_config, in_words, whole_name
from rlvr.soft_prompt import PEFT_TYPE, SoftPrompt

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel


class Kind(Protocol):
    def __init__(
        self,
        settings: AdapterSection,
        whole: Sequence[str] = (),
        words: Callable[[str], list[int]] | None = None,
    ) -> None:
        """
        Args:
            whole: modules that are trained whole beside an adapter (PPO's value head).
            words: token ids of a text; needed where `settings` has one.
        """
        ...

    def attach(self, model: PreTrainedModel, begun: Path | None = None) -> Any:
        """The model to train.

        Args:
            begun: the folder of an adapter to go on with.

        Raises:
            ConfigError: the settings do not fit the model, or the adapter.
        """
        ...

    def loaded(self, model: PreTrainedModel, folder: Path) -> Any:
        """The policy of the adapter in `folder` on its base, to sample from; nothing of it is trained.

        Raises:
            PolicyError: the adapter is not one of this model's, or its weights cannot be read.
        """
        ...

    def saved(self, model: Any) -> list[torch.nn.Parameter]:
        """The weights that a checkpoint holds, which `save` writes."""
        ...

    def save(self, model: Any, folder: Path, state: dict[str, torch.Tensor] | None = None) -> None:
        """Write them (`state`, where `model` holds parts of them) to `folder`, as transformers or peft load them."""
        ...

    def missing_after_load(self, model: Any, folder: Path) -> list[str]:
        """Read what `save` wrote to `folder` back into the model; the weights that are not there.

        Raises:
            OSError, RuntimeError: `folder` has no such file, or weights of other shapes.
        """
        ...

    def standalone(self, model: Any) -> PreTrainedModel | None:
        """The same policy as a plain model, which transformers saves and loads; `model` is used up. None where no
        weights could hold it: then what `save` writes is the policy, beside its base.

        Raises:
            PolicyError: this one cannot be merged.
        """
        ...


@dataclass(frozen=True)
class Full:
    """All weights are trained."""

    settings: AdapterSection
    whole: Sequence[str] = ()
    words: Callable[[str], list[int]] | None = None

    def attach(self, model: PreTrainedModel, begun: Path | None = None) -> Any:
        return model

    def loaded(self, model: PreTrainedModel, folder: Path) -> Any:
        return model

    def saved(self, model: Any) -> list[torch.nn.Parameter]:
        return list(model.parameters())

    def save(self, model: Any, folder: Path, state: dict[str, torch.Tensor] | None = None) -> None:
        model.save_pretrained(folder, state_dict=state, max_shard_size="1TB")  # one file

    def missing_after_load(self, model: Any, folder: Path) -> list[str]:
        from safetensors.torch import load_model

        return list(load_model(model, str(folder / "model.safetensors"))[0])

    def standalone(self, model: Any) -> PreTrainedModel:
        return model


@dataclass(frozen=True)
class Lora:
    """Low-rank updates beside weights that stay."""

    settings: AdapterSection
    whole: Sequence[str] = ()
    words: Callable[[str], list[int]] | None = None

    def attach(self, model: PreTrainedModel, begun: Path | None = None) -> Any:
        from peft import get_peft_model

        if begun is not None:
            return on_base(model, begun, self._going_on(begun))
        config = self.config(model)
        check_targets(model, config.target_modules, "train.adapter.target_modules")
        try:
            return named(get_peft_model(model, config), model)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"train.adapter: {in_words(error)}") from error

    def loaded(self, model: PreTrainedModel, folder: Path) -> Any:
        adapted = on_base(model, folder)
        return (adapted if stays_beside(adapted) else merged(adapted)).requires_grad_(False)

    def saved(self, model: Any) -> list[torch.nn.Parameter]:
        return [p for p in model.parameters() if p.requires_grad]

    def save(self, model: Any, folder: Path, state: dict[str, torch.Tensor] | None = None) -> None:
        model.save_pretrained(folder, state_dict=state)

    def missing_after_load(self, model: Any, folder: Path) -> list[str]:
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        found = set_peft_model_state_dict(model, load_file(folder / ADAPTER_WEIGHTS))
        return [name for name in found.missing_keys if "lora_" in name or "modules_to_save" in name]

    def standalone(self, model: Any) -> PreTrainedModel:
        if why := unmergeable(model):
            raise PolicyError(f"the adapter cannot be merged: {why}")
        return merged(on_plain_weights(model))

    def config(self, model: PreTrainedModel) -> LoraConfig:
        """peft's configuration of a new adapter on `model`."""
        from peft import LoraConfig

        asked = self.settings
        return LoraConfig(
            r=asked.r or 16,
            lora_alpha=asked.alpha or 32,
            lora_dropout=asked.dropout or 0.0,
            target_modules=targets(asked.target_modules),
            exclude_modules=[*self.whole, *([] if asked.target_modules else unsuited(model))] or None,
            use_rslora=asked.rslora,
            task_type="CAUSAL_LM",
            modules_to_save=list(self.whole) or None,
        )

    def _going_on(self, folder: Path) -> LoraConfig:
        """The configuration of the adapter in `folder`, to be trained further."""
        config = read_adapter_config(folder)
        check_same(self.settings, config, f"the adapter that model={folder} names")
        for key in ("use_dora", "layer_replication", "bias"):
            if (found := getattr(config, key, None)) and found != "none":
                raise ConfigError(
                    f"train.adapter: the adapter {folder} has {key}={found!r}, with which training does not go on; "
                    "train.adapter.kind=full merges it first"
                )
        if self.settings.dropout is not None:
            config.lora_dropout = self.settings.dropout
        if others := sorted(set(config.modules_to_save or ()) - {VALUE_HEAD}):
            raise ConfigError(
                f"train.adapter: the adapter {folder} was saved with whole modules ({', '.join(others)}), with which "
                "training does not go on; train.adapter.kind=full merges them first"
            )
        config.modules_to_save = list(self.whole) or None
        return config


VALUE_HEAD = "value_head"
"""PPO's: a checkpoint holds it beside the adapter, and it is no part of the policy."""

KINDS: dict[str, type[Kind]] = {"full": Full, "lora": Lora, "soft_prompt": SoftPrompt}
MOST_RANK = 1 << 16
PEFT_TYPES: dict[str, Literal["lora", "soft_prompt"]] = {"LORA": "lora", PEFT_TYPE: "soft_prompt"}
"""peft's name of a kind, in adapter_config.json."""


def kind(
    settings: AdapterSection, whole: Sequence[str] = (), words: Callable[[str], list[int]] | None = None
) -> Kind:
    """The kind that `train.adapter` names."""
    return KINDS[settings.kind](settings, whole, words)


def name_of(folder: Path) -> Literal["lora", "soft_prompt"]:
    """The kind's name of the adapter in `folder`. Raises PolicyError where it is none of `KINDS`."""
    found = adapter_config(folder).get("peft_type")
    if found not in PEFT_TYPES:
        raise PolicyError(f"model {folder}: an adapter of kind {found}; expected {' or '.join(PEFT_TYPES)}")
    return PEFT_TYPES[found]


def kind_of(folder: Path) -> Kind:
    """The kind of the adapter in `folder`. Raises as `name_of`."""
    return kind(AdapterSection(kind=name_of(folder)))


# ------------------------------------------------------------------ an adapter's folder


def read_adapter_config(folder: Path) -> LoraConfig:
    """peft's configuration of the adapter in `folder`. Raises PolicyError where peft cannot read it."""
    from peft import LoraConfig

    name_of(folder)
    try:
        config = LoraConfig.from_pretrained(str(folder))
    except Exception as error:  # whatever is in the file
        raise PolicyError(
            f"model {folder}: its adapter_config.json cannot be used: {in_words(error)}"
        ) from error
    assert isinstance(config, LoraConfig)
    if not isinstance(config.r, int) or not 1 <= config.r <= MOST_RANK or config.megatron_config:
        raise PolicyError(
            f"model {folder}: adapter_config.json: expected r from 1 to {MOST_RANK:,} and no megatron_config; "
            f"found {config.r!r} and {config.megatron_config!r}"
        )
    return config


def on_base(model: PreTrainedModel, folder: Path, config: LoraConfig | None = None) -> PeftModel:
    """`model` with the adapter in `folder`: trainable with a `config`, else as it is.

    Raises:
        PolicyError: the adapter is not one of this model's, or its weights cannot be read.
    """
    from peft import get_peft_model

    trained = config is not None
    if not (folder / ADAPTER_WEIGHTS).is_file():  # peft would take a pickle too
        raise PolicyError(f"model {folder}: the adapter has no {ADAPTER_WEIGHTS}")
    if config is None:
        config = read_adapter_config(folder)
        config.modules_to_save = [m for m in config.modules_to_save or () if m != VALUE_HEAD] or None
    config.inference_mode = not trained
    if config.exclude_modules == [VALUE_HEAD]:
        config.exclude_modules = None
    try:
        with quietly():
            adapted = get_peft_model(model, config)
            found = adapted.load_adapter(str(folder), "default", is_trainable=trained)
    except Exception as error:  # what a broken folder provokes has no common class
        raise PolicyError(f"model {folder}: the adapter does not fit its base: {in_words(error)}") from error
    missing = [name for name in found.missing_keys if "lora_" in name]
    if missing:
        raise PolicyError(
            f"model {folder}: {len(missing)} of the adapter's weights are not in its file, such as {missing[0]}"
        )
    return named(adapted, model)


def named(adapted: PeftModel, model: PreTrainedModel) -> PeftModel:
    """With the base's whole path in what it saves, so that the adapter finds it from any folder."""
    adapted.peft_config["default"].base_model_name_or_path = whole_name(str(model.name_or_path))
    return adapted


def check_same(settings: AdapterSection, config: LoraConfig, what: str) -> None:
    """Raises ConfigError where a key of `train.adapter` contradicts an adapter that exists."""
    every = settings.target_modules in (None, "all-linear")  # a saved adapter lists their names
    wanted = None if every else targets(settings.target_modules)
    pairs = {
        "r": (settings.r, config.r),
        "alpha": (settings.alpha, config.lora_alpha),
        "target_modules": (
            wanted if isinstance(wanted, str) else wanted and sorted(wanted),
            config.target_modules
            if isinstance(config.target_modules, str)
            else sorted(config.target_modules or ()),
        ),
        "rslora": (settings.rslora or None, config.use_rslora),
    }
    for key, (asked, found) in pairs.items():
        if asked is not None and asked != found:
            raise ConfigError(f"train.adapter.{key} is {asked}, and {what} has {found}; leave the key out")


def targets(asked: str | list[str] | None) -> str | list[str]:
    """As peft takes them: it would hold a single name against whole paths, as a regular expression."""
    if asked is None:
        return "all-linear"
    return [asked] if isinstance(asked, str) and re.fullmatch(r"[\w.]+", asked) else asked


# ------------------------------------------------------------------ merging


def unmergeable(model: PeftModel) -> str | None:
    """Why merging would give another policy; None where it gives the same."""
    plain: Any = model.get_base_model()
    head, inputs = plain.get_output_embeddings(), plain.get_input_embeddings()
    if head is None or getattr(head, "weight", None) is not getattr(inputs, "weight", None):
        return None
    adapted = [
        name for name, layer in (("head", head), ("embeddings", inputs)) if hasattr(layer, "base_layer")
    ]
    return f"it is on the {adapted[0]}, and head and embeddings share one matrix" if adapted else None


def stays_beside(model: PeftModel) -> bool:
    """Whether a policy to sample from keeps its adapter unmerged: the base is quantised, and would grow by merging."""
    return quantised(model.get_base_model()) or unmergeable(model) is not None


def merged(model: PeftModel) -> PreTrainedModel:
    """The base with the adapter in its weights; `model` is used up."""
    merge: Any = model.merge_and_unload
    return merge()


def quantised(model: Any) -> bool:
    """Whether the model's weights are stored in fewer bits than it computes with."""
    return getattr(model, "hf_quantizer", None) is not None


def keep_exact(model: PreTrainedModel) -> None:
    """bitsandbytes on a CPU with AVX-512: compute in the precision asked for. By default its layers repack themselves
    to bfloat16 as soon as they are in evaluation mode: sampler and update would be two policies."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            setattr(module, "support_avx512bf16_for_cpu", False)  # noqa: B010 (no attribute of nn.Module)


def on_plain_weights(model: PeftModel) -> PeftModel:
    """The adapter on the dequantised base. Merging into quantised weights would round the update away."""
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    base = model.get_base_model()
    if not quantised(base):
        return model
    config, state = model.peft_config["default"], get_peft_model_state_dict(model)
    unload: Any = model.unload
    with quietly():
        again = get_peft_model(dequantised(unload()), config)
    set_peft_model_state_dict(again, state)
    return again


def dequantised(model: Any) -> Any:
    """The model in plain weights of the precision that it computes with; `model` is used up.

    Raises:
        PolicyError: transformers cannot dequantise this kind.
    """
    try:
        plain = model.dequantize(dtype=model.dtype)
    except NotImplementedError as error:
        raise PolicyError(f"model {model.name_or_path}: cannot be dequantised: {in_words(error)}") from error
    if read := getattr(plain, "_weight_conversions", None):  # transformers would undo them in what it saves
        plain._weight_conversions = [conversion for conversion in read if can_be_undone(conversion)]
    return plain


def can_be_undone(conversion: Any) -> bool:
    """Whether a conversion of weights that were read can be undone in saving; reading quantised ones cannot."""
    try:
        conversion.reverse_transform()
    except NotImplementedError:
        return False
    return True


@contextmanager
def quietly():
    """Without peft's warnings about what is checked here."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
