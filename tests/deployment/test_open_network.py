"""Checkpoints opened for use, and what may go wrong on the way: one line each."""

import types
from dataclasses import asdict
from unittest.mock import Mock

import pytest
import torch

from deployment.test_predict import CHECKPOINT
from dvfl_lib.cli import main
from dvfl_lib.deployment import (
    LoadedNetwork,
    open_network,
    predict_video,
)
from dvfl_lib.errors import (
    CheckpointError,
    DatasetError,
    RecipeError,
)
from dvfl_lib.recipes import EvaluateRecipe, recipe_for
from dvfl_lib.training import Pipeline
from dvfl_lib.vfl_net import create_model
from dvfl_lib.weights import save_checkpoint
from helpers import moving_frames, write_video

SIZE = {"frames": 8, "sampling": "segments", "stride": 4, "crop": 32, "short_side": 36}


def predict(*arguments) -> int:
    given = [] if "--checkpoint" in arguments else ["--checkpoint", CHECKPOINT]
    return main(["predict", *map(str, [*arguments, *given])])


@pytest.fixture(scope="module")
def network() -> LoadedNetwork:
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
    ("recipe", "classes", "error"),
    [
        ({"data": {"frames": "8"}}, ["a", "b"], RecipeError),
        ({"evaluate": {"clips": "2"}}, ["a", "b"], RecipeError),
        (None, ["a", "b", "c"], CheckpointError),
    ],
)
def test_metadata_that_is_nonsense_is_refused(tmp_path, recipe, classes, error):
    path, model = tmp_path / "odd.safetensors", create_model("vfl_net_lab_student", 2)
    save_checkpoint(model, path, recipe, {"classes": classes})
    with pytest.raises(error):
        open_network(path)


def test_a_network_of_a_run_on_a_standin_says_so(tmp_path):
    """Such files say what they learned from, and no more."""
    path, story = tmp_path / "a.safetensors", {"dataset": "ucf101", "split": "1"}
    for drawing, standin in ((0, True), (None, False)):
        extra = {"classes": ["a", "b"], "trained_on": story | {"drawing": drawing}}
        save_checkpoint(create_model("vfl_net_lab_student", 2), path, None, extra)
        assert open_network(path).standin is standin


def run_file(path, views):
    extra = {"classes": ["a", "b"], "views": views}
    save_checkpoint(create_model("vfl_net_lab_student", 2), path, None, extra)
    return path


def test_a_run_is_asked_with_the_views_of_its_own_evaluation(tmp_path, monkeypatch):
    """Files of a training say in ``views`` how many; its recipe's ``evaluate`` is."""
    evaluate = recipe_for("demo").evaluate
    listed = types.SimpleNamespace(classes=["a", "b"])
    run = types.SimpleNamespace(recipe=recipe_for("demo"), train_list=listed)
    monkeypatch.setattr(
        "dvfl_lib.training.pipeline.training_list",
        lambda *unused: types.SimpleNamespace(to_dict=dict),
    )
    views = Pipeline._about_weights(run)["views"]
    network = open_network(run_file(tmp_path / "best.safetensors", views))
    asked = asdict(network.evaluate)
    for name in ("clips", "crops", "short_side"):
        assert asked[name] == asdict(evaluate)[name]
    assert network.evaluate.clips == 2 and network.notes == ()


def test_what_a_file_does_not_say_is_said_aloud(tmp_path):
    """A crop of 64 out of 224 pixels is another picture than 64 out of 72."""
    (note,) = open_network(run_file(tmp_path / "old.safetensors", SIZE)).notes
    assert "how many views" in note and "4 x 3" in note and "--clips" in note
    path, names = authors_file(tmp_path / "a.pth"), tmp_path / "names.txt"
    names.write_text("one\ntwo\nthree\n")
    how = {"classes": names, "clips": 1, "crops": 1}
    (note,) = open_network(path, size={"crop": 64}, **how).notes
    assert "short side of 224 (--short-side)" in note
    full = {"frames": 8, "crop": 64, "short_side": 72}
    assert open_network(path, size=full, **how).notes == ()


def test_a_camera_without_an_end_is_not_written_to_a_file(tmp_path, capsys):
    options = ["--checkpoint", CHECKPOINT, "--output", tmp_path / "a.mp4"]
    assert predict("camera:9", *options) == 1
    assert "give --max-frames as well" in capsys.readouterr().err
    assert predict("camera:9", *options, "--max-frames", "3") == 1
    assert "video9: cannot be opened" in capsys.readouterr().err


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("v") / "a.mp4", moving_frames(20))


def test_too_little_memory_is_one_line(video, capsys, monkeypatch):
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    gpu = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
    other = RuntimeError("a mistake of ours")
    for trouble in (MemoryError(), gpu, caught.value, other):
        failing = Mock(side_effect=trouble)
        monkeypatch.setattr("dvfl_lib.deployment.predict_video", failing)
        if trouble is other:
            with pytest.raises(RuntimeError, match="a mistake of ours"):
                predict(video)
        else:
            assert predict(video) == 1
            assert "the memory does not suffice" in capsys.readouterr().err


def test_several_sets_of_weights_are_said_and_can_be_chosen(tmp_path, capsys, video):
    path, names = tmp_path / "a.pth", tmp_path / "names.txt"
    state = create_model("vfl_net_lab_student", 2).state_dict()
    torch.save({"model": state, "model_ema": state}, path)
    names.write_text("one\ntwo\n")
    given = [video, "--checkpoint", path, "--crop", 32, "--short-side", 36]
    given += ["--classes", names, "--clips", 1, "--crops", 1]
    assert predict(*given) == 0
    assert "part='model_ema' takes others (--part)" in capsys.readouterr().out
    assert predict(*given, "--part", "model_ema") == 0
    assert "part='model' takes others" in capsys.readouterr().out
