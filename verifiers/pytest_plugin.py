"""pytest support for authors of verifiers: a class to subclass, and a fixture.

>>> from verifiers.conformance import Example
>>> from verifiers.pytest_plugin import ConformanceTests
>>>
>>> class TestShout(ConformanceTests):
...     verifier = "my_package.graders:Shout"
...     examples = [Example("hello", right="HELLO", wrong="hello")]

gives one test per property. The fixture `check_verifier` is `verifiers.conformance.check`, and fails the test with
the report; `pytest_plugins = ["verifiers.pytest_plugin"]` in a `conftest.py` gives it to the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

if TYPE_CHECKING:
    from verifiers.conformance import Example, Report

NAMES = (
    *("examples", "total", "bounded", "deterministic", "symmetric"),
    *("last_answer", "hedges", "blame", "threads"),
)
"""The keys of `verifiers.conformance.PROPERTIES`, repeated so that starting pytest does not import that module."""


class ConformanceTests:
    """Subclass this and set `verifier`; the other attributes are arguments of `verifiers.conformance.check`."""

    verifier: ClassVar[Any]
    options: ClassVar[Mapping[str, Any]] = {}
    examples: ClassVar[Sequence[Example] | None] = None
    fuzz: ClassVar[int] = 10_000
    deadline: ClassVar[float] = 5.0

    @pytest.mark.parametrize("name", NAMES)
    def test_conforms(self, name: str) -> None:
        report = self._report()
        if name in report.skipped:
            pytest.skip(report.skipped[name])
        found = [finding.what for finding in report.findings if finding.property == name]
        assert not found, f"{report.verifier}, {name}: " + "; ".join(found)

    @classmethod
    def _report(cls) -> Report:
        """Computed once per class."""
        from verifiers.conformance import check

        if "_made" not in cls.__dict__:
            cls._made = check(
                cls.verifier, options=cls.options, examples=cls.examples, fuzz=cls.fuzz, deadline=cls.deadline
            )
        return cls._made


@pytest.fixture
def check_verifier() -> Callable[..., Report]:
    """`verifiers.conformance.check`, which fails the test with its report if a property does not hold."""
    from verifiers.conformance import check

    def run(*args: Any, **kwargs: Any) -> Report:
        report = check(*args, **kwargs)
        report.raise_if_failed()
        return report

    return run
