"""What the verifier `code` reads, compares and says, without running a program: tables from the documented rules."""

from __future__ import annotations

import base64
import math
import pickle
import signal
import sys
import types
import zlib
from decimal import Decimal
from fractions import Fraction
from itertools import count, islice
from typing import Any

import pytest

from verifiers.code import (
    arrays,
    cells,
    checker,
    failures,
    formats,
    nodes,
    program,
    report,
    stand_ins,
    statement,
    values,
    wire,
    wrong,
)
from verifiers.code.called import called_function
from verifiers.code.collected import run_collected
from verifiers.code.compare import Rules, count_items, same, same_text
from verifiers.code.datasets import read
from verifiers.code.given import names as given_names
from verifiers.code.names import read_names
from verifiers.code.options import BadReferenceError, read_options, rules
from verifiers.code.runner import End, Limits, OutputError
from verifiers.code.sandbox import Layer, level
from verifiers.code.shapes import Code, Hints, Pair, found, reference
from verifiers.types import Problem

NAN, INF = math.nan, math.inf


# --- comparison -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "right", "wrong"),
    [
        (Rules(), [(1, 1), (2.0, 2), (2, 2.0), (True, 1), (1, True), ((1, 2), [1, 2]), ([1, 2], (1, 2)), (NAN, NAN), (INF, INF), ("a", "a"), (None, None), (0.1 + 0.2, 0.3), ({1: 2}, {"1": 2}), ({None: 1}, {"null": 1}), ({True: 1}, {"true": 1}), ({1.5: 1}, {"1.5": 1}), (b"a", b"a"), ([], []), (-0.0, 0.0), (10**400, 10**400)],
         [(1, 2), (1, "1"), ("a", "A"), (None, 0), (None, False), (NAN, 1.0), (INF, -INF), (1.0, NAN), ([1, 2], [2, 1]), ([1], [1, 2]), ([1, 2], [1]), ({1: 2}, {"1": 3}), ({1: 2}, {}), ({"1": 2, "2": 3}, {"1": 2}), ("1", 1), (0.1, 0.1000001), (1.0000001, 1), (10**400, 10**400 + 1), ("ab", ["a", "b"]), ({}, []), (1e-13 * 3, 0)]),
        (Rules(equality="typed"), [(2, 2.0), (True, True), (1, 1)], [(2.0, 2), (True, 1), (1, True), (1.0, True)]),
        (Rules(equality="strict"), [(2, 2), (2.0, 2.0), ({"1": 2}, {"1": 2}), ({1: 2}, {1: 2})], [(2, 2.0), (2.0, 2), (True, 1), ({1: 2}, {"1": 2})]),
        (Rules(abs_tol=0.1), [(1.05, 1.0), (0.95, 1.0), (1.05, 1), ([1.05], [1.0]), ({"a": 1.05}, {"a": 1.0})], [(1.2, 1.0), (1.11, 1.0), (2, 1), (100.2, 100.0), ("1.05", 1.0)]),
        (Rules(rel_tol=0.01), [(100.9, 100.0), (99.1, 100.0), (-100.9, -100.0)], [(101.1, 100.0), (0.001, 0.0), (1.02, 1.0)]),
        (Rules(abs_tol=0.1, rel_tol=0.01), [(100.9, 100.0), (0.05, 0.0), (1.09, 1.0)], [(101.5, 100.0), (0.11, 0.0)]),
        (Rules(abs_tol=0.9), [(1.4, 1), (0.6, 1)], [(1.6, 1), (2, 1), (1.5, 1)]),
        (Rules(abs_tol=0.0), [(0.3, 0.3)], [(0.1 + 0.2, 0.3)]),
        (Rules(any_order=True), [([2, 1], [1, 2]), ([[1, 2], [3]], [[3], [1, 2]]), (["b", "a"], ["a", "b"])], [([1, 1, 2], [1, 2, 2]), ([[2, 1]], [[1, 2]]), ([1], [1, 2])]),
        (Rules(any_order="deep"), [([[2, 1], [3]], [[3], [1, 2]])], [([[2, 1]], [[1, 3]])]),
        (Rules(ignore_case=True), [("YES", "yes"), (["Yes"], ["YES"])], [("yes", "no"), ("YES ", "yes")]),
    ],
)  # fmt: skip
def test_results(rules: Rules, right: list, wrong: list) -> None:
    for got, expected in right:
        assert same(got, expected, rules), (got, expected)
    for got, expected in wrong:
        assert not same(got, expected, rules), (got, expected)


def test_sets_and_decoded_values() -> None:
    for value in ({1, 2}, frozenset({"a"}), {"a": {1, 2}}, [{3}], {(1, 2): 3}):
        assert same(values.decode(values.encode(value)), value)
    assert not same(values.decode(values.encode({1, 2})), {1, 3}) and not same(
        values.decode(values.encode({1})), {1, 2}
    )
    assert not same(values.decode(values.encode({1, 2})), [1, 2]) and same(
        values.decode(values.encode({1, 2})), [2, 1], Rules(any_order=True)
    )
    assert not same([1, 2], {1, 2})
    assert [count_items(x) for x in ([1, [2, 3]], {"a": [1]}, {1, 2}, 5, "abc")] == [4, 3, 2, 0, 0]


@pytest.mark.parametrize(
    ("rules", "right", "wrong"),
    [
        (Rules(), [("1 2\n3", "1 2 3"), ("1\n", "1"), ("  1  ", "1"), ("1.50", "1.5"), ("1e3", "1000.0"), ("+5", "5"), ("-0", "0"), ("0.30000000000000004", "0.3"), ("", ""), ("a b", "a\nb"), ("5.0", "5.00")],
         [("1 2", "1 3"), ("1", "1 2"), ("Yes", "YES"), ("007", "7"), ("1.5", "1.51"), ("-5", "5"), ("", "1"), ("nan", "1.0"), ("12", "1 2"), ("5.5", "5")]),
        (Rules(compare="lines"), [("1  2\n\n3\n", "1 2\n3"), (" 1 2", "1 2"), ("1.50 2", "1.5 2")], [("1 2 3", "1 2\n3"), ("1\n2", "1 2")]),
        (Rules(compare="exact"), [("1 2\n3\n\n", "1 2\n3"), ("1 2  \n3", "1 2\n3")], [("1  2", "1 2"), (" 1", "1"), ("1\n\n2", "1\n2")]),
        (Rules(abs_tol=0.1), [("1.05", "1.0"), ("1.05", "1")], [("1.2", "1.0"), ("1.6", "1"), ("2", "1"), ("1,05", "1.0")]),
        (Rules(rel_tol=0.01), [("100.9", "100.0")], [("102", "100.0")]),
        (Rules(any_order=True), [("3\n1\n2", "1\n2\n3"), ("2 1", "1 2")], [("1\n1\n2", "1\n2\n2")]),
        (Rules(any_order=True, compare="lines"), [("3 4\n1 2", "1 2\n3 4"), ("2 1", "1 2")], [("2 1\n4 3", "1 2\n3 4")]),
        (Rules(any_order="deep", compare="lines"), [("4 3\n2 1", "1 2\n3 4")], [("4 2\n3 1", "1 2\n3 4")]),
        (Rules(ignore_case=True), [("Yes", "YES")], [("Yes", "NO")]),
    ],
)  # fmt: skip
def test_outputs(rules: Rules, right: list, wrong: list) -> None:
    for got, expected in right:
        assert same_text(got, expected, rules), (got, expected)
    for got, expected in wrong:
        assert not same_text(got, expected, rules), (got, expected)


# --- values that cross, and their limits ------------------------------------------------------------------


def test_what_crosses_and_as_what() -> None:
    cases = [
        (None, None), (True, True), (1, 1), (-(2**63), -(2**63)), (2**63, 2**63), (-(2**200), -(2**200)), (1.5, 1.5), ("é\ud800", "é\ud800"), (b"\0", b"\0"), (1 + 2j, 1 + 2j),
        ([1, [2]], [1, [2]]), ((1, (2,)), (1, (2,))), ({"a": 1}, {"a": 1}), ({1, 2}, {1, 2}), (frozenset({1}), frozenset({1})), (range(1, 9, 2), range(1, 9, 2)), (list(range(20)), list(range(20))),
        ([0.5] * 20, [0.5] * 20), ([2**70] * 20, [2**70] * 20), ([1, 2.0] * 10, [1, 2.0] * 10), (tuple(range(20)), tuple(range(20))), (Fraction(1, 2), 0.5), (Fraction(4, 2), 2), (Decimal("1.5"), 1.5), (Decimal(3), 3),
    ]  # fmt: skip
    for value, back in cases:
        crossed = values.decode(values.encode(value), build=True)
        assert crossed == back and type(crossed) is type(back), value
    assert list(values.decode(values.encode((x for x in (1, 2)), iterators=True), build=True)) == [1, 2]
    assert (
        values.decode(values.encode({"a": 1})) == [("a", 1)]
        and type(values.decode(values.encode({"a": 1}))) is values.Pairs
    )
    assert type(values.decode(values.encode({1}))) is values.Items


def test_what_does_not_cross() -> None:
    deep: Any = 1
    for _ in range(values.MAX_DEPTH + 1):
        deep = [deep]
    for value in (object(), lambda: 0, int, (x for x in ())):
        with pytest.raises(values.UnserialisableError):
            values.encode(value)
    with pytest.raises(values.TooLargeError):
        values.encode(deep)
    assert values.encode(deep[0])
    with pytest.raises(values.TooLargeError):
        values.encode("x" * (values.MAX_BYTES + 1))
    with pytest.raises(values.TooLargeError):
        values.encode(islice(count(), values.MAX_ITERATED + 2), iterators=True)
    whole = values.encode([1, "a", {2: 3}])
    for broken in (
        whole + b"N",
        whole[:-1],
        b"?",
        b"",
        b"l\x00\x00\x00\x02N",
        b"A?\x00\x00\x00\x01",
        values._ARRAY + b"l\x00\x00\x00\x01x" + bytes(8),
    ):
        with pytest.raises(values.MalformedError):
            values.decode(broken)
    assert values.decode(values.encode([1, 2, 3]), max_items=3) == [1, 2, 3]
    with pytest.raises(values.MalformedError, match="too many"):
        values.decode(values.encode([1, 2, 3]), max_items=2)
    with pytest.raises(values.MalformedError):
        values.decode(values.encode({1: 2}), max_items=1)


def test_frames_are_split_where_they_end() -> None:
    nonce = bytes(range(16))
    one, two = nonce + wire.HEAD.pack(b"V", 3) + b"abc", nonce + wire.HEAD.pack(b"E", 0)
    splitter = wire.FrameSplitter(nonce)
    assert list(splitter.feed(one + two[:5])) == [(b"V", b"abc")]
    assert list(splitter.feed(two[5:])) == [(b"E", b"")] and list(splitter.feed(b"")) == []
    with pytest.raises(ValueError, match="not a frame"):
        list(splitter.feed(b"x"))
    with pytest.raises(OverflowError):
        list(wire.FrameSplitter(nonce).feed(nonce + wire.HEAD.pack(b"V", wire.MAX_FRAME + 1)))
    assert wire.frame(b"C", b"ab") == b"C\0\0\0\2ab"


# --- lists and trees --------------------------------------------------------------------------------------


def test_lists_and_trees_of_nodes() -> None:
    for name, items in (
        ("ListNode", [1, 2, 3]),
        ("TreeNode", [1, 2, 3]),
        ("TreeNode", [1, None, 2, 3]),
        ("TreeNode", [5, 4, None, 3]),
        ("ListNode", [0]),
        ("TreeNode", [0, None, 0]),
    ):
        assert nodes.to_list(nodes.from_list(name, items, {}), 10) == items, items
    assert nodes.from_list("ListNode", [], {}) is None and nodes.from_list("TreeNode", [], {}) is None
    tree = nodes.from_list("TreeNode", [1, None, 2, 3], {})
    assert tree.left is None and tree.right.val == 2 and tree.right.left.val == 3 and tree.right.right is None
    ring = nodes.ListNode(1)
    ring.next = ring
    with pytest.raises(nodes.EndlessError):
        nodes.to_list(ring, 5)
    with pytest.raises(nodes.EndlessError):
        nodes.to_list(nodes.from_list("ListNode", [1] * 6, {}), 5)
    assert len(nodes.to_list(nodes.from_list("ListNode", [1] * 5, {}), 5)) == 5
    own = type("ListNode", (nodes.ListNode,), {})
    assert (
        type(nodes.from_list("ListNode", [1], {"ListNode": own})) is own
        and nodes.is_node(tree)
        and not nodes.is_node(object())
    )
    for annotation, name, several in (
        ("Optional[ListNode]", "ListNode", False),
        ("List[Optional[ListNode]]", "ListNode", True),
        (nodes.TreeNode, "TreeNode", False),
        ("list[TreeNode]", "TreeNode", True),
        ("int", None, False),
        (list[int], None, True),
    ):
        assert nodes.name_in(annotation) == name and nodes.many(annotation) is several, annotation
    assert nodes.typed([1, 2], "List[int]", {}) == [1, 2] and nodes.typed(5, "ListNode", {}) == 5
    assert nodes.typed([1, 2], "ListNode", {}).next.val == 2 and [
        x.val for x in nodes.typed([[1], [2]], "List[ListNode]", {})
    ] == [1, 2]
    with pytest.raises(ValueError):
        nodes.from_list("Node", [1], {})


# --- cells of rows ----------------------------------------------------------------------------------------


def test_limits_with_their_units() -> None:
    for value, expected in (
        (2, 2.0),
        ("2", 2.0),
        ("2 seconds", 2.0),
        ("1500 ms", 1.5),
        ("1.5 s", 1.5),
        ("1 second per test", 1.0),
        ("2 sec", 2.0),
        ("3 minutes", 180.0),
        ("500 milliseconds", 0.5),
        ({"seconds": 2, "nanos": 500000000}, 2.5),
        (None, None),
        ("", None),
        (0, None),
        (True, None),
        ("2 Seconds.", 2.0),
    ):
        assert cells.seconds(value) == expected, value
    for value, expected in (
        (256, 256.0),
        ("256 megabytes", 256.0),
        ("256MB", 256.0),
        ("1 GB", 1024.0),
        ("512 kb", 0.5),
        ("2 GiB", 2048.0),
        (268435456, 256.0),
        ("1048576 bytes", 1.0),
        ("64 MiB", 64.0),
        (None, None),
        ("2 gigabytes", 2048.0),
        ("1024 kilobytes", 1.0),
        ("524288 b", 0.5),
        (1048575, 1048575.0),
    ):
        assert cells.megabytes(value) == expected, value
    for bad in ("soon", "2 parsecs", "-1 s", "1e9 s"):
        with pytest.raises(BadReferenceError, match="time limit"):
            cells.seconds(bad)


def test_texts_that_hold_values_and_packed_tests() -> None:
    assert (
        cells.decoded('{"a": [1, null]}', "k") == {"a": [1, None]}
        and cells.decoded("{'a': (1, None)}", "k") == {"a": (1, None)}
        and cells.decoded(5, "k") == 5
    )
    with pytest.raises(BadReferenceError, match="tests is not JSON"):
        cells.decoded("[1,", "tests")
    pack = lambda value: base64.b64encode(zlib.compress(pickle.dumps(value))).decode()  # noqa: E731
    assert cells.unpacked(pack("abc"), "k") == "abc"
    for bad in ("!!!", pack([1]), pack(print), base64.b64encode(b"x").decode()):
        with pytest.raises(BadReferenceError, match="cannot be decoded"):
            cells.unpacked(bad, "k")


def test_a_rows_own_programs() -> None:
    rows: list[tuple[dict, tuple]] = [
        ({"solution": "x = 1"}, ("x = 1",)), ({"solutions": ["a = 1", "b = 2", "c", "d"]}, ("a = 1", "b = 2", "c")), ({"solutions": '["a = 1"]'}, ("a = 1",)), ({"solution": "```python\nx = 1\n```"}, ("x = 1\n",)),
        ({"solutions": {"language": ["cpp", "python3"], "solution": ["int", "x = 1"]}}, ("x = 1",)), ({"solutions": [{"language": "PYTHON", "code": "x = 1"}, {"language": "java", "code": "y"}]}, ("x = 1",)),
        ({"canonical_solution": "    return 1\n", "solution": "other"}, ("    return 1\n",)), ({}, ()), ({"solution": "  "}, ()), ({"code": "x = 2", "solutions": []}, ("x = 2",)), ({"solutions": {"language": [3], "solution": ["x = 3"]}}, ("x = 3",)),
    ]  # fmt: skip
    for row, expected in rows:
        assert cells.solutions(row) == expected, row


# --- options and references -------------------------------------------------------------------------------


def test_options_are_read_and_refused() -> None:
    assert read_options({"tol": 0.1, "compare": None, "other": 1}) == {"abs_tol": 0.1, "rel_tol": 0.1}
    assert read_options({"tol": 0.1, "abs_tol": 0.2}) == {"abs_tol": 0.2, "rel_tol": 0.1} and read_options(
        {"tol": 0.1, "rel_tol": 0}
    ) == {"abs_tol": 0.1, "rel_tol": 0}
    good = {"time_limit": [1, 0.5], "memory_mb": [1, 256.5], "tol": [0, 0.99], "equality": ["strict", "typed", "python"], "strict": [True, 0], "any_order": [True, False, "deep"], "compare": ["exact", "lines", "tokens"], "ignore_case": [True, 1], "imports": [False], "in_place": [True, 0, 3]}  # fmt: skip
    bad = {"time_limit": [0, -1, "1", True, INF], "memory_mb": [0, "a"], "abs_tol": [1, -0.1, "x", True], "rel_tol": [1.5], "equality": ["loose", 1], "strict": ["yes", 2], "any_order": ["shallow", 2], "compare": ["words"], "ignore_case": ["no"], "imports": [3], "in_place": [-1, "a", 1.5]}  # fmt: skip
    for key, ok in good.items():
        for value in ok:
            assert read_options({key: value}), (key, value)
    for key, wrong_values in bad.items():
        for value in wrong_values:
            with pytest.raises(BadReferenceError, match=rf"reference\['{key}'\]"):
                read_options({key: value})
    assert (
        rules({}) == Rules()
        and rules({"strict": True}).equality == "strict"
        and rules({"strict": False, "equality": "typed"}).equality == "typed"
    )
    everything = {
        "abs_tol": 0.1,
        "rel_tol": 0.2,
        "equality": "typed",
        "any_order": "deep",
        "compare": "lines",
        "ignore_case": True,
    }
    assert rules(everything) == Rules(0.1, 0.2, "typed", "deep", "lines", True)


def test_references() -> None:
    call, text = {"args": [1], "expected": 2}, {"stdin": "1", "stdout": "2"}
    task = formats.read_reference(
        {
            "entry": "Solution().f",
            "tests": [call, {"args": (1,), "kwargs": {"a": 2}, "expected": None}],
            "time_limit": 3,
            "memory_mb": 100.2,
            "in_place": True,
        }
    )
    assert (task.entry, task.calls, task.inputs, task.test_code) == (
        "Solution.f",
        (([1], {}, 2), ([1], {"a": 2}, None)),
        (),
        None,
    )
    assert (task.time_limit, task.memory_mb, task.in_place, task.imports, task.checker, task.files) == (
        3.0,
        101,
        0,
        True,
        None,
        None,
    )
    plain = formats.read_reference({"tests": [text, {"input": ["1", 2], "output": ["3"]}]})
    assert (
        plain.entry is None
        and plain.inputs == (("1", "2"), ("1\n2", "3"))
        and (plain.time_limit, plain.memory_mb) == (10.0, 1024)
    )
    code = formats.read_reference({"entry": "f", "test_code": "assert f()"})
    assert code.test_code == "assert f()" and code.imports is False and code.calls == code.inputs == ()
    assert formats.read_reference({"entry": "f", "tests": "assert f()"}).test_code == "assert f()"
    assert formats.read_reference({"entry": "f", "test_code": "assert f()", "imports": True}).imports is True
    assert (
        formats.read_reference({"tests": [text]}, defaults={"time_limit": 5, "imports": False}).time_limit
        == 5.0
    )
    assert (
        formats.read_reference({"tests": [text], "time_limit": 2}, defaults={"time_limit": 5}).time_limit
        == 2.0
    )
    assert formats.read_reference({"tests": [text], "input_mode": "file"}).files == (
        "input.txt",
        "output.txt",
    )
    assert formats.read_reference(
        {"tests": [text], "input_mode": "file", "input_file": "a.in", "output_file": "a.out"}
    ).files == ("a.in", "a.out")
    assert formats.read_reference({"tests": [text], "input_mode": "stdio"}).files is None
    for value, index in ((None, None), (False, None), (True, 0), (0, 0), (2, 2)):
        assert formats.read_reference({"entry": "f", "tests": [call], "in_place": value}).in_place == index
    assert formats.read_reference(
        {"tests": [{"stdin": "1"}], "checker": "def check(a, b, c): return True"}
    ).inputs == (("1", ""),)
    for bad, words in (
        (None, "NoneType"), ([], "list"), ({}, "tests"), ({"tests": []}, "empty"), ({"tests": [{"stdin": "1"}]}, r"\[0\]"), ({"tests": [text, {}]}, r"\[1\]"), ({"entry": "f", "tests": [text]}, "args"), ({"entry": "f", "tests": [{"args": 1, "expected": 1}]}, "args"),
        ({"entry": 5, "tests": [call]}, "entry"), ({"test_code": "assert 1"}, "entry"), ({"entry": "f", "test_code": " "}, "test_code"), ({"tests": [text], "time_limit": 61}, "max_time_limit"), ({"tests": [text], "memory_mb": 4097}, "max_memory_mb"),
        ({"tests": [text], "input_mode": "pipe"}, "input_mode"), ({"tests": [text], "input_mode": "file", "input_file": "../a"}, "file name"), ({"tests": [text], "checker": "def"}, "not Python"), ({"entry": "f", "tests": [call], "checker": "import sys; sys.argv"}, "script"), ({"tests": [text], "setup": 1}, "setup"),
    ):  # fmt: skip
        with pytest.raises(BadReferenceError, match=words):
            formats.read_reference(bad)
    assert formats.read_reference({"tests": [text], "time_limit": 60, "memory_mb": 4096}).memory_mb == 4096
    assert formats.read_reference({"tests": [text], "time_limit": 100}, {"time_limit": 100}).time_limit == 100


def test_what_a_checker_says() -> None:
    for said in (True, 1, 1.0, 100, "1", "100", "100.0", "true", " YES\n", "ok", (1, "message"), [True]):
        assert checker.accepts(said), said
    for said in (False, 0, 0.5, 0.99, "0", "50", "no", "", "wrong", None, (0, "x"), [], (), {}):
        assert not checker.accepts(said), said
    assert (
        not checker.Checker.read("def check(a, b, c):\n    return True").is_script
        and checker.Checker.read("import sys\nprint(sys.argv)").is_script
        and checker.Checker.read("print(1)").is_script
    )


# --- shapes of tests --------------------------------------------------------------------------------------


def _tests(value: Any, **hints: Any) -> Any:
    return reference(found(value), Hints(**hints))


def test_the_shapes_of_tests() -> None:
    io = [{"stdin": "1", "stdout": "2"}]
    for value in (
        {"inputs": ["1"], "outputs": ["2"]}, '{"inputs": ["1"], "outputs": ["2"]}', [{"input": "1", "output": "2"}], [{"stdin": "1", "expected_output": "2"}], {"input": ["1"], "output": ["2"]}, [{"input": "1", "output": "2", "testtype": "stdin"}],
        {"input_output": '{"inputs": ["1"], "outputs": ["2"]}'}, {"public_tests": {"input": ["1"], "output": ["2"]}}, {"verification_info": {"test_cases": [{"input": "1", "output": "2"}]}}, {"reward_model": {"ground_truth": '{"inputs": ["1"], "outputs": ["2"]}'}}, [["1", "2"]],
        {"test_cases": [{"in": "1", "out": "2"}]}, {"examples": [{"input": "1", "output": "2"}]}, {"inputs": '["1"]', "outputs": '["2"]'}, {"official_tests": [{"input": "1", "output": "2"}]}, [{"inputs": "1", "expected_stdout": "2"}],
    ):  # fmt: skip
        assert _tests(value) == {"entry": None, "tests": io}, value
    for value in (
        {"inputs": [[1]], "outputs": [2], "fn_name": "f"}, {"inputs": [[1]], "outputs": [[2]], "fn_name": "f"}, [{"args": [1], "expected": 2, "entry": "f"}], [{"input": "1", "output": "2", "testtype": "func", "fn_name": "f"}],
        {"inputs": ["1"], "outputs": ["2"], "fn_name": "f"}, {"inputs": [[1]], "outputs": [2], "metadata": {"func_name": "f"}}, {"inputs": [[1]], "outputs": [2], "metadata": '{"func_name": "f"}'},
    ):  # fmt: skip
        made = _tests(value)
        assert (
            made["entry"] == "f" and made["tests"][0]["args"] == [1] and made["tests"][0]["expected"] == 2
        ), value
    method = _tests([{"input": "[1]\n2", "output": "3", "testtype": "functional"}], entry="f")
    assert method == {"entry": "Solution.f", "tests": [{"args": [[1], 2], "expected": 3}]}
    assert (
        _tests(
            [{"input": "1", "output": "2"}], starter="class Solution:\n    def g(self, x): pass", entry="g"
        )["entry"]
        == "Solution.g"
    )
    pair = [{"input": "1", "output": "2", "testtype": "call"}]
    helped = "def helper(x):\n    return x\n\ndef g(x):\n    pass\n"  # what is asked for comes last
    for starter, entry in (
        (helped, "g"),
        ("async def f(x): pass\n" + helped, "g"),
        ("class Node:\n    def __init__(self): pass\n\n" + helped, "g"),
        ("class Solution:\n    def other(self): pass\n    def g(self, x): pass\n", "Solution.g"),
    ):
        assert _tests(pair, starter=starter)["entry"] == entry, starter
        assert _tests(pair, starter=starter, entry="helper")["entry"].rpartition(".")[2] == "helper"
    assert _tests([{"input": "a = 1, b = [2]", "output": "3"}], starter="def g(a, b): pass") == {
        "entry": "g",
        "tests": [{"args": [], "expected": 3, "kwargs": {"a": 1, "b": [2]}}],
    }
    assert _tests({"inputs": [['"a"']], "outputs": ['"b"'], "fn_name": "f"})["tests"] == [
        {"args": ["a"], "expected": "b"}
    ]
    assert _tests({"inputs": [["a"]], "outputs": ["b"], "fn_name": "f"})["tests"] == [
        {"args": ["a"], "expected": "b"}
    ]
    assert _tests([{"args": [1], "kwargs": {"k": 2}, "expected": [3]}], entry="f")["tests"] == [
        {"args": [1], "kwargs": {"k": 2}, "expected": [3]}
    ]
    for hints, expected in (
        ({}, 2),
        ({"wrapped": True}, 2),
        ({"wrapped": False}, [2]),
        ({"starter": "def f(x) -> List[int]: pass"}, [2]),
        ({"starter": "def f(x) -> int: pass"}, 2),
    ):
        assert (
            _tests({"inputs": [[1]], "outputs": [[2]], "fn_name": "f"}, **hints)["tests"][0]["expected"]
            == expected
        ), hints
    assert _tests({"inputs": [[1], [1]], "outputs": [[2], [2, 3]], "fn_name": "f"})["tests"][0][
        "expected"
    ] == [2]
    asserted = _tests(["assert g(1) == 2", "assert g(2) == 3"])
    assert asserted == {"entry": "g", "test_code": "assert g(1) == 2\nassert g(2) == 3"}
    assert _tests(
        {"test": "def check(candidate):\n    assert candidate(1)", "entry_point": "h"}, entry="h"
    ) == {"entry": "h", "test_code": "def check(candidate):\n    assert candidate(1)"}
    assert _tests({"test_code": "assert g(1)", "import_prefix": "import math"}) == {
        "entry": "g",
        "test_code": "assert g(1)",
        "setup": "import math",
    }
    assert _tests("```python\nassert g(1)\n```")["test_code"] == "assert g(1)"
    assert found({"a": 1}) == found([]) == found(None) == found("") == []
    for bad, words in (
        ({"inputs": ["1"], "outputs": []}, "1 inputs and 0 outputs"),
        (["assert f(1)", ["1", "2"]], "partly"),
        ({"inputs": [[1]], "outputs": [2], "type": "call"}, "nothing names it"),
    ):
        with pytest.raises(BadReferenceError, match=words):
            _tests(bad)
    assert [
        pair.given for pair in found({"inputs": ["1", "2"], "outputs": ["3"]}) if isinstance(pair, Pair)
    ] == ["1"]
    assert isinstance(found({"test_code": "assert g(1)", "setup_code": "x = 1"})[0], Code)


_FAMILIES = (
    "test_code test input_output public_test_cases private_test_cases generated_test_cases hidden_test_cases public_tests private_tests generated_tests "
    "hidden_tests official_tests tests test_cases testcases unit_tests functional pytest assert_case assertions test_list reward_model ground_truth "
    "verifier_metadata verification_info reference extra_info examples sample_tests"
)


def test_every_name_of_a_column() -> None:
    io = [{"stdin": "1", "stdout": "2"}]
    for key in _FAMILIES.split():
        assert _tests({key: ["assert g(1) == 2"]}) == {"entry": "g", "test_code": "assert g(1) == 2"}, key
        assert _tests({key: [{"input": "1", "output": "2"}]})["tests"] == io, key
    for given in ("stdin", "input", "inputs", "in", "test_inputs"):
        for expected in (
            "stdout",
            "expected_output",
            "expected_stdout",
            "output",
            "outputs",
            "expected",
            "out",
            "test_outputs",
        ):
            assert _tests([{given: "1", expected: "2"}])["tests"] == io, (given, expected)
    for key in ("code", "test", "assertion", "assert"):
        assert _tests([{key: "assert g(1) == 2"}]) == {"entry": "g", "test_code": "assert g(1) == 2"}, key
    for key in ("entry", "entry_point", "fn_name", "func_name", "function_name", "method_name", "class_name"):
        assert _tests({"inputs": [[1]], "outputs": [2], key: "f"})["entry"] == "f", key
        assert (
            read({"question": "q", "tests": ["assert g(1) == h(2)"], key: "h"}).reference["entry"] == "h"
        ), key
    for key in ("import_prefix", "setup_code", "imports"):
        assert _tests({"test_code": "assert g(1)", key: "import re"})["setup"] == "import re", key
    for kind, entry in (("functional", "Solution.f"), ("function_call", "f"), ("call", "f"), ("func", "f")):
        assert _tests([{"input": "1", "output": "2", "testtype": kind}], entry="f")["entry"] == entry, kind
    for kind in ("stdin", "stdin_stdout", "io", "STDIN"):
        assert _tests([{"input": "1", "output": "2", "type": kind}], entry="f")["entry"] is None, kind
    for key in (
        "prompt",
        "question",
        "problem",
        "question_content",
        "query",
        "description",
        "problem_statement",
        "problem_description",
        "instruct_prompt",
        "instruction",
        "text",
        "content",
        "user_prompt",
        "complete_prompt",
        "skeleton",
    ):
        assert read({key: "Do it.", "tests": [["1", "2"]]}).prompt == "Do it.", key
    for key in ("id", "task_id", "question_id", "problem_id", "name", "uid"):
        assert read({"question": "q", key: 5, "tests": [["1", "2"]]}).id == "5", key
    for key in (
        "reference_program",
        "canonical_solution",
        "gold_standard_solution",
        "reference_solution",
        "ground_truth_solution",
        "reference_solutions",
        "completion",
        "solution",
        "solutions",
        "code",
        "python_solution",
        "solution_code",
    ):
        assert cells.solutions({key: "x = 1"}) == ("x = 1",), key
    for key in ("starter_code", "function_declaration", "function_signature", "signature"):
        assert (
            read(
                {"question": "q", key: "def g(a): pass", "tests": [{"input": "a = 1", "output": "2"}]}
            ).reference["entry"]
            == "g"
        ), key
    for key in ("time_limit", "timeout"):
        assert read({"question": "q", key: "3 s", "tests": [["1", "2"]]}).reference["time_limit"] == 3.0, key
    for key in ("memory_limit", "memory_mb", "memory_limit_bytes"):
        assert read({"question": "q", key: 64, "tests": [["1", "2"]]}).reference["memory_mb"] == 64.0, key
    for key, value in (
        ("setup", "x = 1"),
        ("strict", True),
        ("any_order", True),
        ("ignore_case", True),
        ("in_place", 1),
        ("input_mode", "file"),
        ("checker", "def check(a, b, c): return True"),
    ):
        assert read({"question": "q", key: value, "tests": [["1", "2"]]}).reference[key] == value, key
    for site, wraps in (
        ("https://leetcode.com/x", False),
        ("hackerrank", False),
        ("geeksforgeeks", False),
        ("codewars", True),
    ):
        tests = {"inputs": [[1]], "outputs": [[2]], "fn_name": "f"}
        assert read({"question": "q", "url": site, "input_output": tests}).reference["tests"][0][
            "expected"
        ] == (2 if wraps else [2]), site


def test_rows_of_sets() -> None:
    row = {
        "task_id": "t/1",
        "prompt": "def f(x):\n    '''add one'''\n",
        "entry_point": "f",
        "test": "def check(candidate):\n    assert candidate(1) == 2",
        "canonical_solution": "    return x + 1\n",
        "difficulty": "easy",
    }
    problem = read(row)
    assert (problem.id, problem.prompt, problem.reference["entry"]) == (
        "t/1",
        row["prompt"],
        "f",
    ) and problem.meta == {"entry_point": "f", "difficulty": "easy", "solutions": ("    return x + 1\n",)}
    mbpp = read(
        {
            "id": 7,
            "text": "Add one.",
            "test_list": ["assert f(1) == 2"],
            "test_setup_code": "import math",
            "code": "def f(x): return x + 1",
        }
    )
    assert (
        mbpp.id == "7"
        and mbpp.reference["test_code"] == "import math\nassert f(1) == 2"
        and "assert f(1) == 2" in mbpp.prompt
    )
    io = read(
        {
            "question": "Add.",
            "input_output": '{"inputs": ["1"], "outputs": ["2"]}',
            "time_limit": "2 seconds",
            "memory_limit": "256 megabytes",
            "tol": 0.1,
            "checker": " ",
        }
    )
    assert io.reference == {
        "entry": None,
        "tests": [{"stdin": "1", "stdout": "2"}],
        "time_limit": 2.0,
        "memory_mb": 256.0,
        "tol": 0.1,
    }
    starter = read(
        {
            "question": "Add.",
            "starter_code": "class Solution:\n    def add(self, x): pass",
            "input_output": {"inputs": ["1"], "outputs": ["2"], "fn_name": "add"},
        }
    )
    assert starter.reference["entry"] == "Solution.add" and "Begin with this code" in starter.prompt
    for asked, begins in (  # the method is named; a class alone is in every prompt
        ("Write class Solution with the method `add`.", False),
        ("def add(self, x):", False),
        ("Complete the class Solution.", True),
        ("Add to it what there is to add.", True),  # the word, not the name
    ):
        cases = {"inputs": ["1"], "outputs": ["2"], "fn_name": "add"}
        row = {
            "question": asked,
            "starter_code": "class Solution:\n    def add(self, x): pass",
            "input_output": cases,
        }
        prompt = read(row).prompt
        assert ("Begin with this code" in prompt) is begins, asked
        no_code = read(row | {"starter_code": "", "input_output": cases | {"fn_name": "Solution.add"}}).prompt
        assert ("The tests call `Solution.add`" in no_code) is begins, asked
    named = read(
        {"question": "Add.", "input_output": {"inputs": [[1]], "outputs": [2], "fn_name": "add_one"}}
    )
    assert (
        "The tests call `add_one`" in named.prompt
        and "The tests call"
        not in read(
            {
                "question": "Write add_one.",
                "input_output": {"inputs": [[1]], "outputs": [2], "fn_name": "add_one"},
            }
        ).prompt
    )
    chat = read(
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "Add."},
                {"role": "assistant", "content": "no"},
            ],
            "tests": [["1", "2"]],
        }
    )
    assert chat.prompt == "Add." and chat.history == ({"role": "system", "content": "s"},)
    for source, expected in (("leetcode", [2]), ("codewars", 2)):
        assert (
            read(
                {
                    "question": "q",
                    "source": source,
                    "input_output": {"inputs": [[1]], "outputs": [[2]], "fn_name": "f"},
                }
            ).reference["tests"][0]["expected"]
            == expected
        )
    assert (
        read({"question": "q", "tests": [["1", "2"]]}, identity="x").id == "x"
        and read({"question": "q", "tests": [["1", "2"]]}, prompt="p").prompt == "p"
    )
    assert read({"question": "q"}, tests=[["1", "2"]]).reference["tests"] == [{"stdin": "1", "stdout": "2"}]
    with pytest.raises(BadReferenceError, match="row 'r'"):
        read({"id": "r", "question": "q", "tests": {"inputs": ["1"], "outputs": []}})
    with pytest.raises(KeyError):
        read({"tests": [["1", "2"]]})


# --- programs and names -----------------------------------------------------------------------------------


def test_programs_before_they_run() -> None:
    assert (
        program.source_problem("x = 1") is None
        and "surrogates" in str(program.source_problem("\ud800"))
        and "null" in str(program.source_problem("\0"))
    )
    assert (
        "limit" in str(program.source_problem("x" * (program.MAX_SOURCE + 1)))
        and program.source_problem("x" * program.MAX_SOURCE) is None
    )
    head = "import math\n\ndef helper():\n    return 1\n\ndef f(x):\n    '''doc'''\n"
    assert (
        "import math" in program.preamble(head, "f")
        and "helper" in program.preamble(head, "f")
        and "def f" not in program.preamble(head, "f")
    )
    assert (
        program.preamble("Write a function f.", "f") == ""
        and program.preamble("x = 1", "f") == ""
        and program.preamble("import math\n", "f") == "import math\n"
    )
    whole = "def f(x):\n    return x\n"
    assert (
        program.complete(whole, "prose", "f") == [whole]
        and program.complete(whole, head, "f")[0].endswith(whole)
        and "import math" in program.complete(whole, head, "f")[0]
    )
    assert program.complete("from __future__ import annotations\n" + whole, head, "f") == [
        "from __future__ import annotations\n" + whole
    ]
    for body in (
        "    return x",
        "return x",
        "\treturn x",
        "        return x",
        "y = x\n    return y",
        "    return x\n\nprint(f(1))",
    ):
        compiled = []
        for text in program.complete(body, head, "f"):
            try:
                compiled.append(compile(text, "p", "exec"))
                break
            except SyntaxError:
                continue
        space: dict[str, Any] = {}
        exec(compiled[0], space)
        assert space["f"](5) == 5, body
    assert program.signature("def f(self, head: ListNode, k: int = 2) -> ListNode:", "Solution.f") == {
        "head": "ListNode",
        "k": "int",
        "return": "ListNode",
    }
    assert (
        program.signature("def f(a, b):", "f") == {"a": "", "b": "", "return": ""}
        and program.signature("prose", "f") == {}
        and program.signature("def g(a): pass", "f") == {}
    )


def test_names_of_tests() -> None:
    names = read_names(
        "import pytest\nassert f(1) == 2\nassert g(2) == 3\nassert math.sqrt(4) == 2", "", "", "f"
    )
    assert (
        names.functions >= {"f", "g", "candidate"}
        and names.modules == {"math"}
        and names.packages == {"pytest"}
        and names.program_modules == frozenset()
    )
    owned = read_names("from solution import f, helper\nassert f(1) == helper(1)", "", "", "f")
    assert owned.program_modules == {"solution"} and owned.functions >= {"f", "helper"}
    assert read_names("import mine\nassert mine.f(1) == 2", "", "", "f").program_modules == {"mine"}
    raised = read_names(
        "import pytest\nwith pytest.raises(MyError):\n    f(1)\n", "", "Raise `MyError`.", "f"
    )
    assert raised.exceptions == {"MyError"}
    made = read_names("s = Stack()\ns.push(1)\nassert s.pop() == 1", "", "", "Stack")
    assert made.classes == {"Stack"}
    assert (
        "helper" not in read_names("assert near(f(1), 2)", "def near(a, b): return a == b", "", "f").functions
    )
    with pytest.raises(BadReferenceError, match="'near'"):
        read_names("assert near(f(1), 2)", "", "", "f")
    for code, solution, name in (
        ("assert f(1) == 2", "", "f"),
        ("assert set(f([1])) == {1}", "", "f"),
        ("from code_x import g\nassert g(1)", "", "g"),
        ("assert sum([1]) == 1", "def sum(x): pass", "sum"),
        ("import math\nassert math.floor(h(1)) == 1", "", "h"),
        ("check(k)", "def check(x): pass", "check"),
        ("assert solution.m(1)", "", "m"),
    ):
        assert called_function(code, solution) == name, code
    for bad in ("assert 1 == 1", "assert ("):
        with pytest.raises(BadReferenceError):
            called_function(bad)
    assert given_names(
        [
            "math",
            "deque",
            "sqrt",
            "np_",
            "Counter",
            "Fraction",
            "inf",
            "ListNode",
            "bisect",
            "List",
            "heappush",
            "dataclass",
            "print",
            "unheard",
        ]
    ).keys() == {
        "math",
        "deque",
        "sqrt",
        "Counter",
        "Fraction",
        "inf",
        "ListNode",
        "bisect",
        "List",
        "heappush",
        "dataclass",
    }
    given = given_names(["bisect", "inf", "pow"])
    assert (
        given["bisect"]([1, 3], 2) == given["bisect"].bisect_left([1, 3], 2) == 1
        and given["inf"] == INF
        and "pow" not in given
    )


@pytest.mark.parametrize(
    ("text", "promised"),
    [
        ("Absolute or relative error of at most 10^{-6} is accepted.", {"abs_tol": 1e-6, "rel_tol": 1e-6}), ("The answer's absolute error must not exceed 1e-4.", {"abs_tol": 1e-4}), ("relative error within 0.001", {"rel_tol": 1e-3}), ("accurate to within 10^-5", {"abs_tol": 1e-5, "rel_tol": 1e-5}),
        ("precision of 10⁻⁹", {"abs_tol": 1e-9, "rel_tol": 1e-9}), ("tolerance 10-6", {"abs_tol": 1e-6, "rel_tol": 1e-6}), ("The number 1e-6 is small.", {}), ("You may return the answer in any order.", {"any_order": True}), ("Print them in arbitrary order.", {"any_order": True}), ("The order of the output does not matter.", {"any_order": True}),
        ("Any order is accepted for the output.", {"any_order": True}), ("The edges are given in any order.", {}), ("Input in any order; print the sum.", {}), ("You may print each letter in any case.", {"ignore_case": True}), ("Print YES in any register", {"ignore_case": True}), ("The output is case-insensitive.", {"ignore_case": True}),
        ("print it in upper case or lower case", {"ignore_case": True}), ("In any case, print 1.", {}), ("Modify the array in-place. Do not return anything.", {"in_place": True}), ("Sort it in place; the function returns None.", {"in_place": True}), ("Sort in place and return the length.", {}), ("Do not return anything.", {}), ("", {}), ("error 10^{-20}", {}), ("letter case of the answer does not matter", {"ignore_case": True}),
    ],
)  # fmt: skip
def test_promises(text: str, promised: dict) -> None:
    assert statement.promises(text) == promised


# --- what is said of a failure ----------------------------------------------------------------------------


def test_the_text_of_a_failure() -> None:
    failure = report.Failure("incorrect", "wrong result", got="3").at(1, 4, "[1]", "2")
    assert (
        failure.text("status") == "test 2 of 4: wrong result"
        and failure.text("input") == "test 2 of 4: wrong result; input [1]; got 3"
        and failure.text("expected") == "test 2 of 4: wrong result; input [1]; got 3; expected 2"
    )
    assert report.Failure("crash", "a\nb\x1b").text("input") == "a b\\x1b"
    assert (
        report.show([1, "a", {2: (3,)}]) == "[1, 'a', {2: [3]}]"
        and report.show("x" * 500).endswith("…")
        and len(report.show("x" * 500)) == 120
        and report.show(1 << 500) == "an integer of 501 bits"
        and report.show(range(3)) == "range(0, 3, 1)"
        and report.show(list(range(50))).count(",") == 19
    )


def test_how_a_program_ended() -> None:
    task = formats.CodeTask("f", time_limit=2.5, memory_mb=100)
    limits = Limits(100, 5)
    assert limits.resident_bytes == (100 << 20) + (32 << 20)
    ended = lambda why=wire.ENDED_ITSELF, status=0, peak=0: failures.died(End(why, status, peak), task)  # noqa: E731
    assert [
        ended(wire.OVER_MEMORY).status,
        ended(wire.OVER_FILES).status,
        ended(wire.OVER_THREADS).status,
    ] == ["memory", "output", "crash"]
    assert (
        ended(status=signal.SIGXCPU).status == "timeout"
        and ended(status=signal.SIGKILL, peak=60 << 20).status == "memory"
        and ended(status=signal.SIGKILL, peak=40 << 20).status == "crash"
    )
    assert (
        "SIGSEGV" in ended(status=signal.SIGSEGV).what
        and ended(status=3 << 8).what == "the program ended with exit status 3"
        and "100 MB" in ended(wire.OVER_MEMORY).what
    )
    assert failures.over_memory(End(b"-", 0, limits.resident_bytes), task, limits) is None
    above = failures.over_memory(End(b"-", 0, limits.resident_bytes + 1), task, limits)
    assert above is not None and above.status == "memory"
    from verifiers.code.runner import DeadlineError, ForgeryError

    assert (failures.broken(DeadlineError(), task).status, failures.broken(DeadlineError(), task).what) == (
        "timeout",
        "over 2.5 s",
    )
    assert (
        failures.broken(OutputError("much"), task) == report.Failure("output", "much")
        and failures.broken(ForgeryError("x"), task).status == "incorrect"
    )
    said = values.encode(("ValueError", "bad"))
    assert (
        failures.not_a_value(wire.EXCEPTION, said) == report.Failure("crash", "ValueError: bad")
        and failures.not_a_value(wire.LOAD_FAILED, values.encode(("MemoryError", ""))).status == "memory"
    )
    assert (
        failures.not_a_value(wire.UNSERIALISABLE, said).status == "incorrect"
        and "bad" in failures.not_a_value(wire.UNSERIALISABLE, said).what
        and failures.not_a_value(b"?", b"").status == "incorrect"
    )
    assert failures.exception(b"junk") == ("Exception", "")
    source = "assert f(1) == 2\nassert f(2) == 3"
    assert failures.failed_assertion("AssertionError", "", 2, False, source) == report.Failure(
        "incorrect", "AssertionError in line 2 of the tests", expected="assert f(2) == 3"
    )
    assert (
        failures.failed_assertion("ValueError", "x", 1, True, source).status == "crash"
        and failures.failed_assertion("MemoryError", "", 1, True, source).status == "memory"
        and failures.failed_assertion("AssertionError", "", 1, True, source).status == "incorrect"
    )


def test_levels_of_isolation() -> None:
    def layers(*on: str) -> list[Layer]:
        names = ("namespaces", "landlock", "seccomp")
        return [Layer(name, "on" if name in on else "off") for name in names]

    assert [
        level(layers(*on))
        for on in (
            ("namespaces", "seccomp"),
            ("landlock", "seccomp"),
            ("namespaces", "landlock"),
            ("seccomp",),
            (),
            ("namespaces", "landlock", "seccomp"),
        )
    ] == ["strong", "standard", "weak", "weak", "weak", "strong"]
    assert level([Layer("namespaces", "failed"), Layer("seccomp", "on")]) == "weak"


def test_programs_that_are_wrong_on_purpose() -> None:
    def run(source: str) -> dict[str, Any]:
        space: dict[str, Any] = {}
        exec(source, space)
        return space

    for entry, get in (
        ("f", lambda s: s["f"]),
        ("Solution().f", lambda s: s["Solution"]().f),
        ("Solution.f", lambda s: s["Solution"]().f),
    ):
        useless, raising = wrong.wrong_programs(Problem("p", "", {"entry": entry})).values()
        assert get(run(useless))(1, a=2) != 1 and type(get(run(useless))()) is object
        with pytest.raises(NotImplementedError):
            get(run(raising))(1)
    assert (
        list(wrong.wrong_programs(Problem("p", "", {"tests": [{"stdin": "", "stdout": "1"}]})))
        == ["a program that prints nothing"]
        and wrong.wrong_programs(Problem("p", "", {"tests": [{"stdin": "", "stdout": " "}]})) == {}
    )
    assert (
        wrong.fenced("x = '```'") == "````python\nx = '```'\n````\n"
        and wrong.fenced("x") == "```python\nx\n```\n"
    )
    assert wrong.is_whole_program(Problem("p", "", {"tests": []})) and not wrong.is_whole_program(
        Problem("p", "", {"entry": "f"})
    )


# --- stand-ins for pytest and numpy, and collected tests --------------------------------------------------


def _collect(source: str, called: bool = False) -> list[str]:
    """What a module of tests notes in `log`, when its tests are run as pytest would."""
    module = types.ModuleType("tests")
    log: list[str] = []
    module.__dict__.update(pytest=stand_ins.pytest(), log=log.append)
    exec(source, module.__dict__)
    run_collected(module, called)
    return log


def test_collected_tests_run_as_pytest_runs_them() -> None:
    assert _collect(
        "def test_a(): log('a')\ndef helper(): log('h')\nclass TestB:\n    def test_b(self): log('b')\nclass Other:\n    def test_c(self): log('c')\n"
    ) == ["a", "b"]
    assert _collect(
        "@pytest.fixture\ndef x():\n    log('in')\n    yield 5\n    log('out')\ndef test_a(x): log(str(x))\n"
    ) == ["in", "5", "out"]
    assert _collect(
        "@pytest.mark.parametrize('a,b', [(1, 2), pytest.param(3, 4)])\ndef test_a(a, b): log(f'{a}{b}')\n"
    ) == ["12", "34"]
    assert sorted(
        _collect(
            "@pytest.mark.parametrize('a', [1, 2])\n@pytest.mark.parametrize('b', [3, 4])\ndef test_a(a, b): log(f'{a}{b}')\n"
        )
    ) == ["13", "14", "23", "24"]
    assert _collect(
        "@pytest.fixture(params=[1, 2])\ndef x(request): return request.param\ndef test_a(x): log(str(x))\n"
    ) == ["1", "2"]
    assert _collect("@pytest.fixture(autouse=True)\ndef x(): log('auto')\ndef test_a(): log('a')\n") == [
        "auto",
        "a",
    ]
    assert _collect("@pytest.fixture(name='y')\ndef x(): return 7\ndef test_a(y): log(str(y))\n") == ["7"]
    for mark in ("skip", "skip('why')", "xfail", "skipif(True)", "skipif(True, reason='x')"):
        assert _collect(f"@pytest.mark.{mark}\ndef test_a(): log('a')\n") == [], mark
    assert _collect(
        "@pytest.mark.skipif(False)\ndef test_a(): log('a')\n@pytest.mark.slow\ndef test_b(): log('b')\n"
    ) == ["a", "b"]
    assert _collect("def test_a():\n    pytest.skip('x')\n    log('a')\ndef test_b(): log('b')\n") == ["b"]
    assert _collect(
        "def setup_function(f): log('s')\ndef teardown_function(f): log('t')\ndef test_a(): log('a')\n"
    ) == ["s", "a", "t"]
    assert _collect(
        "def setup_module(): log('S')\ndef teardown_module(): log('T')\ndef test_a(): log('a')\n"
    ) == ["S", "a", "T"]
    assert _collect(
        "class TestA:\n    @classmethod\n    def setup_class(cls): log('S')\n    def setup_method(self): log('s')\n    def teardown_method(self): log('t')\n    def test_a(self): log('a')\n"
    ) == ["S", "s", "a", "t"]
    assert _collect("def test_a(n): log('a')\n", called=True) == [] and _collect(
        "def test_a(n=1): log('a')\n"
    ) == ["a"]
    assert _collect("def test_a(capsys):\n    print('hi')\n    log(capsys.readouterr().out)\n") == ["hi\n"]
    assert _collect("async def test_a(): log('a')\n") == ["a"]
    import unittest

    assert unittest and _collect(
        "import unittest\nclass T(unittest.TestCase):\n    def setUp(self): log('s')\n    def test_a(self): log('a')\n    def tearDown(self): log('t')\n    @unittest.skip('x')\n    def test_b(self): log('b')\n"
    ) == ["s", "a", "t"]
    for failing in (
        "def test_a(): assert False\n",
        "class TestA:\n    def test_a(self): assert False\n",
        "@pytest.fixture\ndef x():\n    yield 1\n    assert False\ndef test_a(x): pass\n",
        "@pytest.mark.parametrize('a', [1, 2])\ndef test_a(a): assert a == 1\n",
        "def test_a(): pytest.fail('x')\n",
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(1, 2)\n",
    ):
        with pytest.raises(AssertionError):
            _collect(failing)
    for unknown in (
        "def test_a(tmp_path): pass\n",
        "def test_a(monkeypatch): monkeypatch.setenv('a', 'b')\n",
        "def test_a(): pytest.warns(UserWarning)\n",
        "def test_a(): pytest.deprecated_call()\n",
    ):
        with pytest.raises(stand_ins.NeedsPackageError):
            _collect(unknown)


def test_stand_ins_for_raises_and_approx() -> None:
    stand_in = stand_ins.pytest()
    with stand_in.raises(ValueError, match="b.d") as caught:
        raise ValueError("a bad one")
    assert str(caught.value) == "a bad one" and caught.type is ValueError
    with pytest.raises(AssertionError, match="DID NOT RAISE"), stand_in.raises(ValueError):
        pass
    with pytest.raises(AssertionError, match="does not match"), stand_in.raises(ValueError, match="good"):
        raise ValueError("bad")
    with pytest.raises(KeyError), stand_in.raises(ValueError):
        raise KeyError
    stand_in.raises((KeyError, ValueError), int, "x")
    with pytest.raises(AssertionError):
        stand_in.raises(ValueError, int, "5")
    close = stand_in.approx
    for got, expected in (
        (1.0000001, close(1)),
        (0.1 + 0.2, close(0.3)),
        ([1.0000001], close([1])),
        ({"a": 1.0000001}, close({"a": 1})),
        (1.05, close(1, abs=0.1)),
        (1.05, close(1, rel=0.1)),
        (1e-13, close(0)),
        (INF, close(INF)),
        (NAN, close(NAN, nan_ok=True)),
        (1 + 1e-8j, close(1 + 0j)),
        ("a", close("a")),
        ((1, 2), close([1, 2])),
    ):
        assert got == expected and not got != expected, got
    for got, expected in (
        (1.00001, close(1)),
        (1.2, close(1, abs=0.1)),
        (1.2, close(1, rel=0.1)),
        (1e-11, close(0)),
        ([1, 2], close([1])),
        ({"a": 1}, close({"b": 1})),
        (INF, close(1)),
        (NAN, close(NAN)),
        ("1", close(1)),
        (1, close(INF)),
        ("b", close("a")),
        (None, close(1)),
    ):
        assert got != expected and not got == expected, got


def test_a_stand_in_for_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules, "numpy.testing", types.ModuleType("numpy.testing")
    )  # it puts its own there
    np = arrays.numpy()
    a, b = np.array([1, 2, 3]), np.array([[1, 2], [3, 4]])
    assert (
        a.shape == (3,)
        and b.shape == (2, 2)
        and b.ndim == 2
        and b.size == 4
        and len(b) == 2
        and b.tolist() == [[1, 2], [3, 4]]
        and b.flatten().tolist() == b.ravel().tolist() == [1, 2, 3, 4]
    )
    assert (
        (a + 1).tolist() == [2, 3, 4]
        and (1 + a).tolist() == [2, 3, 4]
        and (10 - a).tolist() == [9, 8, 7]
        and (a - 1).tolist() == [0, 1, 2]
        and (2 * a).tolist() == [2, 4, 6]
        and (6 / a).tolist() == [6, 3, 2]
        and (a // 2).tolist() == [0, 1, 1]
        and (a % 2).tolist() == [1, 0, 1]
        and (a**2).tolist() == [1, 4, 9]
        and (-a).tolist() == [-1, -2, -3]
    )
    assert (
        (a == [1, 2, 4]).tolist() == [True, True, False]
        and (a != [1, 2, 4]).any()
        and (a < 3).tolist() == [True, True, False]
        and (a <= 3).all()
        and (a > 1).tolist() == [False, True, True]
        and (a >= 2).tolist() == [False, True, True]
    )
    assert (
        (a.sum(), a.max(), a.min(), a.mean())
        == (6, 3, 1, 2.0)
        == (np.sum(a), np.max(a), np.min(a), np.mean(a))
        and a[0] == 1
        and b[1].tolist() == [3, 4]
        and a[1:].tolist() == [2, 3]
    )
    assert (
        np.allclose([1.0, 2.0], [1.0, 2.000001])
        and not np.allclose([1.0], [1.001])
        and np.allclose([1.0], [1.1], rtol=0.2)
        and np.allclose([0.0], [0.5], atol=1)
        and not np.allclose([NAN], [NAN])
        and np.allclose([NAN], [NAN], equal_nan=True)
        and np.isclose(1.0, 1.0 + 1e-9)
        and not np.isclose(INF, 1.0)
        and np.isclose(INF, INF)
    )
    assert (
        np.array_equal([1, 2], [1, 2])
        and not np.array_equal([1, 2], [2, 1])
        and not np.array_equal([1], [[1]])
        and np.sort([3, 1]).tolist() == [1, 3]
        and np.sort([[2, 1], [4, 3]]).tolist() == [[1, 2], [3, 4]]
        and np.unique([2, 1, 2]).tolist() == [1, 2]
        and np.abs([-1, 2]).tolist() == [1, 2]
        and np.sqrt(4) == 2
        and np.isnan([NAN, 1.0]).tolist() == [True, False]
    )
    np.testing.assert_allclose([1.0], [1.0 + 1e-8])
    assert not np.allclose([0.0], [1e-6])
    assert np.allclose([0.0], [1e-9])
    assert np.allclose([1.0], [1.000005])
    assert not np.allclose([1.0], [1.00005])
    np.testing.assert_array_equal([1], [1])
    np.testing.assert_almost_equal(1.0, 1.0 + 1e-8)
    for failing in (
        lambda: np.testing.assert_allclose([1.0], [1.00001]),
        lambda: np.testing.assert_array_equal([1], [2]),
        lambda: np.testing.assert_almost_equal(1.0, 1.001),
        lambda: np.testing.assert_almost_equal(1.0, 1.02, decimal=2),
    ):
        with pytest.raises(AssertionError):
            failing()
    with pytest.raises(ValueError):
        bool(a == a)
    with pytest.raises(ValueError):
        _ = a + [1, 2]
    with pytest.raises(ValueError):
        np.array([[1], [1, 2]])
    with pytest.raises(stand_ins.NeedsPackageError):
        np.linalg.norm(a)
    with pytest.raises(stand_ins.NeedsPackageError):
        _ = b[0, 1]
