"""What the mathematics says of RLVR, held against the project's own trainer: `rlvr worlds` (docs/worlds.md).

Every check prints what is exact, what was found and the difference, with the mark that it has to meet; one that misses
its mark is shown like the others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rlvr import files
from rlvr.errors import UserError
from rlvr.terminal import Terminal
from rlvr.theory.check import table
from rlvr.theory.parts import Checks, Outcome, Part, outcomes

SEEDS, MORE_SEEDS = range(3), range(5)


def _tables(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import tables

    yield tables.tilted
    if not quick:
        yield tables.recurrence
        yield tables.sampled
        yield tables.without_kl


def _network(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import strategies
    from rlvr.theory.networks import base
    from rlvr.worlds.strategies import Strategies

    begun = base(Strategies(), folder / "base")
    yield lambda: strategies.fitted(begun)
    yield lambda: strategies.identity(begun)
    if quick:
        return
    runs = strategies.compressing(begun, SEEDS)
    yield lambda: strategies.compressed(begun, runs)
    yield lambda: strategies.reasoned(begun, runs)
    yield lambda: strategies.regularised(begun, SEEDS)
    yield lambda: strategies.unrewarded(begun, MORE_SEEDS)


def _estimates(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import estimates

    yield estimates.covered


def _masked(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import tables

    yield tables.masked


def _hole(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import boundary

    runs = [boundary.made(folder, seed) for seed in MORE_SEEDS]
    yield lambda: boundary.reached(runs)
    yield lambda: boundary.dense(runs)


def _verifier(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import tables

    yield lambda: tables.erring_verifier(grid=(-0.1, 0.0, 0.1) if quick else tables.ERRORS)


def _rules(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import rules
    from rlvr.theory.networks import base
    from rlvr.worlds.rules import Rules

    begun = base(Rules(), folder / "base", network=rules.NETWORK)
    yield lambda: rules.conditioned(begun)
    yield lambda: rules.rewarded(begun, SEEDS)


def _coins(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import coins, guesses

    yield lambda: coins.learnt(250 if quick else 500)
    if not quick:
        yield lambda: coins.ways(coins.WAYS | guesses.WAYS)
        yield guesses.rewarded
        yield coins.read_off


def _chains(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import chains

    yield lambda: chains.learnt(500)


def _concepts(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import concepts

    yield lambda: concepts.learnt(1500)
    yield lambda: concepts.read_off(1500)


def _induction(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import induction
    from rlvr.theory.networks import base
    from rlvr.worlds.induction import Induction

    world = Induction()
    base(world, folder / "base", network=induction.NETWORK, split="fitted")
    begun = base(world, folder / "base", network=induction.NETWORK)  # its tables of all problems
    yield lambda: induction.fitted(begun)
    yield lambda: induction.explained(begun, SEEDS)


PARTS = (
    Part("strategies", "network", _network, 460, 45),
    Part("strategies", "tables", _tables, 90, 10),
    Part("strategies", "estimates", _estimates, 60),
    Part("boundary", "masked", _masked, 10, 10),
    Part("boundary", "hole", _hole, 520),
    Part("verifier", "tables", _verifier, 60, 25),
    Part("rules", "network", _rules, 300),
    Part("coins", "network", _coins, 240, 30),
    Part("coins", "chains", _chains, 60),
    Part("concepts", "network", _concepts, 120),
    Part("induction", "network", _induction, 240),
)
WORLDS = tuple(dict.fromkeys(part.world for part in PARTS))
"""Names, in the order in which they are shown."""


def run(names: Sequence[str], quick: bool, folder: Path, terminal: Terminal) -> bool:
    """Run the checks of these worlds (all of them, where none is named), and write `worlds.json` and `worlds.html`.

    Args:
        quick: those of a minute or two.
        folder: fitted networks are kept there, and not fitted again; training runs are always made anew.

    Returns:
        Whether every check was made and every mark was met.

    Raises:
        UserError: there is nothing to be done.
    """
    parts = [part for part in PARTS if part.world in (names or WORLDS) and (part.quick or not quick)]
    if not parts:
        raise UserError(f"rlvr worlds --quick has no check of {', '.join(names)}: leave --quick out")
    folder.mkdir(parents=True, exist_ok=True)  # before anything that takes minutes
    found: list[Outcome] = []
    for outcome in outcomes(parts, quick, folder, terminal):
        if not found or found[-1].part.world != outcome.part.world:
            terminal.show(f"\n{outcome.part.world}")
        for check in outcome.checks:
            terminal.show("\n" + "\n".join(table(check)))
        if outcome.error:
            terminal.show(f"\n{_broken(outcome)}:\n{outcome.error}")
        found.append(outcome)
    _write(found, quick, folder)
    for line in _summary(found):
        terminal.show(line)
    terminal.show(f"Page: {folder / 'worlds.html'}")
    return all(outcome.passed for outcome in found)


def _broken(outcome: Outcome) -> str:
    return (
        f"{outcome.part.world}, {outcome.part.name}: stopped by an error after {len(outcome.checks)} checks"
    )


def _summary(found: Sequence[Outcome]) -> list[str]:
    checks = [check for outcome in found for check in outcome.checks]
    missed = [check.name for check in checks if not check.passed]
    seconds = sum(outcome.cpu for outcome in found)
    return [
        f"\n{len(checks) - len(missed)} of {len(checks)} checks meet their marks"
        + (f"; missed: {', '.join(missed)}" if missed else ""),
        *(_broken(outcome) for outcome in found if outcome.error),
        f"{seconds / 60:.1f} minutes of CPU",
    ]


def _write(found: Sequence[Outcome], quick: bool, folder: Path) -> None:
    from rlvr.theory import page

    document = {
        "checks": [
            {"world": outcome.part.world, "check": check.name, "claim": check.claim, **line.as_json()}
            for outcome in found
            for check in outcome.checks
            for line in check.lines
        ],
        "cpu_seconds": [
            {"world": outcome.part.world, "part": outcome.part.name, "seconds": round(outcome.cpu, 1)}
            for outcome in found
        ],
        "errors": [
            {"world": outcome.part.world, "part": outcome.part.name, "error": outcome.error}
            for outcome in found
            if outcome.error
        ],
    }
    files.replace(
        folder / "worlds.json", [json.dumps(document, indent=1, ensure_ascii=False).encode(), b"\n"]
    )
    files.replace(folder / "worlds.html", [page.render(found, quick).encode()])
