"""One's own videos: folders of classes, lists, and every way to get them wrong."""

import shutil
import warnings
from pathlib import Path

import pytest
import torch

from dvfl_lib.datasets import VideoDataset, create_dataset
from dvfl_lib.errors import DatasetError
from helpers import moving_frames, write_video

CLASSES = ("Walk", "jump rope", "turn_left", "turn_right")  # as Python sorts them


def fill(root: Path, names: list[str], videos: list[Path]) -> Path:
    """A folder of these files, each another video."""
    for name, video in zip(names, videos, strict=False):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, root / name)
    return root


def both(root: Path, split: str = "1") -> tuple:
    """Both sides; any warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return tuple(
            create_dataset("folder", root, split=split, subset=subset)
            for subset in ("train", "test")
        )


def assert_refused(
    root: Path, says: str, split: str = "1", subset: str = "train"
) -> None:
    """The message of the refusal, a pattern, is ``says``."""
    with pytest.raises(DatasetError, match=says):
        create_dataset("folder", root, split=split, subset=subset)


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> list[Path]:
    """Forty videos, no two of them alike."""
    folder = tmp_path_factory.mktemp("v")
    numbered = [(folder / f"{k}.mp4", moving_frames(8 + k, 32, 32)) for k in range(40)]
    return [write_video(path, frames) for path, frames in numbered]


def in_classes(sides: dict[str, int]) -> list[str]:
    """``sides[side]`` videos of each class in folders of classes."""
    return [
        f"{side}/{name}/{k}.mp4".removeprefix("/")
        for side, count in sides.items()
        for name in CLASSES
        for k in range(count)
    ]


@pytest.fixture
def divided(tmp_path, videos) -> Path:
    """Three training and two test videos of each class."""
    return fill(tmp_path, in_classes({"train": 3, "test": 2}), videos)


@pytest.fixture
def undivided(tmp_path, videos) -> Path:
    """Five videos of each class."""
    return fill(tmp_path, in_classes({"": 5}), videos)


# --- folders of classes ------------------------------------------------------


@pytest.mark.parametrize("name", ["test", "val", "validate", "validation", "Test"])
def test_folders_that_are_divided(divided, name):
    (divided / "test").rename(divided / name)
    train, test = both(divided)
    assert train.classes == test.classes == CLASSES
    assert [s.label for s in train.samples] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert [s.label for s in test.samples] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert train.samples[3].name == "train/jump rope/0.mp4"
    assert train.samples[3].group == "jump rope/0.mp4"
    assert train.flip_labels == {2: 3, 3: 2} and not train.standin
    clip, label = test[7]
    assert clip.shape == (8, 3, 32, 32) and clip.dtype == torch.uint8 and label == 3


def test_what_is_no_video_is_left_out_and_counted(divided):
    before = both(divided)[0].samples
    for name in ("notes.txt", ".hidden.mp4", "Thumbs.db", "3.mp4.part"):
        (divided / "train/Walk" / name).touch()
    (divided / "train/.cache").mkdir()
    (divided / "train/__MACOSX").mkdir()
    (divided / "README.md").touch()
    says = "3 files are left out, .*: 3.mp4.part, Thumbs.db, notes.txt"
    with pytest.warns(UserWarning, match=says):
        assert create_dataset("folder", divided).samples == before


def test_folders_below_a_class_are_groups(undivided, videos):
    names = [f"Walk/day {d}/deep/{k}.mp4" for d in range(3) for k in range(3)]
    shutil.rmtree(undivided / "Walk")
    fill(undivided, names, videos[20:])
    train, test = both(undivided, "0.34")
    groups = [{s.group for s in side.samples if s.label == 0} for side in (train, test)]
    assert groups[0] | groups[1] == {f"Walk/day {d}" for d in range(3)}
    assert not groups[0] & groups[1]
    assert sum(s.label == 0 for s in test.samples) == 3


def test_a_division_is_a_function_of_share_seed_and_names(undivided):
    train, test = both(undivided, "0.2")
    assert (len(train), len(test)) == (16, 4)
    assert sorted(s.label for s in test.samples) == [0, 1, 2, 3]
    assert not {s.name for s in train.samples} & {s.name for s in test.samples}
    assert both(undivided, "0.2-seed0")[1].samples == test.samples
    draws = {tuple(both(undivided, f"0.2-seed{seed}")[1].samples) for seed in range(5)}
    assert len(draws) == 5
    assert len(both(undivided, "0.01")[1]) == 4  # at least one of each class
    assert len(both(undivided, ".99")[0]) == 4
    (undivided / "Walk/9.mp4").write_bytes(b"one more")
    others = [s for s in both(undivided, "0.2")[1].samples if s.label]
    assert others == [s for s in test.samples if s.label]  # class by class


def test_a_class_that_cannot_be_divided_is_named(undivided):
    for k in range(1, 5):
        (undivided / f"Walk/{k}.mp4").unlink()
    assert_refused(undivided, "the class 'Walk' has 1 groups", "0.2")


@pytest.mark.parametrize(
    "split", ["2", "0", "0.0", "1.0", "-0.2", "0.2-seedx", "train"]
)
def test_other_splits_are_refused(undivided, split):
    assert_refused(undivided, "folder has no split .* or a share", split)


def test_a_division_is_asked_for_and_never_made_up(undivided, divided):
    shutil.rmtree(divided / "train"), shutil.rmtree(divided / "test")
    assert_refused(undivided, "is not divided. .*split='0.2'")


def test_what_is_divided_is_not_divided_again(divided):
    assert_refused(divided, "is divided already", "0.2")
    shutil.rmtree(divided / "test")
    assert_refused(divided, "has train, but no test/<class> or val/<class>")
    assert_refused(divided, "names 1 classes", "0.2")


def test_the_wrong_level_is_recognised_and_archives_are_named(divided):
    assert_refused(divided / "train", "is not divided")
    (divided / "train/Walk/videos.tar.gz").touch()
    says = "Videos lie directly in it.*Still packed there: videos.tar.gz"
    assert_refused(divided / "train/Walk", says)
    assert_refused(divided / "nowhere", "no such folder")


def test_a_class_without_a_video_is_refused(divided):
    shutil.rmtree(divided / "test/Walk")
    (divided / "test/Walk").mkdir()
    (divided / "test/Walk/walk.zip").touch()
    (divided / "test/Walk/1.jpg").touch()
    says = "holds no video but 1.jpg, walk.zip. Still packed there: walk.zip"
    assert_refused(divided, says)


def test_classes_that_do_not_match_are_refused(divided):
    (divided / "test/Walk").rename(divided / "test/walk")
    assert_refused(
        divided, "the training side does not know walk; it has Walk", subset="test"
    )
    shutil.copytree(divided / "test/walk", divided / "train/walk")
    assert_refused(divided, "'walk' is also there as 'Walk'")


def test_a_class_without_a_video_on_one_side_is_told(divided):
    shutil.rmtree(divided / "test/turn_left")
    with pytest.warns(UserWarning, match="no video of subset 'test' shows turn_left"):
        test = create_dataset("folder", divided, subset="test")
    assert {s.label for s in test.samples} == {0, 1, 3} and len(test.classes) == 4


def test_a_video_outside_of_the_classes_is_refused(divided, videos):
    shutil.copy(videos[30], divided / "train/lost.mp4")
    assert_refused(divided, "lost.mp4 lies in no class's folder")


def test_a_third_side_is_left_unread_and_told(divided):
    shutil.copytree(divided / "test", divided / "val")
    with pytest.warns(UserWarning, match="test is read, val is not"):
        assert len(create_dataset("folder", divided, subset="test")) == 8


def test_copies_on_both_sides_are_found_by_their_content(divided):
    shutil.copy(divided / "train/Walk/1.mp4", divided / "test/Walk/other name.mp4")
    says = "1 videos are among the training videos and among the test videos.*"
    assert_refused(divided, says + "test/Walk/other name.mp4 = .*train/Walk/1.mp4")


def test_copies_under_two_labels_are_found_and_plain_copies_let_be(divided):
    shutil.copy(divided / "train/Walk/1.mp4", divided / "train/Walk/copy.mp4")
    for name in ("Walk", "turn_left"):
        (divided / f"train/{name}/empty.mp4").touch()  # nothing equal in nothing
    assert len(both(divided)[0]) == 15
    shutil.copy(divided / "train/Walk/1.mp4", divided / "train/turn_left/copy.mp4")
    assert_refused(divided, "1 videos have two labels")


def test_files_alike_in_size_and_beginning_are_still_two_videos(divided):
    one, other = divided / "train/Walk/0.mp4", divided / "test/Walk/0.mp4"
    one.write_bytes(bytes(70_000) + b"a")
    other.write_bytes(bytes(70_000) + b"b")
    assert len(both(divided)[0]) == 12
    other.write_bytes(bytes(70_000) + b"a")
    assert_refused(divided, "as copies of equal content")


def test_a_list_of_classes_gives_the_order(divided):
    file = divided / "classes.txt"
    file.write_text(
        "\ufeffturn_right\r\nturn_left\r\n\r\nWalk\r\njump rope\r\n", "utf-8"
    )
    train, _ = both(divided)
    assert train.classes == ("turn_right", "turn_left", "Walk", "jump rope")
    assert [s.label for s in train.samples] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert train.samples[-1].name == "train/jump rope/2.mp4"
    file.write_text("Walk\njump rope\nturn_left\n", "utf-8")
    assert_refused(divided, "classes.txt does not know turn_right")
    file.write_text("Walk\nwalk \n", "utf-8")
    assert_refused(divided, "'walk' is also there as 'Walk'")
    file.write_text("\n", "utf-8")
    assert_refused(divided, "classes.txt: is empty")
    file.write_bytes(b"\xff\xfe\xff")
    assert_refused(divided, "classes.txt: cannot be read")


# --- the real data set -------------------------------------------------------


def test_a_real_data_set_of_six_actions(real_data):
    """ARID's clips: training in folders of classes, test in one, both with lists."""
    root = real_data / "real_clips/arid6"
    if not root.is_dir():
        pytest.skip("no arid6 among the real clips")
    train, test = both(root)
    assert train.classes == ("Jump", "Run", "Sit", "Stand", "Turn", "Walk")
    assert (len(train), len(test)) == (150, 96)
    assert all(s.path.parent.name == train.classes[s.label] for s in train.samples)
    assert all(s.group.startswith("scene") for s in train.samples)
    assert all(s.group == s.name for s in test.samples)  # the list leaves them open
    for dataset in (train, test):
        first = {s.label: k for k, s in reversed([*enumerate(dataset.samples)])}
        assert sorted(first) == list(range(6))
        for label, k in first.items():
            clip, found = dataset[k]
            assert found == label and clip.shape == (8, 3, 240, 320)
            assert clip.float().std() > 1  # dark footage, but no blank


# --- lists ---------------------------------------------------------------------

TRAIN = 'clips/0.mp4,"run, then jump"\nclips/1.mp4,walk\nclips/2.mp4,walk\n'
VAL = 'clips/3.mp4,walk\nclips/4.mp4,"run, then jump"\n'
NAMES = "walk\nrun, then jump\n"  # not in alphabetical order
GROUPED = TRAIN.replace("walk", "walk,monday").replace('jump"', 'jump",')


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


@pytest.mark.parametrize(
    "text",
    [
        'Label,Comment,Path\n"run, then jump",x,clips/0.mp4\nwalk,,clips/1.mp4\n'
        "walk,x,clips/2.mp4\n",
        "\ufeff" + TRAIN.replace("\n", "\r\n\r\n").replace(",walk", " , walk "),
        TRAIN.replace("clips/1", "clips\\1"),
        'clip_name,clip_path,label\nx0,/clips/0.mp4,"run, then jump"\n'
        "x1,clips/1,walk\nx2,/clips/2,walk",
        ',Video Path,label,class-name\n0,clips/0.mp4,1,"run, then jump"\n'
        "1,clips/1.mp4,0,walk\n2,clips/2.mp4,0,walk",
        'sep=;\npath;label\n"clips/0.mp4";"run, then jump"\nclips/1.mp4;walk\n'
        "clips/2.mp4;walk",
        "clips/0.mp4\trun, then jump\nclips/1.mp4\twalk\nclips/2.mp4\twalk",
    ],
    ids=[
        *("header", "marks, blanks and line ends", "backslashes", "lists of others"),
        *("of pandas", "of a European Excel", "tabs"),
    ],
)
def test_other_ways_to_write_a_list_say_the_same(root, text):
    plain = both(root)[0].samples
    write(root, text)
    found = both(root)[0].samples
    assert [(s.path, s.label) for s in found] == [(s.path, s.label) for s in plain]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lists_with_blanks_and_of_spreadsheets(root, videos, encoding):
    fill(root, ["my clips/5.MOV"], videos[6:])
    text = "clips/0.mp4 0\nclips/1.mp4 1\nmy clips/5 1\n"
    (root / "train.csv").write_bytes(text.encode(encoding))
    write(root, "", "clips/3.mp4 run slowly\nclips/4.mp4 walk", "walk\nrun slowly")
    train, test = both(root)
    assert labels(train) == [0, 1, 1] and labels(test) == [1, 0]
    assert train.samples[2].path == root / "my clips/5.MOV"


def test_paths_may_be_absolute(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("lists")
    absolute = [text.replace("clips/", f"{root}/clips/") for text in (TRAIN, VAL)]
    train, test = both(write(elsewhere, *absolute))
    assert train.samples[2].path == root / "clips/2.mp4" and labels(test) == [1, 0]


def test_a_third_column_is_the_group_and_one_on_both_sides_is_told(root):
    write(root, GROUPED)
    groups = [s.group for s in both(root)[0].samples]
    assert groups == ["clips/0.mp4", "monday", "monday"]
    write(root, GROUPED, VAL.replace("walk", "walk,monday").replace('jump"', 'jump",'))
    with pytest.warns(UserWarning, match="share 1 groups: monday. So 1 test videos"):
        create_dataset("folder", root)


def test_numbers_count_from_0_in_the_list_of_classes(root):
    write(root, "clips/0.mp4,1\nclips/1.mp4,0\n", VAL, NAMES)
    train, test = both(root)
    assert train.classes == ("walk", "run, then jump")
    assert labels(train) == [1, 0] and labels(test) == [0, 1]


def test_names_that_are_numbers_are_taken_where_they_are_clear(root):
    """A tricycle's classes: three wheels, two wheels."""
    write(root, "clips/0.mp4,3\nclips/1.mp4,2\n", "clips/3.mp4,2\n", "3\n2\n")
    train = create_dataset("folder", root)
    assert [train.classes[k] for k in labels(train)] == ["3", "2"]


@pytest.mark.parametrize(
    ("train", "val", "classes", "says"),
    [
        ("clips/0.mp4,1\nclips/1.mp4,0", VAL, "", "labels are numbers.*classes.txt"),
        ("clips/0.mp4,1", VAL, "1\n0\n", "line 1: '1' is more than one of the 2"),
        (TRAIN, "clips/3.mp4,2", NAMES, "line 1: '2' is none of .*from 0 to 1"),
        (TRAIN, "clips/3.mp4,-1", NAMES, "line 1: '-1' is none of .*from 0 to 1"),
        (TRAIN, "clips/3.mp4,Walking", "", "line 1: 'Walking' is none of .*: run, th"),
        (TRAIN + "clips/5.mp4,Walk\n", VAL, "", "'walk' is also there as 'Walk'"),
        ("clips/1.mp4,walk\n", VAL, "", "names 1 classes"),
        (TRAIN + "clips/9.mp4,walk\n", VAL, "", "missing, such as clips/9.mp4. Paths"),
        (TRAIN + "./x/../clips/1.mp4,walk", VAL, "", "listed twice, .*csv, line 2"),
        (TRAIN, VAL + "clips/2.mp4,walk", "", "line 3: .* twice, .*train.csv, line 3"),
        ("walk,clips/0.mp4\n", VAL, "", "its first line is .* Known are"),
        ("fname,kind\n" + TRAIN, VAL, "", "line is 'fname,kind'.*path: path, clip_p"),
        ("clips/0.mp4 9 1\n", VAL, NAMES, "column 2 may be labels or numbers of fr"),
        ("clips/0.mp4,0.0\n", VAL, "", "labels are numbers, such as 0.0"),
        (TRAIN + "clips/5.avi,walk\n", VAL, "", "5.avi .there is 5.mp4 instead."),
        (TRAIN + "x" * 300 + ",walk\n", VAL, "", "missing, such as xxx"),
        ("clips/0.mp4,run, then jump,1\n", VAL, "", "its first line is .* Known are"),
        ("clip,kind\nclips/0.mp4,walk\n", VAL, "", "first line is 'clip,kind'.*action"),
        ("path,label\nclips/0.mp4,run, then\n", VAL, "", "line 2: expected path,label"),
        ("clips/0.mp4,\n", VAL, "", "line 1: expected path,label, found"),
        (",walk\n", VAL, "", "line 1: expected path,label, found"),
        (TRAIN + 'clips/5.mp4,"walk\n', VAL, "", "line 4: unexpected end of data"),
        ('clips/0.mp4,"walk" x\n', VAL, "", "line 1: .*expected after"),
        ("path,label\n", VAL, NAMES, "names no video"),
    ],
)
def test_lists_that_are_wrong_are_refused(root, train, val, classes, says):
    write(root, train, val, classes)
    assert_refused(root, says)


def test_a_list_that_is_no_text_is_refused(root):
    for content in (b"\xff,walk\n", "clips/0.mp4,walk\n".encode("utf-16-le")):
        (root / "train.csv").write_bytes(content)
        assert_refused(root, "train.csv: cannot be read as UTF-8 .* save it as such")


def test_a_copy_under_another_name_is_found(root):
    shutil.copy(root / "clips/2.mp4", root / "clips/3.mp4")
    assert_refused(root, "clips/2.mp4 = .*clips/3.mp4")


def test_a_label_that_contradicts_the_folder_is_refused(root, videos):
    fill(root, ["walk/9.mp4"], videos[6:])
    write(root, TRAIN + 'walk/9.mp4,"run, then jump"\n')
    assert_refused(
        root, "line 4: says 'run, then jump', but walk/9.mp4 is in the folder"
    )
    write(root, TRAIN + "walk/9.mp4,walk\n")
    assert labels(both(root)[0]) == [0, 1, 1, 1]


def test_one_list_alone_is_refused_and_so_are_two_for_one_side(root):
    shutil.copy(root / "val.csv", root / "validate.csv")
    with pytest.warns(UserWarning, match="val.csv is read, validate.csv is not"):
        create_dataset("folder", root)
    (root / "val.csv").unlink(), (root / "validate.csv").rename(root / "dev.tsv")
    assert_refused(root, "has train.csv, but no test.csv or val.*; here is dev.tsv")
    assert_refused(root, "is divided already", split="0.2")
