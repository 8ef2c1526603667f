"""Reading and writing weights, without ever running what a file holds.

Public names: ``load_checkpoint``, ``load_image_weights``, ``LoadReport``,
``save_checkpoint``, ``read_metadata``, ``load_model``.

* ``reading.py``     a file -> named tensors, or a clear refusal
* ``matching.py``    named tensors against a network: what fits, whose they are
* ``filling.py``     the authors' checkpoints and image weights into a network
* ``image_weights.py``  where Microsoft's image weights are, and a copy on disk
* ``checkpoint.py``  our own safetensors files, written and read
"""

from .checkpoint import load_model, read_metadata, save_checkpoint
from .filling import load_checkpoint, load_image_weights
from .image_weights import IMAGE_WEIGHTS, fetch_image_weights
from .matching import LoadReport

__all__ = [
    "load_checkpoint",
    "load_image_weights",
    "LoadReport",
    "save_checkpoint",
    "read_metadata",
    "load_model",
    "fetch_image_weights",
    "IMAGE_WEIGHTS",
]
