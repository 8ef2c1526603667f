"""What lessons show of the data sets agrees with what is published and on disk."""

import re

from dvfl_lib.datasets import list_datasets
from dvfl_lib.datasets.sources import SOURCES
from dvfl_lib.lessons import (
    benchmarks_markdown,
    environment_report,
    project_root,
    shown_path,
)


def rows() -> dict[str, list[str]]:
    """The cells of each data set's row."""
    lines = benchmarks_markdown().strip().splitlines()[2:]
    cells = [[c.strip() for c in line.strip("| ").split(" | ")] for line in lines]
    return dict(zip(SOURCES, cells, strict=True))


def test_every_benchmark_has_a_row_with_its_published_numbers():
    table = rows()
    assert set(table) == set(list_datasets()) - {"folder"}
    for name, cells in table.items():
        known = SOURCES[name]
        assert len(cells) == 7 and all(cells)
        assert cells[0] == f"[{known.title}]({known.page})"
        assert cells[1] == str(known.classes)
        if known.clips:
            assert cells[2] == f"{known.clips:,}"
        for split, (train, test) in known.counts.items():
            assert (f"{train:,} / {test:,}" in cells[4]) == (split != "authors")


def test_what_no_source_gives_is_not_invented():
    table = rows()
    assert table["ucf50"][4] == "no official split"
    assert table["kinetics400"][2] == "differs from copy to copy"
    assert table["kinetics400"][4] == "246,534 / 19,906"  # lines of its lists
    assert table["hmdb51"][4] == "3,570 / 1,530 in each"


def test_paths_are_shown_as_a_reader_would_type_them(tmp_path):
    assert shown_path(project_root() / "runs" / "x") == "runs/x"
    assert shown_path(tmp_path) == str(tmp_path)
    assert re.search(r"^torch +\d", environment_report(), re.M)
