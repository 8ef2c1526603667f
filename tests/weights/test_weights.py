"""Weights files: what is taken from them, and what is refused, and why.

The files are made here in the layouts of the published ones: the authors' ``.pth``
(weights under ``model``, a yacs configuration and more beside them), microsoft's
FocalNet files (built from timm's FocalNet, names turned back), and our own.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import types
import zipfile
from collections import OrderedDict
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dvfl_lib.errors import CheckpointError
from dvfl_lib.vfl_net import VARIANTS, VFLNet, VFLNetConfig, create_model
from dvfl_lib.weights import (
    LoadReport,
    PretrainedVFLNet,
    load_checkpoint,
    load_image_weights,
    load_model,
    read_metadata,
    save_checkpoint,
)
from dvfl_lib.weights.reading import _Inert, _read_pickle, read_weights

pytestmark = pytest.mark.quick

SMALL = VFLNetConfig(depths=(1, 2), embed_dim=8)
HEAD = ("head.weight", "head.bias")


def small(num_classes: int = 5, seed: int = 0) -> VFLNet:
    torch.manual_seed(seed)
    return VFLNet(SMALL, num_classes)


@cache
def shapes_only(name: str, num_classes: int) -> VFLNet:
    """A network of any size without numbers; filling it changes nothing."""
    with torch.device("meta"):
        return create_model(name, num_classes)


def hollow(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same names and shapes in a file of a few kilobytes: one zero, repeated."""
    return {name: torch.zeros(()).expand(value.shape) for name, value in state.items()}


def assert_equal_states(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert list(first) == list(second)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def image_names(twin: torch.nn.Module) -> dict[str, Tensor]:
    """timm's FocalNet under the names and shapes of microsoft's release."""
    state = {}
    for name, value in twin.state_dict().items():
        name = name.replace("stem", "patch_embed").replace("head.fc", "head")
        name = re.sub(
            r"layers\.(\d)\.downsample",
            lambda m: f"layers.{int(m[1]) - 1}.downsample",
            name,
        )
        linear = re.search(r"modulation\.(f|proj)\.|mlp\.fc", name)
        if linear and value.ndim == 4:  # timm writes linear layers as convolutions
            value = value.flatten(1)
        state[name] = value
    return state


@cache
def image_state(name: str) -> dict[str, Tensor]:
    """Names and shapes of a published image network, for ImageNet's 1000 classes."""
    with torch.device("meta"):
        return image_names(timm.create_model(name))


# --- the authors' files ----------------------------------------------------------


@pytest.fixture
def config_node(monkeypatch):
    """A class that pickles as yacs' CfgNode does: a dict with attributes besides."""

    class CfgNode(dict):
        def __init__(self, content: dict) -> None:
            super().__init__(content)
            self.__dict__["__immutable__"] = True
            self.__dict__["__deprecated_keys__"] = {"OLD.KEY"}
            self.__dict__["__renamed_keys__"] = {}

    CfgNode.__module__ = "yacs.config"
    CfgNode.__qualname__ = "CfgNode"
    package, module = types.ModuleType("yacs"), types.ModuleType("yacs.config")
    package.config, module.CfgNode = module, CfgNode
    monkeypatch.setitem(sys.modules, "yacs", package)
    monkeypatch.setitem(sys.modules, "yacs.config", module)
    yield CfgNode


@pytest.fixture
def authors_file(tmp_path, config_node, monkeypatch) -> tuple[Path, dict[str, Tensor]]:
    """Weights with all that a training of the released code saves beside them."""
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(1, 2, 3, 16, 16)).sum().backward()
    optimizer.step()
    config = config_node({"MODEL": config_node({"DEPTHS": [1, 2]}), "LR": (0.1, 0.2)})
    path = tmp_path / "best.pth"
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "lr_scheduler": {"base_values": [0.1], "warmup_steps": OrderedDict(a=1)},
            "max_accuracy": numpy.float64(88.4),
            "history": numpy.arange(3.0),
            "epoch": 119,
            "config": config,
            "args": argparse.Namespace(batch=8, folder=Path("runs")),
        },
        path,
    )
    # The reader's machine has no yacs, and need not have it.
    monkeypatch.setitem(sys.modules, "yacs", None)
    monkeypatch.setitem(sys.modules, "yacs.config", None)
    return path, model.state_dict()


def test_the_authors_checkpoint_fills_every_tensor(authors_file):
    path, saved = authors_file
    model = small(seed=1)
    report = load_checkpoint(model, path)
    assert_equal_states(model.state_dict(), saved)
    assert report.filled == tuple(saved)
    assert report.left_random == report.unused == report.mismatched == ()
    assert report.filled_values == sum(p.numel() for p in model.parameters())


def test_what_stands_beside_the_weights_stays_inert(authors_file):
    """The number, the arguments and the configuration are swallowed, not rebuilt."""
    content = _read_pickle(authors_file[0], authors_file[0].read_bytes())
    assert type(content["max_accuracy"]) is _Inert
    assert type(content["history"]) is _Inert
    assert vars(content["args"]) == {}
    assert type(content["config"]) is OrderedDict
    assert content["config"]["MODEL"]["DEPTHS"] == [1, 2]


def test_what_other_code_allows_does_not_widen_what_is_read(tmp_path):
    marker = tmp_path / "marker"
    torch.save(attacks(marker)["pathlib.Path.touch"], tmp_path / "evil.pth")
    with torch.serialization.safe_globals([getattr, Path.touch, type(tmp_path)]):
        with pytest.raises(CheckpointError, match="could run code"):
            load_checkpoint(small(), tmp_path / "evil.pth")
    assert not marker.exists()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{k}": v for k, v in state.items()}},
        lambda state: {f"module._orig_mod.{k}": v for k, v in state.items()},
        lambda state: {"model": {k: torch.nn.Parameter(v) for k, v in state.items()}},
    ],
    ids=["bare", "state_dict", "distributed", "compiled", "parameters"],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_the_usual_wrappings_are_understood(tmp_path, wrap, zipped):
    saved = small().state_dict()
    path = tmp_path / "weights.pth"
    torch.save(wrap(saved), path, _use_new_zipfile_serialization=zipped)
    model = small(seed=1)
    load_checkpoint(model, path)
    assert_equal_states(model.state_dict(), saved)


def test_the_content_decides_and_not_the_name(tmp_path):
    saved = small()
    save_checkpoint(saved, tmp_path / "ours.pth")
    torch.save(saved.state_dict(), tmp_path / "theirs.safetensors")
    for name in ("ours.pth", "theirs.safetensors"):
        model = small(seed=1)
        load_checkpoint(model, tmp_path / name)
        assert_equal_states(model.state_dict(), saved.state_dict())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precision_is_the_models(tmp_path, dtype):
    saved = small().to(dtype)
    torch.save(saved.state_dict(), tmp_path / "weights.pth")
    model = small(seed=1)
    load_checkpoint(model, tmp_path / "weights.pth")
    assert model.head.weight.dtype == torch.float32
    assert torch.equal(model.head.weight, saved.head.weight.float())


# --- heads and other variants ----------------------------------------------------


@pytest.fixture
def five_classes(tmp_path) -> Path:
    torch.save({"model": small(5).state_dict()}, tmp_path / "five.pth")
    return tmp_path / "five.pth"


def test_a_head_of_another_size_is_an_error_that_says_so(five_classes):
    with pytest.raises(CheckpointError, match="Only the head differs") as error:
        load_checkpoint(small(7), five_classes)
    for part in ("5 classes", "7 classes", "head.weight (5, 16)", "head='reset'"):
        assert part in str(error.value)


@pytest.mark.parametrize("num_classes", [7, 5], ids=["other size", "same size"])
def test_reset_keeps_the_models_own_head_and_reports_it(five_classes, num_classes):
    model = small(num_classes, seed=1)
    own_head = model.head.weight.clone()
    report = load_checkpoint(model, five_classes, head="reset")
    assert torch.equal(model.head.weight, own_head)
    assert torch.equal(model.norm.weight, small(5).norm.weight)
    assert torch.equal(
        model.layers[0].blocks[0].mlp.fc1.weight,
        small(5).layers[0].blocks[0].mlp.fc1.weight,
    )
    assert report.left_random == HEAD
    # A head that would have fitted was left over; another did not fit.
    assert report.unused == (HEAD if num_classes == 5 else ())
    assert report.mismatched == (() if num_classes == 5 else HEAD)


def test_reset_takes_a_file_without_a_head(tmp_path):
    saved = {k: v for k, v in small().state_dict().items() if k not in HEAD}
    torch.save(saved, tmp_path / "body.pth")
    assert load_checkpoint(small(), tmp_path / "body.pth", head="reset").filled == (
        tuple(saved)
    )
    with pytest.raises(CheckpointError, match="Missing in the file: head.weight"):
        load_checkpoint(small(), tmp_path / "body.pth")


PUBLISHED = [
    "vfl_net_nano",
    "video_focalnet_tiny",
    "video_focalnet_small",
    "video_focalnet_base",
]


@pytest.mark.parametrize("of_file", PUBLISHED)
@pytest.mark.parametrize("of_model", PUBLISHED)
def test_files_of_another_variant_are_refused_by_name(tmp_path, of_file, of_model):
    """Also tiny into nano, where every tensor of nano has its fitting namesake."""
    path = tmp_path / "weights.pth"
    torch.save({"model": hollow(shapes_only(of_file, 101).state_dict())}, path)
    model = shapes_only(of_model, 101)
    if of_file == of_model:
        assert load_checkpoint(model, path).unused == ()
        return
    for head in ("strict", "reset"):
        with pytest.raises(CheckpointError) as error:
            load_checkpoint(model, path, head=head)
        assert f"it holds {of_file} with 101 classes" in str(error.value)
        assert f"the model is {of_model}" in str(error.value)


def test_a_refused_file_leaves_the_model_as_it_was(tmp_path):
    state = small(seed=1).state_dict()
    del state["norm.bias"]
    torch.save(state, tmp_path / "partial.pth")
    model = small()
    with pytest.raises(CheckpointError, match="Missing in the file: norm.bias"):
        load_checkpoint(model, tmp_path / "partial.pth")
    assert_equal_states(model.state_dict(), small().state_dict())


def test_a_file_of_another_family_is_named_as_such(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="another kind of network.*'weight'"):
        load_checkpoint(small(), tmp_path / "other.pth")


def test_stems_that_merge_frames_are_refused(tmp_path):
    state = small().state_dict()
    stem = state["patch_embed.proj.weight"]
    state["patch_embed.proj.weight"] = stem[:, :, None].repeat(1, 1, 2, 1, 1)
    torch.save(state, tmp_path / "tubelets.pth")
    with pytest.raises(CheckpointError, match="merges 2 frames into one token"):
        load_checkpoint(small(), tmp_path / "tubelets.pth")


def test_whole_numbers_in_place_of_weights_are_refused(tmp_path):
    state = small().state_dict()
    state["norm.weight"] = torch.ones(16, dtype=torch.int64)
    torch.save(state, tmp_path / "integers.pth")
    with pytest.raises(CheckpointError, match="norm.weight"):
        load_checkpoint(small(), tmp_path / "integers.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    state = small().state_dict()
    state["norm.weight"][3] = value
    torch.save(state, tmp_path / "diverged.pth")
    with pytest.raises(CheckpointError, match=r"NaN or infinite.*norm\.weight"):
        load_checkpoint(small(), tmp_path / "diverged.pth")
    diverged = small()
    diverged.load_state_dict(state)
    save_checkpoint(diverged, tmp_path / "diverged.safetensors")
    with pytest.raises(CheckpointError, match="take an earlier checkpoint"):
        load_model(tmp_path / "diverged.safetensors")


# --- image weights ---------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_srf(tmp_path_factory) -> Path:
    """A file with the 212 tensors of focalnet_tiny_srf.pth, random values."""
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn(value.shape, generator=generator).half()
        for name, value in image_state("focalnet_tiny_srf").items()
    }
    assert len(state) == 212
    path = tmp_path_factory.mktemp("image") / "focalnet_tiny_srf.pth"
    torch.save({"model": state}, path)
    return path


def test_nano_takes_98_of_its_130_tensors_from_tiny_srf(tiny_srf):
    torch.manual_seed(0)
    model = create_model("vfl_net_nano", 101)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = load_image_weights(model, tiny_srf)
    assert len(report.filled) == 98
    assert round(report.filled_values / 1e6, 2) == 12.82
    temporal = [name for name in report.left_random if "temporal" in name]
    assert len(temporal) == 30
    assert set(report.left_random) == {*temporal, *HEAD}
    assert len(report.unused) == 112
    assert report.mismatched == HEAD
    saved = torch.load(tiny_srf, weights_only=True)["model"]
    for name, value in model.state_dict().items():
        expected = saved[name].float() if name in report.filled else before[name]
        assert torch.equal(value, expected), name
    text = str(report)
    for part in (
        "focalnet_tiny_srf (for images) with 1000 classes",
        "filled       98 of 130 tensors, 12,8",
        "32 tensors (30 temporal, 2 of the head)",
        "unused       112 tensors",
        "head.weight, head.bias: of another size",
    ):
        assert part in text


def test_every_tensor_appears_in_the_report_once(tiny_srf):
    model = shapes_only("vfl_net_nano", 101)
    report = load_image_weights(model, tiny_srf)
    assert sorted(report.filled + report.left_random) == sorted(model.state_dict())
    of_file = report.filled + report.unused + report.mismatched
    assert sorted(of_file) == sorted(image_state("focalnet_tiny_srf"))
    values = report.filled_values + report.left_random_values
    assert values == sum(p.numel() for p in model.parameters())


def test_an_image_head_is_never_taken_even_if_it_fits(tmp_path):
    torch.save(hollow(image_state("focalnet_tiny_srf")), tmp_path / "srf.pth")
    model = shapes_only("vfl_net_nano", 1000)
    report = load_image_weights(model, tmp_path / "srf.pth")
    assert set(HEAD) <= set(report.left_random)
    assert set(HEAD) <= set(report.unused)


@pytest.mark.parametrize(
    ("model", "file", "said"),
    [
        ("vfl_net_nano", "focalnet_tiny_lrf", "focalnet_tiny_lrf (for images)"),
        ("vfl_net_nano", "focalnet_base_srf", "focalnet_base_srf (for images)"),
        ("video_focalnet_base", "focalnet_small_srf", "focalnet_small_srf (for"),
        ("video_focalnet_small", "focalnet_tiny_srf", "focalnet_tiny_srf (for"),
    ],
    ids=["more levels", "wider", "narrower", "shallower"],
)
def test_image_files_of_other_sizes_are_refused_by_name(tmp_path, model, file, said):
    torch.save({"model": hollow(image_state(file))}, tmp_path / "image.pth")
    with pytest.raises(CheckpointError, match="does not fit") as error:
        load_image_weights(shapes_only(model, 101), tmp_path / "image.pth")
    assert f"it holds {said}" in str(error.value)
    assert "layers.9" not in str(error.value)


def test_video_and_image_files_are_told_apart(tmp_path):
    model = shapes_only("video_focalnet_tiny", 101)
    torch.save(hollow(model.state_dict()), tmp_path / "video.pth")
    with pytest.raises(CheckpointError, match="load_checkpoint, with head='reset'"):
        load_image_weights(model, tmp_path / "video.pth")
    torch.save(hollow(image_state("focalnet_tiny_srf")), tmp_path / "image.pth")
    with pytest.raises(CheckpointError, match="use load_image_weights"):
        load_checkpoint(model, tmp_path / "image.pth")


# --- files that are no weights, or worse -----------------------------------------


class Attack:
    """Pickles as a call of a function, as malicious files do."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def attacks(marker: Path) -> dict[str, Attack]:
    create = f"open({str(marker)!r}, 'w').close()"
    return {
        "posix.system": Attack(os.system, f"touch {marker}"),
        "eval": Attack(eval, create),
        "exec": Attack(exec, create),
        "open": Attack(open, str(marker), "w"),
        "pathlib.Path.touch": Attack(Path.touch, marker),
    }


@pytest.mark.parametrize("where", ["beside the weights", "among the weights", "alone"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
@pytest.mark.parametrize("kind", list(attacks(Path("x"))))
def test_code_in_a_file_is_never_run(tmp_path, where, zipped, kind):
    marker, path = tmp_path / "marker", tmp_path / "evil.pth"
    attack = attacks(marker)[kind]
    state = small().state_dict()
    content = {
        "beside the weights": {"model": state, "config": attack},
        "among the weights": {"model": {**state, "extra": attack}},
        "alone": attack,
    }[where]
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    for read in (
        lambda: load_checkpoint(small(), path),
        lambda: load_image_weights(small(), path),
        lambda: load_model(path),
        lambda: read_metadata(path),
    ):
        with pytest.raises(CheckpointError):
            read()
    assert not marker.exists()
    # The attack is a real one: what we refuse to do would have made the file.
    torch.load(path, weights_only=False)
    assert marker.exists()


def test_code_hidden_within_an_allowed_type_is_not_run(tmp_path, config_node):
    marker = tmp_path / "marker"
    config = config_node({"A": Attack(os.system, f"touch {marker}")})
    torch.save({"model": small().state_dict(), "config": config}, tmp_path / "e.pth")
    with pytest.raises(CheckpointError, match="could run code"):
        load_checkpoint(small(), tmp_path / "e.pth")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n <html><body>Sign in</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "neither a PyTorch nor"),
        (b"epoch,loss\n1,2.0\n", "neither a PyTorch nor"),
        (b"\x00", "neither a PyTorch nor"),
        (b"PK\x03\x04" + bytes(500), "damaged or incomplete"),
        (b"\x80\x02" + bytes(500), "damaged or incomplete"),
        (b"\x80\x02}q\x00.", "damaged or incomplete"),
        (b"\xff" * 8 + b"{" + bytes(99), "damaged or incomplete"),
    ],
)
def test_what_is_no_weights_file_is_refused_in_words(tmp_path, content, said):
    path = tmp_path / "download.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as error:
        load_checkpoint(small(), path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("share", [0.0001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncated_files_are_refused(tmp_path, kind, share):
    path = tmp_path / "weights.pth"
    if kind == "safetensors":
        save_checkpoint(small(), path)
    else:
        zipped = kind == "zip"
        torch.save(small().state_dict(), path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: max(1, int(path.stat().st_size * share))])
    model = small(seed=1)
    with pytest.raises(CheckpointError):
        load_checkpoint(model, path)
    assert_equal_states(model.state_dict(), small(seed=1).state_dict())


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no weights file .*gone\.pth"):
        load_checkpoint(small(), tmp_path / "gone.pth")
    with pytest.raises(CheckpointError, match="is a folder"):
        load_checkpoint(small(), tmp_path)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(small(), tmp_path / "file" / "weights.pth")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"optimizer": {"state": {}}, "epoch": 3}, "'optimizer', 'epoch'"),
        ({}, "it holds a dict"),
        ([torch.zeros(2)], "it holds a list"),
        (torch.zeros(2), "it holds a Tensor"),
        ({"model": {}}, "'model'"),
        ({0: torch.zeros(2)}, "it holds 0"),
    ],
)
def test_files_without_weights_say_what_they_hold(tmp_path, content, said):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="no weights where") as error:
        load_checkpoint(small(), tmp_path / "other.pth")
    assert said in str(error.value)


# --- our own files ---------------------------------------------------------------


def test_round_trip_with_metadata(tmp_path):
    path = tmp_path / "new" / "folder" / "student.safetensors"
    torch.manual_seed(0)
    saved = create_model("vfl_net_lab_student", 3, drop_path=0.3)
    recipe = {"profile": "demo", "optim": {"epochs": 2}}
    save_checkpoint(saved, path, recipe, {"classes": ["a", "b", "c"], "epoch": 2})
    metadata = read_metadata(path)
    assert metadata == {
        "format": 1,
        "model": "vfl_net_lab_student",
        "config": json.loads(json.dumps(asdict(VARIANTS["vfl_net_lab_student"]))),
        "num_classes": 3,
        "recipe": recipe,
        "classes": ["a", "b", "c"],
        "epoch": 2,
    }
    model, again = load_model(path)
    assert again == metadata
    assert not model.training
    assert_equal_states(model.state_dict(), saved.state_dict())
    clip = torch.randn(1, 2, 3, 32, 32)
    assert torch.equal(model(clip), saved.eval()(clip))
    assert all(p.requires_grad for p in model.parameters())
    report = load_checkpoint(create_model("vfl_net_lab_student", 3), path)
    assert isinstance(report, LoadReport) and report.left_random == ()
    assert [p.name for p in path.parent.iterdir()] == ["student.safetensors"]


def test_a_loaded_model_owes_nothing_to_its_file(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_checkpoint(small(), path)
    model, _ = load_model(path)
    save_checkpoint(small(seed=1), path)
    with torch.no_grad():
        model.norm.weight.add_(0)
    assert_equal_states(model.state_dict(), small().state_dict())


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        VFLNetConfig(depths=(1,), embed_dim=4, patch_size=2, focal_levels=1),
        VFLNetConfig((1, 1), 8, focal_levels=3, focal_window=5, focal_factor=4),
        VFLNetConfig((2, 1), 8, mlp_ratio=2.5),
    ],
)
def test_sizes_without_a_name_are_rebuilt_from_their_numbers(tmp_path, config):
    save_checkpoint(VFLNet(config, 4), tmp_path / "weights.safetensors")
    model, metadata = load_model(tmp_path / "weights.safetensors")
    assert metadata["model"] is None
    assert model.config == config
    assert model(torch.zeros(1, 2, 3, 16, 16)).shape == (1, 4)


def test_extra_may_not_contradict_the_model(tmp_path):
    with pytest.raises(CheckpointError, match="extra may not hold num_classes"):
        save_checkpoint(small(), tmp_path / "w", extra={"num_classes": 9})
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_have_no_metadata_of_ours(tmp_path):
    torch.save(small().state_dict(), tmp_path / "w.pth")
    save_file(small().state_dict(), tmp_path / "w.safetensors", {"format": "pt"})
    for path in (tmp_path / "w.pth", tmp_path / "w.safetensors"):
        for read in (read_metadata, load_model):
            with pytest.raises(CheckpointError, match="not written by save_checkpoint"):
                read(path)
        load_checkpoint(small(seed=1), path)  # but its weights can be used


def rewrite(path: Path, change) -> None:
    """Save the same tensors with metadata that someone changed."""
    metadata = read_metadata(path)
    save_file(load_file(path), path, {"dvfl": json.dumps(change(metadata))})


@pytest.mark.parametrize(
    "change",
    [
        lambda m: {**m, "num_classes": 6},
        lambda m: {**m, "num_classes": "5"},
        lambda m: {**m, "config": {**m["config"], "embed_dim": 10**9}},
        lambda m: {**m, "config": {**m["config"], "depths": [1, 10**9]}},
        lambda m: {**m, "config": {**m["config"], "mlp_ratio": "4"}},
        lambda m: {**m, "config": None},
        lambda m: {**m, "config": {}},
    ],
)
def test_metadata_that_contradict_the_weights_are_refused(tmp_path, change):
    path = tmp_path / "w.safetensors"
    save_checkpoint(small(), path)
    rewrite(path, change)
    with pytest.raises(CheckpointError, match="contradicts itself"):
        load_model(path)


def test_metadata_that_are_no_json_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    for text in ("{", "[1]", "[" * 100_000):
        save_file(small().state_dict(), path, {"dvfl": text})
        with pytest.raises(CheckpointError, match="cannot be read as JSON"):
            read_weights(path)


def test_a_safetensors_file_may_begin_like_an_old_pickle(tmp_path):
    """Its first byte is that of a length; 0x80 there also marks a pickle."""
    model = small()
    for padding in range(0, 256):
        path = tmp_path / "model.safetensors"
        save_checkpoint(model, path, extra={"note": "x" * padding})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert load_checkpoint(small(seed=1), path).left_random == ()


# --- what happens to other people's files ----------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_our_own_files_in_half_precision_become_float32(tmp_path, dtype):
    save_checkpoint(small().to(dtype), tmp_path / "w.safetensors")
    model, _ = load_model(tmp_path / "w.safetensors")
    assert torch.equal(model.norm.weight, small().to(dtype).norm.weight.float())
    assert model(torch.zeros(1, 2, 3, 16, 16)).dtype == torch.float32


def test_a_moving_average_beside_the_weights_is_said_and_can_be_chosen(tmp_path):
    path = tmp_path / "ema.pth"
    plain, average = small(seed=1).state_dict(), small(seed=2).state_dict()
    torch.save({"model_ema": average, "model": plain, "epoch": 3}, path)
    model = small()
    report = load_checkpoint(model, path)
    assert_equal_states(model.state_dict(), plain)
    assert "under 'model'; others: model_ema" in str(report)
    assert "part='model_ema' takes others" in read_weights(path).note
    load_checkpoint(model, path, part="model_ema")
    assert_equal_states(model.state_dict(), average)
    with pytest.raises(CheckpointError, match="'model_ema', 'model', 'epoch'"):
        load_checkpoint(model, path, part="ema")


def test_a_stray_number_among_the_weights_is_named(tmp_path):
    torch.save({"model": {**small().state_dict(), "steps": 7}}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="'steps', no tensor but of type int"):
        load_checkpoint(small(), tmp_path / "w.pth")


def test_every_flipped_bit_of_the_weights_is_noticed(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"model": small().state_dict()}, path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 997):
        changed = bytearray(whole)
        changed[place] ^= 4
        path.write_bytes(changed)
        try:
            found = read_weights(path).tensors
        except CheckpointError:
            continue  # else the bit lay where nothing is written
        assert_equal_states(found, small().state_dict())
    value = whole.index(small().head.weight.detach().numpy().tobytes())
    path.write_bytes(whole[:value] + bytes([whole[value] ^ 1]) + whole[value + 1 :])
    with pytest.raises(CheckpointError, match="does not have its checksum"):
        read_weights(path)


def test_a_zip_of_a_folder_is_said_to_be_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("drive/best.pth", b"x")
    with pytest.raises(CheckpointError, match="drive/best.pth ....: unpack it"):
        read_weights(tmp_path / "w.pth")


def test_a_file_is_read_once_and_knows_its_digest(tmp_path):
    path = tmp_path / "w.safetensors"
    save_checkpoint(small(), path, extra={"classes": list("abcde")})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = read_weights(path)
    path.unlink()
    assert file.digest == digest and file.note == ""
    model, metadata = load_model(file)
    assert metadata == file.metadata and metadata["classes"] == list("abcde")
    assert load_checkpoint(small(seed=1), file).left_random == ()
    assert not any(p is t for p in model.parameters() for t in file.tensors.values())


def test_a_folder_in_the_form_of_the_hub(tmp_path):
    """Nothing is sent or fetched; official names; the marks of a stand-in stay."""
    about = {"classes": list("abc"), "standin": True, "recipe": {"profile": "demo"}}
    model = create_model("vfl_net_lab_student", 3)
    PretrainedVFLNet.of(model, about).save_pretrained(tmp_path / "net")
    written = json.loads((tmp_path / "net" / "config.json").read_text())
    assert written["architecture"] == "vfl_net_lab_student"
    assert (written["num_classes"], written["class_names"]) == (3, list("abc"))
    assert {*load_file(tmp_path / "net" / "model.safetensors")} == {*model.state_dict()}
    again = PretrainedVFLNet.from_pretrained(tmp_path / "net")
    assert_equal_states(again.state_dict(), model.state_dict())
    assert again.class_names == ("a", "b", "c") and not again.training
    assert again.about == {"standin": True, "recipe": {"profile": "demo"}}
    _, metadata = load_model(tmp_path / "net" / "model.safetensors")
    assert metadata["standin"] and metadata["classes"] == list("abc")
    save_checkpoint(create_model("vfl_net_lab_student", 4), tmp_path / "four")
    (tmp_path / "four").rename(tmp_path / "net" / "model.safetensors")
    with pytest.raises(CheckpointError, match="Only the head differs"):
        PretrainedVFLNet.from_pretrained(tmp_path / "net")


def test_a_hub_network_without_a_name_has_its_sizes(tmp_path):
    PretrainedVFLNet.of(small(), {}).save_pretrained(tmp_path)
    again = PretrainedVFLNet.from_pretrained(tmp_path)
    assert again.config == SMALL and again.class_names == ()
    for wrong in (("no_such", 3), ("vfl_net_nano", 3, ["a"])):
        with pytest.raises(CheckpointError):
            PretrainedVFLNet(*wrong)
