"""The rules of the house that ruff does not hold: sizes, floors, clean notebooks."""

import ast
import json
import re
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from dvfl_lib.datasets.sources import SOURCES
from dvfl_lib.distillation.losses import KD_LOSSES
from dvfl_lib.video.reading import VIDEO_SUFFIXES
from tools.notebooks import lint

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "dvfl_lib"
MODULES = sorted(LIBRARY.rglob("*.py"))
TEST_FILES = sorted((ROOT / "tests").rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
REACHED = 19_492  # 200 of them for `dvfl exercises` and `dvfl doctor`, 5 for alt texts
MACHINE_PATH = re.compile(
    r"(?<![\w.~}])/(?:home|root|Users|tmp|work|mnt|var/folders)/|[A-Z]:\\\\?Users"
    r"|site-packages|file:/{3}"
)


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def room_of(path: Path) -> str:
    inner = path.relative_to(LIBRARY).parts
    return inner[0] if len(inner) > 1 else "(root)"


def test_the_library_gets_smaller():
    """It is read beside the lessons: 15,000 lines are the goal, exercises apart. What
    was reached stands here, and may only fall."""
    sizes = Counter()
    for path in MODULES:
        sizes[room_of(path)] += lines_of(path)
    del sizes["exercises"]
    assert sum(sizes.values()) <= REACHED


def test_a_file_is_one_sitting_and_a_room_a_dozen_files():
    long = {short(p): lines_of(p) for p in MODULES if lines_of(p) > 400}
    assert not long
    apart = ("exercises", "(root)")
    rooms = Counter(room_of(p) for p in MODULES if p.name != "__init__.py")
    assert not {r: n for r, n in rooms.items() if n > 12 and r not in apart}


def test_a_function_is_one_screen():
    """Its code; what it says of itself may be long."""
    long = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                code = node.body[bool(ast.get_docstring(node)) :] or node.body
                if node.end_lineno - code[0].lineno >= 50:
                    long.append(f"{short(path)}: {node.name}")
    assert not long


def test_imports_lead_down_the_floors():
    """The contract stands in pyproject.toml; import-linter reads every import."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(command), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


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


def test_each_module_lists_its_public_names():
    """The docstring begins with the names to look for; a stranger among them is old."""
    wrong = []
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        public = [
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
        ]
        top = ast.get_docstring(tree) or ""
        listed = re.search(r"Public names?:(.*?)(\.\s|\.$|\n\n)", top, re.S)
        if public and not listed:
            wrong.append(f"{short(path)} lists none")
        elif public:
            strangers = set(re.findall(r"``(\w+)``", listed[1])) - names_defined(tree)
            wrong += [f"{short(path)} lists {name}" for name in strangers]
    assert not wrong


def lists_in(path: Path) -> list[set[str]]:
    """The words of each tuple, list, set, dictionary and split text of a module."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        inner = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
        words = [e.value for e in inner if isinstance(e, ast.Constant)]
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "split":
            words = str(getattr(node.func.value, "value", "")).split()
        found.append({word for word in words if isinstance(word, str)})
    return found


def test_losses_data_sets_and_suffixes_are_listed_once():
    """A second list is one that somebody forgets."""
    for names, home in (
        (set(KD_LOSSES), {"distillation/losses.py"}),
        # Each has a source, and a stand-in its layout.
        (set(SOURCES), {"datasets/sources.py", "standins/layouts.py"}),
        (set(VIDEO_SUFFIXES), {"video/reading.py"}),
    ):
        assert len(names) >= 5
        places = {
            short(path).removeprefix("dvfl_lib/")
            for path in MODULES
            if any(len(words & names) >= 4 for words in lists_in(path))
        }
        assert places <= home, places


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


def test_every_test_asserts_something():
    idle = []
    for path in TEST_FILES:
        tree = ast.parse(path.read_text("utf-8"))
        functions = {
            n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)
        }
        idle += [
            f"{short(path)}: {name}"
            for name, node in functions.items()
            if name.startswith("test") and not asserts(node, functions)
        ]
    assert not idle


def test_no_path_of_a_machine_is_left():
    """In what a reader sees: papers, the library, the notebooks with their outputs."""
    papers = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("*.y*ml")]
    read = [*papers, *MODULES, *NOTEBOOKS, ROOT / "Makefile", ROOT / "pyproject.toml"]
    found = {short(p): MACHINE_PATH.search(p.read_text("utf-8")) for p in read}
    assert not {name: match[0] for name, match in found.items() if match}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=short)
def test_nothing_is_wrong_with_a_committed_lesson(path):
    """Executed in order, no hidden error, clean metadata, live links."""
    assert list(lint(path)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=short)
def test_code_cells_are_tiny_steps(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    texts = ["".join(c["source"]).strip() for c in cells if c["cell_type"] == "code"]
    sizes = [len(text.splitlines()) for text in texts if text]
    assert statistics.median(sizes) <= 6
    assert sum(size <= 20 for size in sizes) >= 0.9 * len(sizes)
    assert max(sizes) <= 40


def test_notebooks_are_light_enough_to_be_shown():
    """GitHub does not render what is much heavier."""
    assert not [short(p) for p in NOTEBOOKS if p.stat().st_size > 5 * 2**20]
