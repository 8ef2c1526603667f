"""Automatic mutants of each solution: a check that lets one pass has to say why."""

import ast
import copy
import tomllib
from pathlib import Path

import pytest

from dvfl_lib.exercises.diagnosis import examine
from dvfl_lib.exercises.exercise import find
from exercises.answers import IDS, LESSONS, played
from exercises.test_checks import played_source

SWAPS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
EQUIVALENT = tomllib.loads(
    Path(__file__).with_name("equivalent_mutants.toml").read_text("utf-8")
)


def mutants(source: str) -> list[str]:
    """One change each: an operator, a number, a sign, two exchanged arguments."""
    found = []
    whole = list(ast.walk(ast.parse(source)))
    # Every case gives all arguments: what stands in for a missing one is not tried.
    heads = [n.args for n in whole if isinstance(n, ast.FunctionDef)]
    skip = {id(sub) for h in heads for d in h.defaults for sub in ast.walk(d)}
    kinds = ast.FunctionDef | ast.ClassDef  # a guess has nothing to mutate
    tops = [n for n in whole[0].body if isinstance(n, kinds)]
    inside = {id(sub) for top in tops for sub in ast.walk(top)}
    for n, original in enumerate(whole):
        if id(original) in skip or id(original) not in inside:
            continue
        for kind in range(2):
            tree = ast.parse(source)
            node = list(ast.walk(tree))[n]
            before = ast.dump(tree)
            if isinstance(node, ast.BinOp | ast.BoolOp) and kind == 0:
                node.op = SWAPS.get(type(node.op), type(node.op))()
            elif isinstance(node, ast.Compare) and kind == 0:
                node.ops = [SWAPS.get(type(op), type(op))() for op in node.ops]
            elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
                if abs(node.value) > 1e5:  # one more of a billion is rounding
                    continue
                node.value += (1, -1)[kind]
            elif isinstance(node, ast.UnaryOp) and kind == 0:
                node.op = ast.UAdd() if isinstance(node.op, ast.USub) else node.op
            elif isinstance(node, ast.Call) and len(node.args) == 2 and kind == 0:
                node.args = node.args[::-1]
            if ast.dump(tree) != before:
                found.append(ast.unparse(copy.deepcopy(tree)))
    return list(dict.fromkeys(found))


def survivors(name: str) -> tuple[list[str], int]:
    """Mutants of a solution that have all points, by the line that differs."""
    made = find(name)
    source = played_source(name)
    lines, left, count = ast.unparse(ast.parse(source)).splitlines(), [], 0
    space, given, _ = played(name[:2], "solutions")
    for mutant in mutants(source):
        scope = dict(space)
        try:
            exec(compile(mutant, "<mutant>", "exec"), scope)
        except Exception:
            continue
        count += 1
        answers = [scope.get(getattr(a, "__name__", ""), a) for a in given[name]]
        parts = zip(made.parts.values(), answers, strict=True)
        if all(examine(part, answer).kind == "right" for part, answer in parts):
            (changed,) = [
                new.strip()
                for old, new in zip(lines, mutant.splitlines(), strict=True)
                if old != new
            ] or [""]
            left.append(changed)
    return left, count


@pytest.mark.nightly
@pytest.mark.parametrize("number", LESSONS)
def test_mutants_are_refused_or_equivalent(number):
    """At least 95 of 100 are refused; of the others each has its reason."""
    left, tried = [], 0
    for name in [name for name in IDS if name.startswith(number)]:
        if all(part.predicted for part in find(name).parts.values()):
            continue
        found, count = survivors(name)
        tried += count
        left += [f"{name}: {line}" for line in found]
    known = EQUIVALENT.get(number, {})
    unknown = [line for line in left if line not in known]
    assert tried > 10
    assert len(unknown) <= 0.05 * tried, (tried, unknown)
