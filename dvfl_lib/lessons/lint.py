"""What may not be wrong with a committed lesson, found without executing it.

Public names: ``lint_notebook``.

An exception inside ``interact`` or ``Output`` leaves papermill, nbconvert and nbval
content: it is stored in the state of a widget, where only this scan looks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_METADATA = {"dvfl", "kernelspec", "language_info", "widgets"}
_DVFL = {"title", "goal", "minutes_cpu", "minutes_gpu"}
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=[\"']([^\"']+)[\"']")


def lint_notebook(path: str | Path) -> list[str]:
    """What is wrong with a notebook, a sentence each; empty if all is well.

    Looked for: cells not executed from top to bottom, errors in outputs and in the
    state of widgets, widget states that break GitHub, metadata that tools left,
    links to files that are not there, and a place that was never stamped.
    """
    path = Path(path)
    try:
        notebook = json.loads(path.read_text("utf-8"))
        cells = [(c["cell_type"], _text(c), c) for c in notebook["cells"]]
        found = list(_execution(cells))
        found += _widgets(notebook["metadata"].get("widgets", {}))
        found += _metadata(notebook)
        for number, (kind, text, _) in enumerate(cells):
            if kind == "markdown":
                found += _text_of_lesson(path, number, text)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"cannot be read as a notebook: {type(error).__name__}: {error}"]
    return found


def _text(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _execution(cells: list[tuple[str, str, dict[str, Any]]]) -> Iterator[str]:
    code = [c for kind, text, c in cells if kind == "code" and text.strip()]
    counts = [cell["execution_count"] for cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield f"not executed once from top to bottom: execution counts {counts}"
    for cell in code:
        yield from _errors(cell["outputs"], f"cell [{cell['execution_count']}]")


def _errors(outputs: list[dict[str, Any]], where: str) -> Iterator[str]:
    for output in outputs:
        if output.get("output_type") == "error":
            yield f"{where} shows {output.get('ename')}: {output.get('evalue')}"


def _widgets(bundles: dict[str, Any]) -> Iterator[str]:
    for kind, bundle in bundles.items():
        if "state" not in bundle:
            yield f"metadata.widgets[{kind!r}] has no state: GitHub shows an error"
            continue
        for name, model in bundle["state"].items():
            outputs = model.get("state", {}).get("outputs") or []
            yield from _errors(outputs, f"widget {name}")


def _metadata(notebook: dict[str, Any]) -> Iterator[str]:
    metadata = notebook["metadata"]
    strange = sorted(set(metadata) - _METADATA)
    if strange:
        yield f"metadata that a tool left: {', '.join(strange)}"
    if metadata.get("kernelspec", {}).get("name") != "python3":
        yield "metadata.kernelspec.name is not python3"
    if set(metadata.get("dvfl", {})) != _DVFL:
        yield f"metadata.dvfl needs exactly {', '.join(sorted(_DVFL))}"
    for number, cell in enumerate(notebook["cells"]):
        left = sorted(set(cell["metadata"]) - {"tags"})
        if left:
            yield f"cell {number} has metadata that a tool left: {', '.join(left)}"


def _text_of_lesson(path: Path, number: int, text: str) -> Iterator[str]:
    if re.search(r"^BADGE$", text, re.M):
        yield f"cell {number}: the badge was never stamped"
    for pair in _LINK.findall(text):
        target = pair[0] or pair[1]
        if re.match(r"[a-z]+:|#", target):
            continue
        file = target.partition("#")[0]
        if not (path.parent / file).exists():
            yield f"cell {number} links to {target}, which is not there"
