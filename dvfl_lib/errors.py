"""One exception class per kind of trouble, raised where the user's input enters.

Public names: ``DVFLError`` and its children. Each message says which file or
parameter, what is wrong with it, and what to do. ``DVFLError`` is also a
``ValueError``, so that code which knows nothing of this library can catch it.
"""


class DVFLError(ValueError):
    """Something the user can mend; the message says how."""


class ModelError(DVFLError):
    """An unknown model name, an impossible size, or a clip of the wrong shape."""


class CheckpointError(DVFLError):
    """A weights file that is unsafe, damaged, or of another model."""


class VideoError(DVFLError):
    """A video that cannot be opened, or that holds no frame."""


class DatasetError(DVFLError):
    """A data set that is missing, half unpacked, or contradicts its own lists."""


class RecipeError(DVFLError):
    """An unknown profile or parameter, or a value out of its range."""


class RunDirectoryError(DVFLError):
    """A run directory that cannot be written, or belongs to another recipe."""


class LessonError(DVFLError):
    """A lesson that is damaged, or lacks an asset that it needs."""
