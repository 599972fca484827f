"""How many false steps the reasoning check finds: one is planted in each solution that it calls sound.

    python scripts/study/reasoning_slips.py SOLUTIONS.jsonl --text solution --prompt prompt

Planted is, at random in the formulas of the trace: a changed number in the last result of an equation ("result"), the
same with all its later uses ("carried"), a changed number anywhere after an equals sign ("middle"), a flipped sign, a
dropped term, another operator. Not each of them makes the trace false: a changed number may be one that is given.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from verifiers.extract import cut
from verifiers.reasoning import check

KINDS = ("result", "carried", "middle", "sign", "dropped", "operator")
_FORMULA = re.compile(
    r"\\\((.*?)\\\)|\\\[(.*?)\\\]|\$\$(.*?)\$\$|\$(.*?)\$|\\begin\{align\*?\}(.*?)\\end", re.DOTALL
)
_NUMBER = re.compile(r"(?<![\d.,{_A-Za-z\\])\d+(?:\.\d+)?(?![\d.,]*\d)")
_TERM = re.compile(r" [+-] \d*[a-z]?(?:\^\d)?(?= |$|\\)")
_OPERATOR = re.compile(r"\\times|\\cdot|(?<=[\d)] )[+-](?= \d)")


def plant(kind: str, trace: str, draw: random.Random) -> str | None:
    """The trace with one slip of `kind`; None if there is no place for it."""
    places = list(_places(kind, trace))
    if not places:
        return None
    start, end = draw.choice(places)
    old = trace[start:end]
    if kind in ("sign", "dropped"):
        new = {"+": "-", "-": "+"}.get(old, "")
    elif kind == "operator":
        new = {"+": r"\times", "-": "+"}.get(old, "+")
    else:
        new = _changed(old, draw)
    rest = trace[end:]
    if kind == "carried":
        rest = re.sub(rf"(?<![\d.,A-Za-z_]){re.escape(old)}(?![\d.])", new, rest)
    return trace[:start] + new + rest


def _places(kind: str, trace: str) -> Iterator[tuple[int, int]]:
    pattern = {"sign": re.compile("[+-]"), "dropped": _TERM, "operator": _OPERATOR}.get(kind, _NUMBER)
    for formula in _FORMULA.finditer(trace):
        start, end = formula.span(formula.lastindex or 0)
        equals = (
            trace.rfind("=", start, end) if kind in ("result", "carried") else trace.find("=", start, end)
        )
        if equals < 0 or (kind in ("result", "carried") and not re.search(r"\d", trace[start:equals])):
            continue
        for place in pattern.finditer(trace, start if kind == "operator" else equals, end):
            if place.group().strip(" +-") or kind == "sign" or kind == "operator":
                yield place.span()


def _changed(number: str, draw: random.Random) -> str:
    if "." in number:
        return number[:-1] + draw.choice([digit for digit in "123456789" if digit != number[-1]])
    return (
        str(max(0, int(number) + draw.choice([1, -1, 2, -2, 10, -10]))) if int(number) > 1 else number + "2"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--text", default="solution", help="column of the solutions (default: solution)")
    parser.add_argument("--prompt", default="prompt", help="column of the problems (default: prompt)")
    parser.add_argument("--json", type=Path, help="where to write the counts")
    options = parser.parse_args()
    planted, found, alarms = Counter[str](), Counter[str](), 0
    rows = [json.loads(line) for line in options.file.read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(rows):
        parts = cut(row[options.text])
        if not check(parts.trace, parts.answer, row[options.prompt]).ok:
            alarms += 1
            continue
        for kind in KINDS:
            slipped = plant(kind, parts.trace, random.Random(f"{number} {kind}"))
            if slipped is not None:
                planted[kind] += 1
                found[kind] += not check(slipped, parts.answer, row[options.prompt]).ok
    print(f"{len(rows)} solutions, {alarms} called unsound as they are")
    for kind in KINDS:
        print(f"{kind:10} {found[kind]:5} of {planted[kind]:5}  {found[kind] / max(1, planted[kind]):.1%}")
    if options.json:
        counts = {"solutions": len(rows), "alarms": alarms, "planted": planted, "found": found}
        options.json.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
