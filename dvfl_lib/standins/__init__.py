"""Small data sets in exactly the layout of a benchmark, to learn and test on.

Public names: ``write_standin``, ``list_standins``, ``plan_standin``, ``StandinSize``,
``standin_pairs``, ``standin_families``.

A stand-in is real video files and real list files, so the same loaders and the
same training run on it. ``STANDIN.json`` marks it, and whatever is computed on it
says so. Its actions are those of ``scenes``, its files those of ``layouts``.
"""

from ..video.writing import encode_clip
from .layouts import TEST_GROUPS, StandinPlan, list_standins, plan_standin
from .scenes import StandinSize, clip_frames, standin_families, standin_pairs
from .writing import write_standin
