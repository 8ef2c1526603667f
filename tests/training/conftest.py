"""A small stand-in, written once for all tests of this folder."""

from pathlib import Path

import pytest

from small_standins import write_small


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """In UCF101's layout: one short clip of 64 x 48 pixels per group and class."""
    return write_small("ucf101", tmp_path_factory.mktemp("training") / "data")
