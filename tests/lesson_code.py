"""The code of a lesson, taken out of its cells, and what the cells put out.

Public names: ``statements``, ``definitions``, ``run_cells``, ``same_code``,
``Outputs``, ``Played``.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import io
import json
import textwrap
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def statements(notebook: str) -> list[ast.stmt]:
    """All statements of a lesson's code cells, in order; magics left out."""
    text = (NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8")
    found: list[ast.stmt] = []
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            code = [line for line in lines if not line.startswith(("%", "!"))]
            found += ast.parse("\n".join(code)).body
    return found


def definitions(notebook: str, name: str) -> ast.stmt:
    """The one class or function of that name at the top level of a lesson's cells.

    ``notebook`` is the file's name without its suffix.
    """
    kinds = (ast.ClassDef, ast.FunctionDef)
    found = [s for s in statements(notebook) if isinstance(s, kinds) and s.name == name]
    assert len(found) == 1, f"{notebook} defines {name} {len(found)} times"
    return found[0]


def run_cells(notebook: str, *names: str) -> dict[str, Any]:
    """A namespace with the lesson's imports and its definitions of ``names``.

    Nothing else of the lesson is run: no data, no training, no pictures.
    """
    wanted = {ast.dump(definitions(notebook, name)) for name in names}
    space: dict[str, Any] = {"__name__": notebook}
    for statement in statements(notebook):
        imports = isinstance(statement, ast.Import | ast.ImportFrom)
        if imports or ast.dump(statement) in wanted:
            module = ast.Module([statement], type_ignores=[])
            exec(compile(module, f"{notebook}.ipynb", "exec"), space)
    return space


def same_code(shown: ast.stmt, library: Any) -> bool:
    """Whether a lesson's class or function has the library's syntax tree.

    Docstrings and type annotations apart, which a lesson leaves out.
    """
    source = textwrap.dedent(inspect.getsource(library))
    return bare(shown) == bare(ast.parse(source).body[0])


def bare(node: ast.stmt) -> str:
    """A definition's syntax tree without docstrings and annotations, as text."""
    node = copy.deepcopy(node)
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef):
            part.returns = None
        if isinstance(part, ast.arg):
            part.annotation = None
        if isinstance(part, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(part):
            part.body = part.body[1:] or [ast.Pass()]
    return ast.dump(node)


class Outputs:
    """What the code cells of a lesson put out, as it is committed.

    A cell is found by a piece of its code that no other cell holds.
    """

    def __init__(self, notebook: str) -> None:
        text = (NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8")
        self.cells: list[dict[str, Any]] = json.loads(text)["cells"]

    @property
    def words(self) -> str:
        """All Markdown of the lesson."""
        markdown = (c for c in self.cells if c["cell_type"] == "markdown")
        return "\n".join("".join(cell["source"]) for cell in markdown)

    def cell(self, code: str) -> dict[str, Any]:
        """The one code cell that holds ``code``."""
        kinds = (c for c in self.cells if c["cell_type"] == "code")
        (found,) = [cell for cell in kinds if code in "".join(cell["source"])]
        return found

    def printed(self, code: str) -> str:
        """What that cell printed."""
        outputs = self.cell(code)["outputs"]
        streams = (o for o in outputs if o.get("name") == "stdout")
        return "".join("".join(output["text"]) for output in streams)

    def shown(self, code: str) -> str:
        """What that cell shows as Markdown."""
        bundles = (output.get("data", {}) for output in self.cell(code)["outputs"])
        return "".join("".join(data.get("text/markdown", "")) for data in bundles)

    def lines_printed(self) -> list[str]:
        """All that was printed, cell after cell."""
        kinds = (c for c in self.cells if c["cell_type"] == "code")
        outputs = (output for cell in kinds for output in cell["outputs"])
        texts = ["".join(output.get("text", "")) for output in outputs]
        return "".join(texts).splitlines()


class Played:
    """A lesson run to its end, in this process; then cells of it once more.

    That is where a reader tries things: every name has its last value. The set-up
    cell is left out. ``parameters`` are given as papermill gives them.
    """

    def __init__(self, notebook: str, **parameters: Any) -> None:
        text = (NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8")
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        cells = [c for c in cells if "setup" not in c["metadata"].get("tags", [])]
        self.sources = ["".join(cell["source"]) for cell in cells]
        self.space: dict[str, Any] = {"__name__": "__main__"}
        for cell, source in zip(cells, self.sources, strict=True):
            self.run(source)
            if "parameters" in cell["metadata"].get("tags", []):
                self.space |= parameters

    def run(self, source: str) -> str:
        """What these lines print."""
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            exec(compile(source, "a cell", "exec"), self.space)
        return told.getvalue()

    def again(self, code: str, *changes: tuple[str, str]) -> str:
        """What the one cell that holds ``code`` prints, with other words in it."""
        (source,) = [source for source in self.sources if code in source]
        for old, new in changes:
            assert old in source, f"{old!r} is not in the cell"
            source = source.replace(old, new)
        return self.run(source)

    def on(self, first: str, last: str, *changes: tuple[str, str]) -> str:
        """What the cells from the one with ``first`` to that with ``last`` print.

        Each change is made in every cell that holds its old words, and one does.
        """
        start, end = (
            [n for n, source in enumerate(self.sources) if code in source]
            for code in (first, last)
        )
        text = "\n".join(self.sources[start[0] : end[-1] + 1])
        for old, new in changes:
            assert old in text, f"{old!r} is not in these cells"
            text = text.replace(old, new)
        return self.run(text)
