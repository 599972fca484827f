"""Tables of golds with answers that equal them and answers that do not, judged row by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from verifiers.math import equal

Row = tuple[str, Sequence[str], Sequence[str]]
"""A gold, answers that equal it, answers that do not."""


def misjudged(rows: Iterable[Row], both_ways: bool = False, **options: str) -> list[str]:
    """What a table has that is judged otherwise, in words; with `both_ways` also answer against gold."""
    found: list[str] = []
    for gold, right, wrong in rows:
        assert equal(gold, gold, **options), gold
        for answers, expected in ((right, True), (wrong, False)):
            for answer in answers:
                pairs = [(gold, answer), (answer, gold)] if both_ways else [(gold, answer)]
                found += [
                    f"{one!r} {'!=' if expected else '=='} {two!r}"
                    for one, two in pairs
                    if equal(one, two, **options) is not expected
                ]
    return found
