"""Every static plot: curves, accuracies, confusions, pictures of clips, drawings.

Public names: those imported below, by the file that draws them.

Each function returns a ``matplotlib.figure.Figure`` of its own and touches no
global state: no pyplot, no rcParams. In a notebook run ``%matplotlib inline``
once and ``display(figure)``. Each figure carries a description in words
(``alt_text``), for who cannot see it. ``standin=True`` writes "stand-in data" into
the title. Accuracies come as shares in [0, 1] and are shown in percent.
"""

from .accuracy import (
    accuracy_bars,
    benchmarks_figure,
    confusion_figure,
    per_class_figure,
    reliability_figure,
    training_curves,
)
from .clips import clip_strip, crops_figure, sampling_figure, views_figure
from .cost import cost_bars, filling_figure, ratio_bars, share_bars, stream_figure
from .distillation import (
    StudyRow,
    bump_fits,
    opinion_bars,
    opinion_matrices,
    simplex_fields,
    study_figure,
)
from .maps import heat_maps
from .style import PALETTE, alt_text, colour_of, line_figure, save_figure
