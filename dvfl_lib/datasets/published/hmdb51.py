"""HMDB51, of the Serre Lab at Brown University.

Public names: ``HMDB51``.
"""

from __future__ import annotations

from .kinds import Archive, Benchmark, Part, counts, sha256

_BROWN = "https://serre-lab.clps.brown.edu"
_SERRE = "https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main"
_MICHIGAN = "https://huggingface.co/datasets/MichiganNLP/hmdb/resolve/main"
_BROWN_FILES = f"{_BROWN}/wp-content/uploads/2013/10"

HMDB51 = Benchmark(
    name="hmdb51",
    title="HMDB51",
    page="https://huggingface.co/datasets/Serrelab/hmdb51",
    classes=51,
    clips=6766,  # GluonCV's guide; the paper counts 6,849
    # 70 and 30 clips of each of 51 classes, in each of three splits.
    counts=counts({split: (3570, 1530) for split in "123"}),
    parts=(
        # The laboratory moved its files to the first address; the second, which was
        # theirs, was reported dead in July 2026.
        Part(
            "videos",
            (
                Archive(
                    "hmdb51_org.rar",
                    (f"{_SERRE}/hmdb51_org.rar", f"{_BROWN_FILES}/hmdb51_org.rar"),
                    into="hmdb51_org",
                    landmark="brush_hair",
                    packing="archive of archives",
                    # torchvision, prototype/datasets/_builtin/hmdb51.py
                    digest=sha256(
                        "9e714a0d8b76104d76e932764a7ca636"
                        "f929fff66279cda3f2e326fa912a328e"
                    ),
                ),
                # The same clips packed anew, a zip: no rar tool is needed.
                Archive(
                    "hmdb51_org.zip",
                    (f"{_MICHIGAN}/hmdb51_org.zip",),
                    into="hmdb51_org",
                    landmark="brush_hair",
                    size=4_246_812_958,  # size and hash: the page of its files
                    digest=sha256(
                        "2d652f386debd04ae8f83508faacb959"
                        "c03c9cbf1176fc76848b73cda4d52e57"
                    ),
                ),
            ),
        ),
        Part(
            "lists",
            (
                Archive(
                    "test_train_splits.rar",
                    (
                        f"{_SERRE}/test_train_splits.rar",
                        f"{_BROWN_FILES}/test_train_splits.rar",
                        "https://web.archive.org/web/20211104084122/"
                        f"{_BROWN_FILES}/test_train_splits.rar",
                    ),
                    into="testTrainMulti_7030_splits",
                    landmark="brush_hair_test_split1.txt",
                    # torchvision, prototype/datasets/_builtin/hmdb51.py
                    digest=sha256(
                        "229c94f845720d01eb3946d39f39292e"
                        "a962d50a18136484aa47c1eba251d2b7"
                    ),
                ),
                Archive(
                    "test_train_splits.zip",
                    (f"{_MICHIGAN}/test_train_splits.zip",),
                    into="testTrainMulti_7030_splits",
                    landmark="brush_hair_test_split1.txt",
                    size=222_848,  # size and hash: the page of its files
                    digest=sha256(
                        "12df0053bd9d570817edb10d2299030f"
                        "43646969d5d42ff40200249b45ab2efa"
                    ),
                ),
            ),
        ),
    ),
)
