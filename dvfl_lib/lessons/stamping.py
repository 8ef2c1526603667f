"""What every lesson has in common: the badge, and the cell that sets up.

Public names: ``stamp_notebook``, ``setup_source``, ``badge``, ``project_address``.

Both follow from one address, that of the repository in ``pyproject.toml``.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nbformat

from ..environment import project_root
from ..errors import LessonError
from .notebook_file import read_notebook, write_notebook

SETUP_TAGS = ["setup", "nbval-ignore-output"]
_COLAB = "https://colab.research.google.com"
_BADGE = re.compile(rf"^(?:BADGE|\[!\[Open in Colab\]\({re.escape(_COLAB)}.*)$", re.M)
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


def project_address() -> str:
    """The repository's address, from ``[project.urls]`` of ``pyproject.toml``.

    Raises:
        LessonError: this is no checkout.
    """
    file = project_root() / "pyproject.toml"
    try:
        urls = tomllib.loads(file.read_text("utf-8"))["project"]["urls"]
        return str(urls["Repository"])
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise LessonError(
            f"{file} does not name the repository under [project.urls] ({error}). "
            "Run this command in a checkout"
        ) from error


def setup_source(address: str) -> str:
    """The set-up cell: it imports from the checkout, or fetches and installs one."""
    return _SETUP.format(address=address)


def badge(address: str, name: str) -> str:
    """The "Open in Colab" badge of ``notebooks/<name>``, in Markdown."""
    where = address.removeprefix("https://github.com/")
    target = f"{_COLAB}/github/{where}/blob/main/notebooks/{name}"
    return f"[![Open in Colab]({_COLAB}/assets/colab-badge.svg)]({target})"


def stamp_notebook(path: str | Path, address: str | None = None) -> bool:
    """Put the badge and the set-up cell of this address into a lesson.

    Args:
        path: a notebook whose first cell holds a badge, or the word ``BADGE`` alone
            on a line, and one of whose cells is tagged ``setup``.
        address: the repository's; read from ``pyproject.toml`` unless given.

    Returns whether the file was changed.

    Raises:
        LessonError: the notebook cannot be read, or a place is missing.
    """
    path = Path(path)
    notebook = read_notebook(path)
    before = nbformat.writes(notebook)
    address = address or project_address()
    first = notebook.cells[0]
    line = badge(address, path.name)
    text, found = _BADGE.subn(lambda _: line, first.source, count=1)
    setups = [c for c in notebook.cells if "setup" in c.metadata.get("tags", [])]
    if not found or len(setups) != 1:
        raise LessonError(
            f"{path}: a lesson has a line BADGE in its first cell and one cell tagged "
            f"'setup'; found {found} and {len(setups)}"
        )
    first.source = text
    setups[0].source = setup_source(address)
    setups[0].metadata["tags"] = list(SETUP_TAGS)
    if nbformat.writes(notebook) == before:
        return False
    write_notebook(path, notebook)
    return True
