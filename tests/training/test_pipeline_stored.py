"""A whole run with stored views: where the teacher's logits lie, who shares them."""

from dataclasses import replace
from pathlib import Path

import pytest

from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.recipes import recipe_for
from dvfl_lib.seeding import fixed_rng
from dvfl_lib.training import Pipeline, RunSettings
from dvfl_lib.training.stored_teacher import StoredTeacher
from dvfl_lib.vfl_net import create_model
from dvfl_lib.weights import save_checkpoint
from small_standins import write_small

SHORT = {
    "optim.epochs": 2,
    "optim.warmup_epochs": 1,
    "data.workers": 0,
    "distil.stored_views": 2,
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> RunSettings:
    """A stand-in, and a teacher that was never trained."""
    root = tmp_path_factory.mktemp("stored")
    settings = RunSettings(
        recipe=recipe_for("demo", SHORT),
        dataset="ucf101",
        data_root=write_small("ucf101", root / "data"),
        split="1",
        run_dir=root / "run",
        cache_dir=root / "cache",
        teacher_weights=str(root / "teacher.safetensors"),
        progress=False,
    )
    classes = len(Pipeline(settings).train_list.classes)
    with fixed_rng("teacher"):
        teacher = create_model("vfl_net_lab_teacher", classes, init="fan_in")
    save_checkpoint(teacher, root / "teacher.safetensors")
    return settings


@pytest.fixture
def asked(monkeypatch) -> list[int]:
    """Grows by each clip that a teacher is asked about for a cache."""
    clips, answers = [], StoredTeacher._answers

    def counted(self, accelerator, batch, wanted, classes):
        clips.extend(wanted)
        return answers(self, accelerator, batch, wanted, classes)

    monkeypatch.setattr(StoredTeacher, "_answers", counted)
    return clips


def folders(settings: RunSettings) -> list[Path]:
    return sorted((settings.cache_dir / "teacher_logits").iterdir())


@pytest.fixture(scope="module")
def filled(settings) -> Pipeline:
    run = Pipeline(settings)
    cache = run.fill_teacher_cache()
    assert [cache.folder] == folders(settings)
    return run


def test_runs_with_the_same_teacher_and_data_share_the_logits(
    filled, settings, asked, tmp_path
):
    assert filled.seconds["teacher's logits (last call)"] > 0
    [folder] = folders(settings)
    result = filled.train("distilled")
    other = replace(
        settings,
        recipe=recipe_for("demo", SHORT | {"distil.loss": "reverse_kl"}),
        run_dir=tmp_path / "other",
    )
    assert Pipeline(other).train("distilled").history != result.history
    assert asked == [] and folders(settings) == [folder]


def test_a_run_fills_by_itself_and_another_seed_has_a_folder_of_its_own(
    filled, settings, asked, tmp_path
):
    before = folders(settings)
    run = Pipeline(replace(settings, seed=1, run_dir=tmp_path))
    assert run.train("distilled").steps > 0
    assert len(asked) == 2 * len(run.fit_samples)
    assert len(folders(settings)) == len(before) + 1


def test_a_cache_that_is_pointed_to_must_be_the_right_one(
    filled, settings, asked, tmp_path
):
    folder = filled.fill_teacher_cache().folder
    pointed = replace(settings, teacher_cache=str(folder), run_dir=tmp_path / "a")
    assert Pipeline(pointed).fill_teacher_cache().folder == folder
    with pytest.raises(RunDirectoryError, match="is stale.*clips.seed"):
        Pipeline(replace(pointed, seed=1)).train("distilled")
    recipe = recipe_for("demo", SHORT | {"augment.flip": 0.0})
    with pytest.raises(RunDirectoryError, match=r"augment.flip \(0.5 there, 0.0 now"):
        Pipeline(replace(pointed, recipe=recipe)).fill_teacher_cache()
    assert asked == []


def test_a_video_that_changed_under_its_name_is_found_in_the_shared_folder(
    filled, settings, asked
):
    path = filled.fit_samples[3].path
    before = path.read_bytes()
    try:
        path.write_bytes(filled.fit_samples[4].path.read_bytes())
        with pytest.raises(RunDirectoryError, match="video files .other content now"):
            Pipeline(settings).fill_teacher_cache()
    finally:
        path.write_bytes(before)
    assert asked == []
    Pipeline(settings).fill_teacher_cache()  # mended, it serves again


def test_without_stored_views_there_is_no_cache(settings, tmp_path):
    for changes in (
        {"distil.stored_views": 0},
        {"distil.live_teacher": True},
    ):
        run = replace(settings, recipe=recipe_for("demo", SHORT | changes))
        run = Pipeline(replace(run, cache_dir=tmp_path))
        assert run.fill_teacher_cache() is None
        assert not (tmp_path / "teacher_logits").exists()


def test_both_students_see_the_same_views_and_the_teacher_new_ones(filled):
    assert (
        filled.training_clips("baseline").views
        == filled.training_clips("distilled").views
        == 2
    )
    assert filled.training_clips("teacher").views == 0
