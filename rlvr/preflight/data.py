"""Checks of the problems, and of the prompts that become of them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from rlvr import problems as sources
from rlvr.config import AdapterSection, DistillConfig, SteeringConfig
from rlvr.errors import UserError
from rlvr.evaluation import fitting, prompt_ids
from rlvr.evidence import Evidence
from rlvr.preflight.state import Preflight
from rlvr.prompts import Example, example, prove
from rlvr.soft_prompt import tokens_ahead


def problems(state: Preflight) -> Iterator[str]:
    """Every source can be read, and nothing that is trained on is held out."""
    config = state.config.problems
    if state.trains and config.train is None:  # known before the others are read
        raise UserError("problems.train: needed for training, and not given")
    state.loaded = sources.load_all(config.train, config.heldout, config.probes, state.base)
    for note in state.loaded.notes:
        state.say(note)
    return
    yield


def evidence(state: Preflight) -> Iterator[str]:
    """The worked examples can be drawn, and none of them is held out."""
    found = state.loaded
    examined = [*found.heldout, *chain.from_iterable(found.probes.values())]
    tools, opening = state.environment.asks if state.environment else ((), None)
    config = state.config.evidence
    state.evidence = Evidence(config, found.train, examined, tools, state.base, opening)
    train = state.evidence.without_shots(found.train)
    steering: SteeringConfig | None = state.config.train.evidence
    distill: DistillConfig | None = state.config.train.distill
    if state.steps and (helped := steering or distill):
        state.training_evidence = Evidence(helped.on(config), train, examined, tools, state.base, opening)
        train = state.training_evidence.without_shots(train)
    if state.steps and steering:
        yield f"training prompts have {', '.join(steering.add)} of their own"
    if state.steps and distill:
        yield f"the teacher's prompts have {', '.join(distill.evidence)} of their own"
    state.problems = replace(found, train=train)
    if state.trains and not state.problems.train:
        raise UserError("problems.train: no problem is left to train on")
    yield (
        f"problems: {len(state.problems.train)} to train on, {len(found.heldout)} held out, none of them in both"
    )
    for probe, probed in found.probes.items():
        yield f"probe {probe}: {len(probed)} problems"


def template(state: Preflight) -> Iterator[str]:
    """The chat template and the tokenizer go with the problems."""
    for note in prove(state.config, state.evidence, state.problems):
        state.say(note)
    return
    yield


def prompts(state: Preflight) -> Iterator[str]:
    """Every prompt is rendered, and fits the model's context together with a whole completion."""
    most, policy = state.config.sampling.max_new_tokens, state.policy
    trained = state.config.train.adapter if state.steps else AdapterSection()
    ahead = tokens_ahead(trained, policy.adapter)
    lengths = [
        ahead + len(ids)
        for probed in (state.problems.heldout, *state.problems.probes.values())
        for ids in prompt_ids(policy, state.evidence, probed, most, ahead)
    ]
    if state.steps:
        evidences = [state.evidence, *filter(None, [state.training_evidence])]
        fit, state.longest = fitting(policy, evidences, state.problems.train, most, ahead)
        if left_out := len(state.problems.train) - len(fit):
            yield f"{left_out} of {len(state.problems.train)} training prompts do not fit the context and are left out"
    yield (
        f"prompts: {min(lengths)} to {max(lengths)} tokens held out"
        f"{f' ({ahead} of them virtual)' if ahead else ''}, and up to {most} of a completion"
        + (f", of {policy.context} that the model reads" if policy.context else "")
    )
    if state.thorough:
        yield from _shown("the prompt", example(state.config, state.evidence, state.problems.heldout[0]))
        if state.steps and state.config.train.distill and state.training_evidence:
            first = example(state.config, state.training_evidence, state.problems.train[0])
            yield from _shown("the teacher's prompt", first)


def _shown(what: str, prompt: Example) -> Iterator[str]:
    yield f"{what} of {prompt.problem_id}, as the model reads it:"
    yield textwrap.indent(prompt.prompt.text, "  | ", lambda _: True)
    yield from (f"  {fact}" for fact in prompt.facts)


def curriculum(state: Preflight) -> Iterator[str]:
    """The sources can be mixed, and the column that orders their problems is there."""
    if state.steps:
        from rlvr.training.source_mix import SourceMix

        SourceMix.of(state.config, state.problems.train, lambda: 0)
    return
    yield
