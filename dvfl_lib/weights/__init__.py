"""Reading and writing weights, without ever running what a file holds.

Public names: ``read_weights``, ``WeightsFile`` (reading.py: a file -> named tensors,
or a refusal); ``load_checkpoint``, ``load_image_weights``, ``LoadReport``,
``fetch_image_weights``, ``IMAGE_WEIGHTS`` (loading.py: into a network);
``save_checkpoint``, ``read_metadata``, ``load_model``, ``PretrainedVFLNet``
(checkpoint.py: our own files).
"""

from .checkpoint import (
    PretrainedVFLNet,
    load_model,
    read_metadata,
    save_checkpoint,
)
from .loading import (
    IMAGE_WEIGHTS,
    LoadReport,
    fetch_image_weights,
    load_checkpoint,
    load_image_weights,
)
from .reading import WeightsFile, read_weights
