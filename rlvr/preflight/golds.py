"""Checks of the verifier on the data: it should accept each problem's own answer and refuse what must be wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain

from rlvr import machine
from rlvr.config import Config
from rlvr.errors import UserError
from rlvr.launch.processes import main_process_only
from rlvr.preflight.state import Preflight
from rlvr.source_verifiers import SourceVerifier
from verifiers import Problem, Verifier
from verifiers.self_test import SelfTest, self_test, spread

IN_A_RUN, PROGRAMS_IN_A_RUN = 200, 20
"""Problems of a source that a run tries, spread evenly; `rlvr check` tries all (of programs, 500)."""


def own_answers(state: Preflight) -> Iterator[str]:
    """The verifier judges the data's own answers (references, or the programs that rows carry): it accepts each for its
    own problem, and refuses another problem's and programs that are wrong on purpose."""
    if state.begun:  # the run itself has shown it
        return
    found = state.problems
    every = [*found.heldout, *found.train, *chain.from_iterable(found.probes.values())]
    with main_process_only() as is_main:
        for source, verifier in state.verifiers.items() if is_main else ():
            yield from of_source(state, source, verifier, [p for p in every if p.source == source])


def of_source(
    state: Preflight, source: str, asked: SourceVerifier, problems: Sequence[Problem]
) -> Iterator[str]:
    """The same for the problems of one source.

    Raises:
        UserError: its verifier accepts too few, or too many of them can never get a verdict.
    """
    config, limits = state.config, state.config.verification
    verifier = machine.loaded(config, asked)
    programs = verifier.answer_format == "code"
    some = problems if state.thorough else spread(problems, PROGRAMS_IN_A_RUN if programs else IN_A_RUN)
    tested = self_test(some, asked.name, machine.verifier_options(config, asked), state.pools)
    yield f"verifier {asked.name}{f' on {source}' if source else ''}: {tested}"
    all_of_them = len(some) == len(problems)
    check_judged(tested, limits.max_unjudged, source)
    check_references(
        tested, limits.max_unverifiable + slack(limits.max_unverifiable, some, all_of_them), source
    )
    try:
        check_answers(tested, limits.min_accepted - slack(limits.min_accepted, some, all_of_them), source)
    except UserError as error:
        if state.thorough or knows_own_answers(verifier):
            raise
        state.say(f"{error}. (Where a reference is no answer, as_response of the verifier says what is.)")


def slack(share: float, some: Sequence[Problem], all_of_them: bool) -> float:
    """How far a share may be off where some of the problems are tried, three standard errors: a run refuses nothing
    that `rlvr check` accepted."""
    return 0.0 if all_of_them else 3 * math.sqrt(share * (1 - share) / len(some))


def knows_own_answers(verifier: Verifier) -> bool:
    """What the data's own answer is, is known: a verifier of one's own may have references that are no answers."""
    from verifiers.judging import is_built_in

    return is_built_in(verifier) or hasattr(verifier, "as_response")


def hostile_texts(state: Preflight) -> Iterator[str]:
    """Verifiers of one's own withstand hostile texts (`rlvr check` alone)."""
    found = state.problems
    every = [*found.heldout, *found.train, *chain.from_iterable(found.probes.values())]
    for source, asked in state.verifiers.items() if state.thorough else ():
        if conforms := conformance(state.config, asked, [p for p in every if p.source == source]):
            yield f"verifier {asked.name}{f' on {source}' if source else ''}: {conforms}"


def check_judged(tested: SelfTest, most: float, source: str = "") -> None:
    """Raises UserError if more than the share `most` of the data's own answers got no verdict."""
    if len(tested.unjudged) > most * max(1, tested.tested):
        id_, why = tested.unjudged[0]
        raise UserError(
            f"{_of(source)}{len(tested.unjudged)} of the data's own {tested.tested} {tested.gold}s could not be "
            f"judged, first that of {id_}: {why}; verification.max_unjudged allows {most:.0%}"
        )


def check_references(tested: SelfTest, most: float, source: str = "") -> None:
    """Raises UserError if more than the share `most` of the problems (of the source of this name) can get no
    verdict."""
    if tested.share_unverifiable > most:
        what = "references" if tested.gold == "reference" else "problems"
        why = (
            "can be equalled by no answer" if tested.gold == "reference" else "have tests that cannot be used"
        )
        raise UserError(
            f"{_of(source)}{len(tested.unverifiable)} {what} ({tested.share_unverifiable:.0%}) {why}, "
            f"first that of {tested.unverifiable[0][0]}; verification.max_unverifiable allows {most:.0%}. Leave such "
            "problems out (`where` of the source), or allow more of them"
        )


def check_answers(tested: SelfTest, least: float, source: str = "") -> None:
    """Raises UserError if the verifier accepts less than the share `least` of the data's own answers, or more than the
    rest of the programs that are wrong on purpose."""
    if tested.share_accepted < least:
        raise UserError(
            f"{_of(source)}the verifier accepts {tested.share_accepted:.0%} of the data's own {tested.gold}s as "
            f"answers to their problems, first refused {tested.own_refused[0][0]}; verification.min_accepted asks for "
            f"{least:.0%}. Mend what refuses them (columns, format, verifier_options), leave these problems out, or "
            "ask for less"
        )
    if tested.share_wrong_accepted > 1 - least:
        raise UserError(
            f"{_of(source)}{tested.share_wrong_accepted:.0%} of the programs that are wrong on purpose are accepted, "
            f"first for {tested.wrong_accepted[0][0]}; verification.min_accepted = {least:g} allows {1 - least:.0%}"
        )


def _of(source: str) -> str:
    return f"source {source}: " if source else ""


FUZZ, FUZZ_OF_SERVICE = 200, 8
"""Hostile texts that a verifier of one's own is tried with; a call of a service costs time and perhaps money."""


def conformance(config: Config, asked: SourceVerifier, problems: Sequence[Problem]) -> str | None:
    """What a verifier of one's own does with hostile texts as responses to the run's problems; None for a built-in one.

    Raises:
        UserError: it fails, hangs, contradicts itself, or gives one text two verdicts.
    """
    from verifiers import conformance as properties
    from verifiers.judging import is_built_in, is_service

    verifier = machine.loaded(config, asked)
    if is_built_in(verifier):
        return None
    service = is_service(verifier)
    report = properties.check(
        asked.name,
        options=machine.verifier_options(config, asked),
        fuzz=FUZZ_OF_SERVICE if service else FUZZ,
        deadline=config.verification.deadline,
        only=("total", "bounded") if service else ("total", "bounded", "deterministic"),
        problems=problems[:FUZZ],
    )
    if not report.ok:
        raise UserError(f"verifier {asked.name} does not conform: {report}")
    return f"{', '.join(report.passed)}: holds on {FUZZ_OF_SERVICE if service else FUZZ} hostile texts"
