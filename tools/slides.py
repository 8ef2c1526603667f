"""Slides, made of the tagged cells of a lesson; the renderer comes first."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

ROOT = Path(__file__).resolve().parents[1]
MATHJAX = ROOT / "tools" / "site" / "vendor" / "tex-svg.js"


def with_formulas(page: str) -> str:
    """A page that draws its formulas itself: MathJax inside, if there are any."""
    if "\\(" not in page and "\\[" not in page:
        return page
    script = MATHJAX.read_text("utf-8").replace("</script", "<\\/script")
    return page.replace("</head>", f"<script>{script}</script>\n</head>", 1)


def markdown_reader() -> MarkdownIt:
    """Markdown as the lessons use it; formulas come out as ``\\(`` and ``\\[``."""
    reader = MarkdownIt("commonmark").enable("table")
    reader.use(dollarmath_plugin, double_inline=True)
    for name, (left, right) in {
        "math_inline": ("\\(", "\\)"),
        "math_inline_double": ("\\[", "\\]"),
        "math_block": ("\\[", "\\]"),
    }.items():

        def rule(self: Any, tokens: Any, i: int, *_: Any, a=left, b=right) -> str:
            return a + escape(tokens[i].content.strip(), quote=False) + b

        reader.add_render_rule(name, rule)
    return reader
