"""Kinetics-400 is read as it is unpacked: holes, odd ids, and the official order."""

import csv
import os
import shutil
from pathlib import Path

import pytest
import torch

from dvfl_lib.datasets import create_dataset
from dvfl_lib.datasets.base import MissingVideos, official_classes
from dvfl_lib.datasets.kinetics400 import class_key, read_csv
from dvfl_lib.errors import DatasetError

SKI = ("skiing (not slalom or crosscountry)", "skiing crosscountry")
PERSON = "massaging person's head"
HEADER = "label,youtube_id,time_start,time_end,split"
# Official labels, and ids that look like options or hold underscores.
TRAIN = {
    "-aBcDeFgHi0_000044_000054": SKI[0],
    "_-cDeFgHi01_000001_000011": SKI[1],
    "--DeFgHi012_000120_000130": PERSON,
    "ordinaryId1_000000_000010": "abseiling",
}
VAL = {"-Xyz_Xyz_-0_000010_000020": "abseiling", "ordinaryId2_000003_000013": SKI[1]}
PARTLY = "only . of the 400 classes"


def csv_text(clips: dict[str, str], split: str, header: str = HEADER) -> str:
    """As the official files are written: labels of several words are quoted."""
    lines = [header]
    for stem, label in clips.items():
        quoted = f'"{label}"' if " " in label else label
        times = f"{int(stem[12:18])},{int(stem[19:])}"
        more = ",0" if "is_cc" in header else ""
        lines.append(f"{quoted},{stem[:11]},{times},{split}{more}")
    return "\n".join([*lines, ""])


@pytest.fixture
def root(tmp_path, one_video) -> Path:
    """A small copy in the layout of the CVDF."""
    (tmp_path / "annotations").mkdir()
    for side, clips in (("train", TRAIN), ("val", VAL)):
        (tmp_path / side).mkdir()
        for stem in clips:
            os.link(one_video, tmp_path / side / f"{stem}.mp4")
        file = tmp_path / f"annotations/{side}.csv"
        file.write_text(csv_text(clips, side), "utf-8")
    return tmp_path


def load(root: Path, subset: str = "train", says: str = PARTLY):
    """The data set, with the warning that few classes occur or another one."""
    with pytest.warns(UserWarning, match=says):
        return create_dataset("kinetics400", root, subset=subset)


def labels_of(dataset) -> dict[str, str]:
    return {s.path.stem: dataset.classes[s.label] for s in dataset.samples}


def into_class_folders(side: Path, clips: dict[str, str], name_of) -> None:
    for stem, label in clips.items():
        (side / name_of(label)).mkdir(exist_ok=True)
        shutil.move(side / f"{stem}.mp4", side / name_of(label))


def test_labels_are_the_official_ones_however_short_the_list(root):
    train, val = load(root), load(root, "test")
    assert train.classes == val.classes == official_classes("kinetics400")
    assert labels_of(train) == TRAIN and labels_of(val) == VAL
    assert [s.label for s in train.samples] == [308, 309, 196, 0]
    assert [s.group for s in train.samples] == [stem[:11] for stem in TRAIN]
    assert train.flip_labels is None and not train.standin
    clip, label = train[0]
    assert clip.shape == (8, 3, 48, 64) and clip.dtype == torch.uint8 and label == 308


def test_lists_of_other_copies(root):
    whole = load(root).samples
    text = csv_text(TRAIN, "train", HEADER + ",is_cc")
    (root / "annotations/train.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load(root).samples == whole
    shutil.rmtree(root / "annotations")
    (root / "train.csv").write_text(csv_text(TRAIN, "train").replace("\n", "\r\n"))
    text = csv_text(VAL, "validate")
    (root / "validate.csv").write_text(text, "utf-8")
    assert load(root).samples == whole
    (root / "val").rename(root / "validate")
    assert labels_of(load(root, "test")) == VAL


@pytest.mark.parametrize(
    "name_of",
    [
        str,
        lambda name: name.replace(" ", "_"),
        lambda name: class_key(name).replace(" ", "_"),  # no parentheses left
    ],
    ids=["spaces", "underscores", "stripped"],
)
def test_folders_of_classes_with_and_without_a_list(root, name_of):
    into_class_folders(root / "train", TRAIN, name_of)
    listed = load(root)
    assert labels_of(listed) == TRAIN
    shutil.rmtree(root / "annotations")
    found = load(root, says="no list of this side: all 4 videos")
    assert labels_of(found) == TRAIN
    assert sorted(found.samples, key=str) == sorted(listed.samples, key=str)
    assert (listed.missing, found.missing) == (0, None)
    one = found.samples[0].path
    one.rename(one.with_suffix(".film"))
    with pytest.warns(UserWarning, match=PARTLY):
        load(root, says=f"1 files are left out, .* {one.stem}.film")


@pytest.mark.filterwarnings("ignore:.* of the 400 classes")
def test_missing_clips_are_left_out_and_counted(root):
    (root / "train/ordinaryId1_000000_000010.mp4").unlink()
    says = r"4 clips are listed, 3 are there and 1 \(25.0%\) are missing, such as ord"
    found = load(root, says=says)
    assert [s.label for s in found.samples] == [308, 309, 196]
    assert found.missing == 1
    # A download that broke off leaves another name behind.
    half = root / "train/--DeFgHi012_000120_000130.mp4"
    half.rename(half.with_suffix(".mp4.part"))
    assert len(load(root, says="2 are there and 2 ")) == 2
    (root / "train/_-cDeFgHi01_000001_000011.mp4").unlink()
    with pytest.raises(
        MissingVideos, match="1 are there .*Half of the list must be"
    ) as caught:
        create_dataset("kinetics400", root)
    assert len(caught.value.names) == 3
    assert [s.label for s in caught.value.samples] == [308]
    (root / "train/-aBcDeFgHi0_000044_000054.mp4").unlink()
    with pytest.raises(DatasetError, match="0 are there and 4 .100.0%. are missing"):
        create_dataset("kinetics400", root)


def test_replacements_are_taken_in_place_of_damaged_clips(root, one_video):
    plain = load(root)
    folder = root / "replacement/replacement_for_corrupted_k400"
    folder.mkdir(parents=True)
    for stem in ("-aBcDeFgHi0_000044_000054", "strange_Id1_000000_000010"):
        os.link(one_video, folder / f"{stem}.mp4")
    (root / "train/ordinaryId1_000000_000010.mp4").unlink()
    os.link(one_video, folder / "ordinaryId1_000000_000010.mp4")
    train = load(root)
    assert [s.path.parent == folder for s in train.samples] == [
        True,
        False,
        False,
        True,
    ]
    assert [(s.name, s.label) for s in train.samples] == [
        (s.name, s.label) for s in plain.samples
    ]
    shutil.rmtree(root / "annotations")
    (root / "train" / SKI[0].replace(" ", "_")).mkdir()
    for path in list((root / "train").glob("*.mp4")):
        shutil.move(path, root / "train" / SKI[0].replace(" ", "_"))
    found = load(root, says="no list of this side: all 3 videos")
    assert [s.label for s in found.samples] == [308] * 3  # no label, no clip
    assert sum(s.path.parent == folder for s in found.samples) == 1


def test_a_clip_on_both_lists_is_refused(root):
    for side, clips in (("train", TRAIN), ("val", VAL)):
        both = {**clips, "shared_Id01_000000_000010": "abseiling"}
        text = csv_text(both, side)
        (root / f"annotations/{side}.csv").write_text(text, "utf-8")
    for subset in ("train", "test"):
        with pytest.raises(DatasetError, match="share 1 clips: shared_Id01"):
            create_dataset("kinetics400", root, subset=subset)


@pytest.mark.filterwarnings("ignore:.* of the 400 classes")
def test_a_clip_listed_twice_counts_once_and_under_two_classes_never(root):
    file = root / "annotations/train.csv"
    line = file.read_text("utf-8").splitlines()[1]
    with file.open("a", encoding="utf-8") as out:
        out.write(line + "\n" + "abseiling,--DeFgHi012,120,130,train\n")
    train = load(root, says="1 clips are listed under two classes .*: --DeFgHi012")
    assert [s.label for s in train.samples] == [308, 309, 0]


def test_a_folder_that_contradicts_the_list_is_refused(root):
    into_class_folders(root / "train", TRAIN, str)
    stem = "ordinaryId1_000000_000010.mp4"
    shutil.move(root / "train/abseiling" / stem, root / "train" / SKI[0])
    with pytest.raises(DatasetError, match="folder of 'skiing .*list says 'abseiling'"):
        create_dataset("kinetics400", root)


def test_without_a_list_every_folder_must_be_a_class(root):
    into_class_folders(root / "train", TRAIN, str)
    (root / "train/part_0").mkdir()
    shutil.move(root / "train/abseiling/ordinaryId1_000000_000010.mp4", root / "train")
    shutil.move(root / "train/ordinaryId1_000000_000010.mp4", root / "train/part_0")
    assert labels_of(load(root)) == TRAIN  # the list knows what part_0 holds
    shutil.rmtree(root / "annotations")
    with pytest.raises(DatasetError, match="part_0.*: no video in a folder of a class"):
        create_dataset("kinetics400", root)
    shutil.move(root / "train/part_0/ordinaryId1_000000_000010.mp4", root / "train")
    (root / "train/part_0").rmdir()
    with pytest.raises(DatasetError, match="ordinaryId1.*: no video in a folder"):
        create_dataset("kinetics400", root)
    shutil.rmtree(root / "train")
    (root / "train").mkdir()
    with pytest.raises(DatasetError, match="train: no video"):
        create_dataset("kinetics400", root)


def test_one_clip_in_the_folders_of_two_classes_is_refused(root, one_video):
    into_class_folders(root / "train", TRAIN, str)
    os.link(one_video, root / "train/abseiling/-aBcDeFgHi0_000044_000054.mkv")
    with pytest.raises(DatasetError, match="are both there"):
        create_dataset("kinetics400", root)


def test_archives_that_are_still_packed_are_named(root):
    shutil.rmtree(root / "train")
    with pytest.raises(DatasetError, match="there is no folder train"):
        create_dataset("kinetics400", root)
    (root / "train").mkdir()
    (root / "train/part_0.tar.gz").touch()
    with pytest.raises(DatasetError, match="Still packed there: part_0.tar.gz"):
        create_dataset("kinetics400", root)


def test_held_out_groups_keep_a_video_together(root, one_video):
    """Several clips of one id are one group."""
    clips = {
        f"id{label}{video:08d}_{10 * k:06d}_{10 * k + 10:06d}": name
        for label, name in enumerate(SKI)
        for video in range(4)
        for k in range(3)
    }
    for stem in clips:
        os.link(one_video, root / f"train/{stem}.mp4")
    text = csv_text(clips, "train")
    (root / "annotations/train.csv").write_text(text, "utf-8")
    fit, held = load(root).hold_out_groups(0.25, seed=1)
    assert (len(fit), len(held)) == (18, 6)
    assert not {s.group for s in fit} & {s.group for s in held}


# Real clips, where this machine has them.


def test_real_clips_in_folders_of_classes(real_data, tmp_path):
    clips = sorted((real_data / "real_clips/kinetics400").glob("[!_]*/*"))
    if not clips:
        pytest.skip("no real Kinetics clips")
    for path in clips:
        folder = tmp_path / "val" / path.parent.name.replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).symlink_to(path)
    found = load(tmp_path, "test", says="no list of this side")
    assert len(found) == len(clips)
    for k, sample in enumerate(found.samples):
        clip, label = found[k]
        assert found.classes[label] == sample.path.resolve().parent.name
        assert clip.shape[:2] == (8, 3) and clip.float().std() > 10


LINES = f"""{HEADER}
"{SKI[0]}",-aBcDeFgHi0,44,54,train
"{SKI[1]}",_-cDeFgHi01,1.0,11.0,train
"massaging person's head",--DeFgHi012,120,130,train

abseiling,ordinaryId1,0,10,train
"""


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "train.csv"
    path.write_text(LINES, "utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("abseiling", "acting in play", "line 6: 'acting in play' .* 600 or 700"),
        ('"massaging', 'x"massaging', "line 4: .*is not one of the 400"),
        (",train", ",val", "line 2: is of the split 'val'"),
        ("-aBcDeFgHi0", "#NAME?", "line 2: no YouTube id.*spreadsheet"),
        ("-aBcDeFgHi0", "../../aaaaa", "line 2: no YouTube id"),
        ("44,54", "54,44", "line 2: .* two times in seconds"),
        ("44,54", "0:44,0:54", "line 2: .* two times in seconds"),
        ("44,54", "nan,inf", "line 2: .* two times in seconds"),
        (",44,54,train", ",44", "line 2: has not as many columns"),
        (",44,54,train", ",44,54,train,0", "line 2: has not as many columns"),
        ('"skiing crosscountry"', '"skiing crosscountry', "unexpected end|expected"),
        ("label,", "class,", "has no column label"),
        (HEADER + "\n", "", "has no column label, time_end, time_start, youtube_id"),
    ],
)
def test_a_list_of_another_kind_or_mangled_is_refused(file, old, new, says):
    assert old in LINES
    file.write_text(LINES.replace(old, new, 1), "utf-8")
    with pytest.raises(DatasetError, match=says) as caught:
        read_csv(file, official_classes("kinetics400"), "train")
    assert str(file) in str(caught.value)


@pytest.mark.quick
def test_the_order_keeps_the_parentheses_and_every_spelling_is_unique():
    names = official_classes("kinetics400")
    assert len(names) == 400 and names[308:310] == SKI
    by_spelling = sorted(range(400), key=lambda label: class_key(names[label]))
    moved = [label for place, label in enumerate(by_spelling) if place != label]
    assert {308, 309} <= set(moved)  # what sorting stripped names would do
    assert len({class_key(name) for name in names}) == 400


# The official lists, where this machine has them.


def test_the_class_list_is_that_of_the_known_label_maps(real_data):
    folder = real_data / "annotations/kinetics400"
    names = official_classes("kinetics400")
    order = (folder / "mmaction2_label_map_k400.txt").read_text("utf-8").splitlines()
    assert list(names) == order == sorted(order)
    with open(folder / "kinetics_400_labels.csv", newline="") as rows:
        pairs = [(int(row["id"]), row["name"]) for row in csv.DictReader(rows)]
    assert pairs == list(enumerate(names))
