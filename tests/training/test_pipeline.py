"""A run's networks: a given teacher, stored logits, and what is refused at once.

A given teacher's classes stand beside those of the data by name, never by place.
"""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from dvfl_lib.errors import CheckpointError
from dvfl_lib.recipes import recipe_for
from dvfl_lib.seeding import fixed_rng
from dvfl_lib.training import ROLES, Pipeline
from dvfl_lib.training.teacher_logits import StoredTeacher
from dvfl_lib.vfl_net import create_model
from dvfl_lib.weights import save_checkpoint

NAMES = ("sink", "rise", "turn", "Rise and sink")
UCF = ("Haircut", "Hammering", "HammerThrow")  # as the official list has them


def teacher(classes: int):
    with fixed_rng("given teacher"):
        return create_model("vfl_net_lab_teacher", classes, init="fan_in").eval()


def given(network, file, data=NAMES, name="ucf101", standin=True, **extra):
    """A run whose teacher is a file; the lists are not read."""
    if file.suffix == ".pth":
        torch.save(network.state_dict(), file)
    else:
        save_checkpoint(network, file, extra=extra)
    recipe, folder = recipe_for("demo"), file.parent
    place = (name, folder, "1", folder, folder)
    run = Pipeline(recipe, *place, teacher_weights=str(file))
    run.train_list = SimpleNamespace(name=name, standin=standin, classes=data)
    return run


@torch.no_grad()
def assert_rows(found, network, order) -> None:
    """Output k of ``found`` is output ``order[k]`` of the network that was saved."""
    clip = torch.randn(2, 8, 3, 32, 32)
    expected = network(clip)[:, list(order)]
    torch.testing.assert_close(found(clip), expected, rtol=0, atol=1e-6)


def test_a_teacher_that_numbers_the_classes_otherwise_is_put_in_order(tmp_path):
    network = teacher(4)
    theirs = ["rise", "riseandsink", "turn", "sink"]
    run = given(network, tmp_path / "t.safetensors", classes=theirs)
    order = (3, 0, 2, 1)
    assert_rows(run.trained("teacher"), network, order)


@pytest.mark.parametrize("extra", [{}, {"classes": list(NAMES)}])
def test_one_in_the_order_of_the_data_keeps_its_bits(tmp_path, extra):
    network = teacher(4)
    run = given(network, tmp_path / "t.safetensors", **extra)
    for name, value in run.trained("teacher").state_dict().items():
        assert torch.equal(value, network.state_dict()[name])


def test_a_teacher_of_other_classes_is_refused_before_training(tmp_path):
    others = [f"other {name}" for name in NAMES]
    run = given(teacher(4), tmp_path / "t.safetensors", classes=others)
    with pytest.raises(CheckpointError, match=r"t\.safetensors.*cannot be paired"):
        run.train("teacher")
    run = given(teacher(4), tmp_path / "t.pth")
    with pytest.raises(CheckpointError, match="does not say in which order"):
        run.train("teacher")


def test_a_released_teacher_is_in_the_order_of_its_own_lists(tmp_path):
    """They sort HammerThrow before Hammering, the official list does not."""
    network, file = teacher(3), tmp_path / "t.pth"
    run = given(network, file, UCF, standin=False)
    assert_rows(run.trained("teacher"), network, (0, 2, 1))
    run = given(network, file, UCF, "kinetics400", standin=False)
    assert_rows(run.trained("teacher"), network, (0, 1, 2))
    run = given(network, file, UCF, "folder", standin=False)
    with pytest.raises(CheckpointError, match="order of the network's classes is not"):
        run.trained("teacher")


# --- stored logits --------------------------------------------------------------------

SHORT = {
    "optim.epochs": 2,
    "optim.warmup_epochs": 1,
    "data.workers": 0,
    "distil.stored_views": 2,
}


@pytest.fixture(scope="module")
def untaught(data, tmp_path_factory) -> Pipeline:
    """A stand-in, and a teacher that was never trained."""
    root = tmp_path_factory.mktemp("stored")
    run = Pipeline(
        recipe=recipe_for("demo", SHORT),
        dataset="ucf101",
        data_root=data,
        split="1",
        run_dir=root / "run",
        cache_dir=root / "cache",
        teacher_weights=str(root / "teacher.safetensors"),
        progress=False,
    )
    classes = len(run.train_list.classes)
    save_checkpoint(teacher(classes), root / "teacher.safetensors")
    return run


@pytest.fixture
def asked(monkeypatch) -> list[int]:
    """Grows by each clip that a teacher is asked about for its stored logits."""
    clips, write = [], StoredTeacher._write

    def counted(self, view, rows):
        clips.extend(rows)
        write(self, view, rows)

    monkeypatch.setattr(StoredTeacher, "_write", counted)
    return clips


def test_runs_with_the_same_teacher_and_data_share_the_logits(
    untaught, asked, tmp_path
):
    run = untaught
    result = run.train("student")
    assert len(asked) == 2 * len(run.fit_samples)
    asked.clear()
    recipe = recipe_for("demo", SHORT | {"distil.loss": "reverse_kl"})
    other = replace(run, recipe=recipe, run_dir=tmp_path / "other")
    assert other.train("student").history != result.history
    assert asked == [], "the second run asked the teacher again"
    assert len(list((run.cache_dir / "teacher_logits").iterdir())) == 1
    views = [run.training_clips(role).views for role in ROLES]
    assert views == [0, 2, 2], "baseline and student see the same, the teacher new ones"
