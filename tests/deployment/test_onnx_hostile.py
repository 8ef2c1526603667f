"""Crafted ONNX files, and arguments that are none: refused in a line of ours."""

import numpy as np
import onnx
import pytest
import torch

from deployment.test_export import SIZE, another, changed, small
from dvfl_lib.deployment import StreamingRecogniser
from dvfl_lib.deployment.int8 import quantise
from dvfl_lib.deployment.onnx import export, open_onnx
from dvfl_lib.errors import CheckpointError, ModelError, RecipeError
from dvfl_lib.recipes import DataRecipe
from helpers import moving_frames


@pytest.fixture(scope="module")
def network():
    return small().eval()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    return export(network, path, classes=["a", "b", "c"], **SIZE).path


def point_elsewhere(tensor):
    tensor.name, tensor.data_location = "w", onnx.TensorProto.EXTERNAL
    tensor.data_type = onnx.TensorProto.FLOAT
    tensor.dims.append(4)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret"


def constant_elsewhere(proto):
    node = proto.graph.node.add(op_type="Constant", output=["q"])
    attribute = node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    point_elsewhere(attribute.t)


def branch(proto):
    node = proto.graph.node.add(op_type="If", input=["c"], output=["q"])
    return node.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g


def branch_elsewhere(proto):
    point_elsewhere(branch(proto).initializer.add())


def foreign_in_a_branch(proto):
    branch(proto).node.add(op_type="X", domain="evil")


def foreign_in_a_function(proto):
    function = proto.functions.add(name="F", domain="")
    function.node.add(op_type="X", domain="evil")


def another_output(proto):
    proto.graph.output.append(proto.graph.output[0])
    proto.graph.output[1].name = proto.graph.node[0].output[0]
    proto.graph.output[1].ClearField("type")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (constant_elsewhere, "w lies in another file; refused"),
        (branch_elsewhere, "w lies in another file; refused"),
        (foreign_in_a_branch, "needs operators of 'evil'"),
        (foreign_in_a_function, "needs operators of 'evil'"),
        (another(frames=5), "description and its graph do not agree"),
        (another(side=64), "description and its graph do not agree"),
        (another(classes=["a"]), "description and its graph do not agree"),
        (another_output, "description and its graph do not agree"),
    ],
)
def test_what_hides_within_is_found(exported, tmp_path, change, said):
    with pytest.raises(CheckpointError, match=said):
        open_onnx(changed(exported, tmp_path, change))


def test_a_file_without_names_is_opened(exported, tmp_path):
    opened = open_onnx(changed(exported, tmp_path, another(classes=[])))
    assert opened(torch.zeros(1, 4, 3, 32, 32)).shape == (1, 3)


@pytest.mark.parametrize("threads", [-1, 1.5, "2", True, None])
def test_impossible_threads(exported, threads):
    with pytest.raises(RecipeError, match="threads is a whole number"):
        open_onnx(exported, threads=threads)


def test_only_tensors_are_clips(exported, tmp_path):
    clip = np.zeros((4, 3, 32, 32), np.float32)
    with pytest.raises(ModelError, match="must be a tensor, not ndarray"):
        open_onnx(exported)(clip[None])
    with pytest.raises(ModelError, match="clip 0 is a ndarray, not a tensor"):
        quantise(exported, tmp_path / "q.onnx", [clip])


def test_integers_are_not_quantised_again(exported, tmp_path):
    clips = [torch.randn(4, 3, 32, 32)]
    small = quantise(exported, tmp_path / "q.onnx", clips)
    with pytest.raises(CheckpointError, match="computes in integers already"):
        quantise(small, tmp_path / "qq.onnx", clips)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"frames": -1}, "frames is a whole number"),
        ({"frames": 4.0}, "frames is a whole number"),
        ({"side": None}, "side is a whole number"),
        ({"classes": "abc"}, "a list of names, not 'abc'"),
        ({"classes": [1, 2, 3]}, "1 is none"),
    ],
)
def test_impossible_exports(network, tmp_path, wrong, said):
    with pytest.raises(ModelError, match=said):
        export(network, tmp_path / "a.onnx", **{**SIZE, **wrong})
    with pytest.raises(ModelError, match="a VFLNet can be exported, not Linear"):
        export(torch.nn.Linear(2, 2), tmp_path / "a.onnx")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"smoothing": "much"}, "smoothing must be a number"),
        ({"threshold": None}, "threshold must be a number"),
        ({"short_side": 36.5}, "short_side is a whole number"),
        ({"data": {"frames": 4, "crop": 32}}, "must be a DataRecipe, not dict"),
        ({"classes": "abc"}, "a list of names, not 'abc'"),
        ({"classes": None}, "a list of names, not None"),
    ],
)
def test_impossible_streams(network, wrong, said):
    data = DataRecipe(frames=4, crop=32, short_side=36)
    given = dict(classes=list("abc"), data=data, short_side=36, frame_stride=1)
    with pytest.raises((ModelError, RecipeError), match=said):
        StreamingRecogniser(network, **{**given, **wrong})


def test_a_stream_in_half_precision_stays_near(network):
    data = DataRecipe(frames=4, crop=32, short_side=36)
    answers = []
    for model in (network, small().eval().bfloat16()):
        stream = StreamingRecogniser(model, list("abc"), data, 36, frame_stride=1)
        (*_, last) = stream.run(moving_frames(6))
        answers.append(last.window)
    difference = (answers[0] - answers[1]).abs().max()
    assert 0 < difference < 0.02
