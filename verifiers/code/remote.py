"""Objects that stay in their process, for tests that need more than values: classes with state, closures, callbacks.

The tests' process and the program's each have a `Line` to the other. A value passes as a copy; anything else is lent:
it stays, and the other process gets a `Remote` that asks for what is done with it. So the tests' `stack.push(1)` runs
in the program's process, and the program's call of a function that the tests passed runs in the tests' process.

Two rules keep an object from lying. What the tests expect never goes out to be compared: an object of the program
equals no value, and takes no part in arithmetic, order or `in` with a value of the tests, unless the tests made the
object themselves (`Vector(1, 2) * 3`). And of the tests' own objects the program can only call functions that it was
given, and use attributes without an underscore of instances of the tests' classes.

Runs inside the sandbox, in both processes: standard library only.
"""

from __future__ import annotations

import builtins
import operator
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from os import _exit
from types import BuiltinFunctionType
from typing import Any

from verifiers.code import wire
from verifiers.code.values import (
    CHUNK,
    MAX_ITERATED,
    Stream,
    TooLargeError,
    UnserialisableError,
    decode,
    encode,
)
from verifiers.code.wire import FrameReader, FrameWriter

MADE, DERIVED, RETURNED = 2, 1, 0
"""How the tests came by an object: made by calling a class; from such an object or a class; from a function."""
_UNARY: dict[str, Callable] = {"len": len, "bool": bool, "str": str, "repr": repr, "int": int, "float": float}
_UNARY |= {"abs": abs, "neg": operator.neg, "pos": operator.pos, "invert": operator.invert, "next": next}
_UNARY |= {
    "reversed": lambda x: list(reversed(x)),
    "index": operator.index,
    "round": round,
    "complex": complex,
}
_BINARY: dict[str, Callable] = {
    name: getattr(operator, f"__{name}__")
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
}
_BINARY |= {f"r{name}": (lambda x, y, of=of: of(y, x)) for name, of in tuple(_BINARY.items())}
_ORDER = {name: getattr(operator, name) for name in ("lt", "le", "gt", "ge")}
_ITEMS = {"getitem": operator.getitem, "setitem": operator.setitem, "delitem": operator.delitem}
_SHOWN = ("str", "repr", "bool")  # what any object has
OPERATIONS = _UNARY | _BINARY | _ORDER | _ITEMS | {"contains": operator.contains, "eq": operator.eq}
OPERATIONS |= {
    "enter": lambda x: type(x).__enter__(x),
    "exit": lambda x: type(x).__exit__(x, None, None, None),
}


class UnsupportedError(Exception):
    """The tests do something with an object of the program that cannot be judged: a fault of the data."""


class Lent:
    """An object that is lent although it could pass as a copy: an instance of the program's own kind of list."""

    def __init__(self, content: Any) -> None:
        self.content = content


class Remote:
    """An object of the other process."""

    __slots__ = ("__grade", "__line", "__ref")

    def __init__(self, line: Line, ref: int | str, grade: int) -> None:
        object.__setattr__(self, "_Remote__line", line)
        object.__setattr__(self, "_Remote__ref", ref)
        object.__setattr__(self, "_Remote__grade", grade)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__line.ask("call", self.__ref, "", args, kwargs, grade=self.__given())

    def __given(self) -> int:
        """The grade of what this gives: a class makes objects, a function of a module returns them."""
        if isinstance(self.__ref, str):
            return MADE if self.__ref in self.__line.made_by else RETURNED
        return min(self.__grade, DERIVED)

    def __getattr__(self, name: str) -> Any:
        if name in ("__iter__", "__await__", "__aiter__", "__wrapped__", "__test__"):
            raise AttributeError(name)
        return self.__line.ask("get", self.__ref, name, grade=self.__given())

    def __setattr__(self, name: str, value: Any) -> None:
        self.__line.ask("set", self.__ref, name, (value,))

    def __delattr__(self, name: str) -> None:
        self.__line.ask("delete", self.__ref, name)

    def __iter__(self) -> Any:
        self.__line.allow(self.__grade >= DERIVED, "is iterated over")
        return iter(self.__line.ask("iterate", self.__ref))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remote):
            if self.__grade == MADE and other is not None:
                raise UnsupportedError(
                    f"the tests compare an object of the program with {type(other).__name__}"
                )
            return False
        return other is self or bool(self.__line.ask("do", self.__ref, "eq", (other,)))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.__ref)

    def __instancecheck__(self, instance: object) -> bool:
        return (
            isinstance(instance, Remote)
            and self.__line.ask("isinstance", self.__ref, "", (instance,)) is True
        )

    def __subclasscheck__(self, other: object) -> bool:
        return isinstance(other, Remote) and self.__line.ask("issubclass", self.__ref, "", (other,)) is True

    def __mro_entries__(self, bases: tuple) -> tuple:
        raise UnsupportedError("the tests derive a class from one of the program")

    def __enter__(self) -> Any:
        return self.__line.ask("do", self.__ref, "enter", grade=self.__grade)

    def __exit__(self, *error: object) -> bool:
        self.__line.ask("do", self.__ref, "exit")
        return False  # a failed assertion is not the program's to swallow

    def _do(self, name: str, *args: Any) -> Any:
        """An operation. `Line.allow` says which the tests may use."""
        if name in _UNARY:
            self.__line.allow(self.__grade >= DERIVED or name in _SHOWN, f"is used in {name}()")
        elif name in _ITEMS:
            self.__line.allow(self.__grade >= DERIVED, "is indexed")
        else:
            self.__line.allow(
                self.__grade == MADE or isinstance(args[0], Remote), f"is used in {name} with a value"
            )
        return self.__line.ask("do", self.__ref, name, args, grade=DERIVED)

    @staticmethod
    def ref_of(remote: Remote) -> int | str:
        """Its number with its owner, or its path in the program."""
        return remote.__ref


def _special(name: str) -> Callable:
    def method(self: Remote, *args: Any) -> Any:
        return self._do(name, *args)

    return method


for _name in (*_UNARY, *_BINARY, *_ORDER, *_ITEMS, "contains"):
    setattr(Remote, f"__{_name}__", _special(_name))


class Line:
    """One process's end: it asks the other process, and while it waits it answers what that one asks."""

    in_tests = False

    def __init__(self, requests: FrameReader, answers: FrameWriter) -> None:
        self.requests, self.answers, self.calls = requests, answers, 0
        self._lent: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._borrowed: dict[int, Any] = {}
        self._grade = RETURNED
        self.made_by: frozenset[str] = frozenset()
        """Names of the program that are classes, as the row says; what the program says of them counts for nothing."""
        self.classes: dict[str, Any] = {}
        """This process's names: nodes of lists and trees that come are of their classes."""

    # --- values and objects

    def encoded(self, value: Any) -> bytes:
        return encode(value, iterators=True, lend=self._lend)

    def decoded(self, data: bytes, grade: int = RETURNED) -> Any:
        before, self._grade = self._grade, grade
        try:
            return decode(data, build=self.classes, borrow=self._borrow)
        finally:
            self._grade = before

    def _lend(self, value: Any) -> tuple[str, Any, str]:
        """(whose, number or name or content, kind) of an object that is no plain value. Raises UnserialisableError."""
        if isinstance(value, Remote):
            ref = Remote.ref_of(value)
            return ("name" if isinstance(ref, str) else "yours", ref, "")
        if isinstance(value, Stream):
            self._lent.append(value.rest)
            return ("stream", (len(self._lent) - 1, list(value.items)), "")
        if isinstance(value, Lent):
            value = value.content
        elif (copied := _copied(value)) is not None:
            return copied
        self.lendable(value)
        number = self._numbers.setdefault(id(value), len(self._lent))
        if number == len(self._lent):
            self._lent.append(value)  # kept, so that no other object gets its id
        return ("mine", number, type(value).__name__)

    def _borrow(self, whose: str, ref: Any, kind: str) -> Any:
        if whose == "yours":
            return self._lent[ref]
        if whose == "name":
            return self.named(ref)
        if whose == "stream":
            return _streamed(self, *ref)
        if whose != "mine":
            return _built(whose, ref, kind)
        if kind in ("coroutine", "async_generator"):
            return (_later if kind == "coroutine" else _each)(self, ref)
        if ref not in self._borrowed:
            self._borrowed[ref] = _named_remote(str(kind))(self, ref, self._grade)
        return self._borrowed[ref]

    def lendable(self, value: Any) -> None:
        """Raises UnserialisableError for what the other process may not be lent."""

    def named(self, path: str) -> Any:
        raise NameError(path)

    def allow(self, allowed: bool, what: str) -> None:
        """Raises TypeError for an operation that the tests may not use with such an object."""

    # --- asking and answering

    def ask(
        self,
        what: str,
        ref: int | str,
        name: str = "",
        args: tuple = (),
        kwargs: Any = None,
        grade: int = RETURNED,
    ) -> Any:
        """What the other process answers. Raises what its object raised."""
        self.answers.send(wire.ASK, self.question(what, ref, name, args, kwargs or {}))
        self.calls += 1
        while True:
            message = self.requests.next()
            if message is None:
                _exit(1)
            kind, payload = message
            if kind == wire.CALL:
                self.answer(payload)
            elif kind == wire.RAISED:
                raise self.exception(*decode(payload, build=True))
            else:
                value, changed, printed = self.decoded(payload, grade)
                self.changed(args, changed, printed, value)
                return value

    def question(self, what: str, ref: int | str, name: str, args: tuple, kwargs: dict) -> bytes:
        return self.encoded((what, ref, name, list(args), kwargs, {}))

    def changed(self, args: tuple, changed: Any, printed: str, value: Any) -> None:
        """What the other process did to the arguments, and printed, on the way to `value`."""

    def exception(self, name: str, message: str, base: str) -> BaseException:
        kind = getattr(builtins, name, None) or getattr(builtins, base, None)
        return kind(message) if isinstance(kind, type) and issubclass(kind, Exception) else Exception(message)

    def answer(self, payload: bytes) -> None:
        """Answer one question of the other process."""
        what, ref, name, args, kwargs, replaced = self.decoded(payload)
        self.replace(replaced)
        before = self._encoded(args)
        try:
            target = self._lent[ref] if isinstance(ref, int) else self.named(ref)
            result = self.did(what, target, name, args, kwargs)
        except BaseException as error:
            self.answers.send(wire.THROWN, described(error))
            return
        after = self._encoded(args) if before is not None else None
        try:
            reply = self.encoded((result, None if after is None or after == before else args, self.printed()))
        except BaseException as error:
            self.answers.send(wire.UNSERIALISABLE, described(error))
            return
        self.answers.send(wire.VALUE, reply)

    def _encoded(self, args: list) -> bytes | None:
        """The arguments as they are now; None if there are none that can change, or an iterator is among them."""
        try:
            return encode(args, lend=self._lend) if args else None
        except UnserialisableError:
            return None

    def replace(self, given: dict[str, Any]) -> None:
        """Use what the other process has put in the place of `input` and its like."""

    def printed(self) -> str:
        return ""

    def did(self, what: str, target: Any, name: str, args: list, kwargs: dict) -> Any:
        if what == "call":
            return target(*args, **kwargs)
        if what == "get":
            return getattr(target, name)
        if what == "set":
            return setattr(target, name, *args)
        if what == "delete":
            return delattr(target, name)
        if what == "do":
            return OPERATIONS[name](target, *args)
        if what == "iterate":
            return _items(target)
        if what == "more":
            return list(islice(target, CHUNK))
        if what == "isinstance":
            return isinstance(args[0], target)
        if what == "issubclass":
            return issubclass(args[0], target)
        raise ValueError(what)


def _copied(value: Any) -> tuple[str, Any, str] | None:
    """How a copy of an object of the standard library's own kinds is sent; None for any other."""
    kind = type(value)
    if isinstance(
        value, type | BuiltinFunctionType
    ):  # each process has its own: one that is lent `eval` could read all
        return ("builtin", value.__name__, "") if getattr(builtins, value.__name__, None) is value else None
    if issubclass(kind, tuple):
        return ("tuple", (list(map(str, kind._fields)), list(tuple.__iter__(value))), kind.__name__)  # type: ignore[attr-defined]
    if getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind:
        return None
    place = f"{kind.__module__}.{kind.__name__}"
    if place == "fractions.Fraction":
        return (place, (value.numerator, value.denominator), "")
    if place == "decimal.Decimal":
        return (place, (str(value),), "")
    if place in ("datetime.date", "datetime.datetime", "datetime.time"):
        return (place, (value.isoformat(),), "")
    if place == "datetime.timedelta":
        return (place, (value.days, value.seconds, value.microseconds), "")
    return None


def _built(place: str, content: Any, kind: str) -> Any:
    """The copy that `_copied` sent."""
    if place == "builtin":
        found = getattr(builtins, content)
        if not isinstance(found, type | BuiltinFunctionType):
            raise ValueError(content)
        return found
    if place == "tuple":
        from collections import namedtuple

        names, items = content
        return namedtuple(kind, names, rename=True)(*items)
    module, _, name = place.partition(".")
    if (module, name) not in _COPIED:
        raise ValueError(place)
    made = getattr(__import__(module), name)
    return (made.fromisoformat if module == "datetime" and name != "timedelta" else made)(*content)


_COPIED = {("fractions", "Fraction"), ("decimal", "Decimal")}
_COPIED |= {("datetime", name) for name in ("date", "datetime", "time", "timedelta")}


def _items(target: Any) -> list:
    items = list(islice(iter(target), MAX_ITERATED + 1))
    if len(items) > MAX_ITERATED:
        raise TooLargeError(f"an object of more than {MAX_ITERATED} items")
    return items


@lru_cache(maxsize=1000)
def _named_remote(kind: str) -> type[Remote]:
    """`Remote` under the name of the object's own type, which tests may look at."""
    return type(kind, (Remote,), {"__slots__": ()})


def _streamed(line: Line, ref: int, items: list) -> Iterator[Any]:
    while items:
        yield from items
        items = line.ask("more", ref)


async def _later(line: Line, ref: int) -> Any:
    return line.ask("await", ref)


async def _each(line: Line, ref: int) -> Any:
    for item in line.ask("await", ref):
        yield item


def described(error: BaseException) -> bytes:
    """(type name, message, the first of its bases that is built in), encoded; never raises."""
    try:
        text = str(error)[:300]
    except BaseException:
        text = ""
    kinds = [kind.__name__ for kind in type(error).__mro__ if getattr(builtins, kind.__name__, None) is kind]
    return encode((type(error).__name__, text + "", kinds[0] if kinds else "Exception"))
