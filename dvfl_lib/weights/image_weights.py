"""Microsoft's FocalNet image weights: where they are, and a copy on disk.

Public names: ``IMAGE_WEIGHTS``, ``fetch_image_weights``.

Source of the addresses: README of github.com/microsoft/FocalNet, release v1.0.0.
No checksum is published; the file is read without executing anything in it, and
``load_image_weights`` checks every tensor's name and shape.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.error import URLError

import torch

from ..errors import CheckpointError

_RELEASE = "https://github.com/microsoft/FocalNet/releases/download/v1.0.0"
IMAGE_WEIGHTS: dict[str, str] = {
    f"focalnet_{size}_srf": f"{_RELEASE}/focalnet_{size}_srf.pth"
    for size in ("tiny", "small", "base")
}


def fetch_image_weights(
    name: str, folder: str | os.PathLike[str], progress: bool = True
) -> Path:
    """The file of that name, downloaded into ``folder`` if it is not there.

    ``name`` may also be the path of a file, which is returned as it is.

    Raises:
        CheckpointError: an unknown name, a missing file, or no connection; the
            message says where to get the file and where to put it.
    """
    if name not in IMAGE_WEIGHTS:
        path = Path(name).expanduser()
        if path.is_file():
            return path
        raise CheckpointError(
            f"{name!r} is neither a file nor the name of image weights; known names: "
            f"{', '.join(IMAGE_WEIGHTS)}"
        )
    path, url = Path(folder) / f"{name}.pth", IMAGE_WEIGHTS[name]
    if path.is_file() and path.stat().st_size:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Writes to a temporary file and renames it when the transfer is complete.
        torch.hub.download_url_to_file(url, str(path), progress=progress)
    except (URLError, OSError) as error:
        raise CheckpointError(
            f"{name}: could not be downloaded from {url} ({error}). Fetch it by hand "
            f"and put it at {path}; or begin from random weights with the override "
            "'student.image_weights': '' (for the teacher 'teacher.image_weights')."
        ) from error
    return path
