"""``python -m tools.slides [NN ...]``: slides of lessons, in ``build/slides``.

A slide is made of what stands in the lesson; tags of its cells say of what
(CONTRIBUTING.md lists them). So it cannot lag behind. Each deck is one HTML file that
asks no host.

Public names: ``Slide``, ``deck``, ``page``, ``build``, ``markdown_reader``,
``with_formulas``.
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
from typing import Any

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
PARTS = ROOT / "tools" / "slides"
MATHJAX = ROOT / "tools" / "site" / "vendor" / "tex-svg.js"
MOST_LINES = 16  # of source, on one slide
_LEAD = re.compile(r"\*\*([^*]+?)[.]?\*\*\s*")
_MATH = re.compile(r"\$\$.+?\$\$|\$[^$]+\$|`[^`]+`|\]\([^)]*\)", re.S)
_END = re.compile(r"(?<=[.?!])([*_)\"”]*)\s+(?=[*_(\[\"“−\ue000A-Z0-9])")
_HIDDEN = {"What to notice": "notice", "Question": "question", "Your turn": "turn"}
_FIRST = (r"^# (.*)$", r"^\*\*Goal\.\*\* (.*)$")
_HIDDEN |= {"Try": "turn", "References": "turn"}


@dataclass
class Slide:
    """One slide.

    Attributes:
        title: the nearest heading, or the bold words that a paragraph begins with.
        section: the heading of the lesson's section.
        cell: the id of the cell that it comes from.
        kind: "text", "ask" or "picture".
        body, notes: pieces of HTML.
        goals: numbers of the goals that it serves.
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
    """A stretch of a Markdown cell about one thing; its kind decides what is shown."""

    kind: str
    title: str
    section: str
    blocks: list[tuple[str, str]] = field(default_factory=list)  # (type, Markdown)


@cache
def markdown_reader() -> MarkdownIt:
    """Markdown as the lessons use it; formulas come out as ``\\(`` and ``\\[``."""
    reader = MarkdownIt("commonmark").enable("table")
    reader.use(dollarmath_plugin, double_inline=True)
    reader.options["highlight"] = lambda code, *_: _coloured(code)
    marks = {"math_inline": "()", "math_inline_double": "[]", "math_block": "[]"}
    for name, (left, right) in marks.items():

        def rule(self: Any, tokens: Any, i: int, *_: Any, a=left, b=right) -> str:
            return f"\\{a}{escape(tokens[i].content.strip(), quote=False)}\\{b}"

        reader.add_render_rule(name, rule)
    return reader


def with_formulas(page: str) -> str:
    """A page that draws its formulas itself: MathJax inside, if there are any."""
    if "\\(" not in page and "\\[" not in page:
        return page
    script = MATHJAX.read_text("utf-8").replace("</script", "<\\/script")
    return page.replace("</head>", f"<script>{script}</script>\n</head>", 1)


def html(text: str) -> str:
    """Markdown as HTML."""
    return markdown_reader().render(text).strip()


def _coloured(code: str) -> str:
    shown = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True))
    return f'<pre class="code"><code>{shown.rstrip()}</code></pre>'


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph. Formulas, code and links are not looked into."""
    kept: list[str] = []

    def hide(match: re.Match) -> str:
        kept.append(match[0])
        return f"\ue000{len(kept) - 1}\ue001"

    hidden = _END.sub("\\1\ue002", _MATH.sub(hide, " ".join(text.split())))
    shown = re.sub("\ue000(\\d+)\ue001", lambda m: kept[int(m[1])], hidden)
    return shown.split("\ue002")


def parts(source: str, title: str, section: str) -> Iterator[Part]:
    """A Markdown cell, cut where it begins to speak of something else."""
    lines, part = source.splitlines(), Part("plain", title, section)
    tokens = markdown_reader().parse(source)
    for token in (t for t in tokens if t.level == 0 and t.map):
        text = "\n".join(lines[token.map[0] : token.map[1]]).strip()
        kind, fold = token.type.removesuffix("_open"), part.kind in ("answer", "fold")
        lead = _LEAD.match(text) if kind == "paragraph" else None
        name = _HIDDEN.get(lead[1], "plain") if lead else ""
        fresh = None
        if kind == "html_block" and "<details" in text:
            answers = part.kind == "question" or "Answer<" in text
            fresh = Part("answer" if answers else "fold", part.title, section)
        elif fold:
            if "</details>" in text:
                fresh = Part("plain", part.title, section)
        elif kind == "heading":
            title = text.lstrip("# ")
            if token.tag in ("h1", "h2"):
                section = title
            fresh = Part("plain", title, section)
        elif lead:
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


def chosen(part: Part, words: list[str]) -> list[str]:
    """The Markdown of a part that is shown; formulas and tables always are.

    Args:
        words: how the sentences begin that are to be shown. Without any, the first two
            are, and one that leads to the formula or list below it.
    """
    found: list[str] = []
    for n, (kind, text) in enumerate(part.blocks):
        after = part.blocks[n + 1][0] if n + 1 < len(part.blocks) else "paragraph"
        items = re.split(r"^(?:[-*]|\d+\.)\s+", text, flags=re.M)
        said = [s for item in items for s in sentences(item)]
        picked = [s for s in said if s.startswith(tuple(words))] if words else []
        if kind == "paragraph":
            if not words:
                leads = after != "paragraph" and said[-1].endswith(":")
                picked = [] if n or text.startswith("(") else said[:2]
                picked += said[-1:] if leads and said[-1] not in picked else []
            shown = " ".join(picked)
            found.append(f"{shown[:-1]}." if after == "paragraph" and shown.endswith(":") else shown)
        elif kind.endswith("list"):
            found.append("\n".join(f"- {s}" for s in picked) or text)
        else:
            found.append(text)
    return [text for text in found if text]


def _outputs(cell: NotebookNode) -> tuple[str, str]:
    """A code cell's picture and its text, each as HTML, or empty."""
    picture = text = ""
    for output in cell.outputs:
        data = output.get("data", {})
        form = next((f for f in ("image/png", "image/svg+xml") if f in data), None)
        if form:
            drawn = data[form].replace("\n", "")
            if form.endswith("xml"):
                drawn = b64encode(data[form].encode()).decode()
            alt = escape(data["text/plain"])
            picture += f'<img src="data:{form};base64,{drawn}" alt="{alt}">'
        elif "text/markdown" in data:
            text += html(data["text/markdown"])
        elif output.get("name") != "stderr":
            said = output.get("text", "") or data.get("text/plain", "")
            short = " short" * (max(map(len, said.splitlines() or [""])) <= 64)
            text += f'<pre class="out{short}">{escape(said.rstrip())}</pre>'
    return picture, text


@dataclass
class _Maker:
    """Goes through a lesson and collects its slides."""

    slides: list[Slide]
    title: str = ""
    section: str = ""
    before: str = ""  # what the cell before gave to a slide: "text", "source", "result"
    awaits: bool = False  # whether a "What to notice" speaks of the last slide

    def start(self, cell: NotebookNode, kind: str = "text", *body: str) -> Slide:
        made = Slide(self.title, self.section, cell.id, kind, list(body))
        made.goals = {int(t[5:]) for t in tags(cell) if t.startswith("goal-")}
        self.slides.append(made)
        return made

    def read(self, cell: NotebookNode) -> None:
        """A Markdown cell."""
        words = [t.removeprefix("say: ") for t in tags(cell) if t.startswith("say: ")]
        found = list(parts(cell.source, self.title, self.section))
        shown = {id(p): chosen(p, words) if words else [] for p in found}
        plain = [p for p in found if p.kind == "plain" and p.blocks]
        if not any(shown[id(p)] for p in plain):
            shown |= {id(p): chosen(p, []) for p in plain}
        told = " ".join(t for p in found for b in shown[id(p)] for t in b.split())
        lost = [w for w in words if " ".join(w.split()) not in told]
        if lost:
            raise LessonError(f"cell {cell.id}: no sentence begins with {lost}")
        self.before, context = "", []
        for part in found:
            whole = html("\n\n".join(text for _, text in part.blocks))
            lines = [html(line) for line in shown[id(part)]]
            self.title, self.section = part.title, part.section
            last = self.slides[-1]
            if part.kind == "notice" and self.awaits:
                last.notes.append(whole)
                last.body += [f'<div class="seen fragment">{s}</div>' for s in lines]
            elif part.kind == "question" and "ask" in tags(cell):
                self.start(cell, "ask", *context, f'<div class="asked">{whole}</div>')
                self.before = ""
            elif part.kind == "answer" and last.kind == "ask" and not last.notes:
                first = html(part.blocks[0][1])
                last.body.append(f'<div class="answer fragment">{first}</div>')
                last.notes.append(whole)
            elif part.kind == "plain" and lines and "slide" in tags(cell):
                self.start(cell, "text", *lines).notes.append(whole)
                self.before = "text"
            elif part.kind == "plain" and words:
                context = lines
        self.awaits = False

    def run(self, cell: NotebookNode) -> None:
        """A code cell."""
        picture, text = _outputs(cell)
        before, self.before = self.before, ""
        if not {"slide", "result"} & set(tags(cell)):
            self.awaits &= not picture
            return
        long = len(cell.source.splitlines()) > MOST_LINES
        source = "" if "result" in tags(cell) or picture else _coloured(cell.source)
        if before == "source" and not picture:  # the definition is on the slide: what
            source = ""  # comes out of it is enough
        elif source and long:
            raise LessonError(f"cell {cell.id}: more than {MOST_LINES} lines of source")
        if before == "text" or (before == "source" and not picture):
            slide = self.slides[-1]
            slide.goals |= {int(t[5:]) for t in tags(cell) if t.startswith("goal-")}
        else:
            slide = self.start(cell)
        slide.body += [piece for piece in (source, picture or text) if piece]
        slide.kind = "picture" if picture else "text"
        self.before = "result" if picture or text else "source"
        self.awaits = True


def deck(number: str) -> list[Slide]:
    """The slides of a lesson: what it is for, the tagged cells, its exercises.

    Raises:
        LessonError: a slide holds too much; the message names the cell.
    """
    first, *cells = nbformat.read(lesson_file(number), as_version=4).cells
    title, goal = (re.search(rf, first.source, re.M)[1] for rf in _FIRST)
    aims = "\n".join(re.findall(r"^\d\. .+$", first.source, re.M))
    start = Slide(title, "", first.id, "opening", [f"<p>{html(goal)}</p>"])
    start.body += ["<h3>After this lesson you can</h3>", html(aims)]
    maker = _Maker([start])
    for cell in cells:
        (maker.read if cell.cell_type == "markdown" else maker.run)(cell)
    rows = "\n".join(
        f"| {e.id} | {e.title} | about {e.minutes} min |"
        for e in lesson(number).values()
    )
    table = html(f"| | Exercise | Time |\n|---|---|---|\n{rows}")
    end = Slide("Your turn", title, "exercises", "text", [table])
    return [*maker.slides, end]


def page(number: str) -> str:
    """A deck as one HTML page."""
    around = jinja2.Environment(loader=jinja2.FileSystemLoader(PARTS), autoescape=True)
    around.filters["inline"] = lambda t: Markup(markdown_reader().renderInline(t))
    kept = {p.name: Markup(p.read_text("utf-8")) for p in PARTS.rglob("*.*s")}
    colours = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".code")
    slides, path = deck(number), lesson_file(number)
    text = around.get_template("deck.html").render(
        slides=slides,
        title=slides[0].title,
        lesson=f"{project_address(ROOT)}/blob/main/notebooks/{path.name}",
        palette=PALETTE,
        kept=kept,
        colours=Markup(colours),
    )
    return with_formulas(text)


def build(folder: Path, numbers: list[str]) -> None:
    """Write the decks of these lessons."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        write_whole(folder / f"{number}.html", page(number).encode())


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 good, 1 trouble."""
    build(ROOT / "build" / "slides", arguments or numbers_of_all())
    return 0


if __name__ == "__main__":
    sys.exit(exit_status("slides", lambda: main(sys.argv[1:])))
