"""Functions as verifiers: `def reward(problem, response) -> float`, and reward functions as TRL takes them.

Which form a function has is seen from the names of its parameters. Attributes that a verifier may have (`pass_mark`,
`answer_format`, `timeout`, …) can be set on the function; parameters of its own are the verifier's options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature, isawaitable, iscoroutinefunction, signature
from typing import Any

from verifiers.types import Item, Problem, Verdict

REFERENCE_COLUMNS = ("reference", "answer", "solution", "ground_truth")
"""Parameters of a TRL reward function that get the problem's reference, unless the data set has such a column."""
PASSED = {"problem", "response"}
PASSED_BY_TRL = {"prompts", "completions"}
EXPECTED = (
    "`def reward(problem, response) -> float` or TRL's `def reward(completions, **columns) -> list[float]`"
)


class FunctionVerifier:
    """`function(problem, response, **options)` returns a score from 0 to 1, or a `Verdict`; it may be `async`.

    >>> def short(problem: Problem, response: str, limit: int = 100) -> float:
    ...     return float(len(response) <= limit)
    """

    judges_missing_answers = True
    answer_format = "text"

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self.function = function
        self.options = dict(options)
        self.name = getattr(function, "__name__", type(function).__name__)
        self.is_async = iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", 0))  # noqa: B004
        for name, value in getattr(function, "__dict__", {}).items():
            if not name.startswith("_"):
                setattr(self, name, value)

    def verify_item(self, item: Item) -> Any:
        return self.function(problem=item.problem, response=item.response, **self.options)

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Any:
        """For callers that cut the response themselves: the function gets both parts of it."""
        return self.verify_item(Item(problem, trace, answer, trace + (answer or "")))


class TrlVerifier(FunctionVerifier):
    """A reward function for TRL's trainers: `function(prompts=[…], completions=[…], **columns) -> [score]`.

    It is called for one response at a time, so it must not compare the responses of a group. `columns` are the data
    set's own (`Problem.meta`), and the reference under each of `REFERENCE_COLUMNS`. With `conversational`, prompts and
    completions are lists of messages. None in place of a score says that it does not apply: no verdict.

    >>> def reward(completions, answer, **kwargs):
    ...     return [float(a in c) for c, a in zip(completions, answer)]
    """

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        super().__init__(function, options)
        self.conversational = bool(self.options.pop("conversational", False))
        parameters = signature(function).parameters.values()
        self.takes_all = any(p.kind is Parameter.VAR_KEYWORD for p in parameters)
        self.takes = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        self.needs = {p.name for p in parameters if p.name in self.takes and p.default is p.empty}

    def verify_item(self, item: Item) -> Any:
        problem = item.problem
        columns = dict.fromkeys(REFERENCE_COLUMNS, problem.reference) | dict(problem.meta)
        columns |= {
            "prompts": problem.messages if self.conversational else problem.prompt,
            "completions": [{"role": "assistant", "content": item.response}]
            if self.conversational
            else item.response,
        }
        if missing := self.needs - columns.keys() - self.options.keys():
            raise TypeError(
                f"{self.name}() needs {', '.join(sorted(missing))}; problem {problem.id!r} has the columns "
                f"{', '.join(sorted(columns))}"
            )
        given = {name: [value] for name, value in columns.items() if self.takes_all or name in self.takes}
        said = self.function(**given | self.options)
        return self._later(said) if isawaitable(said) else self._one(said)

    async def _later(self, said: Any) -> Any:
        return self._one(await said)

    def _one(self, said: Any) -> Any:
        if not isinstance(said, Sequence) or isinstance(said, str) or len(said) != 1:
            raise TypeError(f"{self.name}() returned {said!r:.80}; expected a list with one score")
        if said[0] is None:
            return Verdict(None, "unverifiable", detail=f"{self.name}() returned None: it does not apply")
        return said[0]


def form_of(function: Any) -> type[FunctionVerifier] | None:
    """How `function` wants to be called; None if it is no reward function."""
    try:
        shape: Signature = signature(function)
    except (TypeError, ValueError):
        return None
    names = {p.name for p in shape.parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if names >= PASSED:
        return FunctionVerifier
    return TrlVerifier if "completions" in names else None


def own_parameters(form: type[FunctionVerifier], function: Any) -> list[Parameter]:
    """The parameters of a reward function that are options of the verifier."""
    parameters = list(signature(function).parameters.values())
    if form is TrlVerifier:  # what has no default is a column
        conversational = Parameter("conversational", Parameter.KEYWORD_ONLY, default=False)
        named = [p for p in parameters if p.default is not p.empty and p.name not in PASSED_BY_TRL]
        return [*(p for p in named if p.name not in REFERENCE_COLUMNS), conversational]
    return [p for p in parameters if p.name not in PASSED]
