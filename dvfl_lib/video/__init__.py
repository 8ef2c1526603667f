"""Video data: reading frames, choosing them, turning them into clips.

Public names: those of ``reading``, ``frame_index``, ``writing``,
``sampling``, ``transforms``, ``clips`` and ``frame_cache``; the ones most
used are here.
"""

from ..seeding import derive_seed, fixed_rng
from .clips import ClipKey, EvaluationViews, Sample, TrainingClips, collate_clips
from .frame_cache import FrameCache
from .reading import open_video
