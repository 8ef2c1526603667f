"""Classes are paired by name; what has no partner is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from dvfl_lib.datasets.base import official_classes
from dvfl_lib.errors import CheckpointError, DatasetError
from dvfl_lib.evaluation.class_order import (
    InClassOrder,
    align_classes,
    read_class_list,
    released_classes,
    swapped_classes,
)
from dvfl_lib.weights.reading import weights_digest

pytestmark = pytest.mark.quick

UCF = ("Hammering", "HammerThrow", "JumpingJack", "JumpRope", "Kayaking")


class Fixed(nn.Module):
    """Answers its own logits for every clip."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, clip):
        return self.logits.expand(len(clip), -1)


def test_the_same_names_in_another_order_are_found_by_name():
    network = tuple(sorted(UCF))
    assert network == ("HammerThrow", "Hammering", "JumpRope", "JumpingJack", UCF[4])
    assert align_classes(network, UCF) == (1, 0, 3, 2, 4)
    assert align_classes(UCF, UCF) == (0, 1, 2, 3, 4)


def test_the_columns_of_a_network_follow():
    network = tuple(sorted(UCF))
    model = InClassOrder(Fixed([0.0, 1.0, 2.0, 3.0, 4.0]), align_classes(network, UCF))
    answers = model(torch.zeros(2, 8, 3, 4, 4))
    assert answers.tolist() == [[1.0, 0.0, 3.0, 2.0, 4.0]] * 2
    named = dict(zip(UCF, answers[0].tolist(), strict=True))
    assert all(named[name] == k for k, name in enumerate(network))


def test_another_order_is_another_evaluation():
    models = [InClassOrder(Fixed([0.0, 1.0]), order) for order in ((0, 1), (1, 0))]
    assert len({weights_digest(model.state_dict()) for model in models}) == 2


def test_spelling_is_forgiven_where_it_leaves_no_doubt():
    data = ("brush_hair", "Apply Eye-Makeup", "massaging person's head")
    network = ("massaging persons head", "ApplyEyeMakeup", "Brush Hair")
    assert align_classes(network, data) == (2, 1, 0)


@pytest.mark.parametrize("names", ["kinetics400", "hmdb51", "ucf50"])
def test_official_names_stay_apart_without_their_punctuation(names):
    classes = official_classes(names)
    shouted = tuple(name.upper().replace(" ", "_") for name in reversed(classes))
    order = align_classes(shouted, classes)
    assert order == tuple(reversed(range(len(classes))))


@pytest.mark.parametrize(
    "network, data, told",
    [
        (("a", "b"), ("a", "c"), ["only the network has 'b'", "data set has 'c'"]),
        (("a", "b", "c"), ("a", "b"), ["3 classes", "2", "only the network has 'c'"]),
        (("a", "a"), ("a", "b"), ["several classes of the name 'a'", "'b'"]),
        (("a b", "ab"), ("a_b", "ab"), ["several classes of the name"]),
    ],
)
def test_what_has_no_partner_is_named_and_refused(network, data, told):
    with pytest.raises(CheckpointError) as refused:
        align_classes(network, data)
    assert all(text in str(refused.value) for text in told), refused.value


def test_released_checkpoints_have_the_order_of_their_repository(real_data):
    """Our order of UCF101, made theirs, is the order of their file of labels."""
    lists = real_data / "annotations"
    official = [
        line.split()[1]
        for line in (lists / "ucf101/ucfTrainTestlist/classInd.txt").open()
        if line.strip()
    ]
    theirs = read_class_list(lists / "ucf101/dvflnet/ucf_101_labels.csv")
    assert released_classes("ucf101", official) == theirs
    assert list(theirs) != official and sorted(theirs) == sorted(official)
    moved = [k for k, n in enumerate(align_classes(theirs, official)) if k != n]
    assert moved == [34, 35, 46, 47]
    theirs = read_class_list(lists / "ucf50/dvflnet/ucf_50_labels.csv")
    assert released_classes("ucf50", official_classes("ucf50")) == theirs
    theirs = read_class_list(lists / "kinetics400/kinetics_400_labels.csv")
    assert released_classes("kinetics400", official_classes("kinetics400")) == theirs


def test_labels_with_commas_are_read_whole(real_data):
    """The file of the Something-Something labels is not quoted."""
    names = read_class_list(real_data / "annotations/ssv2/ssv2_174_labels.csv")
    assert len(names) == 174 and sum("," in name for name in names) >= 10
    assert released_classes("ssv2", names) == names


def test_nobody_knows_the_order_of_hmdb51():
    with pytest.raises(CheckpointError, match="from 2 to 52"):
        released_classes("hmdb51", ("a", "b"))
    with pytest.raises(CheckpointError, match="no checkpoints for 'folder'"):
        released_classes("folder", ("a", "b"))


def test_a_class_list_is_a_name_per_line(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("rise\n\nput, and leave\n")
    assert read_class_list(file) == ("rise", "put, and leave")
    file.write_text("id,name\n0,rise\n2,sink\n")
    with pytest.raises(DatasetError, match="not 0, 1, 2"):
        read_class_list(file)
    file.write_text("rise\n")
    with pytest.raises(DatasetError, match="names 1 classes"):
        read_class_list(file)
    with pytest.raises(DatasetError, match="missing"):
        read_class_list(tmp_path / "none.txt")


def test_classes_taken_for_each_other_are_noticed():
    confusion = np.diag([10, 10, 10, 10, 10])
    assert swapped_classes(confusion, UCF) == []
    confusion[:2, :2] = [[1, 9], [10, 0]]
    assert swapped_classes(confusion, UCF) == [("Hammering", "HammerThrow")]
    confusion[0, :2] = [5, 5]
    assert swapped_classes(confusion, UCF) == []
