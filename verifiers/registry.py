"""Name → verifier: built in, installed as an entry point, or a path to one's own; and judging one response with it."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from verifiers.judging import in_words, is_service, judge
from verifiers.types import Problem, Verdict, Verifier, is_score

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
    "format": "verifiers.format:FormatVerifier",
}


class UnknownVerifier(ValueError):  # noqa: N818
    """There is no verifier of this name, or it cannot be imported."""


class BadOption(ValueError):  # noqa: N818
    """An option that the verifier does not take, or a required option that is missing."""


def load(spec: str, **options: Any) -> Verifier:
    """Return the verifier that `spec` names, built with `options`.

    `spec` is a built-in name; the name of an installed plug-in (entry point group "rlvr.verifiers");
    "package.module:attr"; or "path/file.py:attr", where a relative path starts from a folder of `add_folder` or the
    current one. `attr` is a class (instantiated with `options`), an instance (used as it is), or a function (see
    `verifiers.forms`). A plug-in cannot replace a built-in name. What is named is looked at before it is called: a
    class without `verify` or `verify_many` never is.

    Raises `UnknownVerifier`: there is none, or it cannot be imported or made, or its `answer_format` or another
    attribute has no meaning; and `BadOption`, also for a value that the constructor refuses.

    Every verifier takes the option `thinking_marks`: further pairs [[opening, closing], …] of marks of a thought,
    besides those of `verifiers.extract.MARKS`.

    >>> load("my_package.graders:MyVerifier", strict=True)
    """
    from verifiers import forms

    target = resolve(spec)
    further_marks = options.pop("thinking_marks", ())
    found = _import(spec, target)
    verifier: Any = found
    if isinstance(found, type):
        verifier = _made(spec, target, found, options)
    elif callable(found) and not _judges(found):
        form = forms.form_of(found)
        if form is None:
            raise UnknownVerifier(f"{target} is not a verifier: a function is one as {forms.EXPECTED}")
        verifier = form(found, _checked(spec, forms.own_parameters(form, found), options))
    elif options:
        raise BadOption(
            f"verifier {spec!r} is an instance and takes no options (got {', '.join(sorted(options))}); "
            "name its class instead"
        )
    _refuse_meaningless(spec, target, verifier)
    return cast(Any, _WithMarks(verifier, _further(spec, further_marks))) if further_marks else verifier


def _judges(found: Any) -> bool:
    return any(callable(getattr(found, method, None)) for method in ("verify", "verify_many"))


def _made(spec: str, target: str, cls: type, options: dict[str, Any]) -> Verifier:
    """An instance of `cls`, which is one's own code: what it raises is told in words."""
    if not _judges(cls):
        raise UnknownVerifier(
            f"{target} is not a verifier: the class {cls.__name__} has no method 'verify'; expected `name`, "
            "`answer_format` and `verify(problem, trace, answer) -> Verdict`"
        )
    parameters = list(inspect.signature(cls).parameters.values())
    options = _checked(spec, parameters, options)
    try:
        return cls(**options)
    except (TypeError, ValueError) as error:
        if options:
            raise BadOption(f"verifier {spec!r} does not take these options: {error}") from error
        raise UnknownVerifier(f"verifier {spec!r} cannot be made: {in_words(error)}") from error
    except Exception as error:
        raise UnknownVerifier(f"verifier {spec!r} cannot be made: {in_words(error)}") from error


def _refuse_meaningless(spec: str, target: str, verifier: Any) -> None:
    """Raise `UnknownVerifier` where an attribute is missing or has no meaning."""
    for attribute in ("name", "answer_format"):
        if not isinstance(getattr(verifier, attribute, None), str):
            raise UnknownVerifier(
                f"{target} is not a verifier: {type(verifier).__name__} has no attribute {attribute!r} that is a text"
            )
    if not _judges(verifier):
        raise UnknownVerifier(
            f"{target} is not a verifier: {type(verifier).__name__} has no attribute 'verify'; expected a class, an "
            "instance or a function"
        )
    from verifiers.extract import cut

    try:
        cut("", verifier.answer_format)
        mark = getattr(verifier, "pass_mark", 1.0)
        if not is_score(mark) or mark == 0:
            raise ValueError(f"pass_mark is {mark!r}; expected a number above 0, at most 1")
        if is_service(verifier):
            from verifiers.calls import Calls

            Calls.of(verifier)
    except ValueError as error:
        raise UnknownVerifier(f"verifier {spec!r}: {error}") from None


class _WithMarks:
    """A verifier whose responses may have further marks of thoughts."""

    def __init__(self, verifier: Verifier, marks: Any) -> None:
        self.wrapped, self.thinking_marks = verifier, marks

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


def _further(spec: str, marks: Any) -> Any:
    from verifiers.extract import with_further

    try:
        return with_further(marks)
    except (TypeError, ValueError) as error:
        raise BadOption(f"verifier {spec!r}: {error}") from None


def resolve(spec: str) -> str:
    """Return the "module:attr" or "/path/file.py:attr" that `spec` names, without importing it.

    Raises `UnknownVerifier`.
    """
    module, colon, attribute = spec.rpartition(":")
    if colon and _is_file(module):
        return f"{_find(spec, module)}:{attribute}"
    target = spec if colon else BUILT_IN.get(spec) or _plugins().get(spec)
    if target is None:
        raise UnknownVerifier(_unknown(spec))
    return target


_folders: list[Path] = []
"""Where a relative path to a verifier's file starts, before the current folder."""


def add_folder(folder: Path) -> None:
    """Look for verifiers in `folder` too: modules after everything that is installed, and files by relative paths."""
    folder = folder.resolve()
    if folder not in _folders:
        _folders.append(folder)
    if str(folder) not in sys.path:  # at the end: a file there hides no package
        sys.path.append(str(folder))


def _is_file(module: str) -> bool:
    return module.endswith(".py") or "/" in module


def _find(spec: str, path: str) -> Path:
    """Raises `UnknownVerifier` if there is no such file."""
    folders = [*_folders, Path.cwd()]
    for folder in folders:
        file = folder / Path(path).expanduser()
        if file.is_file():
            return file.resolve()
    where = "" if Path(path).is_absolute() else f" in {' or '.join(dict.fromkeys(map(str, folders)))}"
    raise UnknownVerifier(f"verifier {spec!r}: there is no file {path}{where}")


def installed() -> dict[str, str]:
    """All verifiers that have a name: name → "module:Class"."""
    return _plugins() | BUILT_IN


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
    """A sentence if another package named `verifiers` (PyPI has one) is installed too, else None."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        other = version("verifiers")
    except PackageNotFoundError:
        return None
    return (
        f"another package named 'verifiers' ({other}) is installed in this environment. rlvr uses its own; elsewhere "
        "`import verifiers` gives the other one, unless `import rlvr` comes first. A process can use only one of them: "
        "keep them in separate environments, or pipe responses through `rlvr score -`"
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
    try:
        found = imported(target)
    except Exception as error:  # one's own code may raise anything while it is imported
        raise UnknownVerifier(
            f"verifier {spec!r} cannot be imported from {target!r}: {in_words(error)}"
        ) from error
    return found


def imported(target: str) -> Any:
    """What "module:attr" or "file.py:attr", as `resolve` gives it, names. Raises whatever importing it raises."""
    module_name, _, attribute = target.rpartition(":")
    found: Any = _from_file(Path(module_name)) if _is_file(module_name) else import_module(module_name)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _from_file(file: Path) -> Any:
    """The module in `file`, under a name of its own; what lies beside it can be imported by it."""
    from hashlib import blake2b
    from importlib.util import module_from_spec, spec_from_file_location

    name = f"{file.stem}_{blake2b(str(file).encode(), digest_size=4).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    found = spec_from_file_location(name, file)
    if found is None or found.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = sys.modules[name] = module_from_spec(found)
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _checked(spec: str, parameters: Sequence[inspect.Parameter], options: dict[str, Any]) -> dict[str, Any]:
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
        f'{ENTRY_POINTS!r}; or a path, "package.module:MyVerifier" or "./my_file.py:MyVerifier"'
    )


def _nearest(word: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
