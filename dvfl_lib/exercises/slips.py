"""Slips that can happen in any answer: sources with one small change each.

Public names: ``Slip``, ``slips``, ``with_slips``.

The planted mistakes are what people think; these are what happens besides. A slip of
the right answer that gives the learner's numbers says what the learner did. A change of
the learner's own source that gives the right numbers says where it went wrong.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations
from typing import Any

OTHER = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OTHER |= {ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult}
VERBS = {ast.Add: "adds", ast.Sub: "subtracts", ast.Mult: "multiplies"}
VERBS |= {ast.Div: "divides", ast.FloorDiv: "divides", ast.Pow: "takes a power"}
PARTS = {ast.Add: "term", ast.Sub: "term", ast.Mult: "factor", ast.Pow: "power"}
EQUAL = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
TURNED |= {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In}
KIN = [{"sum", "mean", "amax"}, {"softmax", "log_softmax"}, {"max", "min"}]
KIN += [{"ceil", "floor", "round", "int"}, {"argmax", "argmin"}, {"exp", "log"}]
KIN += [{"any", "all"}, {"zeros", "ones"}, {"zeros_like", "ones_like"}]
MODULES = {"torch", "F", "nn", "math", "np"}
Change = tuple[str, str, ast.AST]  # what it is, the slip in words, the new node


@dataclass(frozen=True)
class Slip:
    """One change of a source.

    Attributes:
        what: what was changed: "an operator", "an axis".
        words: what the changed source does, as half a sentence.
        line: where, as it was before.
        source: the changed one.
    """

    what: str
    words: str
    line: str
    source: str


def slips(function: Any) -> list[Slip]:
    """Changes of the source of a function or class; none where it cannot be had."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError):
        return []
    if not isinstance(tree.body[0], ast.FunctionDef | ast.ClassDef):
        return []  # a lambda in the middle of something
    tree.body[0].decorator_list.clear()  # it is not made again for what it leaves
    found: dict[str, Slip] = {}
    lines = source.splitlines()
    for n, node in enumerate(ast.walk(tree)):
        for what, words, changed in _of(node):
            other = deepcopy(tree)
            place = next(x for m, x in enumerate(ast.walk(other)) if m == n)
            place.__class__, place.__dict__ = type(changed), changed.__dict__
            line = lines[getattr(node, "lineno", 1) - 1].strip()
            slip = Slip(what, words, line, ast.unparse(other))
            found.setdefault(slip.source, slip)
    found.pop(ast.unparse(tree), None)
    return list(found.values())


def with_slips(function: Any) -> Iterator[tuple[Slip, Any]]:
    """The function or class with one slip each, made when it is asked for."""
    names = vars(inspect.getmodule(function) or ast)
    names = names | getattr(function, "__globals__", {})
    for slip in slips(function):
        scope = dict(names)
        try:
            exec(compile(slip.source, "<changed>", "exec"), scope)
        except Exception:  # a changed class may fail while it is made
            continue
        yield slip, scope[function.__name__]


def _of(node: ast.AST) -> Iterator[Change]:
    if isinstance(getattr(node, "body", None), list):
        yield from _of_body(node)
    match node:
        case ast.FunctionDef():
            yield from _of_function(node)
        case ast.Call():
            yield from _of_call(node)
        case ast.BinOp(left, op, right):
            if other := OTHER.get(type(op)):
                words = f"it {VERBS[other]} where a right one {VERBS[type(op)]}"
                yield "an operator", words, ast.BinOp(left, other(), right)
            words = f"a {PARTS.get(type(op), 'division')} is left out"
            for kept, gone in ((left, right), (right, left)):
                yield f"`{ast.unparse(gone)}` too much", words, kept
            if not isinstance(op, ast.Add | ast.Mult):
                words = "the two sides of an operator are exchanged"
                yield "an order", words, ast.BinOp(right, op, left)
        case ast.BoolOp(op, [*values]):
            for n in range(len(values)):
                left = values[:n] + values[n + 1 :]
                whole = left[0] if len(left) == 1 else ast.BoolOp(op, left)
                yield "a condition too much", "a condition is left out", whole
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            words = "`and` and `or` are exchanged"
            yield "an operator", words, ast.BoolOp(other, values)
        case ast.UnaryOp(_, operand):
            yield "a sign", "a sign or a `not` is left out", operand
        case ast.Compare(left, [op], right):
            if other := EQUAL.get(type(op)):
                words = "equal values fall to the other side of a comparison"
                yield "a comparison", words, ast.Compare(left, [other()], right)
            if other := TURNED.get(type(op)):
                words = "a comparison is turned"
                yield "a comparison", words, ast.Compare(left, [other()], right)
        case ast.Constant(bool() as value):
            words = "a True and a False are exchanged"
            yield "a True or False", words, ast.Constant(not value)
        case ast.Constant(int() | float() as value) if abs(value) < 1e5:
            for by, size in ((1, "large"), (-1, "small")):
                words = f"a number is one too {size}"
                yield "a number", words, ast.Constant(value + by)
        case ast.Slice():
            for end in ("lower", "upper", "step"):
                other = deepcopy(node)
                setattr(other, end, None)
                yield "a slice", "a slice takes more than it should", other
        case ast.IfExp(_, body, orelse):
            for way in (body, orelse):
                yield "a condition", "one of two ways is always taken", way


def _of_call(node: ast.Call) -> Iterator[Change]:
    function, arguments, keywords = node.func, node.args, node.keywords
    place = "attr" if isinstance(function, ast.Attribute) else "id"
    name = getattr(function, place, "a call")
    whose = function.value if place == "attr" else None
    module = whose is None or getattr(whose, "id", "") in MODULES
    for kept in arguments[:1] if module else [whose]:
        if not isinstance(kept, ast.Starred):
            yield f"`{name}` too much", f"`{name}` is left out", kept
    for other in {other for kin in KIN if name in kin for other in kin} - {name}:
        renamed = deepcopy(function)
        setattr(renamed, place, other)
        words = f"`{other}` stands in the place of `{name}`"
        yield f"`{name}`", words, ast.Call(renamed, arguments, keywords)
    for one, two in combinations(range(len(arguments)), 2):
        swapped = list(arguments)
        swapped[one], swapped[two] = arguments[two], arguments[one]
        words = f"two arguments of `{name}` are exchanged"
        yield "an order", words, ast.Call(function, swapped, keywords)
    for n, keyword in enumerate(keywords):
        left, what = keywords[:n] + keywords[n + 1 :], f"`{keyword.arg}` of `{name}`"
        yield what, f"{what} is left out", ast.Call(function, arguments, left)
        for axis in range(-3, 4) if keyword.arg in ("dim", "axis") else ():
            moved = ast.keyword(keyword.arg, ast.Constant(axis))
            call = ast.Call(function, arguments, [*left, moved])
            yield "an axis", f"`{name}` runs over another axis", call


def _of_function(node: ast.FunctionDef) -> Iterator[Change]:
    names = [a.arg for a in node.args.args if a.arg != "self"]
    for one, two in combinations(names, 2):
        pair, other = {one: two, two: one}, deepcopy(node)
        for inner in ast.walk(other):
            if isinstance(inner, ast.Name):
                inner.id = pair.get(inner.id, inner.id)
        yield "an order", f"`{one}` and `{two}` are exchanged", other


def _of_body(node: Any) -> Iterator[Change]:
    """Each statement left out once, but for what gives something back."""
    for n, statement in enumerate(node.body):
        if isinstance(statement, ast.Return | ast.FunctionDef | ast.ClassDef):
            continue
        other = deepcopy(node)
        other.body = other.body[:n] + other.body[n + 1 :] or [ast.Pass()]
        case = isinstance(statement, ast.If)
        words = "a case is not treated" if case else "a step is left out"
        step = ast.unparse(statement).splitlines()[0]
        yield f"the step `{step}` too much", words, other
