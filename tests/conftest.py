"""Shared fixtures: where the real clips are, and one thread per test process."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


def find_real_data() -> Path | None:
    """The folder of real clips and annotation lists, if this machine has one."""
    named = os.environ.get("DVFL_REAL_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(named) if named else beside
    return folder if (folder / "annotations").is_dir() else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real clips and official lists; skips where there are none."""
    folder = find_real_data()
    if folder is None:
        pytest.skip("no real data: set DVFL_REAL_DATA to a folder with real clips")
    return folder
