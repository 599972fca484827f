"""`rlvr export`: every key of the configuration is carried over to the other trainer, or named as what is lost."""

from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from rlvr import config as configuration
from rlvr.config import Config
from rlvr.elsewhere import prime_rl, verl
from rlvr.elsewhere.hand_over import Prepared, not_taken, prepare
from rlvr.training import rehearsal
from tests.contracts.keys import KEYS

SMALL = ["problems.heldout.limit=4", "problems.train.limit=6", "train.adapter={kind: lora, r: 8}"]
TARGETS = pytest.mark.parametrize("target", [verl, prime_rl], ids=["verl", "prime-rl"])
IN_FILES = ("problems.", "evidence.", "verifier", "thinking_marks", "sandbox.", "model")
"""Written as problems with their prompts, the reward and the model's folder: test_elsewhere*.py."""
OF_THIS_MACHINE = ("analysis.", "verification.", "sampling.vllm.", "sampling.samples", "sampling.engine",
                   "sampling.batch_size", "train.rows_per_micro_step", "train.trl.report_to")  # fmt: skip
"""And of evaluation and report: nothing that another trainer would have to know."""
CHANGED: dict[str, Any] = {
    "seed": 7, "trust_remote_code": True, "train.algorithm": "rloo", "train.steps": 71, "train.groups_per_step": 3,
    "train.group_size": 3, "train.learning_rate": 3e-5, "train.eval_every": 9, "train.eval_samples": 5,
    "train.checkpoint_every": 8, "train.adapter": "{kind: full}", "train.adapter.r": 9, "train.adapter.alpha": 9,
    "train.adapter.target_modules": "[q_proj]", "sampling.temperature": 0.5, "sampling.top_p": 0.5,
    "sampling.top_k": 5, "sampling.max_new_tokens": 9, "train.trl.loss_type": "bnpo",
    "train.trl.scale_rewards": "none", "train.trl.weight_decay": 0.3, "train.trl.max_grad_norm": 0.3,
    "train.trl.warmup_steps": 7, "train.trl.lr_scheduler_type": "cosine", "train.trl.num_iterations": 3,
    "train.trl.activation_checkpointing": True, "train.trl.importance_sampling_level": "sequence",
    "train.trl.beta": 0.3, "train.trl.epsilon": 0.15, "train.trl.epsilon_high": 0.35,
    "train.adapter.dropout": 0.25, "sampling.min_p": 0.25, "train.trl.adam_beta1": 0.5, "train.trl.adam_beta2": 0.5,
}  # fmt: skip
"""Keys that a target may have, each with another value than the quickstart's."""
REFUSED = {"prime-rl": {"train.trl.importance_sampling_level", "train.trl.beta"}, "verl": set[str]()}
"""That value is another training there: test_another_training_is_refused."""


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(configured(), None, lambda said: None)


def configured(*words: str) -> Config:
    return configuration.load(configuration.find("quickstart"), [*SMALL, *words])


def told(
    target: ModuleType, prepared: Prepared, folder, *words: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """What the other trainer is told, and what its user is."""
    config = configured(*words)
    arguments, _ = rehearsal.arguments(config, folder, 1)
    own = replace(prepared, config=config, arguments=arguments)
    left = [*target._almost(own), *not_taken(config, target.TAKEN)]
    return target.settings(own, folder), {each.key: each.words for each in left}


@TARGETS
def test_what_a_key_says_reaches_the_other_trainer_or_its_user(target, prepared, tmp_path):
    name = target.__name__.rpartition(".")[2].replace("_", "-")
    settings, left = told(target, prepared, tmp_path)
    silent = set()
    for key, value in CHANGED.items():
        if key not in REFUSED[name]:
            found, lost = told(target, prepared, tmp_path, f"{key}={value}")
            if (found, lost) == (settings, left):
                silent.add(key)
    assert silent == set()


@TARGETS
def test_every_other_key_is_named_as_lost(target):
    """Of a configuration in which every key has another value than its default."""
    other: dict[str, Any] = {}
    for key in KEYS:
        *sections, last = key.split(".")
        inner = other
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = "another"
    everything: Any = SimpleNamespace(model_dump=lambda mode: other)
    named = {left.key for left in not_taken(everything, target.TAKEN)}
    told_otherwise = {key for key in KEYS if key.startswith((*IN_FILES, *OF_THIS_MACHINE)) or key in CHANGED}
    about = {"train.adapter.kind", "train.trl.use_bias_correction_kl"}  # of a KL term, which only verl has
    assert KEYS - told_otherwise - about <= named
    assert not {key for key in named if key.startswith((*IN_FILES, *OF_THIS_MACHINE))}
