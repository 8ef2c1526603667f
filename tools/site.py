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
from types import ModuleType
from typing import Any
from urllib.parse import unquote

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
TOLD = {p: nbformat.read(p, as_version=4).metadata["dvfl"] for p in LESSONS}
TITLES = {path: f"{path.stem[:2]} {told['title']}" for path, told in TOLD.items()}
ADDRESS = project_address(ROOT)
# The explorer's pages: action, group of the clip, networks.
EXPLORERS = {
    "rising": ("Rising", 1, ("student",)),
    "rising_all": ("Rising", 1, ("student", "baseline", "teacher")),
    "approaching": ("Approaching", 6, ("student",)),
    "shrinking": ("Shrinking", 2, ("student",)),
}
# What is made for a lesson elsewhere: folder, ending, how a link calls it.
MADE = (
    ("slides", "html", "slides"),
    ("quiz", "html", "quiz on paper"),
    ("quiz", "gift", "quiz for Moodle"),
)
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
        "logo": {"text": "DVFL-Net, step by step"},
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
    "nitpicky": True,
    # Types in signatures: other libraries' pages lie on other hosts, and many of ours
    # are named by the file that has them, not by the room that shows them.
    "nitpick_ignore_regex": [("py:.*", ".*")],
    "suppress_warnings": [
        "myst.header",  # a cell may begin below the heading of the cell before
    ],
}


def prepare(source: Path) -> None:
    """Write the folder of sources: pages, notebooks, figures, explorers."""
    shutil.rmtree(source, ignore_errors=True)
    for folder, pattern in (("figures", "*.*g"), ("tools/site/vendor", "colab.svg")):
        (source / folder).mkdir(parents=True)
        for path in (ROOT / folder).glob(pattern):
            shutil.copy(path, source / folder)
    extra = source / "extra"
    _explorers(extra / "explorer")
    quiz.main([str(extra / "quiz")])
    for lesson in LESSONS:
        deck = _DECK.sub(r'href="../notebooks/\1.html"', slides.page(lesson.stem[:2]))
        _write(extra / "slides" / f"{lesson.stem[:2]}.html", deck)
    names = ["notebooks/RESEARCH.md", "data/README.md", "benchmarks/README.md"]
    pages = [*map(ROOT.joinpath, names), *(ROOT / "course").rglob("*.md")]
    for folder in ("", "exercises", "solutions"):
        pages += sorted((ROOT / "notebooks" / folder).glob("*.ipynb"))
    known = {path.relative_to(ROOT).as_posix() for path in pages}
    words = _words(source)
    for path in (PARTS / "pages").iterdir():
        text = re.sub("@@([A-Z_]+)@@", lambda m: words[m[1]], path.read_text("utf-8"))
        _write(source / path.name, linked(text, "", known))
    for name in sorted(known):
        folder, text = posixpath.dirname(name), (ROOT / name).read_text("utf-8")
        if name.endswith(".ipynb"):
            notebook = nbformat.reads(text, as_version=4)
            _notebook(notebook, folder, Path(name).stem, known)
            text = nbformat.writes(notebook)
        else:
            if name == "course/README.md":
                text = re.sub(r"\]\((notes|quiz)/\)", "](#for-each-lesson)", text)
                text += _below_course(extra, known)
            text = linked(text, folder, known)
        _write(source / name, text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def linked(text: str, folder: str, known: set[str]) -> str:
    """The text with links that hold on the site.

    A link to a file that has no page here becomes one to the repository, an anchor of
    JupyterLab one of MyST, and the badge of Colab a file of our own. ``folder`` is
    where the text stands, ``known`` has the files of the repository with a page.
    """

    def turned(found: re.Match) -> str:
        before, target = found.groups()
        if target == f"{COLAB}/assets/colab-badge.svg":
            up = posixpath.relpath("tools/site/vendor", folder or ".")
            return f"{before}{up}/colab.svg"
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        name, _, anchor = target.partition("#")
        place = posixpath.normpath(posixpath.join(folder, name))
        if anchor:
            anchor = "#" + re.sub(r"[^\w-]", "", unquote(anchor).lower())
        ours = place in known or place.startswith("figures/")
        if ours or not (ROOT / place).exists():
            return f"{before}{name}{anchor}"
        kind = "tree" if (ROOT / place).is_dir() else "blob"
        return f"{before}{ADDRESS}/{kind}/main/{place}{anchor}"

    return _LINK.sub(turned, text)


def _notebook(notebook: NotebookNode, folder: str, stem: str, known: set[str]) -> None:
    """Give it alternative texts, live explorers, and the pages below it."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, folder, known)
        if "setup" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-cell")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = linked(data["text/markdown"], folder, known)
            if any(kind.startswith("image/") for kind in data):
                words = " ".join(data["text/plain"].split())
                cell.metadata["mystnb"] = {"image": {"alt": words}}
                if found := _EXPLORER.match(words):
                    step = re.search(r"tour=(\d)", cell.source)
                    frame = _frame(folder, *found.groups(), step[1] if step else "0")
                    output.data = NotebookNode({"text/html": frame})
    below = {"notebooks": "exercises", "notebooks/exercises": "../solutions"}
    if folder in below:
        page = f"{below[folder]}/{stem}"
        notebook.cells.append(new_markdown_cell(_toctree([page])))


def _frame(folder: str, action: str, networks: str, step: str) -> str:
    asked = (action, tuple(networks.split(", ")))
    page = next(name for name, entry in EXPLORERS.items() if entry[::2] == asked)
    src = f"{posixpath.relpath('explorer', folder)}/{page}.html#tour={step}"
    title = f"The explorer, live: {action}, {networks}"
    return (
        f'<iframe class="explorer" loading="lazy" src="{src}" title="{title}"></iframe>'
    )


def _toctree(names: list[str]) -> str:
    return "\n\n```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"


def _explorers(folder: Path) -> None:
    """Records of the clips, and pages in which the stored networks run."""
    for name, (action, group, names) in EXPLORERS.items():
        networks = {each: trained_network(each)[0] for each in names}
        classes = trained_network(names[0])[1]["classes"]
        told = {"title": action, "label": action, "standin": True, "grid": 2}
        clip = lesson_clip(action, group=group)
        record = record_clip(clip, networks, classes, **told)
        write_page(record, folder / f"{name}.html", networks)


def _below_course(extra: Path, known: set[str]) -> str:
    """What there is for each lesson, and the other pages of the pack."""
    titles = {p.stem[:2]: f"[{TITLES[p]}](../notebooks/{p.name})" for p in LESSONS}
    titles |= {f"inventory_{n}": f"Concept inventory {n.upper()}" for n in "ab"}
    rows = ["\n\n## For each lesson\n"]
    for number, title in titles.items():
        notes = f"course/notes/{number}.md" in known
        cells = [f"[notes](notes/{number}.md)"] if notes else []
        for part, ending, word in MADE:
            if (extra / part / f"{number}.{ending}").exists():
                cells.append(f'<a href="../{part}/{number}.{ending}">{word}</a>')
        rows.append(f"- {title}: {', '.join(cells) or 'nothing yet'}")
    pages = sorted(name[7:-3] for name in known if name.startswith("course/"))
    below = [name for name in pages if "/" not in name and name != "README"]
    below += [f"Notes on {n[-2:]} <{n}>" for n in pages if n.startswith("notes/")]
    return "\n".join(rows) + _toctree(below)


def _words(source: Path) -> dict[str, str]:
    """What stands at the marks of ``tools/site/pages``; facts come from README."""
    readme = (ROOT / "README.md").read_text("utf-8")

    def between(before: str, after: str) -> str:
        found = re.search(f"{before}(.*?)(?={after})", readme, re.S | re.M)
        if not found:
            raise LessonError(f"README.md has nothing between {before!r} and {after!r}")
        return found[1].strip()

    modules = pkgutil.iter_modules(dvfl_lib.__path__, "dvfl_lib.")
    rooms = [each.name for each in modules if each.name != "dvfl_lib.cli"]
    clips = [
        f'- <a href="explorer/{name}.html">{action}</a>: {", ".join(networks)}'
        for name, (action, _, networks) in EXPLORERS.items()
    ]
    return {
        "ADDRESS": ADDRESS,
        "MAP": _map(),
        "LESSONS": _lessons(),
        "CLIPS": "\n".join(clips),
        "ROOMS": "\n".join(_room(source, room) for room in rooms),
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
        cells = [
            f"**[{TITLES[path]}](notebooks/{path.name})**<br>{told['goal']}",
            reading[1] if reading else "not told",
            f"{told['minutes_cpu']:g} min",
            f"[{asked[1]}](notebooks/exercises/{path.name})",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _map() -> str:
    """The drawn map with a link on each lesson, in the page itself."""
    svg = (ROOT / "figures" / "course_map.svg").read_text("utf-8")
    svg = svg[svg.index("<svg") :].replace('role="img"', 'role="group" class="map"')
    links = []
    for lesson, path in zip(LESSONS, _BOX.findall(svg), strict=False):
        numbers = [float(n) for n in re.findall(r"[\d.]+", path)]
        (left, *_, right), (top, *_, bottom) = (
            sorted(numbers[::2]),
            sorted(numbers[1::2]),
        )
        size = f'width="{right - left}" height="{bottom - top}"'
        links.append(
            f'<a href="notebooks/{lesson.stem}.html" aria-label="{lesson.stem}">'
            f'<rect x="{left}" y="{top}" {size} rx="4" fill="transparent"/></a>'
        )
    svg = svg.replace("</svg>", "\n".join(links) + "</svg>")
    return f'```{{raw}} html\n<div class="wide">\n{svg}\n</div>\n```'


def _room(source: Path, name: str) -> str:
    """Write the reference of a module; returns its line in the list."""
    module = importlib.import_module(name)
    lines = [name, "=" * len(name), "", f".. automodule:: {name}", "   :no-members:"]
    for public in _public(module):
        thing = getattr(module, public)
        if callable(thing):
            kind = "class" if inspect.isclass(thing) else "function"
            lines += ["", f".. auto{kind}:: {name}.{public}"]
            lines += ["   :members:"] if kind == "class" else []
        else:
            keys = thing if isinstance(thing, dict) else ()
            lines += ["", f".. py:data:: {public}", f"   :module: {name}", ""]
            lines.append("   " + ", ".join(f"``{key}``" for key in keys))
    _write(source / "reference" / f"{name}.rst", "\n".join(lines) + "\n")
    first = inspect.getdoc(module).partition("\n")[0].replace("``", "`")
    return f"- [`{name}`](reference/{name}.rst): {first}"


def _public(module: ModuleType) -> list[str]:
    """The names that a module's docstring lists, or all that a room imports, as far as
    they are its own: another's are told there."""
    told = re.search(r"Public names: (.*?)(?:\n\n|\Z)", module.__doc__, re.S)
    names = re.findall(r"``([a-z]\w*)``", told[1], re.I) if told else []
    names = [n for n in names if not inspect.ismodule(getattr(module, n, module))]
    own = f"{module.__name__}."
    listed = {n: getattr(module, n) for n in names or vars(module) if n[0] != "_"}
    homes = {n: getattr(thing, "__module__", "") for n, thing in listed.items()}
    return [
        n for n in homes if f"{homes[n]}.".startswith(own) or names and not homes[n]
    ]


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
