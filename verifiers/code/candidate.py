"""What runs inside the sandbox: a program's functions, or a program that reads stdin (`tester`: the tests' process).

The program can read, patch or break all of this module: none of it is trusted, and it holds no expected value of a
function row. Standard library only; nothing is imported after the program has begun.
"""

from __future__ import annotations

import builtins
import io
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from gc import collect
from os import dup, dup2
from os import open as _open
from os import read as _read
from os import write as _write
from typing import Any

from verifiers.code import given, nodes, processes, wire
from verifiers.code.values import decode, encode
from verifiers.code.wire import FrameReader, FrameWriter

_STDOUT = "/dev/stdout"
_open_file = open
_MESSAGE = 300  # characters of an exception that are sent


def _stop(code: object = None) -> None:
    raise SystemExit(code)


def prepare() -> None:
    """Restore what `python -S` leaves out and honest programs call. Called once, in the zygote."""
    builtins.exit = builtins.quit = _stop  # type: ignore[attr-defined]
    sys.set_int_max_str_digits(0)  # a program has a time limit as it is


def describe(error: BaseException) -> bytes:
    """(type name, message) of an exception, encoded; never raises, even if its `__str__` does."""
    try:
        text = str(error)[:_MESSAGE]
    except BaseException:
        text = ""
    return encode((type(error).__name__, text + ""))


def load(job: dict, name: str) -> types.ModuleType:
    """Run the job's code as module `name`, registered in sys.modules as dataclasses, enum and pickle need it."""
    module = types.ModuleType(name)
    module.__dict__.update(__builtins__=builtins, __file__=f"{name}.py")
    sys.modules[name] = module
    code = _compiled(job["code"], f"{name}.py")
    used = given.used(code)
    if used & processes.NAMES:
        processes.become_threads()
    if job.get("imports"):  # never the entry: a program that does not define it has no right to pass
        module.__dict__.update(given.names(used.difference(job.get("entry", "").split("."))))
    if job.get("setup"):
        exec(compile(job["setup"], "setup.py", "exec", dont_inherit=True), module.__dict__)
    exec(code, module.__dict__)
    return module


def _compiled(sources: list[str], file: str) -> types.CodeType:
    """The first of the sources that compiles. Raises what is wrong with the first one."""
    first: Exception | None = None
    for source in sources:
        try:
            return compile(source, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            first = first or error
    raise first or ValueError("no source")


def resolve(module: types.ModuleType, path: str) -> Callable:
    """The function at `path`; for `Class.method`, the method of a new instance. Raises NameError.

    As in the public graders, a plain function will do for a method, and a method of `Solution`, or of the only class
    that has it, for a function.
    """
    defined, (head, *rest) = module.__dict__, path.split(".")
    if head not in defined and len(rest) == 1:
        head, rest = rest[0], []
    elif head not in defined and not rest:
        head, rest = _class_with(head, defined) or head, [head]
    try:
        target = defined[head]
    except KeyError:
        raise NameError(f"name {path!r} is not defined") from None
    if rest and isinstance(target, type):
        target = target()
    for part in rest:
        target = getattr(target, part)
    return target


def _class_with(method: str, defined: dict) -> str | None:
    """The name of the class that has the method: Solution, or the only one."""
    if hasattr(defined.get("Solution"), method):
        return "Solution"
    own = [name for name, kind in defined.items() if isinstance(kind, type) and kind.__module__ == "solution"]
    having = [name for name in own if method in vars(defined[name])]
    return having[0] if len(having) == 1 else None


def run_calls(job: dict, requests: FrameReader, answers: FrameWriter) -> int:
    """Load the program, then answer each call with a value, an exception, or why the value cannot be sent."""
    try:
        module = load(job, "solution")
    except BaseException as error:
        answers.send(wire.LOAD_FAILED, describe(error))
        return 1
    while (request := requests.next()) is not None:
        path, args, kwargs = decode(request[1], build=module.__dict__)
        try:
            result = _judged(resolve(module, path), args, kwargs, job)
        except BaseException as error:
            answers.send(wire.EXCEPTION, describe(error))
            continue
        try:
            answers.send(wire.VALUE, encode(result))
        except BaseException as error:
            answers.send(wire.UNSERIALISABLE, describe(error))
    return 0


def _judged(function: Callable, args: list, kwargs: dict, job: dict) -> Any:
    """What a row's test compares: the result of the call, or an argument that it changed.

    Lists become nodes where the row's signature says so, else where the function's own annotations do.
    """
    signature = job.get("signature") or _annotations(function)
    if signature:
        classes = sys.modules["solution"].__dict__
        kinds = [kind for name, kind in signature.items() if name != "return"] + [""] * len(args)
        args = [nodes.typed(value, kind, classes) for value, kind in zip(args, kinds, strict=False)]
        kwargs = {
            name: nodes.typed(value, signature.get(name, ""), classes) for name, value in kwargs.items()
        }
    result = function(*args, **kwargs)
    if job.get("in_place") is not None:
        result = args[job["in_place"]]
    if result is None and nodes.name_in(signature.get("return", "")) is not None:
        return []
    return result


def _annotations(function: Any) -> dict[str, Any]:
    """Name → annotation of the parameters, in order, and of `return`; empty if none is about nodes."""
    function = getattr(function, "__wrapped__", function)
    found, code = getattr(function, "__annotations__", {}), getattr(function, "__code__", None)
    if code is None or not any(nodes.name_in(annotation) for annotation in found.values()):
        return {}
    names = code.co_varnames[: code.co_argcount]
    names = names[1:] if getattr(function, "__self__", None) is not None else names
    return {name: found.get(name, "") for name in (*names, "return")}


def run_stdin(job: dict, answers: FrameWriter) -> int:
    """Run the program as `__main__` on descriptors 0 and 1, or on the job's files; return its exit status."""
    sys.argv = job.get("argv", ["main.py"])
    for name, content in job.get("files", {}).items():
        with open(name, "xb") as file:  # noqa: PTH123
            file.write(content)
    if any(_STDOUT in source for source in job["code"]):  # without /proc there is nothing to link it to
        io.open = builtins.open = _opens_stdout  # type: ignore[assignment]
    judged = 1
    if "output" in job:  # a file takes the place of its standard output, which goes nowhere
        judged = dup(1)
        dup2(2, 1)
    try:
        load(job, "__main__")
        status = 0
    except SystemExit as error:
        status = _exit_status(error.code)
    except BaseException as error:
        answers.send(wire.EXCEPTION, describe(error))
        status = 1
    _finish()
    if "output" in job:
        _copy(job["output"], judged)
    return status


def _opens_stdout(file: Any, *args: Any, **kwargs: Any) -> Any:
    """`open`, for which /dev/stdout is standard output."""
    return _open_file(dup(1) if file == _STDOUT else file, *args, **kwargs)


def _copy(name: str, target: int) -> None:
    """Copy a file to a descriptor; nothing if there is none."""
    with suppress(OSError):
        source = _open(name, 0)
        while data := _read(source, 1 << 18):
            while data:
                data = data[_write(target, data) :]


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


def _finish() -> None:
    """What the interpreter does at exit: wait for threads, run atexit functions, close the program's files, flush."""
    threading, atexit = sys.modules.get("threading"), sys.modules.get("atexit")
    if threading is not None:
        threading._shutdown()
    if atexit is not None:
        atexit._run_exitfuncs()
    stream = getattr(sys, "stdout", None)
    if stream is not None and not getattr(stream, "closed", False):
        stream.flush()
    sys.stdout, stream = sys.__stdout__, None
    main = sys.modules.get("__main__")
    if isinstance(main, types.ModuleType):  # a file that the program left open is flushed when it is freed
        main.__dict__.clear()
        collect()
    if sys.__stdout__ is not None:
        with suppress(ValueError):  # closed, or detached
            sys.__stdout__.flush()
