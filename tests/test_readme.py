"""README.md and CONTRIBUTING.md say what is true."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from dvfl_lib.lessons.tables import badge
from tools.notebooks import readme_table

ROOT = Path(__file__).resolve().parents[1]
RESEARCH = ROOT / "notebooks" / "RESEARCH.md"
PAPERS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", RESEARCH]
PAPERS += ROOT.glob("*/README.md")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "urls"
]["Repository"]
NAME = ADDRESS.rsplit("/", 1)[-1]


def between(text: str, name: str) -> str:
    """What stands between <!-- name --> and <!-- /name -->."""
    return re.search(f"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.S)[1]


def test_the_table_of_lessons_has_one_true_row_for_each_notebook():
    table = between((ROOT / "README.md").read_text("utf-8"), "lessons")
    true = readme_table()
    hint = "python tools/notebooks.py table writes the true table:\n" + true
    assert table == true, hint
    assert table.count("\n| [") == len(NOTEBOOKS)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_opens_with_its_own_title_and_badge(notebook):
    document = json.loads(notebook.read_text("utf-8"))
    first = "".join(document["cells"][0]["source"])
    assert document["cells"][0]["cell_type"] == "markdown"
    assert document["metadata"]["dvfl"]["title"] in first.splitlines()[0]
    assert badge(ADDRESS, notebook.name) in first


def test_the_address_of_the_project_is_the_same_everywhere():
    """pyproject.toml sets it; a copy that was forgotten is named here."""
    pattern = re.compile(rf"github(?:\.com)?/([\w.-]+)/{re.escape(NAME)}")
    owner = ADDRESS.split("/")[-2]
    for path in [*PAPERS, *NOTEBOOKS, *(ROOT / "dvfl_lib").rglob("*.py")]:
        for found in pattern.findall(path.read_text("utf-8")):
            assert found == owner, f"{path.relative_to(ROOT)} names {found}/{NAME}"


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(paper):
    text = paper.read_text("utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    anchors = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.M)
    }
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in anchors, f"no heading for {target}"
        elif not target.startswith(("https://", "mailto:")):
            file = paper.parent / target.partition("#")[0]
            assert file.exists(), f"{paper.name} links to {target}, which is not there"


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_make_commands_that_are_named_exist(paper):
    goals = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", paper.read_text("utf-8"), re.M))
    assert named <= goals, f"{paper.name} names {named - goals}"


def test_every_make_command_is_explained_to_contributors():
    goals = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    untold = {goal for goal in goals if f"make {goal}" not in text}
    assert untold <= {"help"}


def test_the_python_of_the_readme_runs(capsys):
    """The library in ten lines, as a reader would paste it."""
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    for block in blocks:
        assert len(block.splitlines()) <= 12
        exec(compile(block, "README.md", "exec"), {})
    assert "vfl_net_nano" in capsys.readouterr().out


def test_parameters_of_the_papermill_line_are_the_notebooks():
    """Each -p NAME in RESEARCH.md is a name in the cell tagged `parameters`."""
    text = (ROOT / "notebooks/RESEARCH.md").read_text("utf-8").replace("\\\n", " ")
    commands = re.findall(r"^papermill (notebooks/\S+) (.*)$", text, re.M)
    assert commands
    for notebook, rest in commands:
        cells = json.loads((ROOT / notebook).read_text("utf-8"))["cells"]
        (cell,) = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
        names = set(re.findall(r"^(\w+)\s*(?::[^=]+)?=", "".join(cell["source"]), re.M))
        assert set(re.findall(r"-p (\w+)", rest)) <= names


def test_the_measured_table_is_the_stored_measurement():
    """``python -m benchmarks.studies seeds`` writes it; README shows it."""
    from dvfl_lib.lessons import seeds_markdown

    table = between((ROOT / "README.md").read_text("utf-8"), "measured")
    assert seeds_markdown().strip() in table
