"""What the policy really reads: a problem's prompt as text and as tokens, and what is to be known of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from rlvr.config import Config
from rlvr.evidence import Evidence, render
from rlvr.policy import load_generation, load_tokenizer, turn_end
from rlvr.problems import Problems
from rlvr.rendering import SYSTEM, EvidenceError, Template, asks_the_clock
from rlvr.text import line
from rlvr.tokens import added_tokens, declared_ends, encode, stopping
from verifiers import Problem
from verifiers.extract import Marks, after_thoughts, opened_by, with_further

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROVEN_FIRST = 1000
"""Problems of each set whose prompts are rendered before anything is sampled."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the policy reads before it answers."""

    text: str
    token_ids: list[int]
    opened: str
    """The mark with which it opened a thought, or ""."""


def prompts(
    tokenizer: PreTrainedTokenizerBase, marks: Marks, evidence: Evidence, problems: Sequence[Problem]
) -> list[Prompt]:
    """The prompts of these problems, in order.

    Raises EvidenceError: a chat template that fails, or leaves out something of a problem.
    """
    chat = evidence.config.template == "chat"
    texts = [render(evidence, problem, tokenizer) for problem in problems]
    return [
        Prompt(text, ids, opened(evidence, problem, text, marks))
        for problem, text, ids in zip(problems, texts, encode(tokenizer, texts, templated=chat), strict=True)
    ]


def opened(evidence: Evidence, problem: Problem, text: str, marks: Marks) -> str:
    """The mark of a thought that the prompt opened and did not close, or "".

    In a chat it is looked for in all that the template writes behind the last message ("<think>\\nOkay,"); elsewhere at
    the end alone, since an instruction may speak of such marks.
    """
    if at_the_end := opened_by(text, marks):
        return at_the_end
    said = evidence.messages(problem)[-1]["content"].strip() if evidence.config.template == "chat" else ""
    behind = text.rpartition(said)[2] if said in text and said else ""
    return after_thoughts(behind, marks)[1]


def prove(config: Config, evidence: Evidence, problems: Problems) -> Iterator[str]:
    """Render prompts before a model is loaded, with the tokenizer alone; lines on what a person might not expect of the
    chat template.

    Raises:
        PolicyError: no tokenizer can be loaded.
        EvidenceError: the template fails, does not fit the config, or leaves out something of a problem; or the
            tokenizer makes other tokens of its text than it would by itself.
    """
    if config.evidence.template == "plain":
        return
    tokenizer = load_tokenizer(config)
    sets = (problems.heldout, *problems.probes.values(), problems.train)
    for some in sets:
        for problem in islice(some, PROVEN_FIRST):
            render(evidence, problem, tokenizer)
    template = evidence.template(tokenizer)
    first = next(chain.from_iterable(sets))
    messages = evidence.messages(first)
    if encode(tokenizer, [template.render(messages, first.id)], True) != [template.tokens(messages)]:
        raise EvidenceError(
            f"the tokenizer of {config.model} makes other tokens of its chat template's text than its own "
            "apply_chat_template; use template: plain"
        )
    if (end := turn_end(config, tokenizer, load_generation(config))) is not None:
        yield (
            f"{template.name} ends a turn with {tokenizer.convert_ids_to_tokens(end)}, which the model's files do not "
            "name as an end: completions stop there too"
        )
    if config.evidence.today is not None:
        clock = config.model_copy(update={"evidence": config.evidence.model_copy(update={"today": None})})
        if not asks_the_clock(Template.of(load_tokenizer(clock), clock.evidence).source):
            raise EvidenceError(f"evidence.today: {template.name} does not write today's date")
    elif asks_the_clock(template.source) and not any("date" in option for option in template.options):
        yield (
            f"{template.name} writes today's date into each prompt, so another day's prompts are other prompts: "
            f"evidence.today={datetime.date.today()} keeps this one"
        )


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt in full, with what is to be known of it."""

    problem_id: str
    prompt: Prompt
    facts: tuple[str, ...]
    """Sentences for a person."""


def example(config: Config, evidence: Evidence, problem: Problem) -> Example:
    """The prompt of `problem` as the model reads it; of the model only the tokenizer is loaded.

    Raises: as `prove`.
    """
    tokenizer, marks = load_tokenizer(config), with_further(config.thinking_marks)
    [prompt] = prompts(tokenizer, marks, evidence, [problem])
    return Example(problem.id, prompt, tuple(_facts(config, evidence, problem, prompt, tokenizer)))


def _facts(
    config: Config, evidence: Evidence, problem: Problem, prompt: Prompt, tokenizer: PreTrainedTokenizerBase
) -> Iterator[str]:
    def names(ids: Sequence[int]) -> str:
        return ", ".join(line(repr(tokenizer.decode([id_])), 40) for id_ in ids) or "none"

    ids = prompt.token_ids
    yield f"{len(ids)} tokens, the first {names(ids[:1])}, the last {names(ids[-1:])}"
    if config.evidence.template == "chat":
        first = evidence.messages(problem)[0]
        before = prompt.text.partition(first["content"].strip() or "\0")[0]
        if first["role"] not in SYSTEM and "system" in before.lower():
            yield f"the template adds a system message of its own: {line(repr(before), 300)}"
    if prompt.opened:
        yield f"it opens a thought with {prompt.opened}: an answer counts once that is closed"
    generation = load_generation(config)
    ends = declared_ends(tokenizer, generation)
    end = turn_end(config, tokenizer, generation)
    yield f"completions end at {names(stopping(tokenizer, ends, end, config.sampling))}"
    if texts := [text for text in config.sampling.stop if text not in added_tokens(tokenizer)]:
        yield f"and at the text {', '.join(map(repr, texts))}"
