"""What is published about each data set: where it lies, how large, how many clips.

Public names: ``SOURCES``, ``source_of``, ``DataSource``, ``Part``, ``Archive``.

Every number has its source beside it. What no source gives is ``None`` or empty: then
nothing is checked against it. The tests fetch none of these files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import DatasetError


@dataclass(frozen=True)
class Archive:
    """One file to fetch. It is the same file, byte for byte, at all its addresses."""

    name: str
    addresses: tuple[str, ...]  # in the order to try them
    into: str  # the folder below the root that its content becomes
    size: int | None = None  # bytes
    sha256: str = ""  # hexadecimal
    # Something that lies in it: the folder that holds this becomes ``into``. Empty:
    # everything in the archive goes into ``into`` as it is.
    landmark: str = ""
    # "archive", "archive of archives", "flat" (videos of UCF101 without folders),
    # "joined" (many parts of one tar.gz) or "file" (kept as it is).
    packing: str = "archive"


@dataclass(frozen=True)
class Part:
    """What one may ask for by itself."""

    name: str
    choices: tuple[Archive, ...] = ()  # any one will do, in the order to try them
    # The address of a text file that names one archive in each line; all of them go
    # into ``into``.
    list_address: str = ""
    into: str = ""
    optional: bool = False  # fetched only where it is asked for by name
    note: str = ""


@dataclass(frozen=True)
class DataSource:
    """All of that for one data set."""

    name: str
    title: str
    page: str  # for people: terms, and the files by hand
    classes: int
    clips: int | None  # files of the unpacked data set
    counts: Mapping[str, tuple[int, int]]  # split -> (training clips, test clips)
    parts: tuple[Part, ...]
    divided: str  # how it is divided, in words
    container: str  # of its videos
    cited: str  # where the numbers are from, for a reader
    # Lines of the lists, where the archives hold fewer files than these.
    list_lines: tuple[int, int] | None = None
    official: bool = True  # whether it has official lists
    also: tuple[int, ...] = ()  # other numbers of clips that are met
    by_hand: str = ""  # what the reader must fetch; empty: nothing

    def count(self, split: str, subset: str) -> int | None:
        """Clips of one side of a split, or ``None`` where none is published."""
        pair = self.counts.get(split)
        return None if pair is None else pair[subset != "train"]


_UCF = "https://www.crcv.ucf.edu"

UCF50 = DataSource(
    name="ucf50",
    divided="no official list; groups",
    container="AVI",
    cited="rows of the DVFL-Net repository's lists; its own page says 6,676",
    title="UCF50",
    page=f"{_UCF}/data/UCF50.php",
    classes=50,
    # The number of rows of the DVFL-Net authors' lists; the page says 6,676.
    clips=6681,
    also=(6676,),
    official=False,
    # 80/20 cut of the DVFL-Net authors (rows of their lists). No official split.
    counts={"authors": (5360, 1321)},
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

UCF101 = DataSource(
    name="ucf101",
    divided="three pairs of lists; groups",
    container="AVI",
    cited="[arXiv 1212.0402](https://arxiv.org/abs/1212.0402); lines of its lists",
    title="UCF101",
    page=f"{_UCF}/data/UCF101.php",
    classes=101,
    clips=13320,  # arXiv 1212.0402
    # Lines of the official lists; "authors": rows of the DVFL-Net authors' lists.
    counts={
        "1": (9537, 3783),
        "2": (9586, 3734),
        "3": (9624, 3696),
        "authors": (10690, 2630),
    },
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
                    sha256="ca8dfadb4c891cb11316f94d52b6b0ac"
                    "2a11994e67a0cae227180cd160bd8e55",
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
                    sha256="dabf56f573cd19c79e096563529fec81"
                    "26a2a34e18e10c72eb621dd687532b0d",
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
                    sha256="5c0d1a53b8ed364a2ac830a73f405e51"
                    "bece7d98ce1254fd19ed4a36b224bd27",
                ),
            ),
        ),
    ),
)

_BROWN = "https://serre-lab.clps.brown.edu"
_SERRE = "https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main"
_MICHIGAN = "https://huggingface.co/datasets/MichiganNLP/hmdb/resolve/main"
_BROWN_FILES = f"{_BROWN}/wp-content/uploads/2013/10"

HMDB51 = DataSource(
    name="hmdb51",
    divided="three lists for each class",
    container="AVI",
    cited="GluonCV's guide (the paper counts 6,849); 70 and 30 clips per class",
    title="HMDB51",
    page="https://huggingface.co/datasets/Serrelab/hmdb51",
    classes=51,
    clips=6766,  # GluonCV's guide; the paper counts 6,849
    # 70 and 30 clips of each of 51 classes, in each of three splits.
    counts={split: (3570, 1530) for split in "123"},
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
                    sha256="9e714a0d8b76104d76e932764a7ca636"
                    "f929fff66279cda3f2e326fa912a328e",
                ),
                # The same clips packed anew, a zip: no rar tool is needed.
                Archive(
                    "hmdb51_org.zip",
                    (f"{_MICHIGAN}/hmdb51_org.zip",),
                    into="hmdb51_org",
                    landmark="brush_hair",
                    size=4_246_812_958,  # size and hash: the page of its files
                    sha256="2d652f386debd04ae8f83508faacb959"
                    "c03c9cbf1176fc76848b73cda4d52e57",
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
                    sha256="229c94f845720d01eb3946d39f39292e"
                    "a962d50a18136484aa47c1eba251d2b7",
                ),
                Archive(
                    "test_train_splits.zip",
                    (f"{_MICHIGAN}/test_train_splits.zip",),
                    into="testTrainMulti_7030_splits",
                    landmark="brush_hair_test_split1.txt",
                    size=222_848,  # size and hash: the page of its files
                    sha256="12df0053bd9d570817edb10d2299030f"
                    "43646969d5d42ff40200249b45ab2efa",
                ),
            ),
        ),
    ),
)

SSV2 = DataSource(
    name="ssv2",
    divided="one pair of lists; a third without labels",
    container="WebM (VP9)",
    cited="GluonCV's guide; VideoMAEv2, docs/DATASET.md. Test is the validation list",
    title="Something-Something V2",
    page="https://www.qualcomm.com/developer/software/"
    "something-something-v-2-dataset/downloads",
    classes=174,
    clips=220_847,  # GluonCV's guide
    # 168,913 and 24,777: VideoMAEv2, docs/DATASET.md. "test" is the validation list.
    counts={"1": (168_913, 24_777)},
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


KINETICS400 = DataSource(
    name="kinetics400",
    divided="one pair of lists; a third without labels in most copies",
    container="MP4",
    cited="lines of the lists at the CVD Foundation. Test is the validation list",
    list_lines=(246_534, 19_906),  # cvdfoundation/kinetics-dataset
    title="Kinetics-400",
    page="https://github.com/cvdfoundation/kinetics-dataset",
    classes=400,
    # No number of clips holds for every copy: some videos are gone from each. The
    # official lists have 246,534 training and 19,906 validation lines (CVDF).
    clips=None,
    counts={},
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


SOURCES: dict[str, DataSource] = {
    source.name: source for source in (UCF50, UCF101, HMDB51, SSV2, KINETICS400)
}


def source_of(name: str) -> DataSource:
    """What is published about a data set.

    Raises:
        DatasetError: an unknown name.
    """
    found = SOURCES.get(name.lower())
    if found is None:
        raise DatasetError(
            f"nothing is known here about {name!r}. Known: {', '.join(SOURCES)}"
        )
    return found
