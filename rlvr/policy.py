"""The policy: loading a causal language model and its tokenizer, and what this machine can do for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rlvr import adapters, tokens
from rlvr.config import Config, SamplingConfig
from rlvr.errors import PolicyError
from rlvr.launch.processes import processes
from rlvr.model_files import Place, copy_beside, in_words, locate, read_config_json
from rlvr.rendering import Template, on_day
from verifiers.extract import MARKS, Marks, with_further

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


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
    adapter: Path | None = None
    """The folder of an adapter: `source` is its base, and the weights are those of both."""
    revision: str | None = None
    """Of `source`, where that is a Hub name."""
    trust_remote_code: bool = False
    thinking_marks: Marks = MARKS
    """What opens and closes a thought in its texts."""
    turn_end: int | None = None
    """The token that ends a turn in the chat template, where prompts are made with one and the model declares none of
    the tokens that stand there."""
    own_template: bool = True
    """Whether the chat template is that of the tokenizer's files, not the config's."""

    @property
    def place(self) -> Place:
        """Where its files lie."""
        return Place(self.source, self.revision, self.adapter)

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def stop_ids(self) -> list[int]:
        """Every token id that ends a completion: the model's own, the tokenizer's, and the end of a turn."""
        ids = tokens.declared_ends(self.tokenizer, self.model.generation_config)
        return ids if self.turn_end is None else [*ids, self.turn_end]

    def stops_at(self, settings: SamplingConfig) -> list[int]:
        """The same, and those that the settings name."""
        ends = tokens.declared_ends(self.tokenizer, self.model.generation_config)
        return tokens.stopping(self.tokenizer, ends, self.turn_end, settings)

    @property
    def context(self) -> int | None:
        """Positions that the model was built for, where its config says so."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    def encode(self, prompts: Sequence[str], templated: bool = False) -> list[list[int]]:
        """Token ids of rendered prompts, as the policy reads them; see `tokens.encode`."""
        return [self.reads(ids) for ids in tokens.encode(self.tokenizer, prompts, templated)]

    def reads(self, prompt: Sequence[int]) -> list[int]:
        """What the policy reads of a prompt's token ids: behind its virtual tokens, where a soft prompt has some. No
        text has these, and nothing is decoded of them."""
        from rlvr.soft_embedding import ahead_of

        return ahead_of(self.model, prompt)

    def decode(self, token_ids: Sequence[int]) -> str:
        """What the policy wrote, without special tokens; but those of thinking marks stay, so that a verifier sees a
        thought that is not closed."""
        if token_ids and token_ids[-1] == self.turn_end:  # which some tokenizers do not call special
            token_ids = token_ids[:-1]
        hidden = tokens.hidden_tokens(self.tokenizer, self.thinking_marks)
        if hidden is None:
            return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True))
        shown = [token for token in token_ids if token not in hidden]
        return str(self.tokenizer.decode(shown, skip_special_tokens=False))

    def words(self, text: str) -> list[int]:
        """Token ids of a text in the middle of an episode: no special tokens are added."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])  # type: ignore[arg-type]


def place_of(config: Config, source: str | Path | None = None) -> Place:
    """Where `source` lies (the config's model where None), with the config's revision and base if it is that."""
    if source in (None, config.model):
        return locate(config.model, config.revision, config.base_model)
    return locate(str(source))


def load_policy(
    config: Config,
    name: str,
    source: str | Path | None = None,
    for_training: bool = False,
    weights: bool = True,
) -> Policy:
    """Load `source` (the config's model where None) in evaluation mode on the device at hand.

    A low-rank adapter is merged into its base in memory, which gives the same distribution and decodes faster; it stays
    beside a quantised base, and beside one that it shares a matrix with. A soft prompt stays in front. To go on
    training an adapter (`train.adapter`), the base is loaded alone.

    Args:
        weights: False: the structure alone, for an engine that reads the weights itself.

    Weights that are trained whole stay in float32 under `dtype: auto` (the forward pass runs under bfloat16
    autocast on a GPU): at RLVR's learning rates, updates to bfloat16 weights round away.

    Raises:
        PolicyError: nothing loadable there, no safetensors weights, some of them missing, or no tokenizer.
    """
    place = place_of(config, source)
    whole = for_training and config.train.adapter.kind == "full"
    dtype = "float32" if config.dtype == "auto" and whole else config.dtype
    read_config_json(place)
    tokenizer = load_tokenizer(config, source)
    with nullcontext() if for_training else every_process_reads():
        model: Any = load_model(place, resolve_dtype(dtype), weights, config.trust_remote_code)
    if place.adapter and weights and (whole or not for_training):
        model = adapters.kind_of(place.adapter).loaded(model, place.adapter).requires_grad_(whole)
    model.eval()
    return Policy(
        name,
        model,
        tokenizer,
        place.model,
        weights="memory" if place.adapter else "disk",
        adapter=place.adapter,
        revision=place.revision,
        trust_remote_code=config.trust_remote_code,
        thinking_marks=with_further(config.thinking_marks),
        turn_end=turn_end(config, tokenizer, model.generation_config),
        own_template=config.evidence.chat_template is None,
    )


def load_model(
    place: Place, dtype: torch.dtype, weights: bool = True, trust_remote_code: bool = False
) -> PreTrainedModel:
    """A model's own weights, without an adapter, on the device at hand. Raises PolicyError."""
    from transformers import AutoModelForCausalLM

    load_whole()
    where = place.model
    of = f" (the base of {place.adapter}; base_model=… names another)" if place.adapter else ""
    with _loading(f"model {where}{of}:", where):
        # safetensors only: a pickle in a model folder would be executed
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            where,
            dtype=dtype,
            device_map=None if weights else "meta",
            use_safetensors=True,
            output_loading_info=True,
            revision=place.revision,
            trust_remote_code=trust_remote_code,
        )
    model, found = loaded
    if missing := sorted(found["missing_keys"]):  # transformers would only warn, and draw them at random
        raise PolicyError(
            f"model {where}: {len(missing)} of its weights are not in its files, such as {missing[0]}"
        )
    if adapters.quantised(model):
        adapters.keep_exact(model)  # they are on the device already
    elif weights:
        model.to(device())
    return model


def load_whole() -> None:
    """Models that are loaded from here on are whole: accelerate shares them out in training. Where a launch asks for
    ZeRO-3, making a GRPOConfig tells transformers to partition each."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()


@contextmanager
def every_process_reads() -> Iterator[None]:
    """A block in which each process reads a model's weights for itself. Under FSDP's `cpu_ram_efficient_loading`, which
    is accelerate's default, transformers leaves them empty in all but the first, for FSDP to fill in training."""
    name = "FSDP_CPU_RAM_EFFICIENT_LOADING"
    before = os.environ.get(name)
    if before is None:
        yield
        return
    os.environ[name] = "false"
    try:
        yield
    finally:
        os.environ[name] = before


def load_tokenizer(config: Config, source: str | Path | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of `source` (the config's model where None), with the chat template of the config, if it names one.

    Raises:
        PolicyError: there is none, or `sampling.stop_token_ids` names a token that it does not have.
    """
    from transformers import AutoTokenizer

    place = place_of(config, source)
    own = place.adapter is not None and (place.adapter / "tokenizer_config.json").is_file()
    where, revision = (str(place.adapter), None) if own else (place.model, place.revision)
    with _loading(f"model {where}: its tokenizer"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            where, padding_side="left", revision=revision, trust_remote_code=config.trust_remote_code
        )
    if config.evidence.chat_template is not None:
        tokenizer.chat_template = config.evidence.chat_template
    if config.evidence.today is not None and isinstance(tokenizer.chat_template, str):
        tokenizer.chat_template = on_day(tokenizer.chat_template, config.evidence.today)
    if tokenizer.pad_token_id is None:  # padding is masked wherever it is: any token will do
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    for id_ in config.sampling.stop_token_ids:
        if id_ >= len(tokenizer):
            raise PolicyError(
                f"sampling.stop_token_ids: {id_} is no token of model {where}, which has {len(tokenizer):,}"
            )
    return tokenizer


def load_generation(config: Config) -> GenerationConfig:
    """The generation settings of the config's model, as transformers gives them to it. Raises PolicyError."""
    from transformers import AutoConfig, GenerationConfig

    place = place_of(config)
    where, common = place.model, dict[str, Any](revision=place.revision)
    with _loading(f"model {where}:"):
        try:
            return GenerationConfig.from_pretrained(where, **common)
        except OSError:  # it has none of its own
            model = AutoConfig.from_pretrained(where, trust_remote_code=config.trust_remote_code, **common)
            return GenerationConfig.from_model_config(model)


def turn_end(
    config: Config, tokenizer: PreTrainedTokenizerBase, generation: GenerationConfig | None
) -> int | None:
    """`Policy.turn_end`. Raises EvidenceError where the chat template and the config do not fit together."""
    if config.evidence.template != "chat":
        return None
    declared = tokens.declared_ends(tokenizer, generation)
    template = Template.of(tokenizer, config.evidence)
    return tokens.undeclared_turn_end(tokenizer, template, declared, with_further(config.thinking_marks))


@contextmanager
def _loading(what: str, weights: str | None = None) -> Iterator[None]:
    """What is wrong with a broken folder, in words. Raises PolicyError."""
    try:
        yield
    except Exception as error:  # what it provokes has no common class
        why = (weights and _torn_weights(weights)) or in_words(error)
        raise PolicyError(f"{what} cannot be loaded: {why}") from error


def blueprint(config: Config) -> Policy:
    """The config's model without its weights: tokenizer, and structure on torch's meta device. Of a Hub name, small
    files alone are fetched; of a folder, it is known whether it has every weight.

    Raises:
        PolicyError: as `load_policy`.
    """
    place = place_of(config)
    quantised = "quantization_config" in read_config_json(place)  # such weights are not read without memory
    if Path(place.model).is_dir() and not quantised:
        return load_policy(config, "policy", for_training=config.train.steps > 0, weights=False)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    load_whole()
    common: dict[str, Any] = {"revision": place.revision, "trust_remote_code": config.trust_remote_code}
    tokenizer = load_tokenizer(config)
    whole = config.train.steps > 0 and config.train.adapter.kind == "full" and config.dtype == "auto"
    with _loading(f"model {place.model}:"), torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(place.model, **common),
            dtype=resolve_dtype("float32" if whole else config.dtype),
            trust_remote_code=config.trust_remote_code,
        )
    model.generation_config = load_generation(config)
    return Policy(
        "policy",
        model.eval(),
        tokenizer,
        place.model,
        adapter=place.adapter,
        revision=place.revision,
        trust_remote_code=config.trust_remote_code,
        thinking_marks=with_further(config.thinking_marks),
        turn_end=turn_end(config, tokenizer, model.generation_config),
        own_template=config.evidence.chat_template is None,
    )


def save_beside(policy: Policy, folder: Path, kept: bool = False) -> None:
    """Put tokenizer, chat template, generation config and model card into a folder of the policy's weights: as files
    they are copied, not written anew.

    Args:
        kept: leave files that the folder has already.
    """
    copy_beside(policy.place, folder, kept)
    if not policy.own_template or not list(folder.glob("tokenizer*")):
        policy.tokenizer.save_pretrained(folder)
    if not kept and policy.turn_end is not None and policy.model.generation_config:
        # else whoever generates with it would run past the end of its turn
        policy.model.generation_config.eos_token_id = policy.stop_ids
        policy.model.generation_config.save_pretrained(folder)


def device() -> torch.device:
    """The accelerator of this process, or the CPU."""
    found = processes().device
    assert found is not None  # None only before a state is initialised
    return found


def memory_of(place: torch.device) -> tuple[int, int]:
    """Bytes of memory of a device, and how many of them are free; (0, 0) where it does not say."""
    import torch

    if place.type == "cuda":
        free, total = torch.cuda.mem_get_info(place)
        return total, free
    facts = Path("/proc/meminfo")
    if place.type != "cpu" or not facts.exists():
        return 0, 0
    found = dict(line.split(":") for line in facts.read_text().splitlines())
    total, free = (int(found[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (most := limit.read_text().strip()).isdecimal() and int(most) < total:
        total = int(most)
    return total, min(total, free)


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
            return f"{file.name}: {in_words(error)}"
    return None
