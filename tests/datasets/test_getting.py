"""From a server to a folder that the loader reads, in one call that can be repeated."""

import pytest
from filelock import FileLock

from archives import tar_bytes, zip_bytes
from bad_server import BadServer, serve
from dvfl_lib.datasets import getting
from dvfl_lib.datasets.published import PUBLISHED, Benchmark, Part
from dvfl_lib.errors import DatasetError
from small_benchmark import LISTS, VIDEOS, WHOLE, archive, data_in, get, small


@pytest.fixture
def server():
    with serve(b"") as told:
        told.files = {"videos.zip": VIDEOS, "lists.zip": LISTS}
        yield told


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
    monkeypatch.setattr("dvfl_lib.datasets.unpacking.find_rar_tools", lambda: ())
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


def test_a_file_in_the_place_of_a_folder_is_not_taken_for_it(server, tmp_path):
    (tmp_path / "V").write_text("")
    with pytest.raises(DatasetError, match="V is a file, and videos would go"):
        get(small(server), tmp_path)
    assert not server.asked


def test_a_folder_that_may_not_be_written_is_a_plain_message(
    server, tmp_path, monkeypatch
):
    """Found when it is locked, or when what lies there is listed."""
    for name in ("acquire", "release"):

        def refused(*unused, **more):
            raise PermissionError(13, "Permission denied", "archives/.lock")

        with monkeypatch.context() as patch:
            patch.setattr(FileLock, name, refused)
            with pytest.raises(DatasetError, match="lock: cannot be read or written"):
                get(small(server), tmp_path)
    with pytest.raises(DatasetError, match="too long"):
        get(small(server), tmp_path / ("x" * 300))


def test_a_root_that_cannot_be_made_is_a_plain_message(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        get(small(server), tmp_path / "file" / "data")
