"""What every target needs: problems with their prompts, the verifier as a file, and the keys that nobody took."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr import files, machine, preflight
from rlvr.config import Config
from rlvr.errors import UserError
from rlvr.preflight import data, parts, training
from rlvr.prompts import prompts
from rlvr.run import flat
from rlvr.source_verifiers import verifiers_of
from rlvr.tokens import encode
from verifiers import Problem
from verifiers.extract import with_further

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from rlvr.evidence import Evidence

CHECKS: tuple[preflight.Check, ...] = (
    parts.verifier,
    parts.environment,
    training.arguments,
    data.problems,
    data.evidence,
    data.template,
)
"""Those of a run that say nothing of this machine, and need no model but its tokenizer."""

NOT_THE_TRAINING = (
    *("analysis", "verification", "train.trl.report_to"),
    *(
        "sampling.samples",
        "sampling.engine",
        "sampling.vllm",
        "sampling.batch_size",
        "train.rows_per_micro_step",
    ),
)
"""Keys of evaluation, report and this machine: they are not for another trainer."""
EVERYWHERE = (
    *("model", "problems", "evidence", "thinking_marks", "verifier", "verifier_options"),
    *("sandbox", "seed", "trust_remote_code"),
    *("train.algorithm", "train.steps", "train.groups_per_step", "train.group_size", "train.learning_rate"),
    *("train.eval_every", "train.eval_samples", "train.checkpoint_every"),
    *("train.adapter.kind", "train.adapter.r", "train.adapter.alpha", "train.adapter.target_modules"),
    *("sampling.temperature", "sampling.top_p", "sampling.top_k", "sampling.max_new_tokens"),
    *("train.trl.loss_type", "train.trl.scale_rewards", "train.trl.weight_decay", "train.trl.max_grad_norm"),
    *("train.trl.warmup_steps", "train.trl.lr_scheduler_type"),
    *("train.trl.importance_sampling_level", "train.trl.beta"),
)
"""Keys that every target writes, refuses or speaks of, with all keys below them."""
AS_IT_IS = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""A chat template that adds nothing: `template: plain`."""


@dataclass(frozen=True)
class Prepared:
    """A configuration whose problems are read, and whose prompts are known."""

    config: Config
    arguments: Any
    """TRL's, with every default that decides a result."""
    evidence: Evidence
    tokenizer: PreTrainedTokenizerBase
    sets: Mapping[str, Sequence[Problem]]
    """train, heldout, and the probe sets by name; `opened` says what a prompt opened."""
    longest: int
    """Tokens of the longest prompt."""


@dataclass(frozen=True)
class Left:
    """A key that has no counterpart there, or not quite the same one."""

    key: str
    words: str


def hand_over(
    target: str, config: Config, into: Path, base: Path | None, say: Callable[[str], None]
) -> list[Left]:
    """Write everything that `target` needs to train as the configuration says into the folder `into`.

    Args:
        target: one of `TARGETS`.
        base: folder that the configuration's relative paths start from.

    Returns:
        What could not be carried over; `into/NOT-CARRIED-OVER.md` has it too.

    Raises:
        UserError: the folder is not empty, the configuration asks for what the target cannot do at all, or one of the
            checks that a run begins with fails.
    """
    if into.exists() and any(into.iterdir()):
        raise UserError(f"--into {into}: the folder is not empty; expected a new one")
    write = TARGETS[target]
    prepared = prepare(config, base, say)
    left = [*write(prepared, into)]
    files.replace(into / "NOT-CARRIED-OVER.md", [page(target, left).encode()])
    return left


def prepare(config: Config, base: Path | None, say: Callable[[str], None]) -> Prepared:
    """The checks of a run, without those of this machine."""
    from rlvr.policy import load_tokenizer

    state = preflight.Preflight(config, None, base, trains=True, say=say)
    preflight.go(state, CHECKS)
    tokenizer = load_tokenizer(config)
    marks = with_further(config.thinking_marks)
    found, longest = {}, 0
    sets = {"train": state.problems.train, "heldout": state.problems.heldout, **state.problems.probes}
    for name, problems in sets.items():
        asked = prompts(tokenizer, marks, state.evidence, problems)
        longest = max(longest, *(len(prompt.token_ids) for prompt in asked))
        found[name] = [replace(p, opened=prompt.opened) for p, prompt in zip(problems, asked, strict=True)]
    return Prepared(config, state.arguments, state.evidence, tokenizer, found, longest)


def refuse(target: str, prepared: Prepared, own: Sequence[tuple[bool, str, Any, str]]) -> None:
    """Raise UserError for what would be another training altogether: (is it?, key, found, expected)."""
    train = prepared.config.train
    for wrong, key, found, expected in (
        *own,
        (train.adapter.kind == "soft_prompt", "train.adapter.kind", "soft_prompt", "full or lora"),
        (
            prepared.config.environment is not None,
            "environment",
            prepared.config.environment,
            "none: one turn",
        ),
        (train.reward != "verdict", "train.reward", train.reward, "verdict"),
        (bool(train.rewards), "train.rewards", f"{len(train.rewards)} terms", "none"),
        (prepared.arguments.scale_rewards == "batch", "train.trl.scale_rewards", "batch", "group or none"),
    ):
        if wrong:
            raise UserError(f"{target}: {key} is {found!r}; expected {expected}")
    hint = prepared.evidence.hint
    if hint and hint.config.position != "question":
        raise UserError(f"{target}: evidence.hint.position: the answer cannot be begun; expected question")


def messages(prepared: Prepared, problem: Problem) -> list[Any]:
    """What the policy reads of a problem; `chat_template` makes our prompt of it."""
    if prepared.config.evidence.template == "chat":
        return prepared.evidence.messages(problem)
    return [{"role": "user", "content": prepared.evidence.text(problem)}]


def chat_template(prepared: Prepared) -> str | None:
    """The template that makes the same tokens of the messages; None where it is the model's own."""
    evidence, tokenizer = prepared.config.evidence, prepared.tokenizer
    if evidence.template == "plain":
        begins = encode(tokenizer, ["0"])[0][:1] == [tokenizer.bos_token_id]
        return "{{ bos_token }}" * begins + AS_IT_IS
    return str(tokenizer.chat_template) if evidence.chat_template else None


def write_reward(config: Config, into: Path) -> None:
    """`reward.py`, and `verifiers.json`: who judges the problems of which source."""
    judges = {
        source: {"verifier": verifier.name, "options": dict(machine.verifier_options(config, verifier))}
        for source, verifier in verifiers_of(config).items()
    }
    files.replace(into / "verifiers.json", [json.dumps(judges, indent=1).encode(), b"\n"])
    shutil.copyfile(Path(__file__).with_name("reward.py"), into / "reward.py")


def write_script(into: Path, target: str, machine_keys: str, *lines: str) -> None:
    """`run.sh`: the lines, the last of which is the command; what is given to the script is given on, so it wins."""
    about = [
        f"# Written by rlvr export {target}. What says how large the machine is are keys of its own, to be given to",
        f"# this script: {machine_keys} …",
    ]
    text = "\n".join(["#!/usr/bin/env bash", *about, "set -euo pipefail", *lines]) + ' \\\n    "$@"\n'
    files.replace(into / "run.sh", [text.encode()])
    (into / "run.sh").chmod(0o755)


def almost(target: str, prepared: Prepared, schedules: Sequence[str]) -> Iterator[Left]:
    """Keys that no target has quite as we do."""
    config, args = prepared.config, prepared.arguments
    if (schedule := str(args.lr_scheduler_type.value)) not in schedules:
        words = f"is {schedule}: {target} has {', '.join(schedules)}; constant is written"
        yield Left("train.trl.lr_scheduler_type", words)
    if args.loss_type == "bnpo":
        words = f"is bnpo: {target}'s mean over tokens is over a mini-batch, not over each micro-step"
        yield Left("train.trl.loss_type", words)
    if config.train.eval_samples < config.sampling.samples:
        yield Left("sampling.samples", f"{config.sampling.samples} samples of a problem: {target}'s validation draws "
                   f"{config.train.eval_samples}; `rlvr eval` samples a checkpoint as often as it says")  # fmt: skip


def not_taken(config: Config, taken: Sequence[str]) -> Iterator[Left]:
    """Every key that is not at its default, and that nobody has taken."""
    bare = Config.model_validate({"problems": {"heldout": {"world": "heldout"}}, "train": {"steps": 0}})
    defaults = flat(bare.model_dump(mode="json"))
    for key, value in flat(config.model_dump(mode="json")).items():
        known = any(
            key == name or key.startswith(f"{name}.") for name in (*EVERYWHERE, *NOT_THE_TRAINING, *taken)
        )
        if not known and value != defaults.get(key) and value not in (None, {}, []):
            yield Left(key, f"is {value!r}: no counterpart")


def page(target: str, left: Sequence[Left]) -> str:
    """What was lost, as Markdown."""
    rows = [f"- `{each.key}` {each.words}" for each in left] or ["Nothing: every key has a counterpart."]
    return "\n".join([f"# Not carried over to {target}", "", *rows, ""])


def _verl(prepared: Prepared, into: Path) -> Iterator[Left]:
    from rlvr.elsewhere import verl

    return verl.write(prepared, into)


def _prime_rl(prepared: Prepared, into: Path) -> Iterator[Left]:
    from rlvr.elsewhere import prime_rl

    return prime_rl.write(prepared, into)


TARGETS: dict[str, Callable[[Prepared, Path], Iterator[Left]]] = {"verl": _verl, "prime-rl": _prime_rl}
"""By name, what writes the files and yields what is lost."""
