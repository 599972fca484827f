"""Whether `train.adapter` fits the model, before its weights are loaded or anything is sampled."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr.adapter_targets import covered
from rlvr.adapters import check_same, kind, name_of, read_adapter_config
from rlvr.config import Config
from rlvr.errors import ConfigError, PolicyError, UserError
from rlvr.launch.engine import asked
from rlvr.model_files import ADAPTER, Place, read_config_json
from rlvr.policy import device, load_whole, place_of
from rlvr.sampling import takes_vllm
from rlvr.soft_prompt import TOKENS, check_tokens, tokens_ahead, virtual_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check(config: Config) -> list[str]:
    """What `train.adapter` does to the model, in lines for a person. The model is built without memory for weights.

    Raises:
        ConfigError: the model's weights cannot be trained so; a target that is not there, or that peft refuses.
        PolicyError: the model's config.json, or an adapter's, cannot be used.
    """
    settings = config.train.adapter
    place = place_of(config)
    method = quantisation(place)
    if settings.kind == "full":
        check_same_kind(config, place)
        if method:
            raise ConfigError(
                f"train.adapter.kind is full, and {place.model} is quantised ({method}): its weights cannot be "
                "trained; train an adapter beside them with train.adapter.kind=lora, or give it in plain weights"
            )
        if place.adapter:
            return [f"the adapter {place.adapter} is merged into its base; all weights are trained"]
        return []
    if method:
        check_quantised(config, place, method)
    check_same_kind(config, place)
    on = f", going on with {place.adapter}" if place.adapter else ""
    if settings.kind == "soft_prompt":
        check_soft_prompt(config)
        return [f"soft_prompt{on}: {tokens_ahead(settings, place.adapter)} virtual tokens before each prompt"]
    adapted = kind(settings).attach(on_meta(place, config.trust_remote_code), place.adapter)
    return [f"{settings.kind}{on}: {covered(adapted)}"]


def check_same_kind(config: Config, place: Place) -> None:
    """Raises ConfigError where the model is an adapter of another kind than is to be trained."""
    asked = config.train.adapter.kind
    if place.adapter is None or (found := name_of(place.adapter)) == asked:
        return
    if found == "soft_prompt":
        raise ConfigError(
            f"train.adapter.kind is {asked}, and model={place.adapter} is a soft prompt, which no weights can hold: go "
            f"on with it (kind: soft_prompt), or take its base: model={place.model}"
        )
    if asked == "soft_prompt":
        raise ConfigError(
            f"train.adapter.kind is soft_prompt, and model={place.adapter} is an adapter of kind {found}: `rlvr export "
            f"{place.adapter}` writes a whole model, before whose prompts one can stand"
        )


def check_soft_prompt(config: Config) -> None:
    """Raises ConfigError where something of the run cannot put virtual tokens before prompts."""
    if takes_vllm(config.sampling, device().type):
        raise ConfigError(
            "train.adapter.kind is soft_prompt, and vLLM reads no embeddings in place of tokens here: set "
            "sampling.engine=transformers"
        )
    check_whole("train.adapter.kind is soft_prompt")


def check_whole(what: str) -> None:
    """Raises ConfigError where the launch shards weights."""
    if (engine := asked()) != "DDP":
        raise ConfigError(
            f"{what}, and this launch shards weights with {engine}: start it with plain processes (--processes N, "
            "torchrun), each of which holds the base"
        )


def on_meta(place: Place, trust_remote_code: bool) -> PreTrainedModel:
    """The model's structure, without memory for its weights. Raises PolicyError."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    read_config_json(place)
    load_whole()
    try:
        found = AutoConfig.from_pretrained(
            place.model, revision=place.revision, trust_remote_code=trust_remote_code
        )
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(found, trust_remote_code=trust_remote_code)
    except Exception as error:  # what a broken config.json provokes has no common class
        why = " ".join(str(error).split())[:300]
        raise PolicyError(f"model {place.model}: cannot be built: {why}") from error


FOUR_BITS = "bitsandbytes, 4 bits"


def quantisation(place: Place) -> str | None:
    """How the weights of a model are quantised, None where they are not. Raises PolicyError."""
    found = read_config_json(place).get("quantization_config")
    if not isinstance(found, dict):
        return None
    method = str(found.get("quant_method", "by no known method"))
    if method != "bitsandbytes":
        return method
    return FOUR_BITS if found.get("load_in_4bit") else f"{method}, 8 bits"


def check_quantised(config: Config, place: Place, method: str) -> None:
    """Raises ConfigError where an adapter on quantised weights would not train, or could not be exported."""
    if (
        method != FOUR_BITS
    ):  # bitsandbytes' 8 bits round the activations too: what is exported is another policy
        raise ConfigError(
            f"model {place.model} is quantised ({method}): adapters are trained on plain weights, or on 4-bit ones of "
            "bitsandbytes"
        )
    check_whole(f"model {place.model} is quantised")
    if find_spec("bitsandbytes") is None:
        raise ConfigError(f"model {place.model} is quantised: pip install bitsandbytes (rlvr[qlora])")
    if takes_vllm(config.sampling, device().type):
        raise ConfigError(
            f"model {place.model} is quantised, and vLLM takes no weights from a trainer of such a model: set "
            "sampling.engine=transformers"
        )


def check_resume(config: Config, checkpoint: Path) -> None:
    """Refuse a checkpoint of another kind of training than `train.adapter` asks for.

    Raises:
        UserError: names what the checkpoint holds, and how to start from it instead.
    """
    asked, holds = config.train.adapter, name_of(checkpoint) if (checkpoint / ADAPTER).is_file() else "full"
    start = f"to start a new run from its weights instead: model={checkpoint}"
    if holds != asked.kind:
        raise UserError(
            f"resume={checkpoint}: a checkpoint of train.adapter.kind {holds}, and this run's is {asked.kind}; {start}"
        )
    if holds != "full":
        defaults = {"r": asked.r or 16, "alpha": asked.alpha or 32, "tokens": asked.tokens or TOKENS}
        said, what = asked.model_copy(update=defaults), f"the checkpoint {checkpoint}"
        try:
            if holds == "soft_prompt":
                check_tokens(said, virtual_tokens(checkpoint), what)
            else:
                check_same(said, read_adapter_config(checkpoint), what)
        except ConfigError as error:
            raise UserError(f"resume={checkpoint}: {error}, or {start}") from error
