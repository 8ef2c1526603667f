"""A student runs a cell again: it works, in every lesson."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
# Lessons 07 to 09 train; a finished run is read and not run again, which
# tests/end_to_end shows.
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LESSONS = [path for path in LESSONS if path.name[:2] not in ("07", "08", "09")]


@pytest.mark.nightly
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_cell_can_be_run_twice(path):
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}
    )
    with client.setup_kernel():
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                client.execute_cell(cell, number)
                client.execute_cell(cell, number)
    errors = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    ]
    assert not errors
