"""A policy as a folder that transformers loads: gathered, adapter merged, base dequantised, proven, renamed into place
when it is whole. A soft prompt, which no weights can hold, is a folder that peft loads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers.core_model_loading import revert_weight_conversion

from rlvr import adapters, files, soft_prompt
from rlvr import config as configuration
from rlvr.config import Config
from rlvr.errors import ConfigError, PolicyError, RunError, UserError
from rlvr.launch.processes import by_main
from rlvr.model_files import ADAPTER, ADAPTER_WEIGHTS, adapter_config, copy_beside, locate
from rlvr.policy import Policy, load_model, load_policy, place_of, save_beside
from rlvr.run import around
from rlvr.sampling.rounding import Tolerance, apart, epsilon
from rlvr.training import ppo
from rlvr.training.checkpoints import Checkpoints, damage
from rlvr.training.head import whole
from rlvr.training.sharding import gathering


def export(
    policy: Policy, adapter: adapters.Kind, model: Any, accelerator: Accelerator, folder: Path
) -> None:
    """Write the policy in training to `folder`. Every process calls it.

    Args:
        policy: as it was loaded; what lies beside its weights is copied.
        model: the prepared model.

    Raises:
        RunError: what was written is not what the model holds, or answers otherwise; nothing is published.
        OSError: the disk cannot hold it.
    """
    trained = accelerator.unwrap_model(model).eval()
    expected = logits(policy, model)  # by all processes together, where each holds a part
    with gathering(accelerator, trained.parameters()):
        plain = adapter.standalone(trained)
        named = {} if plain is None else plain.state_dict()
        state = ppo.without_value_head({name: whole(p) for name, p in named.items()})

        def publish() -> None:
            if plain is None:
                partial = write_beside_base(policy, adapter, trained, folder)
            else:
                partial = write(policy, plain, state, folder)
            again = load_again(policy, partial, policy.model.dtype if plain is None else plain.dtype)
            with accelerator.autocast():
                prove_answers(partial, again, expected)
            files.publish(partial, folder)

        by_main(publish)


def load_again(policy: Policy, folder: Path, dtype: torch.dtype) -> Policy:
    """What was written of a policy, loaded as an evaluation will load it."""
    place = locate(str(folder))
    model: Any = load_model(place, dtype, trust_remote_code=policy.trust_remote_code)
    if place.adapter:
        model = adapters.kind_of(place.adapter).loaded(model, place.adapter)
    return replace(policy, model=model.eval(), source=place.model, adapter=place.adapter)


def prove_answers(folder: Path, again: Policy, expected: torch.Tensor) -> None:
    """Raises RunError where a policy that was written and loaded answers otherwise than the one that it was made of, by
    more than rounding explains.

    Args:
        expected: `logits` of the latter.
    """

    def answers() -> torch.Tensor:
        return logits(again).log_softmax(-1)

    found = answers()
    tolerance = Tolerance(again.model, lambda: apart(answers(), found), epsilon(again.model))
    if by := tolerance.exceeded(apart(found, expected.log_softmax(-1))):
        raise RunError(
            f"{folder}: what was written answers otherwise than what it was made of, by nats of {by}; it is kept to "
            "look at"
        )


# ------------------------------------------------------------------ rlvr export


def chosen(source: Path, step: int | None) -> Path:
    """The checkpoint of a run folder (its last one where `step` is None), or `source` itself, where it is no run.

    Raises:
        UserError: the run has no such checkpoint, or it is damaged.
    """
    if not (source / "config.yaml").is_file():
        if step is not None:
            raise UserError(f"--step {step}: {source} is no run's folder, so it has no steps")
        return source
    found = {c.step: c.path for c in Checkpoints(source / "checkpoints", 0, print).all()}
    wanted = max(found, default=None) if step is None else step
    if wanted not in found:
        there = (
            f"its checkpoints are of steps {', '.join(map(str, found))}" if found else "it has no checkpoints"
        )
        raise UserError(f"{source}: nothing to export{'' if step is None else f' of step {step}'}: {there}")
    if fault := damage(found[wanted]):
        raise UserError(f"{found[wanted]}: cannot be used: {fault}")
    return found[wanted]


def config_of(source: Path, overrides: Sequence[str]) -> Config:
    """How to load `source`: as its run's config.yaml says, where it lies in a run.

    Raises:
        ConfigError: the config, or an override of a key that an export does not read.
    """
    if other := [o for o in overrides if o.partition("=")[0] not in READ]:
        raise ConfigError(f"export: {other[0]}: expected one of {', '.join(READ)}")
    named = [f"model={source}", "base_model=null", "revision=null", *overrides]
    if run := around(source):
        return configuration.load(run.folder / "config.yaml", named)
    return configuration.load(configuration.find("quickstart"), named)  # nothing else of it is read


READ = ("base_model", "dtype", "trust_remote_code")


def default_folder(source: Path, adapter_only: bool) -> Path:
    """Where an export lands: beside the run's model/, or beside `source`."""
    if run := around(source):
        step = source.name.removeprefix("checkpoint-")
        return run.folder / f"{'adapter' if adapter_only else 'model'}-step-{step}"
    return source.with_name(f"{source.name}-{'adapter' if adapter_only else 'merged'}")


def export_from_disk(config: Config, folder: Path, adapter_only: bool = False) -> None:
    """Write what `config.model` names (a checkpoint, an adapter, a model) to `folder`: an adapter merged, a quantised
    base dequantised; or the adapter alone. What was written is loaded again, and must answer as what it was made of.

    Raises:
        ConfigError: `folder` is there already.
        PolicyError: the model cannot be loaded, or merged, or is no adapter.
        RunError: what was written is another policy; nothing is published.
    """
    if folder.exists():
        raise ConfigError(f"{folder}: is there already; choose another with --into")
    folder.parent.mkdir(parents=True, exist_ok=True)
    adapter = place_of(config).adapter
    if soft_prompt.is_one(adapter) and not adapter_only:
        raise PolicyError(
            f"model {adapter}: a soft prompt is no part of the weights, so there is no merged model: export it with "
            "--adapter-only, and load it with peft.PeftModel.from_pretrained on its base"
        )
    whole_weights = adapter is None  # as the run held them
    policy = load_policy(config, "exported", for_training=whole_weights)
    if adapter_only:
        expected = logits(policy)
        partial = write_adapter(policy, folder)
    else:
        plain = standalone(policy)
        policy = replace(policy, model=plain)
        expected = logits(policy)
        partial = write(policy, plain, plain.state_dict(), folder)
    policy.model.to(device="cpu")  # type: ignore[call-arg]  # there may be room for one of the two
    base = config.base_model if adapter_only else None
    reading = config.model_copy(update={"model": str(partial), "base_model": base})
    prove_answers(partial, load_policy(reading, "again", for_training=whole_weights), expected)
    files.publish(partial, folder)


def standalone(policy: Policy) -> Any:
    """The policy's model without peft and bitsandbytes."""
    model: Any = policy.model
    if isinstance(model, PeftModel):
        assert policy.adapter
        return adapters.kind_of(policy.adapter).standalone(model)
    return adapters.dequantised(model) if adapters.quantised(model) else model


@torch.no_grad()
def logits(policy: Policy, prepared: Any = None) -> torch.Tensor:
    """(tokens, vocabulary) after a short prompt, in float32.

    Args:
        prepared: the policy's model in training, which may be wrapped, and have an adapter that `policy.model` lacks.
    """
    ids = torch.tensor(policy.encode(["What is 1 + 1? The answer is"]), device=policy.device)
    model: Any = policy.model if prepared is None else prepared
    return model(input_ids=ids).logits[0].float().cpu()


def write_adapter(policy: Policy, folder: Path) -> Path:
    """The adapter alone, without a value head, beside `folder`; returned."""
    place = policy.place
    if place.adapter is None:
        raise PolicyError(
            f"model {place.model}: no adapter, but all weights: export it without --adapter-only"
        )
    partial = fresh(folder)
    about = adapter_config(place.adapter)
    for key in ("modules_to_save", "exclude_modules"):
        if isinstance(about.get(key), list):
            about[key] = [name for name in about[key] if name != adapters.VALUE_HEAD] or None
    (partial / ADAPTER).write_text(json.dumps(about, indent=2), encoding="utf-8")
    state = load_file(place.adapter / ADAPTER_WEIGHTS)
    save_file(
        {n: w for n, w in state.items() if adapters.VALUE_HEAD not in n},
        partial / ADAPTER_WEIGHTS,
        {"format": "pt"},
    )
    copy_beside(replace(place, model=str(place.adapter)), partial)
    return partial


def write_beside_base(policy: Policy, adapter: adapters.Kind, model: Any, folder: Path) -> Path:
    """The adapter of a policy that has no weights of its own, without a value head, beside `folder`; returned.

    Raises:
        RunError, OSError: as `export`.
    """
    partial = fresh(folder)
    adapter.save(model, partial)
    save_beside(policy, partial)
    state = {n: w for n, w in load_file(partial / ADAPTER_WEIGHTS).items() if adapters.VALUE_HEAD not in n}
    save_file(state, partial / ADAPTER_WEIGHTS, {"format": "pt"})
    prove(partial, state)
    return partial


def fresh(folder: Path) -> Path:
    """An empty folder beside `folder`, to be renamed to it."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    return partial


def write(policy: Policy, model: Any, state: dict[str, torch.Tensor], folder: Path) -> Path:
    """Write a model and what belongs beside it to a folder beside `folder`, which is read back, and returned.

    Raises:
        RunError, OSError: as `export`.
    """
    partial = fresh(folder)
    size = sum(p.numel() * p.element_size() for p in state.values())
    files.require_space(folder.parent, size, "the tuned model")
    with files.says_when_full(folder.parent, size, "the tuned model"):
        model.save_pretrained(partial, state_dict=state)
        save_beside(policy, partial)
    prove(partial, revert_weight_conversion(model, state), {name for name, _ in model.named_buffers()})
    return partial


def prove(folder: Path, state: Mapping[str, torch.Tensor], buffers: Collection[str] = ()) -> None:
    """Read back what was written: every weight is there (or shares its memory with one that is), finite, and to the
    last bit what the model holds.

    Args:
        buffers: numbers that are kept beside the weights, and may be infinite (Gemma 4's bounds, before they are set).
        state: under the names and in the shapes of files, which are not the model's own where transformers keeps
            experts together or has renamed a family's weights.

    Raises:
        RunError: names the first weight that is not.
    """
    found: dict[str, list[int]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as stored:
            for name in stored.keys():  # noqa: SIM118 (no mapping)
                weight = stored.get_tensor(name)
                found[name] = list(weight.shape)
                fine = ~weight.isnan() if name in buffers else weight.isfinite()
                if not weight.numel() or not fine.all():
                    raise RunError(
                        f"the tuned model's {name} is empty or not finite; {folder} is kept to look at"
                    )
                if name in state and differs(weight, state[name]):
                    raise RunError(
                        f"the tuned model's {name} was written with other values; {folder} is kept to look at"
                    )
    written = {state[name].data_ptr() for name in found if name in state}
    for name, weight in state.items():
        if name not in found and weight.data_ptr() not in written:
            raise RunError(f"the tuned model's {name} was not written; {folder} is kept to look at")
        if name in found and found[name] != list(weight.shape):
            raise RunError(
                f"the tuned model's {name} was written as {found[name]}, it is {list(weight.shape)}"
            )


def differs(weight: torch.Tensor, held: torch.Tensor) -> bool:
    """Whether values differ; of another shape, which is said by itself, it is left open."""
    return weight.shape == held.shape and not torch.equal(weight, held.detach().to("cpu"))
