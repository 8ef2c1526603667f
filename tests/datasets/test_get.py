"""From a server to a folder that the loader reads, in one call that can be repeated."""

import pytest
from filelock import FileLock

from archives import tar_bytes, zip_bytes
from bad_server import (
    LISTS,
    VIDEOS,
    WHOLE,
    BadServer,
    archive,
    data_in,
    get,
    small,
)
from dvfl_lib.datasets import get as module
from dvfl_lib.datasets.sources import SOURCES, DataSource, Part
from dvfl_lib.errors import DatasetError


@pytest.fixture
def server(server) -> BadServer:
    server.files = {"videos.zip": VIDEOS, "lists.zip": LISTS}
    return server


def test_everything_is_fetched_and_unpacked_once(server, tmp_path):
    root = tmp_path / "data"
    get(small(server), root)
    assert data_in(root) == WHOLE
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


def test_damage_of_the_only_archive_is_told(server, tmp_path):
    server.files["videos.zip"] = b"no archive"
    source = small(server, Part("videos", "V", (archive(server, "videos.zip", "Run"),)))
    with pytest.raises(DatasetError, match="videos.zip: is damaged or cut short"):
        get(source, tmp_path)


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


def two_choices(server: BadServer) -> DataSource:
    choices = [archive(server, f"videos.{kind}", "Run") for kind in ("rar", "zip")]
    return small(server, Part("videos", "V", tuple(choices)))


def test_without_a_program_for_rar_no_rar_is_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_rar_tools", list)
    get(two_choices(server), tmp_path)
    assert [one["path"] for one in server.asked] == ["/videos.zip"]
    with pytest.raises(DatasetError, match="no program here to unpack it.*apt install"):
        get(two_choices(server), tmp_path / "b", prefer="videos.rar")


def test_a_wrong_archive_put_there_by_hand_starts_no_other_download(server, tmp_path):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "videos.zip").write_bytes(VIDEOS[:-5])
    with pytest.raises(DatasetError, match="videos.zip: is damaged or cut short"):
        get(two_choices(server), tmp_path)
    assert not server.asked


def test_the_archive_may_be_chosen(server, tmp_path, monkeypatch):
    server.files["videos.rar"] = b"Rar!x"
    monkeypatch.setattr(module, "find_rar_tools", lambda: ["unrar"])
    with pytest.raises(DatasetError, match=r"holds the same: --from videos\.zip"):
        get(two_choices(server), tmp_path)
    get(two_choices(server), tmp_path, prefer="videos.zip")
    assert set(data_in(tmp_path)) == {"V/Run/a.avi", "V/Walk/b.avi"}
    with pytest.raises(DatasetError, match="no archive 'v.zip'.*videos.rar"):
        get(two_choices(server), tmp_path, prefer="v.zip")


def test_what_must_be_fetched_by_hand_is_told_and_then_unpacked(tmp_path):
    """As for Something-Something V2, whose parts are joined."""
    ssv2 = SOURCES["ssv2"]
    with pytest.raises(DatasetError, match="must be fetched by hand") as no:
        get(ssv2, tmp_path)
    for told in ("-v2-??", "labels.zip", "licence", ssv2.page, str(tmp_path)):
        assert told in str(no.value)
    archives = tmp_path / "archives"
    labels = {"labels/labels.json": b"{}", "labels/train.json": b"[]"}
    (archives / ssv2.parts[1].choices[0].name).write_bytes(zip_bytes(labels))
    whole = tar_bytes({"20bn-something-something-v2/1.webm": b"video"})
    name = "20bn-something-something-v2"
    (archives / f"{name}-00").write_bytes(whole[:50])
    (archives / f"{name}-01.zip").write_bytes(zip_bytes({f"{name}-01": whole[50:]}))
    get(ssv2, tmp_path)
    assert data_in(tmp_path) == {**labels, f"{name}/1.webm": b"video"}


def test_a_list_of_archives_is_followed_on_its_own_server_alone(server, tmp_path):
    part = Part("train", "train", list_address=server.path("train/list.txt"))
    packed = {f"train/{n}.zip": zip_bytes({f"{n}.mp4": b"x"}) for n in "ab"}
    lines = "\n".join(map(server.path, packed))
    server.files = {**packed, "train/list.txt": lines.encode()}
    get(small(server, part), tmp_path)
    assert set(data_in(tmp_path)) == {"train/a.mp4", "train/b.mp4"}
    for line in ("file:///etc/passwd", "https://example.org/x.zip", f"{lines} {lines}"):
        server.files["train/list.txt"] = line.encode()
        with pytest.raises(DatasetError, match="is not the one address"):
            get(small(server, part), tmp_path / f"{hash(line)}")


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


def test_a_damaged_record_or_folder_is_a_plain_message(server, tmp_path):
    get(small(server), tmp_path)
    (tmp_path / "archives" / "unpacked.json").write_text("no json")
    with pytest.raises(DatasetError, match="cannot be understood"):
        get(small(server), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be read or written"):
        get(small(server), tmp_path / "file" / "data")
