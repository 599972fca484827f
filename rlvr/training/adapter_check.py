"""Whether `train.adapter` fits the model, before its weights are loaded or anything is sampled."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr.adapter_targets import covered
from rlvr.adapters import check_same, kind, read_adapter_config
from rlvr.config import Config
from rlvr.errors import ConfigError, PolicyError, UserError
from rlvr.model_files import ADAPTER, Place, read_config_json
from rlvr.policy import device, place_of
from rlvr.sampling import takes_vllm

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
    adapted = kind(settings).attach(on_meta(place, config.trust_remote_code), place.adapter)
    on = f", going on with {place.adapter}" if place.adapter else ""
    return [f"{settings.kind}{on}: {covered(adapted)}"]


def on_meta(place: Place, trust_remote_code: bool) -> PreTrainedModel:
    """The model's structure, without memory for its weights. Raises PolicyError."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    read_config_json(place)
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
    asked, holds = config.train.adapter, "lora" if (checkpoint / ADAPTER).is_file() else "full"
    if (checkpoint / "sharded").is_dir():
        return  # says nothing of its kind; what does not fit is refused when it is read
    start = f"to start a new run from its weights instead: model={checkpoint}"
    if holds != asked.kind:
        raise UserError(
            f"resume={checkpoint}: a checkpoint of train.adapter.kind {holds}, and this run's is {asked.kind}; {start}"
        )
    if holds == "lora":
        found = read_adapter_config(checkpoint)
        defaults = {"r": asked.r or 16, "alpha": asked.alpha or 32}
        try:
            check_same(asked.model_copy(update=defaults), found, f"the checkpoint {checkpoint}")
        except ConfigError as error:
            raise UserError(f"resume={checkpoint}: {error}, or {start}") from error
