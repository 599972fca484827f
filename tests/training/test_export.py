"""What is written of a policy is read back: another set of weights, or another answer, is not published."""

import copy
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from rlvr.errors import RunError
from rlvr.training.export import load_again, logits, prove, prove_answers, write

FAULTS = {
    "empty or not finite": lambda weight: torch.zeros(0),  # what ZeRO-3 leaves of a weight in each process
    "is empty or not": lambda weight: weight * torch.nan,
    "other values": lambda weight: weight + (torch.arange(weight.numel()) == 7).view_as(weight) * 1e-3,
    "was written as": lambda weight: weight[:-1],
    "was not written": lambda weight: None,
}


@pytest.mark.parametrize("words", FAULTS)
def test_weights_that_are_not_the_policys_are_refused(tiny, tmp_path, words):
    state = tiny.model.state_dict()
    written = write(tiny, tiny.model, state, tmp_path / "model")
    name = next(name for name, weight in state.items() if "mlp" in name and weight.ndim == 2)
    weights = load_file(written / "model.safetensors")
    faulty = FAULTS[words](weights.pop(name))
    if faulty is not None:
        weights[name] = faulty
    save_file(weights, written / "model.safetensors", {"format": "pt"})
    with pytest.raises(RunError, match=f"{name}.*{words}"):
        prove(written, state)


def test_a_folder_that_answers_otherwise_is_refused(tiny, tmp_path):
    """A wrong config, a merge that went wrong: each weight is what it was meant to be, and the policy is another."""
    written = write(tiny, tiny.model, tiny.model.state_dict(), tmp_path / "model")
    again = load_again(tiny, written, tiny.model.dtype)
    prove_answers(written, again, logits(tiny))
    other = copy.deepcopy(tiny.model)
    with torch.no_grad():
        next(other.parameters()).mul_(1.1)
    with pytest.raises(RunError, match="answers otherwise than what it was made of, by nats of"):
        prove_answers(written, again, logits(replace(tiny, model=other)))
