"""Tokens → expressions, by recursive descent.

The parser does not resolve ambiguous notation: it makes a node of its own and a feature of it, and `values` evaluates
every reading.
"""

from __future__ import annotations

from fractions import Fraction

from verifiers.latex import word_set
from verifiers.reasoning.cursor import Cursor
from verifiers.reasoning.tokens import Token
from verifiers.reasoning.tree import Expression, Node, Unreadable

__all__ = ["parse"]

MAX_TOKENS = 200
MAX_DEPTH = 40

_ANGLES = word_set("sin cos tan cot sec csc")
_UNARY = word_set("ln exp abs arcsin arccos arctan sinh cosh tanh det floor ceil")
_SEVERAL = word_set("max min gcd lcm")


def parse(tokens: list[Token]) -> Expression:
    """Read `tokens` as one expression. Raises Unreadable."""
    if not tokens or len(tokens) > MAX_TOKENS:
        raise Unreadable
    parser = _Parser(tokens)
    node = parser.sum(0)
    if parser.at < len(tokens):
        raise Unreadable
    numbers = tuple(t for t in tokens if t.kind == "num")
    core = node[1] if node[0] in ("neg", "pct", "deg") else node
    core = core[1] if core[0] in ("pct", "deg") else core
    literal = numbers[0] if core[0] == "num" and len(numbers) == 1 else None
    return Expression(
        node, frozenset(parser.names), parser.operations, frozenset(parser.features), literal, numbers
    )


_APPLIED = frozenset("fghFGPpqQEVTNSφψϕ") | {"phi", "psi", "varphi", "sigma", "tau", "Gamma", "zeta", "mu"}


class _Parser(Cursor):
    def sum(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise Unreadable
        left = self.product(depth)
        while self.is_op("+-±∓"):
            sign = self.next()
            self.operations += 1
            left = self.added(sign.text, left, self.product(depth))
        return left

    def added(self, sign: str, left: Node, right: Node) -> Node:
        if sign in "±∓":
            self.features.add("pm")
        return (sign, left, right)

    def product(self, depth: int) -> Node:
        left = self.signed(depth)
        divided = False
        while True:
            token = self.peek()
            if token is None:
                return left
            if token.kind == "op" and token.text in "*/":
                self.next()
                self.operations += 1
                if token.text == "/" and (fraction := self.slashed()) is not None:
                    left = ("slashes", left, *fraction)
                    continue
                right = self.signed(depth)
                divided = token.text == "/"
                left = (token.text, left, right)
            elif token.kind == "func" and token.text == "mod":
                raise Unreadable
            elif self.starts_operand(token):
                right = self.power(depth)
                self.operations += 1
                if divided and left[0] == "/":
                    self.features.add("tight")
                    left = ("tight", left[1], left[2], right)
                else:
                    left = ("implied", left, right)
            else:
                return left

    def slashed(self) -> tuple[Node, Node] | None:
        """The `1/5` of `2 / 1/5`, which spacing shows to be one number."""
        ahead = self.tokens[self.at : self.at + 3]
        if len(ahead) < 3 or [t.kind for t in ahead] != ["num", "op", "num"] or ahead[1].text != "/":
            return None
        if not ahead[0].gap or ahead[1].gap or ahead[2].gap:
            return None
        self.at += 3
        self.operations += 1
        self.features.add("tight")
        return ("num", ahead[0]), ("num", ahead[2])

    def starts_operand(self, token: Token) -> bool:
        if token.kind == "bar":
            return False
        return token.kind in ("num", "var", "lp", "func")

    def signed(self, depth: int) -> Node:
        if self.is_op("+-±∓"):
            sign = self.next()
            if depth > MAX_DEPTH or (
                sign.text == "+" and self.at > 1 and self.tokens[self.at - 2].kind == "op"
            ):
                raise Unreadable
            inner = self.signed(depth + 1)
            if sign.text in "±∓":
                return self.added(sign.text, ("const", Fraction(0)), inner)
            return ("neg", inner) if sign.text == "-" else inner
        return self.power(depth)

    def power(self, depth: int) -> Node:
        base = self.postfix(self.atom(depth + 1))
        if self.is_op("^"):
            self.next()
            token = self.peek()
            if token is not None and token.kind == "deg":
                self.next()
                self.features.add("deg")
                return self.postfix(("deg", base))
            if token is not None and token.kind == "lp" and self.is_degree_group():
                self.at += 3
                self.features.add("deg")
                return self.postfix(("deg", base))
            if depth > MAX_DEPTH:
                raise Unreadable
            self.operations += 1
            exponent = self.signed(depth + 1) if self.is_op("+-") else self.power(depth + 1)
            return self.postfix(("^", base, exponent))
        return base

    def is_degree_group(self) -> bool:
        ahead = self.tokens[self.at : self.at + 3]
        return len(ahead) == 3 and ahead[1].kind == "deg" and ahead[2].kind == "rp"

    def postfix(self, node: Node) -> Node:
        while (token := self.peek()) is not None:
            if token.kind == "pct":
                self.features.add("percent")
                node = ("pct", node)
            elif token.kind == "bang":
                self.operations += 1
                node = ("!", node)
            elif token.kind == "deg":
                self.features.add("deg")
                node = ("deg", node)
            else:
                return node
            self.next()
        return node

    def atom(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise Unreadable
        token = self.next()
        match token.kind:
            case "num":
                return self.number(token)
            case "var":
                return self.variable(token, depth)
            case "lp":
                return self.group(token, depth)
            case "bar":
                self.features.add("abs")
                inside = self.sum(depth + 1)
                if self.next().kind != "bar":
                    raise Unreadable
                self.operations += 1
                return ("abs", inside)
            case "func":
                return self.function(token, depth)
        raise Unreadable

    def number(self, token: Token) -> Node:
        if self.is_op("_"):
            return self.based(token)
        if token.cut:
            self.features.add("cut")
        following = self.peek()
        if following is None or following.math != token.math:
            return ("num", token)
        if following.text == "frac" and token.value is not None and token.value.denominator == 1:
            fraction = self.atom(0)
            if fraction[0] == "frac" and fraction[1][0] == fraction[2][0] == "num":
                self.features.add("mixed")
                return ("mixed", ("num", token), fraction)
            self.operations += 1
            return ("implied", ("num", token), fraction)
        if following.kind == "num":
            return self.spaced_mixed(token)
        if following.text == "overline":
            return self.repeating(token)
        return ("num", token)

    def based(self, token: Token) -> Node:
        """A numeral in a base: `1101_2`."""
        self.next()
        base = self.braced()
        size = base[0].value if len(base) == 1 and base[0].kind == "num" else None
        if size is None or size.denominator != 1 or not 2 <= size <= 10:
            raise Unreadable
        if not (token.text.isdecimal() and token.text.isascii()):
            raise Unreadable
        if max(map(int, token.text)) >= size:
            raise Unreadable
        self.operations += 1
        return ("const", Fraction(int(token.text, int(size))))

    def spaced_mixed(self, whole: Token) -> Node:
        """`2 1/3`, or `2½`."""
        top = self.next()
        assert whole.value is not None and top.value is not None
        if whole.value.denominator != 1:
            raise Unreadable
        if top.value.denominator != 1 and not top.text[0].isascii():
            return ("mixed", ("num", whole), ("num", top))
        if self.is_op("/"):
            self.next()
            bottom = self.next()
            if bottom.kind == "num" and bottom.value and top.value < bottom.value and top.gap:
                return ("mixed", ("num", whole), ("frac", ("num", top), ("num", bottom)))
        raise Unreadable

    def repeating(self, token: Token) -> Node:
        self.next()
        inside = self.braced()
        digits = inside[0].text if len(inside) == 1 and inside[0].kind == "num" else ""
        if not digits.isdigit() or token.value is None:
            raise Unreadable
        shown = len(token.text.partition(".")[2])
        return ("const", token.value + Fraction(int(digits), (10 ** len(digits) - 1) * 10**shown))

    def variable(self, token: Token, depth: int) -> Node:
        name = token.text
        if name == "π":
            self.features.add("pi")
            return ("pi",)
        if self.is_op("_"):
            self.next()
            name += "_" + "".join(t.text for t in self.braced())
            if (after := self.peek()) is not None and after.text == "_":
                raise Unreadable
        following = self.peek()
        if following is not None and following.text == "(" and (token.math or not following.gap):
            inside = self.tokens[self.at + 1 : self.at + 3]
            lone = len(inside) == 2 and inside[1].text == ")"
            if name.lstrip("\\") in _APPLIED or name[0] in _APPLIED or "'" in name:
                return self.call(name, depth)
            if lone and inside[0].kind in ("num", "var"):
                raise Unreadable  # a product, or a function's value
        if name[0] in _APPLIED and self.is_applied_power():
            raise Unreadable  # f^{-1}(0)
        self.names.add(name)
        return ("var", name)

    def call(self, name: str, depth: int) -> Node:
        """`f(3)`: read, and evaluated once it is known what f is (see `functions`)."""
        if depth > MAX_DEPTH:
            raise Unreadable
        self.features.add("call")
        return ("call", name, *self.arguments(depth))

    def arguments(self, depth: int) -> tuple[Node, ...]:
        """Those of `f(a, b)`."""
        before = self.features & {"array"}
        opening = self.next()
        if opening.text != "(":
            raise Unreadable
        inside = self.group(opening, depth + 1)
        self.features -= {"array"} - before
        return inside[1] if inside[0] == "array" and len(inside) == 2 else (inside,)

    def is_applied_power(self) -> bool:
        """Whether an exponent and then a bracket follow."""
        at = self.at + 1
        if not self.is_op("^") or at >= len(self.tokens):
            return False
        if self.tokens[at].text == "{":
            while at < len(self.tokens) and self.tokens[at].text != "}":
                at += 1
        return at + 1 < len(self.tokens) and self.tokens[at + 1].text == "("

    def group(self, opening: Token, depth: int) -> Node:
        closing = {"(": ")", "[": "]", "{": "}", "⌊": "⌋", "⌈": "⌉", "⟦": "⟧"}[opening.text]
        rows = [[self.sum(depth + 1)]]
        while (token := self.next()).kind == "comma":
            if token.text == ";":
                rows.append([])
            rows[-1].append(self.sum(depth + 1))
        if token.text != closing:
            raise Unreadable
        inside = rows[0][0]
        if opening.text == "⟦" or len(rows[0]) > 1:
            if len(rows) > 1 and (opening.text != "⟦" or len({len(row) for row in rows}) > 1):
                raise Unreadable
            self.features.add("array")
            return ("array", *(tuple(row) for row in rows))
        if opening.text in "⌊⌈":
            self.operations += 1
            self.features.add("abs")
            return ("floor" if opening.text == "⌊" else "ceil", inside)
        return inside

    def argument(self, depth: int) -> Node:
        token = self.peek()
        if token is None or depth > MAX_DEPTH:
            raise Unreadable
        if token.text == "{":
            return self.group(self.next(), depth)
        if token.kind == "num":
            return ("num", self.next())  # without braces the next number is another argument
        return self.atom(depth + 1)

    def function(self, token: Token, depth: int) -> Node:
        self.operations += 1
        match token.text:
            case "frac":
                top = self.argument(depth)
                bottom = self.argument(depth)
                if top[0] == "var" and top[1] == "d":
                    raise Unreadable  # d/dx
                return ("frac", top, bottom)
            case "binom":
                return ("binom", self.argument(depth), self.argument(depth))
            case "sqrt":
                degree: Node = ("const", Fraction(2))
                if (ahead := self.peek()) is not None and ahead.text == "[":
                    degree = self.group(self.next(), depth)
                return ("root", self.argument(depth), degree)
            case "log" if self.is_op("_"):
                self.next()
                base = self.argument(depth)
                return ("log", base, self.operand(depth))
            case "log":
                self.features.add("log")
                return ("lg", self.operand(depth))
            case name if name in _ANGLES:
                return self.trigonometric(name, depth)
            case name if name in _SEVERAL:
                return (name, *self.arguments(depth))
            case name if name in _UNARY and not self.is_op("^_"):
                if name in ("abs", "floor", "ceil"):
                    self.features.add("abs")
                if name.startswith("arc"):
                    self.features.add("arc")
                return (name, self.operand(depth))
        raise Unreadable

    def trigonometric(self, name: str, depth: int) -> Node:
        exponent: Node | None = None
        if self.is_op("^"):
            self.next()
            exponent = self.argument(depth)
            if exponent[0] == "neg":
                raise Unreadable
        before = self.features & {"deg", "pi"}
        self.features -= {"deg", "pi"}
        inside = self.operand(depth)
        degrees = "deg" in self.features
        if not self.features & {"deg", "pi"}:
            if not _is_scaled(inside):
                raise Unreadable  # degrees or radians
            self.features.add("angle")
        self.features |= before
        node: Node = (name, inside, degrees)
        return node if exponent is None else ("^", node, exponent)

    def operand(self, depth: int) -> Node:
        """The argument of a function without brackets: `\\sin 3x`, `\\log_5 5^4`."""
        if depth > MAX_DEPTH:
            raise Unreadable
        bracketed = (token := self.peek()) is not None and token.kind == "lp"
        node = self.power(depth + 1)
        while not bracketed and (token := self.peek()) is not None:
            if token.kind not in ("num", "var") and token.text != "frac":
                break
            node = ("implied", node, self.power(depth + 1))
        return node


def _is_scaled(node: Node) -> bool:
    """Whether an angle is a multiple of letters, so that its unit does not matter: 2x, not 90 - x."""
    match node[0]:
        case "var":
            return True
        case "+" | "-":
            return _is_scaled(node[1]) and _is_scaled(node[2])
        case "*" | "implied":
            return _is_scaled(node[1]) or _is_scaled(node[2])
        case "neg" | "/" | "frac":
            return _is_scaled(node[1])
    return False
