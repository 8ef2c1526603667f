"""From a server to a folder that the loader reads, in one call that can be repeated."""

import hashlib
import json
from pathlib import Path

import pytest
from filelock import FileLock

from archives import tar_bytes, zip_bytes
from bad_server import BadServer, serve
from dvfl_lib.benchmarks import getting
from dvfl_lib.benchmarks.downloading import Patience
from dvfl_lib.benchmarks.getting import get_dataset
from dvfl_lib.benchmarks.published import PUBLISHED, Archive, Benchmark, Digest, Part
from dvfl_lib.errors import DatasetError

QUICK = Patience(stall=0.5, attempts=2, pause=0.01)


VIDEOS = zip_bytes({"in/Run/a.avi": b"run", "in/Walk/b.avi": b"walk"})
LISTS = zip_bytes({"l/classInd.txt": b"1 Run\n"})


@pytest.fixture
def server():
    with serve(b"") as told:
        told.files = {"videos.zip": VIDEOS, "lists.zip": LISTS}
        yield told


def archive(server: BadServer, name: str, into: str, landmark: str, **more) -> Archive:
    return Archive(name, (server.path(name),), into, landmark=landmark, **more)


def small(server: BadServer, *parts: Part) -> Benchmark:
    """A benchmark of two archives on the test's own server."""
    if not parts:
        digest = Digest("sha256", hashlib.sha256(VIDEOS).hexdigest())
        videos = archive(server, "videos.zip", "V", "Run", digest=digest)
        lists = archive(server, "lists.zip", "L", "classInd.txt", size=len(LISTS))
        parts = (Part("videos", (videos,)), Part("lists", (lists,)))
    return Benchmark("small", "Small", "https://example.org", 2, 2, (), parts)


def get(known: Benchmark, root: Path, **options) -> list[str]:
    """What was said."""
    said: list[str] = []
    get_dataset(
        "small",
        root,
        known=known,
        progress=False,
        patience=QUICK,
        say=said.append,
        **options,
    )
    return said


def data_in(root: Path) -> dict[str, bytes]:
    """The files of the data set, without the archives."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] != "archives"
    }


WHOLE = {"V/Run/a.avi": b"run", "V/Walk/b.avi": b"walk", "L/classInd.txt": b"1 Run\n"}


def test_everything_is_fetched_and_unpacked_once(server, tmp_path):
    root = tmp_path / "data"
    get(small(server), root)
    assert data_in(root) == WHOLE
    assert len(server.asked) == 2
    said = get(small(server), root)
    assert len(server.asked) == 2
    assert said == [
        "videos: videos.zip is unpacked already",
        "lists: lists.zip is unpacked already",
    ]


def test_one_part_may_be_asked_for(server, tmp_path):
    get(small(server), tmp_path, only=["lists"])
    assert set(data_in(tmp_path)) == {"L/classInd.txt"}
    with pytest.raises(DatasetError, match="its parts are videos, lists"):
        get(small(server), tmp_path, only=["vidoes"])


def test_a_call_that_ended_between_two_archives_is_gone_on_with(server, tmp_path):
    kept = server.files.pop("lists.zip")
    with pytest.raises(DatasetError, match=r"lists.zip could not be fetched.*404"):
        get(small(server), tmp_path)
    server.files["lists.zip"] = kept
    get(small(server), tmp_path)
    assert data_in(tmp_path) == WHOLE
    asked = [one["path"] for one in server.asked]
    assert asked == ["/videos.zip", "/lists.zip", "/lists.zip"]


@pytest.mark.parametrize("place", ["", "archives"])
def test_an_archive_fetched_by_hand_is_checked_and_used(server, tmp_path, place):
    (tmp_path / "archives").mkdir()
    (tmp_path / place / "videos.zip").write_bytes(VIDEOS)
    get(small(server), tmp_path)
    assert data_in(tmp_path).items() >= WHOLE.items()
    assert [one["path"] for one in server.asked] == ["/lists.zip"]


def test_half_an_archive_fetched_by_hand_is_not_used(server, tmp_path):
    (tmp_path / "videos.zip").write_bytes(VIDEOS[:-5])
    with pytest.raises(DatasetError, match="has the sha256.*cut short"):
        get(small(server), tmp_path)
    assert set(data_in(tmp_path)) == {"videos.zip"}


def test_what_was_unpacked_by_hand_is_left_alone(server, tmp_path):
    (tmp_path / "V").mkdir()
    said = get(small(server), tmp_path)
    assert "V is there already, and left as it is" in said[0]
    assert [one["path"] for one in server.asked] == ["/lists.zip"]


def test_archives_may_be_discarded_and_are_not_fetched_again(server, tmp_path):
    get(small(server), tmp_path, discard=True)
    assert not list((tmp_path / "archives").glob("*.zip"))
    get(small(server), tmp_path, discard=True)
    assert len(server.asked) == 2
    for path in (tmp_path / "V").rglob("*.avi"):
        path.unlink()
    (tmp_path / "V" / "Run").rmdir()
    (tmp_path / "V" / "Walk").rmdir()
    (tmp_path / "V").rmdir()
    get(small(server), tmp_path)
    assert data_in(tmp_path) == WHOLE, "a folder that is gone is filled again"


# --- several archives of one part -----------------------------------------------


def two_choices(server: BadServer) -> Benchmark:
    rar = archive(server, "videos.rar", "V", "Run")
    return small(
        server, Part("videos", (rar, archive(server, "videos.zip", "V", "Run")))
    )


def test_the_other_archive_is_taken_where_one_cannot_be_had(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(getting, "find_rar_tools", lambda: iter(["a tool"]))
    said = get(two_choices(server), tmp_path)
    assert "videos.rar could not be fetched" in said[0]
    assert set(data_in(tmp_path)) == {"V/Run/a.avi", "V/Walk/b.avi"}


def test_without_a_program_for_rar_no_rar_is_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setattr(getting, "find_rar_tools", lambda: iter(()))
    get(two_choices(server), tmp_path)
    assert [one["path"] for one in server.asked] == ["/videos.zip"]
    with pytest.raises(DatasetError, match="no program here to unpack it.*apt install"):
        get(two_choices(server), tmp_path / "b", prefer="videos.rar")
    assert len(server.asked) == 1


def test_the_archive_may_be_chosen(server, tmp_path, monkeypatch):
    server.files["videos.rar"] = b"Rar!x"
    monkeypatch.setattr(getting, "find_rar_tools", lambda: iter(["a tool"]))
    monkeypatch.setattr("dvfl_lib.benchmarks.unpacking.find_rar_tools", lambda: ())
    with pytest.raises(DatasetError, match=r"holds the same: --from videos\.zip"):
        get(two_choices(server), tmp_path)
    get(two_choices(server), tmp_path, prefer="videos.zip")
    assert set(data_in(tmp_path)) == {"V/Run/a.avi", "V/Walk/b.avi"}
    with pytest.raises(DatasetError, match="no archive 'v.zip'.*videos.rar"):
        get(two_choices(server), tmp_path, prefer="v.zip")


# --- by hand -------------------------------------------------------------------


def test_what_must_be_fetched_by_hand_is_told_and_then_unpacked(tmp_path):
    """As for Something-Something V2, whose parts are joined."""
    ssv2 = PUBLISHED["ssv2"]
    with pytest.raises(DatasetError, match="must be fetched by hand") as no:
        get(ssv2, tmp_path)
    for told in ("-v2-??", "labels.zip", "licence", ssv2.page, str(tmp_path)):
        assert told in str(no.value)
    archives = tmp_path / "archives"
    labels = {"labels/labels.json": b"{}", "labels/train.json": b"[]"}
    name = ssv2.parts[1].choices[0].name
    (archives / name).write_bytes(zip_bytes(labels))
    with pytest.raises(DatasetError) as no:
        get(ssv2, tmp_path)
    assert name not in str(no.value).partition("must be")[0]
    assert set(data_in(tmp_path)) == {"labels/labels.json", "labels/train.json"}
    whole = tar_bytes({"20bn-something-something-v2/1.webm": b"video"}, mode="w:gz")
    for number, piece in enumerate((whole[:50], whole[50:])):
        (archives / f"20bn-something-something-v2-{number:02d}").write_bytes(piece)
    get(ssv2, tmp_path)
    assert data_in(tmp_path)["20bn-something-something-v2/1.webm"] == b"video"


# --- lists of archives -----------------------------------------------------------


@pytest.fixture
def kinetics(server) -> Benchmark:
    """Two archives of each side, named in a text file."""
    for side in ("train", "val"):
        for n in (0, 1):
            members = {f"./{side}{n}.mp4": side.encode()}
            server.files[f"{side}/part_{n}.tar.gz"] = tar_bytes(members, mode="w:gz")
        lines = [server.path(f"{side}/part_{n}.tar.gz") for n in (0, 1)]
        server.files[f"{side}/list.txt"] = "\n".join(lines).encode()
    server.files["train.csv"] = b"label,youtube_id\n"
    return small(
        server,
        Part(
            "list",
            (Archive("train.csv", (server.path("train.csv"),), "ann", packing="file"),),
        ),
        Part("train", list_address=server.path("train/list.txt"), into="train"),
        Part(
            "val",
            list_address=server.path("val/list.txt"),
            into="val",
            optional=True,
        ),
    )


def test_all_archives_of_a_list_go_into_one_folder(server, kinetics, tmp_path):
    get(kinetics, tmp_path)
    assert set(data_in(tmp_path)) == {
        "ann/train.csv",
        "train/train0.mp4",
        "train/train1.mp4",
    }
    get(kinetics, tmp_path, only=["val"])
    assert {"val/val0.mp4", "val/val1.mp4"} < set(data_in(tmp_path))
    record = json.loads((tmp_path / "archives" / "unpacked.json").read_text())
    assert set(record) >= {"train/part_0.tar.gz", "val/part_0.tar.gz"}


def test_a_list_is_gone_on_with(server, kinetics, tmp_path):
    kept = server.files.pop("train/part_1.tar.gz")
    with pytest.raises(DatasetError, match="part_1.tar.gz could not be fetched"):
        get(kinetics, tmp_path, discard=True)
    server.files["train/part_1.tar.gz"] = kept
    get(kinetics, tmp_path, discard=True)
    asked = [one["path"] for one in server.asked]
    assert asked.count("/train/part_0.tar.gz") == 1
    assert "train/train1.mp4" in data_in(tmp_path)


def test_a_side_that_was_unpacked_by_hand_is_left_alone(server, kinetics, tmp_path):
    (tmp_path / "train").mkdir()
    said = get(kinetics, tmp_path, only=["train"])
    assert "left as it is" in said[0] and not server.asked


@pytest.mark.parametrize(
    "line",
    [
        "http://127.0.0.1:1/part_0.tar.gz",
        "https://example.org/part_0.tar.gz",
        "file:///etc/hostname",
        "HERE/train/",
        "HERE/train/..",
        "HERE/train/.hidden",
        "HERE/a/part_9.tar.gz HERE/b/part_9.tar.gz",
        "",
    ],
)
def test_a_list_may_not_lead_elsewhere(server, kinetics, tmp_path, line):
    text = line.replace("HERE", server.address)
    server.files["train/list.txt"] = text.encode()
    with pytest.raises(DatasetError, match="list.txt.*Delete it"):
        get(kinetics, tmp_path, only=["train"])
    assert not data_in(tmp_path)


# --- the folder ------------------------------------------------------------------


def test_a_standin_is_not_filled_with_real_data(server, tmp_path):
    (tmp_path / "STANDIN.json").write_text("{}")
    with pytest.raises(DatasetError, match="holds a stand-in"):
        get(small(server), tmp_path)
    assert not server.asked


def test_two_calls_do_not_fill_one_folder(server, tmp_path):
    (tmp_path / "archives").mkdir()
    with FileLock(tmp_path / "archives" / ".lock"):
        with pytest.raises(DatasetError, match="another call is filling"):
            get(small(server), tmp_path)
    assert not server.asked


def test_a_damaged_record_is_a_plain_message(server, tmp_path):
    get(small(server), tmp_path)
    for content in ("no json", "[1]"):
        (tmp_path / "archives" / "unpacked.json").write_text(content)
        with pytest.raises(DatasetError, match="cannot be understood"):
            get(small(server), tmp_path)


def test_a_root_that_cannot_be_made_is_a_plain_message(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        get(small(server), tmp_path / "file" / "data")
