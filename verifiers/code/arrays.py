"""A stand-in for the part of numpy that tests compare results with: for tests, never for programs.

Arrays are nested lists of numbers of one shape. What it lacks raises NeedsPackageError, so that there is no verdict.

Runs inside the sandbox, in the tests' process: standard library only.
"""

from __future__ import annotations

import math
import operator
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from verifiers.code.stand_ins import NeedsPackageError, StandIn


class Array:
    """Numbers (or texts) of one shape, in a list or in lists of lists."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, content: Any, dtype: Any = None) -> None:
        kind = dtype if dtype in (int, float, bool, complex) else None
        self.content = _nested(content, kind)
        self.shape = _shape(self.content)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NeedsPackageError(f"the tests use numpy.ndarray.{name}, which the stand-in does not have")

    def __repr__(self) -> str:
        return f"array({self.content!r})"

    def __len__(self) -> int:
        return len(self.content)

    def __iter__(self) -> Iterator[Any]:
        return (Array(item) if isinstance(item, list) else item for item in self.content)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, int | slice):
            raise NeedsPackageError(
                "the tests index an array by more than a number, which the stand-in cannot"
            )
        found = self.content[index]
        return Array(found) if isinstance(found, list) else found

    def __bool__(self) -> bool:
        numbers = list(_flat(self.content))
        if len(numbers) != 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous")
        return bool(numbers[0])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def tolist(self) -> Any:
        return self.content

    def flatten(self) -> Array:
        return Array(list(_flat(self.content)))

    ravel = flatten

    def all(self) -> bool:
        return all(_flat(self.content))

    def any(self) -> bool:
        return any(_flat(self.content))

    def sum(self) -> Any:
        return sum(_flat(self.content))

    def max(self) -> Any:
        return max(_flat(self.content))

    def min(self) -> Any:
        return min(_flat(self.content))

    def mean(self) -> float:
        return self.sum() / self.size


def _elementwise(of: Callable) -> Callable:
    def method(self: Array, other: Any) -> Any:
        return _zipped(of, self, other)

    return method


def _reflected(of: Callable) -> Callable:
    def method(self: Array, other: Any) -> Any:
        return _zipped(lambda x, y: of(y, x), self, other)

    return method


for _name in ("eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Array, f"__{_name}__", _elementwise(getattr(operator, f"__{_name}__")))
    if _name in ("add", "sub", "mul", "truediv"):
        setattr(Array, f"__r{_name}__", _reflected(getattr(operator, f"__{_name}__")))
for _name, _of in (("abs", abs), ("neg", operator.neg)):
    setattr(Array, f"__{_name}__", lambda self, of=_of: _mapped(of, self))


def _nested(content: Any, kind: type | None) -> Any:
    if isinstance(content, Array):
        content = content.content
    if isinstance(content, range | types.GeneratorType | set):
        content = list(content)
    if isinstance(content, list | tuple):
        return [_nested(item, kind) for item in content]
    if not isinstance(content, int | float | complex | str):
        raise TypeError(f"a value of type {type(content).__name__} in an array")
    return kind(content) if kind is not None else content


def _shape(content: Any) -> tuple[int, ...]:
    if not isinstance(content, list):
        return ()
    shapes = {_shape(item) for item in content}
    if len(shapes) > 1:
        raise ValueError("setting an array element with a sequence: the lists differ in length")
    return (len(content), *(shapes.pop() if shapes else ()))


def _flat(content: Any) -> Iterator[Any]:
    if isinstance(content, list):
        for item in content:
            yield from _flat(item)
    else:
        yield content


def _mapped(of: Callable, value: Any) -> Any:
    def mapped(content: Any) -> Any:
        return [mapped(item) for item in content] if isinstance(content, list) else of(content)

    found = mapped(Array(value).content)
    return Array(found) if isinstance(found, list) else found


def _zipped(of: Callable, a: Any, b: Any) -> Any:
    """`of` of each pair; a single number goes with every number. Raises ValueError for shapes that differ."""
    left, right = Array(a), Array(b)
    if left.shape and right.shape and left.shape != right.shape:
        raise ValueError("operands could not be broadcast together")

    def zipped(x: Any, y: Any) -> Any:
        if isinstance(x, list):
            return [zipped(i, j) for i, j in zip(x, y if isinstance(y, list) else [y] * len(x), strict=True)]
        return [zipped(x, j) for j in y] if isinstance(y, list) else of(x, y)

    found = zipped(left.content, right.content)
    return Array(found) if isinstance(found, list) else found


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    def close(x: Any, y: Any) -> bool:
        if x == y:
            return True
        if x != x or y != y:
            return equal_nan and x != x and y != y
        if any(isinstance(v, float) and math.isinf(v) for v in (x, y)):
            return False
        return abs(x - y) <= atol + rtol * abs(y)

    return _zipped(close, a, b)


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    found = isclose(a, b, rtol, atol, equal_nan)
    return found.all() if isinstance(found, Array) else found


def array_equal(a: Any, b: Any) -> bool:
    left, right = Array(a), Array(b)
    return left.shape == right.shape and left.content == right.content


def assert_allclose(
    a: Any, b: Any, rtol: float = 1e-7, atol: float = 0.0, equal_nan: bool = True, **_: Any
) -> None:
    if not allclose(a, b, rtol, atol, equal_nan):
        raise AssertionError(f"{a!r} is not close to {b!r}")


def assert_array_equal(a: Any, b: Any, **_: Any) -> None:
    if not array_equal(a, b):
        raise AssertionError(f"{a!r} is not {b!r}")


def assert_almost_equal(a: Any, b: Any, decimal: int = 7, **_: Any) -> None:
    assert_allclose(a, b, 0.0, 1.5 * 10.0**-decimal)


def _sorted(values: Any) -> Array:
    content = Array(values).content
    if content and isinstance(content[0], list):
        return Array([sorted(row) for row in content])
    return Array(sorted(content))


def _unique(values: Any) -> Array:
    return Array(sorted(set(_flat(Array(values).content))))


def _total(name: str) -> Callable[[Iterable[Any]], Any]:
    def total(values: Any) -> Any:
        return getattr(Array(values), name)()

    return total


class _Never(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return False


class _NoScalar(metaclass=_Never):
    """`numpy.int64` and its like: nothing is one."""


def numpy() -> types.ModuleType:
    module, testing = StandIn("numpy"), StandIn("numpy.testing")
    testing.__dict__.update(assert_allclose=assert_allclose, assert_array_equal=assert_array_equal)
    testing.__dict__.update(
        assert_almost_equal=assert_almost_equal, assert_array_almost_equal=assert_almost_equal
    )
    module.__dict__.update(allclose=allclose, isclose=isclose, array_equal=array_equal, testing=testing)
    module.__dict__.update(
        ndarray=Array, array=Array, asarray=Array, sort=_sorted, unique=_unique, float64=float
    )
    module.__dict__.update(inf=math.inf, nan=math.nan, pi=math.pi, e=math.e)
    for name in ("float32", "integer", "floating", "bool_", "int64", "int32", "generic", "number"):
        module.__dict__[name] = _NoScalar
    for name in ("all", "any", "sum", "max", "min", "mean"):
        module.__dict__[name] = _total(name)
    for name, of in (("abs", abs), ("isnan", lambda x: x != x), ("sqrt", lambda x: x**0.5)):
        module.__dict__[name] = lambda values, of=of: _mapped(of, values)
    module.__path__ = []  # type: ignore[attr-defined]
    sys.modules["numpy.testing"] = testing
    return module
