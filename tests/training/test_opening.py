"""Opening a run: every parameter is checked before any work begins."""

import itertools
import re
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from dvfl_lib.errors import DatasetError, DVFLError, RecipeError, RunDirectoryError
from dvfl_lib.training import open_run, opening
from dvfl_lib.vfl_net import create_model
from dvfl_lib.weights import save_checkpoint


def opened(data: Path, run_dir: Path, **changes):
    """``open_run`` on the small stand-in, with single parameters changed."""
    parameters = dict(
        profile="demo",
        dataset="ucf101",
        data_root=str(data),
        split="1",
        run_dir=str(run_dir),
        seed=0,
        progress=False,
    )
    return open_run(**{**parameters, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"profile": "papier"}, RecipeError, "paper"),
        ({"dataset": "ucf11"}, DatasetError, "ucf101"),
        ({"seed": -1}, DVFLError, "seed"),
        ({"seed": 1.0}, DVFLError, "seed"),
        ({"split": "4"}, DVFLError, "4"),
        ({"data_root": "nowhere/at/all"}, DatasetError, "nowhere"),
        ({"teacher_weights": "no_file.pth"}, DVFLError, "no_file"),
        ({"overrides": {"optim.epoch": 1}}, RecipeError, "optim.epochs"),
        ({"track": "visdom"}, RecipeError, "visdom"),
        ({"overrides": {"distil.loss": "reverse_kI"}}, RecipeError,
         "distil.loss.*Did you mean 'reverse_kl'.*forward_kl, reverse_kl"),
        ({"overrides": {"distil.match": "feature"}}, RecipeError, "match: .*'feat"),
        ({"overrides": {"data.sampling": "random"}}, RecipeError, "'segments'"),
        ({"overrides": {"teacher_optim.batch_size": 9600}}, RecipeError,
         "teacher_optim: .* do not fill one batch"),
        ({"overrides": {"student.model": "vfl_net_nanoo"}}, DVFLError, "vfl_net_nano"),
        ({"overrides": {"student.image_weights": "foo"}}, DVFLError, "foo"),
        ({"profile": "paper", "data_root": ""}, RecipeError, "needs data_root"),
        ({"overrides": '{"optim.epochs": 2}'}, RecipeError, "dictionary"),
        ({"overrides": {"data.crop": 16, "data.short_side": 16,
                        "student.model": "vfl_net_nano"}}, RecipeError, "at least 32"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named_before_any_work(
    data, tmp_path, changes, error, says
):
    with pytest.raises(error, match=says):
        opened(data, tmp_path / "run", **changes)


def test_a_run_directory_that_is_a_file_is_refused(data, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        opened(data, tmp_path / "file")


def test_a_training_of_days_without_a_gpu_is_told_beforehand(
    data, tmp_path, monkeypatch
):
    state = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened(data, tmp_path / "run")
    clock = itertools.count(0, 3600)
    monkeypatch.setattr(opening.time, "monotonic", lambda: next(clock))
    says = "no GPU here: one step of the {} .32 clips. takes about 115200 seconds"
    with pytest.warns(UserWarning) as told:
        opened(data, tmp_path / "run")
    for role, each in zip(("teacher", "baseline"), told, strict=True):
        assert re.search(says.format(role), str(each.message))
    assert torch.equal(torch.get_rng_state(), state)


def test_students_begin_equal_and_the_teacher_does_not(data, tmp_path):
    run = opened(data, tmp_path / "run")
    states = [run.new_network(r)[0].state_dict() for r in ("baseline", "student")]
    assert all(states[0][k].equal(states[1][k]) for k in states[0])
    assert run.new_network("teacher")[0].config != run.new_network("baseline")[0].config


def test_labels_groups_and_lists_are_functions_of_the_seed(data, tmp_path):
    one, same = (opened(data, tmp_path / "run") for _ in range(2))
    other = opened(data, tmp_path / "run", seed=1)
    assert one.labelled == same.labelled != other.labelled
    assert one.fit_samples == same.fit_samples
    held = {s.group for s in one.held_out_samples}
    assert held and not held & {s.group for s in one.fit_samples}
    tested = {s.group for s in one.test_list.samples}
    assert not tested & (held | {s.group for s in one.fit_samples})
    per_class = [one.fit_samples[i].label for i in one.labelled]
    assert {per_class.count(k) for k in range(12)} == {2}  # 15 % of 13 or 14


@pytest.mark.parametrize("testing_side", [36, 40])
def test_the_cache_is_filled_with_every_video_once_per_size(
    data, tmp_path, testing_side, monkeypatch
):
    monkeypatch.setattr(opening, "project_root", lambda: tmp_path)
    run = opened(
        data, tmp_path / "run", overrides={"evaluate.short_side": testing_side}
    )
    run.fill_cache()
    cached = {side: run.cache(side) for side in (36, testing_side)}
    for sample in run.fit_samples:
        assert cached[36].file_of(sample.path).exists()
    for sample in [*run.held_out_samples, *run.test_list.samples]:
        assert cached[testing_side].file_of(sample.path).exists()
    files = list((tmp_path / "data" / "cache").rglob("*.npy"))
    assert len(files) == len(run.train_list) + len(run.test_list)


def test_a_given_teacher_asks_for_no_image_weights(data, tmp_path):
    file = tmp_path / "teacher.safetensors"
    save_checkpoint(create_model("vfl_net_lab_teacher", num_classes=12), file)
    nowhere = {"teacher.image_weights": str(tmp_path / "nowhere.pth")}
    run = opened(data, tmp_path / "run", teacher_weights=str(file), overrides=nowhere)
    assert run.train("teacher") is None
    assert not run.trained("teacher").training


def test_a_clip_on_both_lists_is_refused(data, tmp_path):
    mixed = shutil.copytree(data, tmp_path / "mixed")
    lists = mixed / "ucfTrainTestlist"
    with (lists / "trainlist01.txt").open("a") as file:
        file.write((lists / "testlist01.txt").read_text())
    with pytest.raises(DatasetError, match="share 84 groups"):
        opened(mixed, tmp_path / "run")


@pytest.mark.parametrize("kind", ["training", "test"])
def test_too_many_unreadable_videos_are_known_before_training(
    data, tmp_path, kind, monkeypatch
):
    monkeypatch.setattr(opening, "project_root", lambda: tmp_path)
    damaged = shutil.copytree(data, tmp_path / "damaged")
    run = opened(damaged, tmp_path / "run")
    samples = run.fit_samples if kind == "training" else run.test_list.samples
    for sample in samples[:2]:
        sample.path.write_bytes(b"")
    with pytest.raises(DatasetError, match=f"2 of .* {kind} videos") as caught:
        run.fill_cache()
    assert samples[1].path.name in str(caught.value)


@pytest.mark.nightly
def test_held_out_and_test_videos_that_are_skipped_are_told_and_may_be_mended(
    data, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(opening, "project_root", lambda: tmp_path)
    damaged = shutil.copytree(data, tmp_path / "damaged")
    few = {"data.max_unreadable": 0.05, "teacher_optim.epochs": 1}
    few["teacher_optim.warmup_epochs"] = 0
    run = opened(damaged, tmp_path / "run", overrides=few)
    held, tested = run.held_out_samples[0], run.test_list.samples[3]
    good = tested.path.read_bytes()
    for sample in (held, tested):
        sample.path.write_bytes(b"no video")
    fitted = run.train("teacher")
    assert [m.partition(":")[0] for m in fitted.unreadable] == ["held out"]
    assert held.path.name in caplog.text
    assert held.path.name in (fitted.folder / "unreadable.json").read_text("utf-8")
    again = opened(damaged, tmp_path / "run", overrides=few).train("teacher")
    assert again.unreadable == fitted.unreadable
    result = run.evaluate("teacher")
    assert len(result.unreadable) == 1 and tested.name in result.unreadable[0]
    tested.path.write_bytes(good)
    assert run.evaluate("teacher").unreadable == ()


def test_another_split_or_seed_goes_to_another_folder(data, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "project_root", lambda: tmp_path)
    for split, seed, name in [
        ("1", 0, "ucf101_demo"),
        (2, 0, "ucf101_demo_split2"),
        ("1", 3, "ucf101_demo_seed3"),
    ]:
        run = opened(data, "", split=split, seed=seed)
        assert run.run_dir == tmp_path / "runs" / name


def test_the_stand_in_is_that_of_the_data_set(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(opening, "project_root", lambda: tmp_path)
    monkeypatch.setattr(
        opening, "write_standin", lambda name, root, **_: written.append((name, root))
    )
    with pytest.raises(DatasetError):  # nothing was written
        opened("", tmp_path / "run", dataset="hmdb51")
    assert written == [("hmdb51", tmp_path / "data" / "hmdb51_standin")]
    with pytest.raises(RecipeError, match="'folder' .* needs data_root"):
        opened("", tmp_path / "run", dataset="folder")
