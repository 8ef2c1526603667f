"""Something-Something V2 is read from its original files, traps included."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from dvfl_lib.datasets import create_dataset
from dvfl_lib.datasets.ssv2 import read_labels
from dvfl_lib.errors import DatasetError
from dvfl_lib.recipes import AugmentRecipe, DataRecipe
from dvfl_lib.video.clips import ClipKey, TrainingClips

VIDEOS = "20bn-something-something-v2"
# Not in alphabetical order: the numbers are what counts. Two with commas.
LABELS = {
    "Pushing something from left to right": "3",
    "Lifting something up completely, then letting it drop down": "0",
    "Pushing something from right to left": "1",
    "Putting something, something and something on the table": "2",
    "Holding something": "4",
}
# id -> template, as the lists write it
TRAIN = {
    "11": "Pushing [something] from left to right",
    "7": "Lifting [something] up completely, then letting it drop down",
    "30": "Pushing [something] from right to left",
    "2": "Putting [something], [something] and [something] on the table",
    "100": "Holding [something]",
}
VALIDATION = {"5": "Holding [something]", "6": "Pushing [something] from left to right"}


def entries(clips: dict[str, str]) -> list[dict]:
    return [
        {
            "id": number,
            "label": template.replace("[something]", "a red cup"),
            "template": template,
            "placeholders": ["a red cup"] * template.count("["),
        }
        for number, template in clips.items()
    ]


@pytest.fixture
def root(tmp_path, one_video) -> Path:
    """A small copy of five classes."""
    (tmp_path / VIDEOS).mkdir()
    for number in [*TRAIN, *VALIDATION, "8"]:
        os.link(one_video, tmp_path / VIDEOS / f"{number}.webm")
    for name, content in (
        ("labels", LABELS),
        ("train", entries(TRAIN)),
        ("validation", entries(VALIDATION)),
        ("test", [{"id": "8"}]),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return tmp_path


def change(file: Path, **fields) -> None:
    """Change the first entry of a list."""
    content = json.loads(file.read_text("utf-8"))
    content[0].update(fields)
    content[0] = {key: value for key, value in content[0].items() if value is not None}
    file.write_text(json.dumps(content), "utf-8")


def assert_refused(root: Path, says: str, subset: str = "train", split="1") -> None:
    with pytest.raises(DatasetError, match=says):
        create_dataset("ssv2", root, split, subset)


@pytest.mark.parametrize("folder", [".", "labels"])
def test_labels_are_the_numbers_of_the_templates_without_brackets(root, folder):
    (root / "labels").mkdir()
    for file in list(root.glob("*.json")):
        file.rename(root / folder / file.name)
    train = create_dataset("ssv2", root)
    assert train.classes == tuple(sorted(LABELS, key=lambda name: int(LABELS[name])))
    assert [(s.name, s.label) for s in train.samples] == [
        ("11.webm", 3), ("7.webm", 0), ("30.webm", 1), ("2.webm", 2), ("100.webm", 4)
    ]  # fmt: skip
    assert [s.group for s in train.samples] == list(TRAIN)
    assert train.split == "1" and not train.standin
    clip, label = train[2]
    assert clip.shape == (8, 3, 48, 64) and clip.dtype == torch.uint8 and label == 1
    test = create_dataset("ssv2", root, split=1, subset="test")  # the validation list
    assert [(s.name, s.label) for s in test.samples] == [("5.webm", 4), ("6.webm", 3)]


def test_left_and_right_are_a_pair_whose_labels_a_flip_swaps(root):
    train = create_dataset("ssv2", root)
    pairs = train.flip_labels
    assert pairs == {1: 3, 3: 1}
    data, always = DataRecipe(frames=2, short_side=36, crop=32), AugmentRecipe(flip=1.0)
    clips = TrainingClips(train.samples, data, always, seed=0, flip_labels=pairs)
    assert [clips[ClipKey(0, i)]["label"] for i in range(5)] == [1, 0, 3, 2, 4]


def test_the_unlabelled_test_list_is_refused(root):
    assert_refused(root, "official test list is unlabelled", split="test")
    assert_refused(root, "'test' .the validation list", subset="validation")
    (root / "validation.json").unlink()
    assert_refused(root, "validation.json: is missing", "test")
    assert len(create_dataset("ssv2", root)) == 5
    shutil.copy(root / "test.json", root / "validation.json")
    assert_refused(root, "entry 1: .*test list is unlabelled", "test")


def test_what_is_packed_or_missing_is_named(root):
    (root / VIDEOS / "7.webm").rename(root / VIDEOS / "7.webm.part")
    (root / VIDEOS / "30.webm").unlink()
    assert_refused(root, "5 clips are listed, 3 .* such as 7.webm, 30.webm.* tar zx")
    shutil.rmtree(root / VIDEOS)
    assert_refused(root, f"no folder {VIDEOS}")
    (root / f"{VIDEOS}-00").touch()
    assert_refused(root, f"Still packed there: {VIDEOS}-00.*tar zx")


def test_lists_that_contradict_are_refused(root):
    list_of = root / "train.json"
    change(list_of, template="Juggling [something]")
    assert_refused(root, "entry 1: .*'Juggling .* two versions")
    change(list_of, template=TRAIN["11"], id="30")
    assert_refused(root, "names clips twice: 30[.]")
    change(list_of, id="5")
    for subset in ("train", "test"):
        assert_refused(root, "share 1 clips: 5[.]", subset)


def test_ids_are_digits_and_never_paths(root):
    for wrong in ("../../secret", "12a", "", None):
        change(root / "train.json", id=wrong)
        assert_refused(root, "entry 1: .* has no id of digits")
    change(root / "train.json", id=11)  # a number says the same
    assert create_dataset("ssv2", root).samples[0].name == "11.webm"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"a": "0", "b": "2"}, "do not have the numbers 0, 1, 2"),
        ({"a": "0", "b": "0"}, "do not have the numbers 0, 1, 2"),
        ({"something": "0", "[something]": "1"}, "do not have the numbers 0, 1, 2"),
        ({"a": "first"}, "do not have the numbers"),
        ({"a": True}, "do not have the numbers"),
        ({"a": -1}, "do not have the numbers"),
        (["a", "b"], "it is no dict"),
    ],
)
def test_labels_that_are_no_labels_are_refused(root, content, says):
    (root / "labels.json").write_text(json.dumps(content), "utf-8")
    assert_refused(root, says)


# The official class list and real clips, where this machine has them.


@pytest.mark.quick
def test_the_official_classes_and_their_order(real_data):
    folder = real_data / "annotations/ssv2"
    classes = read_labels(folder / "labels_reconstructed.json")
    assert len(classes) == 174
    order = (folder / "mmaction2_label_map.txt").read_text("utf-8").splitlines()
    assert list(classes) == order
    assert sum("," in name for name in classes) == 12
    assert classes[86:88] == (
        "Pulling something from left to right",
        "Pulling something from right to left",
    )


def test_real_webm_clips_are_read(real_data, tmp_path):
    clips = sorted((real_data / "real_clips/derived_webm_ssv2like").glob("*.webm"))
    if not clips:
        pytest.skip("no webm clips")
    labels = real_data / "annotations/ssv2/labels_reconstructed.json"
    shutil.copy(labels, tmp_path / "labels.json")
    (tmp_path / VIDEOS).symlink_to(clips[0].parent)
    template = "Turning the camera right while filming [something]"
    listed = entries({clip.stem: template for clip in clips})
    (tmp_path / "train.json").write_text(json.dumps(listed), "utf-8")
    train = create_dataset("ssv2", tmp_path)
    assert len(train) == len(clips) and train.flip_labels[167] == 166
    for clip, label in train:
        assert label == 167 and clip.shape[:2] == (8, 3)
        assert clip.float().std() > 10  # a picture, not a blank
