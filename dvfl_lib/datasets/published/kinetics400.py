"""Kinetics-400, as the CVD Foundation hosts it.

Public names: ``KINETICS400``.
"""

from __future__ import annotations

from .kinds import Archive, Benchmark, Part

_CVDF = "https://s3.amazonaws.com/kinetics/400"  # cvdfoundation/kinetics-dataset


def _kinetics_file(name: str) -> Archive:
    address = f"{_CVDF}/annotations/{name}"
    return Archive(name, (address,), into="annotations", packing="file")


def _kinetics_videos(split: str, note: str, optional: bool = False) -> Part:
    return Part(
        split,
        list_address=f"{_CVDF}/{split}/k400_{split}_path.txt",
        into=split,
        note=note,
        optional=optional,
    )


KINETICS400 = Benchmark(
    name="kinetics400",
    title="Kinetics-400",
    page="https://github.com/cvdfoundation/kinetics-dataset",
    classes=400,
    # No number of clips holds for every copy: some videos are gone from each. The
    # official lists have 246,534 training and 19,906 validation lines (CVDF).
    clips=None,
    counts=(),
    parts=(
        Part("train-list", (_kinetics_file("train.csv"),)),
        Part("val-list", (_kinetics_file("val.csv"),)),
        # Archives and bytes: a project on GitHub that asked for each, July 2026.
        _kinetics_videos("train", "370 GB in 242 archives"),
        _kinetics_videos("val", "30 GB in 20 archives"),
        Part(
            "replacement",
            (
                Archive(
                    "replacement_for_corrupted_k400.tgz",
                    (f"{_CVDF}/replacement_for_corrupted_k400.tgz",),
                    into="replacement",
                ),
            ),
            note="11 GB: about 1,400 training videos that are damaged in the archives",
        ),
        _kinetics_videos("test", "56 GB in 39 archives; not labelled by all", True),
    ),
)
