"""What the mathematics says of RLVR, held against the project's own trainer: `rlvr worlds` (docs/worlds.md).

Every check prints what is exact, what was found and the difference, with the mark that it has to meet; one that misses
its mark is shown like the others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rlvr import files
from rlvr.terminal import Terminal
from rlvr.theory.check import Check, table

Checks = Iterator[Callable[[], Check]]

SEEDS = range(3)


def _strategies(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import estimates, strategies, tables
    from rlvr.theory.networks import base
    from rlvr.worlds.strategies import Strategies

    begun = base(Strategies(), folder / "base")
    yield lambda: strategies.fitted(begun)
    yield tables.tilted
    yield lambda: strategies.identity(begun)
    if quick:
        return
    yield tables.recurrence
    yield tables.sampled
    yield tables.without_kl
    yield estimates.covered
    yield lambda: strategies.compressed(begun, SEEDS)
    yield lambda: strategies.reasoned(begun)
    yield lambda: strategies.regularised(begun)
    yield lambda: strategies.unrewarded(begun, SEEDS)


def _boundary(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import strategies, tables

    yield tables.masked
    if not quick:
        yield lambda: strategies.hole(folder, SEEDS, steps=60)


def _verifier(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import tables

    yield lambda: tables.erring_verifier(grid=(-0.1, 0.0, 0.1) if quick else tables.ERRORS)


def _coins(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import chains, coins, guesses

    yield lambda: coins.learnt(250 if quick else 500)
    if not quick:
        yield lambda: coins.ways(coins.WAYS | guesses.WAYS)
        yield guesses.rewarded
        yield lambda: chains.learnt(500)


def _concepts(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import concepts

    if quick:
        return
    yield lambda: concepts.learnt(1500)
    yield lambda: concepts.read_off(1500)


def _rules(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import rules
    from rlvr.theory.networks import base
    from rlvr.worlds.rules import Rules

    if quick:
        return
    begun = base(Rules(), folder / "base", network=rules.NETWORK)
    yield lambda: rules.conditioned(begun)
    yield lambda: rules.rewarded(begun, SEEDS)


def _induction(folder: Path, quick: bool) -> Checks:
    from rlvr.theory import induction
    from rlvr.theory.networks import base
    from rlvr.worlds.induction import Induction

    if quick:
        return
    world = Induction()
    base(world, folder / "base", network=induction.NETWORK, split="fitted")
    begun = base(world, folder / "base", network=induction.NETWORK)  # its tables of all problems
    yield lambda: induction.fitted(begun)
    yield lambda: induction.explained(begun, SEEDS)


WORLDS: dict[str, Callable[[Path, bool], Checks]] = {
    "strategies": _strategies,
    "boundary": _boundary,
    "verifier": _verifier,
    "rules": _rules,
    "coins": _coins,
    "concepts": _concepts,
    "induction": _induction,
}
"""By name, what is checked; the functions are called one after the other."""


def run(names: Sequence[str], quick: bool, folder: Path, terminal: Terminal) -> bool:
    """Run the checks of these worlds (all of them, where none is named), and write `worlds.json` and `worlds.html`.

    Args:
        quick: those of a minute or two.
        folder: fitted networks are kept there, and not fitted again; training runs are always made anew.

    Returns:
        Whether every mark was met.
    """
    from rlvr.theory import page

    folder.mkdir(parents=True, exist_ok=True)  # before anything that takes minutes
    found: dict[str, list[Check]] = {}
    for name in names or WORLDS:
        terminal.show(f"\n{name}")
        found[name] = []
        for make in _timed(WORLDS[name](folder / name, quick)):
            check = make()
            found[name].append(check)
            terminal.show("\n" + "\n".join(table(check)))
    checks = [check for group in found.values() for check in group]
    document = {
        name: [asdict(check) | {"passed": check.passed} for check in group] for name, group in found.items()
    }
    files.replace(
        folder / "worlds.json", [json.dumps(document, indent=1, ensure_ascii=False).encode(), b"\n"]
    )
    files.replace(folder / "worlds.html", [page.render(found, quick).encode()])
    missed = [check.name for check in checks if not check.passed]
    terminal.show(
        f"\n{len(checks) - len(missed)} of {len(checks)} checks meet their marks"
        + (f"; missed: {', '.join(missed)}" if missed else "")
    )
    terminal.show(f"Page: {folder / 'worlds.html'}")
    return not missed


def _timed(checks: Checks) -> Iterator[Callable[[], Check]]:
    """Each with the seconds that it took, what prepared it included."""
    while True:
        began = time.monotonic()
        try:
            make = next(checks)
        except StopIteration:
            return

        def timed(make: Callable[[], Check] = make, began: float = began) -> Check:
            check = make()
            check.seconds = time.monotonic() - began
            return check

        yield timed
