"""The page of a run and the page of all data sets: Markdown, and one HTML file.

Public names: ``write_report``, ``write_final_report``, ``FORMAT``.

What a page says stands in ``templates/report.j2`` and ``templates/benchmarks.j2``, how
its parts are written in ``md.j2`` and ``html.j2``: the two files cannot tell different
stories. Whatever is put in is text: it is escaped, never taken for markup. The HTML
holds its pictures and asks nothing of a network.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from ..cost import ViewCost
from ..environment import commit, device_name, versions
from ..figures import alt_text, save_figure
from ..files import read_bytes, write_whole
from .comparison import compare
from .metrics import calibration_of
from .published import PUBLISHED_PARAMETERS, PUBLISHED_RESULTS
from .results import Evaluation, confused_pairs
from .tables import (
    ROLE_NAMES,
    Table,
    accuracy_cells,
    cost_table,
    data_name,
    final_rows,
    final_table,
    markdown,
    marked,
    plain,
)

FORMAT = "dvfl_lib benchmarks 1"
_CAPTIONS = {
    "top1": "Top-1 on the test list.",
    "training": "Training loss and accuracy on held-out groups.",
    "confusion": "What the distilled student takes for what.",
    "classes": "Accuracy per class.",
}
_IN_TEMPLATES = (
    Table,
    accuracy_cells,
    cost_table,
    data_name,
    final_table,
    marked,
)


def _write_pages(
    folder: Path,
    name: str,
    figures: Mapping[str, Figure],
    captions: Mapping[str, str],
    json_text: str = "",
    **content: Any,
) -> tuple[Path, ...]:
    """A page as Markdown, as HTML, and its JSON; all are made before one is written.

    The figures go to ``folder/figures``.
    """
    pages, shown = {}, []
    for title, figure in figures.items():
        file = f"figures/{title}.png"
        save_figure(figure, folder / file)
        shown.append(dict(file=file, caption=captions[title], alt=alt_text(figure)))
    for writer in ("md", "html"):
        env = Environment(
            loader=PackageLoader("dvfl_lib.evaluation"),
            autoescape=writer == "html",  # in Markdown, the filter "plain" escapes
            undefined=StrictUndefined,
            extensions=["jinja2.ext.do"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        env.globals |= {each.__name__: each for each in _IN_TEMPLATES}
        env.filters |= {
            "plain": plain,
            "markdown": lambda table: markdown([table]).strip(),
            "unbroken": _unbroken,
            "fence": _fence,
            "link": lambda file: file.replace(" ", "%20").replace(")", "%29"),
            "png": lambda file: base64.b64encode(read_bytes(folder / file)).decode(),
        }
        w = env.get_template(f"{writer}.j2").module
        body = env.get_template(f"{name}.j2").render(w=w, figures=shown, **content)
        pages[writer] = str(w.page(content["title"], body))
    pages["md"] = re.sub(r"\n{3,}", "\n\n", pages["md"]).strip()
    pages = {kind: f"{page}\n" for kind, page in pages.items()}
    if json_text:
        pages["json"] = json_text
    for kind, page in pages.items():
        write_whole(folder / f"{name}.{kind}", page.encode())
    return tuple(folder / f"{name}.{kind}" for kind in pages)


def _unbroken(text: object) -> str:
    """No line break within "95.0 %" and "[83.5, 98.6]"."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\d,) (?=[\d.]+\])", "\u00a0", str(text))


def _fence(text: str) -> str:
    """Longer than any run of backticks in it."""
    return "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])


# --- a run -------------------------------------------------------------------------


def _made_with() -> dict[str, str]:
    """Device, versions and commit, as a page tells them."""
    return {
        "device": device_name(),
        "versions": ", ".join(f"{k} {v}" for k, v in versions().items()),
        "commit": commit() or "unknown (not run from a git checkout)",
    }


def write_report(
    run: Any,
    results: Sequence[Evaluation],
    figures: Mapping[str, Figure],
    **told: Any,
) -> tuple[Path, ...]:
    """Write ``report.md``, ``report.html`` and the figures into the run directory.

    Args:
        run: what has a run_dir, dataset, split, seed and recipe: a
            ``training.Pipeline``.
        results: of teacher, baseline, student. The students began with the same
            weights and saw the same data in the same order.
        told: ``parameters`` and ``gmacs`` of a view, by role; ``seconds`` and
            ``unreadable`` videos by phase; ``pairs`` and ``families`` of classes, a
            column each if there are any; ``notes``, sentences.
    """
    standin = results[0].standin
    form = "stand-in data in the form of " if standin else ""
    recipe = run.recipe.to_dict()
    return _write_pages(
        run.run_dir,
        "report",
        figures,
        {name: _CAPTIONS.get(name, name) for name in figures},
        title=f"Distilling VFL-Net on {form}{run.dataset}",
        run=run,
        **told,
        results=results,
        made_with=_made_with(),
        role_names=ROLE_NAMES,
        gain=compare(results[1], results[2]),
        recipe=json.dumps(recipe, indent=2, ensure_ascii=False, default=str),
        published_parameters=PUBLISHED_PARAMETERS,
        published=PUBLISHED_RESULTS,
    )


# --- all data sets -----------------------------------------------------------------


def write_final_report(
    run_dir: Path,
    results: Sequence[Evaluation],
    costs: Sequence[ViewCost],
    figures: Mapping[str, Figure],
    about: Mapping[str, str],
) -> tuple[Path, ...]:
    """Write ``benchmarks.md``, ``benchmarks.html``, ``benchmarks.json`` and figures.

    ``about``: what stands beside device and versions, as a table and in the JSON. The
    figures' captions are their descriptions.
    """
    rows, about = final_rows(results), {**_made_with(), **about}
    standins = {row.first.dataset: row.first.standin for row in rows}
    title, mark = "Benchmarks", ""
    if all(standins.values()):
        title, mark = "Benchmarks, on stand-in data", "Stand-in data. "
    elif any(standins.values()):
        title, mark = f"{title}, some on stand-in data", "Some of it stand-in data. "
    sure = [(r, calibration_of(r.probabilities, r.labels)) for r in results]
    pairs = [(r, confused_pairs(r, most=3)) for r in results]
    values = {
        "format": FORMAT,
        "title": title,
        "standin": standins,
        "rows": [row.to_dict() for row in rows],
        "costs": [cost.to_dict() for cost in costs],
        "calibration": [_place(r) | found.to_dict() for r, found in sure],
        "confused_pairs": [
            _place(r) | {"pairs": [p.to_dict() for p in found]} for r, found in pairs
        ],
        "about": about,
    }
    return _write_pages(
        run_dir,
        "benchmarks",
        figures,
        {name: f"{mark}{alt_text(figure)}" for name, figure in figures.items()},
        json.dumps(values, indent=1, ensure_ascii=False),
        title=title,
        drawn=[data_name(d, s) for d, s in standins.items() if s],
        about=about,
        rows=rows,
        notes=list(dict.fromkeys(n for r in rows for n in r.notes)),
        costs=costs,
        calibrations=sure,
        confusions=pairs,
    )


def _place(result: Evaluation) -> dict[str, object]:
    """What a result is about, for JSON."""
    place = {"benchmark": result.dataset, "standin": result.standin}
    return place | {"split": result.split, "network": result.name}
