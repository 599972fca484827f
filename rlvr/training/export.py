"""The tuned model, as transformers loads it: gathered, adapters merged, checked, renamed into place when it is
whole."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from peft import PeftModel
from safetensors import safe_open
from transformers.core_model_loading import revert_weight_conversion

from rlvr import files
from rlvr.errors import RunError
from rlvr.policy import Policy
from rlvr.training import ppo
from rlvr.training.head import whole
from rlvr.training.sharding import gathering


def export(policy: Policy, model: Any, accelerator: Accelerator, folder: Path) -> None:
    """Write the policy to `folder`. Every process calls it.

    Args:
        policy: as it was loaded; its tokenizer is written beside the weights.
        model: the prepared model.

    Raises:
        RunError: what was written is not what the model holds; nothing is published.
        OSError: the disk cannot hold it.
    """
    plain = accelerator.unwrap_model(model)
    with gathering(accelerator, plain.parameters()):
        if isinstance(plain, PeftModel):
            plain = plain.merge_and_unload()
        state = ppo.without_value_head({name: whole(p) for name, p in plain.state_dict().items()})
        if accelerator.is_main_process:
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            size = sum(p.numel() * p.element_size() for p in state.values())
            files.require_space(folder.parent, size, "the tuned model")
            if policy.turn_end is not None:  # else who generates with it would run past the end of a turn
                plain.generation_config.eos_token_id = policy.stop_ids
            with files.says_when_full(folder.parent, size, "the tuned model"):
                plain.save_pretrained(partial, state_dict=state)
                policy.tokenizer.save_pretrained(partial)
            prove(partial, revert_weight_conversion(plain, state))
            files.publish(partial, folder)
    accelerator.wait_for_everyone()


def prove(folder: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Read back what was written: every weight is there (or shares its memory with one that is), whole and finite.

    Args:
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
                if not weight.numel() or not weight.isfinite().all():
                    raise RunError(
                        f"the tuned model's {name} is empty or not finite; {folder} is kept to look at"
                    )
    written = {state[name].data_ptr() for name in found if name in state}
    for name, weight in state.items():
        if name not in found and weight.data_ptr() not in written:
            raise RunError(f"the tuned model's {name} was not written; {folder} is kept to look at")
        if name in found and found[name] != list(weight.shape):
            raise RunError(
                f"the tuned model's {name} was written as {found[name]}, it is {list(weight.shape)}"
            )
