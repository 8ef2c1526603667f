"""UCF50 and UCF101, of UCF's Center for Research in Computer Vision.

Public names: ``UCF50``, ``UCF101``.
"""

from __future__ import annotations

from .kinds import Archive, Benchmark, Part, counts, sha256

_UCF = "https://www.crcv.ucf.edu"

UCF50 = Benchmark(
    name="ucf50",
    title="UCF50",
    page=f"{_UCF}/data/UCF50.php",
    classes=50,
    # The number of rows of the DVFL-Net authors' lists; the page says 6,676.
    clips=6681,
    also=(6676,),
    official=False,
    # 80/20 cut of the DVFL-Net authors (rows of their lists). No official split.
    counts=counts({"authors": (5360, 1321)}),
    parts=(
        Part(
            "videos",
            (
                Archive(
                    "UCF50.rar",
                    (f"{_UCF}/data/UCF50.rar",),
                    into="UCF50",
                    landmark="BaseballPitch",
                    # From one download script on GitHub; no second source, no hash.
                    size=3_233_554_570,
                ),
            ),
        ),
    ),
)

UCF101 = Benchmark(
    name="ucf101",
    title="UCF101",
    page=f"{_UCF}/data/UCF101.php",
    classes=101,
    clips=13320,  # arXiv 1212.0402
    # Lines of the official lists; "authors": rows of the DVFL-Net authors' lists.
    counts=counts(
        {
            "1": (9537, 3783),
            "2": (9586, 3734),
            "3": (9624, 3696),
            "authors": (10690, 2630),
        }
    ),
    parts=(
        Part(
            "videos",
            (
                Archive(
                    "UCF101.rar",
                    # The second: mmaction2, tools/data/ucf101/download_videos.sh
                    (
                        f"{_UCF}/data/UCF101/UCF101.rar",
                        f"{_UCF}/datasets/human-actions/ucf101/UCF101.rar",
                    ),
                    into="UCF-101",
                    landmark="ApplyEyeMakeup",
                    # The Content-Length that three projects on GitHub report.
                    size=6_932_971_618,
                    # torchvision, prototype/datasets/_builtin/ucf101.py
                    digest=sha256(
                        "ca8dfadb4c891cb11316f94d52b6b0ac"
                        "2a11994e67a0cae227180cd160bd8e55"
                    ),
                ),
                # A copy of the THUMOS challenge, a zip: no rar tool is needed. All
                # files lie in one folder, and HandStandPushups is spelled like the
                # class. Address, size, hash: tensorflow/datasets,
                # url_checksums/ucf101.txt; layout: its ucf101 builder.
                Archive(
                    "UCF101_videos.zip",
                    (
                        "https://storage.googleapis.com/thumos14_files/"
                        "UCF101_videos.zip",
                    ),
                    into="UCF-101",
                    packing="flat",
                    size=6_960_400_115,
                    digest=sha256(
                        "dabf56f573cd19c79e096563529fec81"
                        "26a2a34e18e10c72eb621dd687532b0d"
                    ),
                ),
            ),
        ),
        Part(
            "lists",
            (
                Archive(
                    "UCF101TrainTestSplits-RecognitionTask.zip",
                    # The second: mmaction2, tools/data/ucf101/download_annotations.sh
                    (
                        f"{_UCF}/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
                        f"{_UCF}/wp-content/uploads/2019/03/"
                        "UCF101TrainTestSplits-RecognitionTask.zip",
                    ),
                    into="ucfTrainTestlist",
                    landmark="classInd.txt",
                    # Both: tensorflow/datasets, url_checksums/ucf101.txt
                    size=113_943,
                    digest=sha256(
                        "5c0d1a53b8ed364a2ac830a73f405e51"
                        "bece7d98ce1254fd19ed4a36b224bd27"
                    ),
                ),
            ),
        ),
    ),
)
