"""The encoding of values between processes: typed, canonical, decoded with limits.

Only exact built-in types can be encoded, so that no foreign `__eq__`, `__hash__` or `__reduce__` ever runs in the
process that decodes. Subclasses of list, tuple, dict and set are sent as the content of their base class, whatever
their own methods return.

This module also runs inside the sandbox: light modules of the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from struct import Struct, pack, unpack
from struct import error as struct_error
from typing import Any

from verifiers.code import nodes

Lend = Callable[[Any], tuple]
Borrow = Callable[..., Any]
MAX_DEPTH = 200
MAX_BYTES = 32 << 20
MAX_ITERATED = 1_000_000
CHUNK = 1000  # items of an iterator that are sent at a time

_ARRAY, _ARRAY_FROM = b"A", 8
_INT64, _FLOAT, _COMPLEX, _SIZE = Struct(">q"), Struct(">d"), Struct(">dd"), Struct(">I")


class UnserialisableError(TypeError):
    """The type, depth or size of the value cannot be encoded."""


class TooLargeError(UnserialisableError):
    """The depth or size of the value is over the limit."""


class MalformedError(ValueError):
    """The bytes are not a canonical value, or one over the limits."""


class Encoded(bytes):
    """A value that is encoded already, and stands for itself within another one."""


class Stream:
    """An iterator of which the first items are sent, and the others where they are asked for."""

    def __init__(self, items: tuple, rest: Iterator[Any]) -> None:
        self.items, self.rest = items, rest


class Pairs(list):
    """A decoded dict as a list of (key, value): in a dict, a program could choose keys whose hashes collide."""


class Items(list):
    """A decoded set or frozenset as a list of its members, for the same reason."""


def encode(value: object, *, iterators: bool = False, lend: Lend | None = None) -> bytes:
    """Encode `value`; with `iterators`, generators and views are consumed and decoded as iterators.

    `lend` gives, for an object of another type, a tuple of values that stands for it; the `borrow` of `decode` makes
    something of it. Raises UnserialisableError for other types, depth over MAX_DEPTH or more than MAX_BYTES.
    """
    out: list[bytes] = []
    _put(value, out, 0, iterators, lend)
    data = b"".join(out)
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"a value of {len(data)} bytes; the limit is {MAX_BYTES}")
    return data


def _put(value: Any, out: list[bytes], depth: int, iterators: bool, lend: Lend | None) -> None:
    kind = type(value)
    if value is None:
        out.append(b"N")
    elif kind is bool:
        out.append(b"T" if value else b"F")
    elif kind is int:
        _put_int(value, out)
    elif kind is float:
        out.append(b"d" + _FLOAT.pack(value))
    elif kind is str:
        _put_raw(b"s", value.encode("utf-8", "surrogatepass"), out)
    elif kind is bytes:
        _put_raw(b"b", value, out)
    elif kind is complex:
        out.append(b"c" + _COMPLEX.pack(value.real, value.imag))
    elif kind is Encoded:
        out.append(value)
    else:
        _put_container(kind, value, out, depth, iterators, lend)


def _put_int(value: int, out: list[bytes]) -> None:
    if -(1 << 63) <= value < 1 << 63:
        out.append(b"q" + _INT64.pack(value))
    else:
        _put_raw(b"i", b"%x" % value, out)  # hexadecimal: linear time at any size


def _put_raw(tag: bytes, raw: bytes, out: list[bytes]) -> None:
    if len(raw) > MAX_BYTES:
        raise TooLargeError(f"a {len(raw)} byte item; the limit is {MAX_BYTES}")
    out.append(tag + _SIZE.pack(len(raw)))
    out.append(raw)


def _put_container(
    kind: type, value: Any, out: list[bytes], depth: int, iterators: bool, lend: Lend | None
) -> None:
    if depth >= MAX_DEPTH:
        raise TooLargeError(f"nested deeper than {MAX_DEPTH}")
    pairs: tuple = ()
    if lend is not None and (
        issubclass(kind, type) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
    ):
        _put_lent(value, out, depth, iterators, lend)
        return
    if issubclass(kind, list):
        tag, items = b"l", tuple(list.__iter__(value))
    elif issubclass(kind, tuple):
        tag, items = b"t", tuple(tuple.__iter__(value))
    elif issubclass(kind, dict):
        pairs = tuple(dict.items(value))
        tag, items = b"m", tuple(chain.from_iterable(pairs))
    elif issubclass(kind, (set, frozenset)):
        base = set if issubclass(kind, set) else frozenset
        _put_set(b"S" if base is set else b"Z", base.__iter__(value), out, depth, iterators, lend)
        return
    elif kind is range:
        tag, items = b"r", (value.start, value.stop, value.step)
    elif iterators and kind.__module__ in _ITERATOR_MODULES and hasattr(value, "__iter__"):
        source = iter(value)
        tag, items = b"g", _drain(source) if lend is None else tuple(islice(source, CHUNK))
        if lend is not None and len(items) == CHUNK:  # it may have no end
            _put_lent(Stream(items, source), out, depth, iterators, lend)
            return
    elif kind.__module__ == "numpy" and hasattr(value, "tolist"):  # a number of numpy's, or an array
        if lend is not None and getattr(value, "ndim", 0):
            out.append(b"y")
        _put(value.tolist(), out, depth, iterators, lend)
        return
    elif kind.__module__ == "sortedcontainers.sortedlist":
        tag, items = b"l", tuple(value)
    elif lend is None and kind.__module__ in _NUMBERS and hasattr(kind, "__float__"):
        _put(_number(value), out, depth, iterators, lend)
        return
    elif nodes.is_node(value):
        out.append(b"n")
        _put((kind.__name__, _unlinked(value)), out, depth, iterators, lend)
        return
    elif lend is not None:
        _put_lent(value, out, depth, iterators, lend)
        return
    else:
        raise UnserialisableError(f"a value of type {kind.__name__}")
    size = len(pairs) if tag == b"m" else len(items)
    if size > _ARRAY_FROM and (raw := _array(items)) is not None:
        out.append(_ARRAY + tag + _SIZE.pack(size) + raw)
        return
    out.append(tag + _SIZE.pack(size))
    for item in items:
        _put(item, out, depth + 1, iterators, lend)


def _put_lent(value: Any, out: list[bytes], depth: int, iterators: bool, lend: Lend) -> None:
    out.append(b"o")
    _put(lend(value), out, depth + 1, iterators, lend)


def _array(items: tuple) -> bytes | None:
    """A long sequence of numbers of one type, packed; None for any other sequence."""
    kinds = set(map(type, items))
    code = "d" if kinds == {float} else "q" if kinds == {int} else None
    try:
        return None if code is None else code.encode() + pack(f">{len(items)}{code}", *items)
    except struct_error:  # an int beyond 64 bits
        return None


_ITERATOR_MODULES = ("builtins", "itertools", "collections")


def _drain(value: Any) -> tuple:
    items = []
    for item in value:
        items.append(item)
        if len(items) > MAX_ITERATED:
            raise TooLargeError(f"an iterator of more than {MAX_ITERATED} items")
    return tuple(items)


_NUMBERS = ("decimal", "fractions", "sympy.core.numbers")


def _number(value: Any) -> int | float:
    """An exact number as the integer or float that equals it, or is nearest to it."""
    try:
        whole = int(value)
    except (ValueError, OverflowError):  # NaN, infinity
        return float(value)
    return whole if whole == value else float(value)


def _unlinked(node: Any) -> list:
    try:
        return nodes.to_list(node, MAX_ITERATED)
    except nodes.EndlessError as error:
        raise TooLargeError(str(error)) from None


def _put_set(
    tag: bytes, members: Any, out: list[bytes], depth: int, iterators: bool, lend: Lend | None
) -> None:
    encoded = []
    for member in members:
        parts: list[bytes] = []
        _put(member, parts, depth + 1, iterators, lend)
        encoded.append(b"".join(parts))
    out.append(tag + _SIZE.pack(len(encoded)))
    out.extend(sorted(encoded))


def decode(
    data: bytes,
    *,
    build: bool | Mapping[str, Any] = False,
    borrow: Borrow | None = None,
    max_items: int = 10_000_000,
) -> Any:
    """Decode one value. Dicts and sets come as Pairs and Items, nodes of lists and trees as lists, unless `build`.

    `build` may be a mapping of the classes of nodes by name; a class that it lacks is `nodes`' own.

    Raises MalformedError for bytes that `encode` does not write, and over MAX_DEPTH or `max_items` items in total.
    """
    reader = _Reader(data, build, borrow, max_items)
    try:
        value = reader.value(0)
    except MalformedError:
        raise
    except Exception as error:  # struct.error, UnicodeDecodeError, unhashable keys, int() of other text
        raise MalformedError(f"{type(error).__name__}: {error}") from None
    if reader.at != len(data):
        raise MalformedError(f"{len(data) - reader.at} bytes after the value")
    return value


class _Reader:
    def __init__(
        self, data: bytes, build: bool | Mapping[str, Any], borrow: Borrow | None, max_items: int
    ) -> None:
        self.data, self.borrow, self.left, self.at = data, borrow, max_items, 0
        self.build = build is not False
        self.classes = {} if isinstance(build, bool) else build

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise MalformedError("truncated")
        chunk, self.at = self.data[self.at : end], end
        return chunk

    def size(self) -> int:
        return _SIZE.unpack(self.take(4))[0]

    def value(self, depth: int) -> Any:
        tag = self.take(1)
        if tag == b"q":
            return _INT64.unpack(self.take(8))[0]
        if tag == b"s":
            return self.take(self.size()).decode("utf-8", "surrogatepass")
        if tag == b"d":
            return _FLOAT.unpack(self.take(8))[0]
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag == b"i":
            return int(self.take(self.size()), 16)
        if tag == b"b":
            return self.take(self.size())
        if tag == b"c":
            return complex(*_COMPLEX.unpack(self.take(16)))
        if tag == b"y":
            items = self.value(depth)
            return __import__("numpy").array(items) if self.build else items
        if tag == b"n":
            name, items = self.value(depth)
            return nodes.from_list(name, items, self.classes) if self.build else items
        if tag == b"o" and self.borrow is not None and depth < MAX_DEPTH:
            return self.borrow(*self.value(depth + 1))
        return self.container(tag, depth)

    def container(self, tag: bytes, depth: int) -> Any:
        if depth >= MAX_DEPTH:
            raise MalformedError(f"nested deeper than {MAX_DEPTH}")
        array = tag == _ARRAY
        if array:
            tag = self.take(1)
        if tag not in _CONTAINERS:
            raise MalformedError(f"unknown tag {tag!r}")
        count = self.size() * (2 if tag == b"m" else 1)
        self.left -= count
        if self.left < 0:
            raise MalformedError("too many items")
        items = self.array(count) if array else [self.value(depth + 1) for _ in range(count)]
        return self.build_container(tag, items)

    def array(self, count: int) -> list:
        code = self.take(1)
        if code not in (b"q", b"d"):
            raise MalformedError(f"unknown array of {code!r}")
        return list(unpack(f">{count}{code.decode()}", self.take(8 * count)))

    def build_container(self, tag: bytes, items: list) -> Any:
        if tag == b"l":
            return items
        if tag == b"t":
            return tuple(items)
        if tag == b"r":
            return range(*items)
        if tag == b"g":
            return iter(items)
        if tag == b"m":
            pairs = list(zip(items[::2], items[1::2], strict=True))
            return dict(pairs) if self.build else Pairs(pairs)
        if not self.build:
            return Items(items)
        return set(items) if tag == b"S" else frozenset(items)


_CONTAINERS = (b"l", b"t", b"m", b"S", b"Z", b"r", b"g")
_CONSTANTS = {b"N": None, b"T": True, b"F": False}
