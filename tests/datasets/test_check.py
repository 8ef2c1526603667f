"""A look at a data set finds what is wrong with it, and nothing else."""

import json
import os
import shutil
from pathlib import Path

import pytest

from dvfl_lib.datasets import check as checking
from dvfl_lib.datasets.check import CheckReport, check_dataset, walk_data
from dvfl_lib.datasets.sources import SOURCES
from dvfl_lib.errors import DatasetError
from dvfl_lib.standins import list_standins
from small_standins import write_small
from video.test_reading import needs, write_streams

CLIP = "UCF-101/Rising/v_Rising_g03_c01.avi"  # a test clip of split 1
OTHER = "UCF-101/Rising/v_Rising_g09_c01.avi"  # a training clip of split 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A stand-in for UCF101 of 300 short clips."""
    return write_small("ucf101", tmp_path_factory.mktemp("data") / "standin")


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    """One to break; its files are links until they are replaced."""
    return shutil.copytree(whole, tmp_path / "copy", copy_function=os.link)


def put(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def look(root: Path, name: str = "ucf101", **options) -> CheckReport:
    return check_dataset(name, root, progress=False, **options)


def only_trouble(report: CheckReport) -> str:
    assert not report.good
    assert report.text().endswith("Not good.")
    (line,) = report.troubles()
    return line


# --- a stand-in, compared with its own promise ---------------------------------


@pytest.mark.parametrize("quick", [False, True])
def test_a_whole_standin_is_good_and_says_what_it_is(whole, quick):
    report = look(whole, quick=quick)
    assert report.good and report.standin
    assert report.clips == 300 and report.clips_expected == [300]
    assert "STAND-IN" in report.text() and report.text().endswith("Good.")
    found = {(s.split, s.subset): (s.found, s.expected) for s in report.sides}
    assert found["1", "train"] == (12 * 18, None), "a stand-in has no published number"
    assert len(found) == 8
    assert any("shares" in note for note in report.remarks()), "the authors' split"


@pytest.mark.parametrize("name", sorted(set(list_standins()) - {"ucf101"}))
def test_the_standin_of_every_benchmark_is_good(name, tmp_path):
    report = look(write_small(name, tmp_path / "s"), name)
    assert report.good, report.text()
    assert report.standin and report.clips_expected == [report.clips]
    assert report.clips > 290


def test_a_removed_file_is_missing(copy):
    (copy / CLIP).unlink()
    report = look(copy)
    assert report.missing == [CLIP] and report.clips == 299
    troubles = report.troubles()
    assert any("it should be 300" in line for line in troubles)
    assert any("84 clips are listed, 83 are there" in line for line in troubles)
    assert not report.stray_videos and not report.unreadable


@pytest.mark.parametrize("quick", [False, True])
def test_a_truncated_file_is_unreadable(copy, quick):
    content = (copy / CLIP).read_bytes()
    put(copy / CLIP, content[: len(content) // 2])
    report = look(copy, quick=quick)
    assert list(report.unreadable) == [CLIP]
    assert "cut short" in report.unreadable[CLIP]
    assert only_trouble(report).startswith(f"cannot be read: 1: {CLIP}")


def test_a_file_damaged_in_its_middle_is_found_by_the_full_look(copy):
    """Its packets are all there, and its decoder goes on behind the damage."""
    content = bytearray((copy / CLIP).read_bytes())
    at = len(content) // 2
    content[at : at + 60] = bytes(60)
    put(copy / CLIP, content)
    assert look(copy, quick=True).good
    report = look(copy)
    assert list(report.unreadable) == [CLIP] and "damaged" in report.unreadable[CLIP]


def test_files_of_several_video_streams_are_a_remark(copy):
    needs("libx264")
    put(copy / CLIP, b"")
    write_streams(copy / CLIP, "libx264", more="lens")
    line = f"has 2 video streams; number 0 is read: 1: {CLIP}"
    assert line in look(copy, splits=["1"]).remarks()


@pytest.mark.parametrize("content", [b"<html>no</html>" * 99, bytes(90_000)])
def test_a_file_that_is_no_video_is_unreadable(copy, content):
    put(copy / CLIP, content)
    assert list(look(copy, quick=True).unreadable) == [CLIP]
    assert list(look(copy).unreadable) == [CLIP]


def test_an_empty_file_is_missing(copy):
    put(copy / CLIP, b"")
    report = look(copy)
    assert not report.good
    assert any("or empty" in line for line in report.troubles())
    assert any(Path(CLIP).name in name for name in report.missing)


def test_a_test_clip_that_is_trained_on_is_found_by_its_content(copy):
    put(copy / CLIP, (copy / OTHER).read_bytes())
    report = look(copy)
    assert report.on_both_sides == [[CLIP, OTHER]]
    assert "equal files for training and for testing" in only_trouble(report)
    assert look(copy, quick=True).good, "a quick look compares no contents"


def test_one_clip_under_two_labels_is_found(copy):
    """In different groups of the same side in every split that has sides for them."""
    one = "UCF-101/Rising/v_Rising_g22_c01.avi"
    two = "UCF-101/Sinking/v_Sinking_g22_c01.avi"
    put(copy / one, (copy / two).read_bytes())
    report = look(copy, splits=["1", "2", "3"])
    assert report.two_labels == [[one, two]] and not report.on_both_sides
    assert "under two labels" in only_trouble(report)


def test_equal_clips_of_one_side_and_label_are_a_remark(copy):
    one, two = (f"UCF-101/Rising/v_Rising_g{n}_c01.avi" for n in (22, 23))
    put(copy / one, (copy / two).read_bytes())
    report = look(copy, splits=["1", "2", "3"])
    assert report.good and report.equal == [[one, two]]
    assert any("equal files on one side" in line for line in report.remarks())


def test_added_files_are_strays(copy):
    """A video of no list, the same name in a second place, and what else lies there."""
    shutil.copy(copy / CLIP, copy / "UCF-101/Rising/v_Rising_g99_c01.avi")
    shutil.copy(copy / OTHER, copy / "UCF-101/Sinking" / Path(OTHER).name)
    (copy / "UCF101.rar").write_bytes(b"Rar!")
    (copy / ".DS_Store").write_bytes(b"")
    (copy / "notes.txt").write_text("mine")
    (copy / "archives").mkdir()
    (copy / "archives" / "old.avi").write_bytes(b"x")
    report = look(copy, splits=["1", "2", "3"])
    assert report.stray_videos == [
        "UCF-101/Rising/v_Rising_g99_c01.avi",
        f"UCF-101/Sinking/{Path(OTHER).name}",
    ]
    assert report.same_name == [[OTHER, f"UCF-101/Sinking/{Path(OTHER).name}"]]
    assert report.stray_files == ["UCF101.rar"]
    assert len(report.troubles()) == 2


def test_a_changed_list_is_noticed(copy):
    file = copy / "ucfTrainTestlist" / "trainlist01.txt"
    put(file, b"\r\n".join(file.read_bytes().split(b"\r\n")[1:]))
    report = look(copy)
    assert "ucfTrainTestlist/trainlist01.txt is not what the stand-in" in only_trouble(
        report
    )


def test_a_standin_of_something_else_is_no_data_set(whole, copy):
    assert any("stands in for ucf101" in x for x in look(whole, "hmdb51").troubles())
    for content in (b"no json", b"{}", b'{"standin_for": "x", "groups": 1}'):
        put(copy / "STANDIN.json", content)
        report = look(copy, splits=["1"])
        assert "cannot be understood" in only_trouble(report)
        assert report.standin
    (copy / "STANDIN.json").unlink()
    (copy / "UNFINISHED.json").write_text("{}")
    report = look(copy, splits=["1"])
    assert report.standin and not report.good
    assert any("not written to its end" in line for line in report.troubles())


# --- real data, compared with the published numbers ------------------------------


def test_real_data_are_held_against_the_published_numbers(copy):
    """The same files without the mark: 300 clips where UCF101 has 13,320."""
    (copy / "STANDIN.json").unlink()
    report = look(copy)
    assert not report.good and not report.standin
    side = report.sides[0]
    assert (side.found, side.expected) == (216, SOURCES["ucf101"].count("1", "train"))
    text = report.text()
    assert "216 of 9,537  <-" in text and "STAND-IN" not in text
    assert "split 1 train: 216 clips, and 9,537 are published" in text


def test_ucf50_has_no_list_and_is_counted(tmp_path, monkeypatch):
    root = write_small("ucf50", tmp_path / "s")
    (root / "STANDIN.json").unlink()
    classes = sorted(path.name for path in (root / "UCF50").iterdir())
    monkeypatch.setattr("dvfl_lib.datasets.ucf.official_classes", lambda _: classes)
    report = look(root, "ucf50", splits=["group01"])
    assert report.clips_expected == [6681, 6676]
    assert "301 clips are there, and it should be 6,681 or 6,676" in only_trouble(
        report
    )


def test_what_cannot_be_loaded_is_told_once(tmp_path):
    (tmp_path / "UCF-101").mkdir()
    report = look(tmp_path)
    assert report.clips is None and not report.stray_videos
    assert only_trouble(report).startswith("split 1 train, 1 test, 2 train and 5 more")
    with pytest.raises(DatasetError, match="no such folder"):
        look(tmp_path / "nowhere")


def test_an_unknown_benchmark_is_refused(tmp_path):
    report = look(tmp_path, "ucf11")
    assert "there is no benchmark 'ucf11'" in only_trouble(report)


def test_clips_that_lists_leave_out_are_no_strays(tmp_path):
    """HMDB51 has flag 0; SSV2 and Kinetics-400 have test clips without labels."""
    for name, file, text, known in (
        ("hmdb51", "l/run_test_split1.txt", "a[1].avi 0 \nb.avi 1 \n", "a[1].avi"),
        ("ssv2", "labels/test.json", '[{"id": "7"}]', "7.webm"),
        (
            "kinetics400",
            "annotations/test.csv",
            "label,youtube_id,time_start,time_end,split\nx,-abcdefghij,3,13,test\n",
            "-abcdefghij_000003_000013.mp4",
        ),
    ):
        root = tmp_path / name
        for made, content in {file: text, f"v/{known}": "", "v/other.mp4": ""}.items():
            (root / made).parent.mkdir(parents=True, exist_ok=True)
            (root / made).write_text(content)
        report = CheckReport(name, str(root), True)
        checking._find_strays([*walk_data(root)], set(), report)
        assert report.stray_videos == ["v/other.mp4"] and not report.stray_files


def test_a_replaced_clip_of_kinetics_is_there_twice_and_no_stray(tmp_path):
    name = "abcdefghijk_000003_000013.mp4"
    for folder in ("train", "replacement"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"x")
    report = CheckReport("kinetics400", str(tmp_path), True)
    listed = {tmp_path / "replacement" / name}
    checking._find_strays([*walk_data(tmp_path)], listed, report)
    assert not report.stray_videos


# --- the report ------------------------------------------------------------------


def test_the_document_is_json_and_holds_everything(copy):
    for number in range(10, 20):
        (copy / f"UCF-101/Rising/v_Rising_g{number}_c01.avi").unlink()
    report = look(copy, quick=True)
    document = json.loads(json.dumps(report.document()))
    assert document["good"] is False and document["standin"] is True
    assert len(document["missing"]) == 10
    assert "and 5 more" in report.text(), "the text names a few"
    assert document["sides"][0]["split"] == "1"
