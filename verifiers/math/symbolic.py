"""The last step of a comparison: sympy, on trees of our own parser, in a helper process that can be killed.

sympy can loop for ever, and neither threads nor signals stop it, so it never runs in this process. One helper
(`python -m verifiers.math.symbolic`, started when first needed) answers one question at a time; it is killed at
the deadline and started again for the next question. The helper also ends itself: at its own alarm, at its
memory limit, and when its connection to the parent closes. A forked child starts a helper of its own.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from verifiers.math import numeric
from verifiers.math.evaluate import weight
from verifiers.math.tree import Node

__all__ = ["clear_cache", "equal", "new_verdict"]

DEADLINE = 0.6
"""Seconds for one question."""
START = 1.2
"""Seconds to wait for a helper that is still importing sympy."""
MEMORY = 2**31
"""Limit on the helper's address space, in bytes."""
BUDGET = 2 * DEADLINE
"""Seconds for all questions of one verdict together; see `new_verdict`."""
MAX_WEIGHT = 300
"""Largest number of nodes, in both trees together, that sympy is asked about."""


_OPERATIONS = ("sum", "prod", "int", "lim")


def equal(left: Node, right: Node) -> bool | None:
    """Whether sympy finds two trees equal: True, False, or None if it does not decide in time.

    It is asked only about limits, integrals, sums and products; all other trees are decided before, or are too
    large for sympy as well. Never raises, even if the helper dies. Answers are cached per pair.
    """
    if not (_has_operation(left) or _has_operation(right)) or weight(left) + weight(right) > MAX_WEIGHT:
        return None
    left_over = getattr(_spent, "left", BUDGET)
    if left_over <= 0:
        return None
    start = time.monotonic()
    try:
        return _cached(left, right)
    except _NotYet:
        return None
    finally:
        _spent.left = left_over - (time.monotonic() - start)


_spent = threading.local()


def new_verdict() -> None:
    """Begin a verdict in this thread with full budgets, which all its questions, and all values of it, share."""
    _spent.left = BUDGET
    numeric.new_verdict()


class _NotYet(Exception):  # noqa: N818
    """The helper is still importing sympy."""


@lru_cache(maxsize=4_096)
def _cached(left: Node, right: Node) -> bool | None:
    return _helper.ask(pickle.dumps((left, right)))


def clear_cache() -> None:
    """Forget all answers, for measurements."""
    _cached.cache_clear()


def _has_operation(node: Node) -> bool:
    return node.op in _OPERATIONS or any(_has_operation(part) for part in node.args if isinstance(part, Node))


class _Helper:
    """The helper process of this process. Takes one question at a time, from any thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.connection: socket.socket | None = None
        self.ready = False

    def ask(self, question: bytes) -> bool | None:
        with self.lock:
            try:
                if self.process is None or self.process.poll() is not None:
                    self.start()
                assert self.connection is not None
                if not self.ready:
                    self.connection.settimeout(START)
                    try:
                        self.ready = self.connection.recv(1) == b"r"
                    except TimeoutError:  # leave it running: the next question may find it ready
                        raise _NotYet from None
                self.connection.settimeout(DEADLINE)
                self.connection.sendall(len(question).to_bytes(4, "big") + question)
                answer = self.connection.recv(1)
                if answer == b"":
                    self.stop()
                return {b"y": True, b"n": False}.get(answer)
            except OSError:  # the deadline, or a helper that died
                self.stop()
                return None

    def start(self) -> None:
        self.stop()
        own_end, helper_end = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        }
        with helper_end:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "verifiers.math.symbolic", str(helper_end.fileno())],
                pass_fds=(helper_end.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=root,
                env=environment,
            )
        self.connection, self.ready = own_end, False

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if self.connection is not None:
            self.connection.close()
        self.process = self.connection = None


_helper = _Helper()


def _forget() -> None:
    """In a forked child: let the parent's helper run, and use another."""
    global _helper
    if _helper.connection is not None:
        _helper.connection.close()
    _helper = _Helper()


os.register_at_fork(after_in_child=_forget)


# --- in the helper ----------------------------------------------------------------------------------------


def _sympy(node: Node, names: dict[str, Any]) -> Any:
    """The sympy expression of a tree."""
    import sympy as sp

    op, args = node
    if op == "num":
        return sp.Rational(args[0].numerator, args[0].denominator)
    if op == "sym":
        known = {"π": sp.pi, "e": sp.E, "i": sp.I, "∞": sp.oo}.get(args[0])
        return known if known is not None else names.setdefault(args[0], sp.Symbol(args[0], positive=True))
    if op in _OPERATIONS:
        variable = sp.Dummy(args[0], **({"integer": True} if op in ("sum", "prod") else {"real": True}))
        inner = {**names, args[0]: variable}
        *bounds, body = args[1:]
        limits = [_sympy(bound, names) for bound in bounds]
        expression = _sympy(body, inner)
        names.update({name: symbol for name, symbol in inner.items() if name != args[0]})
        if op == "lim":
            return sp.limit(expression, variable, limits[0])
        return {"sum": sp.Sum, "prod": sp.Product, "int": sp.Integral}[op](
            expression, (variable, *limits)
        ).doit()
    if op in ("call", "fn"):
        parts = [_sympy(part, names) for part in args[1:]]
        if op == "call":
            return sp.Function(args[0])(*parts)
        if args[0] == "lg":
            return sp.log(*parts, 10)
        name = {"ln": "log", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot",
        "abs": "Abs", "ceil": "ceiling", "max": "Max", "min": "Min"}.get(args[0], args[0])  # fmt: skip
        if name not in ("log", "exp", "sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan",
        "acot", "sinh", "cosh", "tanh", "Abs", "floor", "ceiling", "Max", "Min"):  # fmt: skip
            raise ValueError(name)
        return getattr(sp, name)(*parts)
    parts = [_sympy(part, names) for part in args]
    if op == "add":
        return sp.Add(*parts)
    if op == "mul":
        return sp.Mul(*parts)
    if op == "neg":
        return -parts[0]
    if op == "inv":
        return 1 / parts[0]
    if op == "pow":
        return sp.Pow(*parts)
    if op == "root":
        return sp.Pow(parts[0], 1 / parts[1])
    if op == "percent":
        return parts[0] / 100
    if op == "deg":
        return parts[0] * sp.pi / 180
    if op == "fact":
        return sp.factorial(parts[0])
    if op == "fact2":
        return sp.factorial2(parts[0])
    if op == "binom":
        return sp.binomial(*parts)
    raise ValueError(op)


def _decide(left: Node, right: Node) -> bytes:
    import sympy as sp

    names: dict[str, Any] = {}
    difference = _sympy(left, names) - _sympy(right, names)
    if difference == 0:
        return b"y"
    if difference.has(sp.Integral, sp.Sum, sp.Product, sp.Limit, sp.nan, sp.zoo):
        return b"?"
    return b"y" if sp.simplify(difference) == 0 else b"n"


def _serve(connection: socket.socket) -> None:
    import resource
    import signal

    import sympy

    sympy.simplify(sympy.Symbol("x") + 1)
    with suppress(OSError, ValueError):
        limit = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, limit))
    connection.sendall(b"r")
    while len(head := connection.recv(4, socket.MSG_WAITALL)) == 4:
        left, right = pickle.loads(connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
        signal.alarm(int(DEADLINE) + 2)  # the default action of SIGALRM ends the process
        try:
            answer = _decide(left, right)
        except Exception:  # sympy raises all kinds of exceptions; the question stays undecided
            answer = b"?"
        signal.alarm(0)
        connection.sendall(answer)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
