"""A page as a list of plain parts, written as Markdown or as one HTML file.

Public names: ``Heading``, ``Text``, ``Table``, ``Picture``, ``Code``,
``markdown``, ``html_page``.

The two writers show the same parts, so the two files cannot tell different
stories. Whatever is put in is text: it is escaped, never taken for markup.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import RunDirectoryError
from ..files import read_bytes

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the page's title."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; ``strong`` for the one sentence that must be seen."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells under column names, with an optional caption below."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A PNG file with its caption and, for who cannot see it, its description."""

    path: Path
    caption: str
    alt: str


@dataclass(frozen=True)
class Code:
    """Text shown letter by letter, behind a fold of the given title in HTML."""

    title: str
    text: str


Part = Heading | Text | Table | Picture | Code


def markdown(parts: Sequence[Part], folder: Path | None = None) -> str:
    """The parts as Markdown; pictures are linked relative to ``folder``."""
    return "\n\n".join(_markdown_part(part, folder) for part in parts) + "\n"


def _markdown_part(part: Part, folder: Path | None) -> str:
    match part:
        case Heading():
            return "#" * part.level + " " + _plain(part.text)
        case Text():
            return f"**{_plain(part.text)}**" if part.strong else _plain(part.text)
        case Table():
            lines = [part.columns, ["---"] * len(part.columns), *part.rows]
            rows = ["| " + " | ".join(map(_cell, line)) + " |" for line in lines]
            if part.caption:
                rows += ["", _plain(part.caption)]
            return "\n".join(rows)
        case Picture():
            link = _relative(part.path, folder)
            return f"![{_plain(part.alt)}]({link})\n\n*{_plain(part.caption)}*"
        case Code():
            runs = [len(run) for run in re.findall("`+", part.text)]
            fence = "`" * max([3, *(length + 1 for length in runs)])
            return f"{_plain(part.title)}:\n\n{fence}\n{part.text}\n{fence}"


def _plain(text: str) -> str:
    """One line in which nothing is taken for Markdown or for HTML.

    Only what could be taken for markup is escaped (``_`` within a word and ``[``
    without a link after it could not), so that the source stays readable.
    """
    line = " ".join(str(text).split())
    line = re.sub(r"([\\`*|]|\](?=[(\[:])|(?<!\w)_|_(?!\w))", r"\\\1", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cell(text: str) -> str:
    return text if text == "---" else _plain(text)


def _relative(path: Path, folder: Path | None) -> str:
    link = Path(path)
    if folder is not None and link.is_relative_to(folder):
        link = link.relative_to(folder)
    return link.as_posix().replace(" ", "%20").replace(")", "%29")


def html_page(parts: Sequence[Part], title: str) -> str:
    """One HTML file that holds its pictures and asks nothing of a network.

    Raises:
        RunDirectoryError: a picture is missing or is no PNG.
    """
    body = "\n".join(_html_part(part) for part in parts)
    # The policy forbids scripts and every request, whatever the text may hold.
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _html_part(part: Part) -> str:
    match part:
        case Heading():
            return f"<h{part.level}>{html.escape(part.text)}</h{part.level}>"
        case Text():
            kind = ' class="verdict"' if part.strong else ""
            return f"<p{kind}>{html.escape(part.text)}</p>"
        case Table():
            return _html_table(part)
        case Picture():
            content = read_bytes(part.path)
            if not content.startswith(_PNG):
                raise RunDirectoryError(f"{part.path} is no PNG picture")
            data = base64.b64encode(content).decode()
            return (
                f'<figure><img alt="{html.escape(part.alt)}" '
                f'src="data:image/png;base64,{data}">'
                f"<figcaption>{html.escape(part.caption)}</figcaption></figure>"
            )
        case Code():
            return (
                f"<details><summary>{html.escape(part.title)}</summary>"
                f"<pre>{html.escape(part.text)}</pre></details>"
            )


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(c)}</th>' for c in table.columns)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{_html_cell(cell)}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    caption = f"<caption>{html.escape(table.caption)}</caption>"
    return (
        f'<div class="wide"><table>{caption if table.caption else ""}\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _html_cell(text: str) -> str:
    """Escaped, and with no line break within "95.0 %" and "[83.5, 98.6]"."""
    kept = re.sub(r"(?<=\d) (?=%)|(?<=\d,) (?=[\d.]+\])", "\u00a0", text)
    return html.escape(kept)


_STYLE = """
:root { color-scheme: light; --ink: #1b1b1b; --soft: #595959; --line: #d5d5d5; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", Arial, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--line); }
p { max-width: 46rem; margin: .6rem 0; }
.verdict { padding: .7rem 1rem; background: #eef5fb; font-weight: 600;
  border-left: 4px solid #0072b2; max-width: none; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .9rem; }
caption { caption-side: bottom; text-align: left; color: var(--soft);
  padding-top: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 600; }
figure { margin: 1rem 0 1.5rem; }
img { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .3rem; }
pre { font-size: .8rem; line-height: 1.35; overflow-x: auto; background: #f6f6f6;
  padding: .8rem; }
summary { cursor: pointer; }
@media print { h2, figure, table { break-inside: avoid; } }
"""
