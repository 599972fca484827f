"""What runs inside the sandbox: a program's functions, or a program that reads stdin (`tester`: the tests' process).

The program can read, patch or break all of this module: none of it is trusted, and it holds no expected value of a
function row. Standard library only; nothing is imported after the program has begun.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from gc import collect

from verifiers.code import wire
from verifiers.code.values import UnserialisableError, decode, encode
from verifiers.code.wire import FrameReader, FrameWriter

_MESSAGE = 300  # characters of an exception that are sent
ITERATE = {"iterators": True}


def _stop(code: object = None) -> None:
    raise SystemExit(code)


def prepare() -> None:
    """Restore what `python -S` leaves out and honest programs call. Called once, in the zygote."""
    builtins.exit = builtins.quit = _stop  # type: ignore[attr-defined]


def describe(error: BaseException) -> bytes:
    """(type name, message) of an exception, encoded; never raises, even if its `__str__` does."""
    try:
        text = str(error)[:_MESSAGE]
    except BaseException:
        text = ""
    return encode((type(error).__name__, text + ""))


def load(code: str, name: str) -> types.ModuleType:
    """Run `code` as module `name`, registered in sys.modules because dataclasses, enum and pickle need it."""
    module = types.ModuleType(name)
    module.__dict__.update(__builtins__=builtins, __file__=f"{name}.py")
    sys.modules[name] = module
    exec(compile(code, f"{name}.py", "exec", dont_inherit=True), module.__dict__)
    return module


def resolve(module: types.ModuleType, path: str) -> Callable:
    """The function at `path`; for `Class.method`, the method of a new instance. Raises NameError."""
    try:
        head, *rest = path.split(".")
        target = module.__dict__[head]
    except KeyError:
        raise NameError(f"name {path!r} is not defined") from None
    if rest and isinstance(target, type):
        target = target()
    for part in rest:
        target = getattr(target, part)
    return target


def run_calls(job: dict, requests: FrameReader, answers: FrameWriter) -> int:
    """Load the program, then answer each call with a value, an exception, or why the value cannot be sent."""
    options = ITERATE if job["iterators"] else {}
    try:
        module = load(job["code"], "solution")
    except BaseException as error:
        answers.send(wire.LOAD_FAILED, describe(error))
        return 1
    while (request := requests.next()) is not None:
        path, args, kwargs = decode(request[1], build=True)
        before = _encoded(args) if job["in_place"] else None
        try:
            result = resolve(module, path)(*args, **kwargs)
        except BaseException as error:
            answers.send(wire.EXCEPTION, describe(error))
            continue
        try:
            if job["in_place"]:  # tests may look at what the function did to its arguments
                after = _encoded(args) if before is not None else None
                result = (result, None if after is None or after == before else args)
            answers.send(wire.VALUE, encode(result, **options))
        except BaseException as error:
            answers.send(wire.UNSERIALISABLE, describe(error))
    return 0


def _encoded(args: list) -> bytes | None:
    """The arguments as they are now; None if they cannot be encoded (an iterator)."""
    try:
        return encode(args)
    except UnserialisableError:
        return None


def run_stdin(job: dict, answers: FrameWriter) -> int:
    """Run the program as `__main__` on descriptors 0 and 1; return its exit status."""
    sys.argv = ["main.py"]
    try:
        load(job["code"], "__main__")
        status = 0
    except SystemExit as error:
        status = _exit_status(error.code)
    except BaseException as error:
        answers.send(wire.EXCEPTION, describe(error))
        status = 1
    _finish()
    return status


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
