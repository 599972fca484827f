"""Tokens → tree, by recursive descent with a depth limit."""

from __future__ import annotations

from fractions import Fraction

from verifiers.math.combinations import indexed_selection, preceded_selection, read_selection
from verifiers.math.cursor import END, Cursor
from verifiers.math.evaluate import CONSTANTS, free_symbols
from verifiers.math.lex import Token
from verifiers.math.normalise import Unreadable
from verifiers.math.tree import Node, as_digits, num, selection, sym

__all__ = ["Parser"]

MAX_DEPTH = 45
MAX_DETERMINANT = 4
"""Largest number of rows of a determinant, which has the factorial of it many terms."""


_CLOSING = {"(": ")", "[": "]", "{": "}"}
_OPERANDS = frozenset(("num", "sym", "fn", "cmd", "open", "begin"))
_POSTFIX = frozenset("^!°%")
_CALLED = frozenset("fgh")
_AFTER_NAME = frozenset("(_'")
_INVERSES = {
    name: "arc" + name for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")
}


class Parser(Cursor):
    """Reads one expression from `tokens[start:]`; `at` is where it stopped.

    >>> Parser(lex("2x+1")).expression().op
    'add'
    """

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.depth = 0
        self.bars = 0
        self.integrals = 0

    def expression(self) -> Node:
        """sums of terms"""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("nested too deeply")
        terms = [self.signed_term()]
        while self.peek().kind == "op" and self.next_is("op", "+", "-", "±", "∓"):
            terms.append(self.signed_term())
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Node("add", tuple(terms))

    def whole(self) -> Node:
        """an expression that \\over or \\choose may split"""
        left = self.expression()
        if not self.next_is("op", "over", "choose"):
            return left
        if self.take().text == "over":
            return Node("mul", (left, Node("inv", (self.expression(),))))
        return Node("binom", (left, self.expression()))

    def signed_term(self) -> Node:
        sign = ""
        while self.peek().kind == "op" and self.next_is("op", "+", "-", "±", "∓"):
            text = self.take().text
            if text == "-":
                sign = {"": "-", "-": "", "±": "±", "∓": "∓"}[sign]
            elif text != "+":
                sign = text
        term = self.term()
        if sign == "-":
            return num(-term.args[0]) if term.op == "num" else Node("neg", (term,))
        return Node("pm", (term, 1 if sign == "±" else -1)) if sign else term

    def term(self) -> Node:
        """products and quotients, read from left to right"""
        factors = [self.factor()]
        while True:
            token = self.peek()
            if token.kind == "op" and token.text in "*/":
                self.take()
                factors.append(Node("inv", (self.divisor(),)) if token.text == "/" else self.signed_factor())
            elif self.starts_operand(token):
                if token.kind == "num" and not self.may_precede_number(factors[-1]):
                    raise Unreadable("two numbers without an operator between them")
                factors.append(self.factor())
            else:
                break
        return factors[0] if len(factors) == 1 else Node("mul", tuple(factors))

    def may_precede_number(self, factor: Node) -> bool:
        """n 2^k, (n+1) 2^k, 2^n 3, \\sqrt{2} 3, but not 5 3, x 2 or (10) 2: a power says that a product is meant"""
        raised = self.peek(1).kind == "op" and self.peek(1).text in "^!"
        return factor == sym("i") or factor.op in ("pow", "root", "fact") or (raised and factor.op != "num")

    def divisor(self) -> Node:
        """what a slash divides by: one factor, or letters side by side: t/RC is t/(RC), 1/2x is one half of x"""
        letter = self.peek().kind == "sym"
        factors = [self.signed_factor()]
        while (
            letter
            and (token := self.peek()).kind == "sym"
            and not token.spaced
            and self.starts_operand(token)
        ):
            factors.append(self.factor())
        return factors[0] if len(factors) == 1 else Node("mul", tuple(factors))

    def starts_operand(self, token: Token) -> bool:
        if token.kind not in _OPERANDS:
            return token.kind == "op" and token.text == "|" and self.bars == 0
        if self.integrals and token.kind == "sym" and token.text == "d" and self.peek(1).kind == "sym":
            return False
        if (
            token[:2] == ("cmd", "frac") and self.peek(2).kind == "word"
        ):  # \frac{\text{m}}{\text{s}} is a unit
            return False
        return token.kind != "open" or token.text != "set"

    def signed_factor(self) -> Node:
        negative = False
        while self.next_is("op", "+", "-"):
            negative ^= self.take().text == "-"
        factor = self.factor()
        return Node("neg", (factor,)) if negative else factor

    def factor(self) -> Node:
        """an operand with its powers, factorials, degrees and percents"""
        base = self.operand()
        while (token := self.peek()).kind == "op" and token.text in _POSTFIX:
            self.at += 1
            if token.text == "^":
                base = Node("pow", (base, self.exponent()))
            elif token.text == "!":
                double = self.next_is("op", "!")
                self.at += double
                if self.next_is("op", "!"):
                    raise Unreadable("repeated factorial signs")
                base = Node("fact2" if double else "fact", (base,))
            else:
                base = Node("deg" if token.text == "°" else "percent", (base,))
        return base

    def exponent(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("nested too deeply")
        negative = False
        while self.next_is("op", "+", "-"):
            negative ^= self.take().text == "-"
        power = self.operand()
        if self.next_is("op", "^"):
            self.take()
            power = Node("pow", (power, self.exponent()))
        elif self.next_is("op", "!"):
            self.take()
            power = Node("fact", (power,))
        self.depth -= 1
        return (num(-power.args[0]) if power.op == "num" else Node("neg", (power,))) if negative else power

    def operand(self) -> Node:
        token = self.take()
        kind = token.kind
        if kind == "num":
            return self.number(token)
        if kind == "sym":
            return self.symbol(token.text)
        if kind == "fn":
            return self.function(token.text)
        if kind == "cmd":
            return getattr(self, "_" + token.text)()
        if kind == "open":
            return self.group(token.text)
        if kind == "begin":
            return self.matrix(token.text)
        if token[:2] in (("op", "_"), ("op", "^")):
            return preceded_selection(self)
        if kind == "op" and token.text == "|":
            self.bars += 1
            inner = self.expression()
            self.bars -= 1
            self.expect("op", "|")
            return Node("fn", ("abs", inner))
        raise Unreadable(f"expected a value, found {token.text!r}")

    def number(self, token: Token) -> Node:
        assert token.value is not None
        value = token.value
        following = self.peek()
        if following.text in ("C", "P") and self.peek(1).kind == "num" and not self.peek(1).spaced:  # 10C3
            name, count = self.take().text, self.take()
            return selection(name, num(value), num(count.value or 0))
        if token.places < 0 and token.text.isdigit():  # 3 1/4 and 3\frac{1}{4}
            if (
                following.kind == "num"
                and following.spaced
                and self.peek(1)[:2] == ("op", "/")
                and self.peek(2).kind == "num"
            ):
                top, bottom = following.value, self.peek(2).value
                if top is not None and bottom is not None and _proper(top, bottom):
                    self.at += 3
                    return num(value + top / bottom)
            if following.kind == "cmd" and following.text == "frac" and self.plain_fraction():
                self.take()
                top, below = self._frac().args
                if _proper(top.args[0], below.args[0].args[0]):
                    return num(value + top.args[0] / below.args[0].args[0])
                return Node("mul", (num(value), top, below))
        return num(value)

    def plain_fraction(self) -> bool:
        """whether the fraction that begins here has two whole numbers: \\frac{1}{4}, \\frac14, \\frac1{4}"""
        at = 1
        for place in range(2):
            token = self.peek(at)
            if token.kind == "num" and token.text.isdigit():
                if place == 0 and len(token.text) == 2:
                    return True
                at += 1
            elif (
                token[:2] == ("open", "{")
                and self.peek(at + 1).text.isdigit()
                and self.peek(at + 2).text == "}"
            ):
                at += 3
            else:
                return False
            if token.kind == "num" and len(token.text) > 1:
                return False
        return True

    def symbol(self, name: str) -> Node:
        start = self.at - 1
        while self.next_is("op", "'"):
            self.take()
            name += "'"
        if self.next_is("op", "_"):
            self.take()
            if self.next_is("word") or self.next_is("fn"):
                name += "_" + self.take().text
            elif (
                self.next_is("open", "{")
                and self.peek(1).kind in ("word", "fn")
                and self.peek(2)[:2] == ("close", "}")
            ):
                name += "_" + self.peek(1).text
                self.at += 3
            else:
                index = self.argument() if not self.next_is("num") else self.operand()
                if name in ("C", "A", "P") and self.next_is("op", "^"):
                    return indexed_selection(self, name, index)
                if index.op == "num":
                    name += f"_{as_digits(index.args[0])}"
                elif index.op == "sym" and len(index.args[0]) > 1:
                    name += f"_{index.args[0]}"
                else:
                    return Node("call", (name + "_", index))
            while self.next_is("op", "'"):
                self.take()
                name += "'"
        if name in ("C", "P") and (chosen := read_selection(self, name)) is not None:
            return chosen
        if self.next_is("open", "(") and not self.peek().spaced and self.is_function(start):
            self.take()
            return Node("call", (name, *self.arguments()))
        return sym(name)

    def is_function(self, start: int) -> bool:
        """whether the letter at `start`, before a bracket, is a function: f(x + 1), Q(0), v(2), y(t), not k(k - 1)"""
        name = self.tokens[start].text
        negative = self.peek(1).text == "-"
        argument = self.peek(1 + negative)
        if name in _CALLED:
            return True
        if argument.kind not in ("num", "sym") or self.peek(2 + negative).text != ")":
            return False
        if argument.value == 0:  # nobody writes a product with zero
            return True
        if name in CONSTANTS or (argument.kind == "num" and start and self.tokens[start - 1].kind == "num"):
            return False  # 2x(5)
        places = [at for at, token in enumerate(self.tokens) if token[:2] == ("sym", name)]
        return all(self.tokens[at + 1 : at + 2] and self.tokens[at + 1].text in _AFTER_NAME for at in places)

    def group(self, opening: str) -> Node:
        if opening in _CLOSING:
            bars, self.bars = self.bars, 0
            inner = self.whole()
            self.bars = bars
            if opening == "(" and self.next_is("sep", ","):  # a vector, as a column
                self.take()
                return Node("matrix", ((inner,), *((entry,) for entry in self.arguments())))
            self.expect("close", _CLOSING[opening])
            if opening == "[" and _may_be_integer_part(inner) and not self.next_is("op", "^"):
                raise Unreadable("square brackets that may mean the integer part")
            return inner
        if opening == "<":
            return Node("matrix", tuple((entry,) for entry in self.arguments("<")))
        if opening in ("floor", "ceil", "|"):
            inner = self.expression()
            self.expect("close", opening)
            return Node("fn", ("abs" if opening == "|" else opening, inner))
        raise Unreadable(f"{opening!r} does not begin a value")

    def arguments(self, closing: str = ")") -> list[Node]:
        """comma-separated expressions up to the closing bracket"""
        found = [self.expression()]
        while self.next_is("sep", ","):
            self.take()
            found.append(self.expression())
        self.expect("close", closing)
        return found

    def argument(self) -> Node:
        """what LaTeX takes as one argument: a group, or a single digit, letter or command"""
        token = self.peek()
        if token.kind == "num" and token.text.isdigit() and len(token.text) > 1:
            rest = token.text[1:]
            self.tokens[self.at] = Token("num", rest, False, Fraction(int(rest)), -1, len(rest))
            return num(int(token.text[0]))
        if token.kind == "op":
            raise Unreadable(f"expected an argument, found {token.text!r}")
        return self.operand()

    def function(self, name: str) -> Node:
        if name == "sqrt":
            return self._sqrt()
        power = base = None
        for _ in range(2):
            if self.next_is("op", "^") and power is None:
                self.take()
                power = self.exponent()
            elif self.next_is("op", "_") and base is None:
                self.take()
                base = self.argument()
        if power == num(-1) and name in _INVERSES:
            name, power = _INVERSES[name], None
        if self.next_is("open", "("):
            self.take()
            args = self.arguments()
        elif self.next_is("open", "["):
            self.take()
            args = [self.whole()]
            self.expect("close", "]")
        elif self.next_is("open", "{"):
            self.take()
            args = [self.group("{")]
        elif name in ("max", "min", "gcd", "lcm") and self.next_is("open", "set"):
            self.take()
            args = self.arguments("set")
        else:
            args = [self.bare_argument()]
        if name in ("log", "lg") and len(args) == 2 and base is None:
            base = args.pop()
        if name == "cis":
            node = Node(
                "add", (Node("fn", ("cos", args[0])), Node("mul", (sym("i"), Node("fn", ("sin", args[0])))))
            )
            return node if power is None else Node("pow", (node, power))
        node = Node("fn", (name, *args) if base is None else (name, *args, base))
        return node if power is None else Node("pow", (node, power))

    def bare_argument(self) -> Node:
        """the argument of a function without brackets: a product up to the next function, sign or fence"""
        factors = [self.signed_factor()]
        while self.starts_operand(self.peek()) and self.peek().kind not in ("fn", "num"):
            factors.append(self.factor())
        whole = factors[0] if len(factors) == 1 else Node("mul", tuple(factors))
        if self.next_is("op", "/") and self.peek(1).kind == "num" and sym("π") in factors:
            self.take()
            whole = Node("mul", (*factors, Node("inv", (self.factor(),))))
        return whole

    def _sqrt(self) -> Node:
        index = num(2)
        if self.next_is("open", "["):
            self.take()
            index = self.expression()
            self.expect("close", "]")
        # LaTeX shows \sqrt10 as √1 0, but authors of \sqrt10 and √10 mean the number
        return Node("root", (self.operand() if self.next_is("num") else self.argument(), index))

    def _frac(self) -> Node:
        top = self.argument()
        return Node("mul", (top, Node("inv", (self.argument(),))))

    def _binom(self) -> Node:
        top = self.argument()
        return Node("binom", (top, self.argument()))

    def _bounds(self) -> tuple[str, Node, Node]:
        """variable, lower and upper bound of a sum or product"""
        self.expect("op", "_")
        self.expect("open", "{")
        variable = self.take()
        self.expect("rel", "=")
        low = self.expression()
        self.expect("close", "}")
        self.expect("op", "^")
        if variable.kind != "sym":
            raise Unreadable("a sum without a variable")
        return variable.text, low, self.exponent()

    def _sum(self) -> Node:
        return Node("sum", (*self._bounds(), self.term()))

    def _prod(self) -> Node:
        return Node("prod", (*self._bounds(), self.term()))

    def _int(self) -> Node:
        low = high = None
        if self.next_is("op", "_"):
            self.take()
            low = self.argument()
            self.expect("op", "^")
            high = self.exponent()
        self.integrals += 1
        body = self.expression()
        self.integrals -= 1
        self.expect("sym", "d")
        variable = self.take()
        if variable.kind != "sym" or low is None or high is None:
            raise Unreadable("an integral without bounds or variable")
        return Node("int", (variable.text, low, high, body))

    def _lim(self) -> Node:
        self.expect("op", "_")
        self.expect("open", "{")
        variable = self.take()
        self.expect("rel", "→")
        to = self.expression()
        self.expect("close", "}")
        return Node("lim", (variable.text, to, self.term()))

    def matrix(self, name: str) -> Node:
        """the environment `name` as rows of expressions"""
        if name not in ("pmatrix", "bmatrix", "matrix", "array", "smallmatrix", "vmatrix", "Bmatrix"):
            raise Unreadable(f"unknown environment {name}")
        rows: list[list[Node]] = [[]]
        while not self.next_is("end"):
            if self.next_is("op", "row"):
                self.take()
                rows.append([])
            elif self.next_is("op", "&"):
                self.take()
            else:
                rows[-1].append(self.expression())
        if self.peek() is END:
            raise Unreadable("an environment that does not end")
        self.take()
        if rows and not rows[-1]:
            rows.pop()
        if not rows or len({len(row) for row in rows}) != 1:
            raise Unreadable("rows of different lengths")
        found = tuple(tuple(row) for row in rows)
        return _determinant(found) if name == "vmatrix" else Node("matrix", found)


def _determinant(rows: tuple[tuple[Node, ...], ...]) -> Node:
    """by expansion along the first row"""
    if not len(rows) == len(rows[0]) <= MAX_DETERMINANT:
        raise Unreadable("a determinant that is not square, or too large")
    if len(rows) == 1:
        return rows[0][0]
    terms: list[Node] = []
    for at, head in enumerate(rows[0]):
        minor = _determinant(tuple(row[:at] + row[at + 1 :] for row in rows[1:]))
        term = Node("mul", (head, minor))
        terms.append(Node("neg", (term,)) if at % 2 else term)
    return Node("add", tuple(terms))


def _may_be_integer_part(node: Node) -> bool:
    """Whether [A] may be the greatest integer below A: a letter, a root, or a fraction with a letter"""
    if node.op == "mul":
        return any(part.op == "inv" for part in node.args) and bool(free_symbols(node))
    return node.op in ("sym", "root")


def _proper(top: Fraction, bottom: Fraction) -> bool:
    return top.denominator == bottom.denominator == 1 and 0 < top < bottom
