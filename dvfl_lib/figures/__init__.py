"""Every static plot: curves, accuracies, confusions, pictures of clips, drawings.

Public names: ``clip_strip``, ``views_figure``, ``sampling_figure``,
``crops_figure`` (clips.py), ``heat_maps`` (maps.py), ``training_curves``,
``per_class_figure``, ``accuracy_bars``, ``benchmarks_figure``,
``confusion_figure``, ``reliability_figure`` (accuracy.py), ``opinion_bars``,
``bump_fits``, ``opinion_matrices``, ``simplex_fields`` (distillation.py),
``cost_bars``, ``filling_figure``, ``ratio_bars``, ``share_bars``,
``stream_figure`` (cost.py), ``StudyRow``, ``study_figure`` (ablation.py),
``line_figure``, ``PALETTE``, ``colour_of``, ``alt_text``, ``save_figure``
(style.py).

Each function returns a ``matplotlib.figure.Figure`` of its own and touches no
global state: no pyplot, no rcParams. In a notebook run ``%matplotlib inline``
once and ``display(figure)``. Each figure carries a description in words
(``alt_text``), for who cannot see it. ``standin=True`` writes "stand-in data" into
the title. Accuracies come as shares in [0, 1] and are shown in percent.
"""

from .ablation import StudyRow, study_figure
from .accuracy import (
    accuracy_bars,
    benchmarks_figure,
    confusion_figure,
    per_class_figure,
    reliability_figure,
    training_curves,
)
from .clips import clip_strip, crops_figure, sampling_figure, views_figure
from .cost import (
    cost_bars,
    filling_figure,
    ratio_bars,
    share_bars,
    stream_figure,
)
from .distillation import bump_fits, opinion_bars, opinion_matrices, simplex_fields
from .maps import heat_maps
from .style import PALETTE, alt_text, colour_of, line_figure, save_figure

__all__ = [
    "PALETTE",
    "StudyRow",
    "accuracy_bars",
    "alt_text",
    "benchmarks_figure",
    "bump_fits",
    "clip_strip",
    "colour_of",
    "confusion_figure",
    "cost_bars",
    "crops_figure",
    "filling_figure",
    "heat_maps",
    "line_figure",
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
    "study_figure",
    "training_curves",
    "views_figure",
]
