"""One short video, which stands for all that a loader finds."""

from pathlib import Path

import pytest

from helpers import moving_frames, write_video


@pytest.fixture(scope="session")
def one_video(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("v") / "a.avi", moving_frames(12))
