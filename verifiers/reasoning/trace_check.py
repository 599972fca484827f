"""The check of a whole trace: which step fails first, which are corrected later, and whether the conclusion fits."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, takewhile
from string import ascii_letters

from verifiers.latex import word_set
from verifiers.reasoning.algebra import free, values_at
from verifiers.reasoning.conclusion import announced, is_conclusive, is_named, label, target, unsupported
from verifiers.reasoning.equations import EquationTracker
from verifiers.reasoning.functions import Functions
from verifiers.reasoning.inequalities import BoundsTracker
from verifiers.reasoning.named import false_results
from verifiers.reasoning.plain import plain
from verifiers.reasoning.relation import Context, check_relation
from verifiers.reasoning.solutions import Solutions
from verifiers.reasoning.spoken import linked
from verifiers.reasoning.statements import Chain, Side, chains
from verifiers.reasoning.tokens import Token, scan
from verifiers.reasoning.tree import Unreadable
from verifiers.reasoning.values import Number, close, evaluate
from verifiers.reasoning.worded import false_claims

__all__ = ["Consistency", "check"]


@dataclass(frozen=True, slots=True)
class Consistency:
    """The result of `check`."""

    ok: bool
    first_failure: str | None
    """The first step that fails, quoted, and what is wrong with it."""
    read: int
    """Number of steps (relations) that could be checked."""
    unread: int
    """Number of steps that could not be read; they do not count against the trace."""


@dataclass(slots=True)
class Failure:
    start: int
    end: int
    reason: str
    truth: Number | None = None


@dataclass(slots=True)
class _Reading:
    """What one pass over the statements finds."""

    read: int = 0
    unread: int = 0
    failures: list[Failure] = field(default_factory=list)
    contradicted: list[Failure] = field(default_factory=list)
    """Equations that the values which the trace states elsewhere do not solve."""
    stated: dict[Number, int] = field(default_factory=dict)
    """Value of a true relation → where it was last stated."""
    results: list[tuple[Chain, Number]] = field(default_factory=list)
    """Each chain with the value of its last side."""
    steps: list[Chain] = field(default_factory=list)


_ROUNDED = re.compile(r"\b(?:round|nearest|approximat|estimat|decimal place|about how)", re.IGNORECASE)
_DIGITS = re.compile(r"\bdigits?\b", re.IGNORECASE)
"""Matches problems that ask for a digit of a result: then the last result is not the answer."""
_MAGNITUDES = word_set("hundred thousand million billion dozen")
_HYPOTHETICAL = re.compile(r"\b(?:suppose|assum|contradict|impossible|no solution)", re.IGNORECASE)


MAX_CHARS = 150_000
"""Longer traces are read from this many characters before their end."""
MAX_STEPS = 2_000
"""Number of steps that are checked; later ones count as unread."""
MAX_PROMPT = 10_000
"""Characters of the problem in which definitions are looked for."""


def check(trace: str, answer: str | None, prompt: str = "") -> Consistency:
    """Whether the arithmetic of `trace` holds and leads to `answer`. Any text gives a result; never raises.

    `prompt`, the problem, only tells whether a rounded answer, or a digit of the result, is asked for.

    >>> check("16/2 = 8, and 8 - 2 = 5, so it is ", "5").first_failure
    '“and 8 - 2 = 5” does not hold (left side: 6)'
    """
    dropped = trace[:-MAX_CHARS].count("=") if len(trace) > MAX_CHARS else 0
    trace = trace[-MAX_CHARS:]
    text = _closed(trace, answer)
    tokens = linked(text, scan(text))
    found = _read(text, tokens, prompt)
    concludes = not _DIGITS.search(prompt)
    numerals = sorted((t for t in tokens if t.value is not None), key=lambda t: t.start)

    def uncorrected(failures: list[Failure]) -> list[Failure]:
        return [
            f for f in failures if not _is_denied(text, f) and not _is_corrected(text, f, numerals, found)
        ]

    failures = uncorrected(found.failures) or uncorrected(found.contradicted)
    if not failures and concludes:
        failures = _wrong_conclusion(text, len(trace), answer, numerals, found, prompt)
    first = min(failures, key=lambda f: f.start, default=None)
    return Consistency(first is None, first and quote(text, first), found.read, found.unread + dropped)


def _closed(trace: str, answer: str | None) -> str:
    """The trace, with the answer put back if cutting it off left an open box or a relation without a right side."""
    tail = trace.rstrip()
    if answer is None:
        return trace
    opening = next((each for each in _OPENINGS if tail.endswith(each)), None)
    if opening is not None and _SAYS.search(tail, max(0, len(tail) - 60)):
        return f"{tail} {answer}{_OPENINGS[opening]}"
    if not tail.endswith(_DANGLING):
        return trace
    paragraph = tail[tail.rfind("\n\n") + 1 :].replace("\\$", "")
    closing = "}" if tail.endswith("{") else ""
    return f"{tail} {answer}{closing}{'$' * (paragraph.count('$') % 2)}"


_OPENINGS = {"\\(": " \\).", "\\[": " \\].", "$$": " $$.", "$": "$."}
_SAYS = re.compile(r"\b(?:is|equals|to|as|be):?\s*(?:\\[(\[]|\$+)$")
_DANGLING = ("=", "\\approx", "≈", "\\equiv", "\\boxed{", "\\fbox{")


def _read(text: str, tokens: list[Token], prompt: str) -> _Reading:
    found = _Reading()
    magnitudes = _MAGNITUDES & {t.text.lower() for t in tokens if t.kind == "word"}
    hypothetical = _HYPOTHETICAL.search(text) is not None
    rounding = _ROUNDED.search(prompt) is not None
    context = Context(magnitudes=magnitudes, rounding=rounding, hypothetical=hypothetical)
    tracker, bounds, solutions = EquationTracker(text), BoundsTracker(text), Solutions(text)
    stated = list(_first(chains(tokens)))
    if stated:
        last = stated[-1].end
        found.unread += sum(t.kind == "rel" and t.start > last for t in tokens)
    functions = Functions([*chains(scan(prompt[:MAX_PROMPT])), *stated])
    for chain in map(functions.resolve, stated):
        if bounds.enter(chain):
            found.failures.append(
                Failure(chain.start, chain.end, "does not follow from the bounds before it")
            )
        for k, relation in enumerate(chain.relations):
            left, right = chain.sides[k], chain.sides[k + 1]
            step = check_relation(chain, k, left, right, relation, context)
            solutions.enter(chain, k)
            if step.holds is False:
                reason = "does not hold" + _worth(step.truth)
                found.failures.append(Failure(left.start, right.end, reason, step.truth))
            elif step.holds is None:
                contradiction = tracker.enter(chain, k)
                if contradiction is None:
                    found.unread += relation in "=~%"
                    continue
                reason = "does not follow from the equation before it"
                found.failures.append(Failure(contradiction.start, contradiction.end, reason))
            found.read += 1
            if step.holds and step.truth is not None:
                found.stated[_key(step.truth)] = left.start
                if step.claim is not None:
                    found.stated[_key(step.claim)] = right.start
        found.steps.append(chain)
        value = _worth_of(chain.sides[-1])
        if value is not None and chain.relations[-1] in "=~":
            found.results.append((chain, value))
    spoken = plain(text)
    found.failures += [
        Failure(start, end, "does not hold" + _worth(truth, "its value"), truth)
        for start, end, truth in (*false_results(spoken), *false_claims(spoken))
    ]
    found.contradicted = [
        Failure(each.start, each.end, "does not hold for the values stated")
        for each in solutions.contradicted()
    ]
    return found


def _first(statements: Iterator[Chain]) -> Iterator[Chain]:
    """The statements within the first `MAX_STEPS` steps."""
    steps = 0
    for chain in statements:
        yield chain
        steps += len(chain.relations)
        if steps > MAX_STEPS:
            return


def _worth_of(side: Side) -> Number | None:
    if not side.opening or free(side.opening[0]) or "pm" in side.opening[0].features:
        return None
    try:
        return evaluate(side.opening[0], values_at(side.opening[0], 0))
    except Unreadable:
        return None


def _worth(value: Number | None, what: str = "left side") -> str:
    if value is None or isinstance(value, complex):
        return ""
    shown = str(value) if len(str(value)) <= 12 else f"{float(value):.6g}"
    return f" ({what}: {shown})"


# --- corrections -----------------------------------------------------------------------------

_CORRECTION = re.compile(
    r"\b(?:wait|hold on|actually|correction|oops|scratch that|sorry|mistake|miscalculat\w*|recomput\w*|recalculat\w*"
    r"|re-?do|let me fix|let me correct|(?:that|this)(?:'s| is| was|,)? (?:is )?(?:not right|wrong|incorrect"
    r"|not correct|off)|made an error|an error|in fact|should (?:actually )?be|instead of|or rather|I mean\b"
    r"|double[- ]check|check(?:ing)? (?:that|this|it) again|re-?check\w*|recount\w*|no,|not \d)",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\bimpossible|\bcontradict|\b(?:is|are) (?:false|not true|wrong|incorrect|absurd)"
    r"|\bnot (?:true|right|correct|equal|hold|valid|possible)|\bcan(?:no|')t (?:be|hold|happen)"
    r"|\bdoes(?:n't| not) (?:hold|work|equal)|\bno (?:real )?solution|\bnever\b|\bfails?\b|\bnot a solution"
    r"|\binconsistent|\bextraneous",
    re.IGNORECASE,
)
_LETTERS = f"{ascii_letters}' "
"""What the words at the end of a step are made of."""
_STOP = re.compile(r"(?:[.!?](?=[\s\\$*])|\n)[\s$*]*(?:\\[\])])?[\s$*]*")
"""The end of a sentence or line, and of its formula."""
_ABOUT_IT = re.compile(
    r"(?:(?:and|so|thus|hence|therefore|clearly|since|as|because|then|now),? )*"
    r"(?:but|however|yet|this|that|it|these|which|we (?:have|get|reach|arrive|obtain)|an?|impossible|contradict\w*"
    r"|no|not|the (?:equation|equality|statement|inequality|last|left|right|result|two|above|assumption|former|latter)"
    r"|there (?:is|are)|both|neither)\b",
    re.IGNORECASE,
)
"""How a sentence begins that says something of the one before it."""
_SUPPOSED = re.compile(r"\b(?:suppose|assum\w*|if|were)\b", re.IGNORECASE)
_DENIED_BEFORE = re.compile(
    r"\b(?:not (?:true|right|correct|the case)|false|wrong|incorrect|a mistake|tempt\w*|might|may|could|would|wrongly|"
    r"mistakenly) (?:\w+ ){0,3}(?:that|say|think|write|believe|conclude)\b(?: that)?(?=[^.;]*$)",
    re.IGNORECASE,
)
"""What says before a statement that it is false: "it is not true that …", "one might think that …"."""
CORRECTION_REACH = 800
"""Characters after a false step in which the trace may announce a correction."""
DENIAL_REACH = 80
"""Characters after a statement in which the trace may deny it."""


def _is_denied(text: str, failure: Failure) -> bool:
    """Whether the text itself says that the statement is false: in its own sentence, or in the next one about it.

    Of a statement that is supposed, any sentence within reach may say so.
    """
    after = text[failure.end : failure.end + DENIAL_REACH]
    *_, before = _STOP.split(text[max(0, failure.start - DENIAL_REACH) : failure.start])
    own = before + text[failure.start : failure.end]
    said = own[len(own.rstrip(_LETTERS)) :]
    if _DENIED_BEFORE.search(own) is not None or _DENIED.search(said) is not None:
        return True
    stop = _STOP.search(after)
    if stop is None or _SUPPOSED.search(own) or _ABOUT_IT.match(after, stop.end()):
        return _DENIED.search(after) is not None
    return _DENIED.search(after, 0, stop.end()) is not None


def _is_corrected(text: str, failure: Failure, numerals: list[Token], found: _Reading) -> bool:
    """Whether a correction is announced after the failure, and the right value is then stated."""
    cue = _CORRECTION.search(text, failure.end, failure.end + CORRECTION_REACH)
    if cue is None:
        return False
    if failure.truth is None:
        return cue.start() - failure.end < DENIAL_REACH
    truth = failure.truth
    if found.stated.get(_key(truth), -1) > cue.start():
        return True
    nearest = bisect_left(numerals, cue.start(), key=lambda t: t.start)
    near = takewhile(lambda t: t.start < cue.end() + DENIAL_REACH, islice(numerals, nearest, None))
    return any(t.value is not None and close(t.value, truth) for t in near)


def _key(value: Number) -> Number:
    """A key that values share if they are `close`, apart from rounding of floating-point values."""
    return value if isinstance(value, Fraction) else round(complex(value).real, 9)


# --- the conclusion ---------------------------------------------------------------------------------------


def _wrong_conclusion(
    text: str, end: int, answer: str | None, numerals: list[Token], found: _Reading, prompt: str
) -> list[Failure]:
    goal = target(answer)
    if goal is None:
        return []
    body = [t for t in numerals if t.start < end]
    results = sorted((r for r in found.results if r[0].end <= end), key=lambda r: r[0].start)
    rounding = any(_ROUNDED.search(each) for each in (prompt, text[max(0, end - 400) : end]))
    said = announced(text[:end], goal, results, rounding)
    if said is None:
        given = [t for t in scan(prompt[:MAX_PROMPT]) if t.value is not None]
        final = bool(results) and goal.is_near(results[-1][1])
        said = unsupported(text[:end], body, given, goal, final, rounding)
    if said is not None and not _CORRECTION.search(text, said[1], said[1] + CORRECTION_REACH):
        return [Failure(*said, f"is not the answer given, {answer}")]
    last = results[-1] if results else None
    if last is None or not is_conclusive(text, last[0], end, found.steps):
        return []
    if goal.degrees and "deg" not in last[0].sides[-1].opening[0].features:
        return []  # an angle, of which the last result is a function
    name = label(text, last[0])
    named = bool(name) and is_named(text, last[0], end)
    if goal.is_near(last[1], rounding) or goal.may_follow(last[1], text, body, named) or goal.solves(last[0]):
        return []
    if named and any(label(text, chain) == name and goal.is_near(value) for chain, value in found.results):
        return []  # one of several values
    reason = f"is the last result, and not the answer given, {answer}"
    return [Failure(last[0].start, last[0].end, reason)]


def quote(text: str, failure: Failure) -> str:
    """The step as written, shortened, and what is wrong with it."""
    step = " ".join(text[failure.start : failure.end].split())
    if len(step) > 120:
        step = step[:80] + " … " + step[-35:]
    return f"“{step}” {failure.reason}"
