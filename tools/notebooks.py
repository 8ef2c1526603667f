"""``python tools/notebooks.py COMMAND [NOTEBOOK ...]``: lessons made ready to commit.

execute   stamp, execute in place, tidy, note the minutes, check
stamp     the badge and the set-up cell only, from the address in pyproject.toml
check     look for hidden errors, stray metadata and dead links
table     write README's table of lessons

Without notebooks, all lessons.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import torch
from nbclient import NotebookClient

from dvfl_lib.errors import LessonError, exit_status
from dvfl_lib.files import write_whole
from dvfl_lib.lessons.tables import (
    COLAB,
    badge,
    lesson_files,
    lesson_table,
    project_address,
)

ROOT = Path(__file__).resolve().parents[1]
SETUP_TAGS = ["setup", "nbval-ignore-output"]
METADATA = {"dvfl", "kernelspec", "language_info", "widgets"}
DVFL = {"title", "goal", "minutes_cpu", "minutes_gpu"}
_VIEW = "application/vnd.jupyter.widget-view+json"
_BADGE = re.compile(rf"^(?:BADGE|\[!\[Open in Colab\]\({re.escape(COLAB)}.*)$", re.M)
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=[\"']([^\"']+)[\"']")
_PLACE = re.compile(r"(<!-- lessons -->\n)(.*?)(<!-- /lessons -->)", re.S)
_SETUP = """\
import importlib.metadata
import subprocess
import sys
from pathlib import Path

ADDRESS = "{address}"
here = Path.cwd()
places = [here, *here.parents][:3] + [here / ADDRESS.rsplit("/", 1)[-1]]
checkout = next((place for place in places if (place / "dvfl_lib").is_dir()), None)
if checkout is None:  # no checkout around this notebook, as on Colab: fetch one
    checkout = places[-1]
    subprocess.run(["git", "clone", "-q", "--depth=1", ADDRESS, checkout], check=True)
if not list(importlib.metadata.distributions(name="dvfl-lib")):
    install = [sys.executable, "-m", "pip", "install", "-q", "-e", str(checkout)]
    subprocess.run(install, check=True)  # brings only what is missing
sys.path.insert(0, str(checkout))

from dvfl_lib.lessons import environment_report

print(environment_report())"""


def setup_source(address: str) -> str:
    """The set-up cell: it imports from the checkout, or fetches and installs one."""
    return _SETUP.format(address=address)


def write_notebook(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Write a notebook whole, with a line feed at its end, as git likes it."""
    write_whole(path, (nbformat.writes(notebook) + "\n").encode())


def stamp(path: Path, address: str = "") -> bool:
    """Put the badge and the set-up cell of this address into a lesson.

    Args:
        path: a notebook whose first cell holds a badge, or the word ``BADGE`` alone
            on a line, and one of whose cells is tagged ``setup``.

    Returns whether the file was changed.

    Raises:
        LessonError: a place is missing.
    """
    notebook = nbformat.read(path, as_version=4)
    before = nbformat.writes(notebook)
    address = address or project_address(ROOT)
    first, line = notebook.cells[0], badge(address, path.name)
    first.source, found = _BADGE.subn(lambda _: line, first.source, count=1)
    setups = [c for c in notebook.cells if "setup" in c.metadata.get("tags", [])]
    if not found or len(setups) != 1:
        raise LessonError(
            f"{path}: a lesson has a line BADGE in its first cell and one cell tagged "
            f"'setup'; found {found} and {len(setups)}"
        )
    setups[0].source = setup_source(address)
    setups[0].metadata["tags"] = list(SETUP_TAGS)
    changed = nbformat.writes(notebook) != before
    if changed:
        write_notebook(path, notebook)
    return changed


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Keep of an executed notebook what belongs into a commit."""
    for cell in notebook.cells:
        if cell.cell_type == "code":  # a progress bar that left itself empty
            cell.outputs = [o for o in cell.outputs if o.get("text", "x").strip()]
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.NotebookNode({"tags": tags} if tags else {})
    _leave_pictures(notebook)
    kept = {k: v for k, v in notebook.metadata.items() if k in METADATA}
    notebook.metadata = nbformat.NotebookNode(
        {**kept, "language_info": {"name": "python"}}
    )


def _leave_pictures(notebook: nbformat.NotebookNode) -> None:
    """Of a widget that is a picture, too, keep the picture: its state is megabytes."""
    seen = []
    for output in (o for c in notebook.cells for o in c.get("outputs", [])):
        data = output.get("data", {})
        if "image/png" in data:
            data.pop(_VIEW, None)
            output.get("metadata", {}).pop(_VIEW, None)
        elif _VIEW in data:
            seen.append(data[_VIEW]["model_id"])
    for bundle in notebook.metadata.get("widgets", {}).values():
        state, needed, kept = bundle.get("state", {}), list(seen), {}
        while needed:
            name = needed.pop()
            if name in state and name not in kept:
                kept[name] = state[name]
                needed += re.findall(r"IPY_MODEL_(\w+)", json.dumps(state[name]))
        bundle["state"] = kept
        if not kept:
            notebook.metadata.pop("widgets", None)


def execute(path: Path) -> None:
    """Stamp, execute and tidy a lesson; note how long it took; look for errors.

    Where a cell fails, nbclient says which and how, and the file stays as it was.

    Raises:
        LessonError: the executed notebook does not pass ``lint``.
    """
    stamp(path)
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    start = time.monotonic()
    NotebookClient(
        notebook,
        kernel_name="python3",
        resources=where,
        record_timing=False,
        coalesce_streams=True,  # of each progress bar its last state
    ).execute()
    seconds = time.monotonic() - start
    kind = "minutes_gpu" if torch.cuda.is_available() else "minutes_cpu"
    notebook.metadata["dvfl"][kind] = rounded_minutes(seconds)
    tidy(notebook)
    write_notebook(path, notebook)
    print(f"{path} took {seconds:.0f} s", flush=True)
    if wrong := lint(path):
        raise LessonError("\n".join(f"{path.name}: {line}" for line in wrong))


def rounded_minutes(seconds: float) -> float:
    """Half minutes below three, whole ones above; never less than half a minute."""
    half = round(seconds / 30) / 2
    return max(0.5, half) if half < 3 else float(round(seconds / 60))


def lint(path: Path) -> list[str]:
    """What may not be wrong with a committed lesson, found without executing it.

    An exception inside ``interact`` or ``Output`` leaves papermill, nbconvert and nbval
    content: it is stored in the state of a widget, where only this scan looks.
    """
    notebook = nbformat.read(path, as_version=4)
    return [*_execution(notebook), *_metadata(notebook), *_texts(path, notebook)]


def _execution(notebook: nbformat.NotebookNode) -> Iterator[str]:
    code = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield f"not executed once from top to bottom: execution counts {counts}"
    for cell in code:
        yield from _errors(cell.outputs, f"cell [{cell.execution_count}]")
        if any({_VIEW, "image/png"} <= set(o.get("data", {})) for o in cell.outputs):
            yield f"cell [{cell.execution_count}] keeps a widget beside its picture"
    for kind, bundle in notebook.metadata.get("widgets", {}).items():
        if "state" not in bundle:
            yield f"metadata.widgets[{kind!r}] has no state: GitHub shows an error"
        for name, model in bundle.get("state", {}).items():
            outputs = model.get("state", {}).get("outputs") or []
            yield from _errors(outputs, f"widget {name}")


def _errors(outputs: list[Any], where: str) -> Iterator[str]:
    for output in outputs:
        if output.get("output_type") == "error":
            yield f"{where} shows {output.get('ename')}: {output.get('evalue')}"


def _metadata(notebook: nbformat.NotebookNode) -> Iterator[str]:
    metadata = notebook.metadata
    if strange := sorted(set(metadata) - METADATA):
        yield f"metadata that a tool left: {', '.join(strange)}"
    if metadata.get("kernelspec", {}).get("name") != "python3":
        yield "metadata.kernelspec.name is not python3"
    if set(metadata.get("dvfl", {})) != DVFL:
        yield f"metadata.dvfl needs exactly {', '.join(sorted(DVFL))}"
    for number, cell in enumerate(notebook.cells):
        if left := sorted(set(cell.metadata) - {"tags"}):
            yield f"cell {number} has metadata that a tool left: {', '.join(left)}"


def _texts(path: Path, notebook: nbformat.NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        if re.search(r"^BADGE$", cell.source, re.M):
            yield f"cell {number}: the badge was never stamped"
        for pair in _LINK.findall(cell.source):
            target = pair[0] or pair[1]
            local = not re.match(r"[a-z]+:|#", target)
            if local and not (path.parent / target.partition("#")[0]).exists():
                yield f"cell {number} links to {target}, which is not there"


def readme_table(root: Path = ROOT) -> str:
    """The table of lessons with reference links, which keep its rows readable."""
    badges = re.compile(r"\[!\[Open in Colab\]\((\S+)\)\]\((\S+)\)")
    table, links = lesson_table(root), {}

    def refer(found: re.Match) -> str:
        number = re.search(r"/(\d\d)_", found[2])[1]
        links["badge"], links[f"colab-{number}"] = found[1], found[2]
        return f"[![Open in Colab][badge]][colab-{number}]"

    rows = badges.sub(refer, table)
    return rows + "\n" + "".join(f"[{name}]: {to}\n" for name, to in links.items())


def table() -> None:
    """Write the table of lessons into README.md."""
    file = ROOT / "README.md"
    rows = readme_table()
    text = _PLACE.sub(lambda found: found[1] + rows + found[3], file.read_text("utf-8"))
    write_whole(file, text.encode())


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 good, 1 trouble, 2 not understood."""
    command, *names = arguments or [""]
    paths = [Path(name).absolute() for name in names] or lesson_files(ROOT)
    if command == "table":
        table()
    elif command == "check":
        found = [f"{path.name}: {line}" for path in paths for line in lint(path)]
        print("".join(f"{line}\n" for line in found), end="")
        return 1 if found else 0
    elif command in ("execute", "stamp"):
        for path in paths:
            execute(path) if command == "execute" else stamp(path)
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    stopped = "no file is half written"
    sys.exit(exit_status("notebooks", lambda: main(sys.argv[1:]), stopped))
