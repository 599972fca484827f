"""Tests of pytest and unittest, and tests that need objects of the program: judged as they would be natively, except
that an object which claims to equal a value gains nothing."""

import pytest

from verifiers.code import CodeVerifier
from verifiers.code.stand_ins import Approx, allclose, isclose
from verifiers.types import Problem

VECTOR = """
class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)
    def __mul__(self, k):
        return Vector(self.x * k, self.y * k)
    __rmul__ = __mul__
    def __eq__(self, other):
        return isinstance(other, Vector) and (self.x, self.y) == (other.x, other.y)
    def __lt__(self, other):
        return self.x < other.x
    def __repr__(self):
        return f"Vector({self.x}, {self.y})"
    def norm(self):
        return (self.x ** 2 + self.y ** 2) ** 0.5
    def __getitem__(self, i):
        return (self.x, self.y)[i]
    def __len__(self):
        return 2
    def __iter__(self):
        yield self.x
        yield self.y
    def __contains__(self, v):
        return v in (self.x, self.y)
    def __bool__(self):
        return self.x != 0
    @classmethod
    def zero(cls):
        return cls(0, 0)
    @property
    def sum(self):
        return self.x + self.y
"""
BANK = """
class TooPoor(ValueError):
    pass
class Account:
    def __init__(self, owner, balance=0):
        self.owner, self.balance, self.log = owner, balance, []
    def take(self, n):
        if n > self.balance:
            raise TooPoor(f"{self.owner} has {self.balance}")
        self.balance -= n
        self.log.append(-n)
        return self
"""
LIAR = """
class Liar:
    def __eq__(self, o): return True
    def __sub__(self, o): return self
    __rsub__ = __add__ = __radd__ = __mul__ = __abs__ = __round__ = __sub__
    def __lt__(self, o): return True
    __gt__ = __le__ = __ge__ = __contains__ = __lt__
    def __len__(self): return 2
    def __iter__(self): return iter([1, 2])
    def __getitem__(self, i): return self
    def __float__(self): return 4.0
    def __hash__(self): return 4
    def __bool__(self): return True
    def __getattr__(self, name): return self
    def __call__(self, *a): return self
def f(*a): return Liar()
"""
F = "def f(x): return x * x\n"

JUDGED = {
    # objects
    "a class with state": ("a = Account('Ann', 5)\na.take(3)\nassert a.balance == 2\nassert a.log == [-3]", BANK, 1),
    "methods that return the object": ("assert Account('Ann', 5).take(1).take(1).balance == 3", BANK, 1),
    "its own exception": (
        "import pytest\nwith pytest.raises(TooPoor, match='Ann has 0'):\n    Account('Ann').take(1)",
        BANK,
        1,
    ),
    "its own exception, by its base": ("import pytest\nwith pytest.raises(ValueError):\n    Account('Ann').take(1)", BANK, 1),
    "its own exception, caught": (
        "try:\n    Account('Ann').take(1)\n    assert False\nexcept TooPoor as e:\n    assert str(e) == 'Ann has 0'",
        BANK,
        1,
    ),
    "another exception": (
        "import pytest\nwith pytest.raises(TooPoor):\n    Account('Ann').take(1)",
        BANK.replace("raise TooPoor", "raise KeyError"),
        0,
    ),
    "operators": ("assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6)\nassert 2 * Vector(1, 2) * 1 == Vector(2, 4)", VECTOR, 0),
    "operators, one": ("assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6)\nassert 2 * Vector(1, 2) == Vector(2, 4)", VECTOR, 1),
    "operators, wrong": ("assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6)", VECTOR.replace("self.x + other.x", "self.x"), 0),
    "repr, len, index, iteration": (
        "v = Vector(3, 4)\nassert repr(v) == 'Vector(3, 4)' and len(v) == 2 and v[1] == 4 and list(v) == [3, 4] and 3 in v"
        " and v.sum == 7 and v.norm() == 5.0",
        VECTOR,
        1,
    ),
    "order": ("a, b = Vector(1, 2), Vector(0, 5)\nassert b < a and sorted([a, b])[0].x == 0 and max(a, b) == a", VECTOR, 1),
    "a class method": ("assert Vector.zero() == Vector(0, 0) and not Vector.zero()", VECTOR, 1),
    "isinstance": ("assert isinstance(Vector(1, 2) + Vector(1, 2), Vector)\nassert not isinstance(3, Vector)", VECTOR, 1),
    "attributes set by the tests": ("v = Vector(1, 2)\nv.x = 7\nassert v.sum == 9", VECTOR, 1),
    "two objects": ("a, b = Account('A', 1), Account('B', 2)\na.take(1)\nassert (a.balance, b.balance) == (0, 2)", BANK, 1),
    "an enumeration": (
        "assert f('r') == Color.RED and f('g') is Color.GREEN and Color.RED.value == 1",
        "import enum\nclass Color(enum.Enum):\n    RED = 1\n    GREEN = 2\n"
        "def f(x): return Color.RED if x == 'r' else Color.GREEN",
        1,
    ),
    "a data class": (
        "p = f(1)\nassert p == Point(1, 2) and p.y == 2 and str(p) == 'Point(x=1, y=2)'",
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n    y: int\ndef f(x): return Point(x, x + 1)",
        1,
    ),
    "a named tuple": (
        "p = f(1)\nassert p == (1, 2) and p.y == 2",
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(x): return P(x, x + 1)",
        1,
    ),
    "a list of one's own": (
        "s = Stack()\ns.push(3)\nassert s.top() == 3 and len(s) == 1",
        "class Stack(list):\n    push = list.append\n    def top(self): return self[-1]",
        1,
    ),
    "a linked list": (
        "n = Node(1, Node(2, Node(3)))\nr = f(n)\nassert [r.val, r.next.val, r.next.next.val, r.next.next.next] == [3, 2, 1, None]",
        "class Node:\n    def __init__(self, val, next=None): self.val, self.next = val, next\n"
        "def f(n):\n    p = None\n    while n: n.next, p, n = p, n, n.next\n    return p",
        1,
    ),
    "the tests' own class": (
        "class Node:\n    def __init__(self, val, next=None):\n        self.val, self.next = val, next\n"
        "r = f(Node(1, Node(2)))\nassert r.val == 2 and r.next.val == 1 and r.next.next is None",
        "def f(n):\n    p = None\n    while n: n.next, p, n = p, n, n.next\n    return p",
        1,
    ),
    "a context manager": (
        "with Counter2() as c:\n    c.up()\nassert c.n == 1 and c.closed",
        "class Counter2:\n    n, closed = 0, False\n    def up(self): self.n += 1\n    def __enter__(self): return self\n"
        "    def __exit__(self, *a): self.closed = True",
        1,
    ),
    "a context manager that swallows": (
        "with Counter2() as c:\n    assert c.n == 1",
        "class Counter2:\n    n = 0\n    def __enter__(self): return self\n    def __exit__(self, *a): return True",
        0,
    ),
    # functions
    "a closure": ("g = f(3)\nassert g() == 4 and g() == 5", "def f(n):\n    def g():\n        nonlocal n\n        n += 1\n        return n\n    return g", 1),
    "callbacks": ("assert f(lambda x: x + 1, [1, 2]) == [2, 3]\nassert f(str.upper, ['a']) == ['A']", "def f(g, xs): return [g(x) for x in xs]", 1),
    "callbacks, wrong": ("assert f(lambda x: x + 1, [1, 2]) == [2, 3]", "def f(g, xs): return [g(x) for x in xs][:1]", 0),
    "a decorator": (
        "calls = []\n@f\ndef g(x):\n    calls.append(x)\n    return x * 2\nassert g(2) == 4 and g(2) == 4 and calls == [2]",
        "def f(g):\n    memo = {}\n    def h(x):\n        if x not in memo: memo[x] = g(x)\n        return memo[x]\n    return h",
        1,
    ),
    "composition": ("assert f(f(lambda x: x + 1))(1) == 14", "def f(g):\n    return lambda x: g(x) + g(x) - 0 if x > 1 else g(g(x)) + 2", 1),
    "an exception in a callback": ("def bad(x): raise KeyError(x)\nassert f(bad) == 'no'", "def f(g):\n    try: return g(1)\n    except KeyError: return 'no'", 1),
    "classes as arguments": ("assert f('3', int) == 3 and f(2, float) == 2.0", "def f(x, kind): return kind(x)", 1),
    "Fraction and Decimal": (
        "from fractions import Fraction\nfrom decimal import Decimal\nassert f(Fraction(1, 2)) == Fraction(1, 4)\n"
        "assert f(Decimal('0.1')) == Decimal('0.01')",
        F,
        1,
    ),
    "dates": ("import datetime\nassert f(datetime.date(2024, 2, 28)) == datetime.date(2024, 2, 29)", "import datetime\ndef f(d): return d + datetime.timedelta(1)", 1),
    "a coroutine": ("import asyncio\nassert asyncio.run(f(3)) == 9", "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x * x", 1),
    "an asynchronous generator": (
        "import asyncio\nasync def go():\n    return [x async for x in f(3)]\nassert asyncio.run(go()) == [0, 1, 2]",
        "async def f(n):\n    for i in range(n): yield i",
        1,
    ),
    "printed output": (
        "import io, contextlib\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f('hi')\nassert out.getvalue() == 'hi\\n'",
        "def f(x): print(x)",
        1,
    ),
    "printed output, wrong": ("def test(capsys):\n    f('hi')\n    assert capsys.readouterr().out == 'hi\\n'", "def f(x): print(x.upper())", 0),
    # lies
    "a liar for a value": ("assert f(2) == 4", LIAR, 0),
    "a liar for a value, reversed": ("assert 4 == f(2)", LIAR, 0),
    "a liar under a tolerance": ("assert abs(f(2) - 4) < 1e-6", LIAR, 0),
    "a liar under a tolerance, reversed": ("assert abs(4 - f(2)) <= 1e-6", LIAR, 0),
    "a liar in a list": ("assert f(2) in [4]", LIAR, 0),
    "a liar that contains": ("assert 4 in f(2)", LIAR, 0),
    "a liar in a set": ("assert {f(2)} == {4}", LIAR, 0),
    "a liar as key": ("assert {4: 1}[f(2)] == 1", LIAR, 0),
    "a liar of order": ("assert f(2) > 3", LIAR, 0),
    "a liar with two views": ("r = f(2)\nassert len(r) == 2\nassert r[0] == 1", LIAR, 0),
    "a liar approximately": ("import pytest\nassert f(2) == pytest.approx(4)", LIAR, 0),
    "a liar and numpy": ("import numpy as np\nassert np.allclose(f(2), 4)", LIAR, 0),
    "a liar by a method": ("assert f(2).x == 4", LIAR, 0),
    "a liar in unittest": ("import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertAlmostEqual(f(2), 4)\n        self.assertIn(f(2), [4])", LIAR, 0),
    "an object made by the tests, a liar's results": ("assert abs(V().norm() - 5) < 1e-9", LIAR + "class V:\n    def norm(self): return Liar()", 0),
    # tests by the hand of frameworks
    "pytest functions": ("from solution import f\ndef test_a():\n    assert f(2) == 4\ndef test_b():\n    assert f(3) == 9", F, 1),
    "pytest functions, the last fails": ("from solution import f\ndef test_a():\n    assert f(2) == 4\ndef test_b():\n    assert f(3) == 9", "def f(x): return 4", 0),
    "pytest classes": ("class TestF:\n    def setup_method(self):\n        self.x = 2\n    def test_a(self):\n        assert f(self.x) == 4", F, 1),
    "parametrize, twice": ("import pytest\n@pytest.mark.parametrize('a', [1, 2])\n@pytest.mark.parametrize('b,c', [(0, 0), (1, 1)])\ndef test(a, b, c):\n    assert f(a + b) == (a + c) ** 2", F, 1),
    "parametrize with ids and param": ("import pytest\n@pytest.mark.parametrize('a', [pytest.param(1, id='one'), pytest.param(2)], ids=str)\ndef test(a):\n    assert f(a) == a * a", F, 1),
    "fixtures": (
        "import pytest\n@pytest.fixture\ndef two():\n    yield 2\n@pytest.fixture(params=[1, 3])\ndef k(request, two):\n    return request.param * two\n"
        "def test(k, two):\n    assert f(k) == k * k and two == 2",
        F,
        1,
    ),
    "fixtures, one value fails": ("import pytest\n@pytest.fixture(params=[1, 3])\ndef k(request):\n    return request.param\ndef test(k):\n    assert f(k) == k * k", "def f(x): return 1", 0),
    "a skipped test": ("import pytest\ndef test_a():\n    assert f(2) == 4\n@pytest.mark.skip\ndef test_b():\n    assert f(2) == 5\ndef test_c():\n    pytest.skip('no')", F, 1),
    "unittest, class set-up": ("import unittest\nclass T(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n        cls.x = 2\n    def test(self):\n        with self.subTest():\n            self.assertEqual(f(self.x), 4)\n    def test_raises(self):\n        with self.assertRaises(TypeError):\n            f('a')", F, 1),
    "unittest and the program's exception": ("import unittest\nfrom solution import Account, TooPoor\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertRaises(TooPoor, Account('A').take, 1)", BANK, 1),
    "a helper that looks like a test": ("def test_case(x, y):\n    assert f(x) == y\ntest_case(2, 4)\ntest_case(3, 9)", F, 1),
    "an async test": ("import pytest\n@pytest.mark.asyncio\nasync def test():\n    assert await f(2) == 4", "async def f(x): return x * x", 1),
    "another module's name": ("from my_square import f\nassert f(2) == 4", F, 1),
    "everything of the module": ("from solution import *\nassert f(2) == 4", F, 1),
    "the module under a name": ("import solution as s\nassert s.f(2) == 4", F, 1),
    "a constant of the module": ("from solution import f, LIMIT\nassert f(2) == 4", F + "LIMIT = 3", 1),
    # no verdict, with the reason
    "a value compared with an object that the tests made": ("assert Vector(1, 2) == (1, 2)", VECTOR, None),
    "more of numpy": ("import numpy as np\nassert f(np.array([1, 2])).sum() == 5", F, None),
    "a fixture of pytest's own": ("def test(tmp_path):\n    assert f(2) == 4", F, None),
    "only skipped tests": ("import pytest\ndef test():\n    pytest.skip('x')", F, None),
}  # fmt: skip


@pytest.fixture(scope="module")
def verifier():
    made = CodeVerifier(allow_weak=True)
    yield made
    made.close()


@pytest.mark.parametrize("name", JUDGED)
def test_tests_are_judged_as_they_would_be_natively_and_lies_gain_nothing(verifier, name):
    tests, program, score = JUDGED[name]
    entry = "Account" if program == BANK else "Vector" if program == VECTOR else "f"
    entry = next((name for name in ("Stack", "Counter2") if f"class {name}" in program), entry)
    prompt = (
        "Write `f`, `Color`, `Point`, `Node`, `Vector`, `V`, `Stack`, `Counter2`, `Account` and `TooPoor`."
    )
    verdict = verifier.verify(
        Problem("p", prompt, {"entry": entry, "test_code": tests + "\n", "time_limit": 5}), "", program
    )
    assert verdict.score == score, verdict
    assert verdict.status != "error"


def test_a_stand_in_for_approx_is_as_strict_as_pytest():
    for got, expected, options in [
        (1.0000001, 1.0, {}), (1.1, 1.0, {"rel": 0.2}), (1.0, 1.1, {"abs": 0.2}), ([1, 2.0], [1.0, 2], {}),
        ({"a": 1.0}, {"a": 1.0 + 1e-9}, {}), (float("inf"), float("inf"), {}), ((1.0,), (1.0,), {}),
        (float("nan"), float("nan"), {"nan_ok": True}), (1e-13, 0.0, {}),
    ]:  # fmt: skip
        assert (got == Approx(expected, **options)) and (got == pytest.approx(expected, **options))
    for got, expected, options in [
        (1.1, 1.0, {}), (float("nan"), float("nan"), {}), ([1, 2], [1, 2, 3], {}), ({"a": 1}, {"b": 1}, {}),
        (float("inf"), 1.0, {}), (1e-5, 0.0, {}), (1.5, 1.0, {"abs": 0.2}), ("a", 1.0, {}),
    ]:  # fmt: skip
        assert not (got == Approx(expected, **options)) and not (got == pytest.approx(expected, **options))


def test_a_stand_in_for_allclose_is_as_strict_as_numpy():
    import numpy

    for a, b in [
        (1.0, 1.0 + 1e-9),
        ([1, 2.0], [1.0, 2]),
        (1.0, 1.1),
        ([1.0], 1.0),
        ([[1.0], [2.0]], [[1.0], [2.1]]),
    ]:
        assert allclose(a, b) == bool(numpy.allclose(a, b))
    for a, b in [(float("nan"), float("nan")), (float("inf"), float("inf")), (1e-9, 0.0), (1e-7, 0.0)]:
        assert isclose(a, b) == bool(numpy.isclose(a, b))
    with pytest.raises(ValueError):
        allclose([1, 2], [1, 2, 3])
