"""Lists of one's own videos: every quirk of CSV files, and every contradiction."""

import shutil
from pathlib import Path

import pytest

from dvfl_lib.datasets import VideoDataset, create_dataset
from own_videos import assert_refused, both, distinct_videos, fill

TRAIN = 'clips/0.mp4,"run, then jump"\nclips/1.mp4,walk\nclips/2.mp4,walk\n'
VAL = 'clips/3.mp4,walk\nclips/4.mp4,"run, then jump"\n'
NAMES = "walk\nrun, then jump\n"  # not in alphabetical order


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> list[Path]:
    return distinct_videos(tmp_path_factory.mktemp("v"), 6)


@pytest.fixture
def root(tmp_path, videos) -> Path:
    """Two lists over videos that lie in one folder."""
    fill(tmp_path, [f"clips/{k}.mp4" for k in range(6)], videos)
    return write(tmp_path)


def write(root: Path, train: str = TRAIN, val: str = VAL, classes: str = "") -> Path:
    for name, text in (("train", train), ("val", val), ("classes", classes)):
        if text:
            suffix = "txt" if name == "classes" else "csv"
            (root / f"{name}.{suffix}").write_bytes(text.encode("utf-8"))
    return root


def labels(dataset: VideoDataset) -> list[int]:
    return [sample.label for sample in dataset.samples]


def test_names_with_commas_and_the_order_of_the_lists(root):
    train, test = both(root)
    assert train.classes == test.classes == ("run, then jump", "walk")
    assert labels(train) == [0, 1, 1] and labels(test) == [1, 0]
    assert [s.name for s in test.samples] == ["clips/3.mp4", "clips/4.mp4"]
    assert [s.group for s in test.samples] == ["clips/3.mp4", "clips/4.mp4"]
    assert train[0][0].shape == (8, 3, 32, 32)
    (root / "val.csv").rename(root / "test.csv")
    assert both(root)[1].samples == test.samples


def test_a_header_names_the_columns_in_any_order(root):
    plain = both(root)[0].samples
    rows = [("0", '"run, then jump"'), ("1", "walk"), ("2", "walk")]
    lines = [f"{label},x,clips/{k}.mp4" for k, label in rows]
    write(root, "Label,Comment,Path\n" + "\n".join(lines))
    assert both(root)[0].samples == plain


def test_marks_blank_lines_line_ends_and_backslashes_change_nothing(root):
    plain = both(root)[0].samples
    text = "\ufeff" + TRAIN.replace("\n", "\r\n\r\n").replace(",walk", " , walk ")
    write(root, text)
    assert both(root)[0].samples == plain
    write(root, TRAIN.replace("clips/1", "clips\\1"))
    assert both(root)[0].samples == plain


def test_paths_may_be_absolute(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("lists")
    absolute = [text.replace("clips/", f"{root}/clips/") for text in (TRAIN, VAL)]
    train, test = both(write(elsewhere, *absolute))
    assert [s.path for s in train.samples] == [
        root / f"clips/{k}.mp4" for k in range(3)
    ]
    assert labels(test) == [1, 0]


def test_a_third_column_is_the_group(root):
    write(root, TRAIN.replace("walk", "walk,monday").replace('jump"', 'jump",'))
    groups = [s.group for s in both(root)[0].samples]
    assert groups == ["clips/0.mp4", "monday", "monday"]


def test_numbers_count_from_0_in_the_list_of_classes(root):
    write(root, "clips/0.mp4,1\nclips/1.mp4,0\n", "clips/3.mp4,0\nclips/4.mp4,1\n")
    assert_refused(root, "labels are numbers, .* Write .*classes.txt")
    write(root, "clips/0.mp4,1\nclips/1.mp4,0\n", VAL, NAMES)
    train, test = both(root)
    assert train.classes == ("walk", "run, then jump")
    assert labels(train) == [1, 0] and labels(test) == [0, 1]


@pytest.mark.parametrize("number", ["2", "-1", "400"])
def test_a_number_out_of_range_is_refused(root, number):
    write(root, TRAIN, f"clips/3.mp4,walk\nclips/4.mp4,{number}\n", NAMES)
    assert_refused(root, f"line 2: '{number}' is none of .*numbered from 0 to 1")


def test_names_that_are_numbers_are_taken_only_where_they_are_clear(root):
    """A tricycle's classes: three wheels, two wheels."""
    write(root, "clips/0.mp4,3\nclips/1.mp4,2\n", "clips/3.mp4,2\n", "3\n2\n")
    train = create_dataset("folder", root)
    assert [train.classes[k] for k in labels(train)] == ["3", "2"]
    write(root, "clips/0.mp4,1\nclips/1.mp4,0\n", "clips/3.mp4,0\n", "1\n0\n")
    assert_refused(
        root, "train.csv, line 1: '1' is the name of class 0 and the number of"
    )


def test_unknown_classes_are_refused_with_what_there_is(root):
    write(root, TRAIN, VAL.replace("walk", "Walking"))
    assert_refused(
        root, "val.csv, line 1: 'Walking' is none of the 2 classes: run, then jump"
    )
    write(root, TRAIN + "clips/5.mp4,Walk\n", VAL)
    assert_refused(root, "'walk' is also there as 'Walk'")
    write(root, "clips/1.mp4,walk\n", "clips/3.mp4,walk\n")
    assert_refused(root, "names 1 classes")


def test_a_class_without_videos_is_told(root):
    write(root, TRAIN, "clips/3.mp4,walk\n")
    with pytest.warns(UserWarning, match="no video of subset 'test' shows run, then"):
        create_dataset("folder", root, subset="test")


def test_videos_that_are_not_there_are_refused(root):
    (root / "clips/1.mp4").rename(root / "clips/1.mp4.part")
    assert_refused(
        root, "train.csv: 1 of 3 videos are not there: clips/1.mp4. Paths are below"
    )


def test_a_video_listed_twice_is_refused(root):
    write(root, TRAIN + "./clips/../clips/1.mp4,walk\n")
    assert_refused(root, "line 4: ./clips/../clips/1.mp4 is listed twice, .*line 2")
    write(root, TRAIN, VAL + "clips/2.mp4,walk\n")
    assert_refused(
        root, "val.csv, line 3: clips/2.mp4 is listed twice, .*train.csv, line 3"
    )


def test_a_copy_under_another_name_is_found(root):
    shutil.copy(root / "clips/2.mp4", root / "clips/3.mp4")
    assert_refused(root, "clips/2.mp4 = clips/3.mp4")


def test_a_label_that_contradicts_the_folder_is_refused(root, videos):
    fill(root, ["walk/9.mp4"], videos[5:])
    write(root, TRAIN + 'walk/9.mp4,"run, then jump"\n')
    assert_refused(
        root, "line 4: says 'run, then jump', but walk/9.mp4 lies in the folder of"
    )
    write(root, TRAIN + "walk/9.mp4,walk\n")
    (root / "clips/5.mp4").unlink()
    assert labels(both(root)[0]) == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clips/0.mp4 walk\n", "its first line is .* Known are"),
        ("clips/0.mp4;walk\n", "its first line is .* Known are"),
        ("clips/0.mp4,run, then jump,1\n", "its first line is .* Known are"),
        ("path,label\nclips/0.mp4,run, then\n", "line 2: expected path,label, found"),
        ("clips/0.mp4,\n", "line 1: expected path,label, found"),
        (",walk\n", "line 1: expected path,label, found"),
        ('clips/0.mp4,"walk\n', "line 1: unexpected end of data"),
        ('clips/0.mp4,"walk" x\n', "line 1: .*expected after"),
    ],
)
def test_lines_that_are_no_such_lines_are_named(root, text, says):
    write(root, text)
    assert_refused(root, f"train.csv.*{says}")


def test_lists_that_say_nothing_or_are_no_text_are_refused(root):
    write(root, "path,label\n", VAL, NAMES)
    assert_refused(root, "names no video")
    (root / "train.csv").write_bytes(b"\x00\xff\xfe,walk\n")
    assert_refused(root, "train.csv: cannot be read")


def test_one_list_alone_is_refused_and_so_are_two_for_one_side(root):
    shutil.copy(root / "val.csv", root / "validate.csv")
    with pytest.warns(UserWarning, match="val.csv is read, validate.csv is not"):
        create_dataset("folder", root)
    (root / "val.csv").unlink(), (root / "validate.csv").unlink()
    assert_refused(root, "has train.csv, but no test.csv or val.csv")
    assert_refused(root, "is divided already", split="0.2")


def test_lists_come_before_folders(root, videos):
    fill(root, ["train/a/1.mp4", "test/a/2.mp4"], videos)
    assert [s.name for s in both(root)[1].samples] == ["clips/3.mp4", "clips/4.mp4"]


def test_lists_of_others_are_read(root):
    """Columns of other names, paths that begin with "/", and names without suffix."""
    plain = both(root)
    lines = ['x0,/clips/0.mp4,"run, then jump"', "x1,/clips/1.mp4,walk"]
    text = "clip_name,clip_path,label\n" + "\n".join([*lines, "x2,clips/2,walk"])
    write(root, text)
    assert [(s.path, s.label) for s in both(root)[0].samples] == [
        (s.path, s.label) for s in plain[0].samples
    ]
    write(root, "clip,kind\nclips/0.mp4,walk\n")
    assert_refused(root, "its first line is 'clip,kind'.*Known are .*clip_path.*action")


def test_a_quote_that_is_not_closed_swallows_no_lines(root):
    write(root, TRAIN + 'clips/5.mp4,"walk\n')
    assert_refused(root, "train.csv, line 4: unexpected end of data")


def test_a_group_on_both_sides_is_told(root):
    write(root, TRAIN.replace("walk", "walk,monday").replace('jump"', 'jump",'))
    write(
        root,
        val=VAL.replace("walk", "walk,monday").replace('jump"', 'jump",'),
        train=(root / "train.csv").read_text("utf-8"),
    )
    with pytest.warns(UserWarning, match="share 1 groups: monday. So 1 test videos"):
        create_dataset("folder", root)
