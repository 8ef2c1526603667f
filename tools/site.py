"""``python -m tools.site [FOLDER]``: the course as a web site, in FOLDER (build/site).

``python -m tools.site FOLDER --pdf`` prints each lesson of a built site as a PDF.

Public names: ``build``, ``prepare``, ``linked``, ``print_page``, ``print_lessons``,
``main``.

Two steps. *Prepare* writes a folder of sources, laid out as the repository is, so that
links between its pages stay as they are. Then Sphinx makes pages of it. No cell is
executed and no host is asked.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import posixpath
import re
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jinja2
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from sphinx.application import Sphinx

import dvfl_lib
from dvfl_lib.errors import LessonError, exit_status
from dvfl_lib.explorer import record_clip, write_page
from dvfl_lib.lessons import lesson_clip, trained_network
from dvfl_lib.lessons.tables import COLAB, lesson_files, project_address
from tools import quiz, slides

ROOT = Path(__file__).resolve().parents[1]
PARTS = ROOT / "tools" / "site"
LESSONS = lesson_files(ROOT)
NUMBERS = {path.stem[:2]: path for path in LESSONS}
TOLD = {p: nbformat.read(p, as_version=4).metadata["dvfl"] for p in LESSONS}
TITLES = {path: f"{path.stem[:2]} {told['title']}" for path, told in TOLD.items()}
ADDRESS = project_address(ROOT)
OTHERS = ("notebooks/RESEARCH.md", "data/README.md", "benchmarks/README.md")
# What has a page: files of the repository, as they are called from its root.
PAGES = {
    path.relative_to(ROOT).as_posix()
    for pattern in ("course/**/*.md", "notebooks/**/[0-9]*.ipynb", *OTHERS)
    for path in ROOT.glob(pattern)
}
# The explorer's pages: action, networks, group of the clip.
EXPLORERS = {
    "rising": ("Rising", "student", 1),
    "rising_all": ("Rising", "student, baseline, teacher", 1),
    "approaching": ("Approaching", "student", 6),
    "shrinking": ("Shrinking", "student", 2),
}
_LINK = re.compile(r"""(\]\(|(?:src|href)=["'])([^)\s"']+)""")
# A link of a deck, which stands as it stood in the lesson.
_DECK = re.compile(r'href="((?!http|/|#)[\w/.-]+)\.(?:ipynb|md)[^"]*"')
_EXPLORER = re.compile(r"Explorer of '(\w+)'.*?: ([a-z, ]+)\.")
_BOX = re.compile(r'<g id="box\d+">\s*<path d="([^"]+)"')

CONF: dict[str, Any] = {
    "project": "DVFL-Net, step by step",
    "html_title": "DVFL-Net, step by step",
    "copyright": "the DVFL-Net step by step authors, MIT licence",
    "extensions": (
        "myst_nb sphinx_design sphinx_copybutton sphinx.ext.autodoc "
        "sphinx.ext.napoleon sphinx.ext.viewcode"
    ).split(),
    "exclude_patterns": ["extra"],
    "nb_execution_mode": "off",
    "nb_render_markdown_format": "myst",  # the table of lessons that a cell printed
    "nb_merge_streams": True,
    "nb_code_prompt_show": "Show the set-up cell",
    "nb_code_prompt_hide": "Hide the set-up cell",
    "myst_enable_extensions": ["amsmath", "colon_fence", "dollarmath"],
    "myst_heading_anchors": 4,
    "html_theme": "sphinx_book_theme",
    "html_theme_options": {
        "repository_url": ADDRESS,
        "use_repository_button": True,
        "use_download_button": False,
        "use_fullscreen_button": False,
        "show_toc_level": 2,
        "footer_content_items": ["copyright.html"],
        "navbar_persistent": [],  # the search stands in the sidebar
        "pygments_light_style": "a11y-high-contrast-light",
        "pygments_dark_style": "a11y-high-contrast-dark",
    },
    "html_context": {"default_mode": "auto"},
    "html_favicon": str(PARTS / "static" / "favicon.svg"),
    "html_static_path": [str(PARTS / "static"), str(PARTS / "vendor")],
    "html_css_files": ["site.css"],
    "html_js_files": [("site.js", {"defer": "defer"})],
    "html_extra_path": ["extra"],
    "html_copy_source": False,
    "html_domain_indices": False,
    "html_use_index": False,
    "mathjax_path": "tex-svg.js",
    # Its menu could ask another host. Set for version 3: Sphinx believes in version 4.
    "mathjax3_config": {"options": {"enableMenu": False}},
    "add_module_names": False,
    "autodoc_member_order": "bysource",
    "napoleon_use_ivar": True,
    # A cell may begin below the heading of the cell before.
    "suppress_warnings": ["myst.header"],
}


def prepare(source: Path) -> None:
    """Write the folder of sources: pages, notebooks, figures, explorers."""
    shutil.rmtree(source, ignore_errors=True)
    others = shutil.ignore_patterns("drawings", "*.md")
    shutil.copytree(ROOT / "figures", source / "figures", ignore=others)
    shutil.copy(PARTS / "vendor" / "colab.svg", source / "figures")
    extra = source / "extra"
    _explorers(extra / "explorer")
    quiz.main([str(extra / "quiz")])
    for number in NUMBERS:
        deck = _DECK.sub(r'href="../notebooks/\1.html"', slides.page(number))
        _write(extra / "slides" / f"{number}.html", deck)
    for name in PAGES:
        text = (ROOT / name).read_text("utf-8")
        if name.endswith(".ipynb"):
            notebook = nbformat.reads(text, as_version=4)
            _notebook(notebook, Path(name))
            text = nbformat.writes(notebook)
        else:
            text = linked(text, posixpath.dirname(name))
        _write(source / name, text)
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PARTS / "pages"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    words = _words(source)
    for name in pages.list_templates():
        text = pages.get_template(name).render(words)
        _write(source / name, linked(text, posixpath.dirname(name)))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def linked(text: str, folder: str) -> str:
    """The text with links that hold on the site.

    A link to a file that has no page here becomes one to the repository, an anchor of
    JupyterLab one of MyST, and the badge of Colab a file of our own. ``folder`` is
    where the text stands.
    """

    def turned(found: re.Match) -> str:
        before, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        name, _, anchor = target.partition("#")
        place = posixpath.normpath(posixpath.join(folder, name))
        if anchor:
            anchor = "#" + re.sub(r"[^\w-]", "", unquote(anchor).lower())
        ours = place in PAGES or place.startswith("figures/")
        if ours or not (ROOT / place).exists():
            return f"{before}{name}{anchor}"
        kind = "tree" if (ROOT / place).is_dir() else "blob"
        return f"{before}{ADDRESS}/{kind}/main/{place}{anchor}"

    text = _LINK.sub(turned, text)
    return text.replace(f"{COLAB}/assets/colab-badge.svg", "/figures/colab.svg")


def _notebook(notebook: NotebookNode, path: Path) -> None:
    """Give it alternative texts, live explorers, and the pages below it."""
    folder = path.parent.as_posix()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, folder)
        if "setup" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-cell")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = linked(data["text/markdown"], folder)
            if any(kind.startswith("image/") for kind in data):
                words = " ".join(data["text/plain"].split())
                cell.metadata["mystnb"] = {"image": {"alt": words}}
                if explorer := _EXPLORER.match(words):
                    step = re.search(r"tour=(\d)", cell.source)
                    frame = _frame(*explorer.groups(), step[1] if step else "0")
                    output.data = NotebookNode({"text/html": frame})
    below = {"notebooks": "exercises", "notebooks/exercises": "../solutions"}
    if folder in below:
        page = f"{below[folder]}/{path.stem}"
        tree = f"```{{toctree}}\n:hidden:\n\n{page}\n```"
        notebook.cells.append(new_markdown_cell(tree))


def _frame(action: str, networks: str, step: str) -> str:
    """An explorer in a lesson's page."""
    (page,) = (n for n, told in EXPLORERS.items() if told[:2] == (action, networks))
    return (
        f'<iframe class="explorer" loading="lazy" '
        f'src="../explorer/{page}.html#tour={step}" '
        f'title="The explorer, live: {action}, {networks}"></iframe>'
    )


def _explorers(folder: Path) -> None:
    """Records of the clips, and pages in which the stored networks run."""
    for name, (action, roles, group) in EXPLORERS.items():
        networks = {role: trained_network(role)[0] for role in roles.split(", ")}
        classes = trained_network("student")[1]["classes"]
        told = {"title": action, "label": action, "standin": True, "grid": 2}
        clip = lesson_clip(action, group=group)
        record = record_clip(clip, networks, classes, **told)
        write_page(record, folder / f"{name}.html", networks)


def _words(source: Path) -> dict[str, str]:
    """What the templates in ``tools/site/pages`` name; facts come from README."""
    readme = (ROOT / "README.md").read_text("utf-8")

    def between(before: str, after: str) -> str:
        found = re.search(f"{before}(.*?)(?={after})", readme, re.S | re.M)
        if not found:
            raise LessonError(f"README.md has nothing between {before!r} and {after!r}")
        return found[1].strip()

    modules = [each.name for each in pkgutil.iter_modules(dvfl_lib.__path__)]
    rooms = [_room(source, f"dvfl_lib.{name}") for name in modules if name != "cli"]
    course = (ROOT / "course" / "README.md").read_text("utf-8")
    return {
        "ADDRESS": ADDRESS,
        "MAP": _map(),
        "LESSONS": _lessons(),
        "COURSE": re.sub(r"\]\((notes|quiz)\)", "](#for-each-lesson)", course),
        "EXPLORERS": EXPLORERS,
        "NUMBERS": NUMBERS,
        "TITLES": TITLES,
        "ROOMS": "\n".join(rooms),
        "START": between("^On your own machine: ", "To teach it|\n\n"),
        "MAKE_RUN": between("^## What `make run` does\n", "^## "),
        "MEASURED": between("^(?=With few labels)", "<!-- /measured -->"),
        "RESULTS": between("^## Results\n", "^## ").replace("\n### ", "\n## "),
        "DIFFER": between("^(?=## Where the paper and)", "^## Citing"),
    }


def _lessons() -> str:
    """The table of lessons, with minutes and exercises."""
    rows = ["| Lesson | Read | Code | Exercises |", "|---|---|---|---|"]
    for path in LESSONS:
        told, text = TOLD[path], path.read_text("utf-8")
        reading = re.search(r"\*\*Time\.\*\* About (\d+ min)utes", text)
        exercises = path.parent / "exercises" / path.name
        asked = re.search(r"about (\d+ min)utes in all", exercises.read_text("utf-8"))
        rows.append(
            f"| **[{TITLES[path]}](notebooks/{path.name})**<br>{told['goal']} "
            f"| {reading[1] if reading else 'not told'} | {told['minutes_cpu']:g} min "
            f"| [{asked[1]}](notebooks/exercises/{path.name}) |"
        )
    return "\n".join(rows)


def _map() -> str:
    """The drawn map in the page itself, with a link on the box of each lesson."""
    svg = (ROOT / "figures" / "course_map.svg").read_text("utf-8")
    svg = svg[svg.index("<svg") :].replace('role="img"', 'role="group" class="map"')
    links = [
        f'<a href="notebooks/{lesson.stem}.html" aria-label="{lesson.stem}">'
        f'<path d="{box}" fill="transparent"/></a>'
        for lesson, box in zip(LESSONS, _BOX.findall(svg), strict=False)
    ]
    svg = svg.replace("</svg>", "\n".join(links) + "</svg>")
    return f'```{{raw}} html\n<div class="wide">\n{svg}\n</div>\n```'


def _room(source: Path, name: str) -> str:
    """Write the reference of a module; returns its line in the list."""
    module = importlib.import_module(name)
    told = re.search(r"Public names: (.*?)(?:\n\n|\Z)", module.__doc__, re.S)[1]
    things = {
        key: each for key, each in vars(module).items() if not inspect.ismodule(each)
    }
    public = [key for key in things if f"``{key}``" in told]
    if not public:  # all that a room imports from its own files
        homes = {key: getattr(each, "__module__", "") for key, each in things.items()}
        public = [key for key in homes if homes[key].startswith(name)]
    text = f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n"
    text += f"   :members: {', '.join(public)}\n"
    for key in public:
        if not callable(things[key]):
            keys = ", ".join(f"``{each}``" for each in things[key])
            text += f"\n.. py:data:: {key}\n   :module: {name}\n\n   {keys}\n"
    _write(source / "reference" / f"{name}.rst", text)
    first = inspect.getdoc(module).partition("\n")[0].replace("``", "`")
    return f"- [`{name}`](reference/{name}.rst): {first}"


def build(target: Path) -> int:
    """Prepare and build; returns the exit status, 1 for a warning."""
    source, trees = (target.with_name(target.name + e) for e in ("-source", "-trees"))
    prepare(source)
    shutil.rmtree(target, ignore_errors=True)
    more = {"freshenv": True, "warningiserror": True, "status": None, "parallel": 2}
    app = Sphinx(source, None, target, trees, "html", confoverrides=CONF, **more)
    app.build()
    return app.statuscode


def print_page(page: Any, path: Path) -> Path:
    """Print a built page, by a page of Playwright's, as a PDF beside it."""
    page.goto(path.as_uri())
    page.evaluate("async () => { await window.MathJax?.startup?.promise; }")
    page.pdf(path=path.with_suffix(".pdf"), format="A4")
    return path.with_suffix(".pdf")


def print_lessons(site: Path) -> int:
    """Print every lesson of a built site; returns the exit status."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        options = {"executable_path": chromium, "args": ["--no-sandbox"]}
        page = playwright.chromium.launch(**options).new_page()
        for path in LESSONS:
            print(print_page(page, site / "notebooks" / f"{path.stem}.html"))
    return 0


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 good, 1 a warning of Sphinx."""
    target = Path((arguments or ["build/site"])[0]).resolve()
    return print_lessons(target) if "--pdf" in arguments else build(target)


if __name__ == "__main__":
    sys.exit(exit_status("site", lambda: main(sys.argv[1:])))
