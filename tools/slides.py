"""``python -m tools.slides [NN ...]``: slides of lessons, in ``build/slides``.

A slide is made of what stands in the lesson, and so cannot lag behind; tags of the
cells say of what (CONTRIBUTING.md). Each deck is one HTML file that asks no host.

Public names: ``Slide``, ``Part``, ``parts``, ``chosen``, ``sentences``, ``deck``,
``page``, ``markdown_reader``, ``with_formulas``.
"""

from __future__ import annotations

import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

import jinja2
import nbformat
from markdown_it import MarkdownIt
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from dvfl_lib.errors import LessonError, exit_status
from dvfl_lib.exercises.exercise import lesson
from dvfl_lib.figures import PALETTE
from dvfl_lib.files import write_whole
from dvfl_lib.lessons.tables import project_address
from tools.editions import lesson_file, numbers_of_all, tags

ROOT = Path(__file__).resolve().parents[1]
PIECES = ROOT / "tools" / "slides"
MATHJAX = ROOT / "tools" / "site" / "vendor" / "tex-svg.js"
MOST_LINES = 16  # of source, on one slide
MOST_LETTERS = 560  # of an answer; of a longer one its first paragraph is shown
NOTHING = ("\0",)  # no sentence begins so
COLOURS = "a11y-high-contrast-light"  # of code
SHORT = 64  # letters of a line that has room for larger type
_LEAD = re.compile(r"\*\*([^*]+?)[.]?\*\*\s*")
# Formulas, code and links are whole; a sentence ends before a capital or one of these.
_SENTENCE = re.compile(
    r"(?:\$\$.+?\$\$|\$[^$]+\$|`[^`]+`|\[[^\]]*\]\([^)]*\)|.)+?"
    r"(?:(?<=[.?!])[*_)\"”]*(?=\s+[*_(\[\"“−$`A-Z0-9])|$)"
)
_KINDS = {"What to notice": "notice", "Question": "question", "Your turn": "turn"}
_KINDS |= {"Try": "turn", "References": "turn"}


@dataclass
class Slide:
    """One slide: its cell is the id of that it comes from, its goals are numbers.

    ``kind`` is "opening", "text", "ask" or "picture"; ``body`` and ``notes`` are HTML.
    """

    title: str
    section: str
    cell: str
    kind: str = "text"
    body: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    goals: set[int] = field(default_factory=set)


@dataclass
class Part:
    """A stretch of a Markdown cell about one thing: its blocks are (type, Markdown)."""

    kind: str
    title: str
    section: str
    blocks: list[tuple[str, str]] = field(default_factory=list)


@cache
def markdown_reader() -> MarkdownIt:
    """Markdown as the lessons use it; formulas come out as ``\\(`` and ``\\[``."""

    def formula(text: str, how: dict[str, bool]) -> str:
        left, right = "[]" if how["display_mode"] else "()"
        return f"\\{left}{escape(text.strip(), quote=False)}\\{right}"

    reader = MarkdownIt("commonmark").enable("table")
    reader.use(dollarmath_plugin, double_inline=True, renderer=formula)
    reader.options["highlight"] = lambda code, *_: _coloured(code)
    reader.add_render_rule("softbreak", lambda *_: " ")
    return reader


def with_formulas(page: str) -> str:
    """A page that draws its formulas itself: MathJax inside, if there are any."""
    if "\\(" not in page and "\\[" not in page:
        return page
    script = MATHJAX.read_text("utf-8").replace("</script", "<\\/script")
    return page.replace("</head>", f"<script>{script}</script>\n</head>", 1)


def _html(text: str) -> str:
    """Markdown as HTML; a line never ends between a formula and its full stop."""
    made = markdown_reader().render(text).strip()
    formula = r'<span class="math inline">[^<]+</span>[.,;:?)]+'
    return re.sub(formula, r'<span class="whole">\g<0></span>', made)


def _coloured(code: str) -> str:
    code = re.sub(r"\n{3,}", "\n\n", code)
    shown = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True))
    return f'<pre class="code"><code>{shown.rstrip()}</code></pre>'


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph."""
    return [m[0].strip() for m in _SENTENCE.finditer(" ".join(text.split()))]


def parts(source: str, title: str, section: str) -> Iterator[Part]:
    """A Markdown cell, cut where it begins to speak of something else."""
    lines, part = source.splitlines(), Part("plain", title, section)
    for token in markdown_reader().parse(source):
        if token.level or not token.map:
            continue
        text = "\n".join(lines[slice(*token.map)]).strip()
        kind, fresh = token.type.removesuffix("_open"), None
        lead = _LEAD.match(text) if kind == "paragraph" else None
        if kind == "html_block" and "<details" in text:
            answers = part.kind == "question" or "Answer<" in text
            fresh = Part("answer" if answers else "fold", part.title, section)
        elif part.kind in ("answer", "fold"):
            if "</details>" in text:
                fresh = Part("plain", part.title, section)
        elif kind == "heading":
            title = text.lstrip("# ")
            section = title if token.tag in ("h1", "h2") else section
            fresh = Part("plain", title, section)
        elif lead:
            name = _KINDS.get(lead[1], "plain")
            fresh = Part(name, lead[1] if name == "plain" else part.title, section)
            text = text[lead.end() :]
        elif kind == "paragraph" and part.kind in ("turn", "notice"):
            fresh = Part("plain", section, section)
        if fresh:
            yield part
            part = fresh
        if kind not in ("heading", "html_block") and text:
            part.blocks.append((kind, text))
    yield part


def chosen(part: Part, words: tuple[str, ...] = ()) -> list[str]:
    """The Markdown of a part that is shown, with its formulas and tables.

    Args:
        words: how the sentences begin that are to be shown. Without any, the first two
            are, and one that leads to the formula or list below it.
    """
    found, hit = [], not words
    for n, (kind, text) in enumerate(part.blocks):
        after = (part.blocks + [("paragraph", "")])[n + 1][0]
        items = re.split(r"^(?:[-*]|\d+\.)\s+", text, flags=re.M)
        picked = [[s for s in sentences(i) if s.startswith(words)] for i in items]
        hit = hit or any(picked)
        if kind == "paragraph":
            said, (shown, *_) = sentences(text), picked
            if not words:
                shown = [] if n or text.startswith("(") else said[:2]
                leads = after != "paragraph" and said[-1].endswith(":")
                shown += said[-1:] * (leads and said[-1] not in shown)
            joined = " ".join(shown)
            found.append(re.sub(":$", ".", joined) if after == "paragraph" else joined)
        elif kind.endswith("list") and any(picked):
            found.append("\n".join(f"- {' '.join(i)}" for i in picked if i))
        else:
            found.append(text)
    return [text for text in found if text] if hit else []


def _outputs(cell: NotebookNode) -> tuple[str, str]:
    """A code cell's picture and its text, each as HTML, or empty."""
    picture = text = ""
    for output in cell.outputs:
        data = output.get("data", {})
        form = next((f for f in ("image/png", "image/svg+xml") if f in data), "")
        if form:
            drawn = data[form].replace("\n", "")
            if form.endswith("xml"):
                drawn = b64encode(data[form].encode()).decode()
            alt = escape(data["text/plain"])
            picture += f'<img src="data:{form};base64,{drawn}" alt="{alt}">'
        elif "text/markdown" in data:
            text += _html(data["text/markdown"])
        elif output.get("name") != "stderr":
            said = (output.get("text", "") or data.get("text/plain", "")).rstrip()
            short = all(len(line) <= SHORT for line in said.splitlines())
            text += f'<pre class="out{" short" * short}">{escape(said)}</pre>'
    return picture, text


def _goals(cell: NotebookNode) -> set[int]:
    return {int(t.removeprefix("goal-")) for t in tags(cell) if t.startswith("goal-")}


@dataclass
class _Maker:
    """Goes through a lesson and collects its slides."""

    slides: list[Slide]
    title: str = ""
    section: str = ""
    before: str = ""  # what the cell before gave to the last slide: "text", "source"
    awaits: bool = False  # whether a "What to notice" would speak of the last slide

    def start(self, cell: NotebookNode, kind: str, *body: str) -> Slide:
        made = Slide(self.title, self.section, cell.id, kind, list(body))
        made.goals = _goals(cell)
        self.slides.append(made)
        return made

    def read(self, cell: NotebookNode) -> None:
        """A Markdown cell."""
        words = tuple(t[5:] for t in tags(cell) if t.startswith("say: "))
        found = list(parts(cell.source, self.title, self.section))
        said = any(chosen(p, words) for p in found if p.kind == "plain")
        picks = words if said else ()
        self.before, told, context = "", "", []
        for part in found:
            shown = chosen(part, picks if part.kind == "plain" else words or NOTHING)
            whole = _html("\n\n".join(text for _, text in part.blocks))
            lines = [_html(text) for text in shown]
            self.title, self.section, last = part.title, part.section, self.slides[-1]
            if part.kind == "notice" and self.awaits:
                last.notes.append(whole)
                seen = f'<div class="seen fragment">{"".join(lines)}</div>'
                last.body += [seen] if lines else []
            elif part.kind == "question" and "ask" in tags(cell):
                self.start(cell, "ask", *context, f'<div class="asked">{whole}</div>')
                self.before = ""
            elif part.kind == "answer" and last.kind == "ask" and not last.notes:
                short = whole if len(whole) < MOST_LETTERS else _html(part.blocks[0][1])
                last.body.append(f'<div class="answer fragment">{short}</div>')
                last.notes.append(whole)
            elif part.kind == "plain" and lines and "slide" in tags(cell):
                self.start(cell, "text", *lines).notes.append(whole)
                self.before = "text"
            elif part.kind == "plain" and words:
                context = lines
            else:
                continue
            told += "\n".join(["", *shown])
        if lost := [w for w in words if w not in told]:
            raise LessonError(f"cell {cell.id}: no sentence shown begins {lost}")
        self.awaits = False

    def run(self, cell: NotebookNode) -> None:
        """A code cell."""
        picture, text = _outputs(cell)
        if not {"slide", "result"} & set(tags(cell)):
            self.awaits, self.before = self.awaits and not picture, ""
            return
        shares = self.before == "text" or (self.before == "source" and not picture)
        hidden = picture or "result" in tags(cell) or self.before == "source"
        if not hidden and len(cell.source.splitlines()) > MOST_LINES:
            raise LessonError(f"cell {cell.id}: more than {MOST_LINES} lines of source")
        if picture and not shares:
            self.title = self.section
        slide = self.slides[-1] if shares else self.start(cell, "text")
        slide.goals |= _goals(cell)
        slide.body += ["" if hidden else _coloured(cell.source), picture or text]
        slide.kind = "picture" if picture else "text"
        self.before = "" if picture or text else "source"
        self.awaits = True


def first_cell(number: str) -> str:
    """What a lesson says of itself: title, goal, goals."""
    return nbformat.read(lesson_file(number), as_version=4).cells[0].source


def deck(number: str) -> list[Slide]:
    """The slides of a lesson: what it is for, the tagged cells, its exercises."""
    first, *cells = nbformat.read(lesson_file(number), as_version=4).cells
    title = first.source.splitlines()[0].removeprefix("# ")
    goal = re.search(r"^\*\*Goal\.\*\* (.*)$", first.source, re.M)[1]
    aims = "\n".join(re.findall(r"^\d\. .+$", first.source, re.M))
    table = "| | Exercise | Time |\n|---|---|---|\n" + "\n".join(
        f"| {e.id} | {e.title} | about {e.minutes} min |"
        for e in lesson(number).values()
    )
    aims = ["<h3>After this lesson you can</h3>", _html(aims)]
    maker = _Maker([Slide(title, "", first.id, "opening", [_html(goal), *aims])])
    for cell in cells:
        (maker.read if cell.cell_type == "markdown" else maker.run)(cell)
    return [*maker.slides, Slide("Your turn", title, "exercises", body=[_html(table)])]


def page(number: str) -> str:
    """A deck as one HTML page; its links are those of the lesson, and one to it."""
    around = jinja2.Environment(loader=jinja2.FileSystemLoader(PIECES), autoescape=True)
    around.filters["inline"] = lambda t: Markup(markdown_reader().renderInline(t))
    text = around.get_template("deck.html").render(
        slides=deck(number),
        lesson=lesson_file(number).name,
        palette=PALETTE,
        kept={p.name: Markup(p.read_text("utf-8")) for p in PIECES.rglob("*.*s")},
        colours=Markup(HtmlFormatter(style=COLOURS).get_style_defs(".code")),
    )
    return with_formulas(text)


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 good, 1 trouble."""
    folder = ROOT / "build" / "slides"
    folder.mkdir(parents=True, exist_ok=True)
    lessons = f"{project_address(ROOT)}/blob/main/notebooks/"
    for number in arguments or numbers_of_all():
        # A deck may be carried anywhere: its links lead to the repository.
        made = re.sub(
            r'href="(?=[\w./-]+\.(?:ipynb|md)\b)', rf"\g<0>{lessons}", page(number)
        )
        write_whole(folder / f"{number}.html", made.encode())
    return 0


if __name__ == "__main__":
    sys.exit(exit_status("slides", lambda: main(sys.argv[1:])))
