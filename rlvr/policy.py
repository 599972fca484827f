"""The policy: loading a causal language model and its tokenizer, and what this machine can do for it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rlvr import hub, tokens
from rlvr.config import Config, SamplingConfig
from rlvr.errors import UserError
from rlvr.launch.processes import processes
from rlvr.rendering import Template, on_day
from rlvr.worlds.carry import TINY
from verifiers.extract import MARKS, Marks, with_further

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


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
    turn_end: int | None = None
    """The token that ends a turn in the chat template, where prompts are made with one and the model declares none of
    the tokens that stand there."""

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
        """Token ids of rendered prompts; see `tokens.encode`."""
        return tokens.encode(self.tokenizer, prompts, templated)

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
            f"model {model}: expected a folder with config.json or a Hub name; there is no such folder{hub.hint(model)}"
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
    from transformers import AutoModelForCausalLM, PretrainedConfig

    where = location(str(source or config.model))
    check_location(where)
    revision = config.revision if source in (None, config.model) else None
    whole = for_training and config.train.lora is None
    dtype = "float32" if config.dtype == "auto" and whole else config.dtype
    common: dict[str, Any] = {"revision": revision, "trust_remote_code": config.trust_remote_code}
    with _loading(f"model {where}:"):
        _check_config(PretrainedConfig.get_config_dict(where, revision=revision)[0])
    tokenizer = load_tokenizer(config, source)
    with _loading(f"model {where}:", where):
        # safetensors only: a pickle in a model folder would be executed
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            where,
            dtype=resolve_dtype(dtype),
            device_map=None if weights else "meta",
            use_safetensors=True,
            output_loading_info=True,
            **common,
        )
    model, found = loaded
    if missing := sorted(found["missing_keys"]):  # transformers would only warn, and draw them at random
        raise PolicyError(
            f"model {where}: {len(missing)} of its weights are not in its files, such as {missing[0]}"
        )
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
        turn_end=turn_end(config, tokenizer, model.generation_config),
    )


def load_tokenizer(config: Config, source: str | Path | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of `source` (the config's model where None), with the chat template of the config, if it names one.

    Raises:
        PolicyError: there is none, or `sampling.stop_token_ids` names a token that it does not have.
    """
    from transformers import AutoTokenizer

    where = location(str(source or config.model))
    revision = config.revision if source in (None, config.model) else None
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

    where = location(config.model)
    common: dict[str, Any] = {"revision": config.revision}
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
        why = (weights and _torn_weights(weights)) or _in_words(error)
        raise PolicyError(f"{what} cannot be loaded: {why}") from error


def blueprint(config: Config) -> Policy:
    """The config's model without its weights: tokenizer, and structure on torch's meta device. Of a Hub name, small
    files alone are fetched; of a folder, it is known whether it has every weight.

    Raises:
        PolicyError: as `load_policy`.
    """
    where = location(config.model)
    check_location(where)
    if Path(where).is_dir():
        return load_policy(config, "policy", for_training=config.train.steps > 0, weights=False)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

    common: dict[str, Any] = {"revision": config.revision, "trust_remote_code": config.trust_remote_code}
    with _loading(f"model {where}:"):
        _check_config(PretrainedConfig.get_config_dict(where, revision=config.revision)[0])
    tokenizer = load_tokenizer(config)
    whole = config.train.steps > 0 and config.train.lora is None and config.dtype == "auto"
    with _loading(f"model {where}:"), torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(where, **common),
            dtype=resolve_dtype("float32" if whole else config.dtype),
            trust_remote_code=config.trust_remote_code,
        )
    marks = with_further(config.thinking_marks)
    return Policy("policy", model.eval(), tokenizer, where, revision=config.revision, thinking_marks=marks)


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
            return f"{file.name}: {_in_words(error)}"
    return None


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return textwrap.shorten(text, 300, placeholder=" …") or type(error).__name__
