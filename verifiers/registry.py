"""Name → verifier: built in, installed as an entry point, or a dotted path; and judging one response with it."""

from __future__ import annotations

import inspect
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from verifiers.types import Problem, Verdict, Verifier

ENTRY_POINTS = "rlvr.verifiers"

BUILT_IN: dict[str, str] = {
    "math": "verifiers.math:MathVerifier",
    "reasoning": "verifiers.reasoning:ReasoningVerifier",
    "math+reasoning": "verifiers.reasoning:MathReasoningVerifier",
    "numeric": "verifiers.simple:NumericVerifier",
    "choice": "verifiers.simple:ChoiceVerifier",
    "exact": "verifiers.simple:ExactVerifier",
    "regex": "verifiers.simple:RegexVerifier",
    "code": "verifiers.code:CodeVerifier",
}


class UnknownVerifier(ValueError):  # noqa: N818
    """There is no verifier of this name, or it cannot be imported."""


class BadOption(ValueError):  # noqa: N818
    """An option that the verifier does not take, or a required option that is missing."""


def load(spec: str, **options: Any) -> Verifier:
    """Return the verifier that `spec` names, built with `options`.

    `spec` is a built-in name, the name of an installed plug-in (entry point group "rlvr.verifiers"), or
    "package.module:attr" where `attr` is a class (instantiated with `options`) or an instance (used as it
    is). A plug-in cannot replace a built-in name. Raises `UnknownVerifier`; `BadOption`, also for a value that
    the constructor refuses; and `ValueError` for an unknown `answer_format`.

    Every verifier takes the option `thinking_marks`: further pairs [[opening, closing], …] of marks of a thought,
    besides those of `verifiers.extract.MARKS`.

    >>> load("my_package.graders:MyVerifier", strict=True)
    """
    target = resolve(spec)
    further_marks = options.pop("thinking_marks", ())
    found = _import(spec, target)
    if isinstance(found, type):
        try:
            found = found(**_checked(spec, found, options))
        except (TypeError, ValueError) as error:
            if not options or isinstance(error, BadOption):
                raise
            raise BadOption(f"verifier {spec!r} does not take these options: {error}") from error
    elif options:
        raise BadOption(
            f"verifier {spec!r} is an instance and takes no options (got {', '.join(sorted(options))}); "
            "name its class instead"
        )
    for attribute in ("verify", "answer_format", "name"):
        if not hasattr(found, attribute):
            raise UnknownVerifier(
                f"{target} is not a verifier: {type(found).__name__} has no attribute {attribute!r}; "
                "expected a class or an instance with `name`, `answer_format` and "
                "`verify(problem, trace, answer) -> Verdict`"
            )
    from verifiers.extract import cut

    cut("", found.answer_format)  # raises for an unknown format
    verifier: Any = _WithMarks(found, _further(spec, further_marks)) if further_marks else found
    return verifier


class _WithMarks:
    """A verifier whose responses may have further marks of thoughts."""

    def __init__(self, verifier: Verifier, marks: Any) -> None:
        self._verifier, self.thinking_marks = verifier, marks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._verifier, name)


def _further(spec: str, marks: Any) -> Any:
    from verifiers.extract import with_further

    try:
        return with_further(marks)
    except (TypeError, ValueError) as error:
        raise BadOption(f"verifier {spec!r}: {error}") from None


def resolve(spec: str) -> str:
    """Return the "module:attr" that `spec` names, without importing it. Raises `UnknownVerifier`."""
    target = spec if ":" in spec else BUILT_IN.get(spec) or _plugins().get(spec)
    if target is None:
        raise UnknownVerifier(_unknown(spec))
    return target


def installed() -> dict[str, str]:
    """All verifiers that have a name: name → "module:Class"."""
    return _plugins() | BUILT_IN


def judge(verifier: Verifier, problem: Problem, response: str) -> Verdict:
    """Cut `response` by the verifier's `answer_format`, and return its verdict.

    A response without an answer is "no_answer" unless the verifier has `judges_missing_answers = True`. An
    exception of the verifier is not the policy's fault: status "error", score None. Only `MemoryError` is raised
    (in a worker of a pool it means that the response ran into the memory limit).
    """
    from verifiers.extract import (
        cut_for,
    )  # late: compiling its patterns would double the time to import this package

    try:
        found = cut_for(verifier, problem, response)
        if found.answer is None and not getattr(verifier, "judges_missing_answers", False):
            return Verdict(0.0, "no_answer", detail=found.note)
        verdict = verifier.verify(problem, found.trace, found.answer)
    except MemoryError:
        raise
    except Exception as error:
        return Verdict(None, "error", detail=f"{type(error).__name__}: {error}")
    if not isinstance(verdict, Verdict):
        kind = type(verdict).__name__
        return Verdict(
            None, "error", detail=f"TypeError: {verifier.name} returned {kind}, expected a Verdict"
        )
    return verdict


def score(verifier: str | Verifier, problem: Problem, response: str, **options: Any) -> Verdict:
    """Judge one response in this process, without a deadline.

    `verifier` is a spec as for `load` (loaded once per thread and options) or a verifier. For many responses of a
    model use `VerifierPool`, which survives hangs and crashes.
    """
    if isinstance(verifier, str):
        verifier = _loaded(verifier, options)
    elif options:
        raise BadOption(
            f"options ({', '.join(sorted(options))}) go with a verifier's name, not with an instance"
        )
    return judge(verifier, problem, response)


def shadowed() -> str | None:
    """A warning if another package named `verifiers` (PyPI has one) hides this one or is mixed with it, else None."""
    from importlib.metadata import PackageNotFoundError, version

    own = Path(__file__).resolve().parent
    imported = getattr(sys.modules.get("verifiers"), "__file__", None)
    if imported is not None and Path(imported).resolve().parent != own:
        return f"`import verifiers` gives {imported}, not rlvr's own package at {own}"
    try:
        other = version("verifiers")
    except PackageNotFoundError:
        return None
    return (
        f"another package named 'verifiers' ({other}) is installed in this environment; its files and those "
        f"of rlvr are in one folder. Keep them apart: `pip uninstall verifiers`, then "
        "`pip install --force-reinstall --no-deps rlvr`"
    )


_local = threading.local()


def _loaded(spec: str, options: dict[str, Any]) -> Verifier:
    """One instance per thread: a verifier need not be thread-safe."""
    instances = _local.__dict__.setdefault("instances", {})
    key = (spec, repr(sorted(options.items())))
    if key not in instances:
        instances[key] = load(spec, **options)
    return instances[key]


def _plugins() -> dict[str, str]:
    from importlib.metadata import entry_points

    found: dict[str, str] = {}
    for point in entry_points(group=ENTRY_POINTS):
        if found.setdefault(point.name, point.value) != point.value:
            raise UnknownVerifier(
                f"two installed plug-ins are named {point.name!r}: {found[point.name]} and {point.value}; "
                "uninstall one, or name the one you want by its path"
            )
    return found


def _import(spec: str, target: str) -> Any:
    module_name, _, attribute = target.partition(":")
    try:
        found: Any = import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownVerifier(
            f"verifier {spec!r} cannot be imported from {target!r}: {type(error).__name__}: {error}"
        ) from error
    return found


def _checked(spec: str, cls: type, options: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(cls).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    known = [p.name for p in named]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for name in options:
            if name not in known:
                takes = f"it takes {', '.join(known)}" if known else "it takes no options"
                raise BadOption(f"verifier {spec!r} has no option {name!r}; {takes}{_nearest(name, known)}")
    for p in named:
        if p.default is p.empty and p.name not in options:
            raise BadOption(f"verifier {spec!r} needs the option {p.name!r}")
    return options


def _unknown(spec: str) -> str:
    known = sorted(installed())
    return (
        f"no verifier named {spec!r}{_nearest(spec, known)}. Expected a name that is built in or "
        f"installed ({', '.join(known)}); a package of your own with an entry point in the group "
        f'{ENTRY_POINTS!r}; or a path, "package.module:MyVerifier"'
    )


def _nearest(word: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
