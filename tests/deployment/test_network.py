"""Checkpoints opened for use: classes, views, what is refused."""

import pytest
import torch

from dvfl_lib.deployment import open_network, predict_video
from dvfl_lib.deployment.network import Deployed
from dvfl_lib.errors import CheckpointError, DatasetError, RecipeError
from dvfl_lib.lessons.trained import STUDENT, assets_folder
from dvfl_lib.recipes import EvaluateRecipe
from dvfl_lib.vfl_net import create_model
from dvfl_lib.weights import save_checkpoint
from helpers import moving_frames, write_video

CHECKPOINT = assets_folder() / STUDENT.file


@pytest.fixture(scope="module")
def network() -> Deployed:
    return open_network(CHECKPOINT)


def test_a_checkpoint_of_ours_brings_its_classes_and_views(network):
    assert "Rising" in network.classes and len(network.classes) == 12
    assert (network.data.frames, network.data.crop) == (8, 64)
    assert network.evaluate.clips == 2 and network.evaluate.crops == 3
    assert network.evaluate.short_side == 72 and not network.model.training
    assert network.standin and "STAND-IN" in network.notes[0]
    other = open_network(CHECKPOINT, size={"frames": 4}, clips=1, crops=1)
    assert other.data.frames == 4 and other.evaluate == EvaluateRecipe(1, 1, 72)


def authors_file(path, classes=3):
    """As the authors save them: a dictionary with the weights under 'model'."""
    model = create_model("vfl_net_lab_student", classes)
    torch.save({"model": model.state_dict(), "epoch": 3}, path)
    return path


def test_a_checkpoint_that_names_no_classes_needs_a_list(tmp_path):
    video = write_video(tmp_path / "a.mp4", moving_frames(8))
    path, names = authors_file(tmp_path / "a.pth"), tmp_path / "names.txt"
    with pytest.raises(CheckpointError, match="does not name its classes.*--classes"):
        open_network(path)
    names.write_text("one\ntwo\n")
    with pytest.raises(CheckpointError, match="3 outputs, but .*names.txt names 2"):
        open_network(path, classes=names)
    names.write_text("id,name\n0,one\n1,two\n2,three\n")
    with pytest.raises(DatasetError, match="nowhere.txt"):
        open_network(path, classes=tmp_path / "nowhere.txt")
    network = open_network(path, classes=names)
    assert network.classes == ("one", "two", "three") and not network.standin
    assert not network.model.training
    assert "8 frames of 224 pixels are taken; --frames and --crop" in network.notes[0]
    small = {"frames": 2, "crop": 32, "short_side": 36}
    network = open_network(path, classes=names, size=small, clips=1, crops=1)
    assert network.notes == ()
    assert predict_video(network, video).probabilities.sum() == pytest.approx(1)


def test_a_list_that_contradicts_the_checkpoint_is_refused(tmp_path, network):
    names = tmp_path / "names.txt"
    names.write_text("\n".join(network.classes))
    assert open_network(CHECKPOINT, classes=names).classes == network.classes
    names.write_text("\n".join(reversed(network.classes)))
    with pytest.raises(CheckpointError, match="another order: leave the list out"):
        open_network(CHECKPOINT, classes=names)


@pytest.mark.parametrize(
    ("recipe", "extra", "error"),
    [
        ("nonsense", {"classes": ["a", "b"]}, CheckpointError),
        ({"data": {"frames": "8"}}, {"classes": ["a", "b"]}, RecipeError),
        ({"data": {"crop": 32.5}}, {"classes": ["a", "b"]}, RecipeError),
        ({"evaluate": {"clips": "2"}}, {"classes": ["a", "b"]}, RecipeError),
        (None, {"classes": ["a", 2]}, CheckpointError),
        (None, {"classes": "ab"}, CheckpointError),
        (None, {"classes": ["a", "b", "c"]}, CheckpointError),
        (None, {"classes": ["a", "b"], "trained_on": 3}, CheckpointError),
    ],
)
def test_metadata_that_is_nonsense_is_refused(tmp_path, recipe, extra, error):
    path = tmp_path / "odd.safetensors"
    save_checkpoint(create_model("vfl_net_lab_student", 2), path, recipe, extra)
    with pytest.raises(error):
        open_network(path)


def test_a_network_of_a_run_on_a_standin_says_so(tmp_path):
    """Such files say what they learned from, and no more."""
    path, story = tmp_path / "a.safetensors", {"dataset": "ucf101", "split": "1"}
    for drawing, standin in ((0, True), (None, False)):
        extra = {"classes": ["a", "b"], "trained_on": story | {"drawing": drawing}}
        save_checkpoint(create_model("vfl_net_lab_student", 2), path, None, extra)
        assert open_network(path).standin is standin
