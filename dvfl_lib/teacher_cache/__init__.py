"""The teacher's logits per clip and view, kept on disk instead of made at every step.

Public names: ``TeacherCache``, ``CacheKey``, ``Chunk``, ``FileMarks``, ``key_fields``,
``make_key``, ``cache_name``.

A distillation of N epochs asks the teacher N times about every clip, because the
augmentation of every epoch is a new one. Where a recipe has ``distil.stored_views``
K > 0, the augmentation is a function of (seed, view, clip) with view = epoch mod K:
K passes of the teacher then serve all epochs, and every later run with the same
teacher, data, augmentation and seed. (The idea of storing a teacher's answers
together with the augmentation they belong to: Shen and Xing, "A Fast Knowledge
Distillation Framework for Visual Recognition", arXiv 2112.01528.)

MixUp and CutMix are refused together with it: the teacher must be asked about the
mixture that the student sees, and the mixture of two stored answers is not its answer
to the mixed clip.

What is here stores, checks and reads; ``training.stored_teacher`` asks the teacher.
"""

from .file_marks import FileMarks
from .key import CacheKey, cache_name, key_fields, make_key
from .store import Chunk, TeacherCache

__all__ = [
    "CacheKey",
    "Chunk",
    "FileMarks",
    "TeacherCache",
    "cache_name",
    "key_fields",
    "make_key",
]
