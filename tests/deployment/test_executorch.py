"""Networks for a phone: equal answers, one whole file that tells what an app asks."""

import importlib.util
import sys

import pytest
import torch

from dvfl_lib.cli import main
from dvfl_lib.deployment import executorch as room
from dvfl_lib.deployment.executorch import export, open_executorch
from dvfl_lib.errors import CheckpointError, ModelError, RecipeError
from dvfl_lib.lessons.trained import ASSETS, assets_folder
from dvfl_lib.standins import StandinSize, clip_frames
from dvfl_lib.standins.scenes import ACTIONS
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig
from dvfl_lib.video.transforms import MEAN
from dvfl_lib.video.writing import encode_clip
from dvfl_lib.weights import save_checkpoint
from helpers import export_unchanged

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("executorch") is None,
    reason="the extra 'mobile' is not installed",
)
SMALL = VFLNetConfig(depths=(1,), embed_dim=8, focal_levels=1)
SIZE = dict(frames=4, side=16)
NAMES = ("a", "b", "ö")


def runtime():
    from executorch.runtime import Runtime

    return Runtime.get()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return VFLNet(SMALL, 3, drop_path=0.5, init="fan_in")


@pytest.fixture(scope="module")
def clips():
    return torch.randn(6, 4, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("pte") / "small.pte"
    told = dict(classes=NAMES, standin=True, **SIZE)
    return export_unchanged(export, network, path, **told)


def test_each_clip_gets_the_network_s_own_answer(network, exported, clips, capfd):
    """In evaluation mode, though it was exported while training, with drop-path."""
    opened = open_executorch(exported)
    assert (opened.frames, opened.side, opened.standin) == (4, 16, True)
    assert opened.classes == NAMES
    with torch.no_grad():
        own = network.eval()(clips)
    assert torch.allclose(opened(clips), own, rtol=0, atol=1e-5)
    # clips that lie otherwise in memory
    turned = clips.permute(1, 0, 2, 3, 4).contiguous().permute(1, 0, 2, 3, 4)
    assert torch.equal(opened(turned), opened(clips)) and own.std() > 0.01
    assert capfd.readouterr() == ("", "")


def test_an_app_finds_what_it_must_know(exported):
    program = runtime().load_program(exported)
    told = {
        name: program.load_method(name).execute([])
        for name in program.method_names - {"forward"}
    }
    assert told["frames"] == [4] and told["side"] == [16]
    assert told["classes"] == [*NAMES] and told["mean"] == pytest.approx(MEAN)
    assert program.metadata("forward").input_tensor_meta(0).sizes() == (1, 4, 3, 16, 16)


def test_the_file_says_nothing_of_this_machine(exported):
    content = exported.read_bytes()
    for word in (b"site-packages", b"dvfl_lib/", str(exported.parent).encode()):
        assert word not in content
    assert [p.name for p in exported.parent.iterdir()] == [exported.name]


def test_xnnpack_takes_all_products_and_convolutions(exported):
    """Else they would run in slow, plain loops."""
    from executorch.exir._serialize._program import deserialize_pte_binary

    (plan,) = (
        plan
        for plan in deserialize_pte_binary(exported.read_bytes()).program.execution_plan
        if plan.name == "forward"
    )
    left = {operator.name for operator in plan.operators}
    assert left == {
        "aten::native_layer_norm",
        "aten::split_with_sizes_copy",
        "aten::mean",
    }
    assert {delegate.id for delegate in plan.delegates} == {"XnnpackBackend"}


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"path": "net.onnx"}, RecipeError, "must end with .pte"),
        ({"classes": ["a"]}, ModelError, "3 classes, but 1 names"),
        ({"calibration": []}, ModelError, "calibration needs clips"),
        ({"calibration": [torch.zeros(4, 3, 8, 8)]}, ModelError, r"\(4, 3, 16, 16\)"),
    ],
)
def test_what_cannot_be_exported_is_said(network, tmp_path, wrong, error, said):
    given = {**SIZE, "path": "net.pte", **wrong}
    with pytest.raises(error, match=said):
        export(network, tmp_path / given.pop("path"), **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("answer", [1.0, float("nan")])
def test_a_file_that_answers_otherwise_is_not_written(
    network, exported, tmp_path, monkeypatch, answer
):
    """And an older one stays."""
    path = tmp_path / "net.pte"
    path.write_bytes(b"older")
    monkeypatch.setattr(room, "_lowered", lambda *given: exported.read_bytes())
    monkeypatch.setattr(
        room, "_forward", lambda program: lambda clip: torch.full((1, 3), answer)
    )
    with pytest.raises(CheckpointError, match="was not written"):
        export(network, path, **SIZE)
    assert path.read_bytes() == b"older" and len(list(tmp_path.iterdir())) == 1


def test_foreign_and_damaged_files_are_refused(exported, tmp_path, monkeypatch):
    path = tmp_path / "other.pte"
    with pytest.raises(CheckpointError, match="there is no file"):
        open_executorch(path)
    for content in (b"", b"no program", exported.read_bytes()[:-2000]):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="cannot be run by ExecuTorch"):
            open_executorch(path)
    monkeypatch.setattr(room, "_FACTS", ("frames", "a method that no file has"))
    with pytest.raises(CheckpointError, match="not written by this library"):
        open_executorch(exported)


def test_without_the_package_it_is_said_how_to_get_it(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "executorch.runtime", None)
    with pytest.raises(RecipeError, match="executorch.*the extra 'mobile'"):
        export(network, "x.pte")


def test_the_command_writes_both_forms(
    network, exported, clips, tmp_path, capsys, monkeypatch
):
    lowered, before = room._lowered, [exported.read_bytes()]  # float32 comes first

    def once_more(*given):
        return before.pop() if before else lowered(*given)

    monkeypatch.setattr(room, "_lowered", once_more)
    checkpoint = tmp_path / "small.safetensors"
    (tmp_path / "videos").mkdir()
    views = {"frames": 4, "crop": 16, "short_side": 18}
    told = {"classes": [*NAMES], "views": views}
    save_checkpoint(network, checkpoint, extra=told)
    for number, action in enumerate(ACTIONS[:2]):
        frames = clip_frames(0, StandinSize(), action, 9, 1)
        encode_clip(tmp_path / "videos" / f"{number}.avi", frames)
    out, small = tmp_path / "a.pte", tmp_path / "b.pte"
    given = ["--checkpoint", checkpoint, "--format", "executorch", "--out", out]
    given += ["--int8", small, "--calibration", tmp_path / "videos"]
    assert main(["export", *map(str, given)]) == 0
    told = capsys.readouterr().out
    assert "a.pte: 0.0" in told and "from 2 videos" in told
    with torch.no_grad():
        own = network.eval()(clips)
    float32, int8 = open_executorch(out), open_executorch(small)
    assert float32.classes == int8.classes == NAMES
    assert torch.allclose(float32(clips), own, rtol=0, atol=1e-5)
    assert 1e-4 < (int8(clips) - own).abs().max() < 0.3 * own.std()


def test_the_ending_is_that_of_the_format(tmp_path, capsys):
    checkpoint = str(assets_folder() / ASSETS["student"])
    given = ["--checkpoint", checkpoint, "--format", "executorch"]
    given += ["--out", str(tmp_path / "a.pte"), "--calibration", str(tmp_path)]
    assert main(["export", *given, "--int8", str(tmp_path / "b.onnx")]) == 1
    assert "b.onnx must end with .pte" in capsys.readouterr().err
