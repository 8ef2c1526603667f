"""Something-Something V2, of Qualcomm.

Public names: ``SSV2``.
"""

from __future__ import annotations

from .kinds import Archive, Benchmark, Part, counts

SSV2 = Benchmark(
    name="ssv2",
    title="Something-Something V2",
    page="https://www.qualcomm.com/developer/software/"
    "something-something-v-2-dataset/downloads",
    classes=174,
    clips=220_847,  # GluonCV's guide
    # 168,913 and 24,777: VideoMAEv2, docs/DATASET.md. "test" is the validation list.
    counts=counts({"1": (168_913, 24_777)}),
    parts=(
        # No hash: the parts were cut anew, under the same names, when the data set
        # moved. The checksum inside the joined tar.gz tells whether they are whole.
        Part(
            "videos",
            (
                Archive(
                    "20bn-something-something-v2-??",
                    (),
                    into="20bn-something-something-v2",
                    landmark="1.webm",  # clips are numbered 1 to 220,847
                    packing="joined",
                ),
            ),
        ),
        Part(
            "lists",
            (
                Archive(
                    "20bn-something-something-download-package-labels.zip",
                    (),
                    into="labels",
                    landmark="labels.json",
                ),
            ),
        ),
    ),
    by_hand=(
        "Something-Something V2 is given out by Qualcomm to people who accept its "
        "licence on its page. Log in there and fetch the package of labels "
        "(20bn-something-something-download-package-labels.zip) and all parts of the "
        "videos (20bn-something-something-v2-00, -01, ...; 19.4 GB in all, as they "
        "are or each in a zip)"
    ),
)
