"""Shared fixtures: where the real clips are, and one thread per test process."""

import os
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from dvfl_lib.standins import StandinSize
from printed import Printed
from small_standins import write_first

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first, so that no worker is left alone with one."""

    def haste(item: pytest.Item) -> int:
        if "end_to_end" in item.path.parts:
            return 0
        return 1 if item.path.suffix == ".ipynb" else 2

    items.sort(key=haste)
    for item in items:
        if item.path.suffix == ".ipynb":
            as_it_is = item.sanitize  # nbval's, called on both texts it compares
            item.sanitize = lambda text, as_it_is=as_it_is: Printed(as_it_is(text))


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


@pytest.fixture(scope="session")
def small_standins(tmp_path_factory) -> dict[str, str]:
    """The same drawings, of seed 1, in the form of two benchmarks; few and short.

    Of each test list, the first clip of a class is drawn; the others stand for clips
    that nobody reads (``few_videos``).
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # one drawing for all workers of a session
    root /= "small_standins"
    size = StandinSize(groups=22, clips_per_group=1, min_frames=8, max_frames=9)
    with FileLock(f"{root}.lock"):
        for name in ("ucf101", "hmdb51"):  # what is whole is not drawn again
            write_first(name, root / name, 1, size)
    return {name: str(root / name) for name in ("ucf101", "hmdb51")}


@pytest.fixture
def server():
    """A web server on this machine: ``bad_server.BadServer``."""
    from bad_server import serve

    with serve() as told:
        yield told


@pytest.fixture
def unrar(tmp_path, monkeypatch):
    """The one program for rar, made up: ``archives.FakeUnrar``."""
    from archives import FakeUnrar

    if os.name == "nt":
        pytest.skip("it is a script with a first line that names its program")
    program = FakeUnrar(tmp_path / "programs")
    monkeypatch.setenv("PATH", str(program.folder))
    return program


@pytest.fixture
def clips(tmp_path):
    """Two views of 24 clips that have files: ``stored_views.Clips``."""
    from stored_views import Clips

    return Clips(tmp_path / "videos")


@pytest.fixture
def cache(tmp_path, clips) -> Path:
    """The folder of a teacher cache that is filled with the opinions of ``clips``."""
    from stored_views import opened

    opened(tmp_path / "cache", clips)
    return tmp_path / "cache"
