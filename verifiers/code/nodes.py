"""Linked lists and binary trees as LeetCode has them: the classes, and lists turned into nodes and back.

Runs inside the sandbox: no module of the standard library but light ones.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any


class ListNode:
    """A node of a linked list: [1, 2] is 1 → 2, [] is None."""

    def __init__(self, val: Any = 0, next: Any = None) -> None:
        self.val, self.next = val, next


class TreeNode:
    """A node of a binary tree, as a list level by level: None for a missing child, none after the last node."""

    def __init__(self, val: Any = 0, left: Any = None, right: Any = None) -> None:
        self.val, self.left, self.right = val, left, right


CLASSES: dict[str, type] = {"ListNode": ListNode, "TreeNode": TreeNode}
_FIELDS = {"ListNode": ("val", "next"), "TreeNode": ("val", "left", "right")}


class EndlessError(ValueError):
    """The nodes are a cycle, or too many."""


def is_node(value: Any) -> bool:
    """Whether the value is a ListNode or TreeNode, whoever defines the class."""
    fields = _FIELDS.get(type(value).__name__)
    return fields is not None and all(hasattr(value, name) for name in fields)


def to_list(node: Any, most: int) -> list:
    """The values of a list or tree. Raises EndlessError for more than `most` of them."""
    if type(node).__name__ == "ListNode":
        found = []
        while node is not None:
            found.append(node.val)
            node = node.next
            if len(found) > most:
                raise EndlessError(f"a list of more than {most} nodes, or a cycle")
        return found
    level, found = [node], []
    for here in level:  # grows while it is read
        found.append(None if here is None else here.val)
        if here is not None:
            level += (here.left, here.right)
        if len(level) > 2 * most:
            raise EndlessError(f"a tree of more than {most} nodes, or a cycle")
    while found and found[-1] is None:
        found.pop()
    return found


def from_list(name: str, items: list, classes: Mapping[str, Any]) -> Any:
    """The first node of the list or tree that `items` describes; None for no items. Raises ValueError."""
    if name not in CLASSES:
        raise ValueError(f"no nodes are called {name}")
    kind = classes.get(name)
    make = kind if isinstance(kind, type) else CLASSES[name]
    if not items:
        return None
    if name == "ListNode":
        head = node = make(items[0])
        for value in items[1:]:
            node.next = make(value)
            node = node.next
        return head
    root, children = make(items[0]), iter(items[1:])
    parents = [root]
    for parent in parents:  # grows while it is read
        for side in ("left", "right"):
            value = next(children, None)
            if value is not None:
                setattr(parent, side, make(value))
                parents.append(getattr(parent, side))
    return root


def typed(value: Any, annotation: Any, classes: Mapping[str, Any]) -> Any:
    """A row's value as a parameter of this annotation (text or type) takes it: lists of values become nodes."""
    name = name_in(annotation)
    if name is None or not isinstance(value, list):
        return value
    if many(annotation):
        return [from_list(name, item, classes) if isinstance(item, list) else item for item in value]
    return from_list(name, value, classes)


def name_in(annotation: Any) -> str | None:
    """The class of nodes that an annotation is about: Optional[ListNode], "TreeNode | None", …"""
    text = _text(annotation)
    return next((name for name in CLASSES if name in text), None)


def many(annotation: Any) -> bool:
    """Whether the annotation is of several such nodes: List[Optional[ListNode]]."""
    return "list[" in _text(annotation).lower().replace("linkedlist[", "")


def _text(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation.__name__
    return repr(annotation)
