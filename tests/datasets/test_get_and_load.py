"""What ``get`` unpacks is what the loaders read, for each benchmark in its packing.

The archives are made here from stand-ins, packed as the published ones are. So the
names of folders, the landmarks and the kinds of packing in ``sources`` are held
against the loaders.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from archives import FakeUnrar, content_of, tar_bytes, zip_bytes
from bad_server import BadServer, get
from dvfl_lib.datasets.check import check_dataset
from dvfl_lib.datasets.sources import SOURCES, Archive, DataSource
from small_standins import write_small

pytestmark = pytest.mark.nightly


def raring(program: FakeUnrar, folder: Path, name: str, members: dict) -> bytes:
    """A rar that the test's own program reads."""
    content = program.archive(folder / name, members)
    (folder / name).unlink()
    return content


def served_here(known: DataSource, server: BadServer, content: dict) -> DataSource:
    """The published benchmark with its archives on the test's server."""

    def archive(one: Archive) -> Archive:
        return replace(one, addresses=(server.path(one.name),), size=None, sha256="")

    parts = []
    for part in known.parts:
        choices = tuple(archive(c) for c in part.choices if c.name in content)
        address = server.path(f"{part.name}/list.txt") if part.list_address else ""
        if choices or f"{part.name}/list.txt" in content:
            parts.append(replace(part, choices=choices, list_address=address))
    server.files = content
    return replace(known, parts=tuple(parts))


def assert_loads(name: str, root: Path, standin: Path) -> None:
    """The folders are those of the stand-in, file by file; and the loader is content.

    The mark is copied: the loaders take a stand-in's classes only where it is.
    """
    here = {k: v for k, v in content_of(root).items() if not k.startswith("archives/")}
    there = content_of(standin)
    mark = there.pop("STANDIN.json")
    assert here == there
    (root / "STANDIN.json").write_bytes(mark)
    report = check_dataset(name, root, quick=True, progress=False)
    assert report.good, report.text()


def test_ucf101_from_its_zips(server, tmp_path):
    """The videos from the copy that has them all in one folder."""
    standin = write_small("ucf101", tmp_path / "standin")
    flat = {f"UCF101/{p.name}": p.read_bytes() for p in standin.rglob("*.avi")}
    lists = content_of(standin / "ucfTrainTestlist")
    content = {
        "UCF101_videos.zip": zip_bytes(flat),
        "UCF101TrainTestSplits-RecognitionTask.zip": zip_bytes(
            {f"ucfTrainTestlist/{name}": text for name, text in lists.items()}
        ),
    }
    known = served_here(SOURCES["ucf101"], server, content)
    root = tmp_path / "to"
    get(known, root)
    assert_loads("ucf101", root, standin)


@pytest.mark.parametrize(
    ("name", "archive", "folder", "landmark"),
    [
        ("ucf101", "UCF101.rar", "UCF-101", "ApplyEyeMakeup"),
        ("ucf50", "UCF50.rar", "UCF50", "BaseballPitch"),
    ],
)
def test_the_rars_of_ucf(server, tmp_path, unrar, name, archive, folder, landmark):
    """A real class stands beside those of the stand-in, to be found by."""
    standin = write_small(name, tmp_path / "standin")
    members = {f"{folder}/{n}": c for n, c in content_of(standin / folder).items()}
    members[f"{folder}/{landmark}/x"] = b""
    content = {archive: raring(unrar, tmp_path, archive, members)}
    known = served_here(SOURCES[name], server, content)
    root = tmp_path / "to"
    get(known, root)
    shutil.rmtree(root / folder / landmark)
    if name == "ucf101":
        shutil.copytree(standin / "ucfTrainTestlist", root / "ucfTrainTestlist")
    assert_loads(name, root, standin)


def test_hmdb51_from_its_rar_of_rars(server, tmp_path, unrar):
    standin = write_small("hmdb51", tmp_path / "standin")
    videos, lists = standin / "hmdb51_org", standin / "testTrainMulti_7030_splits"
    (videos / "brush_hair").mkdir()
    (videos / "brush_hair" / "x").write_bytes(b"")
    (lists / "brush_hair_test_split1.txt").write_bytes(b"")
    inner = {
        f"{folder.name}.rar": raring(
            unrar,
            tmp_path,
            f"{folder.name}.rar",
            {f"{folder.name}/{n}": c for n, c in content_of(folder).items()},
        )
        for folder in videos.iterdir()
    }
    splits = {f"{lists.name}/{n}": c for n, c in content_of(lists).items()}
    content = {
        n: raring(unrar, tmp_path, n, members)
        for n, members in (
            ("hmdb51_org.rar", inner),
            ("test_train_splits.rar", splits),
        )
    }
    root = tmp_path / "to"
    get(served_here(SOURCES["hmdb51"], server, content), root)
    for place in (root, standin):
        shutil.rmtree(place / "hmdb51_org" / "brush_hair")
        (place / lists.name / "brush_hair_test_split1.txt").unlink()
    assert_loads("hmdb51", root, standin)


def test_ssv2_from_parts_that_lie_there(tmp_path):
    standin = write_small("ssv2", tmp_path / "standin")
    videos = standin / "20bn-something-something-v2"
    packed = {f"{videos.name}/{n}": c for n, c in content_of(videos).items()}
    whole = tar_bytes(packed)
    archives = tmp_path / "to" / "archives"
    archives.mkdir(parents=True)
    for number in range(3):
        size = -(-len(whole) // 3)
        piece = whole[number * size : (number + 1) * size]
        (archives / f"{videos.name}-{number:02d}").write_bytes(piece)
    lists = {f"labels/{p.name}": p.read_bytes() for p in standin.glob("*.json")}
    lists.pop("labels/STANDIN.json")
    package = SOURCES["ssv2"].parts[1].choices[0].name
    (archives / package).write_bytes(zip_bytes(lists))
    root = tmp_path / "to"
    get(SOURCES["ssv2"], root)
    for path in (root / "labels").iterdir():  # where the stand-in has them
        path.rename(root / path.name)
    (root / "labels").rmdir()
    assert_loads("ssv2", root, standin)


def test_kinetics400_from_its_lists_of_archives(server, tmp_path):
    standin = write_small("kinetics400", tmp_path / "standin")
    content = content_of(standin / "annotations")
    for side in ("train", "val"):
        clips = list(content_of(standin / side).items())
        pieces = (dict(clips[::2]), dict(clips[1::2]))
        for number, members in enumerate(pieces):
            packed = tar_bytes({f"./{n}": c for n, c in members.items()})
            content[f"{side}/part_{number}.tar.gz"] = packed
        lines = [server.path(f"{side}/part_{number}.tar.gz") for number in (0, 1)]
        content[f"{side}/list.txt"] = "\n".join(lines).encode()
    known = served_here(SOURCES["kinetics400"], server, content)
    assert [part.name for part in known.parts] == [
        "train-list",
        "val-list",
        "train",
        "val",
    ]
    root = tmp_path / "to"
    get(known, root)
    assert_loads("kinetics400", root, standin)


def test_a_part_is_what_the_loader_looks_for():
    """Folders that ``get`` fills and names that the loaders know are the same."""
    into = {
        name: sorted({part.into for part in known.parts})
        for name, known in SOURCES.items()
    }
    assert into == {
        "ucf50": ["UCF50"],
        "ucf101": ["UCF-101", "ucfTrainTestlist"],
        "hmdb51": ["hmdb51_org", "testTrainMulti_7030_splits"],
        "ssv2": ["20bn-something-something-v2", "labels"],
        "kinetics400": ["annotations", "replacement", "test", "train", "val"],
    }
