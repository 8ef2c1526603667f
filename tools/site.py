"""``python -m tools.site [FOLDER]``: the course as a web site, in FOLDER (build/site).

``python -m tools.site FOLDER --pdf`` prints each lesson of a built site as a PDF.

Public names: ``build``, ``prepare``, ``print_lessons``, ``main``.

Two steps. *Prepare* writes a folder of sources, laid out as the repository is, so that
links between its pages stay as they are. Then Sphinx makes pages of it. No cell is
executed and no host is asked.
"""

from __future__ import annotations

import importlib
import inspect
import json
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

from dvfl_lib.errors import LessonError, exit_status
from dvfl_lib.explorer import record_clip, write_page
from dvfl_lib.lessons import lesson_clip, trained_network
from dvfl_lib.lessons.tables import COLAB, lesson_files, project_address
from tools import quiz, slides

ROOT = Path(__file__).resolve().parents[1]
PARTS = Path(__file__).with_suffix("")
ADDRESS = project_address(ROOT)
SENTENCE = (
    "A course in code: a small video network learns to recognise actions from a large "
    "one, and you build it, look inside it, train it and measure it, step by step."
)
# The explorer's pages: action, group of the clip, networks.
EXPLORERS = {
    "rising": ("Rising", 1, ("student",)),
    "rising_all": ("Rising", 1, ("student", "baseline", "teacher")),
    "approaching": ("Approaching", 6, ("student",)),
    "shrinking": ("Shrinking", 2, ("student",)),
}
ROOMS = (
    "dvfl_lib vfl_net modulation layers fast recipes cost sweep capture distillation "
    "training evaluation video datasets standins weights deployment explorer figures "
    "lessons exercises environment errors files seeding"
).split()
_LINK = re.compile(r"""(\]\(|(?:src|href)=["'])([^)\s"']+)""")
_EXPLORER = re.compile(r"Explorer of '(\w+)'.*?: ([a-z, ]+)\.")
_TIME = re.compile(r"\*\*Time\.\*\* About (\d+) minutes")
_ALL = re.compile(r"about (\d+) minutes in all")
_BOX = re.compile(r'<g id="box(\d+)">\s*<path d="([^"]+)"')

CONF: dict[str, Any] = {
    "project": "DVFL-Net, step by step",
    "html_title": "DVFL-Net, step by step",
    "copyright": "the DVFL-Net step by step authors, MIT licence",
    "extensions": [
        "myst_nb",
        "sphinx_design",
        "sphinx_copybutton",
        "sphinx.ext.autodoc",
        "sphinx.ext.napoleon",
        "sphinx.ext.linkcode",
    ],
    "nb_execution_mode": "off",
    "nb_render_markdown_format": "myst",  # the table of lessons that a cell printed
    "nb_merge_streams": True,
    "myst_enable_extensions": ["amsmath", "colon_fence", "dollarmath"],
    "myst_heading_anchors": 4,
    "html_theme": "sphinx_book_theme",
    "html_theme_options": {
        "repository_url": ADDRESS,
        "use_repository_button": True,
        "use_download_button": False,
        "use_fullscreen_button": False,
        "show_toc_level": 2,
        "logo": {"text": "DVFL-Net, step by step"},
        "pygments_light_style": "a11y-high-contrast-light",
        "pygments_dark_style": "a11y-high-contrast-dark",
    },
    "html_static_path": [str(PARTS / "static")],
    "html_css_files": ["site.css"],
    "html_js_files": [("site.js", {"defer": "defer"})],
    "html_extra_path": ["extra"],
    "html_copy_source": False,
    "html_show_sphinx": False,
    "mathjax_path": "tex-svg.js",
    # Set, so that Sphinx takes version 3's place and not that of version 4.
    "mathjax3_config": {"options": {"enableMenu": False}},
    "autodoc_typehints": "signature",
    "autodoc_member_order": "bysource",
    "napoleon_numpy_docstring": False,
    "napoleon_use_ivar": True,
    "napoleon_use_rtype": False,
    "exclude_patterns": ["extra"],
    # Types of other libraries have no page here, and their lists of pages lie on
    # other hosts; of ours, the names that no room shows have none.
    "nitpick_ignore_regex": [("py:.*", ".*")],
    "suppress_warnings": [
        # A notebook's cells may begin below a heading of the cell before.
        "myst.header",
        # resolve is a function, which is not kept from build to build.
        "config.cache",
    ],
}


def prepare(source: Path) -> None:
    """Write the folder of sources: pages, notebooks, figures, explorers."""
    if source.exists():
        shutil.rmtree(source)
    shutil.copytree(ROOT / "figures", source / "figures", ignore=_all_but_pictures)
    (source / "badge").mkdir()
    shutil.copy(PARTS / "vendor" / "colab.svg", source / "badge")
    extra = source / "extra"
    _explorers(extra / "explorer")
    slides.build(extra / "slides", [path.stem[:2] for path in lesson_files(ROOT)])
    quiz.export(extra / "quiz")
    texts = [ROOT / "notebooks/RESEARCH.md", ROOT / "data/README.md"]
    texts += [ROOT / "benchmarks/README.md", *(ROOT / "course").rglob("*.md")]
    notebooks = sorted((ROOT / "notebooks").rglob("*.ipynb"))
    notebooks = [p for p in notebooks if ".ipynb_checkpoints" not in p.parts]
    known = {p.relative_to(ROOT).as_posix() for p in [*texts, *notebooks]}
    for path in texts:
        _write(source, path.relative_to(ROOT).as_posix(), path.read_text(), known)
    for path in notebooks:
        _notebook(source, path, known)
    _teach(source, known)
    _pages(source, known)


def _all_but_pictures(_: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith((".svg", ".png"))]


def _write(source: Path, name: str, text: str, known: set[str]) -> None:
    path = source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(linked(text, posixpath.dirname(name), known), "utf-8")


def linked(text: str, folder: str, known: set[str]) -> str:
    """The text with links that hold on the site.

    A link to a file that has no page here becomes one to the repository, an anchor of
    JupyterLab one of MyST, and the badge of Colab a file of our own.
    """
    up = posixpath.relpath(".", folder or ".")

    def turned(found: re.Match) -> str:
        before, target = found.groups()
        if target == f"{COLAB}/assets/colab-badge.svg":
            return f"{before}{up}/badge/colab.svg"
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        name, _, anchor = target.partition("#")
        place = posixpath.normpath(posixpath.join(folder, name))
        if anchor:
            anchor = "#" + re.sub(r"[^\w-]", "", unquote(anchor).lower())
        if place in known or place.startswith(("figures/", "explorer/")):
            return f"{before}{name}{anchor}"
        if not (ROOT / place).exists():
            return found[0]  # one of our own pages
        kind = "tree" if (ROOT / place).is_dir() else "blob"
        return f"{before}{ADDRESS}/{kind}/main/{place}{anchor}"

    return _LINK.sub(turned, text)


def _notebook(source: Path, path: Path, known: set[str]) -> None:
    """A copy with alternative texts, live explorers, and its further pages."""
    name = path.relative_to(ROOT).as_posix()
    folder = posixpath.dirname(name)
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, folder, known)
        if "setup" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-cell")
        for output in cell.get("outputs", []):
            _output(cell, output, folder, known)
    below = {"notebooks": "exercises/", "notebooks/exercises": "../solutions/"}
    if further := below.get(folder):
        notebook.cells.append(new_markdown_cell(_toctree([further + path.stem])))
    target = source / name
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


def _output(
    cell: NotebookNode, output: NotebookNode, folder: str, known: set[str]
) -> None:
    data = output.get("data", {})
    pictures = [kind for kind in data if kind.startswith("image/")]
    if "text/markdown" in data:
        data["text/markdown"] = linked(data["text/markdown"], folder, known)
    if not pictures:
        return
    words = " ".join(data["text/plain"].split())
    cell.metadata["mystnb"] = {"image": {"alt": words}}
    if found := _EXPLORER.match(words):
        networks = tuple(found[2].split(", "))
        page = next(n for n, e in EXPLORERS.items() if e[::2] == (found[1], networks))
        step = re.search(r"tour=(\d)", cell.source)
        up = posixpath.relpath(".", folder)
        output.data = NotebookNode(
            {
                "text/html": f'<iframe class="explorer" loading="lazy" '
                f'src="{up}/explorer/{page}.html{f"#tour={step[1]}" if step else ""}" '
                f'title="The explorer, live: {found[1]}, {found[2]}"></iframe>'
            }
        )


def _toctree(names: list[str]) -> str:
    return "```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"


def _explorers(folder: Path) -> None:
    """Records of the clips, and pages in which the stored networks run."""
    for name, (action, group, names) in EXPLORERS.items():
        networks = {each: trained_network(each)[0] for each in names}
        classes = trained_network(names[0])[1]["classes"]
        told = {"title": action, "label": action, "standin": True, "grid": 2}
        clip = lesson_clip(action, group=group)
        record = record_clip(clip, networks, classes, **told)
        write_page(record, folder / f"{name}.html", networks)


def _teach(source: Path, known: set[str]) -> None:
    """The pack's first page, with what there is for each lesson below it."""
    readme = ROOT / "course" / "README.md"
    rows = ["\n\n## For each lesson\n"]
    for path in lesson_files(ROOT):
        number, cells = path.stem[:2], []
        if f"course/notes/{number}.md" in known:
            cells.append(f"[notes](notes/{number}.md)")
        for part, word in (("slides", "slides"), ("quiz", "quiz sheet")):
            if (source / "extra" / part / f"{number}.html").exists():
                cells.append(f'<a href="../{part}/{number}.html">{word}</a>')
        title = json.loads(path.read_text("utf-8"))["metadata"]["dvfl"]["title"]
        lesson = f"[{number} {title}](../notebooks/{path.name})"
        rows.append(f"- {lesson}: {', '.join(cells) or 'nothing yet'}")
    text = readme.read_text("utf-8") if readme.exists() else "# Teach"
    below = sorted(name[7:-3] for name in known if name.startswith("course/"))
    below = [name for name in below if name != "README"]
    text += "\n".join(rows) + "\n\n" + _toctree(below)
    _write(source, "course/README.md", text, known | {"course/README.md"})


def _pages(source: Path, known: set[str]) -> None:
    """The pages of ``tools/site/pages``, and those that are made here."""
    readme = (ROOT / "README.md").read_text("utf-8")
    measured = re.search(r"<!-- measured -->(.*)<!-- /measured -->", readme, re.S)[1]
    results = _section(readme, "## Results").partition("\n")[2]
    clips = [
        f'- <a href="explorer/{name}.html">{action}</a>: {", ".join(networks)}'
        for name, (action, _, networks) in EXPLORERS.items()
    ]
    stems = [path.stem for path in lesson_files(ROOT)]
    rooms = [_room(source, room) for room in ROOMS]
    words = {
        "SENTENCE": SENTENCE,
        "TEACH": "course/README",
        "MAP": _map(stems),
        "LESSONS": _lessons(),
        "MEASURED": measured[measured.index("With few labels") :].strip(),
        "CLIPS": "\n".join(clips),
        "START": "```bash" + readme.partition("```bash")[2].partition("\n\n![")[0],
        "MAKE_RUN": _section(readme, "## What `make run` does").partition("\n")[2],
        "RESULTS": results.replace("\n### ", "\n## "),
        "DIFFER": _section(readme, "## Where the paper and the released code differ"),
        "ROOMS": "\n".join(rooms),
    }
    contents = {
        "learn": [f"notebooks/{stem}" for stem in stems],
        "reference": [f"reference/{room}" for room in ROOMS],
    }
    for page in sorted((PARTS / "pages").glob("*.md")):
        words["TOC"] = "\n".join(contents.get(page.stem, ()))
        text = re.sub("@@([A-Z_]+)@@", lambda m: words[m[1]], page.read_text("utf-8"))
        if page.stem == "index":
            order = "learn explore run course/README reference results".split()
            text += "\n" + _toctree(order)
        _write(source, page.name, text, known)


def _section(text: str, heading: str) -> str:
    """A section of a Markdown text, with its heading and with what is below it."""
    level = heading.partition(" ")[0]
    found = re.search(
        rf"^{re.escape(heading)}$.*?(?=^#{{1,{len(level)}}} |\Z)", text, re.S | re.M
    )
    if not found:
        raise LessonError(f"README.md has no section {heading!r}")
    return found[0]


def _lessons() -> str:
    """The table of lessons, with minutes and exercises."""
    rows = ["| Lesson | Read | Code | Exercises |", "|---|---|---|---|"]
    for path in lesson_files(ROOT):
        notebook = json.loads(path.read_text("utf-8"))
        told, first = notebook["metadata"]["dvfl"], notebook["cells"][0]["source"]
        reading = _TIME.search("".join(first))
        exercises = path.parent / "exercises" / path.name
        asked = _ALL.search(exercises.read_text("utf-8"))
        rows.append(
            f"| **[{path.stem[:2]} {told['title']}](notebooks/{path.name})**<br>"
            f"{told['goal']} | {f'{reading[1]} min' if reading else 'not told'} | "
            f"{told['minutes_cpu']:g} min | "
            f"[{asked[1]} min](notebooks/exercises/{path.name}) |"
        )
    return "\n".join(rows)


def _map(stems: list[str]) -> str:
    """The drawn map with a link on each lesson, in the page itself."""
    svg = (ROOT / "figures" / "course_map.svg").read_text("utf-8")
    svg = svg[svg.index("<svg") :].replace('role="img"', 'role="group" class="map"')
    links = []
    for place, (_, path) in enumerate(_BOX.findall(svg)[: len(stems)]):
        numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", path)]
        x, y = numbers[::2], numbers[1::2]
        links.append(
            f'<a href="notebooks/{stems[place]}.html" aria-label="{stems[place]}">'
            f'<rect x="{min(x):g}" y="{min(y):g}" width="{max(x) - min(x):g}" '
            f'height="{max(y) - min(y):g}" rx="4" fill="transparent"/></a>'
        )
    svg = svg.replace("</svg>", "\n".join(links) + "</svg>")
    svg = re.sub(r"\n\s*", "\n", svg)  # Markdown ends the block at an empty line
    return "```{raw} html\n" + svg + "\n```"


def _room(source: Path, room: str) -> str:
    """Write the reference of a module; returns its line in the list."""
    name = room if room == "dvfl_lib" else f"dvfl_lib.{room}"
    module = importlib.import_module(name)
    lines = [name, "=" * len(name), "", f".. automodule:: {name}", "   :no-members:"]
    for public in _public(module):
        thing = getattr(module, public)
        kind = "class" if inspect.isclass(thing) else "function"
        if isinstance(thing, type) and issubclass(thing, Exception):
            kind = "exception"
        if callable(thing):
            lines += ["", f".. auto{kind}:: {name}.{public}"]
            lines += ["   :members:"] if kind == "class" else []
        else:
            lines += ["", f".. py:data:: {public}", f"   :module: {name}", ""]
            keys = thing if isinstance(thing, dict) else ()
            lines.append("   " + ", ".join(f"``{key}``" for key in keys))
    path = source / "reference" / f"{room}.rst"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    first = inspect.getdoc(module).partition("\n")[0].replace("``", "`")
    return f"- [`{name}`](reference/{room}.rst): {first}"


def _public(module: ModuleType) -> list[str]:
    """The names that a module's docstring lists, or those that a room imports."""
    told = re.findall(r"Public names: (.*?)(?:\n\n|\Z)", module.__doc__, re.S)
    names = re.findall(r"``(\w+)``", told[0]) if told else []
    if not names:
        for name, thing in vars(module).items():
            ours = getattr(thing, "__module__", "").startswith("dvfl_lib")
            if ours and not name.startswith("_"):
                names.append(name)
    names = [n for n in names if hasattr(module, n) and not n.startswith("_")]
    return [n for n in names if not inspect.ismodule(getattr(module, n))]


def resolve(domain: str, info: dict[str, str]) -> str | None:
    """Where a documented name stands in the repository."""
    try:
        thing = importlib.import_module(info["module"])
        for name in info["fullname"].split("."):
            thing = getattr(thing, name)
        thing = inspect.unwrap(thing)
        file = Path(inspect.getsourcefile(thing)).relative_to(ROOT).as_posix()
        line = inspect.getsourcelines(thing)[1]
    except (AttributeError, OSError, TypeError, ValueError):
        return None
    return f"{ADDRESS}/blob/main/{file}#L{line}"


def build(target: Path) -> int:
    """Prepare and build; returns the exit status, 1 for a warning."""
    source = target.with_name(target.name + "-source")
    prepare(source)
    if target.exists():
        shutil.rmtree(target)
    static = [*CONF["html_static_path"], str(PARTS / "vendor")]
    conf = CONF | {"html_static_path": static, "linkcode_resolve": resolve}
    app = Sphinx(
        source,
        None,
        target,
        source.with_name(target.name + "-doctrees"),
        "html",
        confoverrides=conf,
        freshenv=True,
        warningiserror=True,
        status=None,
        parallel=2,
    )
    app.config.nitpicky = True
    app.build()
    return app.statuscode


def print_lessons(site: Path) -> None:
    """Print each lesson of a built site as ``NN_name.pdf`` beside its page."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        page = browser.new_page()
        for path in sorted((site / "notebooks").glob("[0-9]*.html")):
            page.goto(path.as_uri())
            page.wait_for_function("window.MathJax?.startup?.promise")
            page.evaluate("MathJax.startup.promise")
            page.pdf(path=path.with_suffix(".pdf"), format="A4")


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 good, 1 a warning of Sphinx."""
    folders = [a for a in arguments if not a.startswith("-")] or ["build/site"]
    if "--pdf" in arguments:
        print_lessons(Path(folders[0]).resolve())
        return 0
    return build(Path(folders[0]).resolve())


if __name__ == "__main__":
    sys.exit(exit_status("site", lambda: main(sys.argv[1:])))
