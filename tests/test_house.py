"""The house rules, held by machine: sizes, floors, docstrings, clean notebooks."""

import ast
import json
import re
import statistics
from pathlib import Path

import pytest

from dvfl_lib.lessons.lint import lint_notebook

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "dvfl_lib"
TESTS = ROOT / "tests"
MODULES = sorted(LIBRARY.rglob("*.py"))
TEST_FILES = sorted(TESTS.rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# Rooms and the floor each is on. An import leads to the same floor or further down.
FLOORS = {
    "cli": 6,
    "cli_data": 6,
    "cli_export": 6,
    "cli_predict": 6,
    "lessons": 5,
    "explorer": 5,
    "training": 4,
    "evaluation": 4,
    "deployment": 4,
    "distillation": 3,
    "teacher_cache": 3,
    "capture": 3,
    "cost": 3,
    "figures": 3,
    "vfl_net": 2,
    "weights": 2,
    "datasets": 2,
    "standins": 2,
    "fast": 1,
    "layers": 1,
    "modulation": 1,
    "video": 1,
    "recipes": 1,
    "errors": 0,
    "files": 0,
    "environment": 0,
    "seeding": 0,
}
MACHINE_PATH = re.compile(
    r"(?<![\w.~}])/(?:home|root|Users|tmp|work|mnt|var/folders)/|[A-Z]:\\\\?Users"
    r"|site-packages|file:/{3}"
)


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def is_public(node: ast.AST) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return isinstance(node, kinds) and not node.name.startswith("_")


def room_of(module: str) -> str:
    """The room of a dotted name below dvfl_lib: ``video`` for ``video.reading``."""
    return module.partition(".")[0]


def imports_of(path: Path) -> set[str]:
    """Dotted names below dvfl_lib that a module imports, anywhere in it."""
    own = list(path.relative_to(LIBRARY).with_suffix("").parts)
    if own[-1] != "__init__":
        package = own[:-1]
    else:
        package = own = own[:-1]
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found |= {
                n.removeprefix("dvfl_lib.") for n in names if n[:9] == "dvfl_lib."
            }
            assert "dvfl_lib" not in names, f"{short(path)} imports the whole library"
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                stem = base + (node.module.split(".") if node.module else [])
            elif (node.module or "").partition(".")[0] == "dvfl_lib":
                stem = node.module.split(".")[1:]
            else:
                continue
            # `from . import name`: the name is the module.
            found |= {".".join([*stem, a.name]) for a in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_files_are_one_sitting_and_functions_one_screen(path):
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 320
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef):
            size = node.end_lineno - node.lineno + 1
            assert size <= 60, f"{node.name} has {size} lines"


@pytest.mark.parametrize("path", [*MODULES, *TEST_FILES], ids=short)
def test_lines_fit_in_88_columns(path):
    lines = path.read_text("utf-8").splitlines()
    wide = [number for number, line in enumerate(lines, 1) if len(line) > 88]
    assert not wide


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p != LIBRARY / "__init__.py"], ids=short
)
def test_imports_lead_down_the_floors(path):
    room = room_of(".".join(path.relative_to(LIBRARY).with_suffix("").parts))
    assert room in FLOORS, f"{room} has no floor: is it a room of the house?"
    for name in imports_of(path):
        asked = room_of(name)
        assert asked in FLOORS, f"{short(path)} asks {name}, which has no floor"
        assert FLOORS[asked] <= FLOORS[room], f"{room} asks {name}, which is above it"


def test_no_two_rooms_ask_each_other():
    """Rooms on one floor may ask one another, but not in a circle."""
    asks: dict[str, set[str]] = {}
    for path in MODULES:
        room = room_of(".".join(path.relative_to(LIBRARY).with_suffix("").parts))
        if room != "__init__":
            asks.setdefault(room, set()).update(map(room_of, imports_of(path)))
    seen_under: dict[str, set[str]] = {}

    def under(room: str, above: tuple[str, ...]) -> set[str]:
        assert room not in above, f"a circle: {' -> '.join([*above, room])}"
        if room not in seen_under:
            below = asks.get(room, set()) - {room}
            deeper = (under(other, (*above, room)) for other in below)
            seen_under[room] = below.union(*deeper)
        return seen_under[room]

    for room in asks:
        assert room not in under(room, ())


def names_defined(tree: ast.Module) -> set[str]:
    """Top-level names: classes, functions, values and what is imported."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return found


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_public_things_are_documented(path):
    """Each has a docstring, and the module's own begins with the names to look for."""
    tree = tree_of(path)
    top = ast.get_docstring(tree)
    assert top, "the module says nothing of itself"
    public = list(filter(is_public, tree.body))
    silent = [node.name for node in public if not ast.get_docstring(node)]
    assert not silent, f"no docstring: {silent}"
    if public:
        told = re.search(r"Public names?:(.*?)(\.\s|\.$|\n\n)", top, re.S)
        assert told, "the module's docstring lists no public names"
        listed = set(re.findall(r"``(\w+)``", told[1]))
        assert listed <= names_defined(tree), "the module's docstring names strangers"


def asserts(node: ast.AST, helpers: dict[str, ast.AST], seen: frozenset = frozenset()):
    """Whether a function asserts, itself or in a helper of the same file."""
    for sub in ast.walk(node):
        if isinstance(sub, ast.Assert):
            return True
        if isinstance(sub, ast.Call):
            called = sub.func
            name = getattr(called, "attr", None) or getattr(called, "id", "")
            if name in ("raises", "warns", "fail") or name.startswith("assert_"):
                return True
            if name in helpers and name not in seen:
                if asserts(helpers[name], helpers, seen | {name}):
                    return True
    return False


@pytest.mark.parametrize("path", TEST_FILES, ids=short)
def test_every_test_asserts_something(path):
    tree = tree_of(path)
    functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    idle = [
        name
        for name, node in functions.items()
        if name.startswith("test") and not asserts(node, functions)
    ]
    assert not idle
    bare = [
        sub.lineno
        for sub in ast.walk(tree)
        if isinstance(sub, ast.Expr) and isinstance(sub.value, ast.Compare)
    ]
    assert not bare, f"a comparison that nobody asserts, in lines {bare}"


def texts() -> list[Path]:
    """What a reader sees: papers, the library, the notebooks with their outputs."""
    papers = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("*.y*ml")]
    return [*papers, *MODULES, *NOTEBOOKS, ROOT / "Makefile", ROOT / "pyproject.toml"]


@pytest.mark.parametrize("path", texts(), ids=short)
def test_no_path_of_a_machine_is_left(path):
    found = MACHINE_PATH.search(path.read_text("utf-8"))
    assert not found, f"{found[0]!r} belongs to one machine"


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request) -> dict:
    """Each notebook as a dictionary."""
    return json.loads(request.param.read_text("utf-8"))


def code_cells(notebook: dict) -> list[dict]:
    cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    return [c for c in cells if "".join(c["source"]).strip()]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=short)
def test_nothing_is_wrong_with_a_committed_lesson(path):
    """Executed in order, no hidden error, clean metadata, live links."""
    assert lint_notebook(path) == []


def test_code_cells_are_tiny_steps(notebook):
    sizes = [
        len("".join(c["source"]).strip().splitlines()) for c in code_cells(notebook)
    ]
    assert statistics.median(sizes) <= 6
    assert sum(size <= 20 for size in sizes) >= 0.9 * len(sizes)
    assert max(sizes) <= 40


def test_notebook_is_light_enough_to_be_shown():
    """GitHub does not render what is much heavier."""
    heavy = [short(p) for p in NOTEBOOKS if p.stat().st_size > 5 * 2**20]
    assert not heavy
