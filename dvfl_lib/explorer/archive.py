"""Arrays out of a NumPy archive (.npz) that may be damaged, or made to do harm.

Public names: ``read_arrays``.

``numpy.load`` believes what a file says of its sizes, and takes the memory for it
before it reads. Here sizes are compared with a bound first, and nothing is executed:
an array of Python objects is refused.
"""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from ..errors import DVFLError

GIB = 2**30


def read_arrays(path: Path, memory: float) -> dict[str, np.ndarray]:
    """All arrays of an archive, by name.

    Args:
        path: of the file.
        memory: GiB that they may take together.

    Raises:
        DVFLError: there is no such file, it cannot be read, or it would take more.
        Exception: of many kinds, if the file is damaged; the caller says so.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise DVFLError(f"there is no file {path}") from None
    except OSError as trouble:
        raise DVFLError(f"{path} cannot be read: {trouble.strerror}") from None
    with file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        stated = sum(member.file_size for member in members)
        if stated > memory * GIB:
            raise DVFLError(
                f"{path} unpacks to {stated / GIB:.2f} GiB, more than memory={memory:g}"
                "; give more memory if you trust the file"
            )
        arrays = {}
        for member in members:
            # Other kinds of compression unpack as much as they like at once.
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("an unusual compression")
            # No more than ``file_size`` bytes are unpacked, whatever is packed.
            arrays[member.filename.removesuffix(".npy")] = _array(archive.read(member))
        return arrays


def _array(content: bytes) -> np.ndarray:
    """An array from the bytes of an .npy file."""
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an unusual version of .npy")
    shape, columns_first, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject or dtype.itemsize == 0:
        raise ValueError("Python objects, or nothing")
    at = file.tell()
    if math.prod(shape) * dtype.itemsize != len(content) - at:
        raise ValueError("another size than stated")
    values = np.frombuffer(content, dtype, offset=at)
    return np.array(values.reshape(shape, order="F" if columns_first else "C"))
