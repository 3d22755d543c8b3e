"""Python functions of plain arithmetic as JavaScript, from their syntax trees.

What is an array in Python, with one number for each coordinate, is a single number here: a rule
acts on one coordinate. A point of a surface is a list of two. Whatever has no translation is
refused, with its line; nothing is guessed.

x**2 becomes x * x and x**0.5 a square root, as in NumPy, so these and the four operations agree to
the last bit. Other powers, and the functions of `Math`, may differ in it.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FunctionType
from typing import Any

# How tightly an expression binds, for the brackets around it.
LOOSE, OR, AND, COMPARED, SUM, PRODUCT, UNARY, TIGHT = range(8)
BINARY = {
    ast.Add: (" + ", SUM),
    ast.Sub: (" - ", SUM),
    ast.Mult: (" * ", PRODUCT),
    ast.Div: (" / ", PRODUCT),
}
BOOLEAN = {ast.Or: (" || ", OR), ast.And: (" && ", AND)}
UNARIES = {ast.USub: "-", ast.UAdd: "+", ast.Not: "!"}
COMPARISONS = {
    ast.Lt: " < ",
    ast.LtE: " <= ",
    ast.Gt: " > ",
    ast.GtE: " >= ",
    ast.Eq: " === ",
    ast.NotEq: " !== ",
    ast.Is: " === ",
    ast.IsNot: " !== ",
}
# What a call becomes, by the last name of what is called. Other functions are translated as well.
CALLS = {
    "_is_zero": "$isZero({0})",
    "_kept": "{0}",
    "_pair": "{0}",
    "abs": "Math.abs({0})",
    "as_points": "{0}",
    "asarray": "{0}",
    "cos": "Math.cos({0})",
    "hypot": "Math.hypot({0}, {1})",
    "log": "Math.log({0})",
    "maximum": "Math.max({0}, {1})",
    "minimum": "Math.min({0}, {1})",
    "scaled": "$scaled({0}, {1})",
    "sign": "Math.sign({0})",
    "sin": "Math.sin({0})",
    "sqrt": "Math.sqrt({0})",
    "stack": "{0}",
    "where": "(({0}) ? {1} : {2})",
    "zeros_like": "0",
}
IMPLIED = {"axis=-1", "dtype=float"}  # arguments of those calls that hold here anyway
CHECKS = ("check_", "_check_")  # statements that only refuse bad input
PRELUDE = """\
const $isZero = (value) => value === 0;
const $square = (value) => value * value;
const $scaled = (point, factors) => point.map((x, i) => x * factors[i]);
"""


class UntranslatableError(ValueError):
    """Python for which there is no JavaScript here."""


def literal(value: Any) -> str:
    """Write a constant of Python's in JavaScript."""
    return json.dumps(value, ensure_ascii=False)


class Module:
    """JavaScript functions and classes, each after those that it needs."""

    def __init__(self, native: dict[Callable[..., Any], str] | None = None) -> None:
        """Start with nothing; `native` has methods that are no arithmetic, in JavaScript."""
        self.native = native or {}
        self._parts: dict[str, str] = {}
        self._sources: dict[str, object] = {}

    def add_function(self, function: Callable[..., Any], name: str = "") -> str:
        """Add a function and all that it calls; gives its name in JavaScript."""
        name = name or getattr(function, "__name__", "")
        if self._is_new(name, function):
            self._parts[name] = f"function {_Function(self, function).code(name)}"
        return name

    def add_classes(
        self,
        classes: Iterable[type],
        methods: Iterable[str],
        static: Callable[[type], dict[str, Any]],
    ) -> None:
        """Add classes and their bases, with their `methods` and all that these call of themselves.

        `static` gives what belongs to a class as a whole. Its objects are made of a dictionary that
        goes over the class's `defaults`.
        """
        line = [base for cls in classes for base in reversed(cls.__mro__[:-1])]
        wanted = self._closure(line, methods)
        for cls in dict.fromkeys(line):
            base = cls.__bases__[0]
            made = "constructor(given) { Object.assign(this, this.constructor.defaults, given); }"
            body = [made] if base is object else []
            body += [f"static {key} = {literal(value)};" for key, value in static(cls).items()]
            body += [
                self.native.get(value) or _Function(self, value, cls).code(key)
                for key, value in vars(cls).items()
                if key in wanted and not _is_abstract(value)
            ]
            head = f"class {cls.__name__}" + ("" if base is object else f" extends {base.__name__}")
            if self._is_new(cls.__name__, cls):
                inner = textwrap.indent("\n".join(body), "  ")
                self._parts[cls.__name__] = f"{head} {{\n{inner}\n}}"

    def _closure(self, classes: Iterable[type], methods: Iterable[str]) -> set[str]:
        """Return the names of `methods` and of all that they call, in any of the classes."""
        found: set[str] = set()
        ahead = set(methods)
        while ahead:
            found |= ahead
            bodies = [vars(cls)[name] for cls in classes for name in ahead if name in vars(cls)]
            plain = [body for body in bodies if body not in self.native]
            ahead = {name for body in plain for name in _own_calls(body)} - found
        return found

    def _is_new(self, name: str, source: object) -> bool:
        if name in self._sources and self._sources[name] is not source:
            raise UntranslatableError(f"{self._sources[name]} and {source} are both called {name}")
        new = name not in self._sources
        self._sources[name] = source
        return new

    def code(self) -> str:
        """Return all of it, with the few functions that it needs."""
        return PRELUDE + "\n".join(self._parts.values()) + "\n"


def _tree(function: Any) -> ast.FunctionDef:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef), function
    return tree


def _is_abstract(method: FunctionType) -> bool:
    return isinstance(_tree(method).body[-1], ast.Raise)


def _own_calls(method: FunctionType) -> set[str]:
    """Return the names of the methods that a method calls of its own object."""
    return {
        node.func.attr
        for node in ast.walk(_tree(method))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "self"
    }


class _Function:
    """One function or method on its way to JavaScript."""

    def __init__(self, module: Module, function: Any, cls: type | None = None) -> None:
        self.fixed: dict[str, Any] = {}  # what some parameters are
        if isinstance(function, partial) and not function.args:
            self.fixed, function = function.keywords, function.func
        function = inspect.unwrap(function)  # without NumPy's errstate
        self.module, self.function, self.cls = module, function, cls
        self.tree = _tree(function)
        bound = inspect.getclosurevars(function)
        self.known = {**bound.builtins, **bound.globals, **bound.nonlocals}
        given = self.tree.args
        if given.vararg or given.kwarg or given.kwonlyargs or given.posonlyargs:
            raise self.refuse(given)
        values = [None] * (len(given.args) - len(given.defaults)) + [*given.defaults]
        arguments = [argument.arg for argument in given.args]
        free = [p for p in zip(arguments, values, strict=True) if p[0] not in self.fixed]
        self.parameters = dict(free[1:] if cls else free)  # with their defaults
        names = [node for node in ast.walk(self.tree) if isinstance(node, ast.Name)]
        stored = [name.id for name in names if isinstance(name.ctx, ast.Store)]
        self.locals = [name for name in dict.fromkeys(stored) if name not in self.parameters]

    def refuse(self, node: ast.AST) -> UntranslatableError:
        """Return the error that names a construct and its place."""
        line = self.function.__code__.co_firstlineno + getattr(node, "lineno", 1) - 1
        place = f"{self.function.__code__.co_filename}:{line}"
        kind = type(node).__name__
        return UntranslatableError(f"{place}: no JavaScript for {kind} `{ast.unparse(node)}`")

    def code(self, name: str) -> str:
        """Return the function as a method of a class is written, without `function`."""
        parameters = ", ".join(
            parameter if value is None else f"{parameter} = {self.plain(value)}"
            for parameter, value in self.parameters.items()
        )
        first = [f"let {', '.join(self.locals)};"] if self.locals else []
        return f"{name}({parameters}) {self.block(self.tree.body, first)}"

    # Statements

    def block(self, body: list[ast.stmt], first: Iterable[str] = ()) -> str:
        lines = [*first, *self.statements(body)]
        return "{\n" + textwrap.indent("\n".join(lines), "  ") + "\n}"

    def statements(self, body: list[ast.stmt]) -> Iterator[str]:
        for node in body:
            settled = self.constant(node.test) if isinstance(node, ast.If) else None
            if isinstance(node, ast.If) and settled is not None:
                taken = node.body if settled else node.orelse
                yield from self.statements(taken)
                if taken and isinstance(taken[-1], ast.Return):
                    return
            elif line := self.statement(node):
                yield line

    def statement(self, node: ast.stmt) -> str:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                return ""
            case ast.Expr(value=ast.Call(func=ast.Name(id=name))) if name.startswith(CHECKS):
                return ""
            case ast.If(body=[ast.Raise()], orelse=[]):  # it refuses bad input
                return ""
            case ast.Assign(targets=targets, value=value):
                left = " = ".join(self.plain(target) for target in targets)
                return f"{left} = {self.plain(value)};"
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                return f"{name} = {self.plain(value)};"
            case ast.Return(value=ast.Tuple(elts=elements)) if self.tree.name == "formula":
                # What else the formula worked out, for who wants to see inside.
                told = [*map(self.plain, elements), f"{{ {', '.join(self.locals)} }}"]
                return f"return [{', '.join(told)}];"
            case ast.Return(value=ast.expr() as value):
                return f"return {self.plain(value)};"
            case ast.If(test=test, body=body, orelse=orelse):
                other = f" else {self.block(orelse)}" if orelse else ""
                return f"if ({self.plain(test)}) {self.block(body)}{other}"
        raise self.refuse(node)

    # Expressions

    def plain(self, node: ast.expr) -> str:
        """Return an expression where no brackets are needed around it."""
        return self.expression(node)[0]

    def within(self, node: ast.expr, binding: int) -> str:
        """Return an expression as a part of one that binds so tightly."""
        code, own = self.expression(node)
        return code if own >= binding else f"({code})"

    def expression(self, node: ast.expr) -> tuple[str, int]:
        """Return an expression, and how tightly it binds."""
        fixed = self.constant(node)
        if fixed is not None:
            return literal(fixed), TIGHT if fixed >= 0 else UNARY
        match node:
            case ast.Constant(value=bool() | int() | float() | None as value):
                return literal(value), TIGHT
            case ast.Name(id="self") if self.cls:
                return "this", TIGHT
            case ast.Name(id=name) if name in self.parameters or name in self.locals:
                return name, TIGHT
            case ast.Name(id=name) if isinstance(self.known.get(name), int | float):
                return literal(self.known[name]), TIGHT
            case ast.Attribute(value=value, attr=name):
                return f"{self.within(value, TIGHT)}.{name}", TIGHT
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return f"[{', '.join(map(self.plain, elements))}]", TIGHT
            case ast.Starred(value=value):
                return f"...{self.within(value, TIGHT)}", LOOSE
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.power(left, right)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                sign, binding = BINARY[type(op)]
                code = f"{self.within(left, binding)}{sign}{self.within(right, binding + 1)}"
                return code, binding
            case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARIES:
                return f"{UNARIES[type(op)]}{self.within(operand, TIGHT)}", UNARY
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
                sign = COMPARISONS[type(op)]
                return f"{self.within(left, SUM)}{sign}{self.within(right, SUM)}", COMPARED
            case ast.BoolOp(op=op, values=values):
                sign, binding = BOOLEAN[type(op)]
                return sign.join(self.within(value, binding + 1) for value in values), binding
            case ast.IfExp(test=test, body=body, orelse=orelse):
                parts = [self.within(part, OR) for part in (test, body, orelse)]
                return "{} ? {} : {}".format(*parts), LOOSE
            case ast.Call():
                return self.call(node), TIGHT
        raise self.refuse(node)

    def constant(self, node: ast.expr) -> Any:
        """Return the number that an expression is where all its names are fixed."""
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if not names or not names <= self.fixed.keys():
            return None
        value = eval(compile(ast.Expression(node), "", "eval"), {}, dict(self.fixed))
        return value if isinstance(value, int | float) else None

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        match base, exponent:
            case ast.Name() | ast.Attribute(), ast.Constant(value=2):
                return f"{self.plain(base)} * {self.plain(base)}", PRODUCT
            case _, ast.Constant(value=2):
                return f"$square({self.plain(base)})", TIGHT
            case _, ast.Constant(value=0.5):
                return f"Math.sqrt({self.plain(base)})", TIGHT
        return f"Math.pow({self.plain(base)}, {self.plain(exponent)})", TIGHT

    def call(self, node: ast.Call) -> str:
        match node:
            # Numbers that are checked, and here go on as they are.
            case ast.Call(func=ast.Name(id="as_float64"), args=[_, value, _]):
                return self.within(value, TIGHT)
            case ast.Call(func=ast.Name(id="_together"), args=[], keywords=given):
                numbers = [k.value.elts[0] for k in given if isinstance(k.value, ast.Tuple)]
                return f"[{', '.join(map(self.plain, numbers))}]"
            case ast.Call(func=ast.Attribute(value=of, attr="_replace"), args=[]):
                return f"{{ ...{self.within(of, TIGHT)}, {', '.join(self.pairs(node.keywords))} }}"
            case ast.Call(
                func=ast.Name(id="getattr"), args=[of, ast.Constant(value=str(name)), otherwise]
            ):
                return f"({self.within(of, TIGHT)}.{name} ?? {self.within(otherwise, TIGHT)})"
        arguments = [self.plain(argument) for argument in node.args]
        match node.func:
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if self.cls:
                if node.keywords or not inspect.isfunction(getattr(self.cls, name, None)):
                    raise self.refuse(node)
                return f"this.{name}({', '.join(arguments)})"
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"), args=[]), attr=name):
                return f"super.{name}({', '.join(arguments)})"
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in CALLS:
                implied = all(ast.unparse(keyword) in IMPLIED for keyword in node.keywords)
                if implied and len(arguments) == max(CALLS[name].count("{"), 1):
                    return CALLS[name].format(*arguments)
            case ast.Name(id=name):
                called: Any = self.known.get(name)
                if hasattr(called, "_fields"):
                    return self.record(node, called._fields, arguments)
                if inspect.isfunction(called) and not node.keywords:
                    return f"{self.module.add_function(called)}({', '.join(arguments)})"
        raise self.refuse(node)

    def record(self, node: ast.Call, names: tuple[str, ...], arguments: list[str]) -> str:
        """Return a NamedTuple as an object."""
        first = [f"{name}: {value}" for name, value in zip(names, arguments, strict=False)]
        if {*names[len(first) :]} != {keyword.arg for keyword in node.keywords}:
            raise self.refuse(node)
        return f"{{ {', '.join([*first, *self.pairs(node.keywords)])} }}"

    def pairs(self, keywords: list[ast.keyword]) -> list[str]:
        return [f"{keyword.arg}: {self.plain(keyword.value)}" for keyword in keywords]
