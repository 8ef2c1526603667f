"""Every static plot: curves, accuracies, confusions, pictures of clips, drawings.

Public names: ``training_curves``, ``per_class_figure``, ``accuracy_bars``
(results.py), ``confusion_figure`` (confusion.py), ``clip_strip``,
``views_figure`` (clips.py), ``sampling_figure``, ``crops_figure`` (sampling.py),
``heat_maps`` (maps.py), ``line_figure`` (curves.py),
``cost_bars``, ``filling_figure`` (costs.py), ``benchmarks_figure`` (benchmarks.py),
``reliability_figure`` (reliability.py), ``ratio_bars``, ``share_bars`` (speed.py),
``stream_figure`` (streams.py), ``opinion_bars``, ``bump_fits``,
``opinion_matrices`` (distillation.py), ``simplex_fields`` (simplex.py),
``drawing``, ``list_drawings`` (drawings/), ``PALETTE``, ``colour_of``, ``alt_text``,
``save_figure`` (style.py).

Each function returns a ``matplotlib.figure.Figure`` of its own and touches no
global state: no pyplot, no rcParams. In a notebook run ``%matplotlib inline``
once and ``display(figure)``. Each figure carries a description in words
(``alt_text``), for who cannot see it. ``standin=True`` writes "stand-in data" into
the title. Accuracies come as shares in [0, 1] and are shown in percent.
"""

from .benchmarks import benchmarks_figure
from .clips import clip_strip, views_figure
from .confusion import confusion_figure
from .costs import cost_bars, filling_figure
from .curves import line_figure
from .distillation import bump_fits, opinion_bars, opinion_matrices
from .drawings import drawing, list_drawings
from .maps import heat_maps
from .reliability import reliability_figure
from .results import accuracy_bars, per_class_figure, training_curves
from .sampling import crops_figure, sampling_figure
from .simplex import simplex_fields
from .speed import ratio_bars, share_bars
from .streams import stream_figure
from .style import PALETTE, alt_text, colour_of, save_figure

__all__ = [
    "PALETTE",
    "accuracy_bars",
    "alt_text",
    "benchmarks_figure",
    "bump_fits",
    "clip_strip",
    "colour_of",
    "confusion_figure",
    "cost_bars",
    "crops_figure",
    "drawing",
    "filling_figure",
    "heat_maps",
    "line_figure",
    "list_drawings",
    "opinion_bars",
    "opinion_matrices",
    "per_class_figure",
    "ratio_bars",
    "reliability_figure",
    "sampling_figure",
    "save_figure",
    "share_bars",
    "simplex_fields",
    "stream_figure",
    "training_curves",
    "views_figure",
]
