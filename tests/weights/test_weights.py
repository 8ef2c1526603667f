"""Weights files: what is taken from them, and what is refused, and why.

The files are made here in the layouts of the published ones: the authors' ``.pth``
(weights under ``model``, a yacs configuration and more beside them), microsoft's
FocalNet files (built from timm's FocalNet, names turned back), and our own.
"""

import argparse
import json
import os
import re
import sys
import types
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

from dvfl_lib.errors import CheckpointError, RunDirectoryError
from dvfl_lib.vfl_net import VARIANTS, VFLNet, VFLNetConfig, create_model
from dvfl_lib.weights import (
    LoadReport,
    load_checkpoint,
    load_image_weights,
    load_model,
    read_metadata,
    save_checkpoint,
)
from dvfl_lib.weights.reading import read_weights

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
    from dvfl_lib.weights.reading import _Inert, _read_pickle

    content = _read_pickle(authors_file[0])
    assert type(content["max_accuracy"]) is _Inert
    assert type(content["history"]) is _Inert
    assert vars(content["args"]) == {}
    assert type(content["config"]) is OrderedDict
    assert content["config"]["MODEL"]["DEPTHS"] == [1, 2]


def test_allowed_names_are_allowed_during_reading_only(authors_file):
    before = set(torch.serialization.get_safe_globals())
    load_checkpoint(small(), authors_file[0])
    assert set(torch.serialization.get_safe_globals()) == before


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


def test_unknown_head_mode_is_refused(five_classes):
    with pytest.raises(CheckpointError, match="'strict' or 'reset'"):
        load_checkpoint(small(), five_classes, head="maybe")


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


def test_first_differences_are_named_and_the_rest_counted(tmp_path):
    wide = VFLNet(VFLNetConfig(depths=(1, 2), embed_dim=16), 5)
    torch.save(wide.state_dict(), tmp_path / "wide.pth")
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(small(), tmp_path / "wide.pth")
    text = str(error.value)
    assert "patch_embed.proj.weight (16, 3, 4, 4) instead of (8, 3, 4, 4)" in text
    assert re.search(r"and \d\d more", text)
    assert "a focal video network with (1, 2) blocks, 16 channels" in text


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


def test_video_tiny_takes_all_but_time_and_head_from_tiny_srf(tiny_srf):
    model = shapes_only("video_focalnet_tiny", 101)
    report = load_image_weights(model, tiny_srf)
    expected = {n for n in model.state_dict() if "temporal" not in n} - set(HEAD)
    assert set(report.filled) == expected
    assert report.unused == ()


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


def test_timms_own_names_are_recognised_and_refused(tmp_path):
    with torch.device("meta"):
        state = timm.create_model("focalnet_tiny_srf").state_dict()
    torch.save(hollow(state), tmp_path / "timm.pth")
    with pytest.raises(CheckpointError, match="FocalNet under timm's names"):
        load_image_weights(shapes_only("vfl_net_nano", 5), tmp_path / "timm.pth")


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


def test_an_unknown_type_is_refused_by_its_name_with_a_remedy(tmp_path):
    torch.save(
        {"model": small().state_dict(), "config": Attack(os.system, "true")},
        tmp_path / "evil.pth",
    )
    with pytest.raises(CheckpointError, match=r"'(posix|nt)\.system'") as error:
        load_checkpoint(small(), tmp_path / "evil.pth")
    assert "could run code" in str(error.value)
    assert "have the 'model' dictionary alone saved anew" in str(error.value)


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
        (b"<!DOCTYPE html><html><title>Google Drive - Virus scan", "is a web page"),
        (b"\n <html><body>Sign in</body></html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
        (b"\x1f\x8b\x08" + bytes(99), "compressed archive"),
        (b"Rar!\x1a\x07" + bytes(99), "compressed archive"),
        (b"epoch,loss\n1,2.0\n", "neither a PyTorch nor a safetensors file"),
        (b"\x00", "neither a PyTorch nor a safetensors file"),
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
        ({}, "it holds {}"),
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


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save_checkpoint(small(), tmp_path / name, {"x": 1}, {"epoch": 1, "classes": []})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_files_have_the_usual_permissions(tmp_path):
    save_checkpoint(small(), tmp_path / "w")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "w").stat().st_mode == (tmp_path / "plain").stat().st_mode


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


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "w.safetensors"
    save_checkpoint(small(), path)
    old = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) // 2, hard))
    try:
        with pytest.raises(RunDirectoryError, match="cannot be written") as error:
            save_checkpoint(small(seed=1), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "untouched" in str(error.value)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_rename_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save_checkpoint(small(), path)
    old = path.read_bytes()

    def refuse(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RunDirectoryError, match="Permission denied"):
        save_checkpoint(small(seed=1), path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunDirectoryError, match="may write to"):
            save_checkpoint(small(), tmp_path / "w.safetensors")
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        save_checkpoint(small(), tmp_path / "runs" / "w.safetensors")
    assert (tmp_path / "runs").read_text() == "not a folder"


def test_a_checkpoint_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "w.safetensors").mkdir()
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        save_checkpoint(small(), tmp_path / "w.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


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
